//! ServiceAccounts that ask what they may do.

use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};

use crate::{
    event::{Object, ServiceAccount, Value},
    finding::{Attributes, Finding, Remediation, Severity, Subject},
};

use super::{
    About, Aspects, Context, Coverage, Detector, Interest, LogFacts, Merge, PerAccount,
    activity::Activity,
    advice::{end_tokens, pods_of, rights_of},
    caller::SHOWN,
    distinct::{Burst, Distinct, Habit, Seen},
    draft::draft,
    judge::Graded,
    request::Request,
};

about! {
    /// # What it finds
    ///
    /// ServiceAccounts that ask the API server what they may do: `SelfSubjectRulesReview` (`kubectl auth can-i
    /// --list`), `SelfSubjectAccessReview` (`kubectl auth can-i VERB RESOURCE`) and `SelfSubjectReview`
    /// (`kubectl auth whoami`): one finding for each account.
    ///
    /// | what was asked | severity |
    /// |---|---|
    /// | who am I; may I do this | info |
    /// | may I do something grave: `*`, secrets, RBAC, tokens, exec, impersonation | low |
    /// | what may I do (all rules) | medium |
    /// | ten different questions or more, first asked within a minute (a matrix of rights) | medium |
    ///
    /// Medium becomes low if it is routine: at least half of the questions were asked in both halves of a log
    /// of two hours or more. What the allow-list covers is `info`.
    ///
    /// Reviews of others' rights (SubjectAccessReview, TokenReview) are what authenticating proxies and
    /// Vault do all day: not counted here.
    ///
    /// # Why it matters
    ///
    /// A workload knows what it may do: its role was written for it. Whoever has found a token does not, and
    /// asks first. Everybody may ask (the role `system:basic-user`), and nothing is refused, so it leaves no
    /// other trace.
    ///
    /// # Known benign causes
    ///
    /// - Operators and clients that check their rights before they act, with the same few questions: info.
    /// - external-secrets asks for all rules to validate a `SecretStore` of the provider kubernetes; Argo CD
    ///   asks for each kind of resource with `resource.respectRBAC`: allow-listed under their own user agents.
    /// - Dashboards that people log in to with a ServiceAccount's token ask as that account.
    ///
    /// # What to do
    ///
    /// See from `user_agents`, `addresses` and `pods` who is asking, and what the account did next
    /// (`related`). If nobody knows, treat the token as stolen.
    ///
    /// At level Metadata the questions are not logged: each is then taken for a different one. Thresholds:
    /// `questions`, `burst-seconds`, `novelty-seconds` in `[thresholds.permission-enumeration]`.
    ///
    /// # Attributes
    ///
    /// - `reviews`: requests by what was asked (`who-am-i`, `access`, `grave-access`, `hidden-access`: the level
    ///   does not show it, `all-rules`)
    /// - `questions`: the questions, the most frequent first, each with its `requests`, `first_seen`,
    ///   `last_seen`; `distinct_questions`: how many there are
    /// - `busiest`: the `burst-seconds` in which the most questions were asked for the first time (`from`,
    ///   `seconds`, `distinct`)
    /// - `habit`: `routine`, `new` or `unknown`
    /// - `requests`, `codes`, `namespaces`, `addresses`, `user_agents`, `pods`, `nodes`, `credential_ids`,
    ///   `impersonated`, `distinct_addresses`, `distinct_user_agents`, `allowed_as`, `not_allow_listed`: as
    ///   for `default-serviceaccount`
    ///
    /// # Example
    ///
    /// ```text
    /// medium  permission-enumeration  ops/intruder  3 requests
    ///   reviews: all-rules 1, grave-access 2    questions: * * in default, create clusterrolebindings...
    /// ```
    "permission-enumeration",
    "A ServiceAccount asks what it may do",
    [PERMISSION_GROUPS],
}

/// When questions about one's own rights are many.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Limits {
    /// So many different ones at once. Ten: programs that check their rights ask for a few.
    pub questions: NonZeroU32,
    /// Within so many seconds they come at once.
    pub burst_seconds: NonZeroU32,
    /// A log of fewer seconds cannot tell what is routine.
    pub novelty_seconds: NonZeroU32,
}

impl Default for Limits {
    fn default() -> Self {
        let number = |n| NonZeroU32::new(n).unwrap_or(NonZeroU32::MIN);
        Self {
            questions: number(10),
            burst_seconds: number(60),
            novelty_seconds: number(7200),
        }
    }
}

