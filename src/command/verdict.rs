//! What a run comes to as an exit code, and why.

use std::process::ExitCode;

use crate::{
    config::{FailOn, Judgement},
    output::thousands,
    pipeline::Report,
};

/// The exit codes; the larger one wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Exit {
    /// Nothing that is reported is at or above `--fail-on`.
    Clean = 0,
    /// A finding is.
    Findings = 1,
    /// A usage error, an input that could not be read, an output that could not be written; with
    /// `--strict` also a bad line or a file that was cut short.
    Failure = 2,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// The exit code and what there is to say about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// The exit code.
    pub exit: Exit,
    /// Why it is a failure, one line each; strings from outside are in them.
    pub complaints: Vec<String>,
}

impl Verdict {
    /// All is well.
    #[must_use]
    pub const fn clean() -> Self {
        Self {
            exit: Exit::Clean,
            complaints: Vec::new(),
        }
    }

    /// Judges what is reported: after exceptions, `--select`, `--ignore` and `--min-severity`.
    #[must_use]
    pub fn of(report: &Report, judgement: Judgement) -> Self {
        let complaints = complaints(report, judgement.strict);
        let found = match judgement.fail_on {
            FailOn::Never => false,
            FailOn::At(severity) => report.findings.iter().any(|f| f.severity >= severity),
        };
        let exit = match (complaints.is_empty(), found) {
            (false, _) => Exit::Failure,
            (true, true) => Exit::Findings,
            (true, false) => Exit::Clean,
        };
        Self { exit, complaints }
    }
}

impl Verdict {
    /// Something else went wrong.
    pub(super) fn fail(&mut self, complaints: Vec<String>) {
        if !complaints.is_empty() {
            self.exit = Exit::Failure;
        }
        self.complaints.extend(complaints);
    }
}

fn complaints(report: &Report, strict: bool) -> Vec<String> {
    let troubles = report.coverage.troubles.iter();
    let mut complaints: Vec<_> = troubles
        .filter(|trouble| trouble.unreadable || (strict && trouble.incomplete))
        .map(|trouble| format!("{}: {}", trouble.file, trouble.why))
        .collect();
    let bad_lines = report.bad_lines();
    if strict && bad_lines > 0 {
        let shown = report.coverage.bad_lines.iter();
        complaints.extend(shown.map(|bad| format!("{}:{}: {}", bad.file, bad.line, bad.why)));
        let total = thousands(bad_lines);
        complaints.push(format!("bad lines: {total} (an error because of --strict)"));
    }
    complaints
}

#[cfg(test)]
mod tests {
    use crate::{
        finding::{Finding, Severity, Subject},
        pipeline::{Coverage, Exceptions, Input, Trouble},
    };

    use super::*;

    fn report(severity: Option<Severity>, trouble: Option<(bool, bool)>, bad_lines: u64) -> Report {
        let finding = |severity| Finding {
            severity,
            ..Finding::of("secret-listing", Subject::service_account("shop", "web"))
        };
        let trouble_of = |(unreadable, incomplete)| Trouble {
            file: "audit.log".to_owned(),
            why: "permission denied".to_owned(),
            unreadable,
            incomplete,
        };
        Report {
            input: Input {
                bad_lines,
                ..Input::default()
            },
            findings: severity.map(finding).into_iter().collect(),
            stories: Vec::new(),
            exceptions: Exceptions::default(),
            coverage: Coverage {
                troubles: trouble.map(trouble_of).into_iter().collect(),
                ..Coverage::default()
            },
            reconciliation: None,
        }
    }

    #[test]
    fn one_table_of_exit_codes() {
        use Severity::{Critical, High, Medium};
        // Unreadable, incomplete.
        const LOST: Option<(bool, bool)> = Some((true, true));
        const CUT: Option<(bool, bool)> = Some((false, true));
        const NOTE: Option<(bool, bool)> = Some((false, false));
        let at = FailOn::At;
        for (severity, trouble, bad_lines, fail_on, strict, exit) in [
            (None, None, 0, at(High), false, Exit::Clean),
            (Some(Medium), None, 0, at(High), false, Exit::Clean),
            (Some(High), None, 0, at(High), false, Exit::Findings),
            (Some(Critical), None, 0, at(High), false, Exit::Findings),
            (Some(Critical), None, 0, FailOn::Never, false, Exit::Clean),
            (None, None, 3, at(High), false, Exit::Clean),
            (None, None, 3, at(High), true, Exit::Failure),
            (None, CUT, 0, at(High), false, Exit::Clean),
            (None, CUT, 0, at(High), true, Exit::Failure),
            (None, NOTE, 0, at(High), true, Exit::Clean),
            (None, LOST, 0, at(High), false, Exit::Failure),
            (Some(High), LOST, 0, at(High), false, Exit::Failure),
            (Some(High), LOST, 0, FailOn::Never, false, Exit::Failure),
        ] {
            let judgement = Judgement { fail_on, strict };
            let verdict = Verdict::of(&report(severity, trouble, bad_lines), judgement);
            assert_eq!(
                verdict.exit, exit,
                "{severity:?} {trouble:?} {bad_lines} {judgement:?}"
            );
            assert_eq!(verdict.complaints.is_empty(), exit != Exit::Failure);
        }
    }
}
