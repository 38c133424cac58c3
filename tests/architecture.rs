//! The modules stand in the order in which the data flows, and each uses only what stands before it.

#![expect(clippy::unwrap_used, reason = "a test that panics has failed")]

use std::{fs, path::Path};

/// The order of DESIGN: stages of equal rank stand in one line and do not know each other.
const ORDER: [&[&str]; 10] = [
    &["yaml", "finding"],
    &["source"],
    &["event", "metric", "inventory"],
    &["detect"],
    &["permission"],
    &["pipeline", "rbac"],
    &["output", "alert", "query", "checkpoint", "deliver"],
    &["config"],
    &["command"],
    &["cli"],
];

fn rank(module: &str) -> Option<usize> {
    ORDER.iter().position(|line| line.contains(&module))
}

/// Every module that `text` names as `crate::module`, comments aside.
fn used(text: &str) -> Vec<String> {
    let code = text
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"));
    let code = code.collect::<Vec<_>>().join("\n");
    let mut names = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        if let Some(group) = rest.strip_prefix('{') {
            // `use crate::{a::B, c::{D, E}}`: the names at depth one.
            let mut depth = 0;
            let mut name = String::new();
            for c in group.chars() {
                match c {
                    '{' => depth += 1,
                    '}' if depth == 0 => break,
                    '}' => depth -= 1,
                    ',' if depth == 0 => names.push(std::mem::take(&mut name)),
                    _ if depth == 0 => name.push(c),
                    _ => {}
                }
            }
            names.push(name);
        } else {
            names.push(rest.to_owned());
        }
    }
    let word = |name: &String| {
        let name = name.trim().trim_start_matches('$');
        name.chars()
            .take_while(|c| c.is_alphanumeric() || *c == '_')
            .collect::<String>()
    };
    names
        .iter()
        .map(word)
        .filter(|name| !name.is_empty())
        .collect()
}

fn check(file: &Path, own: usize, own_name: &str, broken: &mut Vec<String>) {
    let text = fs::read_to_string(file).unwrap();
    for name in used(&text) {
        match rank(&name) {
            Some(theirs) if theirs < own || name == own_name => {}
            Some(_) => broken.push(format!("{}: {own_name} uses {name}", file.display())),
            None => {}
        }
    }
}

fn files(folder: &Path, found: &mut Vec<std::path::PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn each_module_uses_only_what_stands_before_it() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    files(&src, &mut found);
    let mut broken = Vec::new();
    for file in found {
        let relative = file.strip_prefix(&src).unwrap();
        let first = relative
            .components()
            .next()
            .unwrap()
            .as_os_str()
            .to_str()
            .unwrap();
        let module = first.trim_end_matches(".rs");
        if ["lib", "main"].contains(&module) {
            continue;
        }
        let own = rank(module).unwrap_or_else(|| panic!("{module} has no place in the order"));
        check(&file, own, module, &mut broken);
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn lib_lists_the_modules_in_that_order() {
    let lib = include_str!("../src/lib.rs");
    let modules = lib
        .lines()
        .filter_map(|l| l.strip_prefix("pub mod ")?.strip_suffix(';'));
    let ranks: Vec<usize> = modules.map(|module| rank(module).unwrap()).collect();
    assert!(ranks.is_sorted(), "{ranks:?}");
}

#[test]
fn the_reader_of_this_test_sees_every_use() {
    let text = "use crate::{\n    event::{Event, Level},\n    finding::Finding,\n};\nfn f(x: crate::cli::X) {}";
    assert_eq!(used(text), ["event", "finding", "cli"]);
}
