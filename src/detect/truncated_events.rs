//! Events of which a part was cut out before it reached the log.

use serde::{Deserialize, Serialize};

use crate::finding::{
    Attribute, Attributes, Finding, Remediation, Severity, Step, Subject, SubjectKind,
};

use super::{
    About, Aspects, Context, Coverage, Detector, EvidenceSet, Interest, LogFacts, Merge,
    PerAccount, Tally,
    advice::{some, times},
    caller::{self, Callers, SHOWN},
    draft::draft,
    request::Request,
    shell::quote,
};

about! {
    /// # What it finds
    ///
    /// Events that are not whole:
    ///
    /// - `bodies`: kube-apiserver took both bodies out, since the event was larger than
    ///   `--audit-log-truncate-max-event-size` (100 KiB; annotation `audit.k8s.io/truncated`)
    /// - `placeholder`: a body is a string, which no Kubernetes object is: whoever shipped the log replaced it (AKS
    ///   writes `skipped-too-big-size-object`)
    /// - `user-agent`: longer than 1,024 bytes, so that kube-apiserver cut it off (it ends with `...TRUNCATED`)
    ///
    /// All of them are one finding about the log, at `info`. Where a ServiceAccount or user wrote roles, bindings,
    /// pods or what holds a pod template and the body is gone, there is a second finding about that account, at
    /// `medium`: what it wrote cannot be judged. Kubelets, and requests that failed, are left out of that.
    ///
    /// # Why it matters
    ///
    /// Without its body a write is a name and a time: whether a role got `*`, or a pod is privileged, is not in the
    /// log. A client can bring that about with an annotation of 100 KiB on the object, and a user agent that
    /// is too long hides what comes after its 1,024th byte.
    ///
    /// # Known benign causes
    ///
    /// - Large objects: definitions of custom resources, Helm releases, lists with bodies, dashboards in config maps.
    /// - Charts with a very large pod template (then the second finding is explained by the chart).
    ///
    /// Lines that a shipper cut in the middle are no events at all: they are counted as bad lines (`cut short`).
    ///
    /// # What to do
    ///
    /// Look at the object itself, if it is still there: its size, its annotations, who manages its fields. To
    /// have the bodies next time, raise the limit, or log less of what is large and harmless (lists, CRDs).
    ///
    /// # Attributes
    ///
    /// - `cut`: the events by what is missing (`bodies`, `placeholder`, `user-agent`)
    /// - `requests`: by verb and resource; `accounts`: by user name; both of events without bodies
    /// - `objects`: what the account wrote, `resource namespace/name` (second finding only)
    /// - `blind_to`: what could not be judged of these events
    /// - `addresses`, `user_agents`, `pods`, `nodes`, `credential_ids`, `impersonated`: where they came from, each with
    ///   `requests`, `first_seen` and `last_seen`
    /// - `distinct_addresses`, `distinct_user_agents`: how many different ones there are
    ///
    /// # Example
    ///
    /// ```text
    /// info    truncated-events  audit log   12 requests   patch customresourcedefinitions 8, list secrets 4
    /// medium  truncated-events  ops/deploy  1 request     create clusterroles: clusterroles */wide
    /// ```
    "truncated-events",
    "Bodies or user agents were cut out of events",
    [INDICATOR_REMOVAL],
}

/// What became of bodies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cut {
    Bodies,
    Placeholder,
}

/// Events that are not whole.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct TruncatedEvents {
    all: Truncated,
    /// Writes whose bodies are missed, by user name.
    writes: PerAccount<Truncated>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Truncated {
    evidence: EvidenceSet,
    cut: Tally,
    requests: Tally,
    accounts: Tally,
    objects: Tally,
    callers: Callers,
}

impl Detector for TruncatedEvents {
    const ABOUT: &'static About = &ABOUT;
    const INTEREST: Interest = Interest::all(Aspects::TRUNCATED);

    fn observe(&mut self, event: &Request<'_>) {
        let body = Cut::of_bodies(event);
        if body.is_none() && !event.has_cut_user_agent() {
            return;
        }
        self.all.add(body, event);
        if body.is_some() && is_missed(event) {
            self.writes
                .note_user(event, |writes| writes.add(body, event));
        }
    }

    fn merge(&mut self, other: Self) {
        self.all.merge(other.all);
        self.writes.merge(other.writes);
    }

    fn finish(&self, context: &Context<'_>) -> Vec<Finding> {
        let log = (self.all.evidence.count() > 0).then(|| self.about_log(context));
        let accounts = self.writes.sorted().into_iter();
        log.into_iter()
            .chain(accounts.map(|(user, writes)| about_account(user, writes, context)))
            .collect()
    }

    fn coverage(&self, log: &LogFacts) -> Coverage {
        Coverage {
            evaluated: log.requests,
            blind: (log.annotated == 0).then(|| {
                "no event of the log has annotations, and one of them says that bodies were cut out"
                    .to_owned()
            }),
        }
    }
}

impl Cut {
    /// What became of the bodies of `event`, if something did.
    fn of_bodies(event: &Request<'_>) -> Option<Self> {
        if event.annotation("audit.k8s.io/truncated").is_some() {
            return Some(Self::Bodies);
        }
        event.has_placeholder().then_some(Self::Placeholder)
    }

    const fn as_str(self) -> &'static str {
        match self {
            Self::Bodies => "bodies",
            Self::Placeholder => "placeholder",
        }
    }
}

