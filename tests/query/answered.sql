-- What a security engineer types into satrail query --sql: each must give the rows that DuckDB gives over the same export
-- (tests/query/engines.rs). Statements end with a semicolon, and none has one inside.

-- Events joined with findings, as tables, with USING, with a comma.
SELECT f.detector, COUNT(*) AS n FROM events AS e JOIN findings AS f ON e.account = f.account
WHERE e.is_request AND e.account <> '' GROUP BY f.detector ORDER BY f.detector;
SELECT account, COUNT(*) AS n FROM events JOIN findings USING (account) WHERE account <> '' GROUP BY account ORDER BY account;
SELECT f.detector, COUNT(*) AS n FROM events e, findings f WHERE e.account = f.account GROUP BY f.detector ORDER BY f.detector;

-- The events within the time of a finding, all pairs, a filtered side of an outer join.
SELECT COUNT(*) AS n FROM events e JOIN findings f
ON e.account = f.account AND e.time >= f.first_seen AND e.time <= f.last_seen;
SELECT COUNT(*) AS n FROM findings a JOIN findings b ON a.first_seen < b.first_seen;
SELECT e.account, COUNT(*) AS n, COUNT(f.detector) AS m FROM events AS e
LEFT JOIN (SELECT * FROM findings WHERE severity = 'high') AS f ON e.account = f.account
GROUP BY e.account ORDER BY e.account;

-- CTEs, HAVING, aggregates with conditions.
WITH d AS (SELECT account, COUNT(*) AS n FROM events WHERE refused GROUP BY account),
t AS (SELECT account, COUNT(*) AS n FROM events GROUP BY account)
SELECT t.account, t.n, d.n AS refused_n FROM t JOIN d ON t.account = d.account ORDER BY t.account;
SELECT account, COUNT(*) AS n FROM events WHERE is_request GROUP BY account HAVING COUNT(*) > 50 ORDER BY n DESC, account;
SELECT account FROM events WHERE is_request GROUP BY account
HAVING SUM(CASE WHEN refused THEN 1 ELSE 0 END) > 2 AND COUNT(DISTINCT verb) > 1 ORDER BY account;
SELECT CASE WHEN code < 300 THEN 'fine' WHEN code < 500 THEN 'refused' ELSE 'broken' END AS class, COUNT(*) AS n
FROM events GROUP BY class ORDER BY class;
SELECT account, COUNT(*) FILTER (WHERE refused) AS n FROM events GROUP BY account ORDER BY account;

