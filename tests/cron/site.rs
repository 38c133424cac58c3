//! A directory with logs and a state, runs over it, and what they must come to.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::{Read, Write},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::OnceLock,
    time::{Duration, SystemTime},
};

use flate2::{Compression, read::MultiGzDecoder, write::GzEncoder};
use serde_json::Value;
use tempfile::TempDir;

/// An account of the sample that makes many requests and is reported for every one of them.
const BUSY: &str = "system:serviceaccount:shop:default";

/// A run as the shell sees it.
pub(crate) struct Run {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) said: String,
}

pub(crate) struct Site {
    home: TempDir,
}

impl Site {
    /// With an empty directory for logs.
    pub(crate) fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        fs::create_dir(home.path().join("logs")).unwrap();
        Self { home }
    }

    /// A path beside the logs.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.path("state")
    }

    pub(crate) fn log(&self, name: &str) -> PathBuf {
        self.home.path().join("logs").join(name)
    }

    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.log(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    pub(crate) fn append(&self, name: &str, content: impl AsRef<[u8]>) {
        let file = File::options().append(true).open(self.log(name));
        file.unwrap().write_all(content.as_ref()).unwrap();
    }

    pub(crate) fn rename(&self, from: &str, to: &str) {
        let to = self.log(to);
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::rename(self.log(from), to).unwrap();
    }

    pub(crate) fn remove(&self, name: &str) {
        fs::remove_file(self.log(name)).unwrap();
    }

    /// Lets a log look as if nobody had written to it for so long.
    pub(crate) fn age(&self, name: &str, minutes: u64) {
        let file = File::options().write(true).open(self.log(name)).unwrap();
        let then = SystemTime::now() - Duration::from_secs(60 * minutes);
        file.set_modified(then).unwrap();
    }

    /// `satrail cron` over the logs.
    pub(crate) fn run(&self, more: &[&str]) -> Run {
        let state = self.state();
        let arguments = ["cron", "logs", "--state", state.to_str().unwrap()];
        self.satrail(&[&arguments, more].concat())
    }

    pub(crate) fn satrail(&self, arguments: &[&str]) -> Run {
        let output = Command::new(env!("CARGO_BIN_EXE_satrail"))
            .args(arguments)
            .current_dir(self.home.path())
            .stdin(Stdio::null())
            .env_remove("CLICOLOR_FORCE")
            .output()
            .unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Run {
            code: output.status.code(),
            out: text(output.stdout),
            said: text(output.stderr),
        }
    }

    /// The report of a run that goes well.
    #[track_caller]
    pub(crate) fn report(&self, more: &[&str]) -> Value {
        self.report_ending(more, 0)
    }

    /// The report of a run that ends with `code`; its findings are no reason.
    #[track_caller]
    pub(crate) fn report_ending(&self, more: &[&str], code: i32) -> Value {
        let run = self.run(&[&["--format", "json", "--fail-on", "never"], more].concat());
        assert_eq!(run.code, Some(code), "{}", run.said);
        serde_json::from_str(&run.out).unwrap()
    }

    /// Runs, and expects these lines to be what the state holds, each at its place.
    #[track_caller]
    pub(crate) fn holds(&self, lines: &[&[String]]) -> Value {
        let report = self.report(&[]);
        let lines = lines.concat();
        assert_holds(&report, &lines);
        self.assert_evidence(&report);
        report
    }

    /// Every piece of evidence stands where the report says, as long as the file is there.
    #[track_caller]
    pub(crate) fn assert_evidence(&self, report: &Value) {
        let mut found = 0;
        let findings = report["findings"].as_array().unwrap();
        for evidence in findings
            .iter()
            .flat_map(|f| f["evidence"].as_array().unwrap())
        {
            let file = evidence["file"].as_str().unwrap();
            let path = self.home.path().join(file);
            assert!(path.exists(), "{file} is not there: {evidence}");
            let text = unpacked(&path);
            let line = usize::try_from(evidence["line"].as_u64().unwrap()).unwrap();
            let line = text.lines().nth(line - 1).unwrap_or_default();
            let id = evidence["audit_id"].as_str().unwrap();
            assert!(line.contains(id), "{evidence}: {line:.200}");
            found += 1;
        }
        assert!(found > 0, "no evidence was looked at");
    }
}

