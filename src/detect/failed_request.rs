//! Why TokenRequests for one account failed, judged and put into words: the second half of `token-request-failing`.

use serde::{Deserialize, Serialize};

use crate::{
    event::{Text, Value},
    finding::{Attribute, Attributes, Finding, Remediation, Severity, Subject},
};

use super::{
    Context,
    advice::{step, times},
    caller::{self, SHOWN},
    draft::draft,
    judge::Graded,
    request::Request,
    shell::quote,
    token_request_failing::{ABOUT, Asked, Failed},
};

/// How many times a kubelet may ask for a deleted account before that is more than the deletion's echo.
const ECHO: u64 = 3;

/// Why a TokenRequest failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(super) enum Why {
    /// The pod that the token was to be bound to is gone, or another one has its name by now.
    PodGone,
    /// Something is not there, and the log does not say what.
    NotFound,
    /// The account is not there.
    AccountMissing,
    /// The node authorizer knows no pod of the account on that node.
    NotOfThisNode,
    /// Too many requests at once.
    Throttled,
    /// Any other 401 or 403: RBAC, or admission.
    Refused,
    /// Asks for what the server does not give.
    Invalid,
    /// 5xx, or no answer.
    ServerError,
}

impl Why {
    /// Why `event` failed; `None` if it did not. From the status and the object that it speaks of; messages only
    /// where nothing else tells.
    pub(super) fn of(event: &Request<'_>) -> Option<Self> {
        let refused = event.refused();
        if event.succeeded() && !refused && event.code.is_some() {
            return None;
        }
        let message = event.status.get("message").and_then(Value::text);
        let message = message.map(Text::read).unwrap_or_default();
        let details = event.status.get("details").and_then(Value::object);
        let kind = details
            .and_then(|details| details.get("kind"))
            .and_then(Value::text);
        let about = |kinds: &[&str], start: &str| {
            kind.is_some_and(|kind| kinds.iter().any(|known| kind == *known))
                || kind.is_none() && message.starts_with(start)
        };
        Some(match event.code {
            // Kubernetes pkg/registry/core/serviceaccount/storage/token.go: the account first, then the pod.
            Some(404) if about(&["serviceaccounts"], "serviceaccounts \"") => Self::AccountMissing,
            Some(404) if about(&["pods"], "pods \"") => Self::PodGone,
            Some(404) => Self::NotFound,
            // The pod of that name has another UID or another account.
            Some(409) => Self::PodGone,
            // kubernetes plugin/pkg/auth/authorizer/node/node_authorizer.go
            Some(403) if message.contains("no relationship found between node") => {
                Self::NotOfThisNode
            }
            Some(429) => Self::Throttled,
            _ if refused => Self::Refused,
            Some(400..=499) => Self::Invalid,
            _ => Self::ServerError,
        })
    }

    /// The name used in the attribute `reasons`.
    const fn as_str(self) -> &'static str {
        match self {
            Self::PodGone => "pod-gone",
            Self::NotFound => "not-found",
            Self::AccountMissing => "account-missing",
            Self::NotOfThisNode => "not-of-this-node",
            Self::Throttled => "throttled",
            Self::Refused => "refused",
            Self::Invalid => "invalid",
            Self::ServerError => "server-error",
        }
    }

    /// In words, with the way out.
    const fn in_words(self) -> (&'static str, &'static str) {
        match self {
            Self::PodGone => ("the pod was gone", "nothing to do"),
            Self::NotFound | Self::AccountMissing => (
                "the account was not there",
                "make it, or mend the pod's serviceAccountName",
            ),
            Self::NotOfThisNode => (
                "no pod of that node uses it",
                "find out why the node asks for it",
            ),
            Self::Throttled => ("the server had too much to do", "look at its load"),
            Self::Refused => ("refused", "see who says no: the message tells"),
            Self::Invalid => (
                "the server does not give what was asked for",
                "mend the pod's token volume",
            ),
            Self::ServerError => ("the server failed", "look at its log and its webhooks"),
        }
    }
}

impl Graded for Why {
    fn is_denial(self) -> bool {
        matches!(self, Self::Refused | Self::NotOfThisNode)
    }
}

/// What there is to say about the account whose token was asked for; `None` if nothing failed.
pub(super) fn finding(asked: &Asked, context: &Context<'_>) -> Option<Finding> {
    let failed = asked.failed.as_ref()?;
    let subject = Subject::service_account(&asked.namespace, &asked.name);
    let severity = severity(asked, failed, context);
    let mut involves = failed.activity.callers.involved();
    let requesters = failed.requesters.ranked().into_iter().take(SHOWN);
    involves.subjects.extend(
        requesters
            .filter(|user| !user.value.is_empty())
            .map(|user| caller::subject(&user.value)),
    );
    Some(Finding {
        severity,
        summary: summary(&subject, asked, failed, severity),
        attributes: attributes(asked, failed),
        involves,
        remediation: remediation(asked, failed),
        ..draft(&ABOUT, subject, &[], &failed.activity.evidence, context)
    })
}