/// What was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
enum Review {
    WhoAmI,
    Access,
    /// The level does not show what.
    Hidden,
    Grave,
    AllRules,
}

impl Graded for Review {
    fn is_denial(self) -> bool {
        false
    }
}

/// Self-subject reviews, by user name.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct PermissionEnumeration {
    accounts: PerAccount<Reviews>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Reviews {
    activity: Activity<Review>,
    questions: Distinct<Review>,
}

impl Detector for PermissionEnumeration {
    const ABOUT: &'static About = &ABOUT;
    const INTEREST: Interest = Interest::all(Aspects::ACCOUNT.and(Aspects::SELF_REVIEW));

    fn observe(&mut self, event: &Request<'_>) {
        // What was asked as somebody else is not about the account's rights.
        if event.service_account().is_none() || event.impersonated_user.is_some() {
            return;
        }
        let Some((review, question)) = asked(event) else {
            return;
        };
        self.accounts.note_user(event, |reviews| {
            reviews.activity.add(review, event);
            reviews.questions.add(&[&question], review, event);
        });
    }

    fn merge(&mut self, other: Self) {
        self.accounts.merge(other.accounts);
    }

    fn finish(&self, context: &Context<'_>) -> Vec<Finding> {
        let accounts = self.accounts.accounts();
        accounts
            .map(|(account, reviews)| finding(account, reviews, context))
            .collect()
    }

    fn coverage(&self, log: &LogFacts) -> Coverage {
        let unwritten = || {
            (log.writes == 0).then(|| {
                "the log has no request that creates anything, and reviews are created: its policy leaves \
                 them out"
                    .to_owned()
            })
        };
        Coverage {
            evaluated: log.service_account_requests,
            blind: log.blind_to_accounts().or_else(unwritten),
        }
    }
}

impl Merge for Reviews {
    fn merge(&mut self, other: Self) {
        self.activity.merge(other.activity);
        self.questions.merge(other.questions);
    }
}

/// What `event` asks, and the words for it; `None` if it is no self-subject review.
fn asked(event: &Request<'_>) -> Option<(Review, String)> {
    let object = event.object?;
    let group = object.group;
    if !(group == "authorization.k8s.io" || group == "authentication.k8s.io") {
        return None;
    }
    let body = event.request_body.and_then(Value::object);
    let spec = body
        .and_then(|body| body.get("spec"))
        .and_then(Value::object);
    match object.resource.read().as_ref() {
        "selfsubjectreviews" => Some((Review::WhoAmI, "who am I".to_owned())),
        "selfsubjectrulesreviews" => {
            let namespace = spec.map(|spec| text(spec, "namespace")).unwrap_or_default();
            let within = if namespace.is_empty() { "" } else { " in " };
            Some((Review::AllRules, format!("all rules{within}{namespace}")))
        }
        "selfsubjectaccessreviews" => Some(spec.and_then(access).unwrap_or_else(|| {
            let hidden = format!("hidden {:016x}", event.identity());
            (Review::Hidden, hidden)
        })),
        _ => None,
    }
}

/// `verb resource.group/subresource name in namespace`, or `verb /path`.
fn access(spec: Object<'_>) -> Option<(Review, String)> {
    if let Some(path) = spec.get("nonResourceAttributes").and_then(Value::object) {
        let question = format!("{} {}", text(path, "verb"), text(path, "path"));
        return Some((Review::Access, question));
    }
    let wanted = spec.get("resourceAttributes").and_then(Value::object)?;
    let field = |name| text(wanted, name);
    let (verb, resource, group) = (field("verb"), field("resource"), field("group"));
    let subresource = field("subresource");
    let mut question = format!("{verb} {resource}");
    for (mark, part) in [
        (".", &group),
        ("/", &subresource),
        (" ", &field("name")),
        (" in ", &field("namespace")),
    ] {
        if !part.is_empty() {
            question.push_str(mark);
            question.push_str(part);
        }
    }
    let whole = (resource.as_str(), subresource.as_str());
    let entries = [
        "exec",
        "attach",
        "portforward",
        "proxy",
        "ephemeralcontainers",
        "token",
    ];
    let grave = ["*", "escalate", "bind", "impersonate"].contains(&verb.as_str())
        || matches!(whole, ("*", _) | ("secrets", ""))
        || group == "rbac.authorization.k8s.io"
        || entries.contains(&subresource.as_str());
    Some((if grave { Review::Grave } else { Review::Access }, question))
}

