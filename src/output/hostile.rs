//! Strings from the log, made safe for a terminal.
//!
//! User agents, names, audit IDs and even file names are chosen by clients. On a terminal they could
//! move the cursor, recolour or retitle the window, reverse the reading order, or pretend to be another
//! line of the report. So whatever does not stand for itself is shown as its code point: `\u{1b}`.

use std::borrow::Cow;

/// `text` with every character that a terminal would act on, or that nobody would see, spelled out.
///
/// A backslash stays as it is: the result is for eyes. Formats that are read back have their own
/// escaping.
#[must_use]
pub fn shown(text: &str) -> Cow<'_, str> {
    if !text.chars().any(hidden) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if hidden(c) {
            safe.extend(c.escape_unicode());
        } else {
            safe.push(c);
        }
    }
    Cow::Owned(safe)
}

/// `text`, cut to `most` characters; what was cut is counted.
#[must_use]
pub fn clip(text: &str, most: usize) -> Cow<'_, str> {
    match text.char_indices().nth(most) {
        None => Cow::Borrowed(text),
        Some((at, _)) => {
            let rest = text[at..].chars().count();
            Cow::Owned(format!("{}... ({rest} more characters)", &text[..at]))
        }
    }
}

/// Characters that act, overlap, or cannot be seen.
pub(super) fn hidden(c: char) -> bool {
    c.is_control()
        || matches!(c,
            // Invisible: soft hyphen, joiners, fillers, zero-width spaces, variation selectors, tags.
            '\u{ad}' | '\u{34f}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200d}' | '\u{2060}'..='\u{2065}'
            | '\u{2800}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}'
            | '\u{e0000}'..='\u{e0fff}'
            // Direction: marks, embeddings, overrides, isolates, deprecated shaping controls.
            | '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{206f}'
            // Line and paragraph separators.
            | '\u{2028}' | '\u{2029}'
            // Combining marks, which pile up over other lines.
            | '\u{300}'..='\u{36f}' | '\u{483}'..='\u{489}' | '\u{1ab0}'..='\u{1aff}'
            | '\u{1dc0}'..='\u{1dff}' | '\u{20d0}'..='\u{20ff}' | '\u{fe20}'..='\u{fe2f}'
            // What was no character to begin with: annotations, replacement, private use, non-characters.
            | '\u{fff0}'..='\u{fffd}' | '\u{e000}'..='\u{f8ff}' | '\u{fdd0}'..='\u{fdef}'
            | '\u{f0000}'..='\u{10ffff}')
        || u32::from(c) & 0xfffe == 0xfffe
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_acts_on_a_terminal_is_spelled_out() {
        for (text, expected) in [
            ("shop/web", "shop/web"),
            ("Müller 東京", "Müller 東京"),
            ("\u{1b}[31mred\u{1b}[0m", r"\u{1b}[31mred\u{1b}[0m"),
            ("\u{9b}31m", r"\u{9b}31m"),
            ("a\r\nb\tc\u{7f}\0", r"a\u{d}\u{a}b\u{9}c\u{7f}\u{0}"),
            ("gpj.\u{202e}exe", r"gpj.\u{202e}exe"),
            ("ad\u{200b}min", r"ad\u{200b}min"),
            ("\u{2067}x\u{2069}", r"\u{2067}x\u{2069}"),
            ("\u{2028}\u{feff}\u{fffd}", r"\u{2028}\u{feff}\u{fffd}"),
            ("Z\u{334}\u{335}", r"Z\u{334}\u{335}"),
            ("\u{e0041}", r"\u{e0041}"),
            ("\u{1fffe}", r"\u{1fffe}"),
        ] {
            assert_eq!(shown(text), expected);
        }
    }

    #[test]
    fn absurd_lengths_are_cut_between_characters() {
        assert_eq!(clip("äöü", 3), "äöü");
        assert_eq!(clip("äöüß", 3), "äöü... (1 more characters)");
        assert_eq!(clip(&"x".repeat(5000), 4), "xxxx... (4996 more characters)");
    }

    proptest! {
        #[test]
        fn nothing_hidden_comes_through(text in any::<String>()) {
            let safe = shown(&text);
            prop_assert!(!safe.chars().any(|c| c.is_control() || hidden(c)));
            let again = shown(&safe).into_owned();
            prop_assert_eq!(again.as_str(), safe.as_ref());
        }
    }
}
