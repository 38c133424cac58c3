//! Tokens made through the API by others than the kubelets, and what became of them.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::{
    event::{ServiceAccount, Text},
    finding::Finding,
};

use super::{
    About, Aspects, Context, Coverage, Detector, Interest, LogFacts, Merge,
    activity::Activity,
    asked::Asked,
    few::Few,
    holder::{Holder, token_hash},
    keyed, minted,
    request::Request,
    smallest::Smallest,
};

about! {
    /// # What it finds
    ///
    /// TokenRequests (`create serviceaccounts/token`) that went through and were not a kubelet's: who had a token made for
    /// which account. `issued-credential-id` (Kubernetes 1.30 and later) leads to the requests that were made with the
    /// token. One finding for each pair of requester and account; what the allow-list expects is one for each requester.
    ///
    /// | what was asked for | by a user | by a ServiceAccount |
    /// |---|---|---|
    /// | a token of its own | | low |
    /// | a token of an account that is not in kube-system | low | medium |
    /// | a token of an account in kube-system, or of one that cluster-admin let through | medium | high |
    ///
    /// A lifetime beyond `long-hours` makes low medium. Use of the token from an address that the requester did not
    /// ask from makes a ServiceAccount's request high; if secrets were read, pods entered, tokens made or RBAC
    /// written with it, a user's is medium at least, and a ServiceAccount's critical where it was used from elsewhere or the
    /// account is such a privileged one. What the allow-list covers is info.
    ///
    /// # Why it matters
    ///
    /// Whoever may create `serviceaccounts/token` may become every account of the namespace, and the token goes
    /// on working after the hole is closed: it is bound to nothing but the account unless the request says otherwise.
    ///
    /// # Known benign causes
    ///
    /// - kubelets ask for the tokens of their pods: left out, NodeRestriction holds them to those pods.
    /// - kube-controller-manager makes tokens for its controllers, managed control planes and operators for their parts:
    ///   allow-listed under the names that are known.
    /// - People use `kubectl create token` to try something or for a dashboard: low, with the address that it was used from.
    /// - Vault, external-secrets, Cluster API and CI systems ask for tokens by design: add an entry with a reason.
    ///
    /// # What to do
    ///
    /// Ask the requester. If the request is not theirs, revoke the token: one bound to a pod or a Secret by deleting that,
    /// any other one only by deleting the account itself and making it again. Take `create` of `serviceaccounts/token`
    /// away from whom does not need it; narrow it with `resourceNames` to the accounts in question.
    ///
    /// # Attributes
    ///
    /// - `requester`, `account`: who asked, and for whose token
    /// - `issued`: the tokens made, by time: `credential_id`, `issued_at`, `used`, `addresses` (where it was used), `did`,
    ///   `first_used`, `last_used`; at most 10. `issued_total`: how many there were
    /// - `used`: requests made with the tokens; `used_from_elsewhere`: from addresses that the requester did not ask from;
    ///   `used_did`: what was done (as for `default-serviceaccount`)
    /// - `bound_to`: requests by what the token was bound to (`Pod <name>`, `nothing`, ...), `audiences`,
    ///   `longest_seconds`: the greatest `expirationSeconds`; all three empty where the policy logs no bodies
    ///   (`bodies`: how many requests had one)
    /// - `privileged`: why the account is privileged, or null
    /// - `accounts`: requests by account, where one finding is about all that the allow-list expects of a requester
    /// - `requests`, `codes`, `namespaces`, `addresses`, `user_agents`, `pods`, `nodes`, `credential_ids`, `impersonated`,
    ///   `distinct_addresses`, `distinct_user_agents`: of the TokenRequests, as for `default-serviceaccount`
    /// - `allowed_as`: why the allow-list takes requests lightly, or null; `not_allow_listed`: how many
    ///   requests it does not cover
    ///
    /// # Example
    ///
    /// ```text
    /// critical  token-minted  ops/intruder  1 request
    ///   account: kube-system/super    issued: JTI=400a2811-..., used 4 times from 127.0.66.6: secrets-read 2, read 2
    /// ```
    "token-minted",
    "A token was made for an account by somebody else than its kubelet",
    [CREDENTIALS_ADDED, ACCESS_TOKEN_USED],
}

/// How many pairs of requester and account are followed.
const PAIRS: usize = 4_096;

/// How many tokens without a pod are followed to their uses.
const TOKENS: usize = 16_384;

/// When a token lives too long.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Limits {
    /// Beyond how many hours a lifetime is long: `kubectl create token` gives one, a day's work is done in 24.
    pub long_hours: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { long_hours: 24 }
    }
}

/// TokenRequests by requester and account, and the uses of tokens that are bound to no pod.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct TokenMinted {
    pairs: Smallest<Mint, PAIRS>,
    used: Smallest<Used, TOKENS>,
}

/// The tokens that one requester had made for one account.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Mint {
    pub(super) requester: String,
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) activity: Activity,
    pub(super) asked: Asked,
    /// 64 of the tokens' IDs, those with the smallest hashes, where there are more.
    pub(super) issued: Few<minted::Issued, 64>,
}

