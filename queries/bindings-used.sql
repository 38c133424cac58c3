-- title: The bindings that allowed the most
-- purpose: Which binding let requests through, for how many users. RBAC names the first one that fits, so a binding
--   that is missing here may still be needed.
-- column binding_kind: ClusterRoleBinding or RoleBinding
-- column binding_namespace: the namespace of a RoleBinding
-- column binding_name: its name
-- column role_kind: ClusterRole or Role
-- column role_name: the role that it binds
-- column users: how many users it let through
-- column requests: how many requests
SELECT binding_kind, binding_namespace, binding_name, role_kind, role_name,
  COUNT(DISTINCT acting_user) AS users, COUNT(*) AS requests
FROM events
WHERE is_request AND binding_name <> ''
GROUP BY binding_kind, binding_namespace, binding_name, role_kind, role_name
ORDER BY requests DESC, binding_kind, binding_namespace, binding_name, role_kind, role_name
