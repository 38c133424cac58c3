-- title: What one account asked for
-- purpose: The seeds' first jq search: every request of one account with verb, resource, namespace and status,
--   one line for each request, in the order of time.
-- param account text: the ServiceAccount as namespace/name
-- column time: when the request arrived
-- column verb: what was asked
-- column resource: of what; empty for URLs that are no resource
-- column namespace: where; empty for all namespaces
-- column name: of which object
-- column code: the HTTP status
-- column file: the log
-- column line: the line in it
SELECT time, verb, resource, namespace, name, code, file, line
FROM events
WHERE is_request AND account = :account
ORDER BY time, file, line, verb, resource, namespace, name
