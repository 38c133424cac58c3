//! Parsing, held against an independent reader over generated, damaged and real lines.

mod generate;
mod law;
mod reference;

use std::path::Path;

use proptest::prelude::*;
use satrail::{
    event::{Parser, resync},
    source::Origin,
};

use generate::{Entropy, damage, event};
use law::check;

const REAL: &str = include_str!("real.jsonl");
const ODD: &str = include_str!("odd.jsonl");

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn generated_events_obey_the_law(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        check(&event(&mut Entropy(&bytes)));
    }

    #[test]
    fn damaged_generated_events_obey_the_law(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        let mut entropy = Entropy(&bytes);
        let (line, other) = (event(&mut entropy), event(&mut entropy));
        let mut entropy = Entropy(&bytes);
        check(&damage(&mut entropy, &line, &other));
    }

    #[test]
    fn damaged_real_lines_obey_the_law(bytes in prop::collection::vec(any::<u8>(), 0..32)) {
        let lines: Vec<&str> = REAL.lines().collect();
        let mut entropy = Entropy(&bytes);
        let (line, other) = (entropy.below(lines.len()), entropy.below(lines.len()));
        check(&damage(&mut entropy, lines[line], lines[other]));
    }
}

#[test]
fn real_and_odd_lines_obey_the_law() {
    REAL.lines().chain(ODD.lines()).for_each(check);
}

#[test]
fn real_lines_stay_on_the_fast_path() {
    for line in REAL.lines() {
        assert!(
            Parser::parse_fast(line, Origin::default()).is_some(),
            "{line}"
        );
    }
}

/// A cut anywhere is noticed, and the event glued to it is found again.
#[test]
fn half_a_line_never_swallows_the_next_event() {
    let lines: Vec<&str> = REAL.lines().filter(|line| line.len() < 6000).collect();
    let whole = lines[0];
    let mut parser = Parser::default();
    for line in &lines {
        for cut in (1..line.len()).filter(|cut| line.is_char_boundary(*cut)) {
            let glued = format!("{}{whole}", &line[..cut]);
            assert!(parser.parse(&glued, Origin::default()).is_err(), "{glued}");
            assert_eq!(resync(&glued), Some(cut));
        }
    }
}

#[test]
fn every_real_line_of_the_shared_data_obeys_the_law() {
    use std::io::Read as _;

    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/real/audit");
    let Ok(files) = std::fs::read_dir(&folder) else {
        eprintln!("skipped: ../shared/data/real/audit is not there");
        return;
    };
    let (mut lines, mut fast) = (0, 0);
    for file in files {
        let path = file.unwrap().path();
        let bytes = std::fs::read(&path).unwrap();
        let mut text = String::new();
        if path.extension().is_some_and(|end| end == "gz") {
            let mut gzip = flate2::read::MultiGzDecoder::new(&*bytes);
            gzip.read_to_string(&mut text).unwrap();
        } else {
            text = String::from_utf8(bytes).unwrap();
        }
        for line in text.lines() {
            check(line);
            lines += 1;
            fast += u32::from(Parser::parse_fast(line, Origin::default()).is_some());
        }
    }
    eprintln!("{lines} real lines, {fast} of them on the fast path");
    assert_eq!(lines, 26_537);
    assert!(f64::from(fast) >= 0.999 * f64::from(lines));
}
