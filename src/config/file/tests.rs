use super::*;

fn wrong(text: &str) -> String {
    let error = ConfigFile::parse("satrail.toml", text).unwrap_err();
    match error.hint {
        None => error.why,
        Some(hint) => format!("{}\n{hint}", error.why),
    }
}

const EXCEPTION: &str = "[[exceptions]]\n\
    detector = \"legacy-token\"\n\
    account = \"ci/*\"\n\
    severity-at-most = \"medium\"\n\
    reason = \"moves this quarter\"\n\
    expires = 2027-01-31\n";

#[test]
fn the_example_in_this_modules_documentation_is_valid() {
    let source = include_str!("../file.rs");
    let example = source.split("//! ```").nth(1).unwrap();
    let lines = example.lines().skip(1);
    let text: String = lines
        .map(|line| line.trim_start_matches("//!").trim_start().to_owned() + "\n")
        .collect();
    let file = ConfigFile::parse("example", &text).unwrap();
    let defaults = Settings::default().allow.entries.len();
    assert_eq!(file.settings.allow.entries.len(), defaults + 1);
    let exception = &file.exceptions[0];
    assert_eq!(exception.severity_at_most, Severity::Medium);
    assert_eq!(exception.expires.to_string(), "2027-01-31");
    assert_eq!(exception.owner.as_deref(), Some("team-ci"));
    let fingerprint = "f0d51aa8d44a6bb1f5e9ee4edfb0a3d5".to_owned();
    assert_eq!(file.exceptions[1].matter, Matter::Fingerprint(fingerprint));
}

#[test]
fn an_exception_is_for_a_detector_and_an_account_or_for_a_fingerprint() {
    let written =
        |which: &str| format!("[[exceptions]]\n{which}\nreason = \"x\"\nexpires = 2027-01-31\n");
    let digits = "F0D51AA8D44A6BB1F5E9EE4EDFB0A3D5";
    let text = written(&format!("fingerprint = \"{digits}\""));
    let exception = &ConfigFile::parse("x", &text).unwrap().exceptions[0];
    assert_eq!(exception.matter, Matter::Fingerprint(digits.to_lowercase()));
    assert_eq!(exception.severity_at_most, Severity::Critical);
    for (which, expected) in [
        (
            format!("fingerprint = \"{digits}\"\ndetector = \"*\""),
            "a fingerprint says detector and account: leave those out",
        ),
        (
            format!("fingerprint = \"{}\"", &digits[1..]),
            "a fingerprint has 32 hexadecimal digits\n\
             copy it from findings[].fingerprint of --format json",
        ),
        (
            format!("fingerprint = \"{}é\"", &digits[2..]),
            "a fingerprint has 32 hexadecimal digits\n\
             copy it from findings[].fingerprint of --format json",
        ),
        (
            "account = \"a/b\"".to_owned(),
            "missing field `detector`\n\
             an exception is for a detector and an account, or for a fingerprint",
        ),
        (
            "detector = \"*\"".to_owned(),
            "missing field `account`\nnamespace/name of a ServiceAccount; * is every account",
        ),
        (
            "detector = \"*\"\naccount = \"*\"\nowner = \" \"".to_owned(),
            "the owner must not be empty",
        ),
    ] {
        let expected = format!("satrail.toml:1:1: {expected}");
        assert_eq!(wrong(&written(&which)), expected);
    }
}

#[test]
fn an_empty_file_changes_nothing() {
    assert_eq!(ConfigFile::parse("x", "").unwrap(), ConfigFile::default());
}

#[test]
fn the_default_allow_list_can_be_replaced() {
    let text = "replace-default-allow-list = true\n\
        [[allow]]\ndetector = \"secret-listing\"\naccount = \"a/b\"\nreason = \"backup\"\n";
    let file = ConfigFile::parse("x", text).unwrap();
    assert_eq!(file.settings.allow.entries.len(), 1);
}

