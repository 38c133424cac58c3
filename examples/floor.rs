//! What no reader of logs can be faster than: newlines counted through the page cache, or archives decompressed to
//! nothing.
//!
//!     cargo run --release --example floor -- THREADS FILE...
//!
//! Plain files are cut into blocks, which all threads take from; compressed ones are taken whole, one a thread.

use std::{
    env,
    fs::File,
    io::{self, BufReader, Read, Write},
    os::unix::fs::FileExt,
    path::Path,
    sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
    thread,
};

const BLOCK: usize = 4 << 20;

fn main() -> io::Result<()> {
    let mut arguments = env::args().skip(1);
    let threads = arguments
        .next()
        .and_then(|number| number.parse().ok())
        .unwrap_or(1_usize);
    let files: Vec<String> = arguments.collect();
    let (taken, offset) = (AtomicUsize::new(0), AtomicU64::new(0));
    let work = || -> io::Result<u64> {
        let mut lines = 0;
        if let [file] = files.as_slice()
            && !is_packed(file)
        {
            return blocks(&File::open(file)?, &offset);
        }
        while let Some(file) = files.get(taken.fetch_add(1, Relaxed)) {
            lines += whole(file)?;
        }
        Ok(lines)
    };
    let lines = thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        let parts = workers.into_iter().map(|worker| {
            let lost = |_| io::Error::other("a thread has panicked");
            worker.join().map_err(lost)?
        });
        parts.sum::<io::Result<u64>>()
    })?;
    writeln!(io::stdout(), "{lines}")
}

fn is_packed(file: &str) -> bool {
    matches!(extension(file), Some("gz" | "zst"))
}

fn extension(file: &str) -> Option<&str> {
    Path::new(file).extension()?.to_str()
}

/// The newlines in the blocks of `file` that nobody else takes.
fn blocks(file: &File, offset: &AtomicU64) -> io::Result<u64> {
    let mut room = vec![0; BLOCK];
    let mut lines = 0;
    loop {
        match file.read_at(&mut room, offset.fetch_add(BLOCK as u64, Relaxed))? {
            0 => return Ok(lines),
            n => lines += newlines(&room[..n]),
        }
    }
}

/// The newlines of a plain file; the bytes of an archive, counted and nothing else.
fn whole(file: &str) -> io::Result<u64> {
    let stored = File::open(file)?;
    match extension(file) {
        Some("gz") => {
            let stored = BufReader::with_capacity(128 << 10, stored);
            drain(flate2::bufread::MultiGzDecoder::new(stored), length)
        }
        Some("zst") => drain(zstd::stream::read::Decoder::new(stored)?, length),
        _ => drain(stored, newlines),
    }
}

fn drain(mut from: impl Read, count: impl Fn(&[u8]) -> u64) -> io::Result<u64> {
    let (mut room, mut all) = (vec![0; 1 << 20], 0);
    loop {
        match from.read(&mut room)? {
            0 => return Ok(all),
            n => all += count(&room[..n]),
        }
    }
}

const fn length(bytes: &[u8]) -> u64 {
    bytes.len() as u64
}

fn newlines(bytes: &[u8]) -> u64 {
    memchr::memchr_iter(b'\n', bytes).count() as u64
}
