-- title: User agents of each account
-- purpose: A workload has one or two; kubectl or curl among them is somebody in its pod, or somebody with its token.
-- column account: the ServiceAccount
-- column user_agent: what the client calls itself
-- column requests: how often
-- column addresses: from how many addresses
-- column first_seen: the first time
-- column last_seen: the last time
SELECT account, user_agent, COUNT(*) AS requests, COUNT(DISTINCT peer) AS addresses,
  MIN(time) AS first_seen, MAX(time) AS last_seen
FROM events
WHERE is_request AND account <> ''
GROUP BY account, user_agent
ORDER BY account, requests DESC, user_agent
