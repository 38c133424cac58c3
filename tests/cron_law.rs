//! The law over time: runs over pieces, killed at any moment, come to what one scan over the whole comes to.
//!
//! A writer appends to a log in half lines, rotates it by rename, copies and truncates it, compresses what was
//! rotated, and lets a second apiserver's log arrive late. After each step the real binary runs, and most runs
//! are killed with SIGKILL at a random moment. In the end the state must say exactly what a scan says of everything that
//! was written; counters may never have fallen, and every finding must stand in the file that the last run left.

#![expect(clippy::unwrap_used, reason = "a test that panics has failed")]

use std::{
    collections::BTreeMap,
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    thread,
    time::Duration,
};

use flate2::{Compression, write::GzEncoder};
use serde_json::Value;

/// How often a run is killed.
const KILLS: u32 = 300;

/// A small generator of numbers, so that a failure can be had again.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % n
    }
}

/// Events of the sample, one a line, in the order of time.
fn events() -> Vec<String> {
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/audit");
    let mut files: Vec<PathBuf> = fs::read_dir(sample)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "gz" || e == "log"))
        .collect();
    files.sort();
    let mut lines = Vec::new();
    for file in files {
        let bytes = fs::read(&file).unwrap();
        let text = if file.extension().is_some_and(|e| e == "gz") {
            let mut text = String::new();
            std::io::Read::read_to_string(
                &mut flate2::read::MultiGzDecoder::new(&*bytes),
                &mut text,
            )
            .unwrap();
            text
        } else {
            String::from_utf8(bytes).unwrap()
        };
        lines.extend(text.lines().map(|line| format!("{line}\n")));
    }
    lines
}

/// Where the log is written to, and everything that was written.
struct World {
    home: tempfile::TempDir,
    dice: Dice,
    rotated: u32,
    /// Half a line that stands at the end of the live log.
    rest: String,
    written: String,
}

impl World {
    fn new(seed: u64) -> Self {
        let home = tempfile::tempdir().unwrap();
        fs::create_dir(home.path().join("log")).unwrap();
        Self {
            home,
            dice: Dice(seed),
            rotated: 0,
            rest: String::new(),
            written: String::new(),
        }
    }

    fn log(&self) -> PathBuf {
        self.home.path().join("log")
    }

    fn live(&self) -> PathBuf {
        self.log().join("audit.log")
    }

    fn append(&self, text: &str) {
        let mut live = fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.live())
            .unwrap();
        live.write_all(text.as_bytes()).unwrap();
    }

    /// Appends lines, the last one perhaps in part.
    fn write(&mut self, lines: &[String]) {
        let Some((last, whole)) = lines.split_last() else {
            return;
        };
        let mut text = std::mem::take(&mut self.rest);
        text.extend(whole.iter().map(String::as_str));
        let cut = usize::try_from(self.dice.below(last.len() as u64 + 1)).unwrap();
        let cut = (0..=cut)
            .rev()
            .find(|&at| last.is_char_boundary(at))
            .unwrap();
        text.push_str(&last[..cut]);
        last[cut..].clone_into(&mut self.rest);
        self.written.extend(lines.iter().map(String::as_str));
        self.append(&text);
    }

    /// Ends the live file at a line, as kube-apiserver does, and rotates it in some way.
    fn rotate(&mut self) {
        let rest = std::mem::take(&mut self.rest);
        self.append(&rest);
        self.rotated += 1;
        let old = self.log().join(format!("audit-{:03}.log", self.rotated));
        if self.dice.below(2) == 0 {
            fs::rename(self.live(), &old).unwrap();
        } else {
            fs::copy(self.live(), &old).unwrap();
            fs::File::create(self.live()).unwrap();
        }
    }

    /// Compresses an older file, or not.
    fn compress(&mut self) {
        if self.rotated < 2 {
            return;
        }
        let number = 1 + self.dice.below(u64::from(self.rotated));
        let old = self.log().join(format!("audit-{number:03}.log"));
        let Ok(text) = fs::read(&old) else { return };
        let packed = old.with_extension("log.gz");
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        gzip.write_all(&text).unwrap();
        fs::write(packed, gzip.finish().unwrap()).unwrap();
        fs::remove_file(old).unwrap();
    }

    fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_satrail"));
        command
            .current_dir(self.home.path())
            .args([
                "cron", "log", "--state", "state", "--new", "--format", "jsonl",
            ])
            .args([
                "--fail-on",
                "never",
                "--findings-out",
                "findings.jsonl",
                "--metrics-out",
                "satrail.prom",
            ])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// A run that is killed some time after its start, unless it was faster; whether it ended well.
    fn run_and_kill(&mut self) -> bool {
        let mut child = self
            .command()
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // The moment is left to chance: what holds must hold for any.
        thread::sleep(Duration::from_micros(self.dice.below(400_000)));
        child.kill().unwrap();
        child.wait().unwrap().success()
    }

    fn run(&self) -> Output {
        self.command().output().unwrap()
    }
}

