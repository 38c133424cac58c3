//! What the checks say of small made-up clusters.

use satrail::{
    finding::{Severity, Timestamp},
    inventory::{
        AccountUsage, Check, Issue, Kept, Report, SecretUsage, Usage, Verdict, automounts, pod_key,
    },
};
use serde_json::{Value, json};

use super::{object, of_objects};

const CRITICAL: Option<Severity> = Some(Severity::Critical);
const HIGH: Option<Severity> = Some(Severity::High);
const MEDIUM: Option<Severity> = Some(Severity::Medium);
const LOW: Option<Severity> = Some(Severity::Low);

fn time(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

/// A log of a month with requests of somebody.
fn month() -> Usage {
    let mut usage = Usage {
        period: Some((time("2026-01-02T00:00:00Z"), time("2026-02-01T00:00:00Z"))),
        requests: 1,
        ..Usage::default()
    };
    let other = ("x".to_owned(), "y".to_owned(), String::new());
    usage.accounts.insert(
        other,
        AccountUsage {
            requests: 1,
            complete: true,
            ..AccountUsage::default()
        },
    );
    usage.pods.insert(pod_key("another-pod"), 1);
    usage
}

fn issues(report: &Report, check: Check) -> Vec<&Issue> {
    report
        .issues
        .iter()
        .filter(|issue| issue.check == check)
        .collect()
}

/// The table of the seeds (002_service-accounts.txt, "automountServiceAccountToken"): account, pod, result.
#[test]
fn the_pod_has_the_last_word_on_its_token() {
    for (account, pod, mounted) in [
        (true, None, true),
        (true, Some(true), true),
        (true, Some(false), false),
        (false, None, false),
        (false, Some(true), true),
        (false, Some(false), false),
    ] {
        assert_eq!(automounts(pod, Some(account)), mounted, "{account} {pod:?}");
        let spec = match pod {
            None => json!({"serviceAccountName": "web"}),
            Some(pod) => json!({"serviceAccountName": "web", "automountServiceAccountToken": pod}),
        };
        let mut accounts = vec![json!({"automountServiceAccountToken": account})];
        if account {
            // "true (default)": also where nothing is said.
            accounts.push(json!({}));
        }
        for more in accounts {
            let report = of_objects(
                &[
                    object("ServiceAccount", "shop", "web", &more),
                    object("Pod", "shop", "web-1", &json!({"spec": spec})),
                ],
                None,
            );
            assert_eq!(report.pods[0].token_mounted, mounted, "{more} {spec}");
            assert_eq!(report.pods[0].automount, pod);
        }
    }
}

fn token(name: &str, labels: &Value) -> Value {
    object(
        "Secret",
        "ci",
        name,
        &json!({"type": "kubernetes.io/service-account-token", "metadata": {
            "labels": labels,
            "annotations": {"kubernetes.io/service-account.name": "bot", "kubernetes.io/service-account.uid": "uid-ci-bot"},
        }}),
    )
}

fn verdict(objects: &[Value], usage: Option<&Usage>) -> (Verdict, String) {
    let report = of_objects(objects, usage);
    let [token] = &report.legacy_tokens[..] else {
        panic!("{:?}", report.legacy_tokens)
    };
    (token.verdict, token.because.clone())
}

#[test]
fn each_verdict_on_a_legacy_token_has_its_reason() {
    let bot = object("ServiceAccount", "ci", "bot", &json!({}));
    let pod = object("Pod", "ci", "job", &json!({"spec": {}}));
    let last = |day: &str| json!({"kubernetes.io/legacy-token-last-used": day});
    let invalid = json!({"kubernetes.io/legacy-token-invalid-since": "2026-01-20"});
    let reader = |spec: Value| object("Pod", "ci", "reader", &json!({"spec": spec}));
    let mounts = reader(json!({"volumes": [{"name": "v", "secret": {"secretName": "t"}}]}));
    let env = reader(
        json!({"containers": [{"env": [{"name": "T", "valueFrom": {"secretKeyRef": {"name": "t", "key": "token"}}}]}]}),
    );
    let init = reader(json!({"initContainers": [{"envFrom": [{"secretRef": {"name": "t"}}]}]}));
    let projected = reader(
        json!({"volumes": [{"name": "v", "projected": {"sources": [{"secret": {"name": "t"}}]}}]}),
    );
    let month = month();
    let mut short = month.clone();
    short.period = Some((time("2026-01-31T23:00:00Z"), time("2026-02-01T00:00:00Z")));
    let log = Some(&month);
    for (labels, others, usage, expected, says) in [
        (
            json!({}),
            vec![&bot, &pod],
            log,
            Verdict::SafeToDelete,
            "no use in the 30 days",
        ),
        (
            json!({}),
            vec![&bot, &pod],
            Some(&short),
            Verdict::Unknown,
            "less than a day",
        ),
        (
            json!({}),
            vec![&bot, &pod],
            None,
            Verdict::Unknown,
            "no log was given",
        ),
        (json!({}), vec![&bot], log, Verdict::Unknown, "no pods"),
        (
            last("2026-01-30"),
            vec![&bot, &pod],
            log,
            Verdict::Unknown,
            "2 days ago",
        ),
        (
            last("2025-09-01"),
            vec![&bot, &pod],
            log,
            Verdict::SafeToDelete,
            "153 days ago",
        ),
        (
            last("soon"),
            vec![&bot, &pod],
            log,
            Verdict::Unknown,
            "no day",
        ),
        (
            invalid,
            vec![&bot, &pod],
            log,
            Verdict::SafeToDelete,
            "marked as invalid",
        ),
        (
            json!({}),
            vec![&object("ServiceAccount", "ci", "other", &json!({})), &pod],
            log,
            Verdict::SafeToDelete,
            "does not exist",
        ),
        (
            last("2025-09-01"),
            vec![&bot, &mounts],
            log,
            Verdict::InUse,
            "ci/reader mounts or reads it",
        ),
        (
            last("2025-09-01"),
            vec![&bot, &env],
            log,
            Verdict::InUse,
            "ci/reader",
        ),
        (
            last("2025-09-01"),
            vec![&bot, &init],
            log,
            Verdict::InUse,
            "ci/reader",
        ),
        (
            last("2025-09-01"),
            vec![&bot, &projected],
            log,
            Verdict::InUse,
            "ci/reader",
        ),
    ] {
        let mut objects = vec![token("t", &labels)];
        objects.extend(others.into_iter().cloned());
        let (found, because) = verdict(&objects, usage);
        assert_eq!(found, expected, "{because}");
        assert!(because.contains(says), "{because}");
    }
}

fn used_by(uid: &str, secret: &str) -> Usage {
    let mut usage = month();
    let uses = SecretUsage {
        requests: 7,
        last_seen: None,
    };
    let account = AccountUsage {
        requests: 7,
        complete: true,
        legacy: [(secret.to_owned(), uses)].into(),
        ..AccountUsage::default()
    };
    usage
        .accounts
        .insert(("ci".to_owned(), "bot".to_owned(), uid.to_owned()), account);
    usage
}

#[test]
fn uses_of_a_token_are_those_of_its_own_account() {
    let objects = [
        object("ServiceAccount", "ci", "bot", &json!({})),
        object("Pod", "ci", "job", &json!({})),
        token("t", &json!({})),
    ];
    let (found, because) = verdict(&objects, Some(&used_by("uid-ci-bot", "t")));
    assert_eq!(
        (found, &*because),
        (Verdict::InUse, "7 requests in the log")
    );
    // An account of that name, deleted since: its tokens died with it.
    assert_eq!(
        verdict(&objects, Some(&used_by("older", "t"))).0,
        Verdict::SafeToDelete
    );
    let (found, because) = verdict(&objects, Some(&used_by("uid-ci-bot", "")));
    assert_eq!(found, Verdict::Unknown);
    assert!(because.contains("does not name"), "{because}");
    let report = of_objects(&objects, Some(&used_by("older", "t")));
    assert_eq!(report.accounts[0].requests, Some(0));
    let recreated = issues(&report, Check::RecreatedAccount);
    assert!(
        recreated[0].summary.starts_with("7 requests"),
        "{recreated:?}"
    );
    assert!(report.accounts_not_in_dump[1].recreated || report.accounts_not_in_dump[0].recreated);
}

fn role(kind: &str, namespace: &str, name: &str, rules: &Value) -> Value {
    object(kind, namespace, name, &json!({"rules": rules}))
}

fn binding(namespace: &str, name: &str, role: (&str, &str), subjects: &Value) -> Value {
    let kind = if namespace.is_empty() {
        "ClusterRoleBinding"
    } else {
        "RoleBinding"
    };
    object(
        kind,
        namespace,
        name,
        &json!({"roleRef": {"kind": role.0, "name": role.1}, "subjects": subjects}),
    )
}

#[test]
fn dangerous_permissions_are_told_apart() {
    let rbac = "rbac.authorization.k8s.io";
    let rule = |group: &str, resource: &str, verb: &str| json!([{"apiGroups": [group], "resources": [resource], "verbs": [verb]}]);
    for (rules, wide, narrow, says) in [
        (rule("*", "*", "*"), CRITICAL, MEDIUM, "do everything"),
        (
            rule(rbac, "clusterroles", "escalate"),
            HIGH,
            MEDIUM,
            "escalate",
        ),
        (rule(rbac, "roles", "bind"), HIGH, MEDIUM, "bind"),
        (
            rule("", "users", "impersonate"),
            HIGH,
            MEDIUM,
            "impersonate",
        ),
        (
            rule("", "serviceaccounts/token", "create"),
            HIGH,
            MEDIUM,
            "serviceaccounts/token",
        ),
        (rule("", "nodes/proxy", "get"), HIGH, LOW, "nodes/proxy"),
        (rule("", "secrets", "watch"), HIGH, LOW, "read secrets"),
        (rule("", "pods/exec", "create"), HIGH, LOW, "pods/exec"),
        (rule("apps", "*", "get"), MEDIUM, LOW, "wildcard"),
        (rule("", "pods", "get"), None, None, ""),
        (
            json!([{"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"], "resourceNames": ["one"]}]),
            None,
            None,
            "",
        ),
        (
            json!([{"nonResourceURLs": ["*"], "verbs": ["*"]}]),
            None,
            None,
            "",
        ),
    ] {
        for (namespace, expected) in [("", wide), ("shop", narrow)] {
            let objects = [
                object("ServiceAccount", "shop", "web", &json!({})),
                role("ClusterRole", "", "r", &rules),
                binding(
                    namespace,
                    "b",
                    ("ClusterRole", "r"),
                    &json!([{"kind": "ServiceAccount", "name": "web", "namespace": "shop"}]),
                ),
            ];
            let report = of_objects(&objects, None);
            let found = report.issues.iter().find(|issue| {
                matches!(
                    issue.check,
                    Check::ClusterAdmin | Check::DangerousPermissions
                )
            });
            assert_eq!(
                found.map(|issue| issue.severity),
                expected,
                "{rules} in '{namespace}'"
            );
            if let Some(issue) = found {
                assert!(issue.summary.contains(says), "{}", issue.summary);
                assert_eq!(issue.evidence[0].object.name, "b");
                assert!(
                    issue
                        .remediation
                        .steps
                        .iter()
                        .any(|step| step.command.as_deref().is_some_and(|c| c.ends_with(" b")))
                );
            }
        }
    }
}

