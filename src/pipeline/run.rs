//! A whole run: inputs -> state.

use std::sync::{Arc, Mutex, PoisonError};

use crate::{
    event::Event, finding::Timestamp, inventory::Usage, permission::UsedByAccount, source::Walk,
};

use super::{
    AccountPattern, AccountRow, Dossiers, Options, Progress, State, Window,
    census::Census,
    duplicates::Seen,
    fold::{self, Folded, Job, Study},
    ranking::{RankBy, Ranked, Ranking, Wanted},
    scrapes::Scrapes,
    state::{Scan, Unjudged},
    telemetry::Telemetry,
    usage::Used,
};

/// Why a run did not come to anything.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A span before the newest event needs two passes, and a stream can be read once.
    #[error(
        "a span before the newest event cannot be told of {0}, which can be read only once: give --since and --until as times"
    )]
    OnceOnly(String),
    /// The threads could not be started.
    #[error("{0}")]
    Threads(String),
    /// A part of a state over time could not be read or written.
    #[error("the part {part} is damaged ({why})")]
    Part {
        /// Which.
        part: String,
        /// Why.
        why: String,
    },
    /// A partial state could not be read.
    #[error("cannot read the partial state {path}: {why}")]
    State {
        /// The file.
        path: String,
        /// Why, and what to do.
        why: String,
    },
}

/// Reads everything once (twice where the window hangs on the newest event) with all detectors. Where
/// there is no audit log, the newest event is the newest scrape.
pub fn scan(options: &Options, progress: &dyn Progress) -> Result<State, Error> {
    let mut scrapes = Scrapes::read(options, progress)?;
    let (folded, newest) = study::<Scan>(options, progress, &Scan::default)?;
    scrapes.keep(options.window.span(newest.or(scrapes.newest())));
    Ok(State::new(folded, scrapes, options.dedup))
}

/// Reads everything once, with all detectors and one row per ServiceAccount, by user name.
pub fn accounts(
    options: &Options,
    progress: &dyn Progress,
) -> Result<(State, Vec<AccountRow>), Error> {
    let (state, census) = beside_scan(options, progress, &Census::default)?;
    Ok((state, census.rows()))
}

/// Reads everything once, with all detectors and the permissions that every ServiceAccount used or was
/// refused.
pub fn permissions(
    options: &Options,
    progress: &dyn Progress,
) -> Result<(State, UsedByAccount), Error> {
    beside_scan(options, progress, &UsedByAccount::default)
}

/// Reads everything once, with all detectors and a dossier of every ServiceAccount that `wanted` names.
pub fn dossiers(
    options: &Options,
    wanted: &[AccountPattern],
    progress: &dyn Progress,
) -> Result<(State, Dossiers), Error> {
    let wanted: Arc<[AccountPattern]> = wanted.into();
    beside_scan(options, progress, &|| Dossiers::new(Arc::clone(&wanted)))
}

/// Reads everything once, without detectors, and ranks its requests: the best `limit` rows.
pub fn ranking(
    options: &Options,
    wanted: Wanted,
    order: RankBy,
    limit: usize,
    progress: &dyn Progress,
) -> Result<(State, Ranked), Error> {
    let wanted = Arc::new(wanted);
    let new = || (Unjudged::default(), Ranking::new(Arc::clone(&wanted)));
    let Folded {
        reading,
        ledger,
        study: (log, mut ranking),
    } = study(options, progress, &new)?.0;
    ledger.count_open(&mut ranking);
    let folded = Folded {
        reading,
        ledger,
        study: Scan::from(log),
    };
    let state = State::new(folded, Scrapes::default(), options.dedup);
    Ok((state, ranking.ranked(order, limit)))
}

/// Reads everything once, with all detectors and what the `satrail_*` metrics count.
///
/// Requests that are still open are counted, as the report of the state will do.
pub fn telemetry(options: &Options, progress: &dyn Progress) -> Result<(State, Telemetry), Error> {
    let (state, mut telemetry) = beside_scan(options, progress, &Telemetry::default)?;
    telemetry.add_bad_lines(state.bad_lines());
    Ok((state, telemetry))
}

/// Reads everything once, with all detectors and what an inventory wants to know of accounts and pods.
pub fn usage(options: &Options, progress: &dyn Progress) -> Result<(State, Usage), Error> {
    let (state, used) = beside_scan(options, progress, &Used::default)?;
    Ok((state, used.usage()))
}

/// [`permissions`], and what an inventory wants to know.
pub fn permissions_and_usage(
    options: &Options,
    progress: &dyn Progress,
) -> Result<(State, UsedByAccount, Usage), Error> {
    let new = || (UsedByAccount::default(), Used::default());
    let (state, (permissions, used)) = beside_scan(options, progress, &new)?;
    Ok((state, permissions, used.usage()))
}

