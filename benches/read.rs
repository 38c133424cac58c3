//! How fast bytes become line-aligned chunks, beside the floor: `cargo bench --bench read`.
//!
//! `READ_MIB` sets the size of the file (default 256).

#![expect(
    clippy::unwrap_used,
    reason = "a benchmark that cannot read its files should stop"
)]

use std::{
    fs::{self, File},
    io::{Read, Write},
    os::unix::fs::FileExt,
    path::PathBuf,
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    thread,
};

use divan::{Bencher, counter::BytesCount};
use satrail::source::{Buffer, Content, Limits, find};

fn main() {
    divan::main();
}

struct Files {
    plain: PathBuf,
    gzip: PathBuf,
    /// Members of 1 MiB of text each.
    members: PathBuf,
    zstd: PathBuf,
    bytes: u64,
    _directory: tempfile::TempDir,
}

const MEMBER: usize = 1 << 20;

/// Lines of about 1.2 KB, as Metadata level gives them, and about as compressible.
fn files() -> &'static Files {
    static FILES: OnceLock<Files> = OnceLock::new();
    FILES.get_or_init(|| {
        let mib: usize = std::env::var("READ_MIB").map_or(256, |mib| mib.parse().unwrap());
        let mut content = Vec::with_capacity(mib << 20);
        let mut state = 1_u64;
        while content.len() < mib << 20 {
            content
                .extend(br#"{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"Metadata","#);
            for key in 0..18 {
                state = state
                    .wrapping_mul(0x5851_F42D_4C95_7F2D)
                    .wrapping_add(0x1405_7B7E_F767_814F);
                write!(
                    content,
                    "\"system:serviceaccount:field-{key}\":\"{:x}-{}\",",
                    state >> 40,
                    state % 5
                )
                .unwrap();
            }
            content.extend(b"\"end\":true}\n");
        }
        let directory = tempfile::tempdir().unwrap();
        let path = |name| directory.path().join(name);
        let (plain, gzip, zstd) = (path("log"), path("log.gz"), path("log.zst"));
        let members = path("members.gz");
        let level = flate2::Compression::default();
        let mut encoder = flate2::write::GzEncoder::new(File::create(&gzip).unwrap(), level);
        encoder.write_all(&content).unwrap();
        encoder.finish().unwrap();
        let mut packed = File::create(&members).unwrap();
        for part in content.chunks(MEMBER) {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), level);
            encoder.write_all(part).unwrap();
            packed.write_all(&encoder.finish().unwrap()).unwrap();
        }
        fs::write(&zstd, zstd::encode_all(&content[..], 3).unwrap()).unwrap();
        fs::write(&plain, &content).unwrap();
        let bytes = content.len() as u64;
        Files {
            plain,
            gzip,
            members,
            zstd,
            bytes,
            _directory: directory,
        }
    })
}

fn newlines(bytes: &[u8]) -> u64 {
    memchr::memchr_iter(b'\n', bytes).count() as u64
}

/// Newlines, counted over the chunks of a source.
fn through_source(path: &PathBuf, threads: usize, chunk_bytes: usize) -> u64 {
    let limits = Limits {
        chunk_bytes,
        ..Limits::default()
    };
    let source = find(std::slice::from_ref(path)).inputs[0]
        .open(&limits)
        .unwrap();
    let pull = || {
        let (mut buffer, mut lines) = (Buffer::new(), 0);
        while let Some(chunk) = source.next(&mut buffer) {
            if let Content::Lines(bytes) = chunk.content {
                lines += newlines(bytes);
            }
        }
        lines
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(pull)).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .sum()
    })
}

/// The floor: blocks by pread, newlines counted, at this offset in a page.
fn by_pread(path: &PathBuf, threads: usize, block: usize, page_offset: usize) -> u64 {
    let file = File::open(path).unwrap();
    let next = AtomicU64::new(0);
    let pull = || {
        let mut memory = vec![0_u8; block + 2 * 4096];
        let base = (4096 - memory.as_ptr().addr() % 4096) % 4096 + page_offset;
        let room = &mut memory[base..base + block];
        let mut lines = 0;
        loop {
            let n = file
                .read_at(room, next.fetch_add(block as u64, Relaxed))
                .unwrap();
            if n == 0 {
                return lines;
            }
            lines += newlines(&room[..n]);
        }
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(pull)).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .sum()
    })
}

fn bench(bencher: Bencher<'_, '_>, work: impl Fn() -> u64 + Sync) {
    bencher.counter(BytesCount::new(files().bytes)).bench(work);
}

const THREADS: [usize; 2] = [1, 2];
const KIB: [usize; 4] = [128, 256, 512, 1024];

#[divan::bench(args = [0, 16, 64, 512])]
fn alignment(bencher: Bencher<'_, '_>, page_offset: usize) {
    bench(bencher, || {
        by_pread(&files().plain, 1, 256 << 10, page_offset)
    });
}

#[divan::bench(args = KIB, consts = THREADS)]
fn floor<const N: usize>(bencher: Bencher<'_, '_>, kib: usize) {
    bench(bencher, || by_pread(&files().plain, N, kib << 10, 64));
}

#[divan::bench(args = KIB, consts = THREADS)]
fn plain<const N: usize>(bencher: Bencher<'_, '_>, kib: usize) {
    bench(bencher, || through_source(&files().plain, N, kib << 10));
}

#[divan::bench(consts = THREADS, sample_count = 5)]
fn gzip<const N: usize>(bencher: Bencher<'_, '_>) {
    bench(bencher, || through_source(&files().gzip, N, 1 << 20));
}

#[divan::bench(consts = THREADS, sample_count = 5)]
fn gzip_members<const N: usize>(bencher: Bencher<'_, '_>) {
    bench(bencher, || through_source(&files().members, N, 1 << 20));
}

#[divan::bench(consts = THREADS, sample_count = 5)]
fn zstandard<const N: usize>(bencher: Bencher<'_, '_>) {
    bench(bencher, || through_source(&files().zstd, N, 1 << 20));
}

#[divan::bench(sample_count = 5)]
fn gzip_bare(bencher: Bencher<'_, '_>) {
    bench(bencher, || {
        let file = std::io::BufReader::with_capacity(128 << 10, File::open(&files().gzip).unwrap());
        count(flate2::bufread::MultiGzDecoder::new(file))
    });
}

/// Inflate alone, by libdeflate: all of a member at once.
#[divan::bench(sample_count = 5)]
fn gzip_whole(bencher: Bencher<'_, '_>) {
    let stored = fs::read(&files().gzip).unwrap();
    let mut text = vec![0; usize::try_from(files().bytes).unwrap()];
    bencher
        .counter(BytesCount::new(files().bytes))
        .bench_local(|| {
            let mut inflate = libdeflater::Decompressor::new();
            inflate.gzip_decompress(&stored, &mut text).unwrap()
        });
}

#[divan::bench(sample_count = 5)]
fn zstandard_bare(bencher: Bencher<'_, '_>) {
    bench(bencher, || {
        count(zstd::stream::read::Decoder::new(File::open(&files().zstd).unwrap()).unwrap())
    });
}

fn count(mut reader: impl Read) -> u64 {
    let (mut room, mut lines) = (vec![0; 1 << 20], 0);
    loop {
        match reader.read(&mut room).unwrap() {
            0 => return lines,
            n => lines += newlines(&room[..n]),
        }
    }
}
