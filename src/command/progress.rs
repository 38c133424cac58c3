//! A progress bar by stored bytes, on standard error.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::{
    output::{clip, shown},
    pipeline::Progress,
};

const BYTES: &str = "{spinner} {bytes} ({bytes_per_sec}) {wide_msg}";
const SHARE: &str =
    "{bar:24.cyan/dim} {percent:>3} % of {total_bytes} ({bytes_per_sec}, {eta} left) {wide_msg}";

/// A bar that is gone once it is dropped.
pub(super) struct Bar(ProgressBar);

impl Bar {
    /// Shown only if `visible`, and then only if standard error is a terminal.
    pub(super) fn new(visible: bool) -> Self {
        let target = if visible {
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::hidden()
        };
        let bar = ProgressBar::with_draw_target(None, target);
        Self(restyled(bar, BYTES))
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
        self.0.set_length(bytes);
        restyled(self.0.clone(), SHARE);
    }

    fn advance(&self, bytes: u64) {
        self.0.inc(bytes);
    }

    fn file(&self, name: &str) {
        self.0.set_message(shown(&clip(name, 200)).into_owned());
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
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
