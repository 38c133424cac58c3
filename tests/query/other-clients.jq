requests | map(select(agent | test("kubectl|kube-apiserver-admission") | not))
| group_by([user, .verb, ref("resource")])
| map({username: (.[0] | user), verb: .[0].verb, resource: (.[0] | ref("resource")), requests: length})
| sort_by([-.requests, .username, .verb, .resource])
