//! A file that is rotated away after it was listed, before it was opened: no error, and nothing is lost.

use std::{fs, path::PathBuf, time::Duration};

use satrail::{
    checkpoint::{Checkpoint, Outcome, Plan},
    pipeline::{Options, Progress},
};

use super::site::{Site, joined, sample};

/// Renames a file when reading begins, which is when it was listed and is not open yet.
struct Rotates {
    from: PathBuf,
    to: PathBuf,
}

impl Progress for Rotates {
    fn total(&self, _: Option<u64>) {
        // Reading begins several times.
        if self.from.exists() {
            fs::rename(&self.from, &self.to).unwrap();
        }
    }

    fn advance(&self, _: u64) {}

    fn file(&self, _: &str) {}
}

fn run(site: &Site, named: &[&str], progress: &dyn Progress) -> Outcome {
    let options = Options {
        paths: named.iter().map(|name| site.path(name)).collect(),
        ..Options::default()
    };
    let plan = Plan {
        state: site.state(),
        retention_days: 30,
        resolved_after: Duration::from_secs(86_400),
        top: 10,
        outputs: Vec::new(),
    };
    let mut checkpoint = Checkpoint::open(&plan.state).unwrap();
    checkpoint.read(&options, &plan, progress).unwrap();
    let outcome = checkpoint.save(&options, &plan).unwrap();
    checkpoint.told(&outcome).unwrap();
    outcome
}

#[test]
fn a_file_that_is_renamed_before_it_is_opened_is_read_by_the_next_run() {
    let (site, all) = (Site::new(), sample());
    site.write("audit.log", joined(&all[..100]));
    site.write("other.log", joined(&all[100..150]));
    let rotates = Rotates {
        from: site.log("audit.log"),
        to: site.log("audit-1.log"),
    };
    let first = run(&site, &["logs"], &rotates);
    assert!(site.log("audit-1.log").exists(), "it was not renamed");
    assert_eq!(first.report.coverage.troubles, []);
    assert_eq!(first.report.input.events, 50);
    let second = run(&site, &["logs"], &rotates);
    assert_eq!(second.report.coverage.troubles, []);
    assert_eq!(second.report.input.events, 150);
    assert_eq!(second.report.input.files, 2);
}

#[test]
fn the_same_when_the_file_was_named() {
    let (site, all) = (Site::new(), sample());
    site.write("audit.log", joined(&all[..100]));
    let rotates = Rotates {
        from: site.log("audit.log"),
        to: site.log("audit-1.log"),
    };
    let outcome = run(&site, &["logs/audit.log"], &rotates);
    assert_eq!(outcome.report.coverage.troubles, []);
    // It is there no more: that is one.
    let outcome = run(&site, &["logs/audit.log"], &rotates);
    assert_eq!(outcome.report.coverage.troubles.len(), 1);
    assert!(outcome.report.coverage.troubles[0].unreadable);
}
