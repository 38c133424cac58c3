//! Inventory and log put together: what every check looks at.

use std::collections::BTreeMap;

use crate::finding::{Finding, SubjectKind, Timestamp};

use super::{Account, AccountUsage, Grant, Inventory, Pod, Rbac, Usage};

/// Everything that is known.
pub(super) struct World<'a> {
    pub(super) inventory: &'a Inventory,
    pub(super) rbac: &'a Rbac<'a>,
    /// What the log says, if one was given.
    pub(super) usage: Option<&'a Usage>,
    pub(super) people: Vec<Person<'a>>,
    /// What detectors found in the log, by account.
    findings: BTreeMap<(&'a str, &'a str), Vec<&'a Finding>>,
    /// The newest time that dump or log know: ages are counted from there, and not from the clock, so
    /// that a report is the same whenever it is made.
    pub(super) as_of: Option<Timestamp>,
}

/// One ServiceAccount, with all that belongs to it.
pub(super) struct Person<'a> {
    pub(super) account: &'a Account,
    /// The bindings that name it, and no group.
    pub(super) grants: Vec<Grant<'a>>,
    /// What it did; of an account that was made again, what the present one did.
    pub(super) usage: AccountUsage,
    /// What others of its name did, by uid.
    pub(super) others: Vec<(&'a str, &'a AccountUsage)>,
    pub(super) pods: Vec<&'a Pod>,
    /// Whether it is one of kube-controller-manager's own.
    pub(super) built_in: bool,
}

impl<'a> World<'a> {
    pub(super) fn new(
        rbac: &'a Rbac<'a>,
        inventory: &'a Inventory,
        usage: Option<&'a Usage>,
    ) -> Self {
        let mut pods = BTreeMap::<(&str, &str), Vec<&Pod>>::new();
        for pod in &inventory.pods {
            pods.entry((&pod.id.namespace, &pod.account))
                .or_default()
                .push(pod);
        }
        let person = |account: &'a Account| {
            let (namespace, name) = (account.id.namespace.as_str(), account.id.name.as_str());
            let grants = rbac.grants_to(namespace, name);
            let grants: Vec<_> = grants.into_iter().filter(Grant::is_direct).collect();
            let pods = pods.get(&(namespace, name)).cloned().unwrap_or_default();
            let (usage, others) = of_account(account, usage);
            Person {
                built_in: is_built_in(account, &grants),
                account,
                grants,
                usage,
                others,
                pods,
            }
        };
        Self {
            people: inventory.accounts.iter().map(person).collect(),
            findings: by_account(usage),
            as_of: as_of(inventory, usage),
            inventory,
            rbac,
            usage,
        }
    }

    /// The account of that name.
    pub(super) fn person(&self, namespace: &str, name: &str) -> Option<&Person<'a>> {
        let at = self.people.binary_search_by(|person| {
            let id = &person.account.id;
            (id.namespace.as_str(), id.name.as_str()).cmp(&(namespace, name))
        });
        self.people.get(at.ok()?)
    }

    /// What detectors found of it in the log, the most severe first.
    pub(super) fn findings<'s>(&'s self, namespace: &'s str, name: &'s str) -> &'s [&'a Finding] {
        self.findings
            .get(&(namespace, name))
            .map_or(&[], Vec::as_slice)
    }

    /// What is to be said where something is missing from the dump.
    pub(super) fn lacks(&self, kinds: &[&str]) -> Option<String> {
        let missing: Vec<_> = kinds
            .iter()
            .filter(|kind| !self.inventory.has(kind))
            .copied()
            .collect();
        (!missing.is_empty()).then(|| format!("the dump has no {}", missing.join(" and no ")))
    }

    /// Whether tokens of this log name their pods: without, no pod can be joined.
    pub(super) fn knows_pods(&self) -> bool {
        self.usage.is_some_and(|usage| !usage.pods.is_empty())
    }
}

fn by_account(usage: Option<&Usage>) -> BTreeMap<(&str, &str), Vec<&Finding>> {
    let mut found = BTreeMap::<_, Vec<_>>::new();
    for finding in usage.into_iter().flat_map(|usage| &usage.findings) {
        let subject = &finding.subject;
        if let (SubjectKind::ServiceAccount, Some(namespace)) = (subject.kind, &subject.namespace) {
            let key = (namespace.as_str(), subject.name.as_str());
            found.entry(key).or_default().push(finding);
        }
    }
    found
}

/// The account's own part of what was done under its name. Requests that say no uid are its own: those of
/// impersonators, and all of them where the log keeps none.
fn of_account<'a>(
    account: &Account,
    usage: Option<&'a Usage>,
) -> (AccountUsage, Vec<(&'a str, &'a AccountUsage)>) {
    let nothing = AccountUsage {
        complete: true,
        ..AccountUsage::default()
    };
    let Some(usage) = usage else {
        return (nothing, Vec::new());
    };
    let id = &account.id;
    let (own, others): (Vec<_>, Vec<_>) = usage
        .of(&id.namespace, &id.name)
        .partition(|(uid, _)| uid.is_empty() || id.uid.is_empty() || *uid == id.uid);
    let own = own
        .into_iter()
        .fold(nothing, |sum, (_, usage)| sum.and(usage));
    (own, others)
}

/// One of kube-controller-manager's own accounts, which kube-apiserver gives a role of the same name
/// (kubernetes `plugin/pkg/auth/authorizer/rbac/bootstrappolicy/controller_policy.go`).
fn is_built_in(account: &Account, grants: &[Grant<'_>]) -> bool {
    let role = format!("system:controller:{}", account.id.name);
    account.id.namespace == "kube-system"
        && account.id.name != "default"
        && !grants.is_empty()
        && grants.iter().all(|grant| {
            grant.binding.bootstrapped
                && grant.binding.id.name == role
                && grant.binding.role.name == role
        })
}

fn as_of(inventory: &Inventory, usage: Option<&Usage>) -> Option<Timestamp> {
    let accounts = inventory.accounts.iter().map(|account| account.id.created);
    let pods = inventory.pods.iter().map(|pod| pod.id.created);
    let secrets = inventory.token_secrets.iter();
    let used = secrets
        .clone()
        .map(|secret| day(secret.last_used.as_deref()));
    let made = secrets.map(|secret| secret.id.created);
    let last = usage.and_then(|usage| usage.period).map(|(_, last)| last);
    accounts
        .chain(pods)
        .chain(used)
        .chain(made)
        .chain([last])
        .max()
        .flatten()
}

/// The start of a day as the labels of Secrets write it, `2006-01-02` in UTC.
pub(super) fn day(text: Option<&str>) -> Option<Timestamp> {
    Timestamp::parse(&format!("{}T00:00:00Z", text?))
}

/// Whole days between two times.
pub(super) fn days(from: Timestamp, to: Timestamp) -> i64 {
    (to.seconds() - from.seconds()) / 86_400
}
