-- title: Who lists secrets
-- purpose: ServiceAccounts that list or watch secrets, and whether they may. A list returns the content of every
--   secret, not only the names.
-- column account: who asked
-- column verb: list or watch
-- column namespace: where; empty for all namespaces at once
-- column code: the HTTP status
-- column requests: how often
-- column first_seen: the first time
-- column last_seen: the last time
SELECT account, verb, namespace, code, COUNT(*) AS requests, MIN(time) AS first_seen, MAX(time) AS last_seen
FROM events
WHERE is_request
  AND account <> ''
  AND resource = 'secrets' AND api_group = '' AND subresource = ''
  AND verb IN ('list', 'watch')
GROUP BY account, verb, namespace, code
ORDER BY requests DESC, account, verb, namespace, code
