mine | map(select(account | endswith("/default"))) | group_by([account, .verb])
| map({account: (.[0] | account), verb: .[0].verb, requests: length, refused_requests: (map(select(refused)) | length),
    pods: (map(select(extra("pod-name") != "")) | distinct(extra("pod-name")))})
| sort_by([.account, -.requests, .verb])
