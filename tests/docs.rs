//! What the repository says about itself is generated from the code, committed, and compared here.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests fail as tests do"
)]

use std::{
    fmt::Write,
    fs,
    path::{Path, PathBuf},
};

use satrail::{
    detect::{CATALOGUE, Settings},
    event::Dialect,
    output::{self, Look, ReportFormat},
    pipeline::{self, Options, Silent},
};

const FIX: &str = "BLESS=1 cargo test --test docs";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Compares a committed file with what it should be; writes it where `BLESS` is set.
#[track_caller]
fn hold(name: &str, expected: &str) {
    let path = root().join(name);
    let committed = fs::read_to_string(&path).unwrap_or_default();
    if committed == expected {
        return;
    }
    if std::env::var_os("BLESS").is_some() {
        fs::write(&path, expected).unwrap();
        return;
    }
    panic!("{name} is out of date: run `{FIX}` and look at the difference");
}

/// Puts `text` between the two markers called `marker`.
fn between(document: &str, marker: &str, text: &str) -> String {
    let start = format!("<!-- {marker}: generated, {FIX} -->\n");
    let end = format!("<!-- end of {marker} -->");
    let (before, rest) = document.split_once(&start).expect(&start);
    let (_, after) = rest.split_once(&end).expect(&end);
    format!("{before}{start}{text}{end}{after}")
}

/// The headings of `markdown`, two levels down; fenced text stays as it is.
fn lowered(markdown: &str) -> String {
    let mut fenced = false;
    let mut out = String::new();
    for line in markdown.lines() {
        fenced ^= line.starts_with("```");
        let heading = line.starts_with('#') && !fenced;
        writeln!(out, "{}{line}", if heading { "##" } else { "" }).unwrap();
    }
    out
}

#[test]
fn the_page_of_the_detectors_is_up_to_date() {
    let mut page = format!(
        "# Detectors\n\n<!-- generated from the doc comments in src/detect: {FIX} -->\n\n\
         `satrail explain ID` prints the same text.\n"
    );
    for about in CATALOGUE {
        let (id, title, text) = (about.id, about.title, lowered(&about.markdown()));
        write!(page, "\n## {id}\n\n{title}.\n\n{text}").unwrap();
        if !about.attack.is_empty() {
            write!(page, "\n### ATT&CK\n\n{}\n", about.techniques()).unwrap();
        }
    }
    hold("docs/detectors.md", &page);
}

#[test]
fn the_readme_shows_the_catalogue_and_a_report_as_they_are() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let readme = between(&readme, "detectors", &catalogue());
    let readme = between(&readme, "report", &report());
    hold("README.md", &readme);
}

/// The figures that no marker surrounds.
#[test]
fn the_readme_counts_the_detectors_right() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let all = CATALOGUE.len();
    assert!(readme.contains(&format!("All {all} detectors")), "{all}");
    let (_, rest) = readme.split_once("(--metrics PATH), which ").unwrap();
    let of_metrics: usize = rest.split(' ').next().unwrap().parse().unwrap();
    let row = format!("| {}, and {of_metrics} for metrics |", all - of_metrics);
    assert!(readme.contains(&row), "{row}");
}

#[test]
fn the_page_of_the_forms_is_up_to_date() {
    let page = fs::read_to_string(root().join("docs/formats.md")).unwrap();
    let mut table = String::from("\n| form | what it is | cannot carry |\n|---|---|---|\n");
    let mut examples = String::from("\n```text\n");
    for dialect in Dialect::ALL {
        let about = dialect.about();
        let lacks = if about.lacks.is_empty() {
            "-"
        } else {
            about.lacks
        };
        writeln!(table, "| `{}` | {} | {lacks} |", about.name, about.what).unwrap();
        writeln!(examples, "{:16}{}", about.name, about.example).unwrap();
    }
    hold(
        "docs/formats.md",
        &between(&page, "forms", &format!("{table}{examples}```\n\n")),
    );
}

/// What the fields of the type `name` of `module` are for, by the names of a configuration file.
fn field_docs(module: &str, name: &str) -> Vec<(String, String)> {
    let source = fs::read_to_string(root().join(format!("src/detect/{module}.rs"))).unwrap();
    let (_, rest) = source.split_once(&format!("pub struct {name} {{")).unwrap();
    let (fields, _) = rest.split_once("\n}").unwrap();
    let (mut docs, mut text) = (Vec::new(), Vec::new());
    for line in fields.lines().map(str::trim) {
        if let Some(doc) = line.strip_prefix("///") {
            text.push(doc.trim());
        } else if let Some((field, _)) = line.strip_prefix("pub ").and_then(|l| l.split_once(':')) {
            docs.push((field.replace('_', "-"), text.join(" ")));
            text.clear();
        }
    }
    docs
}

