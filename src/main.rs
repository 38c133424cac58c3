//! `satrail`: reads the command line, does it, says what went wrong.

use std::{
    env,
    fmt::Display,
    io::{self, Write},
    process::ExitCode,
};

use satrail::{
    cli::{self, Action, Refusal, Surroundings},
    command::{self, Exit, Verdict},
    output::shown,
};

// The static binary: 256 MiB of `meta` on two threads take 1.19 s with it, 1.95 s with musl's own allocator, whose one lock makes
// two threads slower than one (2026-11-22).
#[cfg(target_env = "musl")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

// 256 MiB of `meta` on two threads take 0.61 s with it and 0.78 s with glibc's for 1,000 accounts, 3.2 and 4.4 s for 100,000, in as much
// memory (2026-11-23; `benches/scale/run --size 256MiB --only accounts`, built with and without). Elsewhere a page of memory may have another size where it runs than where it was built.
#[cfg(all(target_os = "linux", target_env = "gnu", target_arch = "x86_64"))]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

// Memory by pages of 2 MiB, where the kernel lets programs ask for them: 0.92 s of processor time instead of 1.06 for 256 MiB of
// `meta` with 1,000 accounts, 10,000 faults instead of 61,000. And what is free for a second goes back: 253 MiB instead of 263 for 8 GiB
// with 200 accounts, in the same time (2026-11-23; `_RJEM_MALLOC_CONF=thp:default` and `dirty_decay_ms:10000` are without).
#[cfg(all(target_os = "linux", target_env = "gnu", target_arch = "x86_64"))]
#[expect(
    unsafe_code,
    reason = "jemalloc looks for it by this name; it is a pointer to a text that ends with a 0"
)]
#[unsafe(export_name = "_rjem_malloc_conf")]
static MALLOC_CONF: &[u8; 31] = b"thp:always,dirty_decay_ms:1000\0";

fn main() -> ExitCode {
    let around = Surroundings::look();
    let exit = match Action::from_arguments(env::args_os(), &around) {
        Ok(action) => match run(&action) {
            Ok(verdict) => conclude(&verdict),
            Err(error) => fail(&error, error.excerpt().as_deref(), error.hint()),
        },
        Err(refusal) => refuse(&refusal),
    };
    exit.into()
}

fn run(action: &Action) -> Result<Verdict, command::Error> {
    match action {
        Action::Scan(config) => command::scan(config),
        Action::Merge(config) => command::merge(config),
        Action::Diff(config) => command::diff(config),
        Action::Accounts(config) => command::accounts(config),
        Action::Top(config) => command::top(config),
        Action::Account(config) => command::account(config),
        Action::Rbac(config) => command::rbac(config),
        Action::Inventory(config) => command::inventory(config),
        Action::Alerts(config) => command::alerts(config),
        Action::Lint(config) => command::alerts_lint(config),
        Action::Metrics(config) => command::metrics(config),
        Action::Cron(config) => command::cron(config),
        Action::Suppress(config) => command::suppress(config),
        Action::Query(config) => command::query(config),
        Action::QueryList(output) => command::query_list(output),
        Action::QueryText(sql) => command::query_text(sql),
        Action::Export(config) => command::export(config),
        Action::Schema(table, output) => command::schema(table.as_deref(), output),
        Action::Detectors(output) => command::detectors(output),
        Action::Explain(id, look) => command::explain(id, *look),
        Action::Completions(shell) => cli::completions(*shell),
        Action::Man(subcommand) => cli::man(subcommand.as_deref()),
    }
}

fn conclude(verdict: &Verdict) -> Exit {
    for complaint in &verdict.complaints {
        say("error", complaint);
    }
    verdict.exit
}

fn refuse(refusal: &Refusal) -> Exit {
    match refusal {
        Refusal::Usage(error) => fail(error, error.excerpt.as_deref(), error.hint.as_deref()),
        Refusal::Clap(error) => {
            // clap knows its stream and its colours; a closed one is no reason to complain.
            let _ = error.print();
            if refusal.is_error() {
                Exit::Failure
            } else {
                Exit::Clean
            }
        }
    }
}

fn fail(error: &dyn Display, excerpt: Option<&str>, hint: Option<&str>) -> Exit {
    say("error", &error.to_string());
    for line in excerpt.into_iter().flat_map(str::lines) {
        // If standard error is closed, there is nobody left to tell.
        let _ = writeln!(io::stderr(), "  {}", shown(line));
    }
    if let Some(hint) = hint {
        say("hint", hint);
    }
    Exit::Failure
}

/// One line on standard error. File names and the like are in it, which are not to be trusted.
fn say(kind: &str, text: &str) {
    // If standard error is closed, there is nobody left to tell.
    let _ = writeln!(io::stderr(), "satrail: {kind}: {}", shown(text));
}
