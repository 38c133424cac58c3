//! Records of every layout, in pieces of every size.

use proptest::prelude::*;

use super::*;

/// The records of a text that comes in pieces of so many bytes, with their lists.
fn records(text: &str, piece: usize) -> Vec<(&'static str, String)> {
    let mut documents = Documents::default();
    let (mut at, mut start, mut found) = (0, None, Vec::new());
    while at < text.len() {
        let end = (at + piece).min(text.len());
        let (taken, mark) = documents.step(&text.as_bytes()[at..end]);
        at += taken;
        match mark {
            Mark::Nothing => {}
            Mark::Start => assert_eq!(start.replace(at), None),
            Mark::Void => assert!(start.take().is_some()),
            Mark::End(list) => {
                let start: usize = start.take().unwrap();
                assert!(start < at, "an empty record");
                let bytes = &text.as_bytes()[start..at];
                found.push((list, String::from_utf8_lossy(bytes).into_owned()));
            }
        }
    }
    if let Some(start) = start {
        found.push(("cut", text[start..].to_owned()));
    }
    found
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn finds_the_records_of_every_layout() {
    for (text, expected) in [
        (
            r#"{"a":1}{"b":2} {"c":3}"#,
            ":{\"a\":1} :{\"b\":2} :{\"c\":3}",
        ),
        (
            "{\n \"a\": [\n  {\n  }\n ]\n}\n{\"b\":1}",
            ":{\n \"a\": [\n  {\n  }\n ]\n} :{\"b\":1}",
        ),
        (r#"[{"a":1},{"b":"]}"}]"#, r#"[]:{"a":1} []:{"b":"]}"}"#),
        (
            r#"{"kind":"EventList","items":[{"a":1},{"b":2}],"x":{"y":[1]}}{"z":1}"#,
            r#"items:{"a":1} items:{"b":2} :{"z":1}"#,
        ),
        (r#"{"items":[]}{"items":[1]}"#, r#":{"items":[1]}"#),
        (
            r#"{"x":{"items":[{"a":1}]}}"#,
            r#":{"x":{"items":[{"a":1}]}}"#,
        ),
        (
            r#"{"hits":{"total":1,"hits":[{"_source":{}}]},"took":1}"#,
            r#"hits:{"_source":{}}"#,
        ),
        (
            r#"{"resourceLogs":[{"resource":{},"scopeLogs":[{"logRecords":[{"body":{}}],"scope":{}}]},{"scopeLogs":[]}]}"#,
            r#"logRecords:{"body":{}}"#,
        ),
        (
            r#"{"data":{"result":[{"stream":{},"values":[["1","x"],["2","y"]]}]}}"#,
            r#"values:["1","x"] values:["2","y"]"#,
        ),
        (
            r#"{"results":[[{"field":"a"}],[{"field":"b"}]]}"#,
            r#"results:[{"field":"a"}] results:[{"field":"b"}]"#,
        ),
        (
            r#"{"a":"it\"ems","items\\":[{"b":1}]}"#,
            r#":{"a":"it\"ems","items\\":[{"b":1}]}"#,
        ),
        ("\u{feff}{\"a\":1}\0\0\n\"text\"", ":{\"a\":1} :\"text\""),
        ("junk {\n{\"a\":1} tail\n", ":junk { :{\"a\":1} :tail"),
        ("{\"a\":\"x\n{\"b\":1}", ":{\"a\":\"x\n :{\"b\":1}"),
        (
            "{\"items\":[{\"a\":1},{\"b\":\"x\n{\"c\":1}",
            "items:{\"a\":1} items:{\"b\":\"x\n :{\"c\":1}",
        ),
        (
            "{\"a\":{\"b\":1\n{\"c\":1}",
            ":{\"a\":{\"b\":1\n :{\"c\":1}",
        ),
        ("{\"items\":[{\"a\":1}", "items:{\"a\":1}"),
        (
            "{\"items\":[nonsense,{\"a\":1}]}",
            ":{\"items\":[nonsense,{\"a\":1}]}",
        ),
        (
            "[1, null,{\"a\":1}]]{\"b\":1}",
            "[]:1 []:null []:{\"a\":1} cut:]{\"b\":1}",
        ),
        ("{\"a\":1", "cut:{\"a\":1"),
    ] {
        let found = records(text, usize::MAX >> 1);
        let shown: Vec<String> = found
            .iter()
            .map(|(list, text)| format!("{list}:{text}"))
            .collect();
        assert_eq!(shown.join(" "), expected, "{text}");
        for piece in 1..8 {
            assert_eq!(records(text, piece), found, "{text} by {piece}");
        }
    }
}

#[test]
fn lists_in_lists_are_opened_to_a_depth() {
    let deep = r#"{"items":["#.repeat(100_000);
    let found = records(&deep, 1 << 20);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].0, "cut");
}

proptest! {
    #[test]
    fn pieces_do_not_matter(text in r#"([\[\]{}",:\\ a1\n]|"items":\[\{|"data":\{|\{"a":1\}){0,60}"#, piece in 1..9_usize) {
        prop_assert_eq!(records(&text, piece), records(&text, usize::MAX >> 1));
    }
}
