//! Findings of every severity, and of every kind of subject.

use crate::finding::{
    Attribute, Attributes, Evidence, Finding, Involved, Remediation, Severity, Step, Subject,
    SubjectKind, fingerprint,
};

use super::{HOSTILE, at};

struct Draft<'a> {
    detector: &'a str,
    severity: Severity,
    subject: Subject,
    count: u64,
    seen: (&'a str, &'a str),
    summary: &'a str,
    advice: &'a str,
}

impl Draft<'_> {
    fn finding(self) -> Finding {
        let mut attributes = Attributes::new();
        attributes.insert(
            "user_agents".to_owned(),
            vec![HOSTILE, "kubectl/v1.37.1"].into(),
        );
        attributes.insert("peak_rate".to_owned(), Attribute::rate(342.9));
        attributes.insert("token".to_owned(), Attribute::Null);
        Finding {
            detector: self.detector.to_owned(),
            severity: self.severity,
            fingerprint: fingerprint(self.detector, &self.subject, &[]),
            subject: self.subject,
            count: self.count,
            first_seen: Some(at(self.seen.0)),
            last_seen: Some(at(self.seen.1)),
            summary: self.summary.to_owned(),
            attributes,
            attack: vec!["T1552.007".to_owned()],
            involves: Involved {
                subjects: [Subject::service_account("kube-system", "super")].into(),
                credentials: ["JTI=\u{1b}[31m1".to_owned()].into(),
            },
            related: Vec::new(),
            evidence: vec![Evidence {
                time: Some(at(self.seen.0)),
                audit_id: Some("client-chosen-1".to_owned()),
                file: "audit/audit.log".to_owned(),
                line: Some(17),
            }],
            tracking: None,
            remediation: Remediation {
                summary: self.advice.to_owned(),
                steps: vec![Step {
                    text: "See who uses it".to_owned(),
                    command: Some("kubectl -n shop get pods".to_owned()),
                }],
            },
        }
    }
}

pub(super) fn findings() -> Vec<Finding> {
    let drafts = grave().into_iter().chain(mild());
    drafts.map(Draft::finding).collect()
}

fn grave() -> [Draft<'static>; 3] {
    let account = Subject::service_account;
    [
        Draft {
            detector: "token-theft",
            severity: Severity::Critical,
            subject: account("shop", "web"),
            count: 513,
            seen: ("04:24:02", "04:27:39"),
            summary: "one token of pod web-0 was used from 5 addresses and by 4 user agents, \
                curl among them: it has left its pod",
            advice: "delete the pod to revoke the token, then find out how it got out",
        },
        Draft {
            detector: "runaway-controller",
            severity: Severity::High,
            subject: account("ops", "hot-loop"),
            count: 20_574,
            seen: ("04:25:18.067", "04:26:18"),
            summary: "342.9 requests/s for 60 s, 98 % of them update leases with 409: a retry \
                loop without backoff",
            advice: "fix the controller's retry; until then limit it with a FlowSchema",
        },
        Draft {
            detector: "default-serviceaccount",
            severity: Severity::High,
            subject: account("shop", "default"),
            count: 660,
            seen: ("04:24:02", "04:27:39"),
            summary: "pods of shop use the default ServiceAccount, which reads secrets: every \
                pod of the namespace can",
            advice: "give each workload its own ServiceAccount",
        },
    ]
}

fn mild() -> [Draft<'static>; 3] {
    [
        Draft {
            detector: "secret-listing",
            severity: Severity::Medium,
            subject: Subject::service_account("monitoring", "prometheus"),
            count: 22,
            seen: ("04:24:02", "04:27:33"),
            summary: "lists secrets cluster-wide",
            advice: "",
        },
        Draft {
            detector: "audit-id-reuse",
            severity: Severity::Low,
            subject: Subject {
                kind: SubjectKind::User,
                namespace: None,
                name: HOSTILE.to_owned(),
            },
            count: 1,
            seen: ("04:27:00", "04:27:00"),
            summary: "agent curl/8\u{1b}[31m chose its own audit IDs",
            advice: "look at what it hides",
        },
        Draft {
            detector: "log-quality",
            severity: Severity::Info,
            subject: Subject {
                kind: SubjectKind::AuditLog,
                namespace: None,
                name: "audit".to_owned(),
            },
            count: 2,
            seen: ("04:27:00", "04:28:00"),
            summary: "the log is silent for 1 min 40 s",
            advice: "check that nothing restarted the apiserver",
        },
    ]
}
