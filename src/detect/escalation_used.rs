//! Rights that were granted in this log and then used.

mod case;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::finding::{Finding, Timestamp};

use super::{
    About, Aspects, Context, Coverage, Detector, EvidenceSet, Interest, LogFacts, Merge, Run,
    Tally,
    caller::SHOWN,
    deed::Deed,
    grant::Grant,
    keyed::{self, Keyed},
    memo::{Caller, Notes},
    outcome::Outcome,
    rbac::{self, RbacWrite},
    request::Request,
    rights::Weight,
    smallest::Smallest,
    tally::earliest,
    writes::shortened,
};

use case::Case;

about! {
    /// # What it finds
    ///
    /// A right that was granted in this log and then used: a binding was written (or the role behind one), and later
    /// kube-apiserver allowed requests because of that very binding, as the annotation
    /// `authorization.k8s.io/reason` says. One finding for each account and binding. It needs no bodies: the names
    /// are enough.
    ///
    /// Installing an operator looks the same, so only this counts: the account that wrote the binding is the one
    /// that uses it; or an account that is not on the allow-list of `rbac-written` granted cluster-admin, or as
    /// much, to another account, or anything to a `default` account; or `system:anonymous` uses what anybody granted
    /// it. An account that used the binding before it was written in this log is left out: its own reconciling, and
    /// no new right. A role that an account writes and then uses itself counts as well.
    ///
    /// `critical` if secrets were read, tokens made, pods entered or RBAC written with a right that the account gave
    /// itself or that anonymous requests have; `high` for anything else that the account gave itself, for what
    /// anonymous requests read, and for such grave deeds by another account; `medium` otherwise.
    ///
    /// # Why it matters
    ///
    /// Writing RBAC is the step, using it is the goal: this says that the step succeeded, and what for.
    ///
    /// # Known benign causes
    ///
    /// - A deployer that is bound by what it deploys (Argo CD, Flux, OLM): on the allow-list of `rbac-written`.
    /// - A CI account that installs an operator with cluster-admin: `medium`, and worth a thought.
    ///
    /// # What to do
    ///
    /// Delete the binding, revoke the tokens of the account that used it (delete its pods, and its token Secrets),
    /// and look at what was done with it: `did`, `requests`.
    ///
    /// # Attributes
    ///
    /// - `binding_kind`, `binding`, `namespace`, `role_kind`, `role`: what was used, as the log names it
    /// - `granted_by`: who wrote the binding or its role, with `requests`, `first_seen`, `last_seen`
    /// - `granted_to`: whom the binding names, where bodies tell
    /// - `grants`: the rights that lead to more rights, where bodies or the role's name tell
    /// - `granted_at`: when it was first written; `first_used`, `last_used`
    /// - `self_granted`: whether the account that used it wrote it
    /// - `did`: what was done with it, as for `default-serviceaccount`; `requests`: by verb and resource
    /// - `addresses`: from where
    /// - `allowed_as`: why the writer is taken lightly, or null
    ///
    /// # Example
    ///
    /// ```text
    /// critical  escalation-used  ops/intruder  8 requests
    ///   wrote ClusterRoleBinding sys-metrics-helper (cluster-admin) and used it 13 ms later: secrets-read 3, ...
    /// ```
    "escalation-used",
    "A right was granted and then used",
    [CLUSTER_ROLES, VALID_ACCOUNTS],
}

/// How many bindings that were written are kept, and how many pairs of an account and a binding that it uses:
/// several times what large clusters have. Beyond, those with the smallest hashes are.
const WRITTEN: usize = 2048;
const USED: usize = 8192;

/// The bindings and roles that were written, and what every binding was used for.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct EscalationUsed {
    written: Keyed<Written, WRITTEN>,
    used: Smallest<Use, USED>,
    uses: u64,
}

/// A binding or role that was written.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Written {
    evidence: EvidenceSet,
    writers: Keyed<Writer>,
    grantees: Tally,
    rights: Tally,
    everything: bool,
}

/// Who wrote it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Writer {
    requests: u64,
    first: Option<Timestamp>,
    last: Option<Timestamp>,
    agents: Tally,
}

/// What one user did by one binding.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Use {
    /// Whose it is, and the annotation that names the binding.
    user: String,
    reason: String,
    evidence: EvidenceSet,
    deeds: BTreeMap<Deed, u64>,
    requests: Keyed<Count>,
    addresses: Tally,
    credentials: Tally,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Count(u64);

