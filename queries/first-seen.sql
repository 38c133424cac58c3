-- title: What was seen for the first time
-- purpose: Accounts, verbs on resources, and addresses of accounts, each with its first time: what is new since
--   a release, or since yesterday.
-- param since time = 1970-01-01T00:00:00Z: only what was first seen from then on
-- column what: account, verb or address
-- column account: the ServiceAccount
-- column seen: the verb and resource, or the address; empty for an account
-- column first_seen: the first time
-- column requests: how often since
SELECT what, account, seen, MIN(time) AS first_seen, COUNT(*) AS requests
FROM (
  SELECT 'account' AS what, account, '' AS seen, time, time_us
  FROM events
  WHERE is_request AND account <> ''
  UNION ALL
  SELECT 'verb' AS what, account, CONCAT(verb, ' ', resource) AS seen, time, time_us
  FROM events
  WHERE is_request AND account <> '' AND resource <> ''
  UNION ALL
  SELECT 'address' AS what, account, peer AS seen, time, time_us
  FROM events
  WHERE is_request AND account <> '' AND peer <> ''
) AS sightings
GROUP BY what, account, seen
HAVING MIN(time_us) >= :since
ORDER BY first_seen, what, account, seen
