//! How bad it is that a right was granted and then used, and what is said about it.

use crate::finding::{Attribute, Attributes, Finding, Remediation, Severity, Step, Subject};

use super::{
    super::{
        AllowList, Context,
        caller::{self, SHOWN},
        deed::Deed,
        draft::draft,
        grant::Grant,
        rbac, rbac_written,
        shell::quote,
        tally::earliest,
    },
    ABOUT, Use, Writer, Written, writer_key,
};

/// A right, who granted it, and who used it.
pub(super) struct Case<'a> {
    pub(super) user: &'a str,
    pub(super) grant: &'a Grant,
    pub(super) used: &'a Use,
    pub(super) written: &'a Written,
    /// Whether the role gives everything, by its name or by what was written in this log.
    pub(super) everything: bool,
    /// Whether it is the role that was written, and not the binding.
    pub(super) by_role: bool,
}

/// How bad a case is.
pub(super) struct Verdict {
    pub(super) severity: Severity,
    allowed_as: Option<String>,
}

/// What everybody may use by design: what clusters set up by kubeadm tell those who want to join (kubernetes
/// `cmd/kubeadm/app/phases/bootstraptoken/clusterinfo`).
const PUBLIC: (&str, &str) = ("kubeadm:bootstrap-signer-clusterinfo", "kube-public");

impl Case<'_> {
    /// `None` for what is daily life.
    pub(super) fn severity(&self, allow: &AllowList) -> Option<Verdict> {
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

    pub(super) fn finding(&self, verdict: Verdict, context: &Context<'_>) -> Finding {
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
