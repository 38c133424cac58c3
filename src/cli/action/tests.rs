use std::time::Duration;

use clap::CommandFactory;

use crate::{
    config::FailOn,
    output::ReportFormat,
    pipeline::{Bound, SortKey},
};

use super::*;

fn around() -> Surroundings {
    Surroundings {
        stdin_is_terminal: true,
        stdout: Look {
            width: Some(80),
            color: true,
            ..Look::default()
        },
        stderr_is_terminal: true,
        pager: None,
        today: "2026-11-22".parse().unwrap(),
    }
}

fn action(line: &str) -> Result<Action, Refusal> {
    Action::from_arguments(line.split(' ').map(OsString::from), &around())
}

fn refused(line: &str) -> String {
    match action(line).unwrap_err() {
        Refusal::Usage(error) => error.why,
        Refusal::Clap(error) => error.to_string(),
    }
}

fn scanned(line: &str) -> Config {
    match action(line).unwrap() {
        Action::Scan(config) => *config,
        other => panic!("{other:?}"),
    }
}

#[test]
fn clap_finds_no_fault() {
    Cli::command().debug_assert();
}

#[test]
fn defaults_are_what_the_help_says() {
    let config = scanned("satrail scan audit.log");
    assert_eq!(config.options.paths, [PathBuf::from("audit.log")]);
    assert_eq!(config.options.threads, 0);
    assert_eq!(config.options.limits.max_line_bytes, 64 << 20);
    assert_eq!(config.options.min_severity, Severity::Info);
    assert_eq!(config.judgement.fail_on, FailOn::At(Severity::High));
    assert_eq!(
        config.output.places,
        [(ReportFormat::Table, Destination::Stdout)]
    );
    assert!(config.progress && !config.options.dedup && !config.judgement.strict);
}

#[test]
fn every_flag_arrives() {
    let config = scanned(
        "satrail scan a b --format jsonl --output out --fail-on never --select secret-listing,legacy-token \
         --ignore legacy-token --min-severity medium --since 24h --until 2026-01-02T03:04:05Z \
         --threads 3 --strict --no-progress --partial-state s --max-line-bytes 1MB",
    );
    let options = config.options;
    assert_eq!(options.paths.len(), 2);
    assert_eq!(
        (options.threads, options.limits.max_line_bytes),
        (3, 1_000_000)
    );
    let since = Bound::BeforeNewest(Duration::from_secs(86_400));
    assert_eq!(options.window.since, Some(since));
    assert!(matches!(options.window.until, Some(Bound::At(_))));
    assert!(config.judgement.strict && !config.progress);
    assert!(options.selection.wants("secret-listing"));
    assert!(!options.selection.wants("legacy-token"));
    assert_eq!(options.min_severity, Severity::Medium);
    assert_eq!(config.judgement.fail_on, FailOn::Never);
    let to = Destination::File("out".into());
    assert_eq!(config.output.places, [(ReportFormat::Jsonl, to)]);
    assert_eq!(config.output.look, Look::default());
    assert_eq!(config.partial_state, Some(Destination::File("s".into())));
}

#[test]
fn duplicates_are_removed_before_states_are_made_or_not_at_all() {
    assert!(scanned("satrail scan a --dedup").options.dedup);
    let Err(Refusal::Usage(error)) = action("satrail scan a --dedup --partial-state s") else {
        panic!("not refused");
    };
    assert!(error.to_string().contains("do not go together"), "{error}");
}

#[test]
fn accounts_are_ordered_as_asked() {
    let line = "satrail accounts - --sort peak --reverse --limit 5";
    let Ok(Action::Accounts(config)) = action(line) else {
        panic!("not understood");
    };
    let order = Order {
        key: SortKey::Peak,
        reverse: true,
        limit: Some(5),
    };
    assert_eq!(config.order, order);
}

#[test]
fn standard_input_is_read_unless_a_person_sits_there() {
    assert_eq!(refused("satrail scan"), "there is nothing to read");
    let piped = Surroundings {
        stdin_is_terminal: false,
        ..around()
    };
    let arguments = ["satrail", "scan"].map(OsString::from);
    let Ok(Action::Scan(config)) = Action::from_arguments(arguments, &piped) else {
        panic!("not understood");
    };
    assert_eq!(config.options.paths, [PathBuf::from("-")]);
}

#[test]
fn nonsense_is_refused() {
    for (line, why) in [
        ("satrail scan x --threads 0", "1, or more"),
        ("satrail scan x --fail-on bad", "possible values"),
        (
            "satrail scan x --since yesterday",
            "neither an RFC 3339 time",
        ),
        (
            "satrail scan x --since 1h --until 2h",
            "--since must be before --until",
        ),
        (
            "satrail scan x --select secret-list",
            "'secret-list' is no detector",
        ),
        (
            "satrail scan x --config no-such-file",
            "cannot read no-such-file",
        ),
        (
            "satrail scan x --partial-state r -o r",
            "cannot go to the same place",
        ),
        (
            "satrail scan x --partial-state -",
            "cannot go to the same place",
        ),
        ("satrail merge", "STATE"),
        ("satrail accounts x --sort age", "possible values"),
        ("satrail scna x", "unrecognized subcommand"),
        ("satrail /var/log/audit", "is no command"),
    ] {
        let said = refused(line);
        assert!(said.contains(why), "{line}: {said}");
    }
}
