//! A report with something in every part of it.

mod findings;

use std::collections::BTreeMap;

use crate::{
    finding::{Subject, Timestamp, relate, stories},
    pipeline::{
        AccountRow, AccountUses, BadLineShown, Bounds, Coverage, DetectorCoverage, Distinct,
        Duplicates, ExceptionUse, Exceptions, FileForms, FormCount, FormLacks, Gap, Input,
        MetricsInput, Reads, Reconciled, Reconciliation, Report, SkippedCount, Trouble,
    },
};
use findings::findings;

const HOSTILE: &str = "curl/8\u{1b}[2K\r\nHIGH  kube-system/fake\u{202e}gpj";

pub(super) fn report() -> Report {
    let mut findings = findings();
    relate(&mut findings);
    Report {
        input: input(),
        stories: stories(&findings),
        findings,
        exceptions: exceptions(),
        coverage: coverage(),
        reconciliation: Some(reconciliation()),
    }
}

/// Nothing found, nothing missing.
pub(super) fn clean() -> Report {
    Report {
        input: Input {
            bad_lines: 0,
            metrics: None,
            forms: forms(&[("plain", 26_537)]),
            skipped: Vec::new(),
            ..input()
        },
        findings: Vec::new(),
        stories: Vec::new(),
        exceptions: Exceptions::default(),
        coverage: Coverage {
            stages: counts(&[("ResponseComplete", 26_381), ("ResponseStarted", 156)]),
            levels: counts(&[("Metadata", 26_537)]),
            duplicates: Duplicates {
                sampled: 1658,
                ..Duplicates::default()
            },
            detectors: vec![
                detector("default-serviceaccount", true, 884, None),
                detector("secret-listing", true, 26_381, None),
            ],
            ..Coverage::default()
        },
        reconciliation: None,
    }
}

/// `text` wherever a string can come from outside.
pub(super) fn poisoned(text: &str) -> Report {
    let mut report = report();
    report.findings.truncate(1);
    for finding in &mut report.findings {
        text.clone_into(&mut finding.subject.name);
        finding.subject.namespace = Some(text.to_owned());
        text.clone_into(&mut finding.summary);
        text.clone_into(&mut finding.remediation.summary);
        text.clone_into(&mut finding.evidence[0].file);
    }
    report.stories.truncate(1);
    for story in &mut report.stories {
        story.subjects = vec![Subject::user(text)];
        story.findings.truncate(2);
    }
    let coverage = &mut report.coverage;
    coverage.stages = counts(&[(text, 1)]);
    for bad in &mut coverage.bad_lines {
        text.clone_into(&mut bad.file);
        text.clone_into(&mut bad.why);
    }
    for file in &mut report.input.by_file {
        text.clone_into(&mut file.file);
    }
    for trouble in &mut coverage.troubles {
        text.clone_into(&mut trouble.file);
        text.clone_into(&mut trouble.why);
    }
    for reconciled in report.reconciliation.iter_mut().flat_map(|r| &mut r.kinds) {
        for uses in &mut reconciled.accounts {
            text.clone_into(&mut uses.namespace);
            text.clone_into(&mut uses.name);
            uses.secret = Some(text.to_owned());
        }
    }
    for used in &mut report.exceptions.applied {
        text.clone_into(&mut used.reason);
        text.clone_into(&mut used.account);
        used.owner = Some(text.to_owned());
    }
    report
}

fn at(clock: &str) -> Timestamp {
    Timestamp::parse(&format!("2026-11-22T{clock}Z")).unwrap()
}

fn counts(pairs: &[(&str, u64)]) -> BTreeMap<String, u64> {
    pairs
        .iter()
        .map(|&(name, n)| (name.to_owned(), n))
        .collect()
}

fn input() -> Input {
    Input {
        files: 4,
        bytes: 48_112_903,
        stored_bytes: 12_345_678,
        lines: 26_540,
        events: 26_537,
        requests: 26_381,
        bad_lines: 3,
        forms: forms(&[("plain", 26_500), ("azure-admin", 37)]),
        skipped: skipped(&[("klog", 12), ("cut-event", 2)]),
        by_file: vec![FileForms {
            file: "audit/audit.log".to_owned(),
            forms: forms(&[("azure-admin", 37)]),
            skipped: skipped(&[("klog", 12)]),
            bad_lines: 3,
        }],
        files_not_listed: 3,
        first_event: Some(at("04:23:50.123939")),
        last_event: Some(at("04:28:36.086082")),
        metrics: Some(MetricsInput {
            files: 24,
            scrapes: 24,
            instances: 2,
            samples: 463,
            bad_lines: 2,
            first_scrape: Some(at("04:23:53")),
            last_scrape: Some(at("04:28:17")),
        }),
    }
}

fn forms(counts: &[(&str, u64)]) -> Vec<FormCount> {
    let counts = counts.iter().map(|&(form, events)| FormCount {
        form: form.to_owned(),
        events,
    });
    counts.collect()
}

fn skipped(counts: &[(&str, u64)]) -> Vec<SkippedCount> {
    let counts = counts.iter().map(|&(what, records)| SkippedCount {
        what: what.to_owned(),
        records,
    });
    counts.collect()
}

