//! Names that clients chose to do harm: to the YAML, to the terminal, to the rules.

use proptest::{prelude::*, test_runner::TestRunner};
use serde_json::Value;

use crate::{authorizer::atoms, manifests, satrail, widening::log};

const EVIL: [&str; 8] = [
    "*",
    "a\n---\nkind: ClusterRole",
    "# \u{1b}[31m",
    "\u{202e}gpj",
    "'; rm -rf \"$HOME\" #",
    "\u{85}\u{2028}\u{feff}",
    "{{ .Values }}: &a !!x",
    "%2f..\\",
];

#[test]
fn names_come_back_as_they_were_and_do_nothing() {
    let requests: Vec<_> = EVIL
        .iter()
        .map(|name| ("get", "secrets", "shop", *name))
        .collect();
    let home = log(&requests);
    let text = satrail(&[], &[home.path()]);
    assert!(text.chars().all(|c| c == '\n' || !c.is_control()), "{text}");
    let manifests = manifests::read(&text);
    assert_eq!(manifests.len(), 2);
    let mut expected = EVIL.to_vec();
    expected.sort_unstable();
    assert_eq!(
        manifests[0]["rules"][0]["resourceNames"],
        Value::from(expected)
    );
}

#[test]
fn no_request_makes_a_wildcard() {
    let word = || "[a-z]{1,3}|\\*|[a-z]/\\*|\\*/[a-z]|[a-z]\\*|\\PC{0,4}";
    let strategy = prop::collection::vec((word(), word(), word(), word()), 1..8);
    TestRunner::new(ProptestConfig::with_cases(24))
        .run(&strategy, |requests| {
            let requests: Vec<_> = requests
                .iter()
                .map(|(a, b, c, d)| (a.as_str(), b.as_str(), c.as_str(), d.as_str()))
                .collect();
            let home = log(&requests);
            // The schema refuses an asterisk anywhere but in names.
            for role in manifests::read(&satrail(&[], &[home.path()])) {
                for rule in role["rules"].as_array().into_iter().flatten() {
                    let wide = atoms(&role, rule).into_iter().any(|atom| {
                        [&atom[2], &atom[3], &atom[4], &atom[6]]
                            .iter()
                            .any(|word| word.contains('*'))
                    });
                    prop_assert!(!wide);
                }
            }
            Ok(())
        })
        .unwrap();
}
