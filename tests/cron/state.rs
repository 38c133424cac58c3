//! States that cannot be used: each is named, and left as it is.

use std::{fs, path::Path};

use rusqlite::Connection;

use super::site::{Run, Site, joined, sample};

/// A site with a state of a hundred lines, and more to read.
fn used() -> Site {
    let (site, all) = (Site::new(), sample());
    site.write("audit.log", joined(&all[..100]));
    site.holds(&[&all[..100]]);
    site.append("audit.log", joined(&all[100..200]));
    site
}

/// Everything in the directory of the state but the logs.
fn files(site: &Site) -> Vec<String> {
    let entries = fs::read_dir(site.path("")).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.filter(|name| name != "logs").collect();
    names.sort();
    names
}

/// Runs; the state is refused for this reason, by name, and nothing is changed.
#[track_caller]
fn refused(site: &Site, why: &str) {
    let before = fs::read(site.state()).unwrap();
    let there = files(site);
    let suppress = ["suppress", "--state", "state", "--list"];
    let runs: [Run; 2] = [
        site.run(&["--findings-out", "findings.jsonl"]),
        site.satrail(&suppress),
    ];
    for run in runs {
        assert_eq!(run.code, Some(2), "{}", run.said);
        assert_eq!(run.out, "");
        assert!(run.said.contains(why), "{why}: {}", run.said);
        assert!(run.said.contains("state"), "{}", run.said);
    }
    assert!(fs::read(site.state()).unwrap() == before, "it was changed");
    assert_eq!(files(site), there);
}

fn sql(state: &Path, statement: &str) {
    let connection = Connection::open(state).unwrap();
    connection.execute_batch(statement).unwrap();
    connection.close().unwrap();
}

#[test]
fn a_state_in_use_is_refused() {
    let site = used();
    let before = fs::read(site.state()).unwrap();
    let holder = Connection::open(site.state()).unwrap();
    holder.execute_batch("BEGIN IMMEDIATE").unwrap();
    // Nothing here may open the file meanwhile: closing it would take the lock from this whole process.
    for run in [
        site.run(&["--findings-out", "findings.jsonl"]),
        site.satrail(&["suppress", "--state", "state", "--list"]),
    ] {
        assert_eq!((run.code, run.out.as_str()), (Some(2), ""), "{}", run.said);
        assert!(
            run.said.contains("state is in use by another run"),
            "{}",
            run.said
        );
    }
    holder.execute_batch("ROLLBACK").unwrap();
    drop(holder);
    assert!(fs::read(site.state()).unwrap() == before, "it was changed");
    assert_eq!(files(&site), ["state"]);
    site.holds(&[&sample()[..200]]);
}

#[test]
fn who_looks_into_a_state_is_not_in_the_way() {
    let site = used();
    let reader = Connection::open(site.state()).unwrap();
    let count = |table: &str| -> i64 {
        let query = format!("SELECT count(*) FROM {table}");
        reader.query_row(&query, [], |row| row.get(0)).unwrap()
    };
    assert!(count("finding") > 0);
    site.holds(&[&sample()[..200]]);
    assert!(count("part") > 0);
}

#[test]
fn what_is_no_state_is_refused() {
    for (content, why) in [
        (&b""[..], "it is empty"),
        (b"hello\n", "no SQLite database"),
        (&vec![0; 100_000], "no SQLite database"),
    ] {
        let site = used();
        fs::write(site.state(), content).unwrap();
        refused(&site, why);
    }
    let site = used();
    fs::remove_file(site.state()).unwrap();
    sql(
        &site.state(),
        "CREATE TABLE t (a); INSERT INTO t VALUES (1)",
    );
    refused(&site, "database of another program");
}

#[test]
fn a_damaged_state_is_refused() {
    let site = used();
    let whole = fs::read(site.state()).unwrap();
    for bytes in [100, 512, 4096, whole.len() / 2, whole.len() - 1] {
        fs::write(site.state(), &whole[..bytes]).unwrap();
        refused(&site, "damaged");
    }
    // The same file as it was is good again.
    fs::write(site.state(), &whole).unwrap();
    site.holds(&[&sample()[..200]]);
}

#[test]
fn flipped_bytes_are_found() {
    let site = used();
    // In what satrail has packed: SQLite does not see it.
    for name in ["files", "kept", "day/%"] {
        let whole = fs::read(site.state()).unwrap();
        let middle = "substr(bytes, 1, length(bytes) / 2) || x'ff00ff' || substr(bytes, length(bytes) / 2 + 4)";
        let flip =
            format!("UPDATE part SET bytes = CAST({middle} AS BLOB) WHERE name LIKE '{name}'");
        sql(&site.state(), &flip);
        let changed = fs::read(site.state()).unwrap();
        assert!(changed != whole, "{name}");
        let run = site.run(&[]);
        assert_eq!(run.code, Some(2), "{name}: {}", run.said);
        assert!(run.said.contains("damaged"), "{name}: {}", run.said);
        assert!(fs::read(site.state()).unwrap() == changed, "{name}");
        fs::write(site.state(), &whole).unwrap();
    }
    for column in ["body", "history"] {
        let whole = fs::read(site.state()).unwrap();
        sql(
            &site.state(),
            &format!("UPDATE finding SET {column} = substr({column}, 2)"),
        );
        refused_run(&site);
        fs::write(site.state(), &whole).unwrap();
    }
    site.holds(&[&sample()[..200]]);
}

