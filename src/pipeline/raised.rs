//! What a first use makes of other findings: what an account was never seen to do before is worth a step more.
//!
//! A function of findings alone. It trusts only what a finding says of all its requests: if some are left out of
//! a list, or if one of them is habit, that list raises nothing.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    detect::{address_range, client_name, first_use_id, habitual_action},
    finding::{Attribute, Finding, Related, Severity, Subject, SubjectKind, Timestamp},
};

/// Which attribute of a finding lists what a first use calls by this kind.
const LISTS: [(&str, &str); 4] = [
    ("action", "requests"),
    ("namespace", "namespaces"),
    ("address-range", "addresses"),
    ("user-agent", "user_agents"),
];

/// What one account does since it had learned, and never did before.
struct FirstUse {
    related: Related,
    learned_until: Timestamp,
    /// By kind and name, when it was seen first.
    new: BTreeMap<(String, String), Timestamp>,
}

/// Raises findings of `low` and `medium` by one step if they are about nothing but what their account does for
/// the first time after its learning period, unless that is expected. Says so in the attribute `raised`, and names the first use as related.
pub(super) fn raise(findings: &mut [Finding]) {
    let first_uses: BTreeMap<Subject, FirstUse> = findings
        .iter()
        .filter_map(|finding| Some((finding.subject.clone(), FirstUse::of(finding)?)))
        .collect();
    for finding in findings {
        let Some(severity) = one_step_up(finding) else {
            continue;
        };
        let first_use = first_uses.get(&finding.subject);
        let began = |first_use: &&FirstUse| finding.first_seen >= Some(first_use.learned_until);
        let Some(first_use) = first_use.filter(began) else {
            continue;
        };
        let by = first_use.explains(finding);
        if by.is_empty() {
            continue;
        }
        let raised = first_use.attribute(finding.severity, &by);
        finding.attributes.insert("raised".to_owned(), raised);
        finding.severity = severity;
        finding
            .summary
            .push_str("; raised, since the account never did this before");
        finding.related.push(first_use.related.clone());
    }
}

/// `None` for what is not raised: what is nothing to worry about stays so, and what is bad enough too.
fn one_step_up(finding: &Finding) -> Option<Severity> {
    let account = finding.subject.kind == SubjectKind::ServiceAccount;
    if !account || finding.detector == first_use_id() {
        return None;
    }
    match finding.severity {
        Severity::Low => Some(Severity::Medium),
        Severity::Medium => Some(Severity::High),
        Severity::Info | Severity::High | Severity::Critical => None,
    }
}

impl FirstUse {
    fn of(finding: &Finding) -> Option<Self> {
        // One of `info` has an explanation.
        if finding.detector != first_use_id() || finding.severity < Severity::Low {
            return None;
        }
        let Some(&Attribute::Time(learned_until)) = finding.attributes.get("learned_until") else {
            return None;
        };
        let Some(Attribute::List(all)) = finding.attributes.get("new") else {
            return None;
        };
        let mut new = BTreeMap::new();
        for one in all {
            let Attribute::Map(one) = one else { continue };
            let (Some(Attribute::Text(kind)), Some(Attribute::Text(what))) =
                (one.get("kind"), one.get("what"))
            else {
                continue;
            };
            let Some(&Attribute::Time(first)) = one.get("first_seen") else {
                continue;
            };
            if one.get("expected") == Some(&Attribute::Flag(true)) {
                continue;
            }
            // An action may stand there twice: refused, then allowed.
            let known = new.entry((kind.clone(), what.clone())).or_insert(first);
            *known = first.min(*known);
        }
        Some(Self {
            related: Related {
                fingerprint: finding.fingerprint.clone(),
                detector: finding.detector.clone(),
                subject: finding.subject.clone(),
                by: vec!["first use".to_owned()],
            },
            learned_until,
            new,
        })
    }

    /// The kinds in which everything that `finding` lists is new, with what that is.
    fn explains(&self, finding: &Finding) -> BTreeSet<&(String, String)> {
        let lists = LISTS.iter();
        let new = lists.filter_map(|(kind, list)| {
            let names = names(kind, finding.attributes.get(*list)?)?;
            let of = |name: String| self.new.get_key_value(&((*kind).to_owned(), name));
            let found: Option<Vec<_>> = names.into_iter().map(of).collect();
            Some(found?.into_iter().map(|(key, _)| key).collect::<Vec<_>>())
        });
        new.flatten().collect()
    }

    /// `from`, `by`, `since`.
    fn attribute(&self, from: Severity, by: &BTreeSet<&(String, String)>) -> Attribute {
        let since = by.iter().filter_map(|key| self.new.get(*key)).min();
        let by = by.iter().map(|(kind, what)| format!("{kind} {what}"));
        let fields: [(&str, Attribute); 3] = [
            ("from", from.as_str().into()),
            ("by", by.collect::<Vec<_>>().into()),
            ("since", since.copied().into()),
        ];
        Attribute::Map(fields.map(|(name, value)| (name.to_owned(), value)).into())
    }
}

