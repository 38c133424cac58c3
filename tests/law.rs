//! The law: any split of the input, over any number of threads, files, forms and runs, comes to the same
//! report, byte for byte.

#![expect(clippy::unwrap_used, reason = "a test that panics has failed")]

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
};

use satrail::{
    pipeline::{self, Options, Silent, State},
    source::Limits,
};

/// The sample in `data/`, as three plain texts by name.
fn sample() -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/audit");
    let mut files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|e| e.unwrap().path())
        .collect();
    files.sort();
    let plain = |path: &PathBuf| {
        let bytes = fs::read(path).unwrap();
        let name = path
            .file_name()
            .unwrap()
            .to_str()
            .unwrap()
            .trim_end_matches(".gz")
            .to_owned();
        if !bytes.starts_with(&[0x1f, 0x8b]) {
            return (name, bytes);
        }
        let mut text = Vec::new();
        std::io::copy(
            &mut flate2::read::MultiGzDecoder::new(&bytes[..]),
            &mut text,
        )
        .unwrap();
        (name, text)
    };
    files.iter().map(plain).collect()
}

/// The sample with what logs suffer: half lines, NULs, blank lines, carriage returns, broken text.
fn hurt_sample() -> Vec<(String, Vec<u8>)> {
    let mut files = sample();
    let (_, text) = &mut files[2];
    let lines: Vec<&[u8]> = text.split_inclusive(|&b| b == b'\n').collect();
    let mut hurt = vec![0_u8; 5000];
    for (n, line) in lines.iter().enumerate() {
        match n % 9 {
            0 => hurt.extend_from_slice(&line[..line.len() / 2]),
            1 => hurt.extend_from_slice(b"\n  \r\n"),
            2 => hurt.extend_from_slice(b"\xff\xfe no text\n"),
            3 => hurt.extend_from_slice(b"{\"kind\":\"EventList\"}\n"),
            _ => {}
        }
        hurt.extend_from_slice(line);
    }
    *text = hurt;
    files
}

fn lay_out(files: &[(String, Vec<u8>)], pack: impl Fn(&[u8]) -> Vec<u8>) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        fs::write(folder.path().join(name), pack(text)).unwrap();
    }
    folder
}

fn gzip(text: &[u8]) -> Vec<u8> {
    // Two members, cut in the middle of a line: as concatenated and rotated files are.
    let mut packed = Vec::new();
    for part in [&text[..text.len() / 3], &text[text.len() / 3..]] {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(part).unwrap();
        packed.extend(encoder.finish().unwrap());
    }
    packed
}

fn zstd(text: &[u8]) -> Vec<u8> {
    zstd::encode_all(text, 1).unwrap()
}

fn options(paths: Vec<PathBuf>) -> Options {
    Options {
        paths,
        ..Options::default()
    }
}

fn scan(options: &Options) -> State {
    pipeline::scan(options, &Silent).unwrap()
}

/// The report as JSON, without the folder's name and the size as stored.
fn report(state: State, options: &Options, folder: &Path) -> String {
    let mut report = state.report(options);
    report.input.stored_bytes = 0;
    let json = serde_json::to_string_pretty(&report).unwrap();
    json.replace(&format!("{}/", folder.display()), "")
}

fn check(files: &[(String, Vec<u8>)]) {
    let folder = lay_out(files, <[u8]>::to_vec);
    let whole = options(vec![folder.path().to_owned()]);
    let expected = report(scan(&whole), &whole, folder.path());
    assert!(expected.contains("\"requests\""));

    for (threads, chunk_bytes) in [(1, 1 << 20), (2, 700), (3, 5000), (5, 64 << 10)] {
        let limits = Limits {
            chunk_bytes,
            ..Limits::default()
        };
        let split = Options {
            threads,
            limits,
            ..whole.clone()
        };
        let actual = report(scan(&split), &split, folder.path());
        assert_eq!(
            actual, expected,
            "{threads} threads, chunks of {chunk_bytes} bytes"
        );
    }
    for (name, pack) in [("gzip", gzip as fn(&[u8]) -> Vec<u8>), ("zstd", zstd)] {
        let folder = lay_out(files, pack);
        let packed = options(vec![folder.path().to_owned()]);
        assert_eq!(
            report(scan(&packed), &packed, folder.path()),
            expected,
            "{name}"
        );
    }
    let mut paths: Vec<PathBuf> = files
        .iter()
        .map(|(name, _)| folder.path().join(name))
        .collect();
    paths.reverse();
    let named = options(paths.clone());
    assert_eq!(
        report(scan(&named), &named, folder.path()),
        expected,
        "files named backwards"
    );

    for _ in 0..paths.len() {
        paths.rotate_left(1);
        let mut parts = paths.iter().map(|path| {
            let mut stored = tempfile::NamedTempFile::new().unwrap();
            scan(&options(vec![path.clone()]))
                .write(&mut stored)
                .unwrap();
            State::read(stored.path()).unwrap()
        });
        let mut merged = parts.next().unwrap();
        parts.for_each(|part| merged.merge(part));
        assert_eq!(
            report(merged, &whole, folder.path()),
            expected,
            "partial states, merged"
        );
    }
}

