-- title: Denied requests with the permission that is missing
-- purpose: What the authorizer refused, as the rule that would allow it: a workload that lacks a right, or somebody
--   who tries what there is.
-- column acting_user: whose rights were asked for
-- column verb: the verb that is missing
-- column api_group: in this API group; empty for the core group
-- column resource: on this resource; empty for URLs that are no resource
-- column subresource: and this subresource
-- column namespace: in this namespace; empty for all
-- column requests: how often it was refused
-- column objects: how many different names were asked for
-- column last_seen: the last time
SELECT acting_user, verb, api_group, resource, subresource, namespace,
  COUNT(*) AS requests, COUNT(DISTINCT name) AS objects, MAX(time) AS last_seen
FROM events
WHERE is_request AND decision = 'forbid'
GROUP BY acting_user, verb, api_group, resource, subresource, namespace
ORDER BY requests DESC, acting_user, verb, api_group, resource, subresource, namespace
