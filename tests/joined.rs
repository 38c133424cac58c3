//! `--inventory` of `satrail account`, `rbac` and `scan`, held against the dump itself, read another way.

#![expect(clippy::unwrap_used, reason = "tests may, their helpers too")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::Read,
    path::Path,
    process::{Command, Output, Stdio},
};

use serde_json::{Value, json};

fn satrail(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_satrail"))
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

fn text(arguments: &[&str]) -> String {
    let output = satrail(arguments);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.is_empty() && output.status.code() != Some(2), "{said}");
    String::from_utf8(output.stdout).unwrap()
}

fn document(arguments: &[&str]) -> Value {
    serde_json::from_str(&text(&[arguments, &["--format", "json"]].concat())).unwrap()
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// The objects of the sample dump.
fn objects() -> Vec<Value> {
    let mut objects = Vec::new();
    for file in fs::read_dir(root().join("data/dump")).unwrap() {
        let bytes = fs::read(file.unwrap().path()).unwrap();
        let mut text = String::new();
        let mut decoder = flate2::read::MultiGzDecoder::new(&bytes[..]);
        decoder.read_to_string(&mut text).unwrap();
        let dump: Value = serde_json::from_str(&text).unwrap();
        objects.extend(list(&dump["items"]).iter().cloned());
    }
    objects
}

/// The pods of an account with their nodes.
fn pods(objects: &[Value], namespace: &str, name: &str) -> BTreeSet<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let pods = objects.iter().filter(|o| {
        o["kind"] == "Pod"
            && o["metadata"]["namespace"] == namespace
            && o["spec"]["serviceAccountName"] == name
    });
    pods.map(|o| (text(&o["metadata"]["name"]), text(&o["spec"]["nodeName"])))
        .collect()
}

/// The names of the bindings that name an account.
fn bindings(objects: &[Value], namespace: &str, name: &str) -> BTreeSet<String> {
    let named = |o: &&Value| {
        list(&o["subjects"]).iter().any(|subject| {
            subject["kind"] == "ServiceAccount"
                && subject["namespace"] == namespace
                && subject["name"] == name
        })
    };
    let all = objects.iter().filter(named);
    all.map(|o| o["metadata"]["name"].as_str().unwrap().to_owned())
        .collect()
}

fn schema(name: &str) -> Value {
    let path = root().join(format!("schema/{name}.schema.json"));
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

fn assert_valid(name: &str, instance: &Value) {
    let mut registry = jsonschema::Registry::new();
    for other in ["report", "rbac", "inventory"] {
        let urn = format!("urn:satrail:schema:{other}:1");
        registry = registry.add(urn, schema(other)).unwrap();
    }
    let registry = registry.prepare().unwrap();
    let schema = schema(name);
    let validator = jsonschema::options()
        .with_registry(&registry)
        .build(&schema)
        .unwrap();
    let errors: Vec<_> = validator
        .iter_errors(instance)
        .map(|e| format!("{}: {e}", e.instance_path()))
        .collect();
    assert!(errors.is_empty(), "{errors:#?}");
}

/// Objects as a dump in a file.
fn dump(objects: &[Value]) -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    let list = json!({"kind": "List", "apiVersion": "v1", "items": objects});
    fs::write(home.path().join("dump.json"), list.to_string()).unwrap();
    home
}

#[test]
fn a_page_has_what_the_dump_says_of_the_account() {
    let objects = objects();
    let whole = document(&["account", "*/*", "data/audit", "--inventory", "data/dump"]);
    assert_valid("account", &whole);
    let pages: BTreeMap<String, &Value> = list(&whole["accounts"])
        .iter()
        .map(|p| {
            let (namespace, name) = (
                p["namespace"].as_str().unwrap(),
                p["name"].as_str().unwrap(),
            );
            (format!("{namespace}/{name}"), &p["inventory"])
        })
        .collect();
    // Accounts that made no request have a page as well.
    for account in objects.iter().filter(|o| o["kind"] == "ServiceAccount") {
        let namespace = account["metadata"]["namespace"].as_str().unwrap();
        let name = account["metadata"]["name"].as_str().unwrap();
        let page = pages[&format!("{namespace}/{name}")];
        assert_eq!(page["exists"], true);
        assert_eq!(page["uid"], account["metadata"]["uid"]);
        assert_eq!(page["automount"], account["automountServiceAccountToken"]);
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let told: BTreeSet<_> = list(&page["pods"])
            .iter()
            .map(|pod| (text(&pod["name"]), text(&pod["node"])))
            .collect();
        assert_eq!(told, pods(&objects, namespace, name), "{namespace}/{name}");
        let told: BTreeSet<_> = list(&page["grants"])
            .iter()
            .map(|grant| text(&grant["binding"]["name"]))
            .collect();
        assert_eq!(
            told,
            bindings(&objects, namespace, name),
            "{namespace}/{name}"
        );
    }
    assert_eq!(
        pages["ci/deployer"]["legacy_tokens"][0]["verdict"],
        "in-use"
    );
    let powers = list(&pages["ops/intruder"]["unused"]["powers"]);
    assert_eq!(powers[0]["power"], "everything");
    assert_eq!(
        powers[0]["binding"],
        "ClusterRoleBinding sys-metrics-helper"
    );
    // It used what its own role gives, or may have: it wrote roles and bindings, for which escalate and bind
    // are asked and not logged.
    let of_own = |p: &&Value| p["role"] == "ClusterRole ops-too-much in all namespaces";
    assert_eq!(powers.iter().find(of_own), None);

    let without = document(&["account", "shop/web", "data/audit"]);
    assert_eq!(without["accounts"][0].get("inventory"), None);
}