impl Detector for EscalationUsed {
    const ABOUT: &'static About = &ABOUT;
    const INTEREST: Interest =
        Interest::any(Aspects::ACCOUNT.and(Aspects::ANONYMOUS).and(Aspects::RBAC));
    const TAKES_RUNS: bool = true;

    fn observe(&mut self, event: &Request<'_>) {
        self.observe_write(event);
        self.observe_use(event);
    }

    fn observe_run(&mut self, run: &Run) {
        if !run.aspects.meets(Aspects::ACCOUNT.and(Aspects::ANONYMOUS)) {
            return;
        }
        if let Some(used) = self.used_by(&run.caller, &run.notes, run.batch.count()) {
            used.add_run(run);
        }
    }

    fn observe_each(&mut self, event: &Request<'_>) {
        self.observe_write(event);
    }

    fn merge(&mut self, other: Self) {
        self.written.merge(other.written);
        self.used.merge(other.used);
        self.uses += other.uses;
    }

    fn finish(&self, context: &Context<'_>) -> Vec<Finding> {
        let mut used: Vec<&Use> = self.used.iter().map(|(_, trail)| trail).collect();
        used.sort_by_key(|trail| (&trail.user, &trail.reason));
        used.into_iter()
            .filter_map(|trail| {
                let grant = Grant::parse(&trail.reason)?;
                self.judge(&trail.user, &grant, trail, context)
            })
            .collect()
    }

    fn coverage(&self, log: &LogFacts) -> Coverage {
        let unsaid = || {
            (self.uses == 0).then(|| {
                "no request says which binding allowed it: the annotation authorization.k8s.io/reason is missing, \
                 or RBAC is not in use"
                    .to_owned()
            })
        };
        Coverage {
            evaluated: self.uses,
            blind: log.blind_to_writes().or_else(unsaid),
        }
    }
}

impl EscalationUsed {
    fn observe_write(&mut self, event: &Request<'_>) {
        // kube-apiserver makes the default roles and bindings when it starts (FACTS 7).
        if !event.aspects().has(Aspects::RBAC)
            || event.user.name == "system:apiserver"
            || event.outcome() != Some(Outcome::Done)
        {
            return;
        }
        let Some(write) = event.rbac_write() else {
            return;
        };
        if matches!(write.weight, Weight::Removed | Weight::Touched) || write.name.is_empty() {
            return;
        }
        let name = || write.name.clone();
        if let Some(written) = self.written.slot(write.key, name) {
            written.add(write, event);
        }
    }

    fn observe_use(&mut self, event: &Request<'_>) {
        let by = event.aspects();
        if !by.has(Aspects::ACCOUNT) && !by.has(Aspects::ANONYMOUS) {
            return;
        }
        if let Some(used) = self.used_by(event.caller, event.notes, 1) {
            used.add(event);
        }
    }

    /// What `caller` did by the binding that allowed `requests` more.
    fn used_by(&mut self, caller: &Caller, notes: &Notes, requests: u64) -> Option<&mut Use> {
        let (literal, reason) = notes.reason.as_ref()?;
        if !literal.starts_with("RBAC: allowed by ") {
            return None;
        }
        self.uses += requests;
        let key = keyed::hash(caller.user_hash, &[literal]);
        let new = || Use {
            user: caller.user.to_string(),
            reason: reason.to_string(),
            ..Use::default()
        };
        self.used.slot(key, new)
    }

    /// What it comes to that `user` did what `grant` allows.
    fn judge(
        &self,
        user: &str,
        grant: &Grant,
        trail: &Use,
        context: &Context<'_>,
    ) -> Option<Finding> {
        let within = grant.namespace.as_deref().unwrap_or_default();
        let binding = rbac::key(&grant.binding_kind, &grant.binding, within);
        let binding = self.written.get(binding).filter(|written| {
            // Somebody who used it before had the right already.
            written.evidence.first_seen() <= trail.evidence.first_seen()
        });
        let role_within = if grant.role_kind == "Role" {
            within
        } else {
            ""
        };
        let role = rbac::key(&grant.role_kind, &grant.role, role_within);
        let role = self.written.get(role);
        let everything = grant.role == "cluster-admin" || role.is_some_and(|role| role.everything);
        let role = role.filter(|written| {
            written.writers.get(writer_key(user)).is_some()
                && written.evidence.first_seen() <= trail.evidence.last_seen()
        });
        let judged = [(binding, false), (role, true)].into_iter();
        let judged = judged.filter_map(|(written, by_role)| {
            let case = Case {
                user,
                grant,
                used: trail,
                written: written?,
                everything,
                by_role,
            };
            Some((case.severity(&context.settings.allow)?, case))
        });
        let (verdict, case) =
            judged.max_by_key(|(verdict, case)| (verdict.severity, !case.by_role))?;
        Some(case.finding(verdict, context))
    }
}

