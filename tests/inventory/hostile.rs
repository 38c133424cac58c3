//! Dumps that no kubectl ever wrote.

use std::{fs, io::Write};

use proptest::prelude::*;
use satrail::{
    inventory::{Report, read, report},
    output::{Format, Look, write_inventory},
};
use serde_json::{Value, json};

use super::{object, of_objects};

const EVIL: &str = "x\u{1b}[31m\u{202e}'\"; rm -rf / #\n- evil: true\r\t${HOME}`id`";

fn written(report: &Report, format: Format) -> String {
    let mut out = Vec::new();
    write_inventory(report, format, Look::default(), true, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

/// Every field that can be a text holds something evil.
fn evil_objects() -> Vec<Value> {
    let subject = json!([{"kind": "ServiceAccount", "name": EVIL, "namespace": EVIL}, {"kind": EVIL, "name": EVIL}]);
    vec![
        object(
            "ServiceAccount",
            EVIL,
            EVIL,
            &json!({"metadata": {"annotations": {"eks.amazonaws.com/role-arn": EVIL}}}),
        ),
        object("ServiceAccount", EVIL, "default", &json!({})),
        object(
            "Secret",
            EVIL,
            EVIL,
            &json!({"type": "kubernetes.io/service-account-token", "data": {"token": "c2VjcmV0"},
            "metadata": {"annotations": {"kubernetes.io/service-account.name": EVIL, EVIL: "c2VjcmV0"},
                "labels": {"kubernetes.io/legacy-token-last-used": EVIL, "kubernetes.io/legacy-token-invalid-since": EVIL}}}),
        ),
        object(
            "Pod",
            EVIL,
            EVIL,
            &json!({"status": {"phase": EVIL}, "spec": {"nodeName": EVIL,
            "volumes": [{"name": EVIL, "projected": {"sources": [{"serviceAccountToken": {"audience": EVIL, "expirationSeconds": 1}}]}}]},
            "metadata": {"ownerReferences": [{"kind": "Deployment", "name": EVIL, "controller": true}]}}),
        ),
        object(
            "ClusterRole",
            "",
            EVIL,
            &json!({"rules": [{"verbs": ["*", EVIL], "apiGroups": ["*", EVIL], "resources": ["*", EVIL]}]}),
        ),
        object(
            "ClusterRoleBinding",
            "",
            EVIL,
            &json!({"roleRef": {"kind": "ClusterRole", "name": EVIL}, "subjects": subject}),
        ),
        object(
            "RoleBinding",
            EVIL,
            EVIL,
            &json!({"roleRef": {"kind": EVIL, "name": EVIL}, "subjects": subject}),
        ),
        object(EVIL, EVIL, EVIL, &json!({})),
    ]
}

/// Whether nothing but harmless characters stands outside of single quotes, for a POSIX shell.
fn is_quoted(command: &str) -> bool {
    let mut inside = false;
    let mut chars = command.chars();
    while let Some(c) = chars.next() {
        match c {
            '\'' => inside = !inside,
            _ if inside => {}
            '\\' if chars.next() == Some('\'') => {}
            _ if c.is_ascii_alphanumeric() || " -_./:=,@%+".contains(c) => {}
            _ => return false,
        }
    }
    !inside
}

#[test]
fn names_from_a_dump_reach_nothing_unescaped() {
    let report = of_objects(&evil_objects(), None);
    assert!(report.issues.len() > 3);
    let table = written(&report, Format::Table);
    assert!(
        table
            .chars()
            .all(|c| c == '\n' || (!c.is_control() && c != '\u{202e}')),
        "{table}"
    );
    assert!(
        !table
            .lines()
            .any(|line| line.trim_start().starts_with("- evil"))
    );
    for manifest in &report.manifests {
        let text = manifest.text();
        assert!(
            text.bytes()
                .all(|b| b == b'\n' || (b' '..=b'~').contains(&b)),
            "{text}"
        );
        assert!(!text.contains("evil"), "{text}");
    }
    for command in report
        .issues
        .iter()
        .flat_map(|i| &i.remediation.steps)
        .filter_map(|s| s.command.as_deref())
    {
        assert!(is_quoted(command), "{command}");
    }
    let document: Value = serde_json::from_str(&written(&report, Format::Json)).unwrap();
    assert_eq!(document["accounts"][1]["name"], EVIL);
}

#[test]
fn the_data_of_secrets_is_never_seen_again() {
    let secret = "c3VwZXItc2VjcmV0";
    let mut objects = evil_objects();
    let last_applied =
        json!({"annotations": {"kubectl.kubernetes.io/last-applied-configuration": secret}});
    objects.push(object(
        "Secret",
        "shop",
        "a",
        &json!({"type": "Opaque", "data": {"k": secret}, "metadata": last_applied}),
    ));
    objects.push(object(
        "Secret",
        "shop",
        "b",
        &json!({"type": "Opaque", "stringData": secret, "metadata": {"labels": secret}}),
    ));
    objects.push(object(
        "Secret",
        "shop",
        "c",
        &json!({"type": secret, "data": [secret]}),
    ));
    objects.push(json!({"kind": "Secret", "metadata": secret, "data": {"k": secret}}));
    let report = of_objects(&objects, None);
    assert!(report.input.secrets_with_data >= 3);
    for format in [Format::Table, Format::Json, Format::Jsonl] {
        let text = written(&report, format);
        assert!(!text.contains(secret), "{text}");
    }
    assert!(!format!("{report:?}").contains(secret));
}

/// What a file comes to, and the complaints about it.
fn reading(text: &[u8]) -> (Report, Vec<String>) {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(text).unwrap();
    let dumps = read(&[file.path().to_owned()]);
    let whys = dumps
        .troubles
        .iter()
        .map(|trouble| trouble.why.clone())
        .collect();
    (report(&dumps, None), whys)
}

#[test]
fn bad_files_are_explained_and_the_rest_counts() {
    let account =
        r#"{"kind":"ServiceAccount","apiVersion":"v1","metadata":{"name":"a","namespace":"n"}}"#;
    let list = |items: &str| format!(r#"{{"kind":"List","apiVersion":"v1","items":[{items}]}}"#);
    for (text, accounts, says) in [
        (
            list(account).trim_end_matches("]}").to_owned() + ",{\"kind\":\"Pod\"",
            1,
            "cut short, take it again",
        ),
        (list(&format!("{account},]")), 1, "it is no JSON at line 1"),
        (
            format!("{account}\n{}", account.replace("\"a\"", "\"b\"")),
            2,
            "",
        ),
        (format!("{}{}", list(account), list("")), 1, ""),
        (
            list(&format!("{account},7,null,{{}}")),
            1,
            "left out a value that is no object",
        ),
        (
            list(&format!(
                "{account},{{\"kind\":\"Pod\",\"metadata\":{{\"name\":\"p\",\"namespace\":\"n\"}},\"spec\":7}}"
            )),
            1,
            "Pod n/p: its spec",
        ),
        (
            list(&format!(
                "{account},{{\"kind\":\"Role\",\"metadata\":{{\"name\":\"p\"}}}}"
            )),
            1,
            "without a namespace",
        ),
        (
            "kind: ServiceAccount\napiVersion: v1\n".to_owned(),
            0,
            "-o json",
        ),
        (list(&list(&list(account))), 1, ""),
        (
            list(&list(&list(&list(&list(&list(account)))))),
            0,
            "nested more deeply",
        ),
    ] {
        let (report, whys) = reading(text.as_bytes());
        assert_eq!(report.accounts.len(), accounts, "{text}\n{whys:?}");
        assert!(
            says.is_empty() == whys.is_empty() && whys.iter().all(|why| !why.is_empty()),
            "{text}\n{whys:?}"
        );
        assert!(whys.join("\n").contains(says), "{text}\n{whys:?}");
    }
    let many = vec!["7"; 1000].join(",");
    let (_, whys) = reading(list(&many).as_bytes());
    assert_eq!(whys.len(), 6);
    assert!(whys[5].contains("995 more"), "{whys:?}");
}

#[test]
fn compression_and_order_of_files_do_not_matter() {
    let plain = super::root().join("data/dump");
    let home = tempfile::tempdir().unwrap();
    for (i, file) in fs::read_dir(&plain).unwrap().enumerate() {
        let bytes = fs::read(file.unwrap().path()).unwrap();
        let mut text = Vec::new();
        std::io::Read::read_to_end(
            &mut flate2::read::MultiGzDecoder::new(&bytes[..]),
            &mut text,
        )
        .unwrap();
        if i % 2 == 0 {
            text = zstd::encode_all(&text[..], 1).unwrap();
        }
        fs::write(home.path().join(format!("{}", 9 - i)), text).unwrap();
    }
    let one = report(&read(&[plain]), None);
    let other = report(&read(&[home.path().to_owned()]), None);
    assert_eq!(one.input.dumps, 7);
    assert_eq!(one, other);
}

fn any_json() -> impl Strategy<Value = Value> {
    let words = "(kind|metadata|spec|items|rules|name|namespace|Pod|Secret|List|Role|ServiceAccount|\\*|get|data|x){1}";
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(|b| json!(b)),
        any::<i64>().prop_map(|n| json!(n)),
        words.prop_map(|s| json!(s))
    ];
    leaf.prop_recursive(6, 60, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::Array),
            prop::collection::btree_map(words, inner, 0..6)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// A real object, with one of its parts replaced by anything.
fn damaged() -> impl Strategy<Value = Value> {
    (
        0..evil_objects().len(),
        any::<prop::sample::Index>(),
        any_json(),
    )
        .prop_map(|(which, at, new)| {
            let mut object = evil_objects().swap_remove(which);
            let mut paths = Vec::new();
            pointers(&object, String::new(), &mut paths);
            let path = paths.swap_remove(at.index(paths.len()));
            *object.pointer_mut(&path).unwrap() = new;
            object
        })
}

fn pointers(value: &Value, path: String, found: &mut Vec<String>) {
    let escape = |key: &str| key.replace('~', "~0").replace('/', "~1");
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                pointers(value, format!("{path}/{}", escape(key)), found);
            }
        }
        Value::Array(list) => {
            for (i, value) in list.iter().enumerate() {
                pointers(value, format!("{path}/{i}"), found);
            }
        }
        _ => {}
    }
    found.push(path);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn no_json_panics(objects in prop::collection::vec(prop_oneof![any_json(), damaged()], 0..6)) {
        let report = of_objects(&objects, None);
        for format in [Format::Table, Format::Json, Format::Jsonl] {
            written(&report, format);
        }
    }

    #[test]
    fn no_text_panics(text in "[\\PC\n]{0,200}", head in "(\\{\"apiVersion\":\"v1\",\"kind\":\"List\",\"items\":\\[)?") {
        reading(format!("{head}{text}").as_bytes());
    }
}
