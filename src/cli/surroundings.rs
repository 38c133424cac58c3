//! What the process finds around itself: terminals, colours, the date. Looked at once.

use std::{
    env,
    io::{self, IsTerminal},
};

use anstream::ColorChoice;
use chrono::{NaiveDate, Utc};

use crate::output::{Look, Pager};

/// What a run can know about where it runs.
#[derive(Debug, Clone)]
pub struct Surroundings {
    /// Whether a person types into standard input.
    pub stdin_is_terminal: bool,
    /// What standard output can show.
    pub stdout: Look,
    /// Whether there is anybody to look at a progress bar.
    pub stderr_is_terminal: bool,
    /// What long tables on standard output go through; `None` where that is no terminal.
    pub pager: Option<Pager>,
    /// The day (UTC), for exceptions.
    pub today: NaiveDate,
}

impl Surroundings {
    /// Looks around. Colour follows `NO_COLOR`, `CLICOLOR`, `CLICOLOR_FORCE` and `TERM`; width is the
    /// terminal's. A pipe gets no wrapping. The pager is `SATRAIL_PAGER`, else `PAGER`, else `less`; none if that is
    /// empty or `cat`.
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
            pager: if is_terminal { pager() } else { None },
            today: Utc::now().date_naive(),
        }
    }
}

/// The terminal's width; 80 where it does not say.
fn width() -> usize {
    let size = terminal_size::terminal_size_of(io::stdout());
    size.map_or(80, |(width, _)| usize::from(width.0)).max(40)
}

fn pager() -> Option<Pager> {
    let asked = ["SATRAIL_PAGER", "PAGER"].map(env::var);
    let command = asked.into_iter().find_map(Result::ok);
    let command = command.unwrap_or_else(|| "less".to_owned());
    let size = terminal_size::terminal_size_of(io::stdout());
    // Terminals that do not say have had 24 lines since there were terminals.
    let rows = size.map_or(0, |(_, height)| usize::from(height.0));
    let rows = if rows == 0 { 24 } else { rows };
    // Colours as such, no clearing, out at once on Ctrl-C; and nothing that leads out of less to a shell.
    let variables = [("LESS", "FRXK"), ("LV", "-c"), ("LESSSECURE", "1")];
    let unset = variables.into_iter();
    let variables = unset
        .filter(|(name, _)| env::var_os(name).is_none())
        .collect();
    let wanted = !matches!(command.trim(), "" | "cat");
    wanted.then_some(Pager {
        command,
        rows,
        variables,
    })
}
