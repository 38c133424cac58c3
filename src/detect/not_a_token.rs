//! ServiceAccount user names that came without a ServiceAccount token.

use serde::{Deserialize, Serialize};

use crate::{
    event::{Event, ServiceAccount, Value},
    finding::{Attribute, Attributes, Finding, Remediation, Severity, Subject},
};

use super::{
    About, Aspects, Context, Coverage, Detector, Interest, LogFacts, Merge, PerAccount, Presence,
    activity::Activity, advice::step, deed::Deed, draft::draft, mark::Mark, memo::Caller,
    request::Request, shell::quote,
};

/// The groups of a ServiceAccount's token (apiserver `pkg/authentication/serviceaccount/util.go`).
static CERTIFICATE: Mark = Mark::new("X509SHA256=");

about! {
    /// # What it finds
    ///
    /// Requests whose user is called like a ServiceAccount and did not come with a ServiceAccount's token: the
    /// credential ID is that of a client certificate (`X509SHA256=...`, Kubernetes 1.32 on), or the user is not
    /// in the group `system:serviceaccounts`, into which kube-apiserver puts everybody whose token it has
    /// checked (apiserver `pkg/authentication/serviceaccount/util.go`). One finding for each name.
    ///
    /// What somebody did by impersonation does not count: the log has it under the name of who really asked.
    ///
    /// The severity is `high`, and `critical` if secrets were read, roles or bindings changed, tokens made or
    /// pods entered.
    ///
    /// # Why it matters
    ///
    /// RBAC looks at names. Whoever gets a certificate with the common name
    /// `system:serviceaccount:kube-system:...` signed has all rights of that account, for as long as the
    /// certificate lasts: deleting the ServiceAccount, its pods or its tokens changes nothing, and
    /// certificates cannot be revoked.
    ///
    /// # Known benign causes
    ///
    /// - A front proxy or webhook authenticator that passes on ServiceAccount names without their groups:
    ///   rare, and worth mending, since rights that are bound to the groups are lost on the way.
    /// - Log pipelines that leave out groups altogether (GKE's Cloud Logging form) are told from this: a user
    ///   without any group is not reported, since kube-apiserver adds `system:authenticated` to everybody.
    ///
    /// # What to do
    ///
    /// Find the certificate's request (`kubectl get csr`, and the log's `certificatesigningrequests`), who made
    /// and who approved it, and take the account's bindings away: bind a new account instead. If the CA's key
    /// may be known, rotate the CA.
    ///
    /// # Attributes
    ///
    /// - `by_certificate`: requests with the credential ID of a client certificate; `without_group`: requests
    ///   with groups of which none is `system:serviceaccounts`
    /// - `did`, `requests`, `codes`, `namespaces`, `addresses`, `user_agents`, `pods`, `nodes`,
    ///   `credential_ids`, `impersonated`, `distinct_addresses`, `distinct_user_agents`, `allowed_as`,
    ///   `not_allow_listed`: as for `default-serviceaccount`
    ///
    /// # Example
    ///
    /// ```text
    /// critical  not-a-token  kube-system/clusterrole-aggregation-controller  4 requests
    ///   by_certificate: 4    did: secrets-read 1, read 3    addresses: 203.0.113.7 4
    /// ```
    "not-a-token",
    "A ServiceAccount's name came without its token",
    [CERTIFICATES, MASQUERADING],
}

const GROUP: &str = "system:serviceaccounts";

/// Requests that came without a token, by user name, and how many can be judged at all.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct NotAToken {
    accounts: PerAccount<Tokenless>,
    /// Requests of ServiceAccounts with groups, whichever.
    with_groups: u64,
    /// Requests of ServiceAccounts without any group: stripped by the log's pipeline.
    without_groups: u64,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Tokenless {
    activity: Activity,
    by_certificate: u64,
    without_group: u64,
}

impl NotAToken {
    /// Counts requests by whether the groups of a token are there.
    fn count(&mut self, caller: &Caller, requests: u64) {
        if caller.way.stripped {
            self.without_groups += requests;
        } else {
            self.with_groups += requests;
        }
    }
}

impl Detector for NotAToken {
    const ABOUT: &'static About = &ABOUT;
    const INTEREST: Interest = Interest::all(Aspects::ACCOUNT);
    const TAKES_RUNS: bool = true;

    fn observe(&mut self, event: &Request<'_>) {
        if event.service_account().is_none() {
            return;
        }
        self.count(event.caller, 1);
        self.observe_each(event);
    }

    fn observe_presence(&mut self, presence: &Presence) {
        if presence.caller.account().is_some() {
            self.count(&presence.caller, presence.batch.count());
        }
    }

    fn observe_each(&mut self, event: &Request<'_>) {
        let Way {
            certificate,
            outside,
            ..
        } = event.caller.way;
        if !outside && !certificate || event.service_account().is_none() {
            return;
        }
        self.accounts.note_user(event, |seen| {
            seen.activity.add(event.deed(), event);
            seen.by_certificate += u64::from(certificate);
            seen.without_group += u64::from(outside);
        });
    }

    fn merge(&mut self, other: Self) {
        self.accounts.merge(other.accounts);
        self.with_groups += other.with_groups;
        self.without_groups += other.without_groups;
    }

