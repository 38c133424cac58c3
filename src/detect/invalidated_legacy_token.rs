//! Callers that go on sending a legacy token after it has ended.

mod words;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    event::{ServiceAccount, Text},
    finding::{Finding, Timestamp},
};

use super::{
    About, Aspects, Context, Coverage, Detector, EvidenceSet, Interest, Keyed, LogFacts, Merge,
    PerAccount, Series, Tally, deed, keyed,
    legacy_token::{Seen, Token},
    request::Request,
    token_secret,
};

about! {
    /// # What it finds
    ///
    /// Callers whose ServiceAccount token from a Secret worked, and who were then refused as unauthenticated
    /// (401) from the same address with the same user agent, with nobody using that token any more: they likely
    /// go on sending a token that has ended. One finding for each account and Secret.
    ///
    /// That is inferred. A 401 has no user, and the log does not say which token came with it: kube-apiserver
    /// drops the annotation `authentication.k8s.io/legacy-token-invalidated` on the way to the log (its token
    /// cache returns before it copies annotations; a running 1.36 never wrote one). If a log has it all the
    /// same, it is taken at its word (`said`).
    ///
    /// `ends` has what the log shows to have happened to the token: the Secret labelled
    /// `kubernetes.io/legacy-token-invalid-since` (by the control plane's cleaner after a year without use,
    /// KEP-2799), the Secret or the account deleted, or the Secret changed by somebody in a way that the log
    /// does not have.
    ///
    /// The severity is `low`; `medium` if the Secret was labelled as invalid, or the server said so: a token
    /// that nobody had used for a year is tried again.
    ///
    /// # Why it matters
    ///
    /// Either a client is broken and nobody has noticed, or somebody holds an old token and tries it. Both are
    /// easiest to find while it still calls.
    ///
    /// # Known benign causes
    ///
    /// - A CI system or dashboard whose token was revoked and that nobody has told: mend it.
    /// - Several clients behind one address with one user agent (NAT, a runner host), of which another one is
    ///   refused: `callers` has the numbers to judge by.
    ///
    /// # What to do
    ///
    /// Go to the address and find the program that calls itself so; give it a token that works, or stop it. If
    /// nobody knows it, treat the token as stolen: look at what it did while it worked (`legacy-token`). The
    /// metric `serviceaccount_invalid_legacy_auto_token_uses_total` counts invalidated tokens that were tried.
    ///
    /// # Attributes
    ///
    /// - `secret`: the Secret's name, in the account's namespace; null where the server does not name it
    /// - `inferred`: whether that is a conclusion, and not what the server said
    /// - `last_worked`: when the token last worked, from whichever address
    /// - `callers`: `address`, `user_agent`, `worked` and `refused` (requests; the latter after the token last
    ///   worked), `last_worked`, `first_refused`, `last_refused`
    /// - `said`: requests that the server marked as sent with an invalidated token
    /// - `ends`: what happened to the token: `what` (`labelled-invalid`, `secret-deleted`, `account-deleted`,
    ///   `secret-changed`), `by` whom, `requests`, `first_seen`, `last_seen`
    ///
    /// Bounded: the 64 callers of each token, the 1,024 callers that were refused, and the 1,024 deleted or
    /// changed Secrets and accounts with the smallest hashes are remembered; in larger logs some are missed.
    ///
    /// # Example
    ///
    /// ```text
    /// low  invalidated-legacy-token  ci/old-runner  10 requests
    ///   callers: 127.0.30.7 old-runner/0.1: worked 10, then refused 10    ends: secret-changed
    /// ```
    "invalidated-legacy-token",
    "A caller likely goes on using a legacy token that has ended",
    [ACCESS_TOKEN_USED],
}

/// What the cleaner writes on the Secret (kubernetes
/// `pkg/controller/serviceaccount/legacy_serviceaccount_token_cleaner.go`).
const LABEL: &str = "legacy-token-invalid-since";
const CLEANER: &str = "system:serviceaccount:kube-system:legacy-service-account-token-cleaner";

