//! One account's requests over time, and what a window of them is made of.

use serde::{Deserialize, Serialize};

use crate::finding::{Attribute, Attributes, Evidence, Timestamp};

use super::{
    Context, Merge, Peak, Presence, Run, Series, Tally,
    caller::SHOWN,
    episode::Episode,
    keyed::Keyed,
    request::Request,
    samples::{SampleKind, Samples},
    tally::earliest,
};

/// How many requests are shown as evidence.
const EVIDENCE: usize = 6;

/// One account's requests over time.
///
/// 768 blocks of 60 buckets are single seconds for half a day of constant activity, at 62 KB at most (245 KB where every minute has a
/// second of more than 255);
/// the parts get 12 blocks, which is 12 minutes of single seconds and two hours of tens.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Load {
    pub(super) requests: Series<768>,
    pub(super) first: Option<Timestamp>,
    pub(super) last: Option<Timestamp>,
    /// By verb, resource and HTTP status.
    combinations: Keyed<Series<12>>,
    user_agents: Keyed<Series<12>>,
    addresses: Tally,
    pods: Tally,
    impersonated: Tally,
    pub(super) samples: Samples,
}

/// What a window is made of.
#[derive(Debug)]
pub(super) struct Composition {
    from: Timestamp,
    to: Timestamp,
    requests: u64,
    /// By verb, resource and HTTP status, the most frequent first.
    pub(super) top: Vec<(String, u64)>,
    /// The most frequent first.
    pub(super) user_agents: Vec<(String, u64)>,
    /// How many of the requests drawn from the window there are of each kind.
    reads_one: usize,
    lists_all: usize,
    drawn: usize,
    /// The object that most of the drawn requests name, and how many do.
    object: Option<(String, usize)>,
}

impl Load {
    /// Takes note of one request.
    pub(super) fn add(&mut self, event: &Request<'_>) {
        let time = event.time();
        self.requests.add(time);
        self.first = earliest(self.first, time);
        self.last = self.last.max(time);
        let name = || event.kind.words_with_code.text.to_string();
        if let Some(series) = self.combinations.slot(event.kind.hash_with_code, name) {
            series.add(time);
        }
        let caller = event.caller;
        let name = || caller.agent.to_string();
        if let Some(series) = self.user_agents.slot(caller.agent_hash, name) {
            series.add(time);
        }
        if let Some(address) = caller.address.as_deref() {
            self.addresses.add_known(caller.address_hash, address, time);
        }
        if let Some(pod) = caller.pod.as_deref() {
            self.pods.add_known(caller.pod_hash, pod, time);
        }
        if let Some(user) = event.impersonated_user {
            self.impersonated.add(&user.name.read(), event);
        }
        self.samples.add(event);
    }

    /// Takes note of the requests of `presence`, but for those that are drawn and for what each of them asked.
    pub(super) fn add_presence(&mut self, presence: &Presence) {
        let (caller, batch) = (&presence.caller, &presence.batch);
        self.requests.add_batch(batch);
        self.first = earliest(self.first, Some(batch.first()));
        self.last = self.last.max(Some(batch.last()));
        let name = || caller.agent.to_string();
        if let Some(series) = self.user_agents.slot(caller.agent_hash, name) {
            series.add_batch(batch);
        }
        if let Some(address) = caller.address.as_deref() {
            self.addresses
                .add_batch(caller.address_hash, address, batch);
        }
        if let Some(pod) = caller.pod.as_deref() {
            self.pods.add_batch(caller.pod_hash, pod, batch);
        }
    }

    /// Takes note of what the requests of `run` asked.
    pub(super) fn add_run(&mut self, run: &Run) {
        let name = || run.kind.words_with_code.text.to_string();
        if let Some(series) = self.combinations.slot(run.kind.hash_with_code, name) {
            series.add_batch(&run.batch);
        }
    }

    /// What `window` is made of, in whole buckets of the coarsest series, so that all parts speak of the
    /// same time.
    pub(super) fn composition(&self, window: Peak) -> Composition {
        let parts = self.combinations.sorted().into_iter();
        let parts = parts.chain(self.user_agents.sorted());
        let widths = parts.map(|(_, series)| series.width());
        let width = widths.max().unwrap_or(1).max(self.requests.width());
        let start = window.start.seconds();
        let end = start + window.seconds.cast_signed();
        let at = |seconds: i64| Timestamp::from_micros(seconds.saturating_mul(1_000_000));
        let from = at(start.div_euclid(width) * width);
        let to = at((end + width - 1).div_euclid(width) * width);
        let (mut reads_one, mut lists_all) = (0, 0);
        let mut objects = std::collections::BTreeMap::<&str, usize>::new();
        let samples = self.samples.between(from, to);
        for sample in &samples {
            reads_one += usize::from(sample.kind == SampleKind::ReadsOne);
            lists_all += usize::from(sample.kind == SampleKind::ListsAll);
            if !sample.object.is_empty() {
                *objects.entry(&sample.object).or_default() += 1;
            }
        }
        let most = objects
            .into_iter()
            .max_by_key(|&(name, n)| (n, std::cmp::Reverse(name)));
        Composition {
            from,
            to,
            requests: self.requests.count_overlapping(from, to),
            top: ranked(&self.combinations, from, to),
            user_agents: ranked(&self.user_agents, from, to),
            reads_one,
            lists_all,
            drawn: samples.len(),
            object: most.map(|(name, n)| (name.to_owned(), n)),
        }
    }

