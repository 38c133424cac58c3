//! Sources -> one state, over all cores.
//!
//! Every worker folds the chunks that it gets hold of into a state of its own; the states are added up
//! at the end. Workers share sources: the threads that find no source of their own left help with those
//! of the others, so that one large file uses every core and a thousand small ones do too.

use std::sync::{
    Arc, Condvar, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use crate::{
    event::{Dialect, Event},
    source::{Buffer, Content, Input, Limits, Source, Walk},
};

use super::{
    Progress, duplicates::Seen, ledger::Ledger, lines::Lines, reading::Reading, threads,
    window::Span,
};

/// What a run wants to know of the events: a commutative monoid.
pub(super) trait Study: Default + Send {
    /// Takes note of one event of any stage.
    fn event(&mut self, event: &Event<'_>);
    /// Takes note of one request, after [`Study::event`] for the event that stands for it.
    fn request(&mut self, event: &Event<'_>);
    /// Takes note of what was put off. The last call before it is merged, saved or looked at.
    fn settle(&mut self) {}
    /// Adds what another instance has noted; the order does not matter.
    fn merge(&mut self, other: Self);
}

/// Two studies in one pass.
impl<A: Study, B: Study> Study for (A, B) {
    fn event(&mut self, event: &Event<'_>) {
        self.0.event(event);
        self.1.event(event);
    }

    fn request(&mut self, event: &Event<'_>) {
        self.0.request(event);
        self.1.request(event);
    }

    fn settle(&mut self) {
        self.0.settle();
        self.1.settle();
    }

    fn merge(&mut self, other: Self) {
        self.0.merge(other.0);
        self.1.merge(other.1);
    }
}

/// What all workers share.
pub(super) struct Job<'a> {
    /// What there is to read, taken on one by one.
    pub(super) walk: &'a Mutex<Walk>,
    /// By how much stored bytes are multiplied for the progress: the number of passes, or 0 for those
    /// that an earlier pass has announced.
    pub(super) passes: u64,
    pub(super) limits: &'a Limits,
    pub(super) span: Span,
    pub(super) seen: Option<&'a Seen>,
    /// Wrapped records of this form only.
    pub(super) only: Option<Dialect>,
    pub(super) progress: &'a dyn Progress,
}

/// What a fold comes to.
#[derive(Debug, Default)]
pub(super) struct Folded<S> {
    pub(super) reading: Reading,
    pub(super) ledger: Ledger,
    pub(super) study: S,
}

/// Reads every input once, over `threads` workers (0: one for each core), each with a study of its own
/// that begins as `new` makes it.
pub(super) fn run<S: Study>(
    job: &Job<'_>,
    threads: usize,
    new: &(dyn Fn() -> S + Sync),
) -> Result<Folded<S>, String> {
    let pool = threads::pool(threads)?;
    let shared = Shared {
        job,
        sources: Mutex::default(),
        changed: Condvar::new(),
        ledger: Mutex::default(),
    };
    let mut parts = pool.broadcast(|_| shared.work(new())).into_iter();
    let (mut reading, mut study) = parts.next().unwrap_or_else(|| (Reading::default(), new()));
    pool.install(|| {
        for (their_reading, their_study) in parts {
            reading.merge(their_reading);
            study.merge(their_study);
        }
    });
    let ledger = shared
        .ledger
        .into_inner()
        .unwrap_or_else(PoisonError::into_inner);
    Ok(Folded {
        reading,
        ledger,
        study,
    })
}

struct Shared<'a> {
    job: &'a Job<'a>,
    sources: Mutex<Sources>,
    /// Told when a source has been opened, or could not be.
    changed: Condvar,
    ledger: Mutex<Ledger>,
}

/// How far the inputs have been taken on.
#[derive(Default)]
struct Sources {
    /// How many have been taken on and are not open yet.
    opening: usize,
    /// Those that are being read, for workers that find nothing to take on.
    open: Vec<Arc<Opened>>,
}

/// A source that is being read.
struct Opened {
    source: Source,
    exhausted: AtomicBool,
    /// The stored bytes that the progress knows of.
    reported: AtomicU64,
}

impl Opened {
    fn new(source: Source) -> Arc<Self> {
        let (exhausted, reported) = (AtomicBool::new(false), AtomicU64::new(0));
        Arc::new(Self {
            source,
            exhausted,
            reported,
        })
    }
}

impl Shared<'_> {
    fn work<S: Study>(&self, study: S) -> (Reading, S) {
        let mut buffer = Buffer::default();
        let mut lines = Lines::new(study, self.job.span, self.job.seen, self.job.only);
        while let Some(input) = self.take_on() {
            self.job.progress.file(input.name());
            let opened = input.open_records(self.job.limits).map(Opened::new);
            self.opened(opened.as_ref().ok());
            match opened {
                Ok(opened) => {
                    lines.reading.files += u64::from(!input.goes_on());
                    lines
                        .reading
                        .places
                        .add_source(opened.source.key(), opened.source.name());
                    lines.reading.forms.add_file(opened.source.key());
                    self.read(&opened, &mut lines, &mut buffer);
                    self.close(opened, &mut lines.reading);
                }
                Err(trouble) => {
                    lines.reading.troubles.insert(trouble);
                }
            }
        }
        while let Some(opened) = self.to_help_with() {
            self.read(&opened, &mut lines, &mut buffer);
            self.close(opened, &mut lines.reading);
        }
        lines.study.settle();
        (lines.reading, lines.study)
    }

    /// The next input that nobody has taken on.
    fn take_on(&self) -> Option<Input> {
        let mut walk = self.job.walk.lock().unwrap_or_else(PoisonError::into_inner);
        let before = walk.stored_bytes();
        let input = walk.next()?;
        let (after, passes) = (walk.stored_bytes(), self.job.passes);
        if after != before && passes > 0 {
            self.job.progress.total(after.map(|bytes| bytes * passes));
        }
        // Still under the walk's lock, so that no worker takes an input that is on its way for none.
        self.lock().opening += 1;
        Some(input)
    }

    /// Tells the others what became of an input that was taken on.
    fn opened(&self, opened: Option<&Arc<Opened>>) {
        let mut sources = self.lock();
        sources.opening -= 1;
        sources.open.extend(opened.cloned());
        self.changed.notify_all();
    }

    /// Reads a source to its end, together with whoever else reads it.
    fn read<S: Study>(&self, opened: &Opened, lines: &mut Lines<'_, S>, buffer: &mut Buffer) {
        let source = &opened.source;
        while let Some(chunk) = source.next(buffer) {
            match chunk.content {
                Content::Lines(bytes) => {
                    lines.chunk(source.key(), chunk.offset, bytes);
                    lines.reading.bytes += bytes.len() as u64;
                }
                Content::Records {
                    text,
                    records,
                    lines: newlines,
                    bytes,
                } => {
                    lines.records((source.key(), chunk.offset), text, records, newlines);
                    lines.reading.bytes += bytes;
                }
                Content::TooLong {
                    bytes,
                    lines: newlines,
                } => {
                    let limit = self.job.limits.max_line_bytes;
                    lines.too_long((source.key(), chunk.offset), bytes, newlines, limit);
                    lines.reading.bytes += bytes;
                }
            }
            if !lines.entries.is_empty() {
                let mut ledger = self.ledger.lock().unwrap_or_else(PoisonError::into_inner);
                ledger.enter(lines.entries.drain(..));
            }
            let stored = source.stored_bytes_read();
            let reported = opened.reported.fetch_max(stored, Ordering::Relaxed);
            self.job.progress.advance(stored.saturating_sub(reported));
        }
        opened.exhausted.store(true, Ordering::Relaxed);
    }

    /// Lets go of a source; the last one to do so takes stock.
    fn close(&self, opened: Arc<Opened>, reading: &mut Reading) {
        self.lock()
            .open
            .retain(|other| !Arc::ptr_eq(other, &opened));
        if let Some(opened) = Arc::into_inner(opened) {
            reading.stored_bytes += opened.source.stored_bytes_read();
            let (key, end) = (opened.source.key(), opened.source.end());
            reading.ends.push((key, (end, opened.source.seal())));
            reading.troubles.extend(opened.source.troubles());
        }
    }

    /// A source that others are reading and that is not at its end.
    fn to_help_with(&self) -> Option<Arc<Opened>> {
        let mut sources = self.lock();
        loop {
            let unread = |opened: &&Arc<Opened>| !opened.exhausted.load(Ordering::Relaxed);
            if let Some(opened) = sources.open.iter().find(unread) {
                return Some(Arc::clone(opened));
            }
            if sources.opening == 0 {
                return None;
            }
            sources = self
                .changed
                .wait(sources)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Sources> {
        self.sources.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
