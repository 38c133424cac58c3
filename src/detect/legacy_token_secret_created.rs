//! New Secrets for tokens that never expire.

mod words;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    event::ServiceAccount,
    finding::{Attribute, Finding, Severity},
};

use super::{
    About, Aspects, Context, Coverage, Detector, EvidenceSet, Interest, Keyed, LogFacts, Merge,
    caller::Callers,
    deed,
    legacy_token::{Seen, Token},
    request::Request,
    token_secret::{self, Stated},
};

about! {
    /// # What it finds
    ///
    /// Secrets of type `kubernetes.io/service-account-token` that somebody created: one finding for each
    /// creator. What makes a Secret one of these stands in its body, which most audit policies leave out, and
    /// should. So each Secret comes with how it is known (`known_by`):
    ///
    /// - `body`: the request's body says so (level Request)
    /// - `filled-in`: the tokens controller of kube-controller-manager updated the Secret: it writes the token
    ///   into new ones within a second, and touches no others
    /// - `used`: requests came with a token that the server says is from this Secret (Kubernetes 1.29 on)
    /// - `possible`: only the name looks like it (`...-token` or `...-token-x7k2p`), and the log has nothing by
    ///   the tokens controller at all, so that it cannot tell
    ///
    /// | who created it, for whom | severity |
    /// |---|---|
    /// | a ServiceAccount, in another namespace or in kube-system, or for another account; nobody known | high |
    /// | a ServiceAccount, in its own namespace, for an account that the log does not name; or refused | medium |
    /// | a ServiceAccount, for itself | low |
    /// | a user, in kube-system | medium |
    /// | a user, elsewhere; or refused | low |
    /// | known by its name alone, or on the allow-list | info |
    ///
    /// # Why it matters
    ///
    /// The token in such a Secret never expires and works from anywhere: whoever has broken into a cluster makes
    /// one for an account with many rights and comes back with it next year. One may read it by `get secrets`
    /// alone, without any right to request tokens.
    ///
    /// # Known benign causes
    ///
    /// - CI systems, dashboards and other clusters that were given such a token on purpose.
    /// - Deployment tools (Argo CD, Flux, Helm) that apply a manifest with such a Secret: allow-listed under
    ///   their own names.
    /// - Before 1.24 the control plane made one for each account; OpenShift before 4.16 another one for its
    ///   registry. The former is not reported, the latter allow-listed.
    ///
    /// # What to do
    ///
    /// Ask who made it what for, and have them use `kubectl create token` or a projected volume. Delete the
    /// Secret otherwise, which ends the token, and look at what was done with it (`used`).
    ///
    /// # Attributes
    ///
    /// - `secrets`: each with `secret`, `namespace`, `account` (null where the log does not name it),
    ///   `known_by`, `created`, `refused` (requests), and `used`: requests that came with its token, with
    ///   `last_used`
    /// - `other_secrets`: how many more there are
    /// - `bodies_missing`: how many of them came without a body
    /// - `addresses`, `user_agents`, `pods`, `nodes`, `credential_ids`, `impersonated`, `distinct_addresses`,
    ///   `distinct_user_agents`: of the creator's requests, as for `default-serviceaccount`
    /// - `allowed_as`: why the allow-list takes them lightly, or null
    ///
    /// Of creations in the log up to 1,024 with `token` in the name of the Secret are remembered, and 1,024
    /// without, those with the smallest hashes: more than that in one log, and one may be missed.
    ///
    /// # Example
    ///
    /// ```text
    /// low  legacy-token-secret-created  kubernetes-admin  3 requests
    ///   secrets: ci/deployer-token for deployer (filled-in, used 540 times), ...
    /// ```
    "legacy-token-secret-created",
    "A Secret for a token that never expires was created",
    [CREDENTIALS_ADDED],
}

/// Creations of Secrets, and what tells which of them hold tokens.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct LegacyTokenSecretCreated {
    /// By `<namespace>\n<secret>\n<creator>`, with `token` in the Secret's name.
    token_named: Keyed<Made, 1024>,
    /// The others.
    otherwise_named: Keyed<Made, 1024>,
    /// By `<namespace>\n<secret>`: updates by the tokens controller.
    filled_in: Keyed<Seen, 1024>,
    /// By `<namespace>\n<secret>`: requests that came with its token, by account.
    used: Keyed<Used, 1024>,
    /// All writes of the tokens controller.
    controller_writes: u64,
    /// Creations of Secrets, whichever.
    created: u64,
}