/// The names in a list of a finding as a first use calls them; `None` if it does not have all of them.
fn names(kind: &str, list: &Attribute) -> Option<BTreeSet<String>> {
    let Attribute::Map(list) = list else {
        return None;
    };
    if list.is_empty() || list.contains_key("other") {
        return None;
    }
    let name = |listed: &String| match kind {
        "address-range" => address_range(listed),
        "user-agent" => Some(client_name(listed).to_owned()),
        "action" => Some(habitual_action(listed)),
        _ => Some(listed.clone()),
    };
    list.keys().map(name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::{Attributes, Involved, Remediation, fingerprint};

    fn time(minute: i64) -> Timestamp {
        Timestamp::from_micros(minute * 60_000_000)
    }

    fn finding(detector: &str, severity: Severity, minute: i64) -> Finding {
        let subject = Subject::service_account("shop", "web");
        Finding {
            detector: detector.to_owned(),
            severity,
            fingerprint: fingerprint(detector, &subject, &[]),
            subject,
            count: 1,
            first_seen: Some(time(minute)),
            last_seen: Some(time(minute)),
            summary: String::new(),
            attributes: Attributes::new(),
            attack: Vec::new(),
            involves: Involved::default(),
            related: Vec::new(),
            evidence: Vec::new(),
            tracking: None,
            remediation: Remediation {
                summary: String::new(),
                steps: Vec::new(),
            },
        }
    }

    fn first_use(severity: Severity) -> Finding {
        let one = |kind: &str, what: &str| {
            let fields: [(&str, Attribute); 4] = [
                ("kind", kind.into()),
                ("what", what.into()),
                ("expected", (kind == "namespace").into()),
                ("first_seen", time(100).into()),
            ];
            Attribute::Map(fields.map(|(name, value)| (name.to_owned(), value)).into())
        };
        let new = [
            one("action", "list secrets"),
            one("address-range", "203.0.0.0/16"),
            one("user-agent", "curl"),
            one("namespace", "payments"),
        ];
        let mut finding = finding(first_use_id(), severity, 100);
        let attributes = &mut finding.attributes;
        attributes.insert("new".to_owned(), Attribute::List(new.into()));
        attributes.insert("learned_until".to_owned(), time(90).into());
        finding
    }

    fn with(severity: Severity, minute: i64, list: &str, names: &[&str]) -> Finding {
        let mut finding = finding("secret-listing", severity, minute);
        let names = names.iter().map(|&name| (name.to_owned(), 1.into()));
        let names = Attribute::Map(names.collect());
        finding.attributes.insert(list.to_owned(), names);
        finding
    }

    /// The severity of `other` beside a first use of `severity`, and what it was raised by.
    fn raised(severity: Severity, other: Finding) -> (Severity, Vec<String>) {
        let mut findings = [other, first_use(severity)];
        raise(&mut findings);
        assert_eq!(findings[1], first_use(severity));
        let by = match findings[0].attributes.get("raised") {
            Some(Attribute::Map(raised)) => match &raised["by"] {
                Attribute::List(by) => by.iter().map(|by| format!("{by:?}")).collect(),
                by => panic!("{by:?}"),
            },
            _ => Vec::new(),
        };
        assert_eq!(findings[0].related.len(), usize::from(!by.is_empty()));
        (findings[0].severity, by)
    }

    #[test]
    fn what_is_all_new_goes_up_one_step() {
        for (list, name, by) in [
            ("requests", "list secrets", "action list secrets"),
            ("requests", "watch secrets", "action list secrets"),
            ("addresses", "203.0.113.7", "address-range 203.0.0.0/16"),
            ("user_agents", "curl/8.5.0", "user-agent curl"),
        ] {
            for (from, to) in [
                (Severity::Low, Severity::Medium),
                (Severity::Medium, Severity::High),
            ] {
                let (severity, said) = raised(Severity::Low, with(from, 100, list, &[name]));
                assert_eq!(severity, to, "{list}");
                assert_eq!(said, [format!("Text({by:?})")]);
            }
        }
    }

    #[test]
    fn everything_else_stays() {
        let list = ["list secrets"];
        let all = |from| with(from, 100, "requests", &list);
        let untouched = [
            all(Severity::Info),
            all(Severity::High),
            all(Severity::Critical),
            // Began before the account had learned.
            with(Severity::Low, 89, "requests", &list),
            // Not only what is new.
            with(
                Severity::Low,
                100,
                "requests",
                &["list secrets", "get pods"],
            ),
            // What more there is, is not known.
            with(Severity::Low, 100, "requests", &["list secrets", "other"]),
            with(
                Severity::Low,
                100,
                "addresses",
                &["203.0.113.7", "10.0.0.1"],
            ),
            with(Severity::Low, 100, "addresses", &["no address"]),
            with(Severity::Low, 100, "user_agents", &[]),
            with(Severity::Low, 100, "namespaces", &["kube-system"]),
            // New, but expected.
            with(Severity::Low, 100, "namespaces", &["payments"]),
            Finding {
                subject: Subject::service_account("shop", "other"),
                ..all(Severity::Low)
            },
            Finding {
                subject: Subject::user("shop/web"),
                ..all(Severity::Low)
            },
        ];
        for finding in untouched {
            let before = finding.severity;
            assert_eq!(raised(Severity::Low, finding), (before, Vec::new()));
        }
        // A first use that has an explanation raises nothing.
        let (severity, by) = raised(Severity::Info, all(Severity::Low));
        assert_eq!((severity, by.len()), (Severity::Low, 0));
    }
}