#[test]
fn runbooks_have_the_names_of_the_dump() {
    let dump = ["data/audit", "--inventory", "data/dump"];
    let page = text(&[&["account", "shop/default"][..], &dump].concat());
    let gives = "kubectl -n shop set serviceaccount deployment/legacydefault legacydefault";
    assert!(page.contains(gives), "{page}");
    let page = text(&[&["account", "ops/intruder"][..], &dump].concat());
    for words in [
        "kubectl -n ops rollout restart deployment/intruder",
        "kubectl delete clusterrolebinding sys-metrics-helper",
        "intruder-b5b6b8546-8prh9  on n2, of Deployment intruder, Running, with a token, 30 requests",
        "may do everything and did not: ClusterRole cluster-admin",
    ] {
        assert!(page.contains(words), "{words}\n{page}");
    }
}

#[test]
fn an_account_that_was_made_again_is_told_by_its_uid() {
    let mut objects = objects();
    let mut accounts = objects.iter_mut().filter(|o| o["kind"] == "ServiceAccount");
    let web = accounts
        .find(|o| o["metadata"]["namespace"] == "shop" && o["metadata"]["name"] == "web")
        .unwrap();
    let old = web["metadata"]["uid"].clone();
    web["metadata"]["uid"] = json!("another");
    let home = dump(&objects);
    let home = home.path().to_str().unwrap();
    let page = document(&["account", "shop/web", "data/audit", "--inventory", home]);
    let page = &page["accounts"][0];
    assert_eq!(page["inventory"]["uid"], "another");
    assert_eq!(page["inventory"]["other_uids"][0]["uid"], old);
    assert_eq!(
        page["inventory"]["other_uids"][0]["requests"],
        page["requests"]["count"]
    );
    let page = text(&["account", "shop/web", "data/audit", "--inventory", home]);
    assert!(page.contains("deleted and made again"), "{page}");
    let scan = document(&["scan", "data/audit", "--inventory", home]);
    let mut findings = list(&scan["findings"]).iter();
    let web =
        findings.find(|f| f["subject"]["namespace"] == "shop" && f["subject"]["name"] == "web");
    assert_eq!(
        web.unwrap()["attributes"]["inventory"]["other_uids"][0],
        old
    );
}

