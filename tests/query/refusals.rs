//! SQL that is refused: each refusal marks the place and says what to write instead.

use super::refused;

/// The SQL, the text that is marked in it (nothing: no place is known), and words of the error and its hint.
const REFUSED: &[(&str, &str, &str, &str)] = &[
    // What Polars would answer, and wrongly.
    (
        "SELECT account, COUNT(*) AS n FROM events ORDER BY account",
        "account",
        "no GROUP BY",
        "behind GROUP BY",
    ),
    (
        "SELECT *, MAX(time_us) AS m FROM events",
        "MAX",
        "no GROUP BY",
        "MAX(...)",
    ),
    (
        "SELECT account FROM events WHERE COUNT(*) > 5 GROUP BY account",
        "COUNT",
        "no place in WHERE",
        "HAVING",
    ),
    (
        "SELECT account, COUNT(*) AS n FROM events GROUP BY account ORDER BY COUNT(*) DESC",
        "COUNT",
        "ORDER BY with an aggregate",
        "ORDER BY n DESC",
    ),
    (
        "SELECT account, COUNT(*) * 100.0 / SUM(COUNT(*)) OVER () AS share FROM events GROUP BY account",
        "SUM",
        "window functions in a SELECT that groups",
        "in a subquery",
    ),
    (
        "SELECT account, ROW_NUMBER() OVER (ORDER BY account) AS r FROM events GROUP BY account",
        "ROW_NUMBER",
        "window functions in a SELECT that groups",
        "in a subquery",
    ),
    (
        "SELECT COUNT(*) AS n FROM events e LEFT JOIN findings f ON e.account = f.account AND e.time >= f.first_seen",
        "ON",
        "an outer join",
        "LEFT JOIN (SELECT",
    ),
    (
        "SELECT COUNT(*) AS n FROM events WHERE code NOT IN (1, NULL)",
        "NOT",
        "NULL in the list",
        "IS NOT NULL",
    ),
    (
        "SELECT SUBSTR(verb, -2) AS v FROM events",
        "SUBSTR",
        "SUBSTR",
        "RIGHT(x, 3)",
    ),
    (
        "SELECT * FROM read_parquet('/etc/passwd')",
        "read_parquet",
        "and nothing else",
        "--parquet",
    ),
    // What Polars lacks.
    (
        "SELECT COUNT(*) AS n FROM events e JOIN findings f ON e.account = f.account AND f.severity = 'high'",
        "ON",
        "both tables in ON",
        "JOIN (SELECT",
    ),
    (
        "SELECT DATE_TRUNC('hour', time) AS h FROM events",
        "DATE_TRUNC",
        "DATE_TRUNC",
        "minute, hour and day",
    ),
    (
        "SELECT COUNT(*) AS n FROM events WHERE time > NOW() - INTERVAL '1 day'",
        "NOW",
        "NOW",
        "--since 24h",
    ),
    (
        "SELECT COUNT(*) AS n FROM events WHERE latency_us > (SELECT AVG(latency_us) FROM events)",
        "SELECT",
        "a subquery as a value",
        "CROSS JOIN",
    ),
    (
        "SELECT e.account FROM events e WHERE EXISTS (SELECT 1 FROM findings f WHERE f.account = e.account AND f.first_seen < e.time)",
        "EXISTS",
        "EXISTS here",
        "JOIN",
    ),
    (
        "SELECT SUM(code) OVER (ORDER BY line ROWS BETWEEN 2 PRECEDING AND CURRENT ROW) AS s FROM events",
        "ROWS",
        "frames",
        "by minute",
    ),
    (
        "SELECT SUM(code) OVER (ORDER BY line RANGE BETWEEN 2 PRECEDING AND CURRENT ROW) AS s FROM events",
        "RANGE",
        "frames",
        "by minute",
    ),
    (
        "WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r WHERE n < 5) SELECT * FROM r",
        "RECURSIVE",
        "WITH RECURSIVE",
        "JOIN",
    ),
    (
        "SELECT account, verb, COUNT(*) AS n FROM events GROUP BY ROLLUP (account, verb)",
        "ROLLUP",
        "ROLLUP",
        "UNION ALL",
    ),
    (
        "SELECT annotations ->> 'x' AS d FROM events",
        "annotations",
        "JSON",
        "LIKE",
    ),
    (
        "SELECT PERCENTILE_CONT(0.5) WITHIN GROUP (ORDER BY latency_us) AS m FROM events",
        "PERCENTILE_CONT",
        "PERCENTILE_CONT",
        "QUANTILE_CONT",
    ),
    ("SELECT user FROM events", "user", "USER", "username"),
    // What is wrong.
    (
        "SELECT verb,\n  usernme FROM events",
        "usernme",
        "no column 'usernme'",
        "did you mean username?",
    ),
    (
        "SELECT e.usernme FROM events AS e",
        "usernme",
        "no column 'usernme'",
        "did you mean username?",
    ),
    (
        "SELECT verb FROM event",
        "event",
        "'event' was not found",
        "did you mean events?",
    ),
    (
        "SELECT verb FORM events",
        "events",
        "not SQL",
        "is FORM a misspelt FROM?",
    ),
    (
        "SELECT verb FROM events WERE code = 1",
        "code",
        "not SQL",
        "is WERE a misspelt WHERE?",
    ),
    (
        "SELECT verb, COUNT(*) AS n FROM events GROUP BU verb",
        "GROUP",
        "not SQL",
        "is BU a misspelt BY?",
    ),
    (
        "SELECT account, verb, COUNT(*) AS n FROM events GROUP BY account",
        "verb",
        "GROUP BY",
        "every column",
    ),
    (
        "SELECT COUNT(*) AS n FROM events WHERE verb = \"list\"",
        "\"list\"",
        "no column 'list'",
        "single quotes",
    ),
    (
        "SELECT COUNT(*) AS n FROM events WHERE code = '403'",
        "",
        "string with numeric type",
        "without quotes",
    ),
    (
        "SELECT COUNT(*) AS n FROM events WHERE time >= '2026-11-22T04:25:46Z'",
        "'2026-11-22T04:25:46Z'",
        "string value",
        "TIMESTAMP '2026-",
    ),
    (
        "SELECT DISTINCT ON (account) account, verb FROM events ORDER BY account, time_us",
        "time_us",
        "not within reach",
        "SELECT list",
    ),
    (
        "SELECT nonsense(verb) FROM events",
        "nonsense",
        "unsupported function",
        "docs/queries.md",
    ),
    ("DELETE FROM events", "", "one SELECT", ""),
];

