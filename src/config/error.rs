//! What is wrong with what was asked for, and what to do about it.

use std::fmt;

/// A usage error: what is wrong, and perhaps what was meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    /// One line.
    pub why: String,
    /// The place that it is about, a few lines.
    pub excerpt: Option<String>,
    /// What to do about it, one line.
    pub hint: Option<String>,
}

impl Error {
    /// An error without a hint.
    #[must_use]
    pub fn new(why: impl Into<String>) -> Self {
        Self {
            why: why.into(),
            excerpt: None,
            hint: None,
        }
    }

    /// The same with a hint.
    #[must_use]
    pub fn hint(self, hint: impl Into<String>) -> Self {
        Self {
            hint: Some(hint.into()),
            ..self
        }
    }

    /// `text` is not one of `known`: says which one it may have been.
    #[must_use]
    pub fn unknown(what: &str, text: &str, known: &[&str]) -> Self {
        let hint = match nearest(text, known) {
            Some(name) => format!("did you mean '{name}'?"),
            None => format!("there are {}", known.join(", ")),
        };
        Self::new(format!("'{text}' is no {what}")).hint(hint)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.why)
    }
}

impl std::error::Error for Error {}

/// The name that is most like `text`, if one is like it at all.
#[must_use]
pub fn nearest<'a>(text: &str, known: &[&'a str]) -> Option<&'a str> {
    let text = text.to_lowercase().replace('_', "-");
    let likeness = |name: &str| {
        // A part of a long name counts as well: `secret` for `secret-listing`.
        let part = text.len() >= 4 && name.contains(&text);
        strsim::jaro_winkler(&text, name) + f64::from(u8::from(part))
    };
    let scored = known.iter().map(|&name| (likeness(name), name));
    let best = scored.max_by(|a, b| a.0.total_cmp(&b.0))?;
    (best.0 > 0.75).then_some(best.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_recognised_and_noise_is_not() {
        let known = ["default-serviceaccount", "secret-listing", "legacy-token"];
        for (text, expected) in [
            ("secret-listign", Some("secret-listing")),
            ("Secret_Listing", Some("secret-listing")),
            ("serviceaccount", Some("default-serviceaccount")),
            ("legacy-tokens", Some("legacy-token")),
            ("xyzzy", None),
            ("", None),
        ] {
            assert_eq!(nearest(text, &known), expected, "{text}");
        }
    }
}
