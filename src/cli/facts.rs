//! What `satrail --version` says of the build.

use std::{
    env::consts::{ARCH, OS},
    sync::LazyLock,
};

use crate::{detect::CATALOGUE, event::Dialect, output::SCHEMA_VERSION};

/// The version, then a fact a line.
pub(super) fn of_the_build() -> &'static str {
    static FACTS: LazyLock<String> = LazyLock::new(|| {
        let commit =
            option_env!("SATRAIL_COMMIT").map(|commit| format!("commit         {commit}\n"));
        let library = if cfg!(target_env = "musl") {
            "musl, static"
        } else if cfg!(target_env = "gnu") {
            "gnu"
        } else {
            "the system's C library"
        };
        let profile = if cfg!(debug_assertions) {
            "debug"
        } else {
            "release"
        };
        let sql = if cfg!(feature = "query") {
            "yes"
        } else {
            "no (cargo build --release --features query)"
        };
        format!(
            "{version}\n{commit}built for      {ARCH}-{OS}, {library}, {profile}\nSQL            {sql}\n\
             detectors      {detectors}\nforms of logs  {forms}\nreport schema  {SCHEMA_VERSION}",
            version = env!("CARGO_PKG_VERSION"),
            commit = commit.unwrap_or_default(),
            detectors = CATALOGUE.len(),
            forms = Dialect::ALL.len(),
        )
    });
    &FACTS
}
