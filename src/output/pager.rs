//! Long text on a terminal goes through the reader's pager.

use std::{
    io::{self, ErrorKind, Write},
    process::{Command, Stdio},
};

/// A pager, and how much fits on the screen without it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pager {
    /// As a shell takes it: `less`, `bat --plain`.
    pub command: String,
    /// Lines of the screen.
    pub rows: usize,
    /// Variables that it gets beside those of this process.
    pub variables: Vec<(&'static str, &'static str)>,
}

impl Pager {
    /// Shows `text`, through the pager if it is longer than the screen. Where the pager cannot be started, the text goes
    /// to standard output as it is.
    ///
    /// # Errors
    ///
    /// Standard output cannot be written to. A reader who leaves early is no error.
    pub(super) fn show(&self, text: &[u8]) -> io::Result<()> {
        let lines = memchr::memchr_iter(b'\n', text).count();
        // The shell's prompt takes a line.
        if lines < self.rows || !self.page(text) {
            let mut out = io::stdout().lock();
            return match out.write_all(text).and_then(|()| out.flush()) {
                Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error),
                _ => Ok(()),
            };
        }
        Ok(())
    }

    /// Whether there was a pager that took it.
    fn page(&self, text: &[u8]) -> bool {
        let mut command = Command::new("sh");
        command.args(["-c", &self.command]).stdin(Stdio::piped());
        command.envs(self.variables.iter().copied());
        let Ok(mut pager) = command.spawn() else {
            return false;
        };
        if let Some(mut input) = pager.stdin.take() {
            // The reader may leave before the end: that is no error.
            drop(input.write_all(text));
        }
        // What a shell ends with if there is no such program, or it is none.
        let status = pager.wait().ok().and_then(|status| status.code());
        !matches!(status, Some(126 | 127))
    }
}