/// Whether `event` wrote roles or workloads, so that its body is missed.
fn is_missed(event: &Request<'_>) -> bool {
    let writes = ["create", "update", "patch"];
    let aspects = event.aspects();
    writes.iter().any(|verb| event.verb == *verb)
        && event.succeeded()
        && (aspects.has(Aspects::RBAC) || aspects.has(Aspects::WORKLOAD))
        && !aspects.has(Aspects::NODE)
        && event
            .object
            .is_some_and(|object| object.subresource != "status")
}

impl Truncated {
    fn add(&mut self, body: Option<Cut>, event: &Request<'_>) {
        self.evidence.add(event);
        self.callers.add(event);
        if event.has_cut_user_agent() {
            self.cut.add("user-agent", event);
        }
        let Some(cut) = body else { return };
        self.cut.add(cut.as_str(), event);
        self.requests.add(event.words(), event);
        self.accounts.add(&event.user.name.read(), event);
        if let Some(object) = event.object.filter(|object| !object.name.is_empty()) {
            let namespace = object.namespace.read();
            let namespace = super::activity::namespace(&namespace);
            let what = format!("{} {namespace}/{}", object.resource, object.name);
            self.objects.add(&what, event);
        }
    }

    fn attributes(&self, blind_to: &[&str]) -> Attributes {
        let blind_to = blind_to.iter().map(|&what| what.into()).collect();
        let fields: [(&str, Attribute); 4] = [
            ("cut", self.cut.attribute(SHOWN)),
            ("requests", self.requests.attribute(SHOWN)),
            ("accounts", self.accounts.attribute(SHOWN)),
            ("blind_to", Attribute::List(blind_to)),
        ];
        let mut attributes: Attributes =
            fields.map(|(name, value)| (name.to_owned(), value)).into();
        self.callers.write(&mut attributes);
        attributes
    }
}

impl TruncatedEvents {
    fn about_log(&self, context: &Context<'_>) -> Finding {
        let all = &self.all;
        let count = all.evidence.count();
        let requests = context.log.requests.max(count);
        let share = count as f64 * 100.0 / requests as f64;
        let top = all.requests.ranked();
        let top = top.first().map_or(String::new(), |top| {
            format!(", most often of {}", top.value)
        });
        let blind_to: &[&str] = match all.requests.total() {
            0 => &["what the client calls itself beyond 1,024 bytes"],
            _ => &[
                "what roles and bindings grant",
                "what pods may do",
                "what tokens are for",
            ],
        };
        Finding {
            summary: format!(
                "parts of {} were cut out before they were logged ({share:.1} % of requests){top}; what was written or \
                 read there is not in the log",
                some(count, "event")
            ),
            attributes: all.attributes(blind_to),
            remediation: Remediation {
                summary: "raise the limit, or log less of what is large and harmless".to_owned(),
                steps: vec![Step {
                    text: "see the limits that kube-apiserver runs with (--audit-log-truncate-max-event-size, \
                           --audit-webhook-truncate-max-event-size)"
                        .to_owned(),
                    command: Some(
                        "kubectl get pods --namespace kube-system --selector component=kube-apiserver --output yaml \
                         | grep -e '--audit-'"
                            .to_owned(),
                    ),
                }],
            },
            ..draft(&ABOUT, Subject::audit_log(), &[], &all.evidence, context)
        }
    }
}

fn about_account(user: &str, writes: &Truncated, context: &Context<'_>) -> Finding {
    let subject = caller::subject(user);
    let objects = writes.objects.ranked();
    let first = objects
        .first()
        .map_or(String::new(), |object| format!(" ({})", object.value));
    let mut attributes = writes.attributes(&["what roles and bindings grant", "what pods may do"]);
    attributes.insert("objects".to_owned(), writes.objects.attribute(SHOWN));
    let mut steps: Vec<Step> = objects
        .iter()
        .take(3)
        .filter_map(|o| look_at(&o.value))
        .collect();
    let may = match subject.kind {
        SubjectKind::ServiceAccount => "see what the account may do",
        _ => "see what the user may do",
    };
    steps.push(Step {
        text: may.to_owned(),
        command: Some(format!("kubectl auth can-i --list --as={}", quote(user))),
    });
    Finding {
        severity: Severity::Medium,
        summary: format!(
            "{subject} wrote roles or workloads {}{first}, and the bodies are missing since they were too large; \
             look at the objects themselves",
            times(writes.evidence.count())
        ),
        attributes,
        involves: writes.callers.involved(),
        remediation: Remediation {
            summary: "look at what was written, and why it is so large".to_owned(),
            steps,
        },
        ..draft(&ABOUT, subject, &["writes"], &writes.evidence, context)
    }
}

/// How to see `resource namespace/name` as it is now.
fn look_at(object: &str) -> Option<Step> {
    let (resource, object) = object.split_once(' ')?;
    let (namespace, name) = object.split_once('/')?;
    let within = match namespace {
        "*" => String::new(),
        namespace => format!(" --namespace {}", quote(namespace)),
    };
    Some(Step {
        text: "look at the object as it is now, and at who wrote which field".to_owned(),
        command: Some(format!(
            "kubectl get {} {}{within} --output yaml --show-managed-fields",
            quote(resource),
            quote(name)
        )),
    })
}

impl Merge for Truncated {
    fn merge(&mut self, other: Self) {
        self.evidence.merge(other.evidence);
        self.cut.merge(other.cut);
        self.requests.merge(other.requests);
        self.accounts.merge(other.accounts);
        self.objects.merge(other.objects);
        self.callers.merge(other.callers);
    }
}
