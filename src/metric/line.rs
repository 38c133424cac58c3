//! One line of Prometheus text exposition (0.0.4) or OpenMetrics (1.0), borrowed from the text.
//!
//! Rules: prometheus.io/docs/instrumenting/exposition-formats and the OpenMetrics 1.0 specification;
//! where a writer is sloppier than they allow (blanks, carriage returns, a missing last newline), the
//! line is read all the same. Quoted UTF-8 names, as of Prometheus 3, are read too.

use std::borrow::Cow;

use crate::finding::Timestamp;

/// The two text formats; they differ in the unit of timestamps, in escapes of HELP and in exemplars.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    /// Prometheus text 0.0.4: timestamps in milliseconds.
    #[default]
    Text,
    /// OpenMetrics 1.0: timestamps in seconds with a fraction, exemplars, `# UNIT`, `# EOF`.
    OpenMetrics,
}

impl Format {
    /// OpenMetrics must end in `# EOF`, and nothing else may; that tells the two apart.
    #[must_use]
    pub fn detect(text: &[u8]) -> Self {
        if text.trim_ascii_end().ends_with(b"# EOF") {
            Self::OpenMetrics
        } else {
            Self::Text
        }
    }
}

/// What one line says.
#[derive(Debug, PartialEq)]
pub(super) enum Line<'a> {
    /// `# HELP name text`, unescaped.
    Help(Cow<'a, str>, Cow<'a, str>),
    /// `# TYPE name type`, the type as it was written.
    Type(Cow<'a, str>, &'a str),
    /// `# UNIT name unit`.
    Unit(Cow<'a, str>, &'a str),
    /// `# EOF`: nothing may follow.
    Eof,
    /// A blank line or another comment.
    Nothing,
    /// A sample; its labels are in the buffer handed in.
    Sample(SampleLine<'a>),
}

/// A sample without its labels.
#[derive(Debug, PartialEq)]
pub(super) struct SampleLine<'a> {
    pub(super) name: Cow<'a, str>,
    pub(super) value: f64,
    pub(super) timestamp: Option<Timestamp>,
    pub(super) exemplar: bool,
}

/// A label's name and its unescaped value.
pub(super) type Label<'a> = (Cow<'a, str>, Cow<'a, str>);

/// The sample's name at the start of a line, without looking at the rest; `None` where the line is
/// no sample, or its name needs the whole parser.
pub(super) fn peek_name(line: &str) -> Option<&str> {
    let line = line.trim_start_matches([' ', '\t']);
    let end = name_length(line.as_bytes());
    (end > 0).then(|| &line[..end])
}

/// Reads a line; the labels of a sample are left in `labels`, in the order of the line.
pub(super) fn parse<'a>(
    line: &'a str,
    format: Format,
    labels: &mut Vec<Label<'a>>,
) -> Result<Line<'a>, &'static str> {
    labels.clear();
    let mut rest = Rest(line);
    rest.skip_blanks();
    match rest.peek() {
        None => Ok(Line::Nothing),
        Some(b'#') => comment(&rest.0[1..], format),
        Some(_) => sample(rest, format, labels).map(Line::Sample),
    }
}

fn comment(text: &str, format: Format) -> Result<Line<'_>, &'static str> {
    let mut rest = Rest(text);
    rest.skip_blanks();
    let keyword = rest.word();
    if keyword == "EOF" && format == Format::OpenMetrics {
        return Ok(Line::Eof);
    }
    if !matches!(keyword, "HELP" | "TYPE" | "UNIT") {
        return Ok(Line::Nothing);
    }
    rest.skip_blanks();
    let name = rest
        .name()
        .ok_or("no metric name after # HELP, TYPE or UNIT")?;
    if !matches!(rest.peek(), None | Some(b' ' | b'\t')) {
        return Err("a metric name may hold letters, digits, _ and : only, unless it is quoted");
    }
    rest.skip_blanks();
    Ok(match keyword {
        "HELP" => Line::Help(name, unescape(rest.0, format == Format::OpenMetrics)),
        "TYPE" => Line::Type(name, rest.0.trim_end()),
        _ => Line::Unit(name, rest.0.trim_end()),
    })
}

