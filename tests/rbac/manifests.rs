//! Whether manifests are what Kubernetes takes: a strict schema, and what it cannot say.

use std::{collections::BTreeSet, fs, path::Path};

use serde_json::Value;

use crate::{logs, satrail, yaml};

/// Reads manifests from YAML and holds each to the schema.
pub(crate) fn read(text: &str) -> Vec<Value> {
    let schema: Value = serde_json::from_str(include_str!("schema.json")).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let documents = yaml::documents(text, yaml::string);
    for document in &documents {
        let errors: Vec<_> = validator
            .iter_errors(document)
            .map(|e| e.to_string())
            .collect();
        assert!(errors.is_empty(), "{errors:#?}\n{document:#}");
        names(document);
    }
    let identity = |m: &Value| {
        [
            &m["kind"],
            &m["metadata"]["namespace"],
            &m["metadata"]["name"],
        ]
        .map(ToString::to_string)
    };
    let distinct: BTreeSet<_> = documents.iter().map(identity).collect();
    assert_eq!(distinct.len(), documents.len(), "two manifests of one name");
    documents
}

/// What kube-apiserver refuses beyond types (kubernetes `pkg/apis/rbac/validation/validation.go`).
fn names(manifest: &Value) {
    let name = manifest["metadata"]["name"].as_str().unwrap();
    // IsValidPathSegmentName
    assert!(
        name != "." && name != ".." && !name.contains(['/', '%']),
        "{name}"
    );
    if let Some(role) = manifest.get("roleRef") {
        let kind = manifest["kind"].as_str().unwrap();
        assert_eq!(role["kind"].as_str(), kind.strip_suffix("Binding"));
        assert_eq!(role["name"], name);
    }
    for rule in manifest["rules"].as_array().into_iter().flatten() {
        let some = |key: &str| rule[key].as_array().is_some_and(|list| !list.is_empty());
        if some("nonResourceURLs") {
            assert_eq!(
                manifest["kind"], "ClusterRole",
                "namespaced rules have no paths"
            );
            assert!(
                !some("apiGroups") && !some("resources") && !some("resourceNames"),
                "{rule}"
            );
        } else {
            assert!(some("apiGroups") && some("resources"), "{rule}");
        }
        if some("resourceNames") {
            let resources = rule["resources"].as_array().unwrap();
            for verb in rule["verbs"].as_array().unwrap() {
                assert_ne!(verb, "deletecollection");
                let sub = |r: &Value| r.as_str().unwrap().contains('/');
                assert!(verb != "create" || resources.iter().all(sub), "{rule}");
            }
        }
    }
}

#[test]
fn the_schema_is_strict() {
    let schema: Value = serde_json::from_str(include_str!("schema.json")).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let text = satrail(&[], &[&logs()[0]]);
    for (right, wrong) in [
        ("verbs:", "verbz:"),
        ("kind: ClusterRole\n", "kind: ClusterRoll\n"),
        (
            "rbac.authorization.k8s.io/v1",
            "rbac.authorization.k8s.io/v1beta1",
        ),
        ("resourceNames:", "resourcenames:"),
        ("  namespace: ops\n", ""),
        ("roleRef:", "roleref:"),
        ("rules:", "rules: []\nmore:"),
    ] {
        let broken = text.replace(right, wrong);
        assert_ne!(broken, text, "{right}");
        let documents = yaml::documents(&broken, yaml::string);
        assert!(
            documents
                .iter()
                .any(|document| !validator.is_valid(document)),
            "{wrong}"
        );
    }
}

