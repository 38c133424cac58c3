-- title: Bursts of refused credentials, by address
-- purpose: Many 401s from one address within a minute: a client whose token has ended, or somebody who tries tokens.
-- param at_least integer = 5: how many within a minute make a burst
-- column minute: the minute, by its start
-- column peer: the address, which may be a load balancer's
-- column requests: how many 401s
-- column user_agents: with how many different user agents
-- column paths: for how many different paths
SELECT minute, peer, COUNT(*) AS requests, COUNT(DISTINCT user_agent) AS user_agents, COUNT(DISTINCT path) AS paths
FROM events
WHERE is_request AND code = 401
GROUP BY minute, peer
HAVING COUNT(*) >= :at_least
ORDER BY requests DESC, minute, peer