/// One Secret's creation.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
struct Made {
    evidence: EvidenceSet,
    callers: Callers,
    /// Whether a body said so, and for whom.
    stated: Option<String>,
    refused: u64,
    without_body: u64,
}

#[derive(Debug, Default, Clone, Serialize, Deserialize)]
struct Used {
    account: Option<String>,
    seen: Seen,
}

/// How a Secret is known to hold a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum KnownBy {
    Body,
    FilledIn,
    Used,
    Possible,
}

/// One Secret of a finding.
struct Case<'a> {
    namespace: &'a str,
    secret: &'a str,
    account: Option<&'a str>,
    known_by: KnownBy,
    made: &'a Made,
    used: Option<&'a Seen>,
}

impl Detector for LegacyTokenSecretCreated {
    const ABOUT: &'static About = &ABOUT;
    const INTEREST: Interest = Interest::any(Aspects::SECRETS.and(Aspects::TOKEN_MARK));

    fn observe(&mut self, event: &Request<'_>) {
        if let (Some(account), Some(token)) = (event.service_account(), &event.notes.token) {
            self.note_use(account, token, event);
        }
        if event.is_core("secrets") && deed::is_write(event) {
            self.note_write(event);
        }
    }

    fn merge(&mut self, other: Self) {
        self.token_named.merge(other.token_named);
        self.otherwise_named.merge(other.otherwise_named);
        self.filled_in.merge(other.filled_in);
        self.used.merge(other.used);
        self.controller_writes += other.controller_writes;
        self.created += other.created;
    }

    fn finish(&self, context: &Context<'_>) -> Vec<Finding> {
        let mut by_creator: BTreeMap<&str, Vec<Case<'_>>> = BTreeMap::new();
        let made = self.token_named.sorted().into_iter();
        for (name, made) in made.chain(self.otherwise_named.sorted()) {
            let mut parts = name.splitn(3, '\n');
            let mut part = || parts.next().unwrap_or_default();
            let (namespace, secret, creator) = (part(), part(), part());
            if let Some(case) = self.case(namespace, secret, made) {
                by_creator.entry(creator).or_default().push(case);
            }
        }
        let findings = by_creator.into_iter();
        findings
            .map(|(creator, cases)| words::finding(creator, &cases, context))
            .collect()
    }

    fn coverage(&self, log: &LogFacts) -> Coverage {
        let unwritten =
            || (log.writes == 0).then(|| "the log has no request that changes anything".to_owned());
        let unseen = || {
            (log.secret_requests == 0).then(|| {
                "the log has no request on secrets by anybody: its policy may leave them out"
                    .to_owned()
            })
        };
        Coverage {
            evaluated: self.created,
            blind: unwritten().or_else(unseen),
        }
    }
}

impl LegacyTokenSecretCreated {
    fn note_use(&mut self, account: ServiceAccount<'_>, token: &Token, event: &Request<'_>) {
        let name = || format!("{}\n{}", account.namespace, token.secret);
        let hash = token_secret::hash(account.namespace, &token.secret);
        if token.secret.is_empty() {
            return;
        }
        if let Some(used) = self.used.slot(hash, name) {
            if used.account.as_deref() < Some(account.name) {
                used.account = Some(account.name.to_owned());
            }
            used.seen.add(event);
        }
    }

    fn note_write(&mut self, event: &Request<'_>) {
        let changes = event.verb == "update" || event.verb == "patch";
        if token_secret::is_tokens_controller(event) {
            self.controller_writes += 1;
            if changes && event.succeeded() {
                let (namespace, secret) = token_secret::name(event);
                let name = || format!("{namespace}\n{secret}");
                let slot = self
                    .filled_in
                    .slot(token_secret::hash(&namespace, &secret), name);
                if let Some(seen) = slot {
                    seen.add(event);
                }
            }
            return;
        }
        // Server-side apply creates by patch, with status 201.
        let creates = event.verb == "create" || changes && event.code == Some(201);
        let stated = Stated::by(event);
        let refused = event.refused() && matches!(stated, Stated::Token { .. });
        let made = creates && event.succeeded() && !event.is_dry_run();
        self.created += u64::from(made);
        if !made && !refused || stated == Stated::Other {
            return;
        }
        let (namespace, secret) = token_secret::name(event);
        if token_secret::is_helm_release(&secret) && stated == Stated::Nothing {
            return;
        }
        let creator = event.user.name.read();
        let table = if secret.contains("token") {
            &mut self.token_named
        } else {
            &mut self.otherwise_named
        };
        let hash = super::keyed::hash(0, &[&namespace, &secret, &creator]);
        let name = || format!("{namespace}\n{secret}\n{creator}");
        if let Some(slot) = table.slot(hash, name) {
            slot.add(stated, refused, event);
        }
    }