fn text(object: Object<'_>, name: &str) -> String {
    let value = object.get(name).and_then(Value::text);
    value
        .map(|text| text.read().into_owned())
        .unwrap_or_default()
}

fn is_access(_: &str, seen: &Seen<Review>) -> bool {
    !matches!(seen.worst(), Some(Review::WhoAmI | Review::AllRules))
}

fn finding(account: ServiceAccount<'_>, reviews: &Reviews, context: &Context<'_>) -> Finding {
    let limits = &context.settings.permission_enumeration;
    let (activity, questions) = (&reviews.activity, &reviews.questions);
    let busiest = questions.burst(limits.burst_seconds.get(), is_access);
    let is_matrix = busiest.is_some_and(|burst| burst.things >= limits.questions.get().into());
    let visible = |_: &str, seen: &Seen<Review>| seen.worst() != Some(Review::Hidden);
    let habit = questions.habit(context.log, limits.novelty_seconds.get(), visible);
    let grave = match habit {
        Habit::Routine => Severity::Low,
        Habit::Unknown | Habit::New => Severity::Medium,
    };
    let subject = Subject::service_account(account.namespace, account.name);
    let allow = |agent: &str| context.settings.allow.expects(ABOUT.id, &subject, agent);
    let judgement = activity.deeds.judge(allow, |review| match review {
        Review::WhoAmI => Severity::Info,
        Review::AllRules => grave,
        _ if is_matrix => grave,
        Review::Grave => Severity::Low,
        Review::Access | Review::Hidden => Severity::Info,
    });
    let mut attributes = Attributes::new();
    activity.write(&mut attributes);
    judgement.write(&mut attributes);
    let mut put = |name: &str, value| attributes.insert(name.to_owned(), value);
    let counts = activity.deeds.total().iter();
    let counts: Attributes = counts
        .map(|(review, &n)| (review.as_str().to_owned(), n.into()))
        .collect();
    put("reviews", counts.into());
    put("questions", questions.attribute(SHOWN, visible));
    put("distinct_questions", questions.count(|_, _| true).into());
    put("busiest", busiest.map(Burst::attribute).into());
    put("habit", habit.as_str().into());
    Finding {
        severity: judgement.severity,
        summary: summary(&subject, reviews, is_matrix, judgement.severity),
        attributes,
        involves: activity.callers.involved(),
        remediation: Remediation {
            summary: "find out who is asking; if nobody knows, treat the token as stolen"
                .to_owned(),
            steps: vec![
                pods_of(account),
                rights_of(&account.user_name(), account.namespace),
                end_tokens(account),
            ],
        },
        ..draft(&ABOUT, subject, &[], &activity.evidence, context)
    }
}

impl Review {
    /// The name used in the attribute `reviews`.
    const fn as_str(self) -> &'static str {
        match self {
            Self::WhoAmI => "who-am-i",
            Self::Access => "access",
            Self::Hidden => "hidden-access",
            Self::Grave => "grave-access",
            Self::AllRules => "all-rules",
        }
    }
}

fn summary(subject: &Subject, reviews: &Reviews, is_matrix: bool, severity: Severity) -> String {
    let deeds = &reviews.activity.deeds;
    let accesses = |review| matches!(review, Review::Access | Review::Hidden | Review::Grave);
    let mut parts = Vec::new();
    let rules = deeds.count(|review| review == Review::AllRules);
    if rules > 0 {
        parts.push(format!("for all its rights ({rules})"));
    }
    let questions = deeds.count(accesses);
    if questions > 0 {
        let different = reviews.questions.count(is_access);
        let at_once = if is_matrix { ", many at once" } else { "" };
        parts.push(format!(
            "whether it may do {different} things ({questions}{at_once})"
        ));
    }
    let who = deeds.count(|review| review == Review::WhoAmI);
    if who > 0 {
        parts.push(format!("who it is ({who})"));
    }
    let advice = match severity {
        Severity::Info => "nothing to do",
        Severity::Low => "check that it is the workload that asks",
        _ => "a workload knows its rights: find out who is asking",
    };
    format!("{subject} asked {}; {advice}", parts.join(", "))
}