#[test]
fn groups_are_judged_by_what_they_get() {
    let everybody = |name: &str| json!([{"kind": "Group", "name": name}]);
    for (group, rules, expected) in [
        (
            "system:authenticated",
            json!([{"nonResourceURLs": ["/healthz", "/api/*"], "verbs": ["get"]}]),
            None,
        ),
        (
            "system:authenticated",
            json!([{"apiGroups": ["authorization.k8s.io"], "resources": ["selfsubjectaccessreviews"], "verbs": ["create"]}]),
            None,
        ),
        (
            "system:authenticated",
            json!([{"nonResourceURLs": ["/metrics"], "verbs": ["get"]}]),
            MEDIUM,
        ),
        (
            "system:serviceaccounts",
            json!([{"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]}]),
            MEDIUM,
        ),
        (
            "system:serviceaccounts:shop",
            json!([{"apiGroups": [""], "resources": ["secrets"], "verbs": ["list"]}]),
            HIGH,
        ),
        (
            "system:unauthenticated",
            json!([{"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]}]),
            HIGH,
        ),
        (
            "system:unauthenticated",
            json!([{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]),
            CRITICAL,
        ),
        (
            "developers",
            json!([{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]),
            None,
        ),
    ] {
        let objects = [
            role("ClusterRole", "", "r", &rules),
            binding("", "b", ("ClusterRole", "r"), &everybody(group)),
        ];
        let report = of_objects(&objects, None);
        let found = issues(&report, Check::GroupBinding);
        assert_eq!(
            found.first().map(|issue| issue.severity),
            expected,
            "{group} {rules}"
        );
    }
}

#[test]
fn an_attacker_cannot_hide_behind_the_control_planes_names() {
    let objects = [
        object("ServiceAccount", "kube-system", "evil", &json!({})),
        role(
            "ClusterRole",
            "",
            "system:controller:evil",
            &json!([{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]),
        ),
        object(
            "ClusterRoleBinding",
            "",
            "system:controller:evil",
            &json!({
                "metadata": {"labels": {"kubernetes.io/bootstrapping": "rbac-defaults"}},
                "roleRef": {"kind": "ClusterRole", "name": "system:controller:evil"},
                "subjects": [{"kind": "ServiceAccount", "name": "evil", "namespace": "kube-system"}],
            }),
        ),
    ];
    let report = of_objects(&objects, None);
    assert_eq!(issues(&report, Check::ClusterAdmin).len(), 1);
}

#[test]
fn bindings_to_nobody_are_named() {
    let objects = [
        object("ServiceAccount", "shop", "web", &json!({})),
        role("Role", "shop", "r", &json!([])),
        binding(
            "shop",
            "ghost",
            ("Role", "r"),
            &json!([{"kind": "ServiceAccount", "name": "gone"}]),
        ),
        binding(
            "shop",
            "roleless",
            ("Role", "missing"),
            &json!([{"kind": "ServiceAccount", "name": "web"}]),
        ),
    ];
    let report = of_objects(&objects, None);
    let found: Vec<_> = issues(&report, Check::DanglingBinding)
        .iter()
        .map(|i| i.subject.to_string())
        .collect();
    assert_eq!(found, ["shop/gone", "shop/roleless"]);
}

#[test]
fn unusual_lifetimes_are_flagged() {
    for (seconds, automatic, expected) in [
        (Some(599), false, true),
        (Some(600), false, false),
        (None, false, false),
        (Some(86_400), false, false),
        (Some(86_401), false, true),
        (Some(31_536_000), true, false),
    ] {
        let volume = if automatic {
            "kube-api-access-abc"
        } else {
            "vault"
        };
        let spec = json!({"volumes": [{"name": volume, "projected": {"sources": [
            {"serviceAccountToken": {"path": "token", "audience": "vault", "expirationSeconds": seconds}}]}}]});
        let report = of_objects(
            &[object("Pod", "shop", "web", &json!({"spec": spec}))],
            None,
        );
        assert_eq!(
            !issues(&report, Check::ProjectedToken).is_empty(),
            expected,
            "{seconds:?} {automatic}"
        );
        assert_eq!(report.pods[0].tokens[0].audience, "vault");
    }
}

#[test]
fn only_workloads_that_never_called_lose_their_token() {
    let owner = |name: &str| {
        json!({"metadata": {"labels": {"pod-template-hash": "abc"}, "ownerReferences": [
        {"kind": "ReplicaSet", "name": format!("{name}-abc"), "controller": true}]}})
    };
    let objects = [
        object("ServiceAccount", "shop", "default", &json!({})),
        object("Pod", "shop", "busy-1", &owner("busy")),
        object("Pod", "shop", "busy-2", &owner("busy")),
        object("Pod", "shop", "idle-1", &owner("idle")),
    ];
    let mut usage = month();
    usage.pods.insert(pod_key("uid-shop-busy-1"), 3);
    let report = of_objects(&objects, Some(&usage));
    let found = issues(&report, Check::UnusedToken);
    assert_eq!(found.len(), 1);
    assert_eq!(
        (&*found[0].subject.kind, &*found[0].subject.name),
        ("Deployment", "idle")
    );
    let command = found[0].remediation.steps[0].command.as_deref().unwrap();
    assert!(
        command.starts_with("kubectl patch deployment --namespace shop idle --patch"),
        "{command}"
    );
    // Where no token names its pod, nothing can be told.
    usage.pods.clear();
    assert!(issues(&of_objects(&objects, Some(&usage)), Check::UnusedToken).is_empty());
    assert_eq!(of_objects(&objects, Some(&usage)).pods[0].requests, None);
}

fn practice(report: &Report, id: &str) -> Kept {
    report
        .practices
        .iter()
        .find(|practice| practice.id == id)
        .unwrap()
        .verdict
}

#[test]
fn what_is_not_in_the_dump_is_unknown_and_not_fine() {
    let report = of_objects(&[], None);
    assert_eq!(report.practices.len(), 8);
    assert!(
        report
            .practices
            .iter()
            .all(|practice| practice.verdict == Kept::Unknown),
        "{:?}",
        report.practices
    );
    let month = month();
    let clean = [
        object(
            "ServiceAccount",
            "shop",
            "default",
            &json!({"automountServiceAccountToken": false}),
        ),
        object(
            "ServiceAccount",
            "shop",
            "web",
            &json!({"automountServiceAccountToken": false,
            "metadata": {"annotations": {"eks.amazonaws.com/role-arn": "arn:aws:iam::1:role/web"}}}),
        ),
        object(
            "Pod",
            "shop",
            "web-1",
            &json!({"spec": {"serviceAccountName": "web", "automountServiceAccountToken": true}}),
        ),
        object("Secret", "shop", "other", &json!({"type": "Opaque"})),
        role("Role", "shop", "r", &json!([])),
        binding("shop", "b", ("Role", "r"), &json!([])),
    ];
    let mut usage = month.clone();
    let used = AccountUsage {
        requests: 1,
        complete: true,
        ..AccountUsage::default()
    };
    usage.accounts.insert(
        (
            "shop".to_owned(),
            "web".to_owned(),
            "uid-shop-web".to_owned(),
        ),
        used,
    );
    let report = of_objects(&clean, Some(&usage));
    for practice in &report.practices {
        assert_eq!(practice.verdict, Kept::Pass, "{practice:?}");
    }
    let dirty = [
        object("ServiceAccount", "shop", "default", &json!({})),
        object("ServiceAccount", "shop", "idle", &json!({})),
        object(
            "Pod",
            "shop",
            "web-1",
            &json!({"spec": {
            "volumes": [{"name": "v", "projected": {"sources": [{"serviceAccountToken": {"expirationSeconds": 1_000_000}}]}}],
            "containers": [{"env": [{"name": "AWS_SECRET_ACCESS_KEY", "value": "s3cret"}]}]}}),
        ),
        token("t", &json!({})),
        binding("shop", "b", ("Role", "r"), &json!([])),
    ];
    let mut usage = month;
    let used = AccountUsage {
        requests: 1,
        complete: true,
        ..AccountUsage::default()
    };
    usage.accounts.insert(
        (
            "shop".to_owned(),
            "default".to_owned(),
            "uid-shop-default".to_owned(),
        ),
        used,
    );
    let report = of_objects(&dirty, Some(&usage));
    for practice in &report.practices {
        assert_eq!(practice.verdict, Kept::Fail, "{practice:?}");
    }
    assert_eq!(practice(&report, "no-legacy-tokens"), Kept::Fail);
}

#[test]
fn of_two_objects_with_one_name_the_newer_counts() {
    let at = |created: &str, automount: bool| {
        object(
            "ServiceAccount",
            "shop",
            "web",
            &json!({"automountServiceAccountToken": automount,
            "metadata": {"creationTimestamp": created, "uid": created}}),
        )
    };
    let (old, new) = (
        at("2025-01-01T00:00:00Z", true),
        at("2026-01-01T00:00:00Z", false),
    );
    for objects in [[old.clone(), new.clone()], [new, old]] {
        let report = of_objects(&objects, None);
        assert_eq!(report.accounts.len(), 1);
        assert_eq!(report.accounts[0].automount, Some(false));
    }
}
