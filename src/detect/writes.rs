//! What an account wrote: the requests by their grade, the objects with what is known of each, and the
//! bindings that allowed it.

use std::{cmp::Reverse, collections::BTreeMap};

use serde::{Deserialize, Serialize};

use crate::finding::{Attribute, Attributes, Finding, Subject, Timestamp};

use super::{
    About, Context, Merge, Tally,
    activity::{self, Activity},
    caller::SHOWN,
    draft::draft,
    grant::Grant,
    judge::{Graded, Judgement},
    keyed::{self, Keyed},
    outcome::{Attempt, Outcome},
    request::Request,
    tally::earliest,
};

/// How many characters of a name from a body are kept.
const LONGEST: usize = 256;

/// What an account wrote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Writes<G: Ord> {
    pub(super) activity: Activity<G>,
    objects: Keyed<Note<G>>,
    reasons: Tally,
}

/// One object that was written, by verb and HTTP status.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Note<G> {
    gravest: Option<G>,
    requests: u64,
    first: Option<Timestamp>,
    last: Option<Timestamp>,
    facts: BTreeMap<String, Tally>,
}

/// What is known of a written object beside its name: names of facts with their values.
pub(super) type Facts = Vec<(&'static str, Vec<String>)>;

impl<G: Graded> Writes<G> {
    /// Takes note of a request on the object called `name`.
    pub(super) fn add(&mut self, grade: G, name: &str, facts: &Facts, event: &Request<'_>) {
        self.activity.add(grade, event);
        let reason = event.annotation("authorization.k8s.io/reason");
        if let Some(reason) = reason.filter(|reason| !reason.is_empty() && !event.refused()) {
            self.reasons.add(&reason.read(), event);
        }
        let object = event.object.unwrap_or_default();
        let code = activity::code(event);
        let verb = event.verb.read();
        let (resource, subresource) = (object.resource.read(), object.subresource.read());
        let namespace = object.namespace.read();
        let parts: [&str; 6] = [&verb, &resource, &subresource, &namespace, name, &code];
        // No part holds a NUL but a hostile name, which then shows cut short.
        let key = || parts.join("\0");
        if let Some(note) = self.objects.slot(keyed::hash(0, &parts), key) {
            note.gravest = note.gravest.max(Some(grade));
            note.requests += 1;
            note.first = earliest(note.first, event.time());
            note.last = note.last.max(event.time());
            for (fact, values) in facts {
                let tally = note.facts.entry((*fact).to_owned()).or_default();
                for value in values.iter().take(SHOWN * 10) {
                    tally.add(shortened(value), event);
                }
            }
        }
    }

    /// What [`Activity::write`] has, `objects`, `allowed_by`, and what [`Judgement::write`] has.
    pub(super) fn write(&self, judgement: &Judgement, attributes: &mut Attributes) {
        self.activity.write(attributes);
        let objects = self.ranked().into_iter().take(SHOWN);
        let objects = objects.map(|(name, note)| note.attribute(name)).collect();
        attributes.insert("objects".to_owned(), Attribute::List(objects));
        let grants = self.grants().into_iter().take(SHOWN);
        let grants = grants.map(|(grant, n)| grant.attribute(n)).collect();
        attributes.insert("allowed_by".to_owned(), Attribute::List(grants));
        judgement.write(attributes);
    }

    /// The objects that `wanted` says yes to, the gravest first, then in the order of their first request.
    pub(super) fn named(&self, wanted: impl Fn(G) -> bool) -> Vec<Written<'_>> {
        let ranked = self.ranked().into_iter();
        let wanted = ranked.filter(|(_, note)| note.gravest.is_some_and(&wanted));
        wanted
            .filter_map(|(name, _)| Written::split(name))
            .collect()
    }

    fn ranked(&self) -> Vec<(&str, &Note<G>)> {
        let mut notes = self.objects.sorted();
        notes.sort_by_key(|(_, note)| (Reverse(note.gravest), note.first));
        notes
    }

    /// The bindings that the log names, the most frequent first.
    fn grants(&self) -> Vec<(Grant, u64)> {
        let ranked = self.reasons.ranked().into_iter();
        ranked
            .filter_map(|reason| Some((Grant::parse(&reason.value)?, reason.count)))
            .collect()
    }
}

impl<G: Attempt> Writes<G> {
    /// How many requests had this outcome.
    pub(super) fn count(&self, outcome: Outcome) -> u64 {
        self.activity.deeds.count(|g| g.outcome() == outcome)
    }

