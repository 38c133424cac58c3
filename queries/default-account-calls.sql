-- title: What default accounts do, by verb
-- purpose: Every pod without an account of its own has the default one of its namespace; what that may do, all
--   of them may.
-- column account: the default account
-- column verb: what was asked
-- column requests: how often
-- column refused_requests: how many of them were refused
-- column pods: how many pods are behind it, as far as tokens say
SELECT account, verb, COUNT(*) AS requests,
  SUM(CASE WHEN refused THEN 1 ELSE 0 END) AS refused_requests,
  COUNT(DISTINCT CASE WHEN pod_name <> '' THEN pod_name ELSE NULL END) AS pods
FROM events
WHERE is_request AND sa_name = 'default'
GROUP BY account, verb
ORDER BY account, requests DESC, verb
