//! Comments on what a dump says that an account may do today, and how that is taken away.

use std::io::{self, Write};

use crate::{finding::Step, inventory::Standing, output::account::in_sum};

use super::{AccountRoles, comment, shown};

/// So many bindings, rights and commands are named; the others are counted.
const SHOWN: usize = 10;

/// Nothing without a dump.
pub(super) fn write(account: &AccountRoles, out: &mut dyn Write) -> io::Result<()> {
    let Some(standing) = &account.inventory else {
        return Ok(());
    };
    if standing.exists == Some(false) {
        comment("The dump has no such account: deleted, or made since.", out)?;
    }
    granted(standing, out)?;
    not_used(standing, out)?;
    let taking = standing.take_away.as_slice();
    if !taking.is_empty() {
        let first = if account.roles.manifests.is_empty() {
            "What would take its bindings of today away (this log shows no need of them):"
        } else {
            "What would take its bindings of today away, once these roles are applied:"
        };
        comment(first, out)?;
        for step in taking.iter().take(SHOWN) {
            command(step, out)?;
        }
        more(taking.len(), out)?;
    }
    Ok(())
}

fn granted(standing: &Standing, out: &mut dyn Write) -> io::Result<()> {
    let lacks: Vec<_> = (standing.lacks.iter())
        .filter(|kind| kind.contains("Role"))
        .copied()
        .collect();
    if !lacks.is_empty() {
        let text = format!(
            "What it is given today is not all known: the dump has no {}.",
            lacks.join(", no ")
        );
        comment(&text, out)?;
    } else if standing.grants.is_empty() {
        comment("Today no binding names it.", out)?;
    }
    for row in standing.grants.iter().take(SHOWN) {
        let used = row
            .used
            .map_or_else(String::new, |used| format!(" ({})", used.as_str()));
        let text = format!(
            "Today {} {} gives it {} {}{used}.",
            row.binding.kind, row.binding, row.role_kind, row.role
        );
        comment(&text, out)?;
    }
    more(standing.grants.len(), out)?;
    if !standing.grants_to_groups.is_empty() {
        let groups: Vec<_> = standing.groups.iter().map(String::as_str).collect();
        let rows = standing.grants_to_groups.iter().take(SHOWN);
        let bindings: Vec<_> = rows
            .map(|row| format!("{} {}", row.binding.kind, row.binding))
            .collect();
        let text = format!(
            "Its groups ({}) are given more, which stays: {}. Of what it used, {} different permissions are among \
             that; they are in these roles all the same.",
            groups.join(", "),
            bindings.join(", "),
            standing.kept_by_groups
        );
        comment(&text, out)?;
    }
    Ok(())
}

fn not_used(standing: &Standing, out: &mut dyn Write) -> io::Result<()> {
    let Some(unused) = standing.unused.as_ref().filter(|unused| unused.rules > 0) else {
        return Ok(());
    };
    comment(&format!("Granted and not used: {}.", in_sum(unused)), out)?;
    let mut lines: Vec<_> = (unused.powers.iter())
        .map(|power| {
            format!(
                "It may {} by {} and did not.",
                power.power.words(),
                power.binding
            )
        })
        .collect();
    lines.dedup();
    for line in lines.iter().take(SHOWN) {
        comment(line, out)?;
    }
    more(lines.len(), out)
}

/// A command on a line of its own, to be copied whole.
fn command(step: &Step, out: &mut dyn Write) -> io::Result<()> {
    match &step.command {
        Some(command) => writeln!(out, "#   {}", shown(command)),
        None => comment(&step.text, out),
    }
}

fn more(len: usize, out: &mut dyn Write) -> io::Result<()> {
    match len.saturating_sub(SHOWN) {
        0 => Ok(()),
        n => comment(&format!("And {n} more: --format json."), out),
    }
}
