//! Rights that were granted in this log and then used.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::finding::{
    Attribute, Attributes, Finding, Remediation, Severity, Step, Subject, Timestamp,
};

use super::{
    About, AllowList, Aspects, Context, Coverage, Detector, EvidenceSet, Interest, LogFacts, Merge,
    Tally,
    caller::{self, SHOWN},
    deed::Deed,
    draft::draft,
    grant::Grant,
    keyed::{self, Keyed},
    outcome::Outcome,
    rbac::{self, RbacWrite},
    rbac_written,
    request::Request,
    rights::Weight,
    shell::quote,
    tally::earliest,
    writes::shortened,
};

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
    used: Keyed<Use, USED>,
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

    fn observe(&mut self, event: &Request<'_>) {
        self.observe_write(event);
        self.observe_use(event);
    }

    fn merge(&mut self, other: Self) {
        self.written.merge(other.written);
        self.used.merge(other.used);
        self.uses += other.uses;
    }

    fn finish(&self, context: &Context<'_>) -> Vec<Finding> {
        let used = self.used.sorted().into_iter();
        used.filter_map(|(name, trail)| {
            let (user, reason) = name.split_once('\0')?;
            let grant = Grant::parse(reason)?;
            self.judge(user, &grant, trail, context)
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
        let Some((literal, reason)) = &event.notes.reason else {
            return;
        };
        if !literal.starts_with("RBAC: allowed by ") {
            return;
        }
        self.uses += 1;
        let key = keyed::hash(event.caller.user_hash, &[literal]);
        let name = || format!("{}\0{reason}", event.user_name());
        if let Some(used) = self.used.slot(key, name) {
            used.add(event);
        }
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

/// A right, who granted it, and who used it.
struct Case<'a> {
    user: &'a str,
    grant: &'a Grant,
    used: &'a Use,
    written: &'a Written,
    /// Whether the role gives everything, by its name or by what was written in this log.
    everything: bool,
    /// Whether it is the role that was written, and not the binding.
    by_role: bool,
}

/// How bad a case is.
struct Verdict {
    severity: Severity,
    allowed_as: Option<String>,
}

/// What everybody may use by design: what clusters set up by kubeadm tell those who want to join (kubernetes
/// `cmd/kubeadm/app/phases/bootstraptoken/clusterinfo`).
const PUBLIC: (&str, &str) = ("kubeadm:bootstrap-signer-clusterinfo", "kube-public");

impl Case<'_> {
    /// `None` for what is daily life.
    fn severity(&self, allow: &AllowList) -> Option<Verdict> {
        let grave = [
            Deed::ReadSecrets,
            Deed::Minted,
            Deed::Entered,
            Deed::WroteRbac,
        ];
        let grave = self.used.count(&grave) > 0;
        let changed = grave || self.used.count(&[Deed::Changed]) > 0;
        let pick = |is: bool, graver, milder| Some(if is { graver } else { milder });
        let by = |severity: Option<Severity>| {
            severity.map(|severity| Verdict {
                severity,
                allowed_as: None,
            })
        };
        if self.user == "system:anonymous" {
            let binding = self.grant.binding.as_str();
            let within = self.grant.namespace.as_deref().unwrap_or_default();
            if (binding, within) == PUBLIC {
                return None;
            }
            return by(pick(changed, Severity::Critical, Severity::High));
        }
        if self.is_self_granted() {
            if let Some(reason) = self.reason(self.user, allow) {
                return Some(Verdict {
                    severity: Severity::Info,
                    allowed_as: Some(reason),
                });
            }
            // A role that it had the right to write anyway, or one that gives it the rest.
            return if self.by_role && !self.written.everything {
                by(pick(grave, Severity::High, Severity::Medium))
            } else {
                by(pick(grave, Severity::Critical, Severity::High))
            };
        }
        let accounts = self.written.writers.sorted().into_iter();
        let mut accounts = accounts.filter(|(name, _)| name.starts_with("system:serviceaccount:"));
        let stranger = accounts.any(|(name, _)| self.reason(name, allow).is_none());
        let matters = self.everything || self.written.everything || self.user.ends_with(":default");
        if !stranger || !matters {
            return None;
        }
        by(pick(grave, Severity::High, Severity::Medium))
    }

    fn is_self_granted(&self) -> bool {
        self.written.writers.get(writer_key(self.user)).is_some()
    }

    /// Why the writes of `writer` are taken lightly, if all of them are.
    fn reason(&self, writer: &str, allow: &AllowList) -> Option<String> {
        let agents = &self.written.writers.get(writer_key(writer))?.agents;
        let subject = caller::subject(writer);
        let expected = |agent: &str| allow.expects(rbac_written::ABOUT.id, &subject, agent);
        let ranked = agents.ranked().into_iter();
        let reasons: Option<Vec<_>> = ranked.map(|agent| expected(&agent.value)).collect();
        let reason = reasons
            .filter(|_| agents.is_exact())?
            .first()?
            .reason
            .clone();
        Some(reason)
    }

    fn finding(&self, verdict: Verdict, context: &Context<'_>) -> Finding {
        let subject = caller::subject(self.user);
        let grant = self.grant;
        let within = grant.namespace.as_deref().unwrap_or_default();
        let written = draft(
            &ABOUT,
            subject.clone(),
            &[],
            &self.written.evidence,
            context,
        );
        let mut drafted = draft(
            &ABOUT,
            subject.clone(),
            &[&grant.binding_kind, &grant.binding, within],
            &self.used.evidence,
            context,
        );
        drafted.evidence.extend(written.evidence);
        drafted.evidence.sort_unstable();
        drafted.first_seen = earliest(drafted.first_seen, written.first_seen);
        let credentials = self.used.credentials.ranked().into_iter();
        drafted.involves.credentials = credentials.map(|id| id.value.clone()).collect();
        let writers = self.written.writers.sorted().into_iter();
        let mut involved: Vec<Subject> = writers.map(|(name, _)| caller::subject(name)).collect();
        involved.extend(rbac::somebody(&self.written.grantees));
        involved.retain(|other| *other != subject);
        drafted.involves.subjects.extend(involved);
        Finding {
            severity: verdict.severity,
            summary: self.summary(&subject, verdict.severity),
            attributes: self.attributes(verdict),
            remediation: self.remediation(),
            ..drafted
        }
    }

    fn attributes(&self, verdict: Verdict) -> Attributes {
        let grant = self.grant;
        let writers = self.written.writers.sorted().into_iter();
        let writers: Attributes = writers
            .map(|(name, writer)| (name.to_owned(), writer.attribute()))
            .collect();
        let deeds = self.used.deeds.iter();
        let deeds: Attributes = deeds
            .map(|(deed, &n)| (deed.as_str().to_owned(), n.into()))
            .collect();
        let mut requests = Attributes::new();
        for (name, count) in self.used.requests.sorted() {
            let known = match requests.get(name) {
                Some(Attribute::Count(known)) => *known,
                _ => 0,
            };
            requests.insert(name.to_owned(), (known + count.0).into());
        }
        let rights = self.written.rights.ranked().into_iter();
        let rights: Vec<&str> = rights.map(|right| right.value.as_str()).collect();
        let evidence = &self.used.evidence;
        let fields: [(&str, Attribute); 16] = [
            ("binding_kind", grant.binding_kind.as_str().into()),
            ("binding", grant.binding.as_str().into()),
            ("namespace", grant.namespace.as_deref().into()),
            ("role_kind", grant.role_kind.as_str().into()),
            ("role", grant.role.as_str().into()),
            ("granted_by", Attribute::Map(writers)),
            ("granted_to", self.written.grantees.attribute(SHOWN)),
            ("grants", rights.into()),
            ("granted_at", self.written.evidence.first_seen().into()),
            ("first_used", evidence.first_seen().into()),
            ("last_used", evidence.last_seen().into()),
            ("self_granted", self.is_self_granted().into()),
            ("did", Attribute::Map(deeds)),
            ("requests", Attribute::Map(requests)),
            ("addresses", self.used.addresses.occurrences(SHOWN)),
            ("allowed_as", verdict.allowed_as.into()),
        ];
        fields.map(|(name, value)| (name.to_owned(), value)).into()
    }

    fn summary(&self, subject: &Subject, severity: Severity) -> String {
        let Grant {
            binding_kind,
            binding,
            role_kind,
            role,
            ..
        } = self.grant;
        let what = if self.by_role {
            format!("{role_kind} {role}")
        } else {
            format!("{binding_kind} {binding} ({role})")
        };
        let writers = self.written.writers.sorted();
        let writer = writers
            .first()
            .map_or_else(String::new, |(name, _)| caller::subject(name).to_string());
        let how = if self.is_self_granted() {
            format!("{subject} wrote {what} and used it itself")
        } else {
            format!("{subject} used {what}, which {writer} wrote")
        };
        let did = self.used.in_words();
        let advice = match severity {
            Severity::Info | Severity::Low => "nothing to do",
            Severity::Medium => "check that it is meant to have that right",
            Severity::High | Severity::Critical => {
                "delete the binding and revoke the account's tokens"
            }
        };
        format!("{how} ({did}); {advice}")
    }

    fn remediation(&self) -> Remediation {
        let grant = self.grant;
        let binding = match &grant.namespace {
            Some(within) => format!(
                "rolebinding {} --namespace {}",
                quote(&grant.binding),
                quote(within)
            ),
            None => format!("clusterrolebinding {}", quote(&grant.binding)),
        };
        let step = |text: &str, command: String| Step {
            text: text.to_owned(),
            command: Some(command),
        };
        let mut steps = vec![
            step(
                "look at the binding",
                format!("kubectl get {binding} --output yaml"),
            ),
            step(
                "take the right away (if others need the binding, take the account out of its subjects instead)",
                format!("kubectl delete {binding}"),
            ),
        ];
        let subject = caller::subject(self.user);
        if let Some(namespace) = &subject.namespace {
            let (namespace, name) = (quote(namespace), quote(&subject.name));
            steps.push(step(
                "end the account's pods, and with them the tokens that are bound to them",
                format!(
                    "kubectl delete pods --namespace {namespace} --field-selector spec.serviceAccountName={name}"
                ),
            ));
            steps.push(step(
                "see whether it has tokens that never end",
                format!(
                    "kubectl get secrets --namespace {namespace} --field-selector type=kubernetes.io/service-account-token"
                ),
            ));
        }
        steps.push(step(
            "see what is left",
            format!("kubectl auth can-i --list --as={}", quote(self.user)),
        ));
        Remediation {
            summary: "take the right away, then undo what was done with it".to_owned(),
            steps,
        }
    }
}

impl Writer {
    fn attribute(&self) -> Attribute {
        let fields: [(&str, Attribute); 3] = [
            ("requests", self.requests.into()),
            ("first_seen", self.first.into()),
            ("last_seen", self.last.into()),
        ];
        Attribute::Map(fields.map(|(name, value)| (name.to_owned(), value)).into())
    }
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