    /// `requests_total`, `addresses`, `pods`, `impersonated`.
    pub(super) fn write(&self, attributes: &mut Attributes) {
        let total: Attribute = self.requests.total().into();
        attributes.insert("requests_total".to_owned(), total);
        for (name, tally) in [
            ("addresses", &self.addresses),
            ("pods", &self.pods),
            ("impersonated", &self.impersonated),
        ] {
            attributes.insert(name.to_owned(), tally.occurrences(SHOWN));
        }
    }

    /// A few of the requests drawn from `episode`, spread over it.
    pub(super) fn evidence(&self, episode: &Episode, context: &Context<'_>) -> Vec<Evidence> {
        let drawn = self.samples.between(episode.first, episode.last);
        let step = drawn.len().div_ceil(EVIDENCE).max(1);
        let mut shown: Vec<_> = drawn
            .iter()
            .step_by(step)
            .map(|s| s.show(context))
            .collect();
        shown.sort_unstable();
        shown
    }
}

fn ranked(parts: &Keyed<Series<12>>, from: Timestamp, to: Timestamp) -> Vec<(String, u64)> {
    let parts = parts.sorted().into_iter();
    let counts = parts.map(|(name, series)| (name.to_owned(), series.count_overlapping(from, to)));
    let mut counts: Vec<(String, u64)> = counts.filter(|&(_, n)| n > 0).collect();
    counts.sort_by_key(|&(_, n)| std::cmp::Reverse(n));
    counts
}

impl Merge for Load {
    fn merge(&mut self, other: Self) {
        self.requests.merge(other.requests);
        self.first = earliest(self.first, other.first);
        self.last = self.last.max(other.last);
        self.combinations.merge(other.combinations);
        self.user_agents.merge(other.user_agents);
        self.addresses.merge(other.addresses);
        self.pods.merge(other.pods);
        self.impersonated.merge(other.impersonated);
        self.samples.merge(other.samples);
    }
}

impl Composition {
    /// Whether every user agent of the window is known by name.
    pub(super) fn agents_complete(&self) -> bool {
        self.user_agents.iter().map(|(_, n)| n).sum::<u64>() == self.requests
    }

    /// `peak_window`, `shape`, `object`.
    pub(super) fn write(&self, attributes: &mut Attributes) {
        let window: [(&str, Attribute); 5] = [
            ("from", self.from.into()),
            ("to", self.to.into()),
            ("requests", self.requests.into()),
            ("top", self.counts(&self.top)),
            ("user_agents", self.counts(&self.user_agents)),
        ];
        let window = window.map(|(name, value)| (name.to_owned(), value));
        attributes.insert("peak_window".to_owned(), Attribute::Map(window.into()));
        let shape: Attribute = self.shape().into();
        attributes.insert("shape".to_owned(), shape);
        let object = self.object.as_ref().filter(|(_, n)| 2 * n > self.drawn);
        let object: Attribute = object.map(|(name, _)| name.clone()).into();
        attributes.insert("object".to_owned(), object);
    }

    fn counts(&self, parts: &[(String, u64)]) -> Attribute {
        let shown = parts.iter().take(SHOWN);
        let mut map: Attributes = shown.map(|(name, n)| (name.clone(), (*n).into())).collect();
        let known: u64 = parts.iter().take(SHOWN).map(|(_, n)| n).sum();
        if self.requests > known {
            map.insert("other".to_owned(), (self.requests - known).into());
        }
        Attribute::Map(map)
    }

    /// What the loop looks like, if it looks like anything known: a status that a third of the requests
    /// come back with (a loop that reads, writes and fails has no more), else what the drawn ones do.
    pub(super) fn shape(&self) -> Option<&'static str> {
        let share = |wanted: &dyn Fn(&str) -> bool| {
            let code = |name: &str| name.rsplit(' ').next().is_some_and(wanted);
            let matching = self.top.iter().filter(|(name, _)| code(name));
            matching.map(|(_, n)| n).sum::<u64>() * 3 >= self.requests.max(1)
        };
        let few = self.drawn.max(1);
        let one = self.object.as_ref().is_some_and(|(_, n)| n * 5 >= few * 4);
        match () {
            () if share(&|code| code == "409") => Some("retries on 409 conflict"),
            () if share(&|code| code == "429") => Some("retries on 429 throttled"),
            () if share(&|code| code == "403") => Some("retries on 403 denied"),
            () if share(&|code| code == "404") => Some("retries on 404 not found"),
            () if share(&|code| code.starts_with('5')) => Some("retries on server errors"),
            () if self.lists_all * 2 >= few => Some("full lists without resourceVersion"),
            () if one && self.reads_one * 2 >= few => Some("reads one object over and over"),
            () => None,
        }
    }

    /// What to look for in the controller's code.
    pub(super) fn hint(&self) -> Option<&'static str> {
        Some(match self.shape()? {
            "retries on 409 conflict" => {
                "two writers fight over one object: read it again before each retry, back off, and let only one of them write"
            }
            "full lists without resourceVersion" => {
                "use an informer (list once, then watch), or at least resourceVersion=0 and a limit"
            }
            "reads one object over and over" => {
                "watch the object, or read it from an informer's cache, instead of asking for it again"
            }
            _ => "back off exponentially after an error, and stop retrying what cannot succeed",
        })
    }
}