/// What the line of `^` below an excerpt marks.
fn marked(said: &str) -> String {
    let lines: Vec<_> = said.lines().collect();
    let is_mark = |line: &&str| !line.trim().is_empty() && line.trim().chars().all(|c| c == '^');
    let Some(at) = lines.iter().position(is_mark) else {
        return String::new();
    };
    let start = lines[at].find('^').unwrap();
    let width = lines[at].trim().len();
    lines[at - 1].chars().skip(start).take(width).collect()
}

#[test]
fn refusals_mark_the_place_and_say_what_to_write() {
    for (sql, place, why, hint) in REFUSED {
        let said = refused(&["query", "--sql", sql, "data/audit"]);
        assert_eq!(marked(&said), *place, "{sql}\n{said}");
        let (error, hints) = said.split_once("hint: ").unwrap_or((&said, ""));
        assert!(error.contains(why) && hints.contains(hint), "{sql}\n{said}");
    }
}

/// A log is an hour's reading: whatever is wrong is said before.
#[test]
fn nothing_is_read_for_a_query_that_is_refused() {
    for (sql, ..) in REFUSED {
        let said = refused(&["query", "--sql", sql, "/nowhere/audit.log"]);
        assert!(!said.contains("/nowhere"), "{sql}\n{said}");
    }
}
