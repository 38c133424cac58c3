//! What the process finds around itself: terminals, colours, the date. Looked at once.

use std::io::{self, IsTerminal};

use anstream::ColorChoice;
use chrono::{NaiveDate, Utc};

use crate::output::Look;

/// What a run can know about where it runs.
#[derive(Debug, Clone, Copy)]
pub struct Surroundings {
    /// Whether a person types into standard input.
    pub stdin_is_terminal: bool,
    /// What standard output can show.
    pub stdout: Look,
    /// Whether there is anybody to look at a progress bar.
    pub stderr_is_terminal: bool,
    /// The day (UTC), for exceptions.
    pub today: NaiveDate,
}

impl Surroundings {
    /// Looks around. Colour follows `NO_COLOR`, `CLICOLOR`, `CLICOLOR_FORCE` and `TERM`; width is the
    /// terminal's. A pipe gets no wrapping.
    #[must_use]
    pub fn look() -> Self {
        let stdout = io::stdout();
        let is_terminal = stdout.is_terminal();
        let color = anstream::AutoStream::choice(&stdout) != ColorChoice::Never;
        Self {
            stdin_is_terminal: io::stdin().is_terminal(),
            stdout: Look {
                width: is_terminal.then(width),
                color,
                detailed: false,
            },
            stderr_is_terminal: io::stderr().is_terminal(),
            today: Utc::now().date_naive(),
        }
    }
}

/// The terminal's width; 80 where it does not say.
fn width() -> usize {
    let size = terminal_size::terminal_size_of(io::stdout());
    size.map_or(80, |(width, _)| usize::from(width.0)).max(40)
}