#[test]
fn roles_say_in_comments_what_is_granted_today() {
    let plain = text(&["rbac", "data/audit"]);
    let with = text(&["rbac", "data/audit", "--inventory", "data/dump"]);
    // Nothing but comments changes.
    let manifests = |text: &str| {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(manifests(&plain), manifests(&with));
    for line in [
        "# Today ClusterRoleBinding sys-metrics-helper gives it ClusterRole cluster-admin (partly).",
        "#   kubectl delete clusterrolebinding sys-metrics-helper",
        "# It may do everything by ClusterRoleBinding sys-metrics-helper and did not.",
        "# Today RoleBinding shop/default-pod-reader gives it Role pod-reader (partly).",
    ] {
        assert!(with.lines().any(|l| l == line), "{line}\n{with}");
        assert!(!plain.contains(line));
    }
    // One subject of two: the binding stays for the other.
    assert!(
        with.contains(
            "#   kubectl patch rolebinding --namespace shop default-pod-reader --type json"
        )
    );
    assert!(!with.contains("kubectl delete rolebinding --namespace shop default-pod-reader"));
    // kube-apiserver's own bindings are not to be taken away.
    assert!(!with.contains("kubectl delete clusterrolebinding system:"));
    let document = document(&["rbac", "data/audit", "--inventory", "data/dump"]);
    assert_valid("rbac", &document);
    let rows = list(&document["accounts"]).iter();
    assert!(rows.clone().all(|row| row["inventory"].is_object()));
}

#[test]
fn findings_have_pods_nodes_owners_and_bindings() {
    let objects = objects();
    let plain = document(&["scan", "data/audit"]);
    let mut with = document(&["scan", "data/audit", "--inventory", "data/dump"]);
    assert_valid("report", &with);
    let mut seen = 0;
    for finding in with["findings"].as_array_mut().unwrap() {
        let subject = finding["subject"].clone();
        let attributes = finding["attributes"].as_object_mut().unwrap();
        let block = attributes.remove("inventory");
        if subject["kind"] != "ServiceAccount" {
            assert_eq!(block, None);
            continue;
        }
        let block = block.unwrap();
        seen += 1;
        let (namespace, name) = (
            subject["namespace"].as_str().unwrap(),
            subject["name"].as_str().unwrap(),
        );
        let expected = pods(&objects, namespace, name);
        assert_eq!(block["pods_total"], expected.len());
        for pod in list(&block["pods"]) {
            let key = ["name", "node"].map(|k| pod[k].as_str().unwrap().to_owned());
            assert!(expected.contains(&key.into()), "{pod}");
        }
        let told: String = block["bindings"].to_string();
        for binding in bindings(&objects, namespace, name) {
            assert!(told.contains(&binding), "{binding} {told}");
        }
    }
    assert!(seen > 10);
    // Nothing else changes.
    assert_eq!(plain, with);
    let table = text(&["scan", "data/audit", "--inventory", "data/dump"]);
    let says = "pod intruder-b5b6b8546-8prh9 on n2 (Deployment intruder); ClusterRole ops-too-much by ClusterRoleBinding ops-too-much and 1 more binding";
    assert!(table.contains(says), "{table}");
    assert!(!text(&["scan", "data/audit"]).contains("has:"));
}

#[test]
fn what_is_no_dump_is_an_error() {
    let home = tempfile::tempdir().unwrap();
    let broken = home.path().join("broken.json");
    fs::write(&broken, r#"{"kind": "List", "items": [{"kind": "Pod""#).unwrap();
    let broken = broken.to_str().unwrap();
    for command in [&["account", "shop/web"][..], &["rbac"], &["scan"]] {
        for (arguments, says) in [
            (
                ["data/audit", "--inventory", "data/audit/audit.log"],
                "no dump of Kubernetes objects",
            ),
            (
                ["data/audit", "--inventory", "no-such-file"],
                "no-such-file",
            ),
            (["data/audit", "--inventory", broken], "broken.json"),
            (["-", "--inventory", "-"], "cannot be both"),
        ] {
            let output = satrail(&[command, &arguments].concat());
            let said = String::from_utf8(output.stderr).unwrap();
            assert_eq!(output.status.code(), Some(2), "{arguments:?} {said}");
            assert!(said.contains(says), "{arguments:?} {said}");
        }
    }
}

#[test]
fn hostile_names_of_a_dump_reach_neither_terminal_nor_manifest() {
    for word in [
        "\u{1b}[31m\r\n\u{202e}x",
        "'; touch pwned; '",
        "x\n---\nkind: Pwned",
        "$(touch pwned)",
    ] {
        let subject = json!({"kind": "ServiceAccount", "namespace": "shop", "name": "web"});
        let objects = [
            json!({"kind": "ServiceAccount", "metadata": {"namespace": "shop", "name": "web", "uid": word}}),
            json!({"kind": "Pod", "metadata": {"namespace": "shop", "name": word, "uid": word,
                "ownerReferences": [{"kind": word, "name": word, "controller": true}]},
                "spec": {"serviceAccountName": "web", "nodeName": word}, "status": {"phase": word}}),
            json!({"kind": "ClusterRole", "metadata": {"name": word}, "rules": [
                {"apiGroups": ["*"], "resources": ["*", word], "verbs": ["*", word]}]}),
            json!({"kind": "ClusterRoleBinding", "metadata": {"name": word},
                "roleRef": {"kind": "ClusterRole", "name": word}, "subjects": [subject]}),
        ];
        let home = dump(&objects);
        let home = home.path().to_str().unwrap();
        let with = ["data/audit", "--inventory", home];
        let acts = |c: char| c.is_control() && c != '\n' || c == '\u{202e}';
        let page = text(&[&["account", "shop/web"][..], &with].concat());
        assert!(
            !page.contains(acts) && !page.contains("\nkind: Pwned"),
            "{page:?}"
        );
        let table = text(&[&["scan"][..], &with].concat());
        assert!(!table.contains(acts) && !table.contains("\nkind: Pwned"));
        let roles = text(&[&["rbac"][..], &with].concat());
        assert!(!roles.contains(acts), "{roles:?}");
        let plain = text(&["rbac", "data/audit"]);
        let manifests = |text: &str| {
            let lines = text.lines().filter(|line| !line.starts_with('#'));
            lines.map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(manifests(&plain), manifests(&roles));
        // No word ends its quotes: a shell reads each command whole.
        let page = document(&[&["account", "shop/web"][..], &with].concat());
        for step in list(&page["accounts"][0]["inventory"]["take_away"]) {
            let command = step["command"].as_str().unwrap();
            let harmless = command.replacen("kubectl", "printf %s", 1);
            let home = tempfile::tempdir().unwrap();
            let mut run = Command::new("sh");
            run.args(["-c", &harmless]).current_dir(home.path());
            assert!(run.output().unwrap().status.success(), "{command}");
            assert!(!home.path().join("pwned").exists(), "{command}");
        }
    }
}
