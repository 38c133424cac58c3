use super::*;

const GOOD: &str = "# Why.\nalert: A\nsource: satrail\nneeds: {m: [a]}\nexpr: sum by (a) (rate(m[5m])) > {{threshold}}\n\
                    for: 1m\nseverity: warning\nthreshold: {percentile: 99, headroom: 2, floor: 1, unit: u, because: b}\n\
                    summary: '{{ $labels.a }}'\ndescription: d\nrunbook: docs/alerts.md#a\nexample: {series: ['m{a=\"x\"}']}\n";

#[test]
fn a_template_says_it_all() {
    let template = read::template("a", GOOD).unwrap();
    assert_eq!(template.comment, "Why.");
    assert_eq!(template.needs, [("m".to_owned(), vec!["a".to_owned()])]);
    assert_eq!(template.with_threshold("7"), "sum by (a) (rate(m[5m])) > 7");
    assert_eq!(
        template.example,
        [("m".to_owned(), Labels::of(&[("a", "x")]))]
    );
    assert!(template.example_grows);
}

#[test]
fn what_is_wrong_is_said_before_anything_is_generated() {
    for (from, to, why) in [
        ("alert: A\n", "", "no alert"),
        (
            "source: satrail",
            "source: me",
            "source is kubernetes or satrail",
        ),
        ("{m: [a]}", "{n: [a]}", "needs does not tell of m"),
        ("> {{threshold}}", "> 1", "expr has no {{threshold}}"),
        ("rate(m[5m])", "rate(m[5m]", "expr is no PromQL"),
        (
            "> {{threshold}}",
            "> {{threshold}} or vector(1)",
            "must end in a comparison",
        ),
        ("for: 1m", "for: soon", "for is no duration"),
        ("severity: warning", "severity: high", "severity is"),
        ("floor: 1", "floor: -1", "floor is no number"),
        ("floor: 1, ", "", "either fixed, or"),
        ("{{ $labels.a }}", "{{ query \"up\" }}", "of templates"),
        ("['m{a=\"x\"}']", "[]", "no example"),
        ("['m{a=\"x\"}']", "['rate(m)']", "is no series"),
        ("runbook:", "runbok:", "no field is called \"runbok\""),
        ("alert: A", "alert: [", "not YAML"),
    ] {
        let text = GOOD.replacen(from, to, 1);
        assert_ne!(text, GOOD, "{from}");
        let error = read::template("a", &text).unwrap_err().to_string();
        assert!(error.contains(why), "{error} instead of {why}");
    }
}

#[test]
fn a_directory_replaces_the_built_in_ones() {
    let directory = tempfile::tempdir().unwrap();
    assert!(templates_in(directory.path()).is_err());
    fs::write(directory.path().join("b.yaml"), GOOD).unwrap();
    fs::write(directory.path().join("note.txt"), "no template").unwrap();
    let templates = templates_in(directory.path()).unwrap();
    assert_eq!(templates.len(), 1);
    assert_eq!(templates[0].id, "b");
}
