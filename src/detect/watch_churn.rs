//! Watches that do not last, and lists that read everything again and again.

use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};

use crate::{
    event::{ServiceAccount, Stage},
    finding::{Attribute, Attributes, Finding, Remediation, Step, Subject},
};

use super::{
    About, Aspects, Context, Coverage, Detector, EvidenceSet, Interest, LogFacts, Merge,
    PerAccount, Tally,
    caller::{Callers, SHOWN},
    churning::{Fast, Stream},
    deed,
    draft::draft,
    keyed::{self, Keyed},
    request::Request,
    shell::quote,
    watching::{Ending, Lasting, lists_all},
};

about! {
    /// # What it finds
    ///
    /// ServiceAccounts one of whose pods (an address, where the token names no pod), over 10 minutes (eight of which
    /// have some) and for one resource,
    ///
    /// - opens 20 watches or more that end within two minutes: client-go asks for 5 to 10 minutes (client-go
    ///   `tools/cache/reflector.go`)
    /// - or lists everything 60 times or more: without resourceVersion, limit and continue, which kube-apiserver
    ///   answers from etcd, or, from 1.31 on, from a cache that first asks etcd how recent it must be (KEP-2340)
    ///
    /// The severity is `low`, and `medium` from ten times these rates on. It is judged pod by pod: a hundred replicas that
    /// each list once are quiet. How long a watch lasted is told by its closing event
    /// (`stageTimestamp` less `requestReceivedTimestamp`). Watches that stream the list as their first events
    /// (`sendInitialEvents=true`) are watches and no lists.
    ///
    /// # Why it matters
    ///
    /// A watch is cheap while it lasts; opening one is not, and after it broke most clients list everything anew. A
    /// thousand objects, listed every second by ten pods, are what API servers die of.
    ///
    /// # Known benign causes
    ///
    /// - A controller that starts: one list and one watch of each resource.
    /// - `kubectl get --watch`, and `kubectl wait` in scripts: short watches, but few.
    /// - Rollouts and restarts, in which all watches end at once.
    ///
    /// # What to do
    ///
    /// `endings` says why: `asked` is a client that wants short watches (`timeout_seconds`); `expired` (410 Gone) is one
    /// that goes on from a version that is too old, most often because it is too slow; for the rest look
    /// for a proxy or load balancer between them whose idle timeout is too short, or for a client that crashes. Full
    /// lists: use an informer (list once, then watch), or at least `resourceVersion=0`.
    ///
    /// # Attributes
    ///
    /// - `churn`: what was too fast, the fastest first, each with `request`, `by` (pod or address), `short_watches`
    ///   or `full_lists` (in the whole log), and `window` (the fastest ten minutes, longer in very long logs: `from`,
    ///   `to`, `count`, `per_minute`)
    /// - `watches_lasted`: the watches of the account by how long they lasted; `still_open`: those that the log does
    ///   not see the end of
    /// - `endings`: its short watches by why they ended: `asked`, `expired`, `cut` (somebody closed them early)
    /// - `timeout_seconds`: what its short watches asked for, `none` if nothing
    /// - `full_lists`: its full lists by resource
    /// - `addresses`, `user_agents`, `pods`, `nodes`, `credential_ids`, `impersonated`: where short watches and
    ///   full lists came from, each with `requests`, `first_seen` and `last_seen`
    /// - `distinct_addresses`, `distinct_user_agents`: how many different ones there are
    ///
    /// Up to 64 pairs of resource and pod of an account are told apart; of more, those 64 are a sample.
    ///
    /// # Example
    ///
    /// ```text
    /// low  watch-churn  shop/watcher  150 requests
    ///   watch secrets by watcher-6465b5c7dc-mt84w: 40 in 10 min    endings: asked 150    timeout_seconds: 15
    /// ```
    "watch-churn",
    "Watches do not last, or lists read everything",
    [DENIAL_OF_SERVICE],
}

/// When watches and lists are too many.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Limits {
    /// So many short watches of one resource in 10 minutes by one pod: one in 30 seconds, while client-go opens
    /// one or two.
    pub short_watches: NonZeroU32,
    /// So many full lists of one resource in 10 minutes by one pod: one in 10 seconds.
    pub full_lists: NonZeroU32,
    /// How many times these rates are medium.
    pub medium_factor: NonZeroU32,
}

impl Default for Limits {
    fn default() -> Self {
        let number = |n| NonZeroU32::new(n).unwrap_or(NonZeroU32::MIN);
        Self {
            short_watches: number(20),
            full_lists: number(60),
            medium_factor: number(10),
        }
    }
}

/// Lists and watches, by user name.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct WatchChurn {
    accounts: PerAccount<Reads>,
}

