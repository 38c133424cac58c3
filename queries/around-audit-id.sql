-- title: What happened around a given audit ID
-- purpose: The requests shortly before and after one, of everybody: what led to it, and what came of it.
-- param audit_id text: the request's ID
-- param seconds integer = 10: how far to look, before and after
-- column time: when the request arrived
-- column offset_us: microseconds after the given one; below zero before it
-- column username: who
-- column verb: what was asked
-- column path: of what
-- column code: the HTTP status
-- column peer: from which address
-- column audit_id: the request's ID
-- column file: the log
-- column line: the line in it
SELECT e.time, e.time_us - a.given_us AS offset_us, e.username, e.verb, e.path, e.code, e.peer, e.audit_id, e.file, e.line
FROM events AS e
CROSS JOIN (
  SELECT MIN(time_us) AS given_us
  FROM events
  WHERE audit_id = :audit_id
) AS a
WHERE e.is_request
  AND e.time_us >= a.given_us - :seconds * 1000000
  AND e.time_us <= a.given_us + :seconds * 1000000
ORDER BY e.time, e.file, e.line, e.audit_id