fn severity(asked: &Asked, failed: &Failed, context: &Context<'_>) -> Severity {
    let limits = &context.settings.token_request_failing;
    let count = |why: Why| failed.activity.deeds.count(|w| w == why);
    let all = failed.activity.evidence.count();
    let others = all - failed.by_kubelets.requests;
    let echo = count(Why::PodGone) + (count(Why::AccountMissing) + count(Why::NotFound)).min(ECHO);
    if others == 0 && echo >= all {
        return Severity::Info;
    }
    let refused = count(Why::Refused) > 0 && others > 0;
    if refused && asked.namespace == "kube-system" {
        return Severity::Medium;
    }
    let kubelets = failed.by_kubelets;
    let lasted = match (kubelets.first, kubelets.last) {
        (Some(first), Some(last)) => last.seconds() - first.seconds(),
        _ => 0,
    };
    let long = lasted >= i64::from(limits.minutes) * 60;
    let persistent = long || kubelets.requests >= u64::from(limits.requests);
    let recovered = asked.succeeded.last > kubelets.last;
    let node = count(Why::NotOfThisNode) == all;
    if kubelets.requests > 0 && persistent && !recovered && !node {
        Severity::Medium
    } else {
        Severity::Low
    }
}

fn attributes(asked: &Asked, failed: &Failed) -> Attributes {
    let reasons = failed.activity.deeds.total().iter();
    let reasons: Attributes = reasons
        .map(|(why, &n)| (why.as_str().to_owned(), n.into()))
        .collect();
    let all = failed.activity.evidence.count();
    let fields: [(&str, Attribute); 11] = [
        ("reasons", reasons.into()),
        ("messages", failed.messages.attribute(SHOWN)),
        ("by_kubelets", failed.by_kubelets.requests.into()),
        ("by_others", (all - failed.by_kubelets.requests).into()),
        ("nodes_asking", failed.nodes.attribute(SHOWN)),
        ("requesters", failed.requesters.attribute(SHOWN)),
        ("pods_asking", failed.pods.attribute(SHOWN)),
        ("succeeded", asked.succeeded.requests.into()),
        ("first_success", asked.succeeded.first.into()),
        ("last_success", asked.succeeded.last.into()),
        ("given_to_others", asked.given_to_others.requests.into()),
    ];
    let mut attributes: Attributes = fields.map(|(name, value)| (name.to_owned(), value)).into();
    failed.activity.write(&mut attributes);
    attributes
}

fn summary(subject: &Subject, asked: &Asked, failed: &Failed, severity: Severity) -> String {
    let all = failed.activity.evidence.count();
    let times = times(all);
    let kubelets = match (failed.by_kubelets.requests, failed.nodes.distinct()) {
        (0, _) => "by others than kubelets".to_owned(),
        (n, 1) if n == all => "by the kubelet of one node".to_owned(),
        (n, nodes) if n == all => format!("by the kubelets of {nodes} nodes"),
        (n, _) => format!("{n} of them by kubelets"),
    };
    let why = failed.activity.deeds.total().iter();
    let why = why
        .max_by_key(|&(why, n)| (*n, *why))
        .map(|(why, _)| why.in_words());
    let (why, advice) = why.unwrap_or(("unknown", "see the messages"));
    let successes = match failed.by_kubelets.requests {
        0 => asked.given_to_others,
        _ => asked.succeeded,
    };
    let since = match () {
        () if successes.last > failed.activity.evidence.last_seen() => {
            "; it has gone through since"
        }
        () if successes.requests > 0 => "; it went through before, and has not since",
        () => "; none went through in this log",
    };
    let advice = match severity {
        Severity::Info => "nothing to do",
        _ => advice,
    };
    format!(
        "a token of {subject} was asked for in vain {times}, {kubelets} (mostly: {why}){since}; {advice}"
    )
}

fn remediation(asked: &Asked, failed: &Failed) -> Remediation {
    let (namespace, name) = (quote(&asked.namespace), quote(&asked.name));
    let mut steps = vec![
        step(
            "see whether the account is there",
            format!("kubectl get serviceaccount {name} --namespace {namespace}"),
        ),
        step(
            "see which pods want to run as it",
            format!(
                "kubectl get pods --namespace {namespace} --field-selector spec.serviceAccountName={name} --output wide"
            ),
        ),
        step(
            "see what their kubelets say",
            format!(
                "kubectl get events --namespace {namespace} --field-selector reason=FailedMount"
            ),
        ),
    ];
    if failed
        .activity
        .deeds
        .count(|why| why == Why::AccountMissing)
        > 0
    {
        steps.push(step(
            "if it is missing and should not be, make it",
            format!("kubectl create serviceaccount {name} --namespace {namespace}"),
        ));
    }
    steps.push(step(
        "try it",
        format!("kubectl create token {name} --namespace {namespace} --duration=10m > /dev/null"),
    ));
    Remediation {
        summary: "find out from the message who says no, and mend the account or the pod"
            .to_owned(),
        steps,
    }
}