/// Legacy tokens in use, callers that were refused, and what happened to Secrets and accounts.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct InvalidatedLegacyToken {
    /// By `<user name>\n<secret>`.
    tokens: PerAccount<Uses>,
    /// By `<address>\t<user agent>`: 401s.
    refused: Keyed<Refusals, 1024>,
    /// By `<namespace>\n<secret>`.
    secrets: Keyed<Ends, 1024>,
    /// By `<namespace>\n<account>`.
    accounts: Keyed<Ends, 1024>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Uses {
    /// By `<address>\t<user agent>`: requests that went through.
    callers: Keyed<Seen>,
    last_worked: Option<Timestamp>,
    /// Requests that the server marked as sent with an invalidated token.
    said: EvidenceSet,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Refusals {
    evidence: EvidenceSet,
    times: Series<8>,
}

/// What happened to a Secret or an account, by what and by whom.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Ends(BTreeMap<End, Tally>);

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
enum End {
    SecretChanged,
    LabelledInvalid,
    SecretDeleted,
    AccountDeleted,
}

/// A caller whose token ended, as it seems.
struct Stranded<'a> {
    address: &'a str,
    user_agent: &'a str,
    worked: &'a Seen,
    refusals: &'a Refusals,
    /// How many of the refusals came after the token last worked.
    refused: u64,
}

impl Detector for InvalidatedLegacyToken {
    const ABOUT: &'static About = &ABOUT;
    const INTEREST: Interest = Interest::any(
        Aspects::UNAUTHENTICATED
            .and(Aspects::TOKEN_MARK)
            .and(Aspects::SECRETS)
            .and(Aspects::SERVICE_ACCOUNTS),
    );

    fn observe(&mut self, event: &Request<'_>) {
        if event.user.name.is_empty() {
            if event.code == Some(401)
                && let Some(address) = event.caller.address.as_deref()
                && let Some(refusals) = self
                    .refused
                    .slot(event.caller.client_hash, || name(address, event))
            {
                refusals.add(event);
            }
            return;
        }
        if event.service_account().is_some()
            && let Some(token) = &event.notes.token
        {
            let key = [event.user_name(), "\n", &token.secret];
            self.tokens.note_parts(&key, |uses| uses.add(token, event));
        }
        if deed::is_write(event) && event.succeeded() && !event.is_dry_run() {
            self.note_write(event);
        }
    }

    fn merge(&mut self, other: Self) {
        self.tokens.merge(other.tokens);
        self.refused.merge(other.refused);
        self.secrets.merge(other.secrets);
        self.accounts.merge(other.accounts);
    }

    fn finish(&self, context: &Context<'_>) -> Vec<Finding> {
        let tokens = self.tokens.sorted().into_iter();
        tokens
            .filter_map(|(key, uses)| {
                let (user, secret) = key.split_once('\n')?;
                let account = ServiceAccount::from_user_name(user)?;
                let stranded = self.stranded(uses);
                let silent = stranded.is_empty() && uses.said.count() == 0;
                let ends = self.ends(account, secret);
                (!silent).then(|| words::finding(account, secret, uses, &stranded, &ends, context))
            })
            .collect()
    }

    fn coverage(&self, log: &LogFacts) -> Coverage {
        let unrefused = || {
            (log.unauthenticated == 0).then(|| {
                "the log has no 401: nobody was refused, or ResponseStarted is left out, the only stage at \
                 which a 401 is logged"
                    .to_owned()
            })
        };
        Coverage {
            evaluated: log.unauthenticated,
            blind: log
                .blind_to_accounts()
                .or_else(|| log.blind_to_annotations())
                .or_else(|| log.blind_to_addresses())
                .or_else(unrefused),
        }
    }
}

/// What a caller is called. Where the log has no address there is none: callers that are not known are not one.
fn name(address: &str, event: &Request<'_>) -> String {
    format!("{address}\t{}", event.caller.agent)
}

impl InvalidatedLegacyToken {
    fn note_write(&mut self, event: &Request<'_>) {
        let Some(object) = event.object else { return };
        let deleted = event.verb == "delete";
        let end = match () {
            () if event.is_core("serviceaccounts") && deleted => End::AccountDeleted,
            () if !event.is_core("secrets") => return,
            () if deleted => End::SecretDeleted,
            () => match change(event) {
                Some(end) => end,
                None => return,
            },
        };
        let [namespace, name] = [object.namespace, object.name].map(Text::read);
        if name.is_empty() || token_secret::is_helm_release(&name) {
            return;
        }
        let table = match end {
            End::AccountDeleted => &mut self.accounts,
            _ => &mut self.secrets,
        };
        let key = || format!("{namespace}\n{name}");
        if let Some(ends) = table.slot(token_secret::hash(&namespace, &name), key) {
            ends.0
                .entry(end)
                .or_default()
                .add(&event.user.name.read(), event);
        }
    }

