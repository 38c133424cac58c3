//! Prometheus rules files and PrometheusRule manifests, read leniently and with line numbers.
//!
//! What Prometheus itself would refuse (prometheus `model/rulefmt`) comes back as faults beside
//! whatever could be read: one bad rule makes Prometheus refuse the whole file, and a lint should name
//! all of them at once.

use super::yaml::{self, Broken, Node};

/// All rules of one file.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RuleFile {
    /// The groups, in the order of the file.
    pub groups: Vec<Group>,
    /// What Prometheus would refuse the file for.
    pub faults: Vec<Fault>,
}

/// Rules that are evaluated one after the other.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Group {
    /// Its name; empty where there is none.
    pub name: String,
    /// The rules, in the order of the file.
    pub rules: Vec<Rule>,
}

/// One alerting or recording rule.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Rule {
    /// The line it starts on, counted from 1.
    pub line: u64,
    /// The name of the alert, or of the series recorded.
    pub name: String,
    /// Whether it records a series.
    pub records: bool,
    /// The expression.
    pub expr: Option<Located>,
    /// Its labels, by name.
    pub labels: Vec<(String, Located)>,
    /// Its annotations, by name.
    pub annotations: Vec<(String, Located)>,
}

/// A text and the line it starts on, counted from 1.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Located {
    /// The line.
    pub line: u64,
    /// The text.
    pub text: String,
}

/// Something that Prometheus would refuse the file for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The line, counted from 1.
    pub line: u64,
    /// The rule; empty where it is about a group or the file.
    pub rule: String,
    /// Whether the fault is an `expr` that is not there.
    pub no_expr: bool,
    /// What is wrong.
    pub why: String,
}

const RULE_FIELDS: [&str; 7] = [
    "alert",
    "record",
    "expr",
    "for",
    "keep_firing_for",
    "labels",
    "annotations",
];

/// Reads a rules file, or every PrometheusRule in a stream of manifests.
#[must_use]
pub fn parse_rules(text: &str) -> RuleFile {
    let mut file = RuleFile::default();
    match yaml::parse(text) {
        Err(Broken { line, why }) => file.fault(line, "", format!("not YAML: {why}")),
        Ok(documents) => {
            for document in &documents {
                file.document(document);
            }
            if file.groups.is_empty() && file.faults.is_empty() {
                file.fault(
                    1,
                    "",
                    "no rules: neither groups nor a PrometheusRule".to_owned(),
                );
            }
        }
    }
    file
}

impl RuleFile {
    fn fault(&mut self, line: u64, rule: &str, why: String) {
        self.faults.push(Fault {
            line,
            rule: rule.to_owned(),
            no_expr: false,
            why,
        });
    }

    /// A rules file, a PrometheusRule, a List of them; other manifests are passed over.
    fn document(&mut self, node: &Node) {
        match node.get("kind").and_then(Node::text) {
            None => self.groups_of(node),
            Some("PrometheusRule") => {
                if let Some(spec) = node.get("spec") {
                    self.groups_of(spec);
                }
            }
            Some("List") => {
                for item in node.get("items").map_or(&[] as &[_], Node::items) {
                    self.document(item);
                }
            }
            Some(_) => {}
        }
    }

    fn groups_of(&mut self, node: &Node) {
        for group in node.get("groups").map_or(&[] as &[_], Node::items) {
            let name = group.get("name").and_then(Node::text).unwrap_or_default();
            if name.is_empty() {
                self.fault(group.line, "", "a group without a name".to_owned());
            } else if self.groups.iter().any(|known| known.name == name) {
                self.fault(
                    group.line,
                    "",
                    format!("the group {name:?} stands here twice"),
                );
            }
            let rules = group.get("rules").map_or(&[] as &[_], Node::items);
            let rules = rules.iter().map(|rule| self.rule(rule)).collect();
            self.groups.push(Group {
                name: name.to_owned(),
                rules,
            });
        }
    }

    fn rule(&mut self, node: &Node) -> Rule {
        let text = |key| node.get(key).and_then(Node::text).unwrap_or_default();
        let (alert, record) = (text("alert"), text("record"));
        let rule = Rule {
            line: node.line,
            name: if alert.is_empty() { record } else { alert }.to_owned(),
            records: alert.is_empty() && !record.is_empty(),
            // Prometheus reads it as it stands: `expr: null` asks for a metric called null.
            expr: node
                .get("expr")
                .and_then(|expr| {
                    Some(Located {
                        line: expr.line,
                        text: expr.raw()?.to_owned(),
                    })
                })
                .filter(|expr| !expr.text.trim().is_empty()),
            labels: texts(node, "labels"),
            annotations: texts(node, "annotations"),
        };
        let name = &rule.name;
        if alert.is_empty() == record.is_empty() {
            self.fault(
                node.line,
                name,
                "a rule is either an alert or a record".to_owned(),
            );
        }
        if rule.expr.is_none() {
            let why = "no expr: Prometheus refuses the whole file, and none of its rules loads";
            let (line, rule) = (node.line, name.clone());
            self.faults.push(Fault {
                line,
                rule,
                no_expr: true,
                why: why.to_owned(),
            });
        }
        self.fields(node, &rule);
        rule
    }