/// [`dossiers`], and what an inventory wants to know.
pub fn dossiers_and_usage(
    options: &Options,
    wanted: &[AccountPattern],
    progress: &dyn Progress,
) -> Result<(State, Dossiers, Usage), Error> {
    let wanted: Arc<[AccountPattern]> = wanted.into();
    let new = || (Dossiers::new(Arc::clone(&wanted)), Used::default());
    let (state, (dossiers, used)) = beside_scan(options, progress, &new)?;
    Ok((state, dossiers, used.usage()))
}

/// [`scan`], and what an inventory wants to know.
pub fn scan_and_usage(options: &Options, progress: &dyn Progress) -> Result<(State, Usage), Error> {
    let (state, used) = scan_beside(options, progress, &Used::default)?;
    Ok((state, used.usage()))
}

/// [`scan`] and another study in one pass.
pub(super) fn scan_beside<S: Study>(
    options: &Options,
    progress: &dyn Progress,
    new: &(dyn Fn() -> S + Sync),
) -> Result<(State, S), Error> {
    let mut scrapes = Scrapes::read(options, progress)?;
    let (folded, newest) = study(options, progress, &|| (Scan::default(), new()))?;
    let Folded {
        reading,
        ledger,
        study: (scan, mut other),
    } = folded;
    scrapes.keep(options.window.span(newest.or(scrapes.newest())));
    ledger.count_open(&mut other);
    let folded = Folded {
        reading,
        ledger,
        study: scan,
    };
    Ok((State::new(folded, scrapes, options.dedup), other))
}

/// A scan and another study in one pass.
fn beside_scan<S: Study>(
    options: &Options,
    progress: &dyn Progress,
    new: &(dyn Fn() -> S + Sync),
) -> Result<(State, S), Error> {
    let Folded {
        reading,
        ledger,
        study: (scan, mut other),
    } = study(options, progress, &|| (Scan::default(), new()))?.0;
    ledger.count_open(&mut other);
    let folded = Folded {
        reading,
        ledger,
        study: scan,
    };
    Ok((State::new(folded, Scrapes::default(), options.dedup), other))
}

/// Reads every audit log with one study; says when the newest event was, if the window hangs on it.
pub(super) fn study<S: Study>(
    options: &Options,
    progress: &dyn Progress,
    new: &(dyn Fn() -> S + Sync),
) -> Result<(Folded<S>, Option<Timestamp>), Error> {
    let (newest, passes) = if options.window.needs_newest() {
        (newest(options, progress)?, 0)
    } else {
        (None, 1)
    };
    let walk = walk(options, passes, progress);
    let seen = options.dedup.then(Seen::new);
    let job = Job {
        walk: &walk,
        passes,
        limits: &options.limits,
        span: options.window.span(newest),
        seen: seen.as_ref(),
        only: options.format_in,
        progress,
    };
    let mut folded = fold::run(&job, options.threads, new).map_err(Error::Threads)?;
    let walk = walk.into_inner().unwrap_or_else(PoisonError::into_inner);
    folded.reading.troubles.extend(walk.into_troubles());
    Ok((folded, newest))
}

/// Reads these inputs with one study. The window must not hang on the newest event.
pub(super) fn study_of<S: Study>(
    walk: Walk,
    options: &Options,
    progress: &dyn Progress,
    new: &(dyn Fn() -> S + Sync),
) -> Result<Folded<S>, Error> {
    progress.total(walk.stored_bytes());
    let job = Job {
        walk: &Mutex::new(walk),
        passes: 1,
        limits: &options.limits,
        span: options.window.span(None),
        seen: None,
        only: options.format_in,
        progress,
    };
    fold::run(&job, options.threads, new).map_err(Error::Threads)
}

/// What there is to read; says how much of it is known before the walk.
fn walk(options: &Options, passes: u64, progress: &dyn Progress) -> Mutex<Walk> {
    let walk = Walk::new(&options.paths).over(options.threads);
    if passes > 0 {
        progress.total(walk.stored_bytes().map(|bytes| bytes * passes));
    }
    Mutex::new(walk)
}

/// The time of the newest event, by a pass of its own: lines are not in time order (FACTS 10).
fn newest(options: &Options, progress: &dyn Progress) -> Result<Option<Timestamp>, Error> {
    let passes = 2;
    let walk = walk(options, passes, progress);
    if let Some(stream) = walk.lock().unwrap_or_else(PoisonError::into_inner).stream() {
        return Err(Error::OnceOnly(stream.to_owned()));
    }
    let (limits, span) = (&options.limits, Window::default().span(None));
    let job = Job {
        walk: &walk,
        passes,
        limits,
        span,
        seen: None,
        only: options.format_in,
        progress,
    };
    let folded = fold::run(&job, options.threads, &Newest::default).map_err(Error::Threads)?;
    Ok(folded.study.0)
}

/// Looks for the newest event.
#[derive(Debug, Default)]
struct Newest(Option<Timestamp>);

impl Study for Newest {
    fn event(&mut self, event: &Event<'_>) {
        self.0 = self.0.max(event.time());
    }

    fn request(&mut self, _event: &Event<'_>) {}

    fn merge(&mut self, other: Self) {
        self.0 = self.0.max(other.0);
    }
}