/// Findings as a scan has them: without what became of them, and with no place but the line's text.
fn comparable(report: &Value) -> Vec<Value> {
    let findings = report["findings"].as_array().unwrap().clone();
    let mut findings: Vec<Value> = findings
        .into_iter()
        .map(|mut finding| {
            let members = finding.as_object_mut().unwrap();
            for member in ["status", "status_since", "first_reported"] {
                members.remove(member);
            }
            for evidence in finding["evidence"].as_array_mut().unwrap() {
                let evidence = evidence.as_object_mut().unwrap();
                evidence.remove("file");
                evidence.remove("line");
            }
            finding
        })
        .collect();
    findings.sort_by_key(ToString::to_string);
    findings
}

fn scan(path: &Path) -> Value {
    let output = Command::new(env!("CARGO_BIN_EXE_satrail"))
        .args(["scan", "--format", "json", "--fail-on", "never"])
        .arg(path)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The counters of a metrics file.
fn counters(path: &Path) -> BTreeMap<String, u64> {
    let text = fs::read_to_string(path).unwrap_or_default();
    let samples = text.lines().filter(|line| !line.starts_with('#'));
    let counters = samples.filter_map(|line| {
        let (series, value) = line.rsplit_once(' ')?;
        let name = series.split('{').next()?;
        name.ends_with("_total")
            .then(|| (series.to_owned(), value.parse().unwrap()))
    });
    counters.collect()
}

/// A run must end well.
fn check(output: &Output) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
}

#[test]
fn killed_runs_over_pieces_equal_one_scan() {
    let events = events();
    let mut world = World::new(7);
    let (mut at, mut kills, mut before) = (0, 0, BTreeMap::new());
    let step = events.len().div_ceil(usize::try_from(KILLS).unwrap());
    while kills < KILLS {
        let more = usize::try_from(world.dice.below(2 * step as u64)).unwrap();
        let end = (at + more).min(events.len());
        world.write(&events[at..end]);
        at = end;
        match world.dice.below(12) {
            0 => world.rotate(),
            1 => world.compress(),
            _ => {}
        }
        world.run_and_kill();
        kills += 1;
        if kills % 20 == 0 {
            check(&world.run());
        }
        let now = counters(&world.home.path().join("satrail.prom"));
        for (series, value) in &before {
            assert!(now.get(series) >= Some(value), "{series} fell from {value}");
        }
        before = now;
    }
    world.write(&events[at..]);
    let rest = std::mem::take(&mut world.rest);
    world.append(&rest);
    // The log of another apiserver, late, with events of long ago.
    let late: String = events
        .iter()
        .take(200)
        .map(|line| line.replacen("\"auditID\":\"", "\"auditID\":\"f", 1))
        .collect();
    fs::write(world.log().join("other.log"), &late).unwrap();
    world.written.push_str(&late);
    check(&world.run());

    compare(&world);
}