    fn finish(&self, context: &Context<'_>) -> Vec<Finding> {
        let accounts = self.accounts.accounts();
        accounts
            .map(|(account, seen)| finding(account, seen, context))
            .collect()
    }

    fn coverage(&self, log: &LogFacts) -> Coverage {
        let stripped = || {
            let all = self.with_groups + self.without_groups;
            match (self.with_groups, self.without_groups) {
                (_, 0) => None,
                (0, _) => Some(
                    "no ServiceAccount's request has groups, which its pipeline left out: only certificates \
                     with a credential ID (Kubernetes 1.32 on) can be told"
                        .to_owned(),
                ),
                (_, without) => Some(format!(
                    "{without} of {all} requests by ServiceAccounts have no groups, which a pipeline left \
                     out: of these only certificates with a credential ID can be told"
                )),
            }
        };
        Coverage {
            evaluated: log.service_account_requests,
            blind: log.blind_to_accounts().or_else(stripped),
        }
    }
}

/// How a ServiceAccount's name came.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Way {
    /// By a client certificate, as its credential ID says.
    pub(super) certificate: bool,
    /// Without any group, which somebody must have taken out.
    pub(super) stripped: bool,
    /// With groups, and not with that of all ServiceAccounts.
    pub(super) outside: bool,
}

impl Way {
    /// How `event`'s user came.
    pub(super) fn of(event: &Event<'_>) -> Self {
        let groups = event.user.object.get("groups").unwrap_or_default();
        let stripped = groups.items().next().is_none();
        let is_group = |item: Value<'_>| item.text().is_some_and(|group| group == GROUP);
        Self {
            certificate: has_certificate(event),
            stripped,
            outside: !stripped && !groups.items().any(is_group),
        }
    }
}

/// Whether the credential ID is a client certificate's (apiserver `pkg/authentication/request/x509`).
fn has_certificate(event: &Event<'_>) -> bool {
    if !CERTIFICATE.is_in(event.user.extra.json()) {
        return false;
    }
    let id = event
        .user
        .extra("authentication.kubernetes.io/credential-id");
    id.is_some_and(|id| id.starts_with("X509SHA256="))
}

impl Merge for Tokenless {
    fn merge(&mut self, other: Self) {
        self.activity.merge(other.activity);
        self.by_certificate += other.by_certificate;
        self.without_group += other.without_group;
    }
}

const fn severity(deed: Deed) -> Severity {
    match deed {
        Deed::ReadSecrets | Deed::Entered | Deed::Minted | Deed::WroteRbac => Severity::Critical,
        _ => Severity::High,
    }
}

fn finding(account: ServiceAccount<'_>, seen: &Tokenless, context: &Context<'_>) -> Finding {
    let subject = Subject::service_account(account.namespace, account.name);
    let name = subject.to_string();
    let allow = |agent: &str| context.settings.allow.expects(ABOUT.id, &subject, agent);
    let judgement = seen.activity.deeds.judge(allow, severity);
    let counts: [(&str, Attribute); 2] = [
        ("by_certificate", seen.by_certificate.into()),
        ("without_group", seen.without_group.into()),
    ];
    let mut attributes: Attributes = counts.map(|(name, value)| (name.to_owned(), value)).into();
    seen.activity.write(&mut attributes);
    seen.activity.write_deeds(&mut attributes);
    judgement.write(&mut attributes);
    let how = match seen.by_certificate {
        0 => "without a ServiceAccount's groups",
        _ => "by client certificate",
    };
    Finding {
        severity: judgement.severity,
        summary: format!(
            "{name} came {how}, not by a token: {}; find who holds that credential, and bind another account \
             in its place",
            seen.activity.in_words()
        ),
        attributes,
        involves: seen.activity.callers.involved(),
        remediation: remediation(account),
        ..draft(&ABOUT, subject, &[], &seen.activity.evidence, context)
    }
}

fn remediation(account: ServiceAccount<'_>) -> Remediation {
    let user = account.user_name();
    let columns = quote(
        "NAME:.metadata.name,ASKED_BY:.spec.username,SIGNER:.spec.signerName,CREATED:.metadata.creationTimestamp,CONDITIONS:.status.conditions[*].type",
    );
    let subjects = quote(&format!(
        r#".items[] | select(any(.subjects[]?; .kind=="ServiceAccount" and .namespace=="{}" and .name=="{}" or .name=="{user}")) | .kind + " " + (.metadata.namespace // "") + " " + .metadata.name"#,
        account.namespace, account.name
    ));
    Remediation {
        summary: "find the credential, and take the account's rights away: a certificate cannot be revoked"
            .to_owned(),
        steps: vec![
            step(
                "look for the request that the certificate came from (requests are deleted after an hour to a day)",
                format!("kubectl get certificatesigningrequests --output custom-columns={columns}"),
            ),
            step(
                "see what the name may do",
                format!("kubectl auth can-i --list --as={}", quote(&user)),
            ),
            step(
                "find the bindings that give it these rights, bind a new account for the workload, and take \
                 this name out of them",
                format!(
                    "kubectl get rolebindings,clusterrolebindings --all-namespaces --output json | jq --raw-output {subjects}"
                ),
            ),
        ],
    }
}
