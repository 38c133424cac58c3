//! Records of documents: the same however they are read, each with its line, and in bounded memory.

use std::collections::BTreeMap;

use super::*;

/// A record with the line that it starts on, counted from 1; or how long it was, if it was too long.
type Placed = (u64, Result<String, u64>);

/// All records of a source, pulled by so many threads, and how many lines it has.
fn records(source: &Source, threads: usize) -> (Vec<Placed>, u64) {
    let pull = || {
        let mut buffer = Buffer::new();
        let mut found = Vec::new();
        while let Some(chunk) = source.next(&mut buffer) {
            let (lines, records) = match chunk.content {
                Content::Lines(_) => panic!("read by lines"),
                Content::TooLong { bytes, lines } => (lines, vec![(0, Err(bytes))]),
                Content::Records {
                    text,
                    records,
                    lines,
                    ..
                } => {
                    let text_of = |r: &crate::source::Record| text[r.start..r.end].to_vec();
                    let records = records.iter().map(|r| {
                        (
                            u64::from(r.line),
                            Ok(String::from_utf8(text_of(r)).unwrap()),
                        )
                    });
                    (u64::from(lines), records.collect())
                }
            };
            found.push((chunk.offset, (lines, records)));
        }
        assert!(buffer.all().len() < 4 << 20, "{}", buffer.all().len());
        found
    };
    let chunks: BTreeMap<u64, (u64, Vec<Placed>)> = std::thread::scope(|scope| {
        let pulling: Vec<_> = (0..threads).map(|_| scope.spawn(pull)).collect();
        let found = pulling
            .into_iter()
            .flat_map(|thread| thread.join().unwrap());
        found.collect()
    });
    let (mut before, mut placed) = (0, Vec::new());
    for (lines, records) in chunks.into_values() {
        placed.extend(
            records
                .into_iter()
                .map(|(line, record)| (before + line + 1, record)),
        );
        before += lines;
    }
    (placed, before)
}

/// An array over many lines, three items of which are too long.
fn array() -> (String, Vec<Placed>) {
    let (mut text, mut expected, mut line) = ("[\n".to_owned(), Vec::new(), 2);
    for n in 0..9000_usize {
        let filler = "x".repeat(if n % 3000 == 1000 { 300_000 } else { n % 200 });
        let item = format!("{{\n  \"n\": {n},\n  \"text\": \"{filler}\"\n }}");
        let comma = if n + 1 < 9000 { "," } else { "" };
        text.extend([" ", &item, comma, "\n"]);
        let long = item.len() > 200_000;
        expected.push((
            line,
            if long {
                Err(item.len() as u64)
            } else {
                Ok(item)
            },
        ));
        line += 4;
    }
    text += "]\n";
    (text, expected)
}

#[test]
fn an_array_is_read_alike_however_it_is_stored() {
    let (text, expected) = array();
    let newlines = text.matches('\n').count() as u64;
    let directory = directory(&[
        ("a.json", text.as_bytes()),
        ("b", &gzip(text.as_bytes())),
        ("c", &zstd(text.as_bytes())),
    ]);
    for input in find(&[directory.path().to_owned()]).inputs {
        for (chunk, threads) in [(1 << 20, 1), (1000, 3), (7, 2)] {
            let source = input.open_records(&limits(chunk, 200_000)).unwrap();
            let (found, lines) = records(&source, threads);
            assert_eq!(lines, newlines);
            assert!(found == expected, "{} by {chunk} bytes", input.name());
            assert_eq!(source.troubles(), vec![]);
        }
    }
}

/// Gigabytes of one line would take no more memory than this does.
#[test]
fn one_line_of_many_records_takes_no_memory() {
    let item = format!("{{\"message\":\"{}\"}}", "\\\"x".repeat(300));
    let mut text = String::from("{\"events\":[");
    for _ in 0..20_000 {
        text += &item;
        text.push(',');
    }
    text.extend([&item, "],\"nextToken\":\"", &"y".repeat(3 << 20), "\"}"]);
    let directory = directory(&[("a", text.as_bytes())]);
    let found = find(&[directory.path().to_owned()]);
    let (found, lines) = records(
        &only(&found).open_records(&limits(1 << 20, 10_000)).unwrap(),
        2,
    );
    assert_eq!((found.len(), lines), (20_001, 1));
    assert!(
        found
            .iter()
            .all(|(line, record)| *line == 1 && record.as_ref() == Ok(&item))
    );
}

/// A record that never ends takes none either.
#[test]
fn a_record_without_end_takes_no_memory() {
    let text = "[{\"a\":1},{\"b\":[".to_owned() + &"1,\n".repeat(3 << 20);
    let directory = directory(&[("a", text.as_bytes())]);
    let found = find(&[directory.path().to_owned()]);
    let source = only(&found).open_records(&limits(1 << 20, 10_000)).unwrap();
    let (found, lines) = records(&source, 2);
    let bytes = text.len() as u64 - 9;
    assert_eq!(found, [(1, Ok("{\"a\":1}".to_owned())), (1, Err(bytes))]);
    assert_eq!(lines, 3 << 20);
    assert!(
        source.troubles()[0]
            .why
            .contains("ends within a JSON document")
    );
}

/// The last line counts without a newline, too, wherever a chunk ends.
#[test]
fn a_last_line_without_end_is_counted() {
    let whole = crate::source::records::CHUNK;
    let filled = |bytes: usize| format!("[{{\"a\":\"{}\"}}", "x".repeat(bytes - 9));
    for (text, lines) in [
        (filled(whole), 1),
        (filled(whole) + "\n", 1),
        (filled(whole) + "\n]", 2),
        (filled(whole + 1), 1),
        (filled(300_000), 1),
        (filled(300_000) + "\n", 1),
        (filled(300_000) + "\n\n,{}]", 3),
        (filled(300_000) + "]", 1),
        ("[\n".to_owned() + &filled(300_000), 2),
        ("[\n\n".to_owned() + &filled(300_000)[..280_000], 3),
    ] {
        let directory = directory(&[("a", text.as_bytes())]);
        let found = find(&[directory.path().to_owned()]);
        let source = only(&found).open_records(&limits(1000, 270_000)).unwrap();
        let (_, counted) = records(&source, 1);
        assert_eq!(counted, lines, "{} bytes", text.len());
    }
}
