//! `satrail rbac`: roles as YAML with comments that say where they come from, or as JSON.

mod today;

use std::{
    fmt::Write as _,
    io::{self, Write},
};

use serde::Serialize;

use crate::{
    finding::Subject,
    inventory::Standing,
    permission::{Used, Uses},
    pipeline::{Coverage, Input, Report},
    rbac::{Manifest, Roles, Widening},
    yaml,
};

use super::{SCHEMA_VERSION, TOOL, Tool, clip, shown, units};

/// How manifests are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ManifestFormat {
    /// Documents with comments.
    Yaml,
    /// One JSON document.
    Json,
}

impl ManifestFormat {
    /// All of them, under the names of the command line.
    pub const ALL: [(&'static str, Self); 2] = [("yaml", Self::Yaml), ("json", Self::Json)];

    /// The extension of a file.
    #[must_use]
    pub const fn extension(self) -> &'static str {
        match self {
            Self::Yaml => "yaml",
            Self::Json => "json",
        }
    }
}

/// One ServiceAccount with the roles that it needs.
#[derive(Debug, Clone, Serialize)]
pub struct AccountRoles {
    /// The namespace.
    pub namespace: String,
    /// The name in it.
    pub name: String,
    /// What it was allowed beyond what every account may do: what the roles are for.
    pub allowed: Uses,
    /// What it was refused: not in the roles.
    pub refused: u64,
    /// Discovery and the like: what every account may do.
    pub discovery: u64,
    /// Requests that no rule can name without naming more.
    pub nameless: u64,
    /// Requests of which the log does not say whether they were allowed.
    pub undecided: u64,
    /// The roles.
    #[serde(flatten)]
    pub roles: Roles,
    /// What a dump of the cluster says of the account; left out without one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inventory: Option<Standing>,
}

impl AccountRoles {
    /// `used` of `account`, and the roles made of it.
    #[must_use]
    pub fn new(account: &Subject, used: &Used, roles: Roles) -> Self {
        Self {
            namespace: account.namespace.clone().unwrap_or_default(),
            name: account.name.clone(),
            allowed: used.allowed.uses(),
            refused: used.refused.uses().count,
            discovery: used.everybodys.count,
            nameless: used.nameless.count,
            undecided: used.undecided.count,
            roles,
            inventory: None,
        }
    }

    /// A file name that is this account's alone: a namespace has no dot. Too long a name, which no
    /// ServiceAccount has, ends in a hash.
    #[must_use]
    pub fn file_name(&self, format: ManifestFormat) -> String {
        let mut name = format!("{}.{}", self.namespace, self.name);
        // ext4, XFS and others allow 255 bytes.
        if name.len() > 220 {
            let hash = xxhash_rust::xxh3::xxh3_64(name.as_bytes());
            name = format!("{}-{hash:016x}", name.chars().take(200).collect::<String>());
        }
        format!("{name}.{}", format.extension())
    }

    fn account(&self) -> String {
        format!("{}/{}", self.namespace, self.name)
    }
}

/// All of it: the accounts asked for, and the patterns that none fits.
#[derive(Debug, Clone, Copy)]
pub struct RoleSheet<'a> {
    /// What was read.
    pub report: &'a Report,
    /// How much more is granted than was used.
    pub widening: Widening,
    /// The accounts, by name.
    pub accounts: &'a [AccountRoles],
    /// What was asked for with `--account` and made no request.
    pub absent: &'a [String],
}

/// Writes everything into one document.
pub fn write_roles(
    sheet: &RoleSheet<'_>,
    format: ManifestFormat,
    out: &mut dyn Write,
) -> io::Result<()> {
    match format {
        ManifestFormat::Json => document(sheet, out),
        ManifestFormat::Yaml => {
            head(sheet.report, out)?;
            for account in sheet.accounts {
                account_yaml(account, out)?;
            }
            for pattern in sheet.absent {
                writeln!(out, "---")?;
                comment(&format!("{pattern}: no request in this log"), out)?;
            }
            Ok(())
        }
    }
}

/// Writes one account's roles as something that `kubectl apply` takes.
pub fn write_account_roles(
    sheet: &RoleSheet<'_>,
    account: &AccountRoles,
    format: ManifestFormat,
    out: &mut dyn Write,
) -> io::Result<()> {
    match format {
        ManifestFormat::Yaml => {
            head(sheet.report, out)?;
            account_yaml(account, out)
        }
        ManifestFormat::Json => {
            let list = serde_json::json!({
                "apiVersion": "v1", "kind": "List", "items": account.roles.manifests,
            });
            serde_json::to_writer_pretty(&mut *out, &list)?;
            out.write_all(b"\n")
        }
    }
}

/// From which log, and what it cannot show.
fn head(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    let Report {
        input, coverage, ..
    } = report;
    let period = match (input.first_event, input.last_event) {
        (Some(first), Some(last)) => format!(
            "{} UTC ({})",
            units::range(Some(first), Some(last)),
            units::span(units::between(first, last))
        ),
        _ => "of no known time".to_owned(),
    };
    let requests = units::count(input.requests, "request");
    comment("Roles for what was used in this audit log:", out)?;
    comment(&format!("{requests}, {period}."), out)?;
    for line in [
        "What did not happen in this time, or is not logged (policy level None), is not in here: think",
        "of what runs seldom (a CronJob, an upgrade, a clean-up) before you apply these.",
        "Left out, since every account has it: discovery, version, health and reviews of its own rights",
        "(system:discovery, system:basic-user, system:public-info-viewer, issuer discovery).",
    ] {
        comment(line, out)?;
    }
    for line in gaps(input, coverage) {
        comment(&line, out)?;
    }
    Ok(())
}

