//! `satrail rbac`: the roles that ServiceAccounts need.

use std::fs;

use crate::{
    config::{FailOn, Judgement, RbacConfig},
    finding::Subject,
    inventory::{self, Usage},
    output::{
        AccountRoles, Destination, RoleSheet, deliver, write_account_roles, write_role_files,
        write_roles,
    },
    permission::UsedByAccount,
    pipeline,
    rbac::Roles,
};

use super::{Error, Verdict, dump, progress::Bar};

/// Reads the logs and writes the roles: all to standard output, or each account's into a file.
pub fn rbac(config: &RbacConfig) -> Result<Verdict, Error> {
    if let Some(directory) = &config.directory {
        let made = Destination::File(directory.clone());
        fs::create_dir_all(directory).map_err(Error::output(&made))?;
    }
    let bar = Bar::new(config.progress);
    let mut dumps = dump::read(&config.inventory)?;
    let (state, used, usage) = if dumps.is_some() {
        pipeline::permissions_and_usage(&config.options, &bar)?
    } else {
        let (state, used) = pipeline::permissions(&config.options, &bar)?;
        (state, used, Usage::default())
    };
    let mut report = state.report(&config.options);
    drop(bar);
    let (mut accounts, absent) = rows(&used, config);
    if let Some(dumps) = &mut dumps {
        dump::confess(dumps, &mut report);
        let names: Vec<_> = accounts.iter().map(|a| (&*a.namespace, &*a.name)).collect();
        let told = dump::told(&usage, &report);
        let standings = inventory::standings(&dumps.inventory, told, &names);
        for (account, standing) in accounts.iter_mut().zip(standings) {
            account.inventory = Some(standing);
        }
    }
    let sheet = RoleSheet {
        report: &report,
        widening: config.widening,
        accounts: &accounts,
        absent: &absent,
    };
    match &config.directory {
        None => {
            let to = Destination::Stdout;
            deliver(&to, |out| write_roles(&sheet, config.format, out))
                .map_err(Error::output(&to))?;
        }
        Some(directory) => {
            let path = |account: &AccountRoles| directory.join(account.file_name(config.format));
            let made = accounts.iter().filter(|a| !a.roles.manifests.is_empty());
            for account in made {
                let to = Destination::File(path(account));
                deliver(&to, |out| {
                    write_account_roles(&sheet, account, config.format, out)
                })
                .map_err(Error::output(&to))?;
            }
            let to = Destination::Stdout;
            let name = |account: &AccountRoles| path(account).display().to_string();
            deliver(&to, |out| write_role_files(&sheet, &name, out)).map_err(Error::output(&to))?;
        }
    }
    let judgement = Judgement {
        fail_on: FailOn::Never,
        strict: config.strict,
    };
    Ok(Verdict::of(&report, judgement))
}

/// The accounts that are asked for, and the patterns that fit none.
fn rows(used: &UsedByAccount, config: &RbacConfig) -> (Vec<AccountRoles>, Vec<String>) {
    let mut rows = Vec::new();
    let mut fitting = vec![false; config.accounts.len()];
    for (account, used) in used.sorted() {
        let subject = Subject::service_account(account.namespace, account.name);
        let mut wanted = config.accounts.is_empty();
        for (pattern, fits) in config.accounts.iter().zip(&mut fitting) {
            if pattern.matches(&subject) {
                *fits = true;
                wanted = true;
            }
        }
        if wanted {
            let roles = Roles::new(account, &used.allowed, config.widening);
            rows.push(AccountRoles::new(&subject, used, roles));
        }
    }
    let absent = config
        .accounts
        .iter()
        .zip(fitting)
        .filter(|(_, fits)| !fits);
    let absent = absent
        .map(|(pattern, _)| pattern.as_str().to_owned())
        .collect();
    (rows, absent)
}
