//! Events handed on one by one, as rows of a table are made of them.
//!
//! What only the end of a run knows comes with the end: line numbers, and which long-running requests never
//! closed, so that their opening event stands for them.

use std::collections::BTreeMap;

use crate::{
    event::{Event, Key, Standing},
    source::{Origin, Places},
};

use super::{
    Error, Options, Progress, State,
    fold::{Folded, Study},
    run::study,
    scrapes::Scrapes,
    state::Scan,
};

/// Takes the events of one worker, each once: a line delivered twice and what is outside the window do not
/// come here.
pub trait Taker: Send {
    /// Takes one event of any stage.
    fn take(&mut self, event: &Event<'_>);
}

/// What there is when every event has been taken.
#[derive(Debug)]
pub struct Taken<T> {
    /// The takers, in no order.
    pub takers: Vec<T>,
    /// Where each line stands.
    pub places: Places,
    /// The requests that never closed: the event at this place stands for each.
    pub open: BTreeMap<Key, Origin>,
    /// What else the run has noted; without detectors unless they were asked for.
    pub state: State,
}

impl<T: Taker> Taken<T> {
    /// Makes this a part of what `whole` has seen: the requests that never closed are those of the whole, since the two
    /// events of one may stand in different parts. An error if the whole has not seen all that was read here.
    pub fn join(&mut self, whole: &State) -> Result<(), String> {
        if let Some(name) = whole.places().lacks(&self.places) {
            return Err(format!(
                "the state has not seen {name} as it is now: scan it again, and merge"
            ));
        }
        let mut open = Taking::<T>::default();
        whole.count_open(&mut open);
        self.open = open.open;
        Ok(())
    }
}

/// Reads every audit log once and hands each event to a taker; `new` makes one for each worker. The detectors
/// run beside it if `detect` says so.
pub fn rows<T: Taker>(
    options: &Options,
    detect: bool,
    progress: &dyn Progress,
    new: &(dyn Fn() -> T + Sync),
) -> Result<Taken<T>, Error> {
    let taking = || Taking {
        taker: Some(new()),
        ..Taking::default()
    };
    if detect {
        let mut scrapes = Scrapes::read(options, progress)?;
        let begin = || (Scan::default(), taking());
        let (folded, newest) = study(options, progress, &begin)?;
        scrapes.keep(options.window.span(newest.or(scrapes.newest())));
        Ok(end(folded, scrapes, options))
    } else {
        let begin = || (Nothing, taking());
        let (folded, _) = study(options, progress, &begin)?;
        let Folded {
            reading,
            ledger,
            study: (Nothing, taking),
        } = folded;
        let study = (Scan::default(), taking);
        let folded = Folded {
            reading,
            ledger,
            study,
        };
        Ok(end(folded, Scrapes::default(), options))
    }
}

fn end<T: Taker>(
    folded: Folded<(Scan, Taking<T>)>,
    scrapes: Scrapes,
    options: &Options,
) -> Taken<T> {
    let Folded {
        reading,
        ledger,
        study: (scan, mut taking),
    } = folded;
    ledger.count_open(&mut taking);
    let places = reading.places.clone();
    let folded = Folded {
        reading,
        ledger,
        study: scan,
    };
    Taken {
        takers: taking.taker.into_iter().chain(taking.done).collect(),
        places,
        open: taking.open,
        state: State::new(folded, scrapes, options.dedup),
    }
}

/// A taker as a study.
#[derive(Debug)]
struct Taking<T> {
    taker: Option<T>,
    done: Vec<T>,
    open: BTreeMap<Key, Origin>,
}

impl<T> Default for Taking<T> {
    fn default() -> Self {
        Self {
            taker: None,
            done: Vec::new(),
            open: BTreeMap::new(),
        }
    }
}

impl<T: Taker> Study for Taking<T> {
    fn event(&mut self, event: &Event<'_>) {
        if let Some(taker) = &mut self.taker {
            taker.take(event);
        }
    }

    /// While reading, only events that stand for their request come here; at the end, the opening events of
    /// requests that never closed.
    fn request(&mut self, event: &Event<'_>) {
        if event.standing() == Standing::Opens {
            self.open.insert(event.key(), event.origin);
        }
    }

    fn merge(&mut self, other: Self) {
        self.done.extend(other.taker);
        self.done.extend(other.done);
        self.open.extend(other.open);
    }
}

/// Instead of detectors.
#[derive(Debug, Default)]
struct Nothing;

impl Study for Nothing {
    fn event(&mut self, _event: &Event<'_>) {}

    fn request(&mut self, _event: &Event<'_>) {}

    fn merge(&mut self, _other: Self) {}
}
