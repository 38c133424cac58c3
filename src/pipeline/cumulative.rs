//! Counters that never fall, whatever is forgotten and whoever is named.
//!
//! A counter of Prometheus that falls looks like a restart, and all of its value like an increase. So what is
//! published from run to run is not what the state holds but the sum of what each run has added, and an account
//! that has a counter of its own keeps it: were it summed under [`OTHER`] again, or taken out of that sum,
//! one of the two would jump.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::metric::Labels;

use super::{Counter, OTHER, PUBLISHED, Published, Telemetry, Total, day::Day};

type Pairs = Vec<(String, String)>;

/// The counters, and who has some of his own.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Cumulative {
    /// By metric and labels.
    series: BTreeMap<(String, Pairs), u64>,
    /// User names, with the last day on which they made a request.
    named: BTreeMap<String, Day>,
}

impl Cumulative {
    /// Adds what a run has counted, less what an earlier run had counted already.
    ///
    /// ServiceAccounts get counters of their own as long as fewer than `top` have, those with the most
    /// requests first.
    pub(super) fn add(&mut self, counts: &Telemetry, recounted: &Telemetry, top: usize, day: Day) {
        for user in counts.users() {
            let is_new = !self.named.contains_key(user);
            if is_new && self.named.len() >= top {
                continue;
            }
            let last = self.named.entry(user.to_owned()).or_insert(day);
            *last = day.max(*last);
        }
        let mut added: BTreeMap<(String, Pairs), u64> = BTreeMap::new();
        let named = |user: &str| self.named.contains_key(user);
        for counter in counts.counters_naming(named) {
            *added.entry(series(&counter)).or_default() += counter.counts.total();
        }
        for counter in recounted.counters_naming(named) {
            if let Some(count) = added.get_mut(&series(&counter)) {
                *count = count.saturating_sub(counter.counts.total());
            }
        }
        let secrets = |series: &BTreeMap<(String, Pairs), u64>| {
            let labels = series.keys().map(|(_, labels)| labels);
            labels.filter(|labels| secret(labels).is_some()).count()
        };
        let mut room = top.saturating_sub(secrets(&self.series));
        for (mut key, count) in added {
            if !self.series.contains_key(&key)
                && let Some(secret) = secret_mut(&mut key.1)
            {
                match room.checked_sub(1) {
                    Some(less) => room = less,
                    None => OTHER.clone_into(secret),
                }
            }
            let known = self.series.entry(key).or_default();
            *known = known.saturating_add(count);
        }
    }

    /// Takes the counters away from ServiceAccounts that have made no request since `oldest`.
    pub(super) fn forget(&mut self, oldest: Day) {
        let Self { series, named } = self;
        named.retain(|user, last| {
            let stays = *last >= oldest || *last == Day::NONE;
            if !stays {
                let gone = |labels: &Pairs| {
                    let value = |name: &str| {
                        let pair = labels.iter().find(|(label, _)| label == name);
                        pair.map_or("", |(_, value)| value.as_str())
                    };
                    let name = (value("namespace"), value("serviceaccount"));
                    *user == format!("system:serviceaccount:{}:{}", name.0, name.1)
                };
                series.retain(|(_, labels), _| !gone(labels));
            }
            stays
        });
    }

    /// The counters, in the order in which they are published.
    pub(super) fn totals(&self) -> Vec<Total> {
        let of = |metric: &'static Published| {
            let series = self.series.iter();
            let series = series.filter(|((name, _), _)| name == metric.name);
            series.map(move |((_, labels), count)| {
                let labels: Vec<_> = labels
                    .iter()
                    .map(|(name, value)| (name.as_str(), value.as_str()))
                    .collect();
                Total {
                    metric,
                    labels: Labels::of(&labels),
                    value: *count,
                }
            })
        };
        PUBLISHED.iter().flat_map(of).collect()
    }
}

fn series(counter: &Counter<'_>) -> (String, Pairs) {
    let labels = counter.labels.iter();
    let labels = labels.map(|(name, value)| (name.to_owned(), value.to_owned()));
    (counter.metric.name.to_owned(), labels.collect())
}

/// The Secret that a series is about, if it names one.
fn secret(labels: &Pairs) -> Option<&str> {
    let secret = labels.iter().find(|(name, _)| name == "secret");
    secret
        .map(|(_, value)| value.as_str())
        .filter(|value| *value != OTHER)
}

fn secret_mut(labels: &mut Pairs) -> Option<&mut String> {
    let secret = labels.iter_mut().find(|(name, _)| name == "secret");
    secret
        .map(|(_, value)| value)
        .filter(|value| *value != OTHER)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Parser;
    use crate::pipeline::fold::Study;
    use crate::source::Origin;

    /// So many requests of ServiceAccounts of the namespace `n`.
    fn requests(of: &[(&str, u32)]) -> Telemetry {
        let mut telemetry = Telemetry::default();
        let mut parser = Parser::default();
        for (name, count) in of {
            let line = format!(
                r#"{{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"Metadata","auditID":"a","stage":"ResponseComplete","requestURI":"/x","verb":"get","user":{{"username":"system:serviceaccount:n:{name}"}},"requestReceivedTimestamp":"2026-01-01T00:00:00.000000Z"}}"#
            );
            let event = parser.parse(&line, Origin::default()).unwrap();
            for _ in 0..*count {
                telemetry.request(&event);
            }
        }
        telemetry
    }

    fn value(cumulative: &Cumulative, name: &str) -> Option<u64> {
        let mut totals = cumulative.totals().into_iter();
        let total = totals.find(|total| {
            total.metric.name == "satrail_serviceaccount_requests_total"
                && total.labels.get("serviceaccount") == name
        });
        total.map(|total| total.value)
    }

    #[test]
    fn nothing_falls_when_others_become_the_busiest() {
        let mut all = Cumulative::default();
        let (none, day) = (Telemetry::default(), Day::default());
        all.add(&requests(&[("a", 5), ("b", 3), ("c", 1)]), &none, 2, day);
        assert_eq!(value(&all, "a"), Some(5));
        assert_eq!(value(&all, "b"), Some(3));
        assert_eq!(value(&all, OTHER), Some(1));
        let later = day.after(9);
        all.add(&requests(&[("c", 100), ("b", 2)]), &none, 2, later);
        assert_eq!(value(&all, "b"), Some(5));
        assert_eq!(value(&all, "c"), None);
        assert_eq!(value(&all, OTHER), Some(101));
        all.forget(later);
        assert_eq!(value(&all, "a"), None);
        all.add(&requests(&[("c", 1)]), &none, 2, later);
        assert_eq!(value(&all, "c"), Some(1));
        assert_eq!(value(&all, OTHER), Some(101));
    }

    #[test]
    fn what_was_counted_while_it_was_open_is_not_counted_when_it_ends() {
        let mut all = Cumulative::default();
        let day = Day::default();
        all.add(&requests(&[("a", 5)]), &Telemetry::default(), 2, day);
        all.add(&requests(&[("a", 3)]), &requests(&[("a", 2)]), 2, day);
        assert_eq!(value(&all, "a"), Some(6));
    }
}
