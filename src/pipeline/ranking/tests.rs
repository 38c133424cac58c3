use proptest::prelude::*;

use super::*;

const BY: &[Dimension] = &[Dimension::User, Dimension::Verb];

fn line(user: u8, verb: u8, second: u16, code: u16) -> String {
    format!(
        r#"{{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"Metadata","auditID":"a","stage":"ResponseComplete","requestURI":"/api","verb":"verb{verb}","user":{{"username":"user{user}"}},"responseStatus":{{"code":{code}}},"requestReceivedTimestamp":"2026-01-01T{:02}:{:02}:{:02}.000000Z"}}"#,
        second / 3600,
        second / 60 % 60,
        second % 60,
    )
}

type Seen = (u8, u8, u16, u16);

fn ranking(seen: &[Seen]) -> Ranking {
    let wanted = Wanted {
        by: BY.to_vec(),
        filters: Vec::new(),
    };
    let mut ranking = Ranking::new(Arc::new(wanted));
    let mut parser = crate::event::Parser::default();
    for &(user, verb, second, code) in seen {
        let line = line(user, verb, second, code);
        let event = parser.parse(&line, crate::source::Origin::default());
        ranking.request(&event.unwrap());
    }
    ranking
}

proptest! {
    #[test]
    fn ranks_alike_however_it_was_split(
        mut seen in prop::collection::vec((0_u8..4, 0_u8..3, 0_u16..2_500, prop::sample::select(vec![200, 403, 404, 500])), 1..200),
        cut: prop::sample::Index,
    ) {
        let whole = ranking(&seen).ranked(RankBy::Peak, 5);
        let at = cut.index(seen.len());
        let (mut left, right) = (ranking(&seen[..at]), ranking(&seen[at..]));
        left.merge(right);
        prop_assert_eq!(&left.ranked(RankBy::Peak, 5), &whole);
        seen.reverse();
        prop_assert_eq!(&ranking(&seen).ranked(RankBy::Peak, 5), &whole);

        let all = ranking(&seen).ranked(RankBy::Requests, usize::MAX);
        prop_assert_eq!(all.requests_not_shown, 0);
        for row in &all.rows {
            let mine = || seen.iter().filter(|(user, verb, ..)| row.values == [format!("user{user}"), format!("verb{verb}")]);
            prop_assert_eq!(row.requests, mine().count() as u64);
            prop_assert_eq!(row.timeline.iter().sum::<u64>(), row.requests);
            prop_assert_eq!(row.denied, mine().filter(|seen| seen.3 == 403).count() as u64);
            prop_assert_eq!(row.failed, mine().filter(|seen| seen.3 > 403).count() as u64);
            let peak = mine().map(|(.., start, _)| mine().filter(|seen| (*start..start + 60).contains(&seen.2)).count());
            // Exact while seconds are kept one by one.
            let rate = (peak.max().unwrap_or(0) as f64 / 6.0).round() / 10.0;
            prop_assert!((row.peak_rate - rate).abs() < 1e-9);
        }
    }
}

#[test]
fn patterns_with_a_minus_leave_out() {
    let passes = |patterns: &[&str], code: u16| {
        let patterns: Vec<_> = patterns.iter().map(|&text| text.to_owned()).collect();
        let line = line(1, 1, 0, code);
        let mut parser = crate::event::Parser::default();
        let event = parser.parse(&line, crate::source::Origin::default());
        Filter::new(Dimension::Code, &patterns)
            .unwrap()
            .passes(&event.unwrap())
    };
    assert!(passes(&["4*"], 404));
    assert!(passes(&["200", "4*"], 404));
    assert!(!passes(&["4*", "-404"], 404));
    assert!(passes(&["4*", "-404"], 403));
    assert!(passes(&["-404"], 200));
    assert!(!passes(&["4*"], 200));
    assert_eq!(Filter::new(Dimension::Code, &[]), None);
}

#[test]
fn long_values_are_cut_between_characters() {
    let cut = cut(&"é".repeat(400));
    assert_eq!(cut.chars().count(), 257);
    assert!(cut.ends_with('…'));
}