-- Window functions: shares, ranks, the request before, sums that run, ROWS from the start.
SELECT account, n, SUM(n) OVER () AS total FROM (SELECT account, COUNT(*) AS n FROM events GROUP BY account) AS a
ORDER BY account;
SELECT account, verb FROM (SELECT account, verb, RANK() OVER (PARTITION BY account ORDER BY n DESC) AS place
FROM (SELECT account, verb, COUNT(*) AS n FROM events GROUP BY account, verb) AS a) AS b WHERE place = 1 ORDER BY account, verb;
SELECT audit_id, time_us - LAG(time_us) OVER (ORDER BY time_us, line) AS gap FROM events
WHERE account = 'ops/intruder' AND is_request ORDER BY time_us, line;
SELECT minute, SUM(n) OVER (ORDER BY minute ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS total
FROM (SELECT minute, COUNT(*) AS n FROM events GROUP BY minute) AS a ORDER BY minute;

-- LIKE, ILIKE, IN, subqueries, EXISTS.
SELECT DISTINCT user_agent FROM events WHERE user_agent LIKE 'kubectl%' OR user_agent ILIKE '%CURL%' ORDER BY user_agent;
SELECT verb, COUNT(*) AS n FROM events WHERE verb IN ('list', 'watch') AND resource NOT IN ('pods', 'leases')
GROUP BY verb ORDER BY verb;
SELECT username, COUNT(*) AS n FROM events WHERE peer IN (SELECT peer FROM events WHERE code = 401) AND is_request
GROUP BY username ORDER BY username;
SELECT account, COUNT(*) AS n FROM events WHERE account NOT IN (SELECT account FROM findings) GROUP BY account ORDER BY account;
SELECT DISTINCT e.account FROM events e WHERE EXISTS (SELECT 1 FROM findings f WHERE f.account = e.account) ORDER BY e.account;
SELECT DISTINCT e.account FROM events e WHERE NOT EXISTS (SELECT 1 FROM findings f WHERE f.account = e.account)
ORDER BY e.account;

-- What stands for a subquery that is compared with.
SELECT COUNT(*) AS n FROM events AS e CROSS JOIN (SELECT AVG(latency_us) AS mean FROM events) AS a WHERE e.latency_us > a.mean;

-- Times and days.
SELECT COUNT(*) AS n FROM events WHERE time > TIMESTAMP '2026-11-22 04:25:50' - INTERVAL '5 seconds';
SELECT COUNT(*) AS n FROM events WHERE time BETWEEN '2026-11-22 04:25:00' AND '2026-11-22 04:26:00' AND day = DATE '2026-11-22';
SELECT EXTRACT(MINUTE FROM time) AS m, COUNT(*) AS n FROM events GROUP BY m ORDER BY m;
SELECT (MAX(time_us) - MIN(time_us)) / 1000000 AS seconds FROM events;

-- Text.
SELECT SPLIT_PART(user_agent, '/', 1) AS tool, UPPER(verb) AS v, LENGTH(verb) AS l, COUNT(*) AS n FROM events
GROUP BY tool, v, l ORDER BY tool, v;
SELECT verb || ' ' || resource AS what, COUNT(*) AS n FROM events GROUP BY what ORDER BY what;
SELECT REPLACE(username, 'system:serviceaccount:', '') AS u, SUBSTR(verb, 1, 3) AS v, COUNT(*) AS n FROM events
WHERE STRPOS(username, 'shop') > 0 GROUP BY u, v ORDER BY u, v;

-- NULL.
SELECT COALESCE(code, 0) AS c, COUNT(*) AS n, COUNT(stale_seconds) AS m FROM events GROUP BY c ORDER BY c;
SELECT NULLIF(namespace, '') AS ns, COUNT(*) AS n FROM events GROUP BY ns ORDER BY ns NULLS LAST;
SELECT COUNT(*) AS n FROM events WHERE NOT (stale_seconds > 5) OR code IS DISTINCT FROM 200;
SELECT SUM(stale_seconds) AS s, MAX(stale_seconds) AS m, COUNT(*) AS n FROM events WHERE verb = 'none';

-- Names in quotes, positions, GROUP BY ALL.
SELECT "verb" AS "The verb", COUNT(*) AS "n of" FROM "events" GROUP BY "verb" ORDER BY "n of" DESC, "The verb";
SELECT account, COUNT(*) AS n FROM events GROUP BY 1 ORDER BY 2 DESC, 1;
SELECT account, verb, COUNT(*) AS n FROM events GROUP BY ALL ORDER BY account, verb;

-- Rows of unions and joins, counted alone.
SELECT COUNT(*) AS n FROM (SELECT verb FROM events UNION ALL SELECT verb FROM events) AS a;
SELECT COUNT(*) AS n FROM (SELECT account FROM events UNION ALL SELECT account FROM findings UNION ALL SELECT 'x' AS account) AS a;
SELECT n + 1 AS k FROM (SELECT COUNT(*) AS n FROM (SELECT account FROM events UNION SELECT account FROM findings) AS a) AS b;
SELECT COUNT(*) AS n FROM (SELECT 1 AS a FROM events) AS x CROSS JOIN (SELECT MAX(time_us) AS m FROM events) AS y;
SELECT COUNT(*) + 1 AS n FROM (SELECT MAX(time_us) AS m FROM events) AS y;
SELECT account FROM events EXCEPT SELECT account FROM findings ORDER BY account;