fn sample<'a>(
    mut rest: Rest<'a>,
    format: Format,
    labels: &mut Vec<Label<'a>>,
) -> Result<SampleLine<'a>, &'static str> {
    let mut name = match rest.peek() {
        Some(b'{') => None,
        _ => Some(rest.bare_name().ok_or("no metric name")?),
    };
    rest.skip_blanks();
    if rest.take(b'{') {
        braces(&mut rest, &mut name, labels)?;
        rest.skip_blanks();
    }
    let name = name.ok_or("no metric name")?;
    let value = number(rest.word()).ok_or("the value is no number")?;
    rest.skip_blanks();
    let timestamp = match rest.peek() {
        None | Some(b'#') => None,
        Some(_) => Some(timestamp(rest.word(), format).ok_or("the timestamp is no number")?),
    };
    rest.skip_blanks();
    let exemplar = match rest.peek() {
        None => false,
        Some(b'#') if format == Format::OpenMetrics => {
            skip_exemplar(Rest(&rest.0[1..]))?;
            true
        }
        Some(_) => return Err("something follows the sample"),
    };
    Ok(SampleLine {
        name,
        value,
        timestamp,
        exemplar,
    })
}

/// `{name="value", ...}` after its opening brace; a name in quotes without a value is the metric's.
fn braces<'a>(
    rest: &mut Rest<'a>,
    metric: &mut Option<Cow<'a, str>>,
    labels: &mut Vec<Label<'a>>,
) -> Result<(), &'static str> {
    loop {
        rest.skip_blanks();
        if rest.take(b'}') {
            return Ok(());
        }
        let quoted = rest.peek() == Some(b'"');
        let name = rest
            .name()
            .ok_or("a label without a name, or no closing brace")?;
        rest.skip_blanks();
        if rest.take(b'=') {
            rest.skip_blanks();
            let value = rest.quoted().ok_or("a label value without its quotes")?;
            labels.push((name, value));
        } else if quoted && metric.is_none() {
            *metric = Some(name);
        } else {
            return Err("a label without a value");
        }
        rest.skip_blanks();
        if !rest.take(b',') && rest.peek() != Some(b'}') {
            return Err("no comma between two labels, or no closing brace");
        }
    }
}

/// Exemplars are checked and set aside: nothing here reads traces.
fn skip_exemplar(mut rest: Rest<'_>) -> Result<(), &'static str> {
    rest.skip_blanks();
    let mut labels = Vec::new();
    if !rest.take(b'{') {
        return Err("an exemplar without braces");
    }
    braces(&mut rest, &mut None, &mut labels)?;
    rest.skip_blanks();
    number(rest.word()).ok_or("an exemplar without a value")?;
    rest.skip_blanks();
    if rest.peek().is_some() {
        timestamp(rest.word(), Format::OpenMetrics).ok_or("an exemplar with a bad timestamp")?;
    }
    rest.skip_blanks();
    rest.peek()
        .map_or(Ok(()), |_| Err("something follows the exemplar"))
}

/// As Go's `ParseFloat`, less what Prometheus refuses: hexadecimal floats and underscores.
pub(super) fn number(text: &str) -> Option<f64> {
    text.parse().ok()
}

fn timestamp(text: &str, format: Format) -> Option<Timestamp> {
    let micros = match format {
        Format::Text => text.parse::<i64>().ok()?.checked_mul(1000)?,
        Format::OpenMetrics => return super::seconds(text.parse().ok()?),
    };
    Some(Timestamp::from_micros(micros))
}

/// What is left of a line.
struct Rest<'a>(&'a str);

impl<'a> Rest<'a> {
    fn peek(&self) -> Option<u8> {
        self.0.as_bytes().first().copied()
    }

    fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        if found {
            self.0 = &self.0[1..];
        }
        found
    }

    fn skip_blanks(&mut self) {
        self.0 = self.0.trim_start_matches([' ', '\t', '\r']);
    }

    /// The longest piece without a blank; it may be empty.
    fn word(&mut self) -> &'a str {
        let bytes = self.0.as_bytes();
        let end = bytes
            .iter()
            .position(|byte| matches!(byte, b' ' | b'\t' | b'\r'))
            .unwrap_or(bytes.len());
        let (word, rest) = self.0.split_at(end);
        self.0 = rest;
        word
    }

    fn name(&mut self) -> Option<Cow<'a, str>> {
        match self.peek() {
            Some(b'"') => self.quoted().filter(|name| !name.is_empty()),
            _ => self.bare_name(),
        }
    }

    fn bare_name(&mut self) -> Option<Cow<'a, str>> {
        let (name, rest) = self.0.split_at(name_length(self.0.as_bytes()));
        self.0 = rest;
        (!name.is_empty()).then_some(Cow::Borrowed(name))
    }

    /// A string in double quotes with the escapes `\\`, `\"` and `\n`.
    fn quoted(&mut self) -> Option<Cow<'a, str>> {
        let text = self.0.strip_prefix('"')?;
        let bytes = text.as_bytes();
        let mut from = 0;
        let mut escaped = false;
        loop {
            let at = from + memchr::memchr2(b'"', b'\\', bytes.get(from..)?)?;
            if bytes[at] == b'"' {
                self.0 = &text[at + 1..];
                let value = &text[..at];
                return Some(if escaped {
                    unescape(value, true)
                } else {
                    Cow::Borrowed(value)
                });
            }
            escaped = true;
            from = at + 2;
        }
    }
}