/// Holds what the state says to what one scan of everything says.
fn compare(world: &World) {
    let whole = world.home.path().join("whole.log");
    fs::write(&whole, &world.written).unwrap();
    let expected = scan(&whole);
    let mut command = Command::new(env!("CARGO_BIN_EXE_satrail"));
    let output = command
        .current_dir(world.home.path())
        .args([
            "cron",
            "log",
            "--state",
            "state",
            "--format",
            "json",
            "--fail-on",
            "never",
        ])
        .output()
        .unwrap();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    for figure in ["events", "requests", "bad_lines", "bytes", "lines"] {
        assert_eq!(
            report["input"][figure], expected["input"][figure],
            "{figure}"
        );
    }
    let (ours, theirs) = (comparable(&report), comparable(&expected));
    assert_eq!(ours.len(), theirs.len());
    for (ours, theirs) in ours.iter().zip(&theirs) {
        assert_eq!(ours, theirs);
    }
    // Evidence stands where the report says, under the names that the files have now.
    assert_eq!(
        evidence(&report, world.home.path()),
        evidence(&expected, world.home.path())
    );
    // Every finding was told by a run that ended well, or stands in the file that such a run has left.
    let file = fs::read_to_string(world.home.path().join("findings.jsonl")).unwrap();
    for finding in report["findings"].as_array().unwrap() {
        let fingerprint = finding["fingerprint"].as_str().unwrap();
        assert!(file.contains(fingerprint), "{fingerprint} was never told");
    }
}

/// The lines that the evidence points at, by finding.
fn evidence(report: &Value, home: &Path) -> BTreeMap<String, Vec<String>> {
    let mut texts: BTreeMap<PathBuf, Vec<String>> = BTreeMap::new();
    let mut all = BTreeMap::new();
    for finding in report["findings"].as_array().unwrap() {
        let places = finding["evidence"].as_array().unwrap();
        let lines = places.iter().map(|place| {
            let path = home.join(place["file"].as_str().unwrap());
            let lines = texts.entry(path.clone()).or_insert_with(|| lines_of(&path));
            let line = usize::try_from(place["line"].as_u64().unwrap()).unwrap();
            lines[line - 1].clone()
        });
        all.insert(
            finding["fingerprint"].as_str().unwrap().to_owned(),
            lines.collect(),
        );
    }
    all
}

fn lines_of(path: &Path) -> Vec<String> {
    let bytes = fs::read(path).unwrap();
    let text = if path.extension().is_some_and(|extension| extension == "gz") {
        let mut text = String::new();
        std::io::Read::read_to_string(&mut flate2::read::MultiGzDecoder::new(&*bytes), &mut text)
            .unwrap();
        text
    } else {
        String::from_utf8(bytes).unwrap()
    };
    text.lines().map(str::to_owned).collect()
}

/// A file system with room for so little that runs fail; `None` where it cannot be made.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn new(at: &Path) -> Option<Self> {
        fs::create_dir(at).unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=640k", "tmpfs"])
            .arg(at)
            .stderr(Stdio::null())
            .status();
        mounted
            .is_ok_and(|status| status.success())
            .then(|| Self(at.to_owned()))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        drop(Command::new("umount").arg(&self.0).status());
    }
}

#[test]
fn a_full_disk_leaves_the_old_state() {
    let home = tempfile::tempdir().unwrap();
    let Some(disk) = SmallDisk::new(&home.path().join("disk")) else {
        eprintln!("skipped: no small file system can be mounted here");
        return;
    };
    let events = events();
    let log = home.path().join("audit.log");
    let run = || {
        Command::new(env!("CARGO_BIN_EXE_satrail"))
            .current_dir(home.path())
            .args([
                "cron",
                "audit.log",
                "--state",
                "disk/state",
                "--format",
                "json",
                "--fail-on",
                "never",
            ])
            .output()
            .unwrap()
    };
    let ballast = disk.0.join("ballast");
    let mut failures = 0;
    for part in 1..=12 {
        let text: String = events[..events.len() * part / 12].concat();
        fs::write(&log, text).unwrap();
        // Filled up to the last byte in every second run, to some place in between in others.
        let room = if part % 2 == 0 { 0 } else { 40 << 10 };
        fill(&ballast, room);
        let output = run();
        if !output.status.success() {
            failures += 1;
            let said = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(2), "{said}");
            assert!(said.contains("disk/state"), "{said}");
        }
        fs::remove_file(&ballast).unwrap();
    }
    assert!(failures > 0, "the disk was never full");
    let output = run();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let expected = scan(&log);
    assert_eq!(comparable(&report), comparable(&expected));
    assert_eq!(report["input"]["events"], expected["input"]["events"]);
    drop(disk);
}

/// Fills the disk up to so many bytes.
fn fill(ballast: &Path, room: usize) {
    let mut file = fs::File::create(ballast).unwrap();
    while file.write_all(&[0; 4096]).is_ok() {}
    let length = file.metadata().unwrap().len();
    file.set_len(length.saturating_sub(room as u64)).unwrap();
}
