def count($verbs): map(select(.verb as $v | ($verbs | index($v)) and (refused | not))) | length;
mine | map(select(account == $account and ref("resource") != ""))
| group_by([ref("apiGroup"), ref("resource"), ref("subresource"), ref("namespace")])
| map({api_group: (.[0] | ref("apiGroup")), resource: (.[0] | ref("resource")),
    subresource: (.[0] | ref("subresource")), namespace: (.[0] | ref("namespace")),
    gets: count(["get"]), lists: count(["list"]), watches: count(["watch"]), creates: count(["create"]),
    updates: count(["update", "patch"]), deletes: count(["delete", "deletecollection"]),
    refused_requests: (map(select(refused)) | length)})
