//! Writes a dump of a made-up cluster, to try `satrail inventory` on something large:
//!
//! ```text
//! cargo run --release --example cluster -- 20000 5000 > dump.json
//! ```

use std::io::{self, BufWriter, Write};

#[path = "../tests/support/cluster.rs"]
mod cluster;

fn main() -> io::Result<()> {
    let mut numbers = std::env::args()
        .skip(1)
        .map(|text| text.parse().map_err(io::Error::other));
    let pods = numbers.next().transpose()?.unwrap_or(20_000);
    let accounts = numbers.next().transpose()?.unwrap_or(5_000);
    let mut out = BufWriter::new(io::stdout().lock());
    cluster::write(cluster::Size { pods, accounts }, &mut out)?;
    out.flush()
}
