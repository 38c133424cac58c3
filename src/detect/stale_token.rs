//! Auto-mounted tokens that a client goes on using instead of reading the new ones.

mod words;

use serde::{Deserialize, Serialize};

use crate::{
    event::Text,
    finding::{Finding, Timestamp},
};

use super::{
    About, Aspects, Context, Coverage, Detector, Interest, LogFacts, Merge, PerAccount,
    activity::Activity,
    caller::SHOWN,
    keyed::{self, Keyed},
    request::Request,
};
use words::finding;

about! {
    /// # What it finds
    ///
    /// Requests with an auto-mounted token that is older than an hour: the kubelet has long put a new one into
    /// the pod, and the client still sends the old one. kube-apiserver marks them with the audit annotation
    /// `authentication.k8s.io/stale-token` (Kubernetes 1.19 on, `pkg/serviceaccount/claims.go`), and repeats it
    /// on requests that its token cache answers: the count is that of all requests. One finding for each
    /// account.
    ///
    /// The severity is `low`: the token works, for a year by default (EKS: 90 days). It is `medium` where the
    /// greatest age leaves no more than `warn-days` (30) of the token's life. The life is a setting
    /// (`[thresholds.stale-token] lifetime-days`, 365), since the log does not say it: put 90 there on EKS.
    ///
    /// # Why it matters
    ///
    /// A pod's token is asked for an hour (3607 s), and kube-apiserver gives it a year instead, so that clients
    /// which read the file only once go on working (KEP-1205). They stop when the year is over, all of a
    /// sudden, in pods that were never restarted. And as long as one such client is left,
    /// `--service-account-extend-token-expiration` has to stay on, so that a stolen token of any pod is good
    /// for a year. `blocks_switching_off_extension` says so for each account.
    ///
    /// A log without this finding is good news about the accounts that it has requests of: a stale token shows
    /// an hour after its pod has started, so that a log of a day or more, with all nodes' pods older than an
    /// hour, names every client that would break.
    ///
    /// # Known benign causes
    ///
    /// - Programs that run for long and talk to the API server rarely are as stale as the others: none of it is
    ///   an attack.
    /// - kubelets, controllers of the control plane and tokens that were asked for with `kubectl create token`
    ///   never are stale.
    ///
    /// # What to do
    ///
    /// Update the client library, or let the program read the file anew at least once a minute. `libraries`
    /// says what the user agent gives away. Documented versions that do it by themselves are Go 0.15.7, Python
    /// 12.0.0, Java 9.0.0, JavaScript 0.10.3, Haskell 0.3.0.0 (KEP-1205) and C# 7.0.5 (EKS user guide).
    /// Restarting the pods buys time. When the log of some days has no such finding any more, kube-apiserver
    /// can run with `--service-account-extend-token-expiration=false`.
    ///
    /// # Attributes
    ///
    /// - `seconds_past_warning`: the greatest age of a token, in seconds after the hour in which it should have
    ///   been read anew; `seconds_past_warning_latest`: that of its last request; null if unreadable
    /// - `expires_in_seconds`: what is left of the life of the oldest token, by the setting `lifetime-days`
    /// - `unreadable_ages`: requests whose annotation has no age in it
    /// - `holders`: the pods that hold such tokens, the oldest first: `pod`, `node`, `requests`,
    ///   `seconds_past_warning`, `last_seen`
    /// - `libraries`: for each user agent the `library`, its `version` and `rereads_since` which version it
    ///   re-reads the token, each null where it is not known; `rereads`: whether this version does
    /// - `blocks_switching_off_extension`: true: this account breaks when the extension is switched off
    /// - `did`, `requests`, `codes`, `namespaces`, `addresses`, `user_agents`, `pods`, `nodes`,
    ///   `credential_ids`, `impersonated`, `distinct_addresses`, `distinct_user_agents`, `allowed_as`,
    ///   `not_allow_listed`: as for `default-serviceaccount`
    ///
    /// # Example
    ///
    /// ```text
    /// low  stale-token  ops/backup  150 requests
    ///   seconds_past_warning: 82793    holders: backup-fb4t6 on n1    libraries: restic-k8s/0.16: unknown
    /// ```
    "stale-token",
    "A client does not read its new token",
    [],
}

/// What the kubelet asks for, and the server warns after: 60*60+7 (kubernetes
/// `pkg/serviceaccount/claims.go`, `WarnOnlyBoundTokenExpirationSeconds`).
const WARNED_AFTER: u64 = 3607;
const DAY: u64 = 86_400;
pub(super) const ANNOTATION: &str = "authentication.k8s.io/stale-token";

/// How long stale tokens live, and when their end is near.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Limits {
    /// Days that an auto-mounted token lives. 365 as Kubernetes extends it (`pkg/serviceaccount/claims.go`,
    /// `ExpirationExtensionSeconds`); 90 on EKS (EKS user guide, service accounts).
    pub lifetime_days: u32,
    /// With how many days left the end is near: a month, in which most releases come round.
    pub warn_days: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            lifetime_days: 365,
            warn_days: 30,
        }
    }
}