    /// The callers of a token that were refused after it had last worked.
    fn stranded<'a>(&'a self, uses: &'a Uses) -> Vec<Stranded<'a>> {
        let Some(last_worked) = uses.last_worked else {
            return Vec::new();
        };
        let callers = uses.callers.sorted().into_iter();
        let mut stranded: Vec<Stranded<'a>> = callers
            .filter_map(|(name, worked)| {
                let (address, user_agent) = name.split_once('\t')?;
                let refusals = self.refused.get(keyed::hash(0, &[address, user_agent]))?;
                let refused = refusals.after(last_worked);
                (refused > 0).then_some(Stranded {
                    address,
                    user_agent,
                    worked,
                    refusals,
                    refused,
                })
            })
            .collect();
        stranded.sort_by_key(|caller| std::cmp::Reverse(caller.refused));
        stranded
    }

    /// What happened to an account's token.
    fn ends(&self, account: ServiceAccount<'_>, secret: &str) -> Vec<(End, &Tally)> {
        let namespace = account.namespace;
        let of_secret = self.secrets.get(token_secret::hash(namespace, secret));
        let of_account = self
            .accounts
            .get(token_secret::hash(namespace, account.name));
        let both = of_account.into_iter().chain(of_secret);
        let mut ends: Vec<(End, &Tally)> = both
            .flat_map(|ends| &ends.0)
            .map(|(&end, by)| (end, by))
            .collect();
        ends.sort_by_key(|(end, _)| std::cmp::Reverse(*end));
        ends
    }
}

/// What a successful update or patch of a Secret may mean for the token in it.
fn change(event: &Request<'_>) -> Option<End> {
    let user = event.user.name;
    let changes = event.verb == "update" || event.verb == "patch";
    // Which notes the day of the last use on it, and which writes the token.
    if !changes || user == "system:apiserver" || token_secret::is_tokens_controller(event) {
        return None;
    }
    match event.request_body {
        Some(body) => {
            let labels = memchr::memmem::find(body.json().as_bytes(), LABEL.as_bytes()).is_some();
            labels.then_some(End::LabelledInvalid)
        }
        // The cleaner patches nothing but the label.
        None if user == CLEANER => Some(End::LabelledInvalid),
        None => Some(End::SecretChanged),
    }
}

impl Uses {
    fn add(&mut self, token: &Token, event: &Request<'_>) {
        if token.invalidated {
            self.said.add(event);
            return;
        }
        if let Some(address) = event.caller.address.as_deref()
            && let Some(seen) = self
                .callers
                .slot(event.caller.client_hash, || name(address, event))
        {
            seen.add(event);
        }
        self.last_worked = self.last_worked.max(event.time());
    }
}

impl Refusals {
    fn add(&mut self, event: &Request<'_>) {
        self.evidence.add(event);
        self.times.add(event.time());
    }

    /// How many there were after `time`; those of the same second (or coarser bucket, in long logs) are left
    /// out if there were some before as well.
    fn after(&self, time: Timestamp) -> u64 {
        if self.evidence.first_seen().is_some_and(|first| first > time) {
            return self.evidence.count();
        }
        let bucket = time
            .seconds()
            .div_euclid(self.times.width())
            .saturating_add(1);
        let end = Timestamp::from_micros(i64::MAX);
        self.times
            .count_overlapping(self.times.start_of(bucket), end)
    }
}

impl Merge for Uses {
    fn merge(&mut self, other: Self) {
        self.callers.merge(other.callers);
        self.last_worked = self.last_worked.max(other.last_worked);
        self.said.merge(other.said);
    }
}

impl Merge for Refusals {
    fn merge(&mut self, other: Self) {
        self.evidence.merge(other.evidence);
        self.times.merge(other.times);
    }
}

impl Merge for Ends {
    fn merge(&mut self, other: Self) {
        for (end, by) in other.0 {
            self.0.entry(end).or_default().merge(by);
        }
    }
}

impl End {
    const fn as_str(self) -> &'static str {
        match self {
            Self::SecretChanged => "secret-changed",
            Self::LabelledInvalid => "labelled-invalid",
            Self::SecretDeleted => "secret-deleted",
            Self::AccountDeleted => "account-deleted",
        }
    }

    const fn in_words(self) -> &'static str {
        match self {
            Self::SecretChanged => "its Secret was changed",
            Self::LabelledInvalid => "its Secret was labelled as invalid",
            Self::SecretDeleted => "its Secret was deleted",
            Self::AccountDeleted => "its account was deleted",
        }
    }
}