#[test]
fn the_sample_comes_to_one_report_however_it_is_read() {
    check(&sample());
}

#[test]
fn a_hurt_sample_comes_to_one_report_however_it_is_read() {
    check(&hurt_sample());
}

/// With `--dedup`, a log and its copy come to what the log alone comes to, whichever copy of a line is
/// read first.
#[test]
fn dedup_takes_the_second_copy_out() {
    let files = sample();
    let folder = lay_out(&files, <[u8]>::to_vec);
    let alone = options(vec![folder.path().to_owned()]);
    let alone = scan(&alone).report(&alone);

    fs::write(
        folder.path().join("zz-copy.log"),
        files.iter().flat_map(|f| f.1.clone()).collect::<Vec<u8>>(),
    )
    .unwrap();
    let once = Options {
        dedup: true,
        ..options(vec![folder.path().to_owned()])
    };
    let mut reports: Vec<_> = (1..6)
        .map(|threads| {
            let options = Options {
                threads,
                ..once.clone()
            };
            scan(&options).report(&options)
        })
        .collect();
    let report = reports.pop().unwrap();
    assert!(reports.iter().all(|other| *other == report));
    assert_eq!(report.input.requests, alone.input.requests);
    assert_eq!(report.coverage.duplicates.removed, Some(alone.input.events));
    let counts = |report: &pipeline::Report| {
        report
            .findings
            .iter()
            .map(|f| (f.fingerprint.clone(), f.count))
            .collect::<Vec<_>>()
    };
    assert_eq!(counts(&report), counts(&alone));

    let twice = options(vec![folder.path().to_owned()]);
    let twice = scan(&twice).report(&twice);
    assert!((45.0..=50.0).contains(&twice.coverage.duplicates.percent));
}

fn sorted_files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap();
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

/// The sample's scrapes, one more with a broken line, and one that stands twice.
fn scrapes() -> tempfile::TempDir {
    let own = sorted_files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("data/metrics"));
    let folder = tempfile::tempdir().unwrap();
    let broken = fs::read_to_string(&own[0]).unwrap() + "apiserver_audit_error_total{\n";
    fs::write(folder.path().join("b-20261122T042509Z.prom"), broken).unwrap();
    for path in &own {
        fs::copy(path, folder.path().join(path.file_name().unwrap())).unwrap();
    }
    // 1795321524 is the time in the name of that file.
    fs::copy(&own[1], folder.path().join("apiserver-1795321524.prom")).unwrap();
    folder
}

fn with_metrics(paths: Vec<PathBuf>, metrics: Vec<PathBuf>, threads: usize) -> Options {
    Options {
        metrics,
        threads,
        ..options(paths)
    }
}

/// The sample and its metrics: threads, forms and the order of files change nothing.
#[test]
fn logs_and_metrics_come_to_one_report_however_they_are_read() {
    let logs = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("data/audit")];
    let folder = scrapes();
    let whole = with_metrics(logs.clone(), vec![folder.path().to_owned()], 1);
    let expected = report(scan(&whole), &whole, folder.path());
    assert!(expected.contains("\"stale-token-metric\"") && expected.contains("\"at_least\": 4"));
    for threads in [2, 5] {
        let mut backwards = sorted_files(folder.path());
        backwards.reverse();
        let split = with_metrics(sorted_files(&logs[0]), backwards, threads);
        let actual = report(scan(&split), &split, folder.path());
        assert_eq!(actual, expected, "{threads} threads");
    }
    for (name, pack) in [("gzip", gzip as fn(&[u8]) -> Vec<u8>), ("zstd", zstd)] {
        let named = |path: &PathBuf| {
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            (name, fs::read(path).unwrap())
        };
        let files: Vec<_> = sorted_files(folder.path()).iter().map(named).collect();
        let packed = lay_out(&files, pack);
        let split = with_metrics(logs.clone(), vec![packed.path().to_owned()], 3);
        let actual = report(scan(&split), &split, packed.path());
        assert_eq!(actual, expected, "{name}");
    }
}

/// So do partial states, each of one scrape, some of a log too, merged in any order.
#[test]
fn partial_states_carry_metrics() {
    let logs = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/audit");
    let folder = scrapes();
    let whole = with_metrics(vec![logs.clone()], vec![folder.path().to_owned()], 0);
    let expected = report(scan(&whole), &whole, folder.path());
    let (logs, mut metrics) = (sorted_files(&logs), sorted_files(folder.path()));
    for turn in 0..metrics.len() {
        metrics.rotate_left(1);
        let parts = metrics.iter().enumerate().map(|(at, scrape)| {
            let log = logs.get((at + turn) % metrics.len()).cloned();
            let part = with_metrics(log.into_iter().collect(), vec![scrape.clone()], 0);
            let mut stored = tempfile::NamedTempFile::new().unwrap();
            scan(&part).write(&mut stored).unwrap();
            State::read(stored.path()).unwrap()
        });
        let merged = parts.reduce(|mut sum, part| {
            sum.merge(part);
            sum
        });
        let actual = report(merged.unwrap(), &whole, folder.path());
        assert_eq!(actual, expected, "turn {turn}");
    }
}