/// What was done with one token.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Used {
    pub(super) holder: Holder,
    /// Whether a binding of cluster-admin let one of the requests through.
    pub(super) as_admin: bool,
}

impl Detector for TokenMinted {
    const ABOUT: &'static About = &ABOUT;
    const INTEREST: Interest = Interest::any(Aspects::LOOSE_TOKEN.and(Aspects::TOKEN_REQUEST));

    fn observe(&mut self, event: &Request<'_>) {
        if event.service_account().is_some() && event.aspects().has(Aspects::LOOSE_TOKEN) {
            let credential = event.credential();
            let slot = credential
                .id
                .and_then(token_hash)
                .and_then(|hash| self.used.slot(hash, Used::default));
            if let Some(used) = slot {
                used.holder.add(&credential, event);
                used.as_admin |= is_admins(event);
            }
        }
        if is_mint(event) {
            self.mint(event);
        }
    }

    fn merge(&mut self, other: Self) {
        self.pairs.merge(other.pairs);
        self.used.merge(other.used);
    }

    fn finish(&self, context: &Context<'_>) -> Vec<Finding> {
        let mut findings = Vec::new();
        let mut expected: BTreeMap<&str, Vec<minted::Found<'_>>> = BTreeMap::new();
        for (_, mint) in self.pairs.iter() {
            let found = minted::judge(mint, |issued| self.uses_of(issued), context);
            if found.is_expected() {
                expected.entry(&mint.requester).or_default().push(found);
            } else {
                findings.push(minted::finding(&found, context));
            }
        }
        let expected = expected.into_values();
        findings.extend(expected.filter_map(|all| minted::expected(&all, context)));
        findings
    }

    fn coverage(&self, log: &LogFacts) -> Coverage {
        let none = || {
            (log.token_requests == 0).then(|| {
                "the log has no TokenRequest by anybody, not even a kubelet's: its policy leaves them out".to_owned()
            })
        };
        let pairs = || self.pairs.left_out("pairs of requester and account");
        Coverage {
            evaluated: log.token_requests,
            blind: none()
                .or_else(pairs)
                .or_else(|| self.used.left_out("tokens that are bound to no pod")),
        }
    }
}

impl TokenMinted {
    fn mint(&mut self, event: &Request<'_>) {
        let object = event.object.unwrap_or_default();
        let [requester, namespace, name] =
            [event.user.name, object.namespace, object.name].map(Text::read);
        let hash = keyed::hash(0, &[&requester, "\n", &namespace, "/", &name]);
        let new = || Mint {
            requester: requester.clone().into_owned(),
            namespace: namespace.clone().into_owned(),
            name: name.clone().into_owned(),
            ..Mint::default()
        };
        let Some(mint) = self.pairs.slot(hash, new) else {
            return;
        };
        mint.activity.add(event.deed(), event);
        mint.asked.add(event);
        if let Some(id) = event.annotation("authentication.kubernetes.io/issued-credential-id") {
            let hash = keyed::hash(2, &[&id.read()]);
            if let Some(slot) = mint.issued.slot(hash, minted::Issued::default) {
                slot.merge(minted::Issued::new(id.read().into_owned(), event.time()));
            }
        }
    }

    fn uses_of(&self, issued: &minted::Issued) -> Option<&Used> {
        self.used.get(keyed::hash(2, &[&issued.id]))
    }
}

/// Whether `event` had a token made, by somebody who is no kubelet. A dry run makes none.
fn is_mint(event: &Request<'_>) -> bool {
    let token = event.object.is_some_and(|object| {
        object.resource == "serviceaccounts"
            && object.subresource == "token"
            && object.group.is_empty()
    });
    token
        && event.verb == "create"
        && event.succeeded()
        && !event.user.name.is_empty()
        && !event.user.name.starts_with("system:node:")
        && !event.is_dry_run()
}

/// Whether a binding of cluster-admin let `event` through. RBAC writes names in quotes (FACTS 2.2), which JSON escapes.
fn is_admins(event: &Request<'_>) -> bool {
    let role = r#"ClusterRole \"cluster-admin\""#;
    event.annotations.json().contains(role) && event.succeeded()
}

impl Mint {
    /// The account whose token it is.
    pub(super) fn account(&self) -> ServiceAccount<'_> {
        ServiceAccount {
            namespace: &self.namespace,
            name: &self.name,
        }
    }

    /// The addresses that it was asked for from.
    pub(super) fn addresses(&self) -> BTreeSet<&str> {
        let addresses = self.activity.callers.addresses().ranked().into_iter();
        addresses.map(|address| address.value.as_str()).collect()
    }
}

impl Merge for Mint {
    fn merge(&mut self, other: Self) {
        // The same for all that one hash stands for; empty in what was just made.
        self.requester = std::mem::take(&mut self.requester).max(other.requester);
        self.namespace = std::mem::take(&mut self.namespace).max(other.namespace);
        self.name = std::mem::take(&mut self.name).max(other.name);
        self.activity.merge(other.activity);
        self.asked.merge(other.asked);
        self.issued.merge(other.issued);
    }
}

impl Merge for Used {
    fn merge(&mut self, other: Self) {
        self.holder.merge(other.holder);
        self.as_admin |= other.as_admin;
    }
}
