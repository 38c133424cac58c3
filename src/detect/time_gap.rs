//! Silences in the log that its traffic does not explain.

use serde::{Deserialize, Serialize};

use crate::finding::{
    Attribute, Attributes, Finding, Remediation, Severity, Step, Subject, Timestamp,
};

use super::{
    About, Aspects, Context, Coverage, Detector, EvidenceSet, Gap, Interest, LogFacts, Series,
    draft::draft, request::Request,
};

about! {
    /// # What it finds
    ///
    /// Stretches in which the log is silent out of proportion to the traffic around them: at least a minute, and more
    /// than 20 times the usual pause (nine of ten pauses are no longer). A kube-apiserver with nodes and controllers
    /// writes every few seconds, day and night, so that a silence means that it was down, or that lines are missing.
    /// Time means when lines were written (`stageTimestamp`).
    ///
    /// All gaps are one finding about the log, and `count` is how many there are; of more than 20 the longest. The
    /// severity is that of the gravest:
    ///
    /// - the server started anew at its end: `low`. When it starts, kube-apiserver goes through all of its
    ///   built-in roles as `system:apiserver` (kubernetes `pkg/registry/rbac/rest/storage_rbac.go`, a hundred
    ///   requests in two seconds on a running 1.36 control plane); 20 of them within two minutes count as a start
    /// - nothing says that it started anew: `low`, from 5 minutes on `medium`, and from an hour on `high` if
    ///   the log shows requests of `system:apiserver` on roles at all, so that a start would have been seen
    ///
    /// # Why it matters
    ///
    /// What happened in a gap is in no finding. A rotated file that nobody collected, a full disk, a collector that
    /// stood still and a log that somebody deleted to hide something look the same: the server goes on, the lines are
    /// missing.
    ///
    /// # Known benign causes
    ///
    /// - The control plane was stopped, upgraded or restored (then it started anew).
    /// - Test clusters that sleep at night.
    /// - Files of different days or clusters in one run: scan them apart.
    ///
    /// Several kube-apiservers hide each other's gaps: where the files of all of them are read together, a silence is
    /// one of all. Scan the files of each server by themselves to see its gaps. The beginning and the end of the
    /// log are no gaps, and neither are a few events hours away from all others (`clock-skew` has those).
    ///
    /// # What to do
    ///
    /// Look for a rotated file that covers the time, then for a restart of the server, then for whoever was on the
    /// control-plane machine. `audit-events-lost` says whether the server itself counted lost events.
    ///
    /// # Attributes
    ///
    /// - `gaps`: each one with `from`, `to`, `seconds`, `expected_events` (the average of as long a time before
    ///   and after it) and `restarted` (whether the server started anew at its end)
    /// - `silent_seconds`: the sum of their lengths; `longest_seconds`: the longest one's
    /// - `restart_visible`: whether the log has requests of `system:apiserver` on roles
    /// - `resolution_seconds`: the width of the buckets by which gaps are found: 1, more in long logs
    ///
    /// # Example
    ///
    /// ```text
    /// medium  time-gap  audit log  1 gap
    ///   nothing from 04:25:51 to 04:41:02 (911 s, about 5,400 events expected); the server did not start anew
    /// ```
    "time-gap",
    "The log is silent where it should not be",
    [LOGS_DISABLED, INDICATOR_REMOVAL],
}

/// So soon after a gap a start of the server explains it.
const START_SECONDS: u64 = 120;
/// So many requests of `system:apiserver` on roles are a start; its watches alone make four in some minutes.
const START_REQUESTS: u64 = 20;

/// How long a silence has to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Limits {
    /// From so many seconds on a silence without a restart is medium: longer than a change of the leader, of
    /// etcd's or the controllers', takes.
    pub medium_seconds: u64,
    /// From so many seconds on it is high: a whole rotated file, or more.
    pub high_seconds: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            medium_seconds: 300,
            high_seconds: 3600,
        }
    }
}

/// Requests of `system:apiserver` on roles over time; the traffic itself is in [`LogFacts`].
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct TimeGap {
    own_requests: Series<12>,
}

impl Detector for TimeGap {
    const ABOUT: &'static About = &ABOUT;
    const INTEREST: Interest = Interest::all(Aspects::RBAC);

    fn observe(&mut self, event: &Request<'_>) {
        let on_roles = event
            .object
            .is_some_and(|object| object.group == "rbac.authorization.k8s.io");
        if on_roles && event.user.name == "system:apiserver" {
            self.own_requests.add(event.stage_time.or(event.received));
        }
    }

    fn merge(&mut self, other: Self) {
        self.own_requests.merge(other.own_requests);
    }

    fn finish(&self, context: &Context<'_>) -> Vec<Finding> {
        let gaps = context.log.gaps();
        let finding = (!gaps.is_empty()).then(|| self.finding(&gaps, context));
        finding.into_iter().collect()
    }

    fn coverage(&self, log: &LogFacts) -> Coverage {
        let short = !log.traffic.knows_its_pauses();
        Coverage {
            evaluated: log.requests,
            blind: short.then(|| {
                "the log is too short to know its usual pause: it has events in no more than 20 \
                 different seconds"
                    .to_owned()
            }),
        }
    }
}

