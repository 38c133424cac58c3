//! The same questions to jq and to satrail, and to the notes of the recording.

use std::{fs, process::Command};

use satrail::inventory::{Check, Holder, Report, Verdict, report};
use serde_json::{Value, json};

use super::{Case, cases};

fn jq(case: &Case) -> Value {
    let home = tempfile::tempdir().unwrap();
    let (dump, log) = (home.path().join("dump.json"), home.path().join("log.json"));
    fs::write(&dump, Case::text(&case.dump)).unwrap();
    fs::write(&log, Case::text(&case.log)).unwrap();
    let output = Command::new("jq")
        .args([
            "-n",
            "-f",
            concat!(env!("CARGO_MANIFEST_DIR"), "/tests/inventory/counts.jq"),
            "--slurpfile",
            "dump",
        ])
        .arg(&dump)
        .args(["--slurpfile", "log"])
        .arg(&log)
        .output()
        .expect("jq is not installed: scripts/test installs it");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).unwrap()
}

fn sorted(names: impl IntoIterator<Item = String>) -> Value {
    let mut names: Vec<_> = names.into_iter().collect();
    names.sort();
    names.dedup();
    json!(names)
}

fn holders(holders: &[Holder]) -> Value {
    sorted(holders.iter().map(|holder| {
        let subject = &holder.subject;
        let namespace = subject.namespace.as_deref().unwrap_or_default();
        format!("{} {namespace}/{}", subject.kind, subject.name)
    }))
}

/// satrail's answers in the form of `counts.jq`.
fn answers(report: &Report, case: &Case) -> Value {
    let issues = |check| {
        report
            .issues
            .iter()
            .filter(move |issue| issue.check == check)
    };
    let names = |check| issues(check).map(|issue| issue.subject.to_string());
    let accounts = || report.accounts.iter();
    let name = |namespace: &str, name: &str| format!("{namespace}/{name}");
    let usage = case.usage();
    let legacy = usage.accounts.values().flat_map(|usage| &usage.legacy);
    let legacy: serde_json::Map<_, _> = legacy
        .map(|(secret, uses)| (secret.clone(), json!(uses.requests)))
        .collect();
    json!({
        "objects": report.input.objects,
        "default_automount": accounts()
            .filter(|a| a.name == "default" && a.automount != Some(false))
            .map(|a| a.namespace.clone())
            .collect::<Vec<_>>(),
        "automount_off": accounts()
            .filter(|a| a.automount == Some(false))
            .map(|a| name(&a.namespace, &a.name))
            .collect::<Vec<_>>(),
        "default_pods": report.pods.iter()
            .filter(|p| p.account == "default")
            .map(|p| name(&p.namespace, &p.name))
            .collect::<Vec<_>>(),
        "tokens": sorted(report.legacy_tokens.iter().map(|t| t.secret.to_string())),
        "last_used": report.legacy_tokens.iter().map(|t| t.last_used.clone()).collect::<Vec<_>>(),
        "cluster_admins": holders(&report.cluster_admins),
        "secret_readers": holders(&report.secret_readers),
        // One of the control plane's own is left out of the issues.
        "cross_namespace": sorted(
            names(Check::CrossNamespaceBinding).chain(["kube-system/bootstrap-signer".to_owned()])
        ),
        // Those that kube-apiserver binds before their controllers need them are no issue either.
        "missing_accounts": sorted(
            names(Check::DanglingBinding)
                .chain(
                    [
                        "cloud-provider", "kube-controller-manager", "kube-dns", "kube-scheduler",
                        "leader-election-controller", "route-controller", "selinux-warning-controller",
                        "service-controller",
                    ]
                    .map(|name| format!("kube-system/{name}")),
                )
        ),
        "never_used": accounts()
            .filter(|a| a.requests == Some(0))
            .map(|a| name(&a.namespace, &a.name))
            .collect::<Vec<_>>(),
        "silent_pods": report.pods.iter()
            .filter(|p| p.requests == Some(0))
            .map(|p| name(&p.namespace, &p.name))
            .collect::<Vec<_>>(),
        "legacy_uses": legacy,
    })
}

#[test]
fn jq_gives_the_same_answers() {
    for case in cases() {
        let report = report(&case.dumps(), Some(&case.usage()));
        assert_eq!(
            answers(&report, &case),
            jq(&case),
            "{}",
            case.dump.display()
        );
    }
}

#[test]
fn the_recording_says_what_its_notes_say() {
    for case in cases().into_iter().skip(1) {
        let report = report(&case.dumps(), Some(&case.usage()));
        let unused = report
            .issues
            .iter()
            .filter(|issue| issue.check == Check::UnusedAccount);
        let unused: Vec<_> = unused.map(|issue| issue.subject.to_string()).collect();
        // TRUTH.md: "ServiceAccounts never used: shop:idle, shop:notoken".
        assert_eq!(unused, ["shop/idle", "shop/notoken"]);
        let log = report.input.log.as_ref().unwrap();
        assert_eq!(log.requests, 26_381);
        assert_eq!(
            log.first_event.unwrap().to_string(),
            "2026-11-22T04:23:50.123939Z"
        );
        assert_eq!(
            log.last_event.unwrap().to_string(),
            "2026-11-22T04:28:36.086082Z"
        );
        for token in &report.legacy_tokens {
            let expected = match token.secret.name.as_str() {
                "deployer-token" => 540,
                "legacy-auto-token-x7k2p" => 60,
                "old-runner-token" => 10,
                other => panic!("{other}"),
            };
            assert_eq!(
                (token.verdict, token.requests),
                (Verdict::InUse, Some(expected))
            );
        }
    }
}

#[test]
fn a_deleted_account_is_known_from_the_log() {
    let Some(end) = cases().into_iter().nth(2) else {
        return;
    };
    let report = report(&end.dumps(), Some(&end.usage()));
    let gone: Vec<_> = report
        .accounts_not_in_dump
        .iter()
        .map(|a| (&*a.namespace, &*a.name, a.requests))
        .collect();
    // Revoked during the recording: 60 uses of its token before (TRUTH.md, scenarios d and i).
    assert_eq!(gone, [("ci", "legacy-auto", 60)]);
    let dangling = report
        .issues
        .iter()
        .find(|issue| issue.check == Check::DanglingBinding)
        .unwrap();
    assert_eq!(dangling.subject.to_string(), "ci/legacy-auto");
    assert!(
        dangling.summary.contains("60 requests"),
        "{}",
        dangling.summary
    );
}
