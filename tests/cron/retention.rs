//! What the state forgets, and that it does not grow with time.

use serde_json::Value;

use super::site::{Site, count, joined, of, on, sample};

/// The days of a month and a half.
fn day(n: u32) -> String {
    match n {
        0..31 => format!("2024-03-{:02}", n + 1),
        _ => format!("2024-04-{:02}", n - 30),
    }
}

fn events(report: &Value) -> u64 {
    report["input"]["events"].as_u64().unwrap()
}

fn first_event(report: &Value) -> &str {
    &report["input"]["first_event"].as_str().unwrap()[..10]
}

const WEEK: [&str; 2] = ["--retention", "7d"];

#[test]
fn old_days_go_and_so_does_what_rests_on_them() {
    let (site, all) = (Site::new(), &sample()[..300]);
    let daily = of("ci:deployer", all);
    let (once, each) = (of("shop:default", all).len() as u64, daily.len() as u64);
    site.write("audit.log", joined(&on(&day(0), &of("shop:default", all))));
    let mut sizes = Vec::new();
    for n in 0..40 {
        site.append("audit.log", joined(&on(&day(n), &daily)));
        let report = site.report(&WEEK);
        // Today and seven days before.
        let days = n.min(7) + 1;
        assert_eq!(first_event(&report), day(n + 1 - days), "{n}");
        let early = if n <= 7 { once } else { 0 };
        assert_eq!(events(&report), each * u64::from(days) + early, "{n}");
        assert_eq!(
            count(&report, "legacy-token", "deployer", "ci"),
            each * u64::from(days)
        );
        sizes.push(std::fs::metadata(site.state()).unwrap().len());
        if n > 7 && n.is_multiple_of(8) {
            site.rename("audit.log", &format!("audit-{n}.log"));
            site.write("audit.log", "");
        }
    }
    let report = site.report(&WEEK);
    assert_eq!(
        count(&report, "default-serviceaccount", "default", "shop"),
        0
    );
    let (early, late) = (sizes[10], sizes[39]);
    assert!(late <= early + 32 * 1024, "{sizes:?}");
}

#[test]
fn what_comes_too_late_is_counted_as_such() {
    let (site, all) = (Site::new(), &sample()[..300]);
    let daily = of("ci:deployer", all);
    let each = daily.len() as u64;
    site.write("audit.log", joined(&on(&day(20), &daily)));
    site.report(&WEEK);
    site.write("late.log", joined(&on(&day(2), &daily)));
    site.write("in-time.log", joined(&on(&day(14), &daily)));
    for _ in 0..2 {
        let report = site.report(&WEEK);
        assert_eq!(report["coverage"]["outside_window"], each);
        assert_eq!(events(&report), 2 * each);
        assert_eq!(first_event(&report), day(14));
    }
}

#[test]
fn a_first_run_over_an_archive_keeps_what_the_retention_asks_for() {
    let (site, all) = (Site::new(), &sample()[..300]);
    let daily = of("ci:deployer", all);
    for n in 0..20 {
        site.write(&format!("audit-{n}.log"), joined(&on(&day(n), &daily)));
    }
    let report = site.report(&WEEK);
    assert_eq!(events(&report), 8 * daily.len() as u64);
    assert_eq!(first_event(&report), day(12));
}

#[test]
fn a_finding_that_rests_on_forgotten_days_is_over_and_then_gone() {
    let (site, all) = (Site::new(), &sample()[..300]);
    let (shop, daily) = (of("shop:default", all), of("ci:deployer", all));
    site.write("audit.log", joined(&on(&day(0), &shop)));
    site.report(&WEEK);
    site.append("audit.log", joined(&on(&day(10), &daily)));
    let resolved = |report: &Value| {
        let all = super::site::statuses(report);
        let of: Vec<_> = all
            .into_iter()
            .filter(|s| s.starts_with("default-serviceaccount"))
            .collect();
        of
    };
    assert_eq!(
        resolved(&site.report(&WEEK)),
        ["default-serviceaccount default resolved"]
    );
    assert_eq!(resolved(&site.report(&WEEK)), Vec::<String>::new());
}

#[test]
fn a_clock_that_was_wrong_forgets_nothing_and_resolves_nothing() {
    let (site, all) = (Site::new(), &sample()[..300]);
    let daily = of("ci:deployer", all);
    site.write("audit.log", joined(&on(&day(0), &daily)));
    site.report(&WEEK);
    // One event of a day that has not come.
    site.append(
        "audit.log",
        joined(&on("2999-01-01", &of("shop:default", all)[..1])),
    );
    let report = site.report(&WEEK);
    assert_eq!(events(&report), daily.len() as u64 + 1);
    let status = super::site::finding(&report, "legacy-token", "deployer", "ci").unwrap();
    assert_eq!(status["status"], "ongoing");
}

#[test]
fn events_without_a_time_count_in_every_run() {
    let (site, all) = (Site::new(), sample());
    let timeless = |line: &String| {
        let mut event: Value = serde_json::from_str(line).unwrap();
        let members = event.as_object_mut().unwrap();
        members.remove("requestReceivedTimestamp");
        members.remove("stageTimestamp");
        event.to_string()
    };
    let without: Vec<String> = all[50..60].iter().map(timeless).collect();
    site.write("audit.log", joined(&all[..50]) + &joined(&without[..5]));
    let report = site.report(&[]);
    assert_eq!(
        (events(&report), &report["coverage"]["outside_window"]),
        (55, &0.into())
    );
    site.append("audit.log", joined(&without[5..]));
    let report = site.report(&[]);
    assert_eq!(
        (events(&report), &report["coverage"]["outside_window"]),
        (60, &0.into())
    );
}
