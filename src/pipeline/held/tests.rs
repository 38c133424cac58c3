use std::{cell::RefCell, fmt::Write as _, fs};

use super::*;
use crate::{pipeline::Silent, source};

/// Parts in memory, and which of them were asked for.
#[derive(Debug, Default)]
struct Memory {
    parts: RefCell<BTreeMap<String, Vec<u8>>>,
    asked: RefCell<BTreeSet<String>>,
    put: RefCell<BTreeSet<String>>,
}

impl Memory {
    /// The names of the parts that were read and written since this was asked last, but for what is in every run.
    fn touched(&self) -> (Vec<String>, Vec<String>) {
        let names = |of: &RefCell<BTreeSet<String>>| {
            let all = of.take().into_iter().filter(|name| name != KEPT);
            all.collect::<Vec<_>>()
        };
        (names(&self.asked), names(&self.put))
    }
}

impl Shelf for Memory {
    type Error = Error;

    fn names(&self) -> Result<Vec<String>, Error> {
        Ok(self.parts.borrow().keys().cloned().collect())
    }

    fn part(&self, name: &str) -> Result<Option<Vec<u8>>, Error> {
        self.asked.borrow_mut().insert(name.to_owned());
        Ok(self.parts.borrow().get(name).cloned())
    }

    fn put(&self, name: &str, packed: Option<&[u8]>) -> Result<(), Error> {
        self.put.borrow_mut().insert(name.to_owned());
        let mut parts = self.parts.borrow_mut();
        match packed {
            Some(packed) => parts.insert(name.to_owned(), packed.to_owned()),
            None => parts.remove(name),
        };
        Ok(())
    }
}

/// Days since 1970 on which something happens.
const TODAY: i64 = 20_000;
/// One that has not come.
const BOGUS: i64 = 90_000;

fn at(day: i64) -> Timestamp {
    Timestamp::from_micros(day * 86_400_000_000 + 3_600_000_000)
}

/// A run on `TODAY` over one event on each of these days (none: without a time), which are forgotten after 9 days.
fn run(shelf: &Memory, days: &[Option<i64>]) -> Judged {
    let home = tempfile::tempdir().unwrap();
    let mut log = String::new();
    for (n, day) in days.iter().enumerate() {
        let time = day.map_or(String::new(), |day| {
            format!(r#","requestReceivedTimestamp":"{}""#, at(day))
        });
        writeln!(
            log,
            r#"{{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"Metadata","auditID":"{n}","stage":"ResponseComplete","requestURI":"/api/v1/secrets","verb":"list","user":{{"username":"system:serviceaccount:n:a"}},"objectRef":{{"resource":"secrets","apiVersion":"v1"}},"responseStatus":{{"code":200}}{time}}}"#
        )
        .unwrap();
    }
    let path = home.path().join("audit.log");
    fs::write(&path, log).unwrap();
    let inputs = source::find(&[path]).inputs;
    let options = Options {
        threads: 1,
        ..Options::default()
    };
    let mut held = Held::open(shelf, at(TODAY)).unwrap();
    let harvest = held.read(inputs, &[], &options, &Silent).unwrap();
    held.absorb(harvest, 10, shelf).unwrap();
    held.forget(9, shelf).unwrap();
    let judged = held.report(&options, shelf).unwrap();
    held.save(shelf).unwrap();
    assert_eq!(
        judged.report.findings.iter().map(|f| f.count).max(),
        Some(judged.report.input.requests)
    );
    judged
}

fn name_of(day: i64) -> String {
    format!("day/{day}")
}

#[test]
fn a_run_touches_the_newest_days_only() {
    let shelf = Memory::default();
    run(&shelf, &[19_995, 19_996, 19_997, 19_998].map(Some));
    shelf.touched();
    let judged = run(&shelf, &[Some(19_998)]);
    assert_eq!(judged.report.input.requests, 5);
    assert_eq!(judged.newest_event, Some(at(19_998)));
    let (read, written) = shelf.touched();
    assert_eq!(read, [name_of(19_997), name_of(19_998), PAST.to_owned()]);
    assert_eq!(written, [name_of(19_998)]);
}

#[test]
fn days_that_have_not_come_and_no_day_at_all_do_not_make_today_old() {
    let shelf = Memory::default();
    run(&shelf, &[19_995, 19_996, 19_997, 19_998, BOGUS].map(Some));
    for odd in [Some(BOGUS), None] {
        run(&shelf, &[odd]);
        shelf.touched();
        let judged = run(&shelf, &[Some(19_998), odd]);
        assert_eq!(judged.newest_event, Some(at(19_998)));
        let (read, written) = shelf.touched();
        // Neither is what is old read again, nor its sum written.
        for old in [19_995, 19_996] {
            assert!(!read.contains(&name_of(old)), "{odd:?}: {read:?}");
        }
        assert!(!written.contains(&PAST.to_owned()), "{odd:?}: {written:?}");
    }
}

#[test]
fn the_next_day_adds_one_day_to_the_sum_of_the_old_ones() {
    let shelf = Memory::default();
    run(&shelf, &[19_994, 19_995, 19_996, 19_997].map(Some));
    shelf.touched();
    let judged = run(&shelf, &[Some(19_998)]);
    assert_eq!(judged.report.input.requests, 5);
    let (read, written) = shelf.touched();
    // What is new is not read, and 19,994 and 19,995 stand in the sum.
    assert_eq!(read, [name_of(19_996), name_of(19_997), PAST.to_owned()]);
    assert_eq!(written, [name_of(19_998), PAST.to_owned()]);
}

#[test]
fn a_late_day_and_a_forgotten_one_make_the_sum_anew() {
    let shelf = Memory::default();
    run(&shelf, &[19_991, 19_995, 19_996, 19_997].map(Some));
    assert_eq!(run(&shelf, &[Some(19_995)]).report.input.requests, 5);
    shelf.touched();
    // 19,991 is older than nine days by now.
    let judged = run(&shelf, &[Some(20_001)]);
    assert_eq!(judged.report.input.requests, 5);
    assert_eq!(judged.report.input.first_event, Some(at(19_995)));
    let (read, written) = shelf.touched();
    assert!(read.contains(&name_of(19_995)), "{read:?}");
    assert!(written.contains(&name_of(19_991)), "{written:?}");
    assert!(!shelf.parts.borrow().contains_key(&name_of(19_991)));
}

#[test]
fn a_clock_that_runs_ahead_keeps_no_counters() {
    let shelf = Memory::default();
    let counters = || {
        let held = Held::open(&shelf, at(TODAY)).unwrap();
        let totals = held.totals().into_iter();
        let of_account = totals.filter(|total| !total.labels.get("serviceaccount").is_empty());
        of_account.count()
    };
    run(&shelf, &[Some(19_980), Some(BOGUS)]);
    assert!(counters() > 0);
    let mut held = Held::open(&shelf, at(TODAY)).unwrap();
    let before = held.kept.cumulative.clone();
    held.days
        .insert(Day::of(Some(at(TODAY))), Part::New(Vec::new()));
    held.forget(9, &shelf).unwrap();
    assert_ne!(held.kept.cumulative, before);
}
