//! Granted minus used: which rules, and which parts of rules, no request of the log needed.
//!
//! A rule counts as used by every allowed request that it would have allowed, also where another rule
//! allowed it as well. So what is called unused could be taken away, as a whole, and no request of the
//! log would have failed. The log shows its own period only: a yearly job is unused in a log of a month.

use std::collections::BTreeSet;

use serde::Serialize;

use super::{AccountUsage, Grant, GrantedRule, Rule, UsedPermission};

/// A grant, and what was used of it.
#[derive(Debug, Clone)]
pub struct GrantUse<'a> {
    /// The grant.
    pub grant: Grant<'a>,
    /// Its rules, in the order of the role.
    pub rules: Vec<RuleUse<'a>>,
}

/// A rule, and what was used of it.
#[derive(Debug, Clone)]
pub struct RuleUse<'a> {
    /// The rule.
    pub rule: GrantedRule<'a>,
    /// How much of it.
    pub used: Used,
    /// How many requests it would have allowed.
    pub requests: u64,
    /// What nobody asked for. Where the rule has wildcards, that is without end, and empty here.
    pub unused: Vec<Cell>,
    /// What was asked for: what a narrower rule would need.
    pub needed: Vec<Cell>,
}

/// How much was used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Used {
    /// Nothing.
    Unused,
    /// Not all of it.
    Partly,
    /// Every verb on every resource.
    Used,
    /// The log does not say: there is a limit to the names and permissions that are kept.
    Unknown,
}

impl Used {
    /// The name in every output.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unused => "unused",
            Self::Partly => "partly",
            Self::Used => "used",
            Self::Unknown => "unknown",
        }
    }
}

/// One verb on one resource, or on one URL.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Cell {
    /// The API group; empty for the core group and for URLs.
    pub group: String,
    /// The resource with its subresource, or the URL.
    pub resource: String,
    /// The verb.
    pub verb: String,
}

impl GrantUse<'_> {
    /// Whether no rule of it was used, as far as that is known.
    #[must_use]
    pub fn is_unused(&self) -> bool {
        !self.rules.is_empty() && self.rules.iter().all(|rule| rule.used == Used::Unused)
    }

    /// How much of the whole grant was used.
    #[must_use]
    pub fn used(&self) -> Used {
        let is = |used| self.rules.iter().all(|rule| rule.used == used);
        match () {
            // Of a role that gives nothing, or that the dump does not have.
            () if self.rules.is_empty() => Used::Unknown,
            () if is(Used::Used) => Used::Used,
            () if is(Used::Unused) => Used::Unused,
            () if self
                .rules
                .iter()
                .any(|r| matches!(r.used, Used::Partly | Used::Used)) =>
            {
                Used::Partly
            }
            () => Used::Unknown,
        }
    }
}

/// What `usage` used of `grants`. Pass only grants that name the account: what groups give cannot be taken
/// from one account.
#[must_use]
pub fn granted_minus_used<'a>(grants: &[Grant<'a>], usage: &AccountUsage) -> Vec<GrantUse<'a>> {
    let rule_use = |grant: &Grant<'a>, rule: &GrantedRule<'a>| {
        let reached = usage.permissions.iter();
        let reached = reached.filter(|permission| grant.reaches(&permission.action));
        of_rule(*rule, reached, usage.complete)
    };
    grants
        .iter()
        .map(|grant| GrantUse {
            grant: *grant,
            rules: grant
                .rules
                .iter()
                .map(|rule| rule_use(grant, rule))
                .collect(),
        })
        .collect()
}

fn of_rule<'a, 'u>(
    rule: GrantedRule<'a>,
    permissions: impl Iterator<Item = &'u UsedPermission>,
    complete: bool,
) -> RuleUse<'a> {
    let (mut needed, mut requests, mut sure) = (BTreeSet::new(), 0, complete);
    for permission in permissions.filter(|p| rule.rule.covers(&p.action)) {
        let action = &permission.action;
        let names = &rule.rule.resource_names;
        let by_name = action.url.is_empty() && !names.is_empty();
        if !by_name || names.iter().any(|name| permission.names.contains(name)) {
            // Of a rule for some names, the requests on others were not its own; how many is not kept.
            requests += permission.requests;
            needed.insert(cell(
                &action.group,
                resource_or_url(&action.resource, &action.url),
                &action.verb,
            ));
        } else {
            sure &= permission.all_names;
        }
    }
    let (cells, wild) = cells(rule.rule);
    let unused: Vec<Cell> = cells.difference(&needed).cloned().collect();
    let used = match (needed.is_empty(), unused.is_empty() && !wild) {
        (true, _) if !sure => Used::Unknown,
        (true, _) => Used::Unused,
        (false, true) => Used::Used,
        (false, false) => Used::Partly,
    };
    RuleUse {
        rule,
        used,
        requests,
        unused: if sure { unused } else { Vec::new() },
        needed: needed.into_iter().collect(),
    }
}

fn resource_or_url<'a>(resource: &'a str, url: &'a str) -> &'a str {
    if url.is_empty() { resource } else { url }
}

fn cell(group: &str, resource: &str, verb: &str) -> Cell {
    Cell {
        group: group.to_owned(),
        resource: resource.to_owned(),
        verb: verb.to_owned(),
    }
}

/// More cells than this are no rule that anybody wrote: it counts as one with wildcards.
const MOST_CELLS: usize = 10_000;

/// The rule, verb by verb and resource by resource, and whether a part of it is a pattern.
fn cells(rule: &Rule) -> (BTreeSet<Cell>, bool) {
    let (groups, resources, urls) = (&rule.api_groups, &rule.resources, &rule.non_resource_urls);
    let targets = groups.len().saturating_mul(resources.len()) + urls.len();
    if targets.saturating_mul(rule.verbs.len()) > MOST_CELLS {
        return (BTreeSet::new(), true);
    }
    let of_group = |group| resources.iter().map(move |r| (group, r.as_str()));
    let targets = groups
        .iter()
        .flat_map(|group| of_group(group.as_str()))
        .chain(urls.iter().map(|url| ("", url.as_str())));
    let (mut cells, mut wild) = (BTreeSet::new(), false);
    for (group, resource) in targets {
        for verb in &rule.verbs {
            if verb == "*" || group == "*" || resource.contains('*') {
                wild = true;
            } else {
                cells.insert(cell(group, resource, verb));
            }
        }
    }
    (cells, wild)
}