/// Stale tokens in use, by user name.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct StaleToken {
    accounts: PerAccount<Stale>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Stale {
    activity: Activity,
    ages: Ages,
    unreadable: u64,
    /// By `<pod>\t<node>`.
    holders: Keyed<Holder>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Holder {
    requests: u64,
    ages: Ages,
    last: Option<Timestamp>,
}

/// Seconds past the warning.
#[derive(Debug, Default, Clone, Copy, Serialize, Deserialize)]
struct Ages {
    greatest: Option<u64>,
    latest: Option<(Option<Timestamp>, u64)>,
}

impl Detector for StaleToken {
    const ABOUT: &'static About = &ABOUT;
    const INTEREST: Interest = Interest::all(Aspects::ACCOUNT.and(Aspects::TOKEN_MARK));

    fn observe(&mut self, event: &Request<'_>) {
        if event.service_account().is_none() || !event.notes.stale {
            return;
        }
        if let Some(note) = event.annotation(ANNOTATION) {
            self.accounts
                .note_user(event, |stale| stale.add(note, event));
        }
    }

    fn merge(&mut self, other: Self) {
        self.accounts.merge(other.accounts);
    }

    fn finish(&self, context: &Context<'_>) -> Vec<Finding> {
        let accounts = self.accounts.accounts();
        accounts
            .map(|(account, stale)| finding(account, stale, context))
            .collect()
    }

    fn coverage(&self, log: &LogFacts) -> Coverage {
        Coverage {
            evaluated: log.service_account_requests,
            blind: log
                .blind_to_accounts()
                .or_else(|| log.blind_to_annotations()),
        }
    }
}

/// The age that `subject: NAME, seconds after warning threshold: N` ends with. A number too large for 64 bits
/// is as large as can be.
fn age(note: &str) -> Option<u64> {
    let (_, rest) = note.rsplit_once("threshold:")?;
    let digits = rest.trim().trim_end_matches('.');
    let number = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    number.then(|| digits.parse().unwrap_or(u64::MAX))
}

impl Stale {
    fn add(&mut self, note: Text<'_>, event: &Request<'_>) {
        self.activity.add(event.deed(), event);
        let age = age(&note.read());
        let time = event.time();
        self.ages.add(age, time);
        self.unreadable += u64::from(age.is_none());
        let credential = event.credential();
        let pod = credential.pod.unwrap_or_default().read();
        let node = credential.node.unwrap_or_default().read();
        let name = || format!("{pod}\t{node}");
        if let Some(holder) = self.holders.slot(keyed::hash(0, &[&pod, &node]), name) {
            holder.requests += 1;
            holder.ages.add(age, time);
            holder.last = holder.last.max(time);
        }
    }

    /// The pods, the one with the oldest token first.
    fn holders(&self) -> Vec<(&str, &str, &Holder)> {
        let split = |(name, holder)| -> (&str, &str, &Holder) {
            let name: &str = name;
            let (pod, node) = name.split_once('\t').unwrap_or((name, ""));
            (pod, node, holder)
        };
        let mut holders: Vec<_> = self.holders.sorted().into_iter().map(split).collect();
        holders.sort_by_key(|(_, _, holder)| std::cmp::Reverse(holder.ages.greatest));
        holders.truncate(SHOWN);
        holders
    }
}

impl Ages {
    fn add(&mut self, age: Option<u64>, time: Option<Timestamp>) {
        self.greatest = self.greatest.max(age);
        self.latest = self.latest.max(age.map(|age| (time, age)));
    }
}

impl Merge for Ages {
    fn merge(&mut self, other: Self) {
        self.greatest = self.greatest.max(other.greatest);
        self.latest = self.latest.max(other.latest);
    }
}

impl Merge for Holder {
    fn merge(&mut self, other: Self) {
        self.requests += other.requests;
        self.ages.merge(other.ages);
        self.last = self.last.max(other.last);
    }
}

impl Merge for Stale {
    fn merge(&mut self, other: Self) {
        self.activity.merge(other.activity);
        self.ages.merge(other.ages);
        self.unreadable += other.unreadable;
        self.holders.merge(other.holders);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_age_and_nothing_else() {
        let note = |n: &str| {
            format!(
                "subject: system:serviceaccount:ops:backup, seconds after warning threshold: {n}"
            )
        };
        assert_eq!(age(&note("82793")), Some(82_793));
        assert_eq!(age(&note("4185802.")), Some(4_185_802));
        assert_eq!(age(&note("99999999999999999999999999")), Some(u64::MAX));
        for odd in ["-5", "", "1e9", "12 34", "0x10", "١٢"] {
            assert_eq!(age(&note(odd)), None, "{odd}");
        }
        assert_eq!(age("true"), None);
    }
}
