//! Writes audit logs of any size, the same ones for the same seed.
//!
//!     cargo run --release --example gen -- --profile meta --size 1GiB --output audit.log
//!     cargo run --release --example gen -- --profile misuse --accounts 1000 --days 30 --output audit.log

mod rng;
mod callers;
mod bodies;
mod traffic;
mod misuse;

use std::{
    fs::File,
    io::{self, BufWriter, ErrorKind, Write},
};

use clap::Parser;

use misuse::Misuse;
use traffic::{Profile, Traffic};

/// What the log holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Log {
    /// A busy cluster at Metadata level: no bodies, about 1.2 KB a line.
    Meta,
    /// The same, one event in five at level `RequestResponse`, with bodies of 3 to 40 KB.
    Mixed,
    /// Every ServiceAccount does a bit of everything that is reported, 20 requests a day.
    Misuse,
}

/// Writes a kube-apiserver audit log as a busy cluster would.
#[derive(Parser)]
struct Cli {
    /// Who does what.
    #[arg(long, value_enum, default_value = "meta")]
    profile: Log,
    /// Stop after this many bytes (whole lines): 500MB, 1GiB, 1048576 [default: 64MiB].
    #[arg(long, value_parser = size)]
    size: Option<u64>,
    /// Stop after so many days of the log instead (of the profile misuse).
    #[arg(long, conflicts_with = "size")]
    days: Option<usize>,
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
    let most = cli.size.unwrap_or(match cli.days {
        Some(_) => u64::MAX,
        None => 64 << 20,
    });
    if cli.days.is_some() && cli.profile != Log::Misuse {
        let why = "only the profile misuse has days";
        return Err(io::Error::new(ErrorKind::InvalidInput, why));
    }
    let profile = match cli.profile {
        Log::Meta => Profile::Meta,
        Log::Mixed => Profile::Mixed,
        Log::Misuse => return write_misuse(cli, most, out),
    };
    let mut traffic = Traffic::new(profile, cli.seed, cli.accounts);
    let next = |line: &mut String| {
        traffic.line(line);
        true
    };
    write_lines(most, next, out)
}

fn write_misuse(cli: &Cli, most: u64, out: &mut dyn Write) -> io::Result<()> {
    let mut misuse = Misuse::new(cli.seed, cli.accounts);
    let days = cli.days.unwrap_or(usize::MAX);
    let next = |line: &mut String| {
        let goes_on = misuse.days() < days;
        if goes_on {
            misuse.line(line);
        }
        goes_on
    };
    write_lines(most, next, out)
}

/// Writes lines until there are no more, or until the next one would be too much.
fn write_lines(
    most: u64,
    mut next: impl FnMut(&mut String) -> bool,
    out: &mut dyn Write,
) -> io::Result<()> {
    let mut line = String::new();
    let mut written = 0;
    while next(&mut line) {
        written += line.len() as u64;
        if written > most {
            break;
        }
        out.write_all(line.as_bytes())?;
        line.clear();
    }
    out.flush()
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