fn name_length(bytes: &[u8]) -> usize {
    let part = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b':');
    match bytes.first() {
        Some(byte) if byte.is_ascii_digit() => 0,
        _ => bytes.iter().position(|b| !part(b)).unwrap_or(bytes.len()),
    }
}

/// `\\`, `\n` and, where they count, `\"`; any other backslash stands for itself, as in Prometheus.
fn unescape(text: &str, quotes: bool) -> Cow<'_, str> {
    if !text.contains('\\') {
        return Cow::Borrowed(text);
    }
    let mut plain = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            plain.push(c);
            continue;
        }
        match chars.next() {
            Some('n') => plain.push('\n'),
            Some('\\') => plain.push('\\'),
            Some('"') if quotes => plain.push('"'),
            other => plain.extend(std::iter::once('\\').chain(other)),
        }
    }
    Cow::Owned(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, format: Format, want: &str) {
        let mut labels = Vec::new();
        let got = match parse(line, format, &mut labels) {
            Ok(Line::Sample(s)) => {
                let time = s.timestamp.map(|t| format!(" @{}", t.micros()));
                let exemplar = if s.exemplar { " exemplar" } else { "" };
                let time = time.unwrap_or_default();
                format!("{} {labels:?} {}{time}{exemplar}", s.name, s.value)
            }
            Ok(other) => format!("{other:?}"),
            Err(why) => why.to_owned(),
        };
        assert_eq!(got, want, "{line}");
    }

    #[test]
    fn reads_every_form_of_text() {
        let text = |line, want| check(line, Format::Text, want);
        text("up 1", "up [] 1");
        text("  up\t1\t\r", "up [] 1");
        text(
            "a:b_c{} -Inf 1395066363000",
            "a:b_c [] -inf @1395066363000000",
        );
        text("up NaN -3982045", "up [] NaN @-3982045000");
        text(
            "m { a = \"x\" , b = \"\" , } +Inf",
            "m [(\"a\", \"x\"), (\"b\", \"\")] inf",
        );
        text(
            r#"m{a="C:\\D\n\"}{,= #"} 1e-05"#,
            r#"m [("a", "C:\\D\n\"}{,= #")] 0.00001"#,
        );
        text(r#"m{a="\q"}1"#, r#"m [("a", "\\q")] 1"#);
        text(r#"{"http.x", "a b"="c"} 2"#, r#"http.x [("a b", "c")] 2"#);
        text(
            "# HELP m a \\\\ b\\nc \\\"",
            "Help(\"m\", \"a \\\\ b\\nc \\\\\\\"\")",
        );
        text("#  TYPE  m   counter ", "Type(\"m\", \"counter\")");
        text("# HELP m", "Help(\"m\", \"\")");
        text("# EOF", "Nothing");
        text("# anything", "Nothing");
        text("", "Nothing");
    }

    #[test]
    fn reads_what_openmetrics_adds() {
        let open = |line, want| check(line, Format::OpenMetrics, want);
        open("m_total 1 1520879607.789", "m_total [] 1 @1520879607789000");
        open(
            "m_bucket{le=\"1\"} 4 # {id=\"x\"} 0.67",
            "m_bucket [(\"le\", \"1\")] 4 exemplar",
        );
        open(
            "m_bucket 4 12.5 # {} 1 1520879607.789",
            "m_bucket [] 4 @12500000 exemplar",
        );
        open("# UNIT m seconds", "Unit(\"m\", \"seconds\")");
        open("# EOF", "Eof");
    }

    #[test]
    fn says_why_a_line_is_bad() {
        let text = |line, want| check(line, Format::Text, want);
        text("m", "the value is no number");
        text("m 0x1p3", "the value is no number");
        text("m 1_000", "the value is no number");
        text("m 1 2.5", "the timestamp is no number");
        text("m 1 2 3", "something follows the sample");
        text("m 1 # {a=\"b\"} 1", "something follows the sample");
        text("9m 1", "no metric name");
        text("m{a} 1", "a label without a value");
        text("m{a=b} 1", "a label value without its quotes");
        text("m{a=\"b} 1", "a label value without its quotes");
        text(
            "m{a=\"b\" 1",
            "no comma between two labels, or no closing brace",
        );
        text("m{a=\"b\",", "a label without a name, or no closing brace");
        text("{a=\"b\"} 1", "no metric name");
        text("# TYPE", "no metric name after # HELP, TYPE or UNIT");
    }
}
