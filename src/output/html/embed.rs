//! JSON that stands in a page: nothing in it can end the script element, and what is hidden is spelled out.
//!
//! Every string passes [`shown`](crate::output::shown)'s rule here and nowhere else: the page shows what it is given as
//! text, and what it is given hides nothing. `<`, `>` and `&` are written as escapes, so that neither `</script` nor
//! `<!--` can stand in the text of the element (HTML, "Restrictions for contents of script elements").

use std::{
    fmt,
    io::{self, Write},
};

use serde::Serialize;
use serde_json::{
    Serializer,
    ser::{CharEscape, Formatter},
};

use crate::output::hostile::hidden;

/// One value as JSON in a page.
pub(super) struct Json<T>(pub(super) T);

/// Values as JSON in a page, each on its own line, so that a reader can take one of them apart at a time.
pub(super) struct Lines<T>(pub(super) Vec<T>);

impl<T: Serialize> fmt::Display for Json<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        put(&self.0, f)
    }
}

impl<T: Serialize> fmt::Display for Lines<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, value) in self.0.iter().enumerate() {
            if at > 0 {
                f.write_str("\n")?;
            }
            put(value, f)?;
        }
        Ok(())
    }
}

fn put(value: &impl Serialize, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let mut serializer = Serializer::with_formatter(Text(f), Page);
    value.serialize(&mut serializer).map_err(|_| fmt::Error)
}

/// Bytes into a text that they are known to be: `serde_json` writes whole characters.
struct Text<'a, 'b>(&'a mut fmt::Formatter<'b>);

impl Write for Text<'_, '_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = str::from_utf8(bytes).map_err(io::Error::other)?;
        self.0.write_str(text).map_err(io::Error::other)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Page;

impl Formatter for Page {
    fn write_string_fragment<W: ?Sized + Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        let mut rest = 0;
        for (at, c) in fragment.char_indices() {
            let special = matches!(c, '<' | '>' | '&');
            if !special && !hidden(c) {
                continue;
            }
            writer.write_all(&fragment.as_bytes()[rest..at])?;
            rest = at + c.len_utf8();
            if special {
                write!(writer, "\\u{:04x}", u32::from(c))?;
            } else {
                spell(c, writer)?;
            }
        }
        writer.write_all(&fragment.as_bytes()[rest..])
    }

    /// What JSON escapes: quotes and backslashes stand for themselves, control characters are spelled out.
    fn write_char_escape<W: ?Sized + Write>(
        &mut self,
        writer: &mut W,
        escape: CharEscape,
    ) -> io::Result<()> {
        let byte = match escape {
            CharEscape::Quote => return writer.write_all(b"\\\""),
            CharEscape::ReverseSolidus => return writer.write_all(b"\\\\"),
            CharEscape::Solidus => return writer.write_all(b"/"),
            CharEscape::Backspace => 0x08,
            CharEscape::FormFeed => 0x0c,
            CharEscape::LineFeed => b'\n',
            CharEscape::CarriageReturn => b'\r',
            CharEscape::Tab => b'\t',
            CharEscape::AsciiControl(byte) => byte,
        };
        spell(char::from(byte), writer)
    }
}

/// `\u{202e}`, as text.
fn spell<W: ?Sized + Write>(c: char, writer: &mut W) -> io::Result<()> {
    write!(writer, "\\\\u{{{:x}}}", u32::from(c))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::output::shown;

    use super::*;

    #[test]
    fn no_string_ends_the_element_or_hides_something() {
        let json = Json("</script><!-- &amp; \u{2028}\u{202e}\n\"\\").to_string();
        assert_eq!(
            json,
            r#""\u003c/script\u003e\u003c!-- \u0026amp; \\u{2028}\\u{202e}\\u{a}\"\\""#
        );
    }

    proptest! {
        #[test]
        fn what_is_read_back_is_what_a_terminal_would_show(text in any::<String>()) {
            let json = Json(&text).to_string();
            let acts = ['<', '>', '&', '\n', '\u{2028}', '\u{2029}'];
            prop_assert!(!json.contains(acts));
            let back: String = serde_json::from_str(&json).unwrap();
            let expected = shown(&text);
            prop_assert_eq!(back.as_str(), expected.as_ref());
        }
    }
}
