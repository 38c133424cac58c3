-- title: Findings of each account
-- purpose: Whom to look at first: the findings of satrail scan, summed up.
-- column account: the ServiceAccount
-- column worst: the severest finding as a number, 4 for critical
-- column findings: how many
-- column requests: for how many requests they stand together
-- column first_seen: the first of these
-- column last_seen: the last
SELECT account, MAX(severity_rank) AS worst, COUNT(*) AS findings, SUM(requests) AS requests,
  MIN(first_seen) AS first_seen, MAX(last_seen) AS last_seen
FROM findings
WHERE account <> ''
GROUP BY account
ORDER BY worst DESC, findings DESC, account