impl Written {
    fn add(&mut self, write: &RbacWrite, event: &Request<'_>) {
        self.evidence.add(event);
        let user = event.user.name.read();
        let name = || user.clone().into_owned();
        if let Some(writer) = self.writers.slot(writer_key(&user), name) {
            writer.requests += 1;
            writer.first = earliest(writer.first, event.time());
            writer.last = writer.last.max(event.time());
            writer.agents.add(&event.user_agent.read(), event);
        }
        for grantee in write.grantees.iter().take(SHOWN * 10) {
            self.grantees.add(shortened(&grantee.name_in_log()), event);
        }
        for right in write.rights.names() {
            self.rights.add(&right, event);
        }
        self.everything |= write.weight == Weight::Everything;
    }
}

impl Use {
    fn add(&mut self, event: &Request<'_>) {
        self.evidence.add_first(event);
        *self.deeds.entry(event.deed()).or_default() += 1;
        let request = || event.words().to_owned();
        if let Some(count) = self.requests.slot(event.kind.hash_with_code, request) {
            count.0 += 1;
        }
        let (caller, time) = (event.caller, event.time());
        if let Some(address) = caller.address.as_deref() {
            self.addresses.add_known(caller.address_hash, address, time);
        }
        if let Some((id, hash)) = caller.id.as_deref().zip(caller.id_hash) {
            self.credentials.add_known(hash, id, time);
        }
    }

    fn add_run(&mut self, run: &Run) {
        let (caller, kind, batch) = (&run.caller, &run.kind, &run.batch);
        self.evidence.add_firsts(batch);
        *self.deeds.entry(run.deed()).or_default() += batch.count();
        let request = || kind.words.text.to_string();
        if let Some(count) = self.requests.slot(kind.hash_with_code, request) {
            count.0 += batch.count();
        }
        if let Some(address) = caller.address.as_deref() {
            self.addresses
                .add_batch(caller.address_hash, address, batch);
        }
        if let Some((id, hash)) = caller.id.as_deref().zip(caller.id_hash) {
            self.credentials.add_batch(hash, id, batch);
        }
    }

    fn count(&self, wanted: &[Deed]) -> u64 {
        let counted = self.deeds.iter().filter(|(deed, _)| wanted.contains(deed));
        counted.map(|(_, n)| n).sum()
    }

    /// The gravest things that were done, in words.
    fn in_words(&self) -> String {
        let gravest = self.deeds.iter().rev().take(3);
        let gravest: Vec<String> = gravest
            .map(|(deed, n)| format!("{} {n}", deed.as_str()))
            .collect();
        gravest.join(", ")
    }
}

fn writer_key(user: &str) -> u64 {
    keyed::hash(0, &[user])
}

impl Merge for Written {
    fn merge(&mut self, other: Self) {
        self.evidence.merge(other.evidence);
        self.writers.merge(other.writers);
        self.grantees.merge(other.grantees);
        self.rights.merge(other.rights);
        self.everything |= other.everything;
    }
}

impl Merge for Writer {
    fn merge(&mut self, other: Self) {
        self.requests += other.requests;
        self.first = earliest(self.first, other.first);
        self.last = self.last.max(other.last);
        self.agents.merge(other.agents);
    }
}

impl Merge for Use {
    fn merge(&mut self, other: Self) {
        // The same for all that one hash stands for; empty in what was just made.
        self.user = std::mem::take(&mut self.user).max(other.user);
        self.reason = std::mem::take(&mut self.reason).max(other.reason);
        self.evidence.merge(other.evidence);
        for (deed, count) in other.deeds {
            *self.deeds.entry(deed).or_default() += count;
        }
        self.requests.merge(other.requests);
        self.addresses.merge(other.addresses);
        self.credentials.merge(other.credentials);
    }
}

impl Merge for Count {
    fn merge(&mut self, other: Self) {
        self.0 += other.0;
    }
}
