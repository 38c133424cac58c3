-- title: What one account does, as a matrix
-- purpose: Resources down, verbs across: what a role for the account would have to allow, and what was refused.
-- param account text: the ServiceAccount as namespace/name
-- column api_group: the API group; empty for the core group
-- column resource: the resource
-- column subresource: the subresource
-- column namespace: the namespace; empty for all, and for what has none
-- column gets: how often get was allowed
-- column lists: how often list
-- column watches: how often watch
-- column creates: how often create
-- column updates: how often update or patch
-- column deletes: how often delete or deletecollection
-- column refused_requests: how often anything was refused
SELECT api_group, resource, subresource, namespace,
  SUM(CASE WHEN verb = 'get' AND NOT refused THEN 1 ELSE 0 END) AS gets,
  SUM(CASE WHEN verb = 'list' AND NOT refused THEN 1 ELSE 0 END) AS lists,
  SUM(CASE WHEN verb = 'watch' AND NOT refused THEN 1 ELSE 0 END) AS watches,
  SUM(CASE WHEN verb = 'create' AND NOT refused THEN 1 ELSE 0 END) AS creates,
  SUM(CASE WHEN verb IN ('update', 'patch') AND NOT refused THEN 1 ELSE 0 END) AS updates,
  SUM(CASE WHEN verb IN ('delete', 'deletecollection') AND NOT refused THEN 1 ELSE 0 END) AS deletes,
  SUM(CASE WHEN refused THEN 1 ELSE 0 END) AS refused_requests
FROM events
WHERE is_request AND account = :account AND resource <> ''
GROUP BY api_group, resource, subresource, namespace
ORDER BY api_group, resource, subresource, namespace