/// What is known to be missing from the log.
fn gaps(input: &Input, coverage: &Coverage) -> Vec<String> {
    let mut lines = Vec::new();
    if input.bad_lines > 0 {
        let lost = units::count(input.bad_lines, "line");
        lines.push(format!(
            "{lost} could not be read: what they said is missing here."
        ));
    }
    for trouble in coverage.troubles.iter().filter(|t| t.incomplete).take(5) {
        lines.push(format!(
            "Not read to its end: {} ({}).",
            trouble.file, trouble.why
        ));
    }
    if !coverage.gaps.is_empty() {
        let silent = units::count(coverage.gaps.len() as u64, "silence");
        lines.push(format!(
            "The log has {silent} out of proportion: events may be missing."
        ));
    }
    if let Some(open @ 1..) = coverage.unanswered_requests {
        lines.push(format!(
            "{} received and never answered: they are missing here.",
            units::count(open, "request")
        ));
    }
    lines
}

fn account_yaml(account: &AccountRoles, out: &mut dyn Write) -> io::Result<()> {
    let title = summary(account);
    if account.roles.manifests.is_empty() {
        writeln!(out, "---")?;
        comment(&format!("{title}: it needs no role"), out)?;
        return today::write(account, out);
    }
    for (n, manifest) in account.roles.manifests.iter().enumerate() {
        writeln!(out, "---")?;
        if n == 0 {
            comment(&title, out)?;
            for note in &account.roles.notes {
                comment(note, out)?;
            }
            today::write(account, out)?;
        }
        comment(&purpose(account, manifest), out)?;
        let value = serde_json::to_value(manifest)?;
        out.write_all(yaml::document(&value).as_bytes())?;
    }
    Ok(())
}

/// `shop/web: 1,417 requests allowed, 213 refused (not granted), 12 of discovery`.
fn summary(account: &AccountRoles) -> String {
    let allowed = units::count(account.allowed.count, "request");
    let mut text = format!("{}: {allowed} allowed", account.account());
    for (count, what) in [
        (account.refused, "refused (not granted)"),
        (account.discovery, "that every account may make"),
        (account.nameless, "that no rule can name"),
        (account.undecided, "undecided"),
    ] {
        if count > 0 {
            let _ = write!(text, ", {} {what}", units::thousands(count));
        }
    }
    text
}

fn purpose(account: &AccountRoles, manifest: &Manifest) -> String {
    let Uses {
        count,
        first_seen,
        last_seen,
    } = manifest.uses;
    let place = match &manifest.metadata.namespace {
        Some(namespace) => format!("in namespace {namespace}"),
        None => "of the whole cluster".to_owned(),
    };
    format!(
        "{} for {}: {} {place}, {} UTC",
        manifest.kind,
        account.account(),
        units::count(count, "request"),
        units::range(first_seen, last_seen),
    )
}

/// Comment lines, of words that cannot end them.
fn comment(text: &str, out: &mut dyn Write) -> io::Result<()> {
    let text = clip(text, 1000);
    let text = shown(&text);
    let mut line = String::from("#");
    for word in text.split(' ') {
        if line.len() + 1 + word.len() > 100 && line != "#" {
            writeln!(out, "{line}")?;
            line.replace_range(1.., "  ");
            line.push_str(word);
        } else {
            line.push(' ');
            line.push_str(word);
        }
    }
    writeln!(out, "{line}")
}

/// For people: which files there are, one line each. For the terminal.
pub fn write_role_files(
    sheet: &RoleSheet<'_>,
    path: &dyn Fn(&AccountRoles) -> String,
    out: &mut dyn Write,
) -> io::Result<()> {
    for account in sheet.accounts {
        let line = if account.roles.manifests.is_empty() {
            format!("no file: {}: it needs no role", summary(account))
        } else {
            format!("{}: {}", path(account), summary(account))
        };
        writeln!(out, "{}", shown(&line))?;
    }
    for pattern in sheet.absent {
        writeln!(out, "no file: {}: no request in this log", shown(pattern))?;
    }
    Ok(())
}

fn document(sheet: &RoleSheet<'_>, out: &mut dyn Write) -> io::Result<()> {
    #[derive(Serialize)]
    struct Document<'a> {
        schema_version: &'static str,
        tool: Tool,
        input: &'a Input,
        coverage: &'a Coverage,
        widening: Widening,
        accounts: &'a [AccountRoles],
        absent: &'a [String],
    }
    let document = Document {
        schema_version: SCHEMA_VERSION,
        tool: TOOL,
        input: &sheet.report.input,
        coverage: &sheet.report.coverage,
        widening: sheet.widening,
        accounts: sheet.accounts,
        absent: sheet.absent,
    };
    serde_json::to_writer_pretty(&mut *out, &document)?;
    out.write_all(b"\n")
}
