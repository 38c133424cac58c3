-- The questions of tests/counts.jq over a table `rows` of key, stage, username, secret_list and legacy, one row a line
-- of the log: how often each user did each thing. A request counts once, at its best stage.
WITH closed AS (
  SELECT DISTINCT key FROM rows WHERE stage IN ('ResponseComplete', 'Panic')
), open AS (
  SELECT DISTINCT key, username, secret_list, legacy FROM rows
  WHERE stage = 'ResponseStarted' AND username <> '' AND key NOT IN (SELECT key FROM closed)
), requests AS (
  SELECT username, secret_list, legacy FROM rows
  WHERE stage IN ('ResponseComplete', 'Panic') OR stage = 'ResponseStarted' AND username = ''
  UNION ALL
  SELECT username, secret_list, legacy FROM open
)
SELECT username, secret_list, legacy, count(*) AS requests FROM requests GROUP BY username, secret_list, legacy
