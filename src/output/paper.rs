//! What text for people is written on: wraps, indents, colours, and lets no hostile string through.
//!
//! Every piece of text passes [`shown`] here and nowhere else, so that no writer can forget it. The
//! only control characters that come out are newlines and, with colour, this module's own sequences.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use unicode_width::UnicodeWidthStr;

use crate::finding::Severity;

use super::{clip, shown};

/// What the reader's terminal can do, found out by whoever owns the terminal; and how much the reader wants to know.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Look {
    /// Columns to wrap at; `None`: no wrapping, so that one thing is one line for `grep`.
    pub width: Option<usize>,
    /// Whether to colour.
    pub color: bool,
    /// Whether to say more: of findings what they rest on, of files what was in them.
    pub detailed: bool,
}

/// Prose in longer lines is hard to read, however wide the terminal.
const WIDEST: usize = 100;

/// Longer pieces of text are cut.
const LONGEST: usize = 1200;

pub(super) const PLAIN: Style = Style::new();
pub(super) const BOLD: Style = Style::new().bold();
pub(super) const DIM: Style = Style::new().dimmed();
pub(super) const WARNING: Style = AnsiColor::Yellow.on_default();
pub(super) const BAD: Style = AnsiColor::Red.on_default().bold();

/// The colour of a severity: reds are for today, the others can wait.
pub(super) fn severity_style(severity: Severity) -> Style {
    match severity {
        Severity::Critical => AnsiColor::White.on(AnsiColor::Red).bold(),
        Severity::High => AnsiColor::Red.on_default().bold(),
        Severity::Medium => AnsiColor::Yellow.on_default().bold(),
        Severity::Low => AnsiColor::Cyan.on_default(),
        Severity::Info => AnsiColor::Blue.on_default(),
    }
}

/// A sheet to write on.
pub(super) struct Paper<'a> {
    out: &'a mut dyn Write,
    look: Look,
}

impl<'a> Paper<'a> {
    pub(super) fn new(out: &'a mut dyn Write, look: Look) -> Self {
        Self { out, look }
    }

    /// Whether lines are kept whole.
    pub(super) const fn is_endless(&self) -> bool {
        self.look.width.is_none()
    }

    /// How many columns there are beside an indent; as many as it takes where lines are kept whole.
    pub(super) fn room(&self, indent: usize) -> usize {
        let width = self.look.width.unwrap_or(usize::MAX);
        width.saturating_sub(indent)
    }

    pub(super) fn blank(&mut self) -> io::Result<()> {
        self.out.write_all(b"\n")
    }

    /// One line, made of styled pieces, as wide as it gets.
    pub(super) fn line(&mut self, pieces: &[(Style, &str)]) -> io::Result<()> {
        for (style, text) in pieces {
            self.piece(*style, text)?;
        }
        self.blank()
    }

    /// `label` in its column of `indent` characters, then `text`, wrapped beside it.
    pub(super) fn entry(
        &mut self,
        (label_style, label): (Style, &str),
        indent: usize,
        (style, text): (Style, &str),
    ) -> io::Result<()> {
        let label = fill(label, indent);
        let text = shown(&clip(text, LONGEST)).into_owned();
        // Below 20 columns of text nothing is readable; then the terminal may wrap as it likes.
        let room = self
            .look
            .width
            .map(|width| width.saturating_sub(indent).clamp(20, WIDEST));
        for (i, line) in wrap(&text, room).into_iter().enumerate() {
            if i == 0 {
                self.piece(label_style, &label)?;
            } else {
                self.piece(PLAIN, &" ".repeat(indent))?;
            }
            self.piece(style, line)?;
            self.blank()?;
        }
        Ok(())
    }

    fn piece(&mut self, style: Style, text: &str) -> io::Result<()> {
        let text = clip(text, 2 * LONGEST);
        let text = shown(&text);
        if self.look.color && style != PLAIN && !text.is_empty() {
            write!(self.out, "{style}{text}{style:#}")
        } else {
            self.out.write_all(text.as_bytes())
        }
    }
}

/// `text` with spaces up to `width` columns.
pub(super) fn fill(text: &str, width: usize) -> String {
    let missing = width.saturating_sub(text.width());
    format!("{text}{}", " ".repeat(missing))
}

/// Lines of at most `room` columns, broken at spaces; a longer word stays whole, to be copied.
fn wrap(text: &str, room: Option<usize>) -> Vec<&str> {
    let Some(room) = room else {
        return vec![text];
    };
    let mut lines = Vec::new();
    let (mut start, mut end, mut used) = (0, 0, 0);
    let mut at = 0;
    for word in text.split(' ') {
        let width = word.width();
        if at > start && used + 1 + width > room {
            lines.push(&text[start..end]);
            (start, used) = (at, width);
        } else {
            used += width + usize::from(at > start);
        }
        end = at + word.len();
        at = end + 1;
    }
    lines.push(&text[start..end]);
    lines
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(look: Look, text: &str) -> String {
        let mut out = Vec::new();
        Paper::new(&mut out, look)
            .entry((BOLD, "see"), 6, (BAD, text))
            .unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn wraps_beside_the_label() {
        let look = Look {
            width: Some(26),
            ..Look::default()
        };
        assert_eq!(
            written(look, "the quick brown fox jumps"),
            "see   the quick brown fox\n      jumps\n"
        );
        assert_eq!(
            written(Look::default(), "the quick brown fox jumps"),
            "see   the quick brown fox jumps\n"
        );
    }

    #[test]
    fn wide_characters_take_two_columns() {
        assert_eq!(wrap("東京 東京 x", Some(9)), ["東京 東京", "x"]);
        assert_eq!(fill("東", 4), "東  ");
    }

    proptest! {
        #[test]
        fn wrapping_loses_nothing_and_keeps_its_width(text in "[a-z ]{0,80}", room in 1_usize..40) {
            let lines = wrap(&text, Some(room));
            prop_assert_eq!(lines.join(" "), text.clone());
            for line in lines {
                prop_assert!(line.len() <= room || !line.trim().contains(' ') , "{:?}", line);
            }
        }

        #[test]
        fn colour_adds_nothing_but_colour(text in any::<String>(), width in proptest::option::of(0_usize..99)) {
            let plain = written(Look { width, color: false, ..Look::default() }, &text);
            prop_assert!(plain.chars().all(|c| c == '\n' || !c.is_control()));
            let colored = written(Look { width, color: true, ..Look::default() }, &text);
            prop_assert_eq!(anstream::adapter::strip_str(&colored).to_string(), plain);
        }
    }
}
