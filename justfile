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
    cargo build --profile dist --locked --target {{target}}
    ! readelf --dynamic target/{{target}}/dist/satrail | grep NEEDED

# A Debian package (needs cargo-deb): the binary, completions, manual pages, units and the dashboard as examples.
deb:
    #!/usr/bin/env bash
    set -euo pipefail
    cargo build --profile dist --locked
    satrail=target/dist/satrail
    rm -rf target/package && mkdir -p target/package/man
    $satrail completions bash > target/package/satrail.bash
    $satrail completions zsh > target/package/_satrail
    $satrail completions fish > target/package/satrail.fish
    $satrail man > target/package/man/satrail.1
    for name in $($satrail --help | awk '/^Commands:/ {on = 1; next} /^$/ {on = 0} on && /^  [a-z]/ {print $1}' | grep -vx help); do
      $satrail man "$name" > "target/package/man/satrail-$name.1"
    done
    cargo deb --locked --no-build --profile dist