    fn fields(&mut self, node: &Node, rule: &Rule) {
        let name = &rule.name;
        for (field, value) in node.pairs() {
            let field_name = field.text().unwrap_or_default();
            let duration = matches!(field_name, "for" | "keep_firing_for");
            let why = if !RULE_FIELDS.contains(&field_name) {
                format!("a rule has no field {field_name:?}")
            } else if rule.records && (duration || field_name == "annotations") {
                format!("a recording rule has no {field_name:?}")
            } else if duration && !value.text().is_some_and(is_duration) {
                format!("{field_name:?} is no duration such as 5m")
            } else if field_name == "record" && !value.text().is_some_and(is_metric_name) {
                "the name recorded may hold letters, digits, _ and : only".to_owned()
            } else {
                continue;
            };
            self.fault(field.line, name, why);
        }
        for (label, value) in rule.labels.iter().chain(&rule.annotations) {
            if !is_label_name(label) || label == "__name__" {
                self.fault(value.line, name, format!("{label:?} is no label name"));
            }
        }
    }
}

fn located(node: &Node) -> Option<Located> {
    node.text().map(|text| Located {
        line: node.line,
        text: text.to_owned(),
    })
}

fn texts(node: &Node, key: &str) -> Vec<(String, Located)> {
    let pairs = node.get(key).map_or(&[] as &[_], Node::pairs);
    let text = |(key, value): &(Node, Node)| Some((key.text()?.to_owned(), located(value)?));
    pairs.iter().filter_map(text).collect()
}

fn is_metric_name(text: &str) -> bool {
    is_label_name(&text.replace(':', "_"))
}

pub(super) fn is_label_name(text: &str) -> bool {
    let part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    !text.is_empty() && text.chars().all(part) && !text.starts_with(|c: char| c.is_ascii_digit())
}

/// As Prometheus' `model.ParseDuration`: units from years to milliseconds, each at most once, in order.
fn is_duration(text: &str) -> bool {
    let mut units = ["y", "w", "d", "h", "m", "s", "ms"].iter();
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let after = &rest[digits..];
        let letters = after.len()
            - after
                .trim_start_matches(|c: char| c.is_ascii_lowercase())
                .len();
        if digits == 0 || !units.any(|unit| *unit == &after[..letters]) {
            return text == "0";
        }
        rest = &after[letters..];
    }
    !text.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_rules_files_and_manifests() {
        let groups = "groups:\n- name: g\n  rules:\n  - alert: A\n    expr: |\n      up == 0\n    for: 1h5m\n";
        let manifest = format!(
            "apiVersion: v1\nkind: ConfigMap\n---\nkind: PrometheusRule\nspec:\n  {}",
            groups.replace('\n', "\n  ")
        );
        for (text, line) in [(groups, 4), (&*manifest, 9)] {
            let file = parse_rules(text);
            assert_eq!(file.faults, []);
            let rule = &file.groups[0].rules[0];
            assert_eq!((&*rule.name, rule.line), ("A", line));
            assert_eq!(rule.expr.as_ref().unwrap().text.trim(), "up == 0");
        }
    }

    #[test]
    fn names_everything_that_prometheus_refuses() {
        let text = "groups:\n- name: g\n  rules:\n  - alert: A\n    for: 5 minutes\n    sevrity: x\n  \
                    - record: r\n    alert: B\n    expr: up\n    labels: {a-b: c}\n- name: g\n";
        let faults: Vec<_> = parse_rules(text)
            .faults
            .iter()
            .map(|f| format!("{} {}: {}", f.line, f.rule, f.why))
            .collect();
        assert_eq!(
            faults,
            [
                "4 A: no expr: Prometheus refuses the whole file, and none of its rules loads",
                "5 A: \"for\" is no duration such as 5m",
                "6 A: a rule has no field \"sevrity\"",
                "7 B: a rule is either an alert or a record",
                "10 B: \"a-b\" is no label name",
                "11 : the group \"g\" stands here twice",
            ]
        );
        assert!(parse_rules("a: [").faults[0].why.starts_with("not YAML"));
        assert!(parse_rules("").faults[0].why.starts_with("no rules"));
    }

    #[test]
    fn durations_are_prometheus_durations() {
        for text in ["5m", "1d12h", "0", "90s", "1y2w3d4h5m6s7ms"] {
            assert!(is_duration(text), "{text}");
        }
        for text in ["", "5", "m", "5 m", "1m1h", "5min", "-5m", "1.5h"] {
            assert!(!is_duration(text), "{text}");
        }
    }
}
