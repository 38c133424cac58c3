def binding: note("authorization.k8s.io/reason")
  | capture("^RBAC: allowed by (?<bk>[A-Za-z]+) \"(?<b>[^\"]*)\" of (?<rk>[A-Za-z]+) \"(?<r>[^\"]*)\" to ")
  | if .bk == "RoleBinding" then (.b | split("/")) as $p | .b = $p[0] | .n = $p[1] else .n = "" end;
requests | map(select(note("authorization.k8s.io/reason") | startswith("RBAC: allowed by "))
  | {acting: acting, of: binding})
| group_by(.of)
| map({binding_kind: .[0].of.bk, binding_namespace: .[0].of.n, binding_name: .[0].of.b, role_kind: .[0].of.rk,
    role_name: .[0].of.r, users: distinct(.acting), requests: length})
| sort_by([-.requests, .binding_kind, .binding_namespace, .binding_name, .role_kind, .role_name])