    /// What is known of one Secret, if it holds a token.
    fn case<'a>(&'a self, namespace: &'a str, secret: &'a str, made: &'a Made) -> Option<Case<'a>> {
        let hash = token_secret::hash(namespace, secret);
        let used = self.used.get(hash);
        let known_by = match () {
            () if made.stated.is_some() => KnownBy::Body,
            () if self.filled_in.get(hash).is_some() => KnownBy::FilledIn,
            () if used.is_some() => KnownBy::Used,
            () if self.controller_writes == 0 && is_token_name(secret) => KnownBy::Possible,
            () => return None,
        };
        let stated = made.stated.as_deref().filter(|account| !account.is_empty());
        let account = stated.or_else(|| used.and_then(|used| used.account.as_deref()));
        Some(Case {
            namespace,
            secret,
            account,
            known_by,
            made,
            used: used.map(|used| &used.seen),
        })
    }
}

/// `...-token`, as people call them, or `...-token-x7k2p`, as the control plane did.
fn is_token_name(secret: &str) -> bool {
    let generated = |suffix: &str| {
        suffix.len() == 5
            && suffix
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
    };
    secret.ends_with("-token")
        || secret
            .rsplit_once("-token-")
            .is_some_and(|(_, suffix)| generated(suffix))
}

impl Made {
    fn add(&mut self, stated: Stated, refused: bool, event: &Request<'_>) {
        self.evidence.add(event);
        self.callers.add(event);
        self.refused += u64::from(refused);
        match stated {
            Stated::Token { account } => self.stated = self.stated.take().max(Some(account)),
            Stated::Nothing | Stated::Other => self.without_body += 1,
        }
    }
}

impl Merge for Made {
    fn merge(&mut self, other: Self) {
        self.evidence.merge(other.evidence);
        self.callers.merge(other.callers);
        self.stated = self.stated.take().max(other.stated);
        self.refused += other.refused;
        self.without_body += other.without_body;
    }
}

impl Merge for Used {
    fn merge(&mut self, other: Self) {
        self.account = self.account.take().max(other.account);
        self.seen.merge(other.seen);
    }
}

impl KnownBy {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Body => "body",
            Self::FilledIn => "filled-in",
            Self::Used => "used",
            Self::Possible => "possible",
        }
    }
}

impl Case<'_> {
    fn created(&self) -> u64 {
        self.made.evidence.count() - self.made.refused
    }

    fn severity(&self, creator: &str) -> Severity {
        if self.known_by == KnownBy::Possible {
            return Severity::Info;
        }
        let system = self.namespace == "kube-system";
        let refused = self.created() == 0;
        match ServiceAccount::from_user_name(creator) {
            Some(_) if refused => Severity::Medium,
            Some(by) if by.namespace != self.namespace || system => Severity::High,
            Some(by) => match self.account {
                Some(account) if account == by.name => Severity::Low,
                Some(_) => Severity::High,
                None => Severity::Medium,
            },
            None if refused => Severity::Low,
            None if creator.is_empty() || creator == "system:anonymous" => Severity::High,
            None if system => Severity::Medium,
            None => Severity::Low,
        }
    }

    fn attribute(&self) -> Attribute {
        let fields: [(&str, Attribute); 8] = [
            ("namespace", self.namespace.into()),
            ("secret", self.secret.into()),
            ("account", self.account.into()),
            ("known_by", self.known_by.as_str().into()),
            ("created", self.made.evidence.first_seen().into()),
            ("refused", self.made.refused.into()),
            ("used", self.used.map_or(0, |used| used.count).into()),
            ("last_used", self.used.and_then(|used| used.last).into()),
        ];
        Attribute::Map(fields.map(|(name, value)| (name.to_owned(), value)).into())
    }
}
