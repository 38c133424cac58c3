//! What holds for any file whatever its bytes: reading it ends, and the size of the chunks, the number of
//! threads and the compression change nothing.

use std::{io::Write, path::Path};

use satrail::{
    output::{Look, ReportFormat, write_report},
    pipeline::{self, Options, Silent},
    source::{Buffer, Content, Limits, find},
};
use tempfile::NamedTempFile;

/// Longer lines are skipped: short enough that there are some.
const MAX_LINE: u64 = 4096;

fn file(bytes: &[u8]) -> NamedTempFile {
    let mut file = NamedTempFile::with_prefix("audit").unwrap();
    file.write_all(bytes).unwrap();
    file
}

fn limits(chunk_bytes: usize) -> Limits {
    Limits {
        chunk_bytes,
        max_line_bytes: MAX_LINE,
    }
}

/// A scan gives the same report for any chunk size and number of threads.
pub(crate) fn check_scan(bytes: &[u8], chunk_bytes: usize) {
    let file = file(bytes);
    let one = scanned(file.path(), 1 << 20, 1);
    let other = scanned(file.path(), chunk_bytes.max(1), 1 + chunk_bytes % 3);
    assert_eq!(one, other, "chunks of {chunk_bytes} bytes");
}

fn scanned(path: &Path, chunk_bytes: usize, threads: usize) -> String {
    let options = Options {
        paths: vec![path.to_owned()],
        threads,
        limits: limits(chunk_bytes),
        ..Options::default()
    };
    let report = pipeline::scan(&options, &Silent).unwrap().report(&options);
    let input = &report.input;
    assert!(input.requests <= input.events);
    let shown = report.coverage.bad_lines.len() as u64;
    assert!(shown <= input.bad_lines && (shown > 0) == (input.bad_lines > 0));
    assert!(
        report
            .coverage
            .bad_lines
            .iter()
            .all(|bad| bad.line <= input.lines),
        "{:?}",
        report.coverage.bad_lines
    );
    let mut text = Vec::new();
    for format in [ReportFormat::Json, ReportFormat::Table, ReportFormat::Html] {
        write_report(&report, format, Look::default(), None, &mut text).unwrap();
    }
    String::from_utf8(text).unwrap()
}

/// What is read of a file: its text, its too long lines, and what was wrong with it.
type Read = (Vec<u8>, Vec<(u64, u64)>, Vec<(String, bool)>);

/// Reading and decompressing ends, takes bounded memory, and gives the same for any chunk size.
pub(crate) fn check_read(bytes: &[u8], chunk_bytes: usize) {
    let file = file(bytes);
    let one = read(file.path(), 1 << 16);
    let other = read(file.path(), chunk_bytes.max(1));
    assert_eq!(one, other, "chunks of {chunk_bytes} bytes");
}

fn read(path: &Path, chunk_bytes: usize) -> Option<Read> {
    let found = find(&[path.to_owned()]);
    let source = found.inputs[0].open(&limits(chunk_bytes)).ok()?;
    let (mut buffer, mut text, mut too_long) = (Buffer::new(), Vec::new(), Vec::new());
    let mut next = None;
    let most = chunk_bytes + usize::try_from(MAX_LINE).unwrap() + 2;
    while let Some(chunk) = source.next(&mut buffer) {
        assert!(next.is_none_or(|next| next == chunk.offset), "a hole");
        let length = match chunk.content {
            Content::Lines(lines) => {
                assert!(!lines.is_empty() && lines.len() <= most, "{}", lines.len());
                text.extend(lines);
                lines.len() as u64
            }
            Content::Records { .. } => unreachable!("opened for lines"),
            Content::TooLong { bytes, .. } => {
                assert!(bytes > MAX_LINE);
                too_long.push((chunk.offset, bytes));
                bytes
            }
        };
        next = Some(chunk.offset + length);
    }
    let troubles = source.troubles().into_iter();
    let troubles = troubles.map(|trouble| (trouble.why, trouble.unreadable));
    Some((text, too_long, troubles.collect()))
}