    /// How many requests had each outcome; `done` is what it is called if they went through.
    pub(super) fn outcomes(&self, done: &'static str) -> [(&'static str, u64); 3] {
        [
            (done, self.count(Outcome::Done)),
            ("attempted", self.count(Outcome::Attempted)),
            ("refused", self.count(Outcome::Refused)),
        ]
    }

    /// The objects that were written with success, as [`Writes::named`] has them.
    pub(super) fn done(&self) -> Vec<Written<'_>> {
        self.named(Attempt::is_done)
    }

    /// The head of the finding about `subject`: what it did, from where and how grave that is. The words, the way out
    /// and what else is known are for the detector.
    pub(super) fn draft(
        &self,
        about: &About,
        subject: Subject,
        context: &Context<'_>,
    ) -> (Judgement, Finding) {
        let allow = |agent: &str| context.settings.allow.expects(about.id, &subject, agent);
        let judgement = self.activity.deeds.judge(allow, Attempt::severity);
        let mut attributes = Attributes::new();
        self.write(&judgement, &mut attributes);
        let finding = Finding {
            severity: judgement.severity,
            attributes,
            involves: self.activity.callers.involved(),
            ..draft(about, subject, &[], &self.activity.evidence, context)
        };
        (judgement, finding)
    }
}

/// One object that was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Written<'a> {
    pub(super) verb: &'a str,
    pub(super) resource: &'a str,
    pub(super) subresource: &'a str,
    pub(super) namespace: &'a str,
    pub(super) name: &'a str,
    pub(super) code: &'a str,
}

impl<'a> Written<'a> {
    fn split(key: &'a str) -> Option<Self> {
        let mut parts = key.splitn(5, '\0');
        let mut next = || parts.next();
        let (verb, resource, subresource) = (next()?, next()?, next()?);
        let (namespace, rest) = (next()?, next()?);
        let (name, code) = rest.rsplit_once('\0')?;
        Some(Self {
            verb,
            resource,
            subresource,
            namespace,
            name,
            code,
        })
    }

    /// `resource name`, with the namespace if there is one: what `kubectl` wants, before quoting.
    pub(super) fn in_words(&self) -> String {
        let Self {
            resource,
            namespace,
            name,
            ..
        } = self;
        match (namespace.is_empty(), name.is_empty()) {
            (true, true) => (*resource).to_owned(),
            (true, false) => format!("{resource} {name}"),
            (false, true) => format!("{resource} in {namespace}"),
            (false, false) => format!("{resource} {namespace}/{name}"),
        }
    }
}

impl<G: Graded> Note<G> {
    fn attribute(&self, key: &str) -> Attribute {
        let mut map = Attributes::new();
        if let Some(written) = Written::split(key) {
            let named = [
                ("verb", written.verb),
                ("resource", written.resource),
                ("subresource", written.subresource),
                ("namespace", written.namespace),
                ("name", written.name),
                ("code", written.code),
            ];
            let named = named.into_iter().filter(|(_, value)| !value.is_empty());
            map.extend(named.map(|(name, value)| (name.to_owned(), value.into())));
        }
        map.insert("requests".to_owned(), self.requests.into());
        map.insert("first_seen".to_owned(), self.first.into());
        map.insert("last_seen".to_owned(), self.last.into());
        for (fact, values) in &self.facts {
            let values = values.ranked().into_iter().take(SHOWN);
            let values: Vec<Attribute> = values.map(|v| v.value.as_str().into()).collect();
            map.insert(fact.clone(), Attribute::List(values));
        }
        Attribute::Map(map)
    }
}

/// `text` up to a length that no real name has.
pub(super) fn shortened(text: &str) -> &str {
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => &text[..end],
        None => text,
    }
}

impl<G: Ord> Default for Writes<G> {
    fn default() -> Self {
        Self {
            activity: Activity::default(),
            objects: Keyed::default(),
            reasons: Tally::default(),
        }
    }
}

impl<G: Ord> Default for Note<G> {
    fn default() -> Self {
        Self {
            gravest: None,
            requests: 0,
            first: None,
            last: None,
            facts: BTreeMap::new(),
        }
    }
}

impl<G: Ord> Merge for Writes<G> {
    fn merge(&mut self, other: Self) {
        self.activity.merge(other.activity);
        self.objects.merge(other.objects);
        self.reasons.merge(other.reasons);
    }
}

impl<G: Ord> Merge for Note<G> {
    fn merge(&mut self, other: Self) {
        if other.gravest > self.gravest {
            self.gravest = other.gravest;
        }
        self.requests += other.requests;
        self.first = earliest(self.first, other.first);
        self.last = self.last.max(other.last);
        for (fact, values) in other.facts {
            self.facts.entry(fact).or_default().merge(values);
        }
    }
}