impl TimeGap {
    fn finding(&self, gaps: &[Gap], context: &Context<'_>) -> Finding {
        let traffic = &context.log.traffic;
        let mut longest = gaps.to_vec();
        longest.sort_by_key(|gap| std::cmp::Reverse((gap.seconds, gap.from)));
        let mut evidence: Vec<_> = longest
            .iter()
            .take(3)
            .flat_map(|gap| traffic.evidence(gap, context))
            .collect();
        evidence.sort_unstable();
        let grave = |gap: &&Gap| (self.severity(gap, context), gap.seconds);
        let gravest = gaps.iter().max_by_key(grave).copied().unwrap_or(longest[0]);
        Finding {
            severity: self.severity(&gravest, context),
            count: gaps.len() as u64,
            first_seen: gaps.iter().map(|gap| gap.from).min(),
            last_seen: gaps.iter().map(|gap| gap.to).max(),
            summary: self.summary(gaps, &gravest, context),
            attributes: self.attributes(gaps, context),
            evidence,
            remediation: remediation(&gravest),
            ..draft(
                &ABOUT,
                Subject::audit_log(),
                &[],
                &EvidenceSet::default(),
                context,
            )
        }
    }

    /// Whether the server started anew at the end of `gap`.
    fn restarted(&self, gap: &Gap) -> bool {
        let end = shifted(gap.to, START_SECONDS.cast_signed());
        self.own_requests.count_overlapping(gap.to, end) >= START_REQUESTS
    }

    fn severity(&self, gap: &Gap, context: &Context<'_>) -> Severity {
        let limits = &context.settings.time_gap;
        match () {
            () if self.restarted(gap) => Severity::Low,
            () if gap.seconds >= limits.high_seconds && self.own_requests.total() > 0 => {
                Severity::High
            }
            () if gap.seconds >= limits.medium_seconds => Severity::Medium,
            () => Severity::Low,
        }
    }

    fn summary(&self, gaps: &[Gap], gravest: &Gap, context: &Context<'_>) -> String {
        let Gap { from, to, seconds } = gravest;
        let expected = expected(gravest, context);
        let others = match gaps.len() - 1 {
            0 => String::new(),
            1 => " (and one more gap)".to_owned(),
            n => format!(" (and {n} more gaps)"),
        };
        let why = if self.restarted(gravest) {
            "the server started anew after it: find out why it was down"
        } else {
            "nothing says that the server was down: look for missing files, and for whoever removed them"
        };
        format!(
            "the log is silent from {from} to {to}, {seconds} s in which some {expected} events were to be \
             expected{others}; {why}"
        )
    }

    fn attributes(&self, gaps: &[Gap], context: &Context<'_>) -> Attributes {
        let of = |gap: &Gap| {
            let fields: [(&str, Attribute); 5] = [
                ("from", gap.from.into()),
                ("to", gap.to.into()),
                ("seconds", gap.seconds.into()),
                ("expected_events", expected(gap, context).into()),
                ("restarted", self.restarted(gap).into()),
            ];
            Attribute::Map(fields.map(|(name, value)| (name.to_owned(), value)).into())
        };
        let seconds = || gaps.iter().map(|gap| gap.seconds);
        let fields: [(&str, Attribute); 5] = [
            ("gaps", Attribute::List(gaps.iter().map(of).collect())),
            ("silent_seconds", seconds().sum::<u64>().into()),
            ("longest_seconds", seconds().max().into()),
            ("restart_visible", (self.own_requests.total() > 0).into()),
            (
                "resolution_seconds",
                context.log.traffic.resolution().into(),
            ),
        ];
        fields.map(|(name, value)| (name.to_owned(), value)).into()
    }
}

/// How many events there are in as long a time before and after `gap`, on average.
fn expected(gap: &Gap, context: &Context<'_>) -> u64 {
    let length = gap.seconds.cast_signed();
    let traffic = &context.log.traffic;
    let before = traffic.count(shifted(gap.from, -length), gap.from);
    let after = traffic.count(gap.to, shifted(gap.to, length));
    u64::midpoint(before, after)
}

fn shifted(time: Timestamp, seconds: i64) -> Timestamp {
    let micros = seconds.saturating_mul(1_000_000);
    Timestamp::from_micros(time.micros().saturating_add(micros))
}

fn remediation(gap: &Gap) -> Remediation {
    let Gap { from, to, .. } = gap;
    let step = |text: &str, command: String| Step {
        text: text.to_owned(),
        command: Some(command),
    };
    Remediation {
        summary: "find the lines that are missing, or the reason why none were written".to_owned(),
        steps: vec![
            step(
                "look for a rotated file that covers the time, on every control-plane machine (the path is that \
                 of --audit-log-path; the stamp in a rotated file's name is its end, in UTC)",
                "ls -l --time-style=full-iso /var/log/kubernetes/audit/".to_owned(),
            ),
            step(
                "see whether kube-apiserver or its machine stopped at that time",
                format!("journalctl --utc --since '{}' --until '{}' --unit kubelet", clock(*from), clock(*to)),
            ),
            step(
                "see how often its containers were restarted, and when",
                "kubectl get pods --namespace kube-system --selector component=kube-apiserver --output wide"
                    .to_owned(),
            ),
            step(
                "see whether the disk was full, or the server lost events (apiserver_audit_error_total)",
                "kubectl get --raw /metrics | grep '^apiserver_audit_'".to_owned(),
            ),
        ],
    }
}

/// `2026-11-22 04:25:51`, as journalctl reads it.
fn clock(time: Timestamp) -> String {
    let text = time.to_string();
    text.get(..19).unwrap_or_default().replace('T', " ")
}