#[test]
fn files_and_json_hold_the_same_as_standard_output() {
    let log = &logs()[0];
    let all = read(&satrail(&[], &[log]));
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("new/roles");
    let said = satrail(&["--output", folder.to_str().unwrap()], &[log]);
    let mut files: Vec<_> = fs::read_dir(&folder)
        .unwrap()
        .map(|e| e.unwrap().path())
        .collect();
    files.sort();
    let mut from_files = Vec::new();
    for file in &files {
        assert!(said.contains(file.to_str().unwrap()));
        from_files.extend(read(&fs::read_to_string(file).unwrap()));
    }
    let key = |m: &Value| m.to_string();
    let sorted = |mut list: Vec<Value>| {
        list.sort_by_key(key);
        list
    };
    assert_eq!(sorted(all.clone()), sorted(from_files));
    assert!(
        said.contains("shop/orders") && said.contains("no file"),
        "{said}"
    );

    let document: Value = serde_json::from_str(&satrail(&["--format", "json"], &[log])).unwrap();
    let rows = document["accounts"].as_array().unwrap();
    let of_json = rows
        .iter()
        .flat_map(|row| row["manifests"].as_array().unwrap().clone());
    assert_eq!(all, of_json.collect::<Vec<_>>());

    let lists = home.path().join("lists");
    satrail(&["--format", "json", "-o", lists.to_str().unwrap()], &[log]);
    let list = fs::read_to_string(lists.join("shop.web.json")).unwrap();
    let list: Value = serde_json::from_str(&list).unwrap();
    assert_eq!(
        (&list["kind"], &list["apiVersion"]),
        (&"List".into(), &"v1".into())
    );
    assert!(
        list["items"]
            .as_array()
            .unwrap()
            .iter()
            .all(|item| all.contains(item))
    );
}

#[test]
fn json_has_its_schema() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("schema/rbac.schema.json");
    let schema: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    let report: Value =
        serde_json::from_str(include_str!("../../schema/report.schema.json")).unwrap();
    let inventory: Value =
        serde_json::from_str(include_str!("../../schema/inventory.schema.json")).unwrap();
    let registry = jsonschema::Registry::new()
        .add("urn:satrail:schema:report:1", report)
        .unwrap()
        .add("urn:satrail:schema:inventory:1", inventory)
        .unwrap()
        .prepare()
        .unwrap();
    let options = jsonschema::options().with_registry(&registry);
    let validator = options.build(&schema).unwrap();
    let log = &logs()[0];
    for flags in [
        &["--format", "json"][..],
        &["--format", "json", "--account", "no/body"],
    ] {
        let document: Value = serde_json::from_str(&satrail(flags, &[log])).unwrap();
        let errors: Vec<_> = validator
            .iter_errors(&document)
            .map(|e| e.to_string())
            .collect();
        assert!(errors.is_empty(), "{errors:#?}");
    }
}

#[test]
fn any_split_of_the_log_gives_the_same_bytes() {
    let log = &logs()[0];
    let whole = satrail(&[], &[log]);
    let mut text = String::new();
    let mut files: Vec<_> = fs::read_dir(log)
        .unwrap()
        .map(|e| e.unwrap().path())
        .collect();
    files.sort();
    for file in files {
        let bytes = fs::read(&file).unwrap();
        if bytes.starts_with(&[0x1f, 0x8b]) {
            let mut decoder = flate2::read::MultiGzDecoder::new(&bytes[..]);
            std::io::Read::read_to_string(&mut decoder, &mut text).unwrap();
        } else {
            text.push_str(std::str::from_utf8(&bytes).unwrap());
        }
    }
    let lines: Vec<&str> = text.lines().collect();
    for parts in [1, 3, 17] {
        let home = tempfile::tempdir().unwrap();
        // Dealt out like cards: no file is in order, and every file has a part of everything.
        for part in 0..parts {
            let mine: Vec<_> = lines
                .iter()
                .rev()
                .skip(part)
                .step_by(parts)
                .copied()
                .collect();
            fs::write(home.path().join(format!("{part}.log")), mine.join("\n")).unwrap();
        }
        for threads in ["1", "3"] {
            assert_eq!(
                satrail(&["--threads", threads], &[home.path()]),
                whole,
                "{parts} {threads}"
            );
        }
    }
}
