//! What is missing in a log, from what it says.

use crate::{
    event::Stage,
    finding::{Attribute, Severity},
};

use super::{
    LogFacts,
    policy_blind_spot::Limits,
    policy_view::{Class, PolicyView, Signs},
};

/// Kubelets renew a token after 48 minutes; in microseconds, with some room.
const TOKENS_RENEWED: i64 = 3_600_000_000;
/// So many failures without a message are no chance.
const SOME_FAILURES: u64 = 10;

/// Something that is missing.
#[derive(Debug, Clone, Copy)]
pub(super) struct Spot {
    pub(super) name: &'static str,
    pub(super) severity: Severity,
    cannot_show: &'static str,
}

impl PolicyView {
    /// What is missing in `log`, whose requests are these.
    pub(super) fn spots(&self, log: &LogFacts, limits: &Limits) -> Vec<Spot> {
        let mut spots = blind(log, limits);
        spots.extend(self.dim(log));
        spots.extend(self.bodiless());
        spots
    }

    /// Fields that are never there, and bodies that should not be.
    fn dim(&self, log: &LogFacts) -> Vec<Spot> {
        let accounts = log.service_account_requests > 0;
        let secret = [Class::Secrets, Class::TokenRequests, Class::TokenReviews];
        let exposed: u64 = secret.iter().map(|&c| self.response_bodies(c)).sum();
        let low = Severity::Low;
        let info = Severity::Info;
        let spots = [
            (
                accounts && !self.has(Signs::CREDENTIAL_ID),
                (
                    "credential-ids",
                    low,
                    "which token was used, and who made it (the server is older than 1.30, or the log's way here takes user.extra out)",
                ),
            ),
            (
                !self.has(Signs::ADDRESSES),
                ("addresses", low, "where requests come from: no sourceIPs"),
            ),
            (
                !self.has(Signs::USER_AGENT),
                (
                    "user-agents",
                    low,
                    "what clients call themselves: no userAgent",
                ),
            ),
            (
                exposed > 0,
                (
                    "exposed",
                    low,
                    "nothing less, but too much: response bodies of Secrets, TokenRequests or token reviews are in the log",
                ),
            ),
            (
                !self.has(Signs::GROUPS),
                (
                    "groups",
                    info,
                    "whether an account's groups are those of a token: no user.groups",
                ),
            ),
            (
                log.annotated > 0 && !self.has(Signs::DECISION),
                (
                    "decisions",
                    info,
                    "which binding let a request through: no authorization annotations",
                ),
            ),
            (
                self.failed() >= SOME_FAILURES && !self.has(Signs::MESSAGE),
                (
                    "messages",
                    info,
                    "why requests failed, refused impersonation among them (the server is older than 1.24, or the log's way here takes messages out)",
                ),
            ),
        ];
        chosen(spots)
    }

    /// What is written without its body.
    fn bodiless(&self) -> Vec<Spot> {
        let none_of = |class| {
            let (writes, bodies) = self.writes(class);
            writes > 0 && bodies == 0
        };
        let info = Severity::Info;
        let workloads = none_of(Class::Pods) || none_of(Class::Workloads);
        let spots = [
            (
                none_of(Class::Roles),
                (
                    "role-bodies",
                    info,
                    "what roles and bindings grant, and to whom",
                ),
            ),
            (
                workloads,
                (
                    "workload-bodies",
                    info,
                    "what pods may do: privileged, host paths, whose account they run as",
                ),
            ),
            (
                none_of(Class::Admission),
                (
                    "admission-bodies",
                    info,
                    "what admission webhooks and policies were changed to",
                ),
            ),
        ];
        chosen(spots)
    }
}

/// What the counts of the whole log tell.
fn blind(log: &LogFacts, limits: &Limits) -> Vec<Spot> {
    let span = log.last_event.zip(log.first_event);
    let span = span.map_or(0, |(last, first)| last.micros() - first.micros());
    let stage = |stage| log.stages.get(stage).is_some();
    let (medium, low) = (Severity::Medium, Severity::Low);
    chosen([
        (
            log.reads == 0,
            ("reads", medium, "who reads anything: no get, list or watch"),
        ),
        (
            log.secret_requests == 0,
            (
                "secrets",
                medium,
                "who reads secrets: no request on them by anybody",
            ),
        ),
        (
            log.service_account_requests == 0,
            (
                "accounts",
                medium,
                "what ServiceAccounts do: no request by any of them",
            ),
        ),
        (
            log.annotated == 0,
            (
                "annotations",
                medium,
                "legacy and stale tokens, and why a request was allowed: no annotations",
            ),
        ),
        (
            log.token_requests == 0 && span >= TOKENS_RENEWED,
            (
                "token-requests",
                low,
                "who makes tokens for whom: no TokenRequest by anybody",
            ),
        ),
        (
            !stage(Stage::ResponseStarted),
            (
                "responses-started",
                low,
                "401s, and watches that are still open: no ResponseStarted",
            ),
        ),
        (
            stage(Stage::ResponseStarted)
                && log.unauthenticated == 0
                && log.requests >= limits.busy_requests.get(),
            (
                "unauthorized",
                Severity::Info,
                "failed authentication: not one 401",
            ),
        ),
    ])
}

type Candidate = (bool, (&'static str, Severity, &'static str));

/// Those that are the case.
fn chosen<const N: usize>(candidates: [Candidate; N]) -> Vec<Spot> {
    let found = candidates.into_iter().filter(|candidate| candidate.0);
    found
        .map(|(_, (name, severity, cannot_show))| Spot {
            name,
            severity,
            cannot_show,
        })
        .collect()
}

impl Spot {
    pub(super) fn attribute(&self) -> Attribute {
        let fields: [(&str, Attribute); 3] = [
            ("spot", self.name.into()),
            ("severity", self.severity.as_str().into()),
            ("cannot_show", self.cannot_show.into()),
        ];
        Attribute::Map(fields.map(|(name, value)| (name.to_owned(), value)).into())
    }
}
