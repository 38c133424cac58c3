//! The roles of `satrail rbac`, judged by another implementation of RBAC than the one that makes them.
//!
//! What was asked of the authorizer is derived here from URLs, as kube-apiserver does, and not from the
//! log's `objectRef`; the manifests are read back from the YAML that was written.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "tests may, their helpers too"
)]

mod authorizer;
mod hostile;
mod log;
mod manifests;
mod widening;
#[path = "../support/yaml.rs"]
mod yaml;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use proptest::{prelude::*, test_runner::TestRunner};
use serde_json::Value;

use authorizer::{Attributes, Authorizer};

/// Beyond so many names a rule is for any name, unless a flag says otherwise.
const NAMES: usize = 10;

fn satrail(arguments: &[&str], paths: &[&Path]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_satrail"))
        .arg("rbac")
        .args(arguments)
        .args(paths)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success() && said.is_empty(), "{said}");
    String::from_utf8(output.stdout).unwrap()
}

/// The sample of the repository, and the whole recording if it is there.
fn logs() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut logs = vec![root.join("data/audit")];
    let recording = root.join("../shared/data/real/audit");
    if recording.exists() {
        logs.push(recording);
    } else {
        println!("skipped: no recording at {}", recording.display());
    }
    logs
}

/// What was allowed, in a shape that mutations can be looked up in.
#[derive(Default)]
struct Used {
    /// By account, verb, group, resource, and namespace (none for the whole cluster): names, and whether a
    /// request had none.
    by_place: BTreeMap<Attributes, (BTreeSet<String>, bool)>,
}

impl Used {
    fn of(requests: &BTreeSet<Attributes>) -> Self {
        let mut used = Self::default();
        for request in requests {
            let place = used.by_place.entry(request.without_name()).or_default();
            match request.name_that_counts() {
                Some(name) => drop(place.0.insert(name.to_owned())),
                None => place.1 = true,
            }
        }
        used
    }

    /// Whether a role may grant this: it was used, or differs only in a name that is not one of few.
    fn justifies(&self, request: &Attributes) -> bool {
        let cluster_wide = request.without_namespace();
        [request, &cluster_wide].into_iter().any(|request| {
            let place = self.by_place.get(&request.without_name());
            place.is_some_and(|(names, unnamed)| {
                *unnamed || names.len() > NAMES || names.contains(&request.name)
            })
        })
    }
}

#[test]
fn what_was_allowed_stays_allowed() {
    for log in logs() {
        let authorizer = Authorizer::of(&manifests::read(&satrail(&[], &[&log])));
        let (allowed, refused) = log::asked(&log);
        assert!(allowed.len() > 40, "{}", allowed.len());
        for request in &allowed {
            assert!(authorizer.allows(request), "{request:?}");
        }
        // Refused then, and refused now: but for what the account was allowed at another time.
        for request in refused.difference(&allowed) {
            let used = Used::of(&allowed);
            assert!(
                used.justifies(request) || !authorizer.allows(request),
                "{request:?}"
            );
        }
    }
}

#[test]
fn what_was_never_used_is_refused() {
    for log in logs() {
        let authorizer = Authorizer::of(&manifests::read(&satrail(&[], &[&log])));
        let (allowed, _) = log::asked(&log);
        let used = Used::of(&allowed);
        let own: Vec<Attributes> = allowed
            .into_iter()
            .filter(|request| !Authorizer::allows_everybody(request))
            .collect();
        let one = || prop::sample::select(own.clone());
        let strategy = (one(), one(), 0..7_u8, "[a-z]{1,8}|\\*|");
        let mut refusals = 0_u32;
        TestRunner::new(ProptestConfig::with_cases(8000))
            .run(&strategy, |(mut request, other, what, word)| {
                match what {
                    0 => request.verb = other.verb,
                    1 => request.resource = other.resource,
                    2 => request.group = other.group,
                    3 => request.namespace = other.namespace,
                    4 => request.name = word,
                    5 => request.account = other.account,
                    _ => request.path = other.path,
                }
                let request = request.sound();
                let justified = used.justifies(&request) || Authorizer::allows_everybody(&request);
                prop_assert_eq!(authorizer.allows(&request), justified, "{:?}", request);
                Ok(())
            })
            .unwrap();
        for request in &own {
            for verb in ["escalate", "bind", "deletecollection", "*", ""] {
                let mut request = request.clone();
                verb.clone_into(&mut request.verb);
                let fine = used.justifies(&request);
                assert_eq!(authorizer.allows(&request), fine, "{request:?}");
                refusals += u32::from(!fine);
            }
        }
        assert!(refusals > 100);
    }
}

#[test]
fn each_permission_stands_in_one_rule() {
    for log in logs() {
        let manifests = manifests::read(&satrail(&[], &[&log]));
        let mut seen = BTreeSet::new();
        for role in manifests.iter().filter(|m| m["rules"].is_array()) {
            for rule in role["rules"].as_array().unwrap() {
                for atom in authorizer::atoms(role, rule) {
                    assert!(seen.insert(atom.clone()), "twice: {atom:?}");
                }
                let sorted = |key: &str| {
                    let list = rule[key].as_array().cloned().unwrap_or_default();
                    list.windows(2).all(|w| w[0].as_str() < w[1].as_str())
                };
                let keys = [
                    "apiGroups",
                    "resources",
                    "resourceNames",
                    "verbs",
                    "nonResourceURLs",
                ];
                assert!(keys.into_iter().all(sorted), "{rule}");
            }
        }
        // What the cluster role grants is in no role of a namespace.
        for atom in seen.iter().filter(|atom| !atom[1].is_empty()) {
            let mut wider = atom.clone();
            wider[1].clear();
            assert!(!seen.contains(&wider), "wider: {wider:?}");
            "-".clone_into(&mut wider[5]);
            assert!(!seen.contains(&wider), "wider: {wider:?}");
        }
        assert!(seen.len() > 40);
    }
}

#[test]
fn counts_are_those_of_the_log() {
    for log in logs() {
        let document: Value =
            serde_json::from_str(&satrail(&["--format", "json"], &[&log])).unwrap();
        let counts = log::counts(&log);
        let rows = document["accounts"].as_array().unwrap();
        let told: BTreeMap<String, (u64, u64)> = rows
            .iter()
            .map(|row| {
                let name = format!(
                    "{}/{}",
                    row["namespace"].as_str().unwrap(),
                    row["name"].as_str().unwrap()
                );
                let number = |value: &Value| value.as_u64().unwrap();
                let allowed = number(&row["allowed"]["count"]) + number(&row["discovery"]);
                (name, (allowed, number(&row["refused"])))
            })
            .collect();
        assert_eq!(told, counts);
    }
}