#[track_caller]
fn refused_run(site: &Site) {
    let before = fs::read(site.state()).unwrap();
    let run = site.run(&[]);
    assert_eq!(run.code, Some(2), "{}", run.said);
    assert!(run.said.contains("damaged"), "{}", run.said);
    assert!(fs::read(site.state()).unwrap() == before);
}

#[test]
fn a_state_that_lacks_something_is_refused() {
    for table in ["meta", "part", "finding", "suppression"] {
        let site = used();
        sql(&site.state(), &format!("DROP TABLE {table}"));
        refused_run(&site);
    }
}

#[test]
fn a_state_of_another_version_is_refused_with_what_to_do() {
    let site = used();
    sql(
        &site.state(),
        "UPDATE meta SET value = '0' WHERE name = 'format'",
    );
    refused(&site, "written by another version of satrail");
    refused(&site, "move the file away");
}

#[test]
fn places_where_no_state_can_be_are_named() {
    let site = Site::new();
    site.write("audit.log", joined(&sample()[..10]));
    for (state, why) in [
        ("logs", "it is a directory"),
        ("no/such/state", "there is no such directory"),
        ("logs/audit.log/state", "logs/audit.log/state"),
    ] {
        let run = site.satrail(&["cron", "logs", "--state", state]);
        assert_eq!(run.code, Some(2), "{}", run.said);
        assert!(
            run.said.contains(why) && run.said.contains(state),
            "{}",
            run.said
        );
        let run = site.satrail(&["suppress", "--state", state, "--list"]);
        assert_eq!(run.code, Some(2), "{}", run.said);
    }
    assert_eq!(files(&site), Vec::<String>::new());
}

#[test]
fn a_state_leaves_nothing_beside_it() {
    assert_eq!(files(&used()), ["state"]);
}

/// How often each row was written since the triggers were set.
fn writes(site: &Site) -> Vec<(String, i64)> {
    let state = Connection::open(site.state()).unwrap();
    let mut query = state
        .prepare("SELECT what, count(*) FROM written GROUP BY what ORDER BY what")
        .unwrap();
    let rows = query.query_map([], |row| Ok((row.get(0)?, row.get(1)?)));
    rows.unwrap().map(Result::unwrap).collect()
}

#[test]
fn a_run_writes_what_changed() {
    let site = used();
    // What was new goes on, and then nothing changes any more.
    site.report(&[]);
    let report = site.report(&[]);
    let all = report["findings"].as_array().unwrap().len();
    sql(&site.state(), "CREATE TABLE written (what TEXT)");
    for (table, column) in [("finding", "fingerprint"), ("part", "name")] {
        for (on, row) in [("INSERT", "new"), ("UPDATE", "new"), ("DELETE", "old")] {
            let trigger = format!(
                "CREATE TRIGGER {table}_{on} AFTER {on} ON {table} BEGIN
                     INSERT INTO written VALUES ('{table} ' || {row}.{column}); END"
            );
            sql(&site.state(), &trigger);
        }
    }
    site.report(&[]);
    let bookkeeping = [("part files".to_owned(), 1), ("part kept".to_owned(), 1)];
    assert_eq!(writes(&site), bookkeeping);
    sql(&site.state(), "DELETE FROM written");
    // One account goes on; the others' findings stay as they are.
    let more = super::site::of("ci:deployer", &sample()[..300]);
    site.append(
        "audit.log",
        joined(&super::site::on("2026-11-22", &more[..1])),
    );
    site.report(&[]);
    let written = writes(&site);
    let findings = written
        .iter()
        .filter(|(what, _)| what.starts_with("finding"));
    let findings = findings.count();
    assert!(
        (1..all).contains(&findings),
        "{findings} of {all}: {written:?}"
    );
}

#[test]
fn links_to_what_a_run_writes_are_no_logs() {
    let (site, all) = (Site::new(), sample());
    site.write("audit.log", joined(&all[..100]));
    site.report(&[]);
    fs::hard_link(site.state(), site.log("hard")).unwrap();
    std::os::unix::fs::symlink(site.state(), site.log("soft")).unwrap();
    fs::create_dir(site.path("rules")).unwrap();
    std::os::unix::fs::symlink(site.path("rules"), site.log("rules")).unwrap();
    let rules = ["--rules-out", "rules"];
    for _ in 0..2 {
        let report = site.report(&rules);
        super::site::assert_holds(&report, &all[..100]);
        assert_eq!(
            report["coverage"]["troubles"],
            serde_json::Value::from([(); 0])
        );
    }
}

#[test]
fn what_a_run_writes_is_no_log() {
    let (site, all) = (Site::new(), sample());
    site.write("audit.log", joined(&all[..100]));
    let arguments = [
        "cron",
        "logs",
        "--state",
        "logs/state",
        "--findings-out",
        "logs/findings.jsonl",
        "--metrics-out",
        "logs/satrail.prom",
        "--rules-out",
        "logs/rules",
        "--output",
        "logs/report.json",
        "--format",
        "json",
        "--fail-on",
        "never",
    ];
    for run in 0..3 {
        assert_eq!(site.satrail(&arguments).code, Some(0));
        let report: serde_json::Value =
            serde_json::from_slice(&fs::read(site.log("report.json")).unwrap()).unwrap();
        super::site::assert_holds(&report, &all[..100]);
        assert_eq!(report["input"]["files"], 1, "{run}");
        assert_eq!(
            report["input"]["skipped"],
            serde_json::Value::from([(); 0]),
            "{run}"
        );
    }
}
