//! `satrail inventory` on a made-up cluster of 20,000 pods and 5,000 accounts: `cargo bench --bench inventory`.

#![expect(clippy::unwrap_used, reason = "a bench that panics has failed")]

use std::{io::Write, path::PathBuf};

use divan::{Bencher, counter::BytesCount};
use satrail::inventory::{Usage, read, report};

#[path = "../tests/support/cluster.rs"]
mod cluster;

const SIZE: cluster::Size = cluster::Size {
    pods: 20_000,
    accounts: 5_000,
};

fn main() {
    divan::main();
}

fn dump() -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    let mut out = std::io::BufWriter::new(file.as_file_mut());
    cluster::write(SIZE, &mut out).unwrap();
    out.flush().unwrap();
    drop(out);
    file
}

/// The dump, from the disk to objects.
#[divan::bench(sample_count = 3)]
fn reading(bencher: Bencher<'_, '_>) {
    let file = dump();
    let paths: [PathBuf; 1] = [file.path().to_owned()];
    let bytes = BytesCount::new(file.as_file().metadata().unwrap().len());
    bencher.counter(bytes).bench_local(|| read(&paths));
}

/// The objects, to the report.
#[divan::bench(sample_count = 3)]
fn judging(bencher: Bencher<'_, '_>) {
    let file = dump();
    let dumps = read(&[file.path().to_owned()]);
    assert_eq!(
        (dumps.inventory.pods.len(), dumps.inventory.accounts.len()),
        (SIZE.pods, SIZE.accounts)
    );
    let usage = Usage::default();
    bencher.bench_local(|| report(&dumps, Some(&usage)));
}
