-- title: What kube-apiserver itself counted, per minute
-- purpose: Requests by verb, resource and status from the scrapes (--metrics), for where the audit policy leaves
--   things out. No metric names a ServiceAccount.
-- column minute: the minute, by its start
-- column verb: GET, LIST, WATCH, POST
-- column api_group: the API group; empty for the core group
-- column resource: the resource
-- column subresource: the subresource
-- column code: the HTTP status
-- column requests: by how much the counter rose
SELECT minute, verb, api_group, resource, subresource, code, SUM(increase) AS requests
FROM samples
WHERE metric = 'apiserver_request_total' AND increase > 0
GROUP BY minute, verb, api_group, resource, subresource, code
ORDER BY minute, requests DESC, verb, api_group, resource, subresource, code
