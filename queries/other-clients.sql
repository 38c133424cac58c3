-- title: Callers that are neither kubectl nor the API server
-- purpose: The seeds' third jq search, summed up: who calls the API with which resource, kubectl and the API
--   server's own admission calls left out.
-- column username: who authenticated
-- column verb: what was asked
-- column resource: of what; empty for URLs that are no resource
-- column requests: how often
SELECT username, verb, resource, COUNT(*) AS requests
FROM events
WHERE is_request
  AND user_agent NOT LIKE '%kubectl%'
  AND user_agent NOT LIKE '%kube-apiserver-admission%'
GROUP BY username, verb, resource
ORDER BY requests DESC, username, verb, resource
