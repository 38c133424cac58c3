//! The law of this module, and what it states about everything odd that can be found on a disk.

mod law;
mod members;
mod odd_content;
mod odd_paths;
mod records;
mod spans;

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
};

use flate2::{Compression as Level, write::GzEncoder};

use super::{Buffer, Content, Found, Input, Limits, Source, Trouble, Walk, find};

/// A line with its offset; or how long it was, if it was too long.
type Line = (u64, Result<Vec<u8>, u64>);

const DEFAULT: Limits = Limits {
    chunk_bytes: 1 << 20,
    max_line_bytes: 64 << 20,
};

fn limits(chunk_bytes: usize, max_line_bytes: u64) -> Limits {
    Limits {
        chunk_bytes,
        max_line_bytes,
    }
}

/// What `content` should give.
fn expected(content: &[u8], max_line: u64) -> Vec<Line> {
    let mark = if content.starts_with(b"\xef\xbb\xbf") {
        3
    } else {
        0
    };
    let mut offset = mark as u64;
    content[mark..]
        .split_inclusive(|&b| b == b'\n')
        .map(|line| {
            let at = offset;
            let bytes = line.len() as u64;
            offset += bytes;
            let without_end = bytes - u64::from(line.ends_with(b"\n"));
            let too_long = without_end > max_line.max(1);
            (
                at,
                if too_long {
                    Err(bytes)
                } else {
                    Ok(line.to_vec())
                },
            )
        })
        .collect()
}

/// All lines of a source, pulled by so many threads.
fn read(source: &Source, threads: usize) -> Vec<Line> {
    let pull = || {
        let mut buffer = Buffer::new();
        let mut lines = Vec::new();
        while let Some(chunk) = source.next(&mut buffer) {
            match chunk.content {
                Content::TooLong { bytes, .. } => lines.push((chunk.offset, Err(bytes))),
                Content::Records { .. } => panic!("opened for lines"),
                Content::Lines(content) => {
                    assert!(!content.is_empty());
                    let mut offset = chunk.offset;
                    for line in content.split_inclusive(|&b| b == b'\n') {
                        lines.push((offset, Ok(line.to_vec())));
                        offset += line.len() as u64;
                    }
                }
            }
        }
        lines
    };
    let mut lines = std::thread::scope(|scope| {
        let pulling: Vec<_> = (0..threads).map(|_| scope.spawn(pull)).collect();
        let lines = pulling.into_iter().map(|thread| thread.join().unwrap());
        lines.collect::<Vec<_>>().concat()
    });
    lines.sort();
    lines
}

/// The text of all lines, and the troubles.
fn content(path: &Path, limits: &Limits) -> (Vec<u8>, Vec<Trouble>) {
    let source = only(&find(&[path.to_owned()])).open(limits).unwrap();
    let lines = read(&source, 2);
    let text = lines.into_iter().filter_map(|(_, line)| line.ok());
    (text.collect::<Vec<_>>().concat(), source.troubles())
}

fn only(found: &Found) -> &Input {
    assert_eq!(found.inputs.len(), 1, "{found:?}");
    &found.inputs[0]
}

fn names(found: &Found, root: &Path) -> Vec<String> {
    let names = found.inputs.iter().map(Input::name);
    names.map(|name| below(name, root)).collect()
}

fn whys(found: &Found, root: &Path) -> Vec<(String, String, bool)> {
    let troubles = found.troubles.iter();
    troubles
        .map(|t| (below(&t.file, root), t.why.clone(), t.unreadable))
        .collect()
}

fn below(name: &str, root: &Path) -> String {
    let root = format!("{}/", root.display());
    name.strip_prefix(&root).unwrap_or(name).to_owned()
}

/// A directory with these files in it.
fn directory(files: &[(&str, &[u8])]) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    for (name, content) in files {
        let path = directory.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    directory
}

fn write(directory: &tempfile::TempDir, name: &str, content: &[u8]) -> PathBuf {
    let path = directory.path().join(name);
    fs::write(&path, content).unwrap();
    path
}

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Level::fast());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

fn zstd(content: &[u8]) -> Vec<u8> {
    zstd::encode_all(content, 1).unwrap()
}

/// Lines that do not compress to nothing.
fn log(lines: u64) -> Vec<u8> {
    let line = |i: u64| {
        format!(
            "{{\"auditID\":\"{:016x}\"}}\n",
            i.wrapping_mul(0x9E37_79B9_7F4A_7C15)
        )
    };
    (0..lines).map(line).collect::<String>().into_bytes()
}
