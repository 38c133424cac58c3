//! Permissions as a matrix: resources and namespaces down, verbs across, requests inside.

use std::{collections::BTreeMap, fmt::Write as _, io};

use unicode_width::UnicodeWidthStr;

use crate::pipeline::{Permission, Scope};

use super::{INDENT, SHOWN};
use crate::output::{
    clip,
    paper::{BOLD, DIM, PLAIN, Paper, fill},
    shown, units,
};

/// Longer resources and namespaces are cut.
const LONGEST: usize = 80;

/// The order in which people think of verbs; others follow by name.
const VERBS: [&str; 8] = [
    "get",
    "list",
    "watch",
    "create",
    "update",
    "patch",
    "delete",
    "deletecollection",
];

/// One line of the matrix.
#[derive(Debug, Default)]
struct Row {
    by_verb: BTreeMap<String, u64>,
    names: Vec<String>,
    total: u64,
}

pub(super) fn write(
    title: &str,
    permissions: &[Permission],
    paper: &mut Paper<'_>,
) -> io::Result<()> {
    if permissions.is_empty() {
        return paper.entry((BOLD, title), INDENT, (PLAIN, "nothing beyond that"));
    }
    let mut rows: BTreeMap<(String, String), Row> = BTreeMap::new();
    for permission in permissions {
        let row = rows.entry(key(permission)).or_default();
        *row.by_verb.entry(permission.verb.clone()).or_default() += permission.uses.count;
        row.total += permission.uses.count;
        if permission.names_complete {
            row.names.extend(permission.names.iter().cloned());
        }
    }
    let verbs = verbs(permissions);
    let mut rows: Vec<_> = rows.into_iter().collect();
    // The most used first: that is where the page is read.
    rows.sort_by(|a, b| b.1.total.cmp(&a.1.total).then_with(|| a.0.cmp(&b.0)));
    let left = rows.len().saturating_sub(3 * SHOWN);
    rows.truncate(3 * SHOWN);
    let widest =
        |texts: &mut dyn Iterator<Item = &String>| texts.map(|t| t.width()).max().unwrap_or(0);
    let resource = widest(&mut rows.iter().map(|(key, _)| &key.0)).max("RESOURCE".len());
    let place = widest(&mut rows.iter().map(|(key, _)| &key.1)).max("NAMESPACE".len());
    let columns: usize = verbs.iter().map(|(_, width)| width + 2).sum();
    if resource + 2 + place + columns > paper.room(INDENT) {
        list(title, &rows, &verbs, paper)?;
    } else {
        grid(title, &rows, &verbs, (resource, place), paper)?;
    }
    if left > 0 {
        let text = format!("and {left} more rows: --format json");
        paper.entry((PLAIN, ""), INDENT, (DIM, &text))?;
    }
    Ok(())
}

type Rows = [((String, String), Row)];

fn grid(
    title: &str,
    rows: &Rows,
    verbs: &[(String, usize)],
    (resource, place): (usize, usize),
    paper: &mut Paper<'_>,
) -> io::Result<()> {
    // Writing to a String cannot fail.
    let mut head = format!(
        "{}  {}",
        fill("RESOURCE", resource),
        fill("NAMESPACE", place)
    );
    for (verb, width) in verbs {
        let _ = write!(head, "  {verb:>width$}");
    }
    paper.line(&[(BOLD, &fill(title, INDENT)), (BOLD, &head)])?;
    for ((name, namespace), row) in rows {
        let mut line = format!("{}  {}", fill(name, resource), fill(namespace, place));
        for (verb, width) in verbs {
            let count = row.by_verb.get(verb);
            let count = count.map_or_else(String::new, |n| units::thousands(*n));
            let _ = write!(line, "  {count:>width$}");
        }
        paper.line(&[(PLAIN, &" ".repeat(INDENT)), (PLAIN, line.trim_end())])?;
        named(row, paper)?;
    }
    Ok(())
}

/// The same for a narrow terminal: a paragraph for each row.
fn list(
    title: &str,
    rows: &Rows,
    verbs: &[(String, usize)],
    paper: &mut Paper<'_>,
) -> io::Result<()> {
    for (n, ((resource, place), row)) in rows.iter().enumerate() {
        let label = if n == 0 { title } else { "" };
        let place = match place.as_str() {
            "*" => "in the whole cluster".to_owned(),
            "-" => "(a path)".to_owned(),
            namespace => format!("in {namespace}"),
        };
        let counts = verbs.iter().filter_map(|(verb, _)| {
            let count = row.by_verb.get(verb)?;
            Some(format!("{verb} {}", units::thousands(*count)))
        });
        let counts: Vec<_> = counts.collect();
        let text = format!("{resource} {place}: {}", counts.join(", "));
        paper.entry((BOLD, label), INDENT, (PLAIN, &text))?;
        named(row, paper)?;
    }
    Ok(())
}

/// The names of a row, if all its requests had one and they are few.
fn named(row: &Row, paper: &mut Paper<'_>) -> io::Result<()> {
    let mut names = row.names.clone();
    names.sort();
    names.dedup();
    if names.is_empty() || names.len() > 3 {
        return Ok(());
    }
    let names: Vec<_> = names
        .iter()
        .map(|name| clip(name, 60).into_owned())
        .collect();
    let text = names.join(", ");
    paper.entry((PLAIN, ""), INDENT + 2, (DIM, &text))
}

/// The resource with its group, and where.
fn key(permission: &Permission) -> (String, String) {
    let resource = match (
        permission.group.as_str(),
        permission.resource.split_once('/'),
    ) {
        ("", _) => permission.resource.clone(),
        (group, Some((resource, sub))) => format!("{resource}.{group}/{sub}"),
        (group, None) => format!("{}.{group}", permission.resource),
    };
    let place = match permission.scope {
        Scope::Namespace => permission.namespace.clone().unwrap_or_default(),
        Scope::ManyNamespaces => "(many)".to_owned(),
        Scope::Cluster => "*".to_owned(),
        Scope::Path => "-".to_owned(),
    };
    let safe = |text: String| shown(&clip(&text, LONGEST)).into_owned();
    (safe(resource), safe(place))
}

/// The verbs that occur, each with the width of its column.
fn verbs(permissions: &[Permission]) -> Vec<(String, usize)> {
    let mut verbs: Vec<&str> = permissions.iter().map(|p| p.verb.as_str()).collect();
    let rank = |verb: &str| VERBS.iter().position(|v| *v == verb).unwrap_or(VERBS.len());
    verbs.sort_by_key(|verb| (rank(verb), *verb));
    verbs.dedup();
    let width = |verb: &str| {
        let counts = permissions.iter().filter(|p| p.verb == verb);
        let widths = counts.map(|p| units::thousands(p.uses.count).len());
        widths.max().unwrap_or(0).max(verb.len())
    };
    let column = |verb: &str| (verb.to_owned(), width(verb));
    verbs.into_iter().map(column).collect()
}
