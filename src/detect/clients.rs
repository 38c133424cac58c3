//! What user agents give away: tools that people use, tools that break in, client libraries. Data, each entry
//! with where it is known from.

use std::{cmp::Ordering, sync::LazyLock};

use serde::{Deserialize, Serialize};

use super::matches_pattern;

const BUILT_IN: &str = include_str!("clients.toml");

static CLIENTS: LazyLock<Clients> = LazyLock::new(|| {
    // A test holds the file to its form, so that the fallback is never taken.
    toml::from_str(BUILT_IN).unwrap_or(Clients {
        tools: Vec::new(),
        libraries: Vec::new(),
    })
});

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Clients {
    #[serde(rename = "tool")]
    tools: Vec<Tool>,
    #[serde(rename = "library")]
    libraries: Vec<Library>,
}

/// A program that is no workload.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Tool {
    agent: String,
    pub(super) kind: ToolKind,
    pub(super) name: String,
    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "for who reads the file; a test asks for it")
    )]
    source: String,
}

/// What a tool is made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum ToolKind {
    /// For people and scripts.
    Interactive,
    /// For finding a way in.
    Attack,
}

/// What a program talks to the API server with.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Library {
    agent: String,
    pub(super) name: String,
    rereads_since: String,
    version: bool,
    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "for who reads the file; a test asks for it")
    )]
    source: String,
}

/// What a user agent says about how a program gets at its token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reading {
    pub(super) library: &'static str,
    /// The library's own version, where the user agent has it.
    pub(super) version: Option<String>,
    /// The version from which the library re-reads the token, where that is documented.
    pub(super) rereads_since: Option<&'static str>,
    /// Whether this version does, as far as can be told.
    pub(super) rereads: Option<bool>,
}

impl ToolKind {
    /// The name used in attributes.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Interactive => "interactive",
            Self::Attack => "attack",
        }
    }
}

/// The tool that calls itself `agent`; one that is made for attacks if both fit.
pub(super) fn tool(agent: &str) -> Option<&'static Tool> {
    let agent = agent.to_lowercase();
    let fitting = CLIENTS
        .tools
        .iter()
        .filter(|tool| matches_pattern(&tool.agent, &agent));
    fitting.max_by_key(|tool| tool.kind)
}

/// The library that a program called `agent` uses, as far as its name tells.
pub(super) fn library(agent: &str) -> Option<Reading> {
    let agent = agent.to_lowercase();
    let library = CLIENTS
        .libraries
        .iter()
        .find(|library| matches_pattern(&library.agent, &agent))?;
    let since = Some(library.rereads_since.as_str()).filter(|since| !since.is_empty());
    let version = library
        .version
        .then(|| version_in(&library.agent, &agent))
        .flatten();
    let rereads = match (since, &version) {
        (Some(since), Some(version)) => compare(version, since).map(Ordering::is_ge),
        _ => None,
    };
    Some(Reading {
        library: &library.name,
        version,
        rereads_since: since,
        rereads,
    })
}

/// What stands for the first `*` of `pattern`, up to whatever is not part of a version.
fn version_in(pattern: &str, agent: &str) -> Option<String> {
    let head = pattern.split('*').next()?;
    let rest = agent.strip_prefix(head)?;
    let version: String = rest
        .chars()
        .take_while(|c| c.is_ascii_digit() || *c == '.')
        .collect();
    (!version.is_empty()).then_some(version)
}

/// Compares versions number by number; `None` if one of them has something else in it.
fn compare(one: &str, other: &str) -> Option<Ordering> {
    let numbers = |text: &str| -> Option<Vec<u64>> {
        let parts = text.trim_end_matches('.').split('.');
        parts.map(|part| part.parse().ok()).collect()
    };
    Some(numbers(one)?.cmp(&numbers(other)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_table_is_well_formed() {
        let clients: Clients = toml::from_str(BUILT_IN).unwrap();
        assert!(!clients.tools.is_empty() && !clients.libraries.is_empty());
        for tool in &clients.tools {
            assert!(!tool.name.is_empty() && !tool.source.is_empty(), "{tool:?}");
            assert_eq!(tool.agent, tool.agent.to_lowercase());
        }
        for library in &clients.libraries {
            assert!(
                !library.name.is_empty() && !library.source.is_empty(),
                "{library:?}"
            );
            assert_eq!(library.agent, library.agent.to_lowercase());
            let since = &library.rereads_since;
            assert!(
                since.is_empty() || compare(since, "0").is_some(),
                "{library:?}"
            );
        }
    }

    #[test]
    fn tools_are_told_from_workloads() {
        let kind = |agent| tool(agent).map(|tool| tool.kind);
        for (agent, expected) in [
            (
                "kubectl/v1.37.1 (linux/amd64) kubernetes/f78e722",
                Some(ToolKind::Interactive),
            ),
            ("curl/8.5.0", Some(ToolKind::Interactive)),
            ("Wget/1.21", Some(ToolKind::Interactive)),
            ("nuclei/3.2", Some(ToolKind::Attack)),
            (
                "Mozilla/5.0 (compatible; Nmap Scripting Engine; https://nmap.org/book/nse.html)",
                Some(ToolKind::Attack),
            ),
            (
                "kubectl-access_matrix/v0.0.0 (linux/amd64) kubernetes/$Format",
                Some(ToolKind::Attack),
            ),
            ("kubelet/v1.36.2 (linux/amd64) kubernetes/unknown", None),
            ("shop-web/2.1.0 (linux/amd64) kubernetes/6b1a8d2", None),
            ("python-requests/2.32.3", None),
            (
                "helm-controller/v0.0.0 (linux/amd64) kubernetes/$Format",
                None,
            ),
            ("", None),
        ] {
            assert_eq!(kind(agent), expected, "{agent}");
        }
    }

    #[test]
    fn libraries_say_whether_they_reread() {
        let of = |agent| library(agent).map(|r| (r.library, r.version, r.rereads));
        let python = "official Python client";
        let version = |v: &str| Some(v.to_owned());
        assert_eq!(
            of("OpenAPI-Generator/11.0.0/python"),
            Some((python, version("11.0.0"), Some(false)))
        );
        assert_eq!(
            of("OpenAPI-Generator/28.1.0/python"),
            Some((python, version("28.1.0"), Some(true)))
        );
        assert_eq!(
            of("Kubernetes Java Client/15.0.0-SNAPSHOT"),
            Some(("official Java client", version("15.0.0"), Some(true)))
        );
        assert_eq!(
            of("shop-web/2.1.0 (linux/amd64) kubernetes/6b1a8d2"),
            Some(("client-go", None, None))
        );
        assert_eq!(of("restic-k8s/0.16"), None);
        assert_eq!(
            of("OpenAPI-Generator/99999999999999999999999.0/python").map(|r| r.2),
            Some(None)
        );
    }
}
