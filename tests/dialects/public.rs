//! Samples that others have published, where they are beside the repository.

use std::path::{Path, PathBuf};

use satrail::pipeline::{self, Options, Report, Silent};

use crate::{forms, skipped};

fn report(name: &str) -> Option<Report> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../shared/data")
        .join(name);
    if !path.exists() {
        println!("skipped: there is no {}", path.display());
        return None;
    }
    let options = Options {
        paths: vec![PathBuf::from(&path)],
        ..Options::default()
    };
    Some(pipeline::scan(&options, &Silent).unwrap().report(&options))
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn published_samples_are_read() {
    let openshift = "public/openshift-cluster-logging-operator";
    let receiver = "public/sysdiglabs-aks-audit-log/samples";
    let antrea = "public/antrea-io-resource-auditing/test/files";
    let butler = "public/ConfigButler-gitops-reverser";
    for (file, form, events, bad) in [
        (
            "public/GoogleCloudPlatform-khi/k8s_audit.extracted.jsonl".to_owned(),
            "gke",
            3,
            0,
        ),
        (format!("{receiver}/event.json"), "azure", 22, 0),
        (
            format!("{receiver}/sample_EventHubs_event.json"),
            "azure",
            1,
            0,
        ),
        (
            format!("{receiver}/sample_KubeAuditLog_event.json"),
            "plain",
            1,
            0,
        ),
        (
            format!("{openshift}/hack/logsamples/otlp_audit_kube.json"),
            "otlp",
            3,
            0,
        ),
        (
            format!("{openshift}/history/otlp_audit_kube.a49e88a7.json"),
            "otlp",
            21,
            0,
        ),
        (
            format!("{openshift}/hack/logsamples/viaq_audit_kubernetes.json"),
            "viaq",
            1,
            0,
        ),
        (
            format!("{openshift}/hack/logsamples/viaq_audit_openshift.json"),
            "viaq",
            1,
            0,
        ),
        (
            format!("{openshift}/hack/logsamples/raw_audit_oauth-apiserver.json"),
            "plain",
            1,
            0,
        ),
        (
            format!("{openshift}/test/functional/filters/apiaudit/vrl/testdata/audit_in.log"),
            "plain",
            100,
            0,
        ),
        (
            format!("{antrea}/correct-audit-log.txt"),
            "event-list",
            3,
            0,
        ),
        (
            format!("{antrea}/incorrect-audit-log-1.txt"),
            "event-list",
            2,
            1,
        ),
        (
            format!("{antrea}/incorrect-audit-log-2.txt"),
            "event-list",
            2,
            1,
        ),
        (
            format!("{butler}/yaml-fixtures.extracted.jsonl"),
            "event-list",
            4,
            0,
        ),
    ] {
        let Some(report) = report(&file) else {
            continue;
        };
        assert_eq!(
            report.input.bad_lines, bad,
            "{file}: {:?}",
            report.coverage.bad_lines
        );
        let found = forms(&report).into_iter().find(|(name, _)| name == form);
        // Counted with jq.
        assert_eq!(
            found,
            Some((form.to_owned(), events)),
            "{file}: {:?}",
            skipped(&report)
        );
    }
}

#[test]
fn the_recorded_legacy_log_is_named() {
    let Some(report) = report("real/legacy-format") else {
        return;
    };
    assert_eq!((report.input.events, report.input.bad_lines), (0, 0));
    assert_eq!(skipped(&report), [("legacy-format".to_owned(), 929)]);
}