/// One account's lists and watches.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Reads {
    /// By how long they lasted.
    lasted: [u64; Lasting::ALL.len()],
    still_open: u64,
    /// Short watches and full lists; only accounts that have some pay for it.
    churn: Option<Box<Churn>>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Churn {
    /// By request and pod.
    streams: Keyed<Stream>,
    endings: [u64; Ending::ALL.len()],
    timeouts: Tally,
    full_lists: Tally,
    callers: Callers,
}

impl Detector for WatchChurn {
    const ABOUT: &'static About = &ABOUT;
    const INTEREST: Interest = Interest::all(Aspects::ACCOUNT.and(Aspects::LISTING));

    fn observe(&mut self, event: &Request<'_>) {
        let lists = event.object.is_some() && (event.verb == "list" || event.verb == "watch");
        // 410 Gone is what a watch from too old a version gets.
        let counts = event.succeeded() || event.code == Some(410);
        if lists && counts && event.service_account().is_some() {
            self.accounts.note_user(event, |reads| reads.add(event));
        }
    }

    fn merge(&mut self, other: Self) {
        self.accounts.merge(other.accounts);
    }

    fn finish(&self, context: &Context<'_>) -> Vec<Finding> {
        let accounts = self.accounts.sorted().into_iter();
        accounts
            .filter_map(|(user, reads)| {
                let account = ServiceAccount::from_user_name(user)?;
                let churn = reads.churn.as_deref()?;
                let fast = churn.fast(&context.settings.watch_churn);
                (!fast.is_empty()).then(|| finding(account, reads, churn, &fast, context))
            })
            .collect()
    }

    fn coverage(&self, log: &LogFacts) -> Coverage {
        let unread = || {
            (log.reads == 0).then(|| {
                "the log has no get, list or watch at all: its policy (or category, as AKS \
                 kube-audit-admin) leaves reads out"
                    .to_owned()
            })
        };
        let unfinished = || {
            log.stages.get(Stage::ResponseComplete).is_none().then(|| {
                "the log has no ResponseComplete, which says how long a watch lasted".to_owned()
            })
        };
        let unplaced = || {
            (!log.addressed).then(|| {
                "no event of the log says which address it came from: of tokens that name no pod, one client cannot be \
                 told from another"
                    .to_owned()
            })
        };
        Coverage {
            evaluated: log.service_account_requests,
            blind: log
                .blind_to_accounts()
                .or_else(unread)
                .or_else(unfinished)
                .or_else(unplaced),
        }
    }
}

impl Reads {
    fn add(&mut self, event: &Request<'_>) {
        if event.verb == "watch" {
            let Some(lasted) = Lasting::of(event) else {
                self.still_open += 1;
                return;
            };
            self.lasted[lasted as usize] += 1;
            if lasted.is_short() {
                self.churn.get_or_insert_default().add_watch(event);
            }
        } else if lists_all(event) {
            self.churn.get_or_insert_default().add_list(event);
        }
    }
}

impl Churn {
    fn add_watch(&mut self, event: &Request<'_>) {
        let asked = deed::parameter(event.uri(), "timeoutSeconds");
        self.endings[Ending::of(event, asked) as usize] += 1;
        self.timeouts.add(asked.unwrap_or("none"), event);
        self.add(event);
    }

    fn add_list(&mut self, event: &Request<'_>) {
        self.full_lists.add_name(&event.kind.words, event.time());
        self.add(event);
    }

    fn add(&mut self, event: &Request<'_>) {
        self.callers.add(event);
        let pod = event.credential().pod;
        // Watches of nobody in particular are not one client's.
        let Some(by) = pod.or_else(|| event.peer()) else {
            return;
        };
        let by = by.read();
        let hash = keyed::hash(event.kind.hash, &[&by]);
        let name = || format!("{}\0{by}", event.words());
        if let Some(stream) = self.streams.slot(hash, name) {
            stream.times.add(event.time());
            stream.evidence.add(event);
        }
    }

    fn fast(&self, limits: &Limits) -> Vec<Fast<'_>> {
        let streams = self.streams.sorted().into_iter();
        let mut fast: Vec<Fast<'_>> = streams
            .filter_map(|(name, stream)| Fast::find(name, stream, limits))
            .collect();
        fast.sort_by_key(|fast| std::cmp::Reverse((fast.severity, fast.window.count)));
        fast
    }
}

