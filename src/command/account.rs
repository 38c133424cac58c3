//! `satrail account`: the life of chosen ServiceAccounts.

use std::{collections::BTreeSet, path::Path};

use crate::{
    config::{AccountConfig, FailOn, Judgement},
    event::ServiceAccount,
    finding::Subject,
    finding::quote,
    inventory::{self, Inventory, Usage},
    output::{AccountPage, deliver, write_pages},
    permission::Used,
    pipeline::{self, AccountPattern, Dossier},
    rbac::{Roles, Widening},
};

use super::{Error, Verdict, dump, progress::Bar};

/// Reads the logs and writes a page for each account. Findings do not matter to the exit code: they
/// do with `satrail scan`.
pub fn account(config: &AccountConfig) -> Result<Verdict, Error> {
    let to = &config.output.destination;
    to.check().map_err(Error::output(to))?;
    let bar = Bar::new(config.progress);
    let mut dumps = dump::read(&config.inventory)?;
    let (options, wanted) = (&config.options, &config.accounts);
    let (state, dossiers, usage) = if dumps.is_some() {
        pipeline::dossiers_and_usage(options, wanted, &bar)?
    } else {
        let (state, dossiers) = pipeline::dossiers(options, wanted, &bar)?;
        (state, dossiers, Usage::default())
    };
    let mut report = state.report(options);
    drop(bar);
    let mut files = dossiers.files();
    let mut standings = Vec::new();
    if let Some(dumps) = &mut dumps {
        dump::confess(dumps, &mut report);
        add_silent(&mut files, &dumps.inventory, wanted);
        let names: Vec<_> = (files.iter())
            .map(|(dossier, _)| (&*dossier.namespace, &*dossier.name))
            .collect();
        let told = dump::told(&usage, &report);
        standings = inventory::standings(&dumps.inventory, told, &names);
    }
    let mut standings = standings.into_iter();
    let log = on_command_line(&config.options.paths);
    let pages: Vec<_> = files
        .iter()
        .map(|(dossier, used)| {
            let account = ServiceAccount {
                namespace: &dossier.namespace,
                name: &dossier.name,
            };
            let denied = Roles::new(account, &used.refused, Widening::default());
            AccountPage::new(dossier, denied, &report.findings, &log, standings.next())
        })
        .collect();
    let met = |pattern: &&AccountPattern| {
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

/// Accounts that only the dump knows: they made no request.
fn add_silent(files: &mut Vec<(Dossier, Used)>, dump: &Inventory, wanted: &[AccountPattern]) {
    let known: BTreeSet<_> = (files.iter())
        .map(|(dossier, _)| (dossier.namespace.clone(), dossier.name.clone()))
        .collect();
    let ids = dump.accounts.iter().map(|account| &account.id);
    let silent = ids.filter(|id| {
        let mut wanted = wanted.iter();
        wanted.any(|pattern| pattern.matches_account(&id.namespace, &id.name))
            && !known.contains(&(id.namespace.clone(), id.name.clone()))
    });
    files.extend(silent.map(|id| {
        let account = ServiceAccount {
            namespace: &id.namespace,
            name: &id.name,
        };
        (Dossier::empty(account), Used::default())
    }));
    files.sort_by(|(a, _), (b, _)| (&a.namespace, &a.name).cmp(&(&b.namespace, &b.name)));
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
