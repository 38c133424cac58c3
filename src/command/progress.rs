//! A progress bar by stored bytes, on standard error.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::{
    output::{clip, shown},
    pipeline::Progress,
};

const BYTES: &str = "{spinner} {bytes} ({bytes_per_sec}) {wide_msg}";
const SHARE: &str =
    "{bar:24.cyan/dim} {percent:>3} % of {total_bytes} ({bytes_per_sec}, {eta} left) {wide_msg}";

/// Names are shown no more often than anybody can read them: of small files, there are thousands a second.
const EVERY: Duration = Duration::from_millis(50);

/// A bar that is gone once it is dropped.
pub(super) struct Bar {
    line: ProgressBar,
    /// Whether anybody sees it: what is hidden costs nothing.
    seen: bool,
    started: Instant,
    /// When the next name may be shown, in milliseconds since the start.
    next_name: AtomicU64,
}

impl Bar {
    /// Shown only if `visible`, and then only if standard error is a terminal.
    pub(super) fn new(visible: bool) -> Self {
        let target = if visible {
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::hidden()
        };
        let bar = restyled(ProgressBar::with_draw_target(None, target), BYTES);
        Self {
            seen: !bar.is_hidden(),
            line: bar,
            started: Instant::now(),
            next_name: AtomicU64::new(0),
        }
    }
}

fn restyled(bar: ProgressBar, template: &str) -> ProgressBar {
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style.progress_chars("=> ")),
        Err(_) => bar,
    }
}

impl Progress for Bar {
    fn total(&self, bytes: Option<u64>) {
        let Some(bytes) = bytes else {
            return;
        };
        if self.seen {
            self.line.set_length(bytes);
            restyled(self.line.clone(), SHARE);
        }
    }

    fn advance(&self, bytes: u64) {
        if self.seen {
            self.line.inc(bytes);
        }
    }

    fn file(&self, name: &str) {
        if !self.seen {
            return;
        }
        let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let (now, next) = (
            millis(self.started.elapsed()),
            self.next_name.load(Ordering::Relaxed),
        );
        let mine = now >= next
            && (self.next_name)
                .compare_exchange(
                    next,
                    now + millis(EVERY),
                    Ordering::Relaxed,
                    Ordering::Relaxed,
                )
                .is_ok();
        if mine {
            self.line.set_message(shown(&clip(name, 200)).into_owned());
        }
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.line.finish_and_clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_templates_are_valid() {
        for template in [BYTES, SHARE] {
            assert!(ProgressStyle::with_template(template).is_ok());
        }
    }
}
