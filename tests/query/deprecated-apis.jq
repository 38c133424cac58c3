def version: path | split("/") | if .[1] == "api" then .[2] elif .[1] == "apis" then .[3] else "" end;
requests | map(select(note("k8s.io/deprecated") == "true"))
| group_by([user, ref("apiGroup"), version, ref("resource"), note("k8s.io/removed-release")])
| map({username: (.[0] | user), api_group: (.[0] | ref("apiGroup")), api_version: (.[0] | version),
    resource: (.[0] | ref("resource")), removed_release: (.[0] | note("k8s.io/removed-release")),
    requests: length, last_seen: (map(when) | max)})
| sort_by([-.requests, .username, .api_group, .api_version, .resource, .removed_release])
