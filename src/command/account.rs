//! `satrail account`: the life of chosen ServiceAccounts.

use std::path::Path;

use crate::{
    config::{AccountConfig, FailOn, Judgement},
    event::ServiceAccount,
    finding::Subject,
    finding::quote,
    output::{AccountPage, deliver, write_pages},
    pipeline,
    rbac::{Roles, Widening},
};

use super::{Error, Verdict, progress::Bar};

/// Reads the logs and writes a page for each account. Findings do not matter to the exit code: they
/// do with `satrail scan`.
pub fn account(config: &AccountConfig) -> Result<Verdict, Error> {
    let to = &config.output.destination;
    to.check().map_err(Error::output(to))?;
    let bar = Bar::new(config.progress);
    let (state, dossiers) = pipeline::dossiers(&config.options, &config.accounts, &bar)?;
    let report = state.report(&config.options);
    drop(bar);
    let files = dossiers.files();
    let log = on_command_line(&config.options.paths);
    let pages: Vec<_> = files
        .iter()
        .map(|(dossier, used)| {
            let account = ServiceAccount {
                namespace: &dossier.namespace,
                name: &dossier.name,
            };
            let denied = Roles::new(account, &used.refused, Widening::default());
            AccountPage::new(dossier, denied, &report.findings, &log)
        })
        .collect();
    let met = |pattern: &&pipeline::AccountPattern| {
        files.iter().any(|(dossier, _)| {
            pattern.matches(&Subject::service_account(
                &*dossier.namespace,
                &*dossier.name,
            ))
        })
    };
    let absent = config.accounts.iter().filter(|pattern| !met(pattern));
    let absent: Vec<_> = absent.map(|pattern| pattern.as_str().to_owned()).collect();
    let (format, look) = (config.output.format, config.output.look);
    deliver(to, |out| {
        write_pages(&report, &pages, &absent, (format, look), out)
    })
    .map_err(Error::output(to))?;
    let judgement = Judgement {
        fail_on: FailOn::Never,
        strict: config.strict,
    };
    Ok(Verdict::of(&report, judgement))
}

/// The log as a command would name it: its paths, or a word to be replaced where it was a pipe.
fn on_command_line(paths: &[impl AsRef<Path>]) -> String {
    let words: Vec<String> = paths
        .iter()
        .map(|path| match path.as_ref().to_string_lossy() {
            path if path == "-" => "AUDIT_LOG".to_owned(),
            path => quote(&path),
        })
        .collect();
    words.join(" ")
}
