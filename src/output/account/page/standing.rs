//! What a dump says of the account: what runs as it, what it is given, and what of that it does not use.

use std::io;

use crate::inventory::{GrantRow, PodRow, Standing, Unused};

use super::{INDENT, LONGEST, SHOWN, label, more};
use crate::output::{
    clip,
    paper::{BOLD, DIM, PLAIN, Paper, WARNING, fill},
    units,
};

/// How many rules of a binding are shown.
const RULES: usize = 8;

pub(super) fn write(standing: &Standing, paper: &mut Paper<'_>) -> io::Result<()> {
    paper.blank()?;
    label("Account", &identity(standing), paper)?;
    for other in &standing.other_uids {
        let text = format!(
            "deleted and made again: {} in this log are of an account of that name with the uid {}",
            units::count(other.requests, "request"),
            other.uid
        );
        paper.entry((PLAIN, ""), INDENT, (WARNING, &text))?;
    }
    let automount = match standing.automount {
        None => "not set: pods get a token unless they say otherwise",
        Some(true) => "true: pods get a token unless they say otherwise",
        Some(false) => "false: pods get no token unless they ask for it",
    };
    if standing.exists == Some(true) {
        label("Automount", automount, paper)?;
    }
    pods(standing, paper)?;
    tokens(standing, paper)?;
    granted("Granted", &standing.grants, standing, paper)?;
    granted("To groups", &standing.grants_to_groups, standing, paper)?;
    if let Some(unused) = &standing.unused {
        not_used(unused, paper)?;
    }
    if !standing.lacks.is_empty() {
        let text = format!("the dump has no {}", standing.lacks.join(", no "));
        paper.entry((BOLD, "Not known"), INDENT, (WARNING, &text))?;
    }
    Ok(())
}

fn identity(standing: &Standing) -> String {
    match standing.exists {
        None => "the dump has no accounts".to_owned(),
        Some(false) => "not in the dump: deleted, or made since".to_owned(),
        Some(true) => {
            let made = standing.created.map_or_else(String::new, |created| {
                format!(", made {} UTC", units::range(Some(created), Some(created)))
            });
            let uid = standing.uid.as_deref().unwrap_or("unknown");
            format!("uid {uid}{made}")
        }
    }
}

fn pods(standing: &Standing, paper: &mut Paper<'_>) -> io::Result<()> {
    if standing.pods.is_empty() && !standing.lacks.contains(&"Pod") {
        return label("Runs in", "no pod of the dump", paper);
    }
    let shown = standing.pods.iter().take(SHOWN);
    for (n, pod) in shown.enumerate() {
        let title = if n == 0 { "Runs in" } else { "" };
        let name = clip(&pod.name, LONGEST);
        paper.line(&[
            (BOLD, &fill(title, INDENT)),
            (PLAIN, &name),
            (DIM, &format!("  {}", of_pod(pod))),
        ])?;
    }
    more(standing.pods.len(), false, paper)
}

/// `on n1, of Deployment web, Running, with a token, 12 requests`.
fn of_pod(pod: &PodRow) -> String {
    let mut parts = Vec::new();
    if !pod.node.is_empty() {
        parts.push(format!("on {}", pod.node));
    }
    if let Some(owner) = &pod.owner {
        parts.push(format!("of {} {}", owner.kind, owner.name));
    }
    if !pod.phase.is_empty() {
        parts.push(pod.phase.clone());
    }
    let token = if pod.token_mounted {
        "with a token"
    } else {
        "without a token"
    };
    parts.push(token.to_owned());
    parts.extend(pod.requests.map(|n| units::count(n, "request")));
    clip(&parts.join(", "), 3 * LONGEST).into_owned()
}

fn tokens(standing: &Standing, paper: &mut Paper<'_>) -> io::Result<()> {
    for (n, token) in standing.legacy_tokens.iter().take(SHOWN).enumerate() {
        let title = if n == 0 { "Token in" } else { "" };
        let text = format!(
            "Secret {}: {}, {}",
            clip(&token.secret.name, LONGEST),
            token.verdict.words(),
            clip(&token.because, 3 * LONGEST)
        );
        paper.entry((BOLD, title), INDENT, (PLAIN, &text))?;
    }
    more(standing.legacy_tokens.len(), false, paper)
}

fn granted(
    title: &str,
    rows: &[GrantRow],
    standing: &Standing,
    paper: &mut Paper<'_>,
) -> io::Result<()> {
    let lacks = |kind: &str| standing.lacks.contains(&kind);
    if rows.is_empty() {
        return if title == "Granted" && !lacks("RoleBinding") && !lacks("ClusterRoleBinding") {
            label(title, "nothing by its name", paper)
        } else {
            Ok(())
        };
    }
    for (n, row) in rows.iter().take(SHOWN).enumerate() {
        let title = if n == 0 { title } else { "" };
        let used = row.used.map_or_else(String::new, |used| {
            let used = match used.as_str() {
                "partly" => "partly used",
                "unknown" => "use unknown",
                used => used,
            };
            format!(": {used}")
        });
        let missing = if row.role_found {
            ""
        } else {
            " (not in the dump)"
        };
        let text = format!(
            "{} {} by {} {}{missing}{used}",
            row.role_kind, row.role, row.binding.kind, row.binding
        );
        paper.entry((BOLD, title), INDENT, (PLAIN, &clip(&text, 5 * LONGEST)))?;
        for rule in row.rules.iter().take(RULES) {
            let rest = match rule.unused.len() {
                0 => String::new(),
                _ if rule.used.as_str() == "unused" => String::new(),
                n => format!(", {n} of its permissions not"),
            };
            let text = format!(
                "{}: {}{rest}",
                clip(&rule.rule, 3 * LONGEST),
                rule.used.as_str()
            );
            paper.entry((PLAIN, ""), INDENT + 2, (DIM, &text))?;
        }
        if row.rules.len() > RULES {
            let text = format!("and {} more rules: --format json", row.rules.len() - RULES);
            paper.entry((PLAIN, ""), INDENT + 2, (DIM, &text))?;
        }
    }
    more(rows.len(), false, paper)
}

fn not_used(unused: &Unused, paper: &mut Paper<'_>) -> io::Result<()> {
    if unused.rules == 0 {
        return Ok(());
    }
    label("Not used", &in_sum(unused), paper)?;
    let mut lines: Vec<String> = (unused.powers.iter())
        .map(|power| {
            let (words, role) = (power.power.words(), &power.role);
            format!("may {words} and did not: {role} by {}", power.binding)
        })
        .collect();
    // Several rules of one role may give the same.
    lines.dedup();
    for text in lines.iter().take(SHOWN) {
        paper.entry((PLAIN, ""), INDENT, (WARNING, &clip(text, 5 * LONGEST)))?;
    }
    more(lines.len(), false, paper)
}

/// `3 of 7 rules, parts of 2 more, 41 permissions`.
pub(in crate::output) fn in_sum(unused: &Unused) -> String {
    let rules = format!(
        "{} of {} in this log",
        unused.unused_rules,
        units::count(unused.rules as u64, "rule")
    );
    let partly = match unused.partly_used_rules {
        0 => String::new(),
        more => format!(", parts of {more} more"),
    };
    let permissions = match unused.permissions {
        0 => String::new(),
        n => format!(
            "; {}, those of rules with * aside",
            units::count(n as u64, "permission")
        ),
    };
    format!("{rules}{partly}{permissions}")
}