#[test]
fn an_allow_entry_can_be_for_several_detectors() {
    let text = "[[allow]]\ndetector = [\"secret-listing\", \"legacy-token\"]\n\
        account = \"a/b\"\nreason = \"backup\"\n";
    let file = ConfigFile::parse("x", text).unwrap();
    let first = &file.settings.allow.entries[0];
    assert_eq!(first.detectors, ["secret-listing", "legacy-token"]);
    let text = text.replace("legacy-token", "legacy-tokne");
    assert!(wrong(&text).ends_with("'legacy-tokne' is no detector\ndid you mean 'legacy-token'?"));
}

#[test]
fn mistakes_are_located_and_explained() {
    let without = |line: &str| {
        let lines = EXCEPTION.lines().filter(|l| !l.starts_with(line));
        lines.collect::<Vec<_>>().join("\n")
    };
    for (text, expected) in [
        (
            "\n[[exeptions]]\n".to_owned(),
            "satrail.toml:2:3: unknown field `exeptions`, expected one of `thresholds`, \
             `replace-default-allow-list`, `allow`, `exceptions`\ndid you mean 'exceptions'?",
        ),
        (
            without("reason"),
            "satrail.toml:1:1: missing field `reason`",
        ),
        (
            without("expires"),
            "satrail.toml:1:1: missing field `expires`",
        ),
        (
            EXCEPTION.replace("moves this quarter", " "),
            "satrail.toml:1:1: the reason must not be empty\n\
             say why this is accepted: whoever reads it next does not know",
        ),
        (
            EXCEPTION.replace("legacy-token", "legacy-tokne"),
            "satrail.toml:1:1: 'legacy-tokne' is no detector\ndid you mean 'legacy-token'?",
        ),
        (
            EXCEPTION.replace("2027-01-31", "2027-01-31T00:00:00Z"),
            "satrail.toml:1:1: '2027-01-31T00:00:00Z' is no day: write expires = 2027-01-31",
        ),
        (
            EXCEPTION.replace("\"medium\"", "\"mediun\""),
            "satrail.toml:4:20: unknown variant `mediun`, expected one of `info`, `low`, `medium`, \
             `high`, `critical`\ndid you mean 'medium'?",
        ),
    ] {
        assert_eq!(wrong(&text), expected);
    }
    assert!(wrong("allow = [").starts_with("satrail.toml:1:"));
    let misspelt = wrong("[thresholds.runaway-controler]\n");
    assert!(misspelt.starts_with("satrail.toml:1:13: unknown field `runaway-controler`"));
    assert!(misspelt.ends_with("\ndid you mean 'runaway-controller'?"));
}

#[test]
fn only_exceptions_may_be_for_any_detector() {
    let text = "[[allow]]\ndetector = \"*\"\naccount = \"a/b\"\nreason = \"x\"\n";
    assert!(wrong(text).contains("'*' is no detector"));
    let text = EXCEPTION.replace("legacy-token", "*");
    assert!(ConfigFile::parse("x", &text).is_ok());
}

#[test]
fn detectors_are_selected_by_their_ids() {
    let ids = |ids: &[&str]| ids.iter().map(|&id| id.to_owned()).collect::<Vec<_>>();
    let some = selection(ids(&["secret-listing"]), Vec::new()).unwrap();
    assert!(some.wants("secret-listing") && !some.wants("legacy-token"));
    let most = selection(Vec::new(), ids(&["secret-listing"])).unwrap();
    assert!(!most.wants("secret-listing") && most.wants("legacy-token"));
    let error = selection(ids(&["secret-listin"]), Vec::new()).unwrap_err();
    assert_eq!(
        error.hint.as_deref(),
        Some("did you mean 'secret-listing'?")
    );
    let error = selection(ids(&["legacy-token"]), ids(&["legacy-token"])).unwrap_err();
    assert!(error.why.contains("no detector to run"));
}
