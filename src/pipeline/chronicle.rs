//! Requests over time, and a dossier of every ServiceAccount: what a report with charts shows beside its findings.
//!
//! Bounded as everything is: a dossier and a series for each account, three series for all together. Columns are made
//! of them in the end, as fine as the whole allows.

mod columns;

pub use columns::Columns;

use std::sync::Arc;

use crate::{
    detect::{Peak, Series},
    event::Event,
    inventory::Usage,
};

use super::{
    AccountPattern, Dossier, Dossiers, Error, Options, Progress, State, fold::Study, run,
    usage::Used,
};

/// Over how many seconds a peak is told.
const PEAK_SECONDS: u64 = 60;

/// How many columns the requests of all have at most.
const MOST_COLUMNS: u64 = 1500;

/// How many cells the accounts have together at most: it bounds the size of the report.
const MOST_CELLS: u64 = 1_000_000;

/// How many columns an account has at least, and at most: 31 days of hours.
const FEWEST_HOURS: u64 = 24;
const MOST_HOURS: u64 = 744;

/// Requests over time, and every ServiceAccount.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Chronicle {
    /// The requests of everybody; `None` where none carries a time.
    pub traffic: Option<Flow>,
    /// The columns of the accounts' `cells`: hours, where they are not too many or too few.
    pub columns: Option<Columns>,
    /// The accounts, by user name.
    pub accounts: Vec<Life>,
}

/// The requests of everybody over time. All lists are as long as there are columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flow {
    /// When each column begins.
    pub columns: Columns,
    /// Requests of ServiceAccounts.
    pub accounts: Vec<u64>,
    /// Requests of everybody else.
    pub others: Vec<u64>,
    /// Those of both that were refused.
    pub refused: Vec<u64>,
}

/// One ServiceAccount.
#[derive(Debug, Clone, PartialEq)]
pub struct Life {
    /// What is known of it.
    pub dossier: Dossier,
    /// The minute with the most requests.
    pub peak: Option<Peak>,
    /// The first of its columns that has a request in it.
    pub first_cell: u64,
    /// The requests in each column from then on, up to the last that has one.
    pub cells: Vec<u64>,
}

/// Takes note of the requests: a commutative monoid.
#[derive(Debug, Default)]
struct Chronicler {
    dossiers: Dossiers,
    accounts: Series<32>,
    others: Series<32>,
    refused: Series<32>,
}

/// Reads everything once, with all detectors, what an inventory wants to know, and what charts show.
pub fn scan_and_chronicle(
    options: &Options,
    progress: &dyn Progress,
) -> Result<(State, Usage, Chronicle), Error> {
    let everybody: Arc<[AccountPattern]> = [AccountPattern::new("*")].into();
    let new = || {
        let dossiers = Dossiers::new(Arc::clone(&everybody));
        let chronicler = Chronicler {
            dossiers,
            ..Chronicler::default()
        };
        (Used::default(), chronicler)
    };
    let (state, (used, chronicler)) = run::scan_beside(options, progress, &new)?;
    Ok((state, used.usage(), chronicler.chronicle()))
}

impl Study for Chronicler {
    fn event(&mut self, event: &Event<'_>) {
        self.dossiers.event(event);
    }

    fn request(&mut self, event: &Event<'_>) {
        self.dossiers.request(event);
        let time = event.time();
        if event.service_account().is_some() {
            self.accounts.add(time);
        } else {
            self.others.add(time);
        }
        if event.refused() {
            self.refused.add(time);
        }
    }

    fn merge(&mut self, other: Self) {
        Study::merge(&mut self.dossiers, other.dossiers);
        self.accounts.merge(other.accounts);
        self.others.merge(other.others);
        self.refused.merge(other.refused);
    }
}

impl Chronicler {
    fn chronicle(&self) -> Chronicle {
        let files = self.dossiers.files();
        let traffic = self.dossiers.traffic();
        let all = || traffic.values().copied();
        let room = MOST_CELLS / (files.len() as u64).max(1);
        let most = room.clamp(FEWEST_HOURS, MOST_HOURS);
        let columns = Columns::by_hour(all().map(columns::reach), most);
        let life = |dossier: Dossier| {
            let key = (dossier.namespace.as_str(), dossier.name.as_str());
            let series = traffic.get(&key).copied();
            let (first_cell, cells) = match (columns, series) {
                (Some(columns), Some(series)) => trimmed(&columns.counts(series)),
                _ => (0, Vec::new()),
            };
            Life {
                peak: series.and_then(|series| series.peak(PEAK_SECONDS)),
                first_cell,
                cells,
                dossier,
            }
        };
        Chronicle {
            traffic: self.flow(),
            accounts: files
                .into_iter()
                .map(|(dossier, _)| life(dossier))
                .collect(),
            columns,
        }
    }

    fn flow(&self) -> Option<Flow> {
        let all = [&self.accounts, &self.others, &self.refused];
        let columns = Columns::finest(all.into_iter().map(columns::reach), MOST_COLUMNS)?;
        let [accounts, others, refused] = all.map(|series| columns.counts(series));
        Some(Flow {
            columns,
            accounts,
            others,
            refused,
        })
    }
}

/// Without the empty columns at both ends.
fn trimmed(counts: &[u64]) -> (u64, Vec<u64>) {
    let Some(first) = counts.iter().position(|&count| count > 0) else {
        return (0, Vec::new());
    };
    let last = counts.iter().rposition(|&count| count > 0).unwrap_or(first);
    (first as u64, counts[first..=last].to_vec())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::finding::Timestamp;

    use super::*;

    #[test]
    fn empty_columns_at_the_ends_are_left_out() {
        assert_eq!(trimmed(&[0, 0, 3, 0, 1, 0]), (2, vec![3, 0, 1]));
        assert_eq!(trimmed(&[0, 0]), (0, vec![]));
    }

    fn series(seconds: &[i64]) -> Series<32> {
        let mut series = Series::default();
        for second in seconds {
            series.add(Some(Timestamp::from_micros(second * 1_000_000)));
        }
        series
    }

    proptest! {
        /// Columns count what a plain count over the seconds counts.
        #[test]
        fn columns_lose_nothing(
            seconds in prop::collection::vec(-4_000_000_i64..4_000_000, 1..200),
            more in prop::collection::vec(0_i64..100, 1..50),
            most in 24_u64..2000,
        ) {
            let both = [series(&seconds), series(&more)];
            for columns in [
                Columns::finest(both.iter().map(columns::reach), most).unwrap(),
                Columns::by_hour(both.iter().map(columns::reach), most).unwrap(),
            ] {
                prop_assert!(columns.count <= most);
                for (series, seconds) in both.iter().zip([&seconds, &more]) {
                    let mut expected = vec![0_u64; usize::try_from(columns.count).unwrap()];
                    for second in seconds {
                        let at = (second - columns.from.seconds()) / columns.seconds.cast_signed();
                        expected[usize::try_from(at).unwrap()] += 1;
                    }
                    prop_assert_eq!(columns.counts(series), expected);
                }
            }
        }
    }

    #[test]
    fn a_request_of_the_year_0_makes_no_report_of_millions_of_columns() {
        let odd = series(&[-62_000_000_000, 0, 250_000_000_000]);
        let columns = Columns::finest([columns::reach(&odd)].into_iter(), 1500).unwrap();
        assert!(columns.count <= 1500);
        assert_eq!(columns.counts(&odd).iter().sum::<u64>(), 3);
    }
}
