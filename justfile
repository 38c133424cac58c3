# What CI runs.
ready:
    scripts/test

# Accept what is generated (docs, snapshots).
bless:
    BLESS=1 INSTA_UPDATE=always cargo test --quiet

# Speed of the parsers, in bytes per second, and against other programs on the same questions.
bench:
    cargo bench
    benches/compare/run --size 256MiB

# Fuzz a minute: line, chunk, decompress or unwrap (needs cargo-fuzz and a nightly toolchain).
fuzz target="line":
    cd fuzz && cargo +nightly fuzz run {{target}} -- -max_total_time=60

# Runs `satrail cron` each second over logs that grow, rotate and go, and counts.
soak seconds="120":
    cargo build --release
    scripts/soak --seconds {{seconds}}

# One static binary for Linux (needs the rustup target and Debian's musl-tools).
static target="x86_64-unknown-linux-musl":
    cargo build --release --locked --target {{target}}
    ! readelf --dynamic target/{{target}}/release/satrail | grep NEEDED
