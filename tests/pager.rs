//! Long tables on a terminal, which `script` (Debian package bsdutils, always there) plays.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::{path::Path, process::Command};

/// What comes out on a terminal, line by line, of satrail with `arguments`.
fn shown(pager: &str, arguments: &str) -> Vec<String> {
    let program = env!("CARGO_BIN_EXE_satrail");
    let output = Command::new("script")
        .args(["--quiet", "--return", "--command"])
        .arg(format!("stty rows 24 cols 200; '{program}' {arguments}"))
        .arg("/dev/null")
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")))
        .env("SATRAIL_PAGER", pager)
        .env("NO_COLOR", "1")
        .env("TERM", "xterm")
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines()
        .map(|line| line.trim_end().to_owned())
        .collect()
}

const MARK: &str = "sed 's/^/| /'";

#[test]
fn what_is_longer_than_the_screen_goes_through_the_pager() {
    let top = "top --no-progress --by account,verb data/audit --limit";
    let long = shown(MARK, &format!("{top} 50"));
    assert!(
        long.len() > 24 && long.iter().all(|line| line.starts_with('|')),
        "{long:#?}"
    );
    let short = shown(MARK, &format!("{top} 3"));
    assert!(
        !short.is_empty() && short.iter().all(|line| !line.starts_with('|')),
        "{short:#?}"
    );
    let programs = shown(MARK, &format!("{top} 50 --format json"));
    assert_eq!(programs[0], "{");
}

#[test]
fn without_a_pager_the_text_comes_as_it_is() {
    let report = "scan --no-progress --fail-on never data/audit";
    let plain = shown("", report);
    assert!(plain.len() > 24);
    let facts = |lines: Vec<String>| -> Vec<String> {
        lines
            .into_iter()
            .filter(|line| !line.starts_with("Took"))
            .collect()
    };
    let plain = facts(plain);
    assert_eq!(facts(shown("cat", report)), plain);
    assert_eq!(
        facts(shown("true", report)),
        Vec::<String>::new(),
        "who leaves early"
    );
    let missing = shown("no-such-pager-anywhere", report);
    assert!(
        missing[0].contains("no-such-pager-anywhere"),
        "the shell says so: {}",
        missing[0]
    );
    assert_eq!(facts(missing[1..].to_vec()), plain);
}
