//! Whole members of an archive, decompressed at once, and by threads that would otherwise wait for their turn.
//!
//! Who writes archives in pieces (bgzip, pzstd, shippers that append a compressed batch, `cat` of rotated files) makes
//! members that can be decompressed by themselves, if one knows where they begin. Here that is found out as cheaply as
//! the format allows, for *runs* of members that are small together:
//!
//! - bgzip says in each member's header how long it is (SAM specification, section 4.1, `BC`).
//! - zstd frames say how long each block is (RFC 8878, section 3.1.1.2), so that they can be walked.
//! - Other gzip members are looked for by their magic bytes, and the file's end is one's end.
//!
//! All of it is a guess, and proves itself twice: a member counts only if its length and its checksum are those behind
//! it, and a run only if the decoder, which goes from front to back, comes to stand exactly where it starts. What fails
//! is decompressed as if nobody had tried. So the text and the troubles are those of reading serially.
//!
//! Memory: a run is at most [`STORED_MOST`] bytes, and [`TEXT_MOST`] decompressed; few are kept.

use std::{
    collections::VecDeque,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
};

use super::{lock, position::Positioned, runs, sniff::Compression};

/// Read at once in search of members: a millisecond of decompressing.
const WINDOW: usize = 128 << 10;
/// A run is no longer than that, so that a whole small archive is one.
pub(super) const STORED_MOST: usize = 4 << 20;
/// Nor longer than that when it is decompressed.
pub(super) const TEXT_MOST: usize = 16 << 20;
/// Stored bytes of the runs that are kept for the decoder, about.
const KEPT: u64 = 1 << 20;

/// The members of one file that stand ahead of its decoder.
#[derive(Debug)]
pub(super) struct Ahead {
    file: Arc<Positioned>,
    /// The file's size when it was opened. What is appended later, the decoder finds by itself.
    size: u64,
    compression: Compression,
    queue: Mutex<Queue>,
    /// Told when a run has been decompressed.
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Queue {
    /// In the order in which they stand in the file.
    runs: VecDeque<Run>,
    /// Where the next one would start, if that is known.
    next: Option<u64>,
    /// Memory of texts that were read.
    spare: Vec<Vec<u8>>,
}

#[derive(Debug)]
struct Run {
    start: u64,
    end: u64,
    state: State,
}

#[derive(Debug)]
enum State {
    /// A thread is at it.
    Busy,
    /// What came of it.
    Done(Option<Whole>),
}

/// Members that have been decompressed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Whole {
    /// What stands in them, up to `filled`.
    pub(super) text: Vec<u8>,
    /// How long that is.
    pub(super) filled: usize,
    /// The stored offset behind the last of them.
    pub(super) until: u64,
}

/// Stored members, found and not yet decompressed.
struct Found {
    start: u64,
    stored: Vec<u8>,
    room: Vec<u8>,
}

impl Ahead {
    pub(super) fn new(file: Arc<Positioned>, size: u64, compression: Compression) -> Self {
        Self {
            file,
            size,
            compression,
            queue: Mutex::default(),
            changed: Condvar::new(),
        }
    }

    /// The members from `at` on, where one begins unless the file is damaged; `None` if they have to be read
    /// serially. To be asked by one thread at a time.
    pub(super) fn claim(&self, at: u64) -> Option<Whole> {
        let mut queue = lock(&self.queue);
        loop {
            // What seemed to begin a member and stood inside another one.
            while queue.runs.front().is_some_and(|run| run.start < at) {
                queue.runs.pop_front();
            }
            match queue.runs.front() {
                Some(run) if run.start > at => return None,
                Some(Run {
                    state: State::Busy, ..
                }) => {
                    queue = (self.changed.wait(queue)).unwrap_or_else(PoisonError::into_inner);
                }
                Some(_) => {
                    let State::Done(whole) = queue.runs.pop_front()?.state else {
                        return None;
                    };
                    return whole;
                }
                None => {
                    let found = self.find(&mut queue, at)?;
                    drop(queue);
                    // Read block by block, a long frame stays in the processor's caches.
                    if self.compression == Compression::Zstd && found.stored.len() > WINDOW {
                        self.give_back(found.room);
                        return None;
                    }
                    return self.decompress(found);
                }
            }
        }
    }

    /// Decompresses members that will be claimed later; `false` if there is nothing to do ahead.
    pub(super) fn help(&self) -> bool {
        let mut queue = lock(&self.queue);
        let kept: u64 = queue.runs.iter().map(|run| run.end - run.start).sum();
        let Some(at) = queue.next.filter(|_| kept < KEPT) else {
            return false;
        };
        let Some(found) = self.find(&mut queue, at) else {
            return false;
        };
        queue.runs.push_back(Run {
            start: at,
            end: at + found.stored.len() as u64,
            state: State::Busy,
        });
        drop(queue);
        let mut work = Work {
            ahead: self,
            start: at,
            whole: None,
        };
        work.whole = self.decompress(found);
        true
    }

    /// Takes back the memory of a text that was read.
    pub(super) fn give_back(&self, text: Vec<u8>) {
        let mut queue = lock(&self.queue);
        if queue.spare.len() < 2 {
            queue.spare.push(text);
        }
    }

    /// Looks for members from `at` on, under the lock: the next run starts where this one ends.
    fn find(&self, queue: &mut MutexGuard<'_, Queue>, at: u64) -> Option<Found> {
        queue.next = None;
        let left = usize::try_from(self.size.saturating_sub(at)).unwrap_or(usize::MAX);
        let mut stored = Vec::new();
        let mut most = WINDOW;
        loop {
            let want = left.min(most);
            self.read(&mut stored, want, at)?;
            if let Some(end) = runs::end(self.compression, &stored, want == left) {
                stored.truncate(end);
                queue.next = Some(at + end as u64);
                return Some(Found {
                    start: at,
                    stored,
                    room: queue.spare.pop().unwrap_or_default(),
                });
            }
            if want == left || most == STORED_MOST {
                return None;
            }
            most = (most * 2).min(STORED_MOST);
        }
    }

    /// Reads on until `stored` has all that it should have.
    fn read(&self, stored: &mut Vec<u8>, want: usize, at: u64) -> Option<()> {
        let mut filled = stored.len();
        stored.resize(want, 0);
        while filled < want {
            let read = self
                .file
                .read_at(&mut stored[filled..], at + filled as u64)
                .ok()?;
            // Somebody has cut it: the decoder will say so.
            filled += Some(read).filter(|&read| read > 0)?;
        }
        Some(())
    }

    fn decompress(&self, found: Found) -> Option<Whole> {
        let mut text = found.room;
        let (length, filled) = runs::decompress(self.compression, &found.stored, &mut text);
        if length == 0 {
            self.give_back(text);
            return None;
        }
        let until = found.start + length as u64;
        Some(Whole {
            text,
            filled,
            until,
        })
    }
}

/// A run that somebody may wait for, whatever becomes of the thread that is at it.
struct Work<'a> {
    ahead: &'a Ahead,
    start: u64,
    whole: Option<Whole>,
}

impl Drop for Work<'_> {
    fn drop(&mut self) {
        let mut queue = lock(&self.ahead.queue);
        let mut runs = queue.runs.iter_mut();
        if let Some(run) = runs.find(|run| run.start == self.start) {
            run.state = State::Done(self.whole.take());
        }
        self.ahead.changed.notify_all();
    }
}