fn finding(
    account: ServiceAccount<'_>,
    reads: &Reads,
    churn: &Churn,
    fast: &[Fast<'_>],
    context: &Context<'_>,
) -> Finding {
    let subject = Subject::service_account(account.namespace, account.name);
    let mut evidence = EvidenceSet::default();
    for fast in fast {
        evidence.merge(fast.stream.evidence.clone());
    }
    Finding {
        severity: fast[0].severity,
        summary: summary(&subject, churn, fast),
        attributes: attributes(reads, churn, fast),
        involves: churn.callers.involved(),
        remediation: remediation(account, fast),
        ..draft(&ABOUT, subject, &[], &evidence, context)
    }
}

fn attributes(reads: &Reads, churn: &Churn, fast: &[Fast<'_>]) -> Attributes {
    let shown = fast.iter().take(SHOWN).map(Fast::attribute);
    let lasted = Lasting::ALL.iter().zip(reads.lasted);
    let endings = Ending::ALL.iter().zip(churn.endings);
    let fields: [(&str, Attribute); 6] = [
        ("churn", Attribute::List(shown.collect())),
        (
            "watches_lasted",
            counts(lasted.map(|(lasting, n)| (lasting.as_str(), n))),
        ),
        ("still_open", reads.still_open.into()),
        (
            "endings",
            counts(endings.map(|(ending, n)| (ending.as_str(), n))),
        ),
        ("timeout_seconds", churn.timeouts.attribute(SHOWN)),
        ("full_lists", churn.full_lists.attribute(SHOWN)),
    ];
    let mut attributes: Attributes = fields.map(|(name, value)| (name.to_owned(), value)).into();
    churn.callers.write(&mut attributes);
    attributes
}

fn counts<'a>(counts: impl Iterator<Item = (&'a str, u64)>) -> Attribute {
    let some = counts.filter(|&(_, n)| n > 0);
    Attribute::Map(some.map(|(name, n)| (name.to_owned(), n.into())).collect())
}

fn summary(subject: &Subject, churn: &Churn, fast: &[Fast<'_>]) -> String {
    let worst = &fast[0];
    let (count, minutes) = (worst.window.count, worst.window.seconds / 60);
    let resource = worst.request.split_once(' ').map_or("", |(_, r)| r);
    let others = match fast.len() - 1 {
        0 => String::new(),
        n => format!(" (and {n} more such)"),
    };
    let most = Ending::ALL.iter().zip(churn.endings).max_by_key(|e| e.1);
    let (what, advice) = if worst.is_watch() {
        let advice = most.map_or("", |(ending, _)| ending.advice());
        (
            format!("opened {count} short watches of {resource}"),
            advice,
        )
    } else {
        (
            format!("listed all {resource} {count} times"),
            "use an informer, or at least resourceVersion=0",
        )
    };
    format!(
        "{subject} {what} in {minutes} min from {}{others}; {advice}",
        worst.by
    )
}

fn remediation(account: ServiceAccount<'_>, fast: &[Fast<'_>]) -> Remediation {
    let (namespace, name) = (quote(account.namespace), quote(account.name));
    let step = |text: &str, command: Option<String>| Step {
        text: text.to_owned(),
        command,
    };
    let mut steps = vec![step(
        "find the pods that run as the account, and read their logs",
        Some(format!(
            "kubectl get pods --namespace {namespace} --field-selector spec.serviceAccountName={name} --output wide"
        )),
    )];
    if fast.iter().any(Fast::is_watch) {
        steps.push(step(
            "see whether a watch from elsewhere lasts longer than theirs: if it does, look for what stands between \
             them and the API server",
            Some("time kubectl get --raw '/api/v1/namespaces?watch=true&timeoutSeconds=300' >/dev/null".to_owned()),
        ));
    }
    if fast.iter().any(|fast| !fast.is_watch()) {
        steps.push(step(
            "replace the lists by an informer (list once, then watch); where that cannot be, ask for \
             resourceVersion=0, which is answered from the cache",
            None,
        ));
    }
    Remediation {
        summary: "let watches last, and list once".to_owned(),
        steps,
    }
}

impl Merge for Reads {
    fn merge(&mut self, other: Self) {
        for (ours, theirs) in self.lasted.iter_mut().zip(other.lasted) {
            *ours += theirs;
        }
        self.still_open += other.still_open;
        match (&mut self.churn, other.churn) {
            (Some(ours), Some(theirs)) => ours.merge(*theirs),
            (ours @ None, theirs) => *ours = theirs,
            (Some(_), None) => {}
        }
    }
}

impl Merge for Churn {
    fn merge(&mut self, other: Self) {
        self.streams.merge(other.streams);
        for (ours, theirs) in self.endings.iter_mut().zip(other.endings) {
            *ours += theirs;
        }
        self.timeouts.merge(other.timeouts);
        self.full_lists.merge(other.full_lists);
        self.callers.merge(other.callers);
    }
}