/// Compares what a report says it holds with these lines, counted another way.
#[track_caller]
pub(crate) fn assert_holds(report: &Value, lines: &[String]) {
    let input = &report["input"];
    let requests = |user: &str| {
        let of = lines
            .iter()
            .filter(|line| text(line, "username").contains(user));
        of.map(|line| text(line, "auditID"))
            .collect::<BTreeSet<_>>()
            .len()
    };
    assert_eq!(
        (&input["events"], &input["requests"], &input["bad_lines"]),
        (
            &Value::from(lines.len()),
            &Value::from(requests("")),
            &Value::from(0)
        ),
        "{input}"
    );
    let busy = count(report, "default-serviceaccount", "default", "shop");
    assert_eq!(busy, requests(BUSY) as u64);
}

/// How many requests a finding stands for; 0 if there is none.
pub(crate) fn count(report: &Value, detector: &str, name: &str, namespace: &str) -> u64 {
    finding(report, detector, name, namespace).map_or(0, |f| f["count"].as_u64().unwrap())
}

pub(crate) fn finding<'a>(
    report: &'a Value,
    detector: &str,
    name: &str,
    namespace: &str,
) -> Option<&'a Value> {
    let mut findings = report["findings"].as_array().unwrap().iter();
    findings.find(|finding| {
        let subject = &finding["subject"];
        finding["detector"] == detector
            && subject["name"] == name
            && subject["namespace"] == namespace
    })
}

/// Every finding's detector, account and status.
pub(crate) fn statuses(report: &Value) -> Vec<String> {
    let findings = report["findings"].as_array().unwrap().iter();
    let word = |value: &Value| value.as_str().unwrap().to_owned();
    let mut all: Vec<String> = findings
        .map(|f| {
            let subject = &f["subject"];
            let [detector, status] = [word(&f["detector"]), word(&f["status"])];
            format!("{detector} {} {status}", word(&subject["name"]))
        })
        .collect();
    all.sort();
    all
}

/// The first value of a member with this name.
fn text<'a>(line: &'a str, key: &str) -> &'a str {
    let behind = line.split_once(&format!("\"{key}\":\"")).unwrap().1;
    behind.split_once('"').unwrap().0
}

/// The lines of the recorded sample's first file.
pub(crate) fn sample() -> &'static [String] {
    static LINES: OnceLock<Vec<String>> = OnceLock::new();
    LINES.get_or_init(|| {
        let path = "data/audit/audit-2026-11-22T04-25-44.000.log.gz";
        let all = unpacked(&Path::new(env!("CARGO_MANIFEST_DIR")).join(path));
        all.lines().map(str::to_owned).collect()
    })
}

/// The lines, each with its newline.
pub(crate) fn joined(lines: &[String]) -> String {
    lines.iter().flat_map(|line| [line, "\n"]).collect()
}

/// Lines of the sample as if they had been written at another time: the date is replaced.
pub(crate) fn on(date: &str, lines: &[String]) -> Vec<String> {
    // Another day has other requests.
    let id = |line: &str| text(line, "auditID").to_owned();
    lines
        .iter()
        .map(|line| {
            let old = id(line);
            let new = format!("{}{}", date.replace('-', ""), &old[8..]);
            line.replace("\"2026-11-22T", &format!("\"{date}T"))
                .replace(&old, &new)
        })
        .collect()
}

/// The sample's lines of a user, by a part of the user's name.
pub(crate) fn of(user: &str, lines: &[String]) -> Vec<String> {
    let of = lines
        .iter()
        .filter(|line| text(line, "username").ends_with(user));
    of.cloned().collect()
}

pub(crate) fn gzip(text: impl AsRef<[u8]>) -> Vec<u8> {
    let mut out = GzEncoder::new(Vec::new(), Compression::fast());
    out.write_all(text.as_ref()).unwrap();
    out.finish().unwrap()
}

pub(crate) fn zstd(text: impl AsRef<[u8]>) -> Vec<u8> {
    zstd::encode_all(text.as_ref(), 1).unwrap()
}

fn unpacked(path: &Path) -> String {
    let stored = fs::read(path).unwrap();
    let mut text = String::new();
    match path.extension().and_then(|e| e.to_str()) {
        Some("gz") => {
            let read = MultiGzDecoder::new(&stored[..]).read_to_string(&mut text);
            read.unwrap();
        }
        Some("zst") => text = String::from_utf8(zstd::decode_all(&stored[..]).unwrap()).unwrap(),
        _ => text = String::from_utf8_lossy(&stored).into_owned(),
    }
    text
}
