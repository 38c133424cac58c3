-- title: Who asks the most, minute by minute
-- purpose: The busiest accounts and users of every minute.
-- param top integer = 3: how many of each minute
-- column minute: the minute, by its start
-- column place: 1 for the busiest
-- column username: who authenticated; empty for refused credentials
-- column requests: how often
SELECT minute, place, username, requests
FROM (
  SELECT minute, username, requests,
    ROW_NUMBER() OVER (PARTITION BY minute ORDER BY fewest, username) AS place
  FROM (
    SELECT minute, username, COUNT(*) AS requests, 0 - CAST(COUNT(*) AS BIGINT) AS fewest
    FROM events
    WHERE is_request AND minute IS NOT NULL
    GROUP BY minute, username
  ) AS counted
) AS ranked
WHERE place <= :top
ORDER BY minute, place
