//! docs/queries.md: the guide is written by hand, the tables and the queries are generated.

use std::{fmt::Write, fs};

use satrail::query::{frame, library};

use super::root;

const FIX: &str = "BLESS=1 cargo test --test query docs";

fn between(document: &str, marker: &str, text: &str) -> String {
    let start = format!("<!-- {marker}: generated, {FIX} -->\n");
    let end = format!("<!-- end of {marker} -->");
    let (before, rest) = document.split_once(&start).unwrap();
    let (_, after) = rest.split_once(&end).unwrap();
    format!("{before}{start}{text}{end}{after}")
}

#[test]
fn the_page_of_the_queries_is_up_to_date() {
    let path = root().join("docs/queries.md");
    let page = fs::read_to_string(&path).unwrap();
    let expected = between(&between(&page, "queries", &queries()), "tables", &tables());
    if page == expected {
        return;
    }
    if std::env::var_os("BLESS").is_some() {
        fs::write(&path, expected).unwrap();
        return;
    }
    panic!("docs/queries.md is out of date: run `{FIX}` and look at the difference");
}

fn queries() -> String {
    let mut text = String::new();
    for query in library::queries() {
        let (id, title) = (query.id, query.title);
        write!(text, "\n### {id}\n\n{title}. {}\n\n", query.purpose).unwrap();
        for parameter in &query.parameters {
            let (name, kind, meaning) =
                (parameter.name, parameter.kind.as_str(), parameter.meaning);
            let default = parameter
                .default
                .map_or("must be given".to_owned(), |value| {
                    format!("default {value}")
                });
            writeln!(
                text,
                "- `--param {name}=...` ({kind}, {default}): {meaning}"
            )
            .unwrap();
        }
        if !query.parameters.is_empty() {
            text.push('\n');
        }
        text.push_str("| column | meaning |\n|---|---|\n");
        for (name, meaning) in &query.columns {
            writeln!(text, "| `{name}` | {meaning} |").unwrap();
        }
    }
    text + "\n"
}

fn tables() -> String {
    let mut text = String::new();
    for table in frame::tables() {
        write!(
            text,
            "\n### {}\n\n{}\n\n| column | type | meaning |\n|---|---|---|\n",
            table.name, table.row
        )
        .unwrap();
        for column in &table.columns {
            let meaning = column.meaning.replace('|', "\\|");
            writeln!(
                text,
                "| `{}` | {} | {meaning} |",
                column.name,
                column.kind.sql()
            )
            .unwrap();
        }
    }
    text + "\n"
}
