requests | map(select(forbidden))
| group_by([acting, .verb, ref("apiGroup"), ref("resource"), ref("subresource"), ref("namespace")])
| map({acting_user: (.[0] | acting), verb: .[0].verb, api_group: (.[0] | ref("apiGroup")),
    resource: (.[0] | ref("resource")), subresource: (.[0] | ref("subresource")),
    namespace: (.[0] | ref("namespace")), requests: length, objects: distinct(ref("name")),
    last_seen: (map(when) | max)})
| sort_by([-.requests, .acting_user, .verb, .api_group, .resource, .subresource, .namespace])
