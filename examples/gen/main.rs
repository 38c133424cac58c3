//! Writes audit logs of any size, the same ones for the same seed.
//!
//!     cargo run --release --example gen -- --profile meta --size 1GiB --output audit.log

mod rng;
mod callers;
mod bodies;
mod traffic;

use std::{
    fs::File,
    io::{self, BufWriter, ErrorKind, Write},
};

use clap::Parser;

use traffic::{Profile, Traffic};

/// Writes a kube-apiserver audit log as a busy cluster would.
#[derive(Parser)]
struct Cli {
    /// Metadata level only, or one event in five with bodies of 3 to 40 KB.
    #[arg(long, value_enum, default_value = "meta")]
    profile: Profile,
    /// Stop after this many bytes (whole lines): 500MB, 1GiB, 1048576.
    #[arg(long, default_value = "64MiB", value_parser = size)]
    size: u64,
    /// Another seed, another log.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many ServiceAccounts take part.
    #[arg(long, default_value_t = 200)]
    accounts: usize,
    /// Where to; `-` is standard output.
    #[arg(long, short, default_value = "-")]
    output: String,
}

fn main() -> io::Result<()> {
    let cli = Cli::parse();
    let out: Box<dyn Write> = if cli.output == "-" {
        Box::new(io::stdout().lock())
    } else {
        Box::new(File::create(&cli.output)?)
    };
    match write(&cli, &mut BufWriter::with_capacity(1 << 20, out)) {
        // Whoever reads has had enough.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        result => result,
    }
}

fn write(cli: &Cli, out: &mut dyn Write) -> io::Result<()> {
    let mut traffic = Traffic::new(cli.profile, cli.seed, cli.accounts);
    let mut line = String::new();
    let mut written = 0;
    loop {
        line.clear();
        traffic.line(&mut line);
        written += line.len() as u64;
        if written > cli.size {
            return out.flush();
        }
        out.write_all(line.as_bytes())?;
    }
}

/// Reads a number of bytes with or without a unit.
fn size(text: &str) -> Result<u64, String> {
    const UNITS: [(&str, u64); 7] = [
        ("KiB", 1 << 10),
        ("MiB", 1 << 20),
        ("GiB", 1 << 30),
        ("KB", 1_000),
        ("MB", 1_000_000),
        ("GB", 1_000_000_000),
        ("", 1),
    ];
    UNITS
        .iter()
        .find_map(|(unit, factor)| {
            let number: u64 = text.strip_suffix(unit)?.trim().parse().ok()?;
            number.checked_mul(*factor)
        })
        .ok_or_else(|| format!("'{text}' is no size such as 500MB or 1GiB"))
}
