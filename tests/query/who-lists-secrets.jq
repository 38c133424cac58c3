mine | map(select(lists_secrets)) | group_by([account, .verb, ref("namespace"), code])
| map({account: (.[0] | account), verb: .[0].verb, namespace: (.[0] | ref("namespace")), code: (.[0] | code),
    requests: length, first_seen: (map(when) | min), last_seen: (map(when) | max)})
| sort_by([-.requests, .account, .verb, .namespace, .code])
