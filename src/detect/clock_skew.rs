//! Clocks that were set, or that disagree: times that cannot be.

use serde::{Deserialize, Serialize};

use crate::{
    event::Standing,
    finding::{Attribute, Attributes, Evidence, Finding, Remediation, Severity, Step, Subject},
};

use super::{
    About, Context, Coverage, Detector, EvidenceSet, Interest, LogFacts, draft::draft,
    request::Request, traffic::Strays,
};

about! {
    /// # What it finds
    ///
    /// Times in the log that cannot be right, all in one finding about the log:
    ///
    /// - `set_back`: a stage was reached a tenth of a second or more before its request arrived. Both times
    ///   come from one server, so that its clock was set back in between
    /// - `set_forward`: a request that is neither a watch nor another long-running one took an hour or more;
    ///   kube-apiserver ends them after a minute (`--request-timeout`), so that the clock was set forward
    /// - `strays`: a few events (up to 10, or one in 10,000) at the beginning or the end of the log, more than
    ///   an hour apart from all others: a server whose clock is off, or lines of another log
    ///
    /// The severity is `low`, and `medium` where a clock was set by 5 minutes or more.
    ///
    /// # Why it matters
    ///
    /// satrail puts events in order by these times, and so does everybody who reads the log beside others. With two
    /// servers whose clocks differ, a token seems to be used before it was made and a pod's token after the pod was
    /// deleted; rates are counted in the wrong seconds; an event can fall out of `--since` and `--until`, or
    /// appear to lie in a maintenance window. Detectors that count (who, what, how often) are not affected;
    /// those that ask what came first are, by as much as the clocks differ.
    ///
    /// # Known benign causes
    ///
    /// - A virtual machine that was suspended or moved, and whose clock was set afterwards.
    /// - The first minutes of a machine, before its clock is synchronised.
    /// - A few lines of another day's file.
    ///
    /// Lines that stand out of order are normal and not looked at: the log is written when a stage is reached, by many
    /// requests at once. Two servers whose clocks differ by less than the traffic shows cannot be told from their
    /// events, since nothing in an event names its server.
    ///
    /// # What to do
    ///
    /// Look at the time synchronisation of each control-plane machine. Then read the findings that rest on an order of
    /// events again.
    ///
    /// # Attributes
    ///
    /// - `set_back`, `set_forward`: how many events; `worst_set_back_seconds`, `worst_set_forward_seconds`: by
    ///   how much at most, null if none
    /// - `strays`: groups of events apart from all others, each with `events`, `from` and `to` (of the silence between
    ///   them), and `later` (whether they come after it)
    ///
    /// # Example
    ///
    /// ```text
    /// medium  clock-skew  audit log  3 events
    ///   the clock of a kube-apiserver was set back by 361.4 s while it answered 3 requests
    /// ```
    "clock-skew",
    "Clocks were set, or disagree",
    [],
}

/// Below this, in microseconds, it is how finely a clock is adjusted.
const SET_BACK: i64 = -100_000;
/// In microseconds: an hour. `--request-timeout` is a minute by default.
const SET_FORWARD: i64 = 3_600_000_000;
/// In microseconds: so much is medium. Five minutes are what Kerberos and many logins let pass.
const MUCH: u64 = 300_000_000;

/// Events whose two times cannot both be right.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct ClockSkew {
    set_back: Impossible,
    set_forward: Impossible,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Impossible {
    evidence: EvidenceSet,
    /// In microseconds.
    worst: u64,
}

impl Detector for ClockSkew {
    const ABOUT: &'static About = &ABOUT;
    const INTEREST: Interest = Interest::EVERYTHING;

    fn observe(&mut self, event: &Request<'_>) {
        let Some(duration) = event.duration() else {
            return;
        };
        if duration <= SET_BACK {
            self.set_back.add(duration, event);
        } else if duration >= SET_FORWARD
            && event.standing() == Standing::Counts
            // A connection that was taken over, such as an aggregated API's console.
            && event.code != Some(101)
        {
            self.set_forward.add(duration, event);
        }
    }

    fn merge(&mut self, other: Self) {
        self.set_back.merge(other.set_back);
        self.set_forward.merge(other.set_forward);
    }

    fn finish(&self, context: &Context<'_>) -> Vec<Finding> {
        let strays = context.log.strays();
        let impossible = self.set_back.count() + self.set_forward.count();
        let found = impossible > 0 || !strays.is_empty();
        let finding = found.then(|| self.finding(&strays, context));
        finding.into_iter().collect()
    }

