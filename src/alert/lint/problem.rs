//! What a lint says.

use std::fmt;

/// One thing that is wrong with a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The file, as it was named.
    pub file: String,
    /// The line, counted from 1.
    pub line: u64,
    /// The alert or the recorded series; empty where it is about a group or the file.
    pub rule: String,
    /// What sort of thing it is.
    pub kind: ProblemKind,
    /// What is wrong, in one sentence.
    pub message: String,
    /// What to write instead, where that is known.
    pub suggestion: Option<String>,
}

/// How sure it is that a problem has to be mended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// Good to know: the rule may be as it should be.
    Note,
    /// The rule does probably not do what its author thinks.
    Warning,
    /// The rule cannot work, or takes the whole file down.
    Error,
}

/// What sort of problem it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ProblemKind {
    /// Prometheus refuses the file for something other than an expression.
    InvalidRule,
    /// A rule without `expr`: Prometheus refuses the whole file.
    MissingExpr,
    /// The expression is no PromQL.
    BadExpr,
    /// Nothing serves a metric of that name.
    UnknownMetric,
    /// The metric exists, but not in what was scraped.
    AbsentMetric,
    /// The metric has no such label.
    UnknownLabel,
    /// A counter's running total, which never falls, instead of its increase.
    RawCounter,
    /// The rate of something that also falls.
    RateOfGauge,
    /// Matchers that no series satisfies.
    NothingSelected,
    /// The whole history stays on the silent side of the threshold.
    NeverReached,
    /// The whole history stays on the firing side of the threshold.
    AlwaysReached,
    /// A template that refers to a label which the result cannot have.
    TemplateLabel,
    /// The threshold could not be held against the history.
    NotEvaluated,
}

impl ProblemKind {
    /// All kinds, with their ids and levels.
    pub const ALL: [(Self, &'static str, Level); 13] = [
        (Self::InvalidRule, "invalid-rule", Level::Error),
        (Self::MissingExpr, "missing-expr", Level::Error),
        (Self::BadExpr, "bad-expr", Level::Error),
        (Self::UnknownMetric, "unknown-metric", Level::Error),
        (Self::AbsentMetric, "absent-metric", Level::Note),
        (Self::UnknownLabel, "unknown-label", Level::Error),
        (Self::RawCounter, "raw-counter", Level::Warning),
        (Self::RateOfGauge, "rate-of-gauge", Level::Warning),
        (Self::NothingSelected, "nothing-selected", Level::Warning),
        (Self::NeverReached, "never-reached", Level::Note),
        (Self::AlwaysReached, "always-reached", Level::Warning),
        (Self::TemplateLabel, "template-label", Level::Warning),
        (Self::NotEvaluated, "not-evaluated", Level::Note),
    ];

    /// The id, as in every output.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.entry().1
    }

    /// How sure it is that such a problem has to be mended.
    #[must_use]
    pub fn level(self) -> Level {
        self.entry().2
    }

    fn entry(self) -> (Self, &'static str, Level) {
        Self::ALL
            .into_iter()
            .find(|(kind, ..)| *kind == self)
            .unwrap_or(Self::ALL[0])
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        })
    }
}

/// `file:line: level[kind] rule: message (suggestion)`.
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            file,
            line,
            rule,
            kind,
            message,
            suggestion,
        } = self;
        write!(f, "{file}:{line}: {}[{}] ", kind.level(), kind.as_str())?;
        if !rule.is_empty() {
            write!(f, "{rule}: ")?;
        }
        f.write_str(message)?;
        suggestion
            .as_ref()
            .map_or(Ok(()), |text| write!(f, " ({text})"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_its_entry() {
        for (at, (kind, id, _)) in ProblemKind::ALL.into_iter().enumerate() {
            assert_eq!(kind as usize, at);
            assert_eq!(kind.as_str(), id);
        }
    }
}
