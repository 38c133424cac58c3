-- title: Every list of secrets by a ServiceAccount
-- purpose: The seeds' second jq search, with watches (which read the same) and with each request once.
-- column time: when the request arrived
-- column account: who asked
-- column verb: list or watch
-- column namespace: where; empty for all namespaces
-- column code: the HTTP status
-- column peer: from which address
-- column user_agent: with what
-- column audit_id: the request's ID
SELECT time, account, verb, namespace, code, peer, user_agent, audit_id
FROM events
WHERE is_request
  AND account <> ''
  AND resource = 'secrets' AND api_group = '' AND subresource = ''
  AND verb IN ('list', 'watch')
ORDER BY time, account, audit_id, verb, namespace