fn reconciliation() -> Reconciliation {
    let bounds = |at_least, at_most| Bounds { at_least, at_most };
    let uses = |name: &str, secret: Option<&str>, requests| AccountUses {
        namespace: "ci".to_owned(),
        name: name.to_owned(),
        secret: secret.map(str::to_owned),
        requests,
    };
    let reconciled = |kind: &str, uses: Vec<AccountUses>, explanation: &str| Reconciled {
        kind: kind.to_owned(),
        metric_uses: bounds(4, 5),
        metric_refused: Some(bounds(40, 40)),
        audit_requests: uses.iter().map(|uses| uses.requests).sum(),
        accounts: uses,
        other_requests: 0,
        unexplained: 0,
        explanation: explanation.to_owned(),
    };
    Reconciliation {
        from: Some(at("04:23:53")),
        to: Some(at("04:28:17")),
        events_lost: 3,
        requests_unaudited: 134,
        kinds: vec![
            reconciled(
                "legacy",
                vec![
                    uses("deployer", Some("deployer-token"), 540),
                    uses("old-runner", None, 10),
                ],
                "the audit log names the accounts",
            ),
            Reconciled {
                unexplained: 4,
                metric_refused: None,
                ..reconciled("stale", Vec::new(), "the audit log has no event for them")
            },
        ],
    }
}

fn exceptions() -> Exceptions {
    let used = |detector: &str, account: &str, reason: &str, findings| ExceptionUse {
        detector: detector.to_owned(),
        account: account.to_owned(),
        fingerprint: None,
        reason: reason.to_owned(),
        owner: None,
        expires: "2027-01-31".to_owned(),
        findings,
    };
    let moves = "OPS-123: moves to projected tokens";
    Exceptions {
        applied: vec![
            ExceptionUse {
                owner: Some("team-ci".to_owned()),
                ..used("legacy-token", "ci/*", moves, 3)
            },
            ExceptionUse {
                fingerprint: Some("fb16fb80f352ca4b2d4f914d7f69d225".to_owned()),
                ..used("stale-token", "ops/backup", "restarts on Sunday", 1)
            },
        ],
        expired: vec![used("secret-listing", "shop/web", "migration of May", 1)],
        unused: vec![used("*", "old/*", "namespace is being removed", 0)],
    }
}

fn detector(id: &str, selected: bool, evaluated: u64, blind: Option<&str>) -> DetectorCoverage {
    DetectorCoverage {
        detector: id.to_owned(),
        reads: if id.ends_with("-metric") {
            Reads::Metrics
        } else {
            Reads::Audit
        },
        selected,
        evaluated,
        blind: blind.map(str::to_owned),
    }
}

fn coverage() -> Coverage {
    let trouble = |file: &str, why: &str, unreadable| Trouble {
        file: file.to_owned(),
        why: why.to_owned(),
        unreadable,
        incomplete: !why.starts_with("left out"),
    };
    let bad = |line, why: &str| BadLineShown {
        file: "audit/audit.log".to_owned(),
        line,
        why: why.to_owned(),
    };
    let gap = Gap {
        from: at("04:25:10"),
        to: at("04:26:50"),
        seconds: 100,
    };
    Coverage {
        stages: counts(&[("ResponseComplete", 26_381), ("ResponseStarted", 156)]),
        levels: counts(&[("Metadata", 26_000), ("RequestResponse", 537)]),
        bad_lines: vec![bad(12, "no JSON object"), bad(99, "cut short at byte 4096")],
        troubles: vec![
            trouble("audit/secret.log", "permission denied", true),
            trouble(
                "audit/old.log.gz",
                "gzip ends early: what came before counts",
                false,
            ),
            trouble("audit", "left out: 1 hidden entry", false),
        ],
        nul_bytes: 4096,
        outside_window: 1204,
        open_requests: 12,
        unanswered_requests: Some(2),
        unjoined_requests: 1,
        forms: vec![FormLacks {
            form: "azure-admin".to_owned(),
            events: 37,
            lacks: "get and list".to_owned(),
        }],
        duplicates: Duplicates {
            removed: None,
            percent: 0.4,
            sampled: 1658,
        },
        gaps: vec![gap],
        detectors: vec![
            detector("default-serviceaccount", true, 884, None),
            detector("secret-listing", true, 26_381, None),
            detector(
                "legacy-token",
                true,
                0,
                Some("no event carries a legacy-token annotation: kube-apiserver before 1.28?"),
            ),
            detector("stale-token-metric", true, 19, None),
            detector("runaway-controller", false, 0, None),
        ],
    }
}

pub(super) fn accounts() -> Vec<AccountRow> {
    let named = |pairs: &[(&str, u64)]| {
        let pairs = pairs.iter().map(|&(name, n)| (name.to_owned(), n));
        pairs.collect::<Vec<_>>()
    };
    let distinct = |pairs: &[(&str, u64)]| Distinct {
        distinct: pairs.len() as u64,
        names: named(pairs),
    };
    vec![
        AccountRow {
            namespace: "shop".to_owned(),
            name: "web".to_owned(),
            requests: 1513,
            peak_rate: 7.1,
            verbs: named(&[("get", 412), ("list", 55), ("watch", 12), ("create", 2)]),
            denied: 55,
            denied_percent: 3.6,
            secrets: distinct(&[("shop/db", 30), ("shop/tls", 2)]),
            token_kinds: named(&[("bound", 1513)]),
            addresses: distinct(&[("127.0.10.15", 1490), ("127.0.66.6", 23)]),
            user_agents: distinct(&[("shop-web/2.1.0", 1484), (HOSTILE, 29)]),
            pods: distinct(&[("web-0", 1513)]),
            first_seen: Some(at("04:24:02")),
            last_seen: Some(at("04:27:39")),
            timeline: vec![0, 3, 900, 610],
        },
        AccountRow {
            namespace: "kube-system".to_owned(),
            name: "generic-garbage-collector".to_owned(),
            requests: 20,
            ..AccountRow::default()
        },
    ]
}

pub(super) fn poisoned_accounts(text: &str) -> Vec<AccountRow> {
    let mut rows = accounts();
    for row in &mut rows {
        text.clone_into(&mut row.name);
        row.verbs.insert(0, (text.to_owned(), 1));
        row.token_kinds.insert(0, (text.to_owned(), 1));
    }
    rows
}
