//! The law that both paths obey, whatever the line.

use satrail::{
    event::{Parser, resync},
    source::Origin,
};

use crate::reference::{Verdict, mend, plain, verdict};

/// Holds both paths against `serde_json`:
///
/// - what `serde_json` accepts, the exact path reads alike, and so does the fast path if it vouches for it;
/// - what `serde_json` rejects, the exact path rejects; the fast path may accept it only if the defect lies
///   inside a value that it keeps or skips as text.
pub(crate) fn check(line: &str) {
    let mut parser = Parser::default();
    let exact = parser.parse_exactly(line, Origin::default());
    let exact = exact.map(|event| plain(&event)).map_err(|bad| bad.why);
    let fast = Parser::parse_fast(line, Origin::default()).map(|event| plain(&event));
    match verdict(line) {
        Verdict::Event(expected) => {
            assert_eq!(exact.as_ref(), Ok(&*expected), "exact path on {line}");
            if let Some(fast) = fast {
                assert_eq!(fast, *expected, "fast path on {line}");
            }
        }
        Verdict::NotAnEvent => {
            assert!(exact.is_err(), "exact path accepts {line}");
            assert!(fast.is_none(), "fast path accepts {line}");
        }
        Verdict::NotJson => {
            assert!(exact.is_err(), "exact path accepts {line}");
            if fast.is_some() {
                assert!(sound_outside(line), "fast path accepts {line}");
            }
        }
    }
    if let Err(why) = exact {
        assert!(
            why.len() < 160 && !why.contains(char::is_control),
            "{why:?}"
        );
    }
    if let Some(at) = resync(line) {
        assert!(at > 0 && line[at..].starts_with(r#"{"kind":"Event","apiVersion":"audit."#));
    }
}

/// Whether `line` is JSON once what stands in nested values is blanked out, those that are taken apart
/// member by member (`user` and such) being looked at one level deeper.
fn sound_outside(line: &str) -> bool {
    let (outline, nested) = blank(line);
    let sound = |text: &str| serde_json::from_str::<serde_json::Value>(&mend(text)).is_ok();
    sound(&outline)
        && nested.iter().all(|(key, text)| {
            !["user", "impersonatedUser", "objectRef", "responseStatus"].contains(&&**key)
                || sound(&blank(text).0)
        })
}

/// Replaces what is nested in the object `text` by zeros, and lists it with its keys.
fn blank(text: &str) -> (String, Vec<(String, String)>) {
    let (mut outline, mut nested) = (String::new(), Vec::new());
    let (mut depth, mut inside, mut escaped, mut from) = (0_i64, false, false, 0);
    for (at, char) in text.char_indices() {
        let bracket = !inside && "{}[]".contains(char);
        if bracket && "{[".contains(char) {
            depth += 1;
            if depth == 2 {
                from = at;
            }
        }
        if depth < 2 {
            outline.push(char);
        }
        if bracket && "}]".contains(char) {
            if depth == 2 {
                let key = outline.trim_end().trim_end_matches(':').trim_end();
                let key = key.trim_end_matches('"').rsplit('"').next();
                nested.push((
                    key.unwrap_or_default().to_owned(),
                    text[from..=at].to_owned(),
                ));
                outline.push('0');
            }
            depth -= 1;
        }
        inside ^= char == '"' && !escaped;
        escaped = inside && char == '\\' && !escaped;
    }
    (outline, nested)
}