    fn coverage(&self, log: &LogFacts) -> Coverage {
        let timeless = log.traffic.total() == 0;
        Coverage {
            evaluated: log.requests,
            blind: timeless.then(|| "no event of the log carries a time".to_owned()),
        }
    }
}

impl Impossible {
    fn add(&mut self, duration: i64, event: &Request<'_>) {
        self.evidence.add(event);
        self.worst = self.worst.max(duration.unsigned_abs());
    }

    fn merge(&mut self, other: Self) {
        self.evidence.merge(other.evidence);
        self.worst = self.worst.max(other.worst);
    }

    const fn count(&self) -> u64 {
        self.evidence.count()
    }

    fn worst_seconds(&self) -> Option<Attribute> {
        (self.count() > 0).then(|| Attribute::rate(self.worst as f64 / 1e6))
    }
}

impl ClockSkew {
    fn finding(&self, strays: &[Strays], context: &Context<'_>) -> Finding {
        let mut both = self.set_back.evidence.clone();
        both.merge(self.set_forward.evidence.clone());
        let stray_events: u64 = strays.iter().map(|strays| strays.events).sum();
        let draft = draft(&ABOUT, Subject::audit_log(), &[], &both, context);
        let edges = strays
            .iter()
            .flat_map(|strays| context.log.traffic.evidence(&strays.gap, context));
        let mut evidence: Vec<Evidence> = draft.evidence.iter().cloned().chain(edges).collect();
        evidence.sort_unstable();
        let times = || evidence.iter().filter_map(|evidence| evidence.time);
        let (first_seen, last_seen) = (
            draft.first_seen.into_iter().chain(times()).min(),
            draft.last_seen.into_iter().chain(times()).max(),
        );
        let worst = self.set_back.worst.max(self.set_forward.worst);
        Finding {
            severity: if worst >= MUCH {
                Severity::Medium
            } else {
                Severity::Low
            },
            count: both.count() + stray_events,
            first_seen,
            last_seen,
            summary: self.summary(strays),
            attributes: self.attributes(strays),
            evidence,
            remediation: remediation(),
            ..draft
        }
    }

    fn summary(&self, strays: &[Strays]) -> String {
        let mut parts = Vec::new();
        for (impossible, how) in [(&self.set_back, "back"), (&self.set_forward, "forward")] {
            if impossible.count() > 0 {
                parts.push(format!(
                    "the clock of a kube-apiserver was set {how} by {:.1} s while it answered {} requests",
                    impossible.worst as f64 / 1e6,
                    impossible.count()
                ));
            }
        }
        for strays in strays {
            let side = if strays.later { "later" } else { "earlier" };
            parts.push(format!(
                "{} events are {:.1} h {side} than all others",
                strays.events,
                strays.gap.seconds as f64 / 3600.0
            ));
        }
        format!(
            "{}; mend the clocks, and take findings that rest on an order of events with care",
            parts.join(", ")
        )
    }

    fn attributes(&self, strays: &[Strays]) -> Attributes {
        let of = |strays: &Strays| {
            let fields: [(&str, Attribute); 4] = [
                ("events", strays.events.into()),
                ("from", strays.gap.from.into()),
                ("to", strays.gap.to.into()),
                ("later", strays.later.into()),
            ];
            Attribute::Map(fields.map(|(name, value)| (name.to_owned(), value)).into())
        };
        let fields: [(&str, Attribute); 5] = [
            ("set_back", self.set_back.count().into()),
            ("set_forward", self.set_forward.count().into()),
            (
                "worst_set_back_seconds",
                self.set_back.worst_seconds().into(),
            ),
            (
                "worst_set_forward_seconds",
                self.set_forward.worst_seconds().into(),
            ),
            ("strays", Attribute::List(strays.iter().map(of).collect())),
        ];
        fields.map(|(name, value)| (name.to_owned(), value)).into()
    }
}

fn remediation() -> Remediation {
    let step = |text: &str, command: &str| Step {
        text: text.to_owned(),
        command: Some(command.to_owned()),
    };
    Remediation {
        summary: "synchronise the clocks of the control-plane machines".to_owned(),
        steps: vec![
            step(
                "list the control-plane machines",
                "kubectl get nodes --selector node-role.kubernetes.io/control-plane --output wide",
            ),
            step(
                "on each of them: is its clock synchronised, and with whom",
                "timedatectl status; chronyc tracking",
            ),
            step(
                "and was it set lately",
                "journalctl --utc --unit chronyd --unit systemd-timesyncd --since '-7 days'",
            ),
        ],
    }
}
