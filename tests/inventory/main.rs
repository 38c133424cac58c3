//! `satrail inventory`, held against jq, a second RBAC evaluation, the recording's notes and hostile dumps.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::too_many_lines,
    clippy::print_stdout,
    reason = "tests may, their helpers too; tables of cases are long"
)]

mod binary;
mod hostile;
mod judgement;
mod questions;
mod rbac;

use std::{
    fs,
    io::Read,
    path::{Path, PathBuf},
};

use satrail::{
    inventory::{Dumps, Report, Usage, read, report},
    pipeline::{self, Options, Silent},
};
use serde_json::{Value, json};

/// A dump with the log of the same cluster.
struct Case {
    dump: PathBuf,
    log: PathBuf,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The sample of the repository, and the two dumps of the whole recording where it is.
fn cases() -> Vec<Case> {
    let data = root().join("data");
    let recording = root().join("../shared/data/real");
    let mut cases = vec![Case {
        dump: data.join("dump"),
        log: data.join("audit"),
    }];
    if !recording.exists() {
        println!("skipped: no recording at {}", recording.display());
        return cases;
    }
    for dump in ["dump-before-deletions", "dump-end"] {
        cases.push(Case {
            dump: recording.join(dump),
            log: recording.join("audit"),
        });
    }
    cases
}

impl Case {
    fn dumps(&self) -> Dumps {
        let dumps = read(std::slice::from_ref(&self.dump));
        assert_eq!(dumps.files, 7);
        dumps
    }

    fn usage(&self) -> Usage {
        usage(&self.log)
    }

    /// Every JSON text in a directory, one after the other.
    fn text(directory: &Path) -> String {
        let mut files: Vec<_> = fs::read_dir(directory)
            .unwrap()
            .map(|f| f.unwrap().path())
            .collect();
        files.sort();
        let mut text = String::new();
        for file in files.iter().filter(|file| file.extension().is_some()) {
            let bytes = fs::read(file).unwrap();
            if file.extension().is_some_and(|e| e == "gz") {
                flate2::read::MultiGzDecoder::new(&bytes[..])
                    .read_to_string(&mut text)
                    .unwrap();
            } else {
                text.push_str(&String::from_utf8(bytes).unwrap());
            }
        }
        text
    }

    fn objects(&self) -> Vec<Value> {
        let text = Self::text(&self.dump);
        let lists = serde_json::Deserializer::from_str(&text).into_iter::<Value>();
        lists
            .flat_map(|list| list.unwrap()["items"].as_array().unwrap().clone())
            .collect()
    }

    fn events(&self) -> Vec<Value> {
        let text = Self::text(&self.log);
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }
}

fn usage(log: &Path) -> Usage {
    let options = Options {
        paths: vec![log.to_owned()],
        ..Options::default()
    };
    pipeline::usage(&options, &Silent).unwrap().1
}

/// The report on objects that are written to a file.
fn of_objects(objects: &[Value], usage: Option<&Usage>) -> Report {
    report(&dumps_of(objects), usage)
}

fn dumps_of(objects: &[Value]) -> Dumps {
    let list = json!({"apiVersion": "v1", "kind": "List", "items": objects});
    let mut file = tempfile::NamedTempFile::new().unwrap();
    std::io::Write::write_all(&mut file, list.to_string().as_bytes()).unwrap();
    read(&[file.path().to_owned()])
}

/// An object of `kind`, with more fields.
fn object(kind: &str, namespace: &str, name: &str, more: &Value) -> Value {
    let mut object = json!({"kind": kind, "apiVersion": "v1", "metadata": {
        "name": name, "namespace": namespace, "uid": format!("uid-{namespace}-{name}"),
        "creationTimestamp": "2026-01-01T00:00:00Z",
    }});
    let fields = object.as_object_mut().unwrap();
    for (key, value) in more.as_object().unwrap() {
        if key == "metadata" {
            let metadata = fields["metadata"].as_object_mut().unwrap();
            metadata.extend(value.as_object().unwrap().clone());
        } else {
            fields.insert(key.clone(), value.clone());
        }
    }
    object
}
