-- title: How long requests take, by account
-- purpose: Who waits, and who makes the server work. Watches and other requests that last on purpose are left out.
-- column account: the ServiceAccount
-- column requests: how many
-- column mean_us: the mean, in microseconds
-- column longest_us: the longest
-- column over_100_ms: how many took more than 100 ms
-- column over_1_s: how many took more than a second
SELECT account, COUNT(*) AS requests, AVG(latency_us) AS mean_us, MAX(latency_us) AS longest_us,
  SUM(CASE WHEN latency_us > 100000 THEN 1 ELSE 0 END) AS over_100_ms,
  SUM(CASE WHEN latency_us > 1000000 THEN 1 ELSE 0 END) AS over_1_s
FROM events
WHERE is_request AND account <> '' AND verb NOT IN ('watch', 'proxy')
  AND subresource NOT IN ('exec', 'attach', 'portforward', 'proxy', 'log')
GROUP BY account
ORDER BY longest_us DESC, account