/// The thresholds of all detectors as a configuration file has them, each with what it is for.
fn thresholds() -> String {
    let defaults = toml::Value::try_from(Settings::default()).unwrap();
    let settings = fs::read_to_string(root().join("src/detect/settings.rs")).unwrap();
    let mut text = String::from("\n```toml\n");
    for line in settings.lines() {
        let field = line
            .trim()
            .strip_prefix("pub ")
            .and_then(|line| line.split_once(": "));
        let Some((section, (module, name))) = field.and_then(|(field, kind)| {
            Some((
                field.replace('_', "-"),
                kind.trim_end_matches(',').split_once("::")?,
            ))
        }) else {
            continue;
        };
        writeln!(text, "[thresholds.{section}]").unwrap();
        for (field, doc) in field_docs(module, name) {
            for line in textwrap(&doc, 96) {
                writeln!(text, "# {line}").unwrap();
            }
            writeln!(text, "{field} = {}", defaults[&section][&field]).unwrap();
        }
        text.push('\n');
    }
    format!("{}\n```\n\n", text.trim_end())
}

/// Words in lines of at most `width` characters.
fn textwrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let last = lines.last_mut().unwrap();
        if !last.is_empty() && last.len() + 1 + word.len() > width {
            lines.push(word.to_owned());
        } else {
            if !last.is_empty() {
                last.push(' ');
            }
            last.push_str(word);
        }
    }
    lines
}

#[test]
fn the_page_of_the_thresholds_is_up_to_date() {
    let page = fs::read_to_string(root().join("docs/tuning.md")).unwrap();
    hold(
        "docs/tuning.md",
        &between(&page, "thresholds", &thresholds()),
    );
}

fn catalogue() -> String {
    let mut table = String::from("\n| detector | what it finds |\n|---|---|\n");
    for about in CATALOGUE {
        let (id, title) = (about.id, about.title);
        writeln!(table, "| [`{id}`](docs/detectors.md#{id}) | {title} |").unwrap();
    }
    table + "\n"
}

/// The report on the sample as a terminal of 100 columns shows it, but for the line that tells the speed.
fn report() -> String {
    let options = Options {
        paths: vec![PathBuf::from("data/audit")],
        ..Options::default()
    };
    let report = pipeline::scan(&options, &Silent).unwrap().report(&options);
    let look = Look {
        width: Some(100),
        ..Look::default()
    };
    let mut text = Vec::new();
    output::write_report(&report, ReportFormat::Table, look, None, &mut text).unwrap();
    let text = String::from_utf8(text).unwrap();
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    format!("\n```text\n{}\n```\n\n", excerpt(&lines).join("\n"))
}

/// One story, some findings of different severities and the coverage stand for all of them.
fn excerpt<'a>(lines: &[&'a str]) -> Vec<&'a str> {
    let wanted = [
        &["Read "][..],
        &["story ", "ops/intruder"],
        &["critical", "escalation-used"],
        &["critical", "token-shared"],
        &["medium", "legacy-token"],
        &["low", "runaway-controller"],
        &["Coverage"],
    ];
    let mut shown: Vec<&str> = Vec::new();
    for block in lines.split(|line| line.is_empty()) {
        let is = |words: &[&str]| {
            block[0].starts_with(words[0]) && words.iter().all(|word| block[0].contains(word))
        };
        if wanted.iter().any(|words| is(words)) {
            shown.extend(block);
            shown.push("");
        } else if block[0].starts_with("What a detector") {
            shown.extend(block);
        } else if shown.iter().rev().nth(1) != Some(&"[...]") {
            shown.extend(["[...]", ""]);
        }
    }
    shown
}

/// As GitHub makes it of a heading.
fn anchor(heading: &str) -> String {
    let kept = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = kept
        .chars()
        .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

/// What a link points to, of all links of a page that lead to files.
fn links(text: &str) -> Vec<&str> {
    let targets = text.split("](").skip(1);
    targets
        .filter_map(|rest| rest.split_once(')'))
        .map(|(target, _)| target)
        .filter(|target| !target.contains("://") && !target.contains(char::is_whitespace))
        .collect()
}

#[test]
fn every_link_leads_somewhere() {
    let pages = ["", "docs", "benches", "data", "deploy/spark"]
        .iter()
        .flat_map(|folder| {
            let entries = fs::read_dir(root().join(folder)).unwrap();
            entries.map(|entry| entry.unwrap().path())
        });
    let pages: Vec<_> = pages
        .filter(|path| path.extension().is_some_and(|e| e == "md"))
        .collect();
    assert!(pages.len() > 15);
    for page in pages {
        let text = fs::read_to_string(&page).unwrap();
        for link in links(&text) {
            let (file, place) = link.split_once('#').unwrap_or((link, ""));
            let target = if file.is_empty() {
                page.clone()
            } else {
                page.parent().unwrap().join(file)
            };
            assert!(target.exists(), "{}: {link}", page.display());
            if !place.is_empty() {
                let target = fs::read_to_string(target).unwrap();
                let found = target
                    .lines()
                    .any(|l| l.starts_with('#') && anchor(l) == place);
                assert!(found, "{}: {link}", page.display());
            }
        }
    }
}
