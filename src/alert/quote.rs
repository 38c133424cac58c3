//! Strings from outside on their way into PromQL and Go templates; and templates back to text.
//!
//! Names of accounts and Secrets come from a log in which clients choose much of what is written. Each
//! language has one function here (YAML's are in [`crate::yaml`]), and they nest: a PromQL string inside a YAML string.

use std::{iter::Peekable, str::Chars};

use crate::{metric::Labels, yaml};

/// A PromQL string, quotes and all. Everything that is not printable ASCII is written as an escape, so
/// that no editor, terminal or YAML reader sees anything special in it. The escapes are Go's, which YAML has as well.
pub(super) fn promql(text: &str) -> String {
    yaml::quoted_ascii(text)
}

/// A text that Go's templates print as it is.
pub(super) fn go_template(text: &str) -> String {
    text.replace("{{", "{{ \"{{\" }}")
}

/// A template of Prometheus, as far as it is understood here.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Words(Vec<Word>);

#[derive(Debug, Clone, PartialEq)]
enum Word {
    Text(String),
    Label(String),
    /// `$value` with so many digits after the point.
    Value(usize),
}

impl Words {
    /// Understands `{{ $labels.name }}`, `{{ $value | printf "%.2f" }}` and `{{ "text" }}`. What else
    /// Prometheus knows is refused: the unit tests could not tell what it comes to.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let (mut words, mut rest) = (Vec::new(), text);
        while let Some((before, after)) = rest.split_once("{{") {
            let mut chars = after.chars().peekable();
            words.push(Word::Text(before.to_owned()));
            words.push(action(&mut chars).ok_or_else(|| {
                format!(
                    "of templates {{{{ $labels.name }}}}, {{{{ $value | printf \"%.2f\" }}}} and \
                     {{{{ \"text\" }}}} are known, not {:?}",
                    after.split("}}").next().unwrap_or_default()
                )
            })?);
            let left: usize = chars.map(char::len_utf8).sum();
            rest = &after[after.len() - left..];
        }
        words.push(Word::Text(rest.to_owned()));
        Ok(Self(words))
    }

    /// What Prometheus makes of it.
    pub(super) fn render(&self, labels: &Labels, value: f64) -> String {
        let mut text = String::new();
        for word in &self.0 {
            match word {
                Word::Text(plain) => text.push_str(plain),
                Word::Label(name) => text.push_str(labels.get(name)),
                Word::Value(digits) => text.push_str(&number(value, *digits)),
            }
        }
        text
    }
}

fn number(value: f64, digits: usize) -> String {
    if value.is_infinite() {
        return if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    format!("{value:.digits$}")
}

/// What stands between `{{` and `}}`, the latter included.
fn action(chars: &mut Peekable<Chars<'_>>) -> Option<Word> {
    blank(chars);
    let word = if chars.peek() == Some(&'"') {
        chars.next();
        let mut text = String::new();
        loop {
            match chars.next()? {
                '"' => break,
                '\\' => return None,
                c => text.push(c),
            }
        }
        Word::Text(text)
    } else {
        let mut text = String::new();
        while chars.peek().is_some_and(|c| *c != '}') {
            text.extend(chars.next());
        }
        let text = text.trim();
        match text.strip_prefix("$labels.") {
            Some(label) if super::rules::is_label_name(label) => Word::Label(label.to_owned()),
            _ => {
                let format = text.strip_prefix("$value | printf \"%.")?;
                Word::Value(format.strip_suffix("f\"")?.parse().ok()?)
            }
        }
    };
    blank(chars);
    (chars.next() == Some('}') && chars.next() == Some('}')).then_some(word)
}

fn blank(chars: &mut Peekable<Chars<'_>>) {
    while chars.next_if(|c| *c == ' ').is_some() {}
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::alert::yaml as reader;

    #[test]
    fn templates_come_to_what_prometheus_makes_of_them() {
        let words = Words::parse("a {{ $labels.x }}: {{ $value | printf \"%.1f\" }} {{\"{{\"}} }}");
        let labels = Labels::of(&[("x", "{{ $value }}")]);
        assert_eq!(
            words.unwrap().render(&labels, 0.25),
            "a {{ $value }}: 0.2 {{ }}"
        );
        for bad in [
            "{{ $value }}",
            "{{ $labels.a.b }}",
            "{{",
            "{{ humanize $value }}",
            "{{ \"\\n\" }}",
        ] {
            assert!(Words::parse(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn yaml_strings_come_back_as_they_were(text in "([{}\"'#:&*!|>\\\\\n\t\r -]|\\PC|\\p{Cc}){0,30}") {
            let document = format!("- {}\n", yaml::quoted(&text));
            prop_assert!(!document.trim_end().contains('\n'));
            let parsed = reader::parse(&document).unwrap();
            prop_assert_eq!(parsed[0].items()[0].raw(), Some(&*text));
        }

        #[test]
        fn promql_strings_come_back_as_they_were(text in "([{}\"'#`\\\\\n\t -]|\\PC|\\p{Cc}){0,30}") {
            let expr = format!("m{{a={}}}", promql(&text));
            let parsed = crate::alert::parse_expression(&expr);
            let parsed = parsed.unwrap();
            let promql_parser::parser::Expr::VectorSelector(selector) = parsed else { panic!() };
            prop_assert_eq!(&selector.matchers.matchers[0].value, &text);
        }

        #[test]
        fn texts_are_no_templates_any_more(text in "([{}\"$ ]|labels|\\PC){0,30}") {
            let words = Words::parse(&go_template(&text)).unwrap();
            prop_assert_eq!(words.render(&Labels::default(), 1.0), text);
        }
    }
}
