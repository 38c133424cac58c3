//! `satrail alerts`: recordings in, rules and their unit tests out; `satrail alerts lint`.

use std::{collections::BTreeSet, fs, path::Path};

use crate::{
    alert::{
        self, Generated, Level, Problem, Recording, Template, World, kubernetes_metrics, lint,
        metric_names, parse_expression, parse_rules,
    },
    config::{self, AlertsConfig, FailOn, Judgement, LintConfig},
    finding::Finding,
    metric::{Catalogue, History, Scrapes, Semantics, read_scrapes, read_texts},
    output::{Destination, Format, deliver, shown},
    pipeline::{self, Telemetry},
    source::Trouble,
};

use super::{Error, Exit, Verdict, progress::Bar};

const RULES: &str = "satrail.rules.yaml";
const TESTS: &str = "satrail.rules_test.yaml";
/// How many points a counter has: in a month one every two minutes, enough for windows of 15.
const MOST_STEPS: i64 = 20_000;

const OPERATOR: &str = "satrail.prometheusrule.yaml";

/// Makes the rules, writes them, and says what was made and what was left out.
pub fn alerts(config: &AlertsConfig) -> Result<Verdict, Error> {
    let templates = match &config.templates {
        None => alert::built_in(),
        Some(directory) => alert::templates_in(directory),
    };
    let templates = templates.map_err(|error| config::Error::new(error.to_string()))?;
    let wanted = needed(&templates);
    let scrapes = read_scrapes(&config.metrics, &config.options.scrape_hints, &|name| {
        wanted.contains(name)
    });
    let Audit {
        telemetry,
        mut findings,
        mut verdict,
        is_empty,
    } = audit(config)?;
    findings.extend(scraped(config)?);
    let generated = alert::generate(
        &templates,
        &Recording {
            scrapes: &scrapes.history,
            catalogue: &scrapes.catalogue,
            has_scrapes: !config.metrics.is_empty(),
            telemetry: &telemetry,
            has_audit: !config.options.paths.is_empty(),
            findings: &findings,
            version: config.version,
        },
        config.wish,
    );
    write(config, &generated)?;
    if is_empty {
        let line = "no audit event was read: the thresholds of its rules are the templates' own";
        print(&Destination::Stdout, &[line.to_owned()])?;
    }
    complain(&mut verdict, &scrapes.troubles, config.strict);
    Ok(verdict)
}

pub(super) fn needed(templates: &[Template]) -> BTreeSet<&str> {
    let needs = templates.iter().flat_map(|template| &template.needs);
    needs.map(|(name, _)| &**name).collect()
}

/// What the audit log says.
struct Audit {
    telemetry: History,
    findings: Vec<Finding>,
    verdict: Verdict,
    /// Whether a log was given that has no event.
    is_empty: bool,
}

fn audit(config: &AlertsConfig) -> Result<Audit, Error> {
    if config.options.paths.is_empty() {
        return Ok(Audit {
            telemetry: History::default(),
            findings: Vec::new(),
            verdict: Verdict::clean(),
            is_empty: false,
        });
    }
    let bar = Bar::new(config.progress);
    let (state, telemetry) = pipeline::telemetry(&config.options, &bar)?;
    let report = state.report(&config.options);
    drop(bar);
    let judgement = Judgement {
        fail_on: FailOn::Never,
        strict: config.strict,
    };
    Ok(Audit {
        telemetry: history(&telemetry, config.wish.interval),
        verdict: Verdict::of(&report, judgement),
        is_empty: report.input.events == 0,
        findings: report.findings,
    })
}

/// The counters over time, as finely as rules with this interval between scrapes need it.
pub(super) fn history(telemetry: &Telemetry, interval: u64) -> History {
    let seconds = telemetry
        .span()
        .map_or(0, |(from, to)| to.seconds() - from.seconds());
    let step = u32::try_from(seconds / MOST_STEPS)
        .unwrap_or(u32::MAX)
        .max(1);
    let interval = u32::try_from(interval).unwrap_or(u32::MAX);
    telemetry.to_history(step.max(interval.div_ceil(2)))
}

/// What the detectors find in the scrapes alone.
fn scraped(config: &AlertsConfig) -> Result<Vec<Finding>, Error> {
    if config.metrics.is_empty() {
        return Ok(Vec::new());
    }
    let options = pipeline::Options {
        paths: Vec::new(),
        metrics: config.metrics.clone(),
        ..config.options.clone()
    };
    let bar = Bar::new(config.progress);
    Ok(pipeline::scan(&options, &bar)?.report(&options).findings)
}

fn write(config: &AlertsConfig, generated: &Generated) -> Result<(), Error> {
    write_rules(&config.directory, config.operator, generated)?;
    let lines = alert::summary(generated);
    print(&Destination::Stdout, &lines)
}

/// Writes the rules and their tests, and a manifest for the operator if it is wanted. What is there already and
/// says the same is left as it is.
pub(super) fn write_rules(
    directory: &Path,
    operator: bool,
    generated: &Generated,
) -> Result<(), Error> {
    let made = Destination::File(directory.to_owned());
    fs::create_dir_all(directory).map_err(Error::output(&made))?;
    let mut files = vec![
        (RULES, alert::rules_file(generated)),
        (TESTS, alert::tests_file(generated, RULES)),
    ];
    if operator {
        files.push((OPERATOR, alert::operator_file(generated)));
    }
    for (name, text) in files {
        let path = directory.join(name);
        if fs::read(&path).is_ok_and(|there| there == text.as_bytes()) {
            continue;
        }
        let to = Destination::File(path);
        deliver(&to, |out| out.write_all(text.as_bytes())).map_err(Error::output(&to))?;
    }
    Ok(())
}

/// Lines, none of which can do anything to a terminal.
fn print(to: &Destination, lines: &[String]) -> Result<(), Error> {
    deliver(to, |out| {
        for line in lines {
            writeln!(out, "{}", shown(line))?;
        }
        Ok(())
    })
    .map_err(Error::output(to))
}

fn complain(verdict: &mut Verdict, troubles: &[Trouble], strict: bool) {
    for trouble in troubles
        .iter()
        .filter(|trouble| trouble.unreadable || strict)
    {
        verdict
            .complaints
            .push(format!("{}: {}", trouble.file, trouble.why));
        verdict.exit = Exit::Failure;
    }
}

/// Holds rules against the metrics that there are.
pub fn alerts_lint(config: &LintConfig) -> Result<Verdict, Error> {
    let to = &config.output.destination;
    to.check().map_err(Error::output(to))?;
    let (files, mut troubles) = read_texts(&config.rules);
    let texts: Vec<(String, String)> = files
        .into_iter()
        .map(|(name, bytes)| (name, String::from_utf8_lossy(&bytes).into_owned()))
        .collect();
    let wanted = asked_for(&texts);
    let mut scrapes = read_scrapes(&config.metrics, &config.hints, &|name| {
        wanted.contains(name)
    });
    troubles.append(&mut scrapes.troubles);
    let problems = hold(&texts, &scrapes, config);
    match config.output.format {
        Format::Table => {
            print(to, &alert::problem_lines(&problems, texts.len()))?;
        }
        Format::Json => deliver(to, |out| alert::write_problems(&problems, false, out))
            .map_err(Error::output(to))?,
        Format::Jsonl => deliver(to, |out| alert::write_problems(&problems, true, out))
            .map_err(Error::output(to))?,
    }
    let wrong = problems
        .iter()
        .any(|problem| problem.kind.level() >= Level::Warning);
    let mut verdict = Verdict {
        exit: if wrong { Exit::Findings } else { Exit::Clean },
        complaints: Vec::new(),
    };
    complain(&mut verdict, &troubles, false);
    Ok(verdict)
}

/// The metrics that rules ask for: only their values are kept.
fn asked_for(texts: &[(String, String)]) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for (_, text) in texts {
        let groups = parse_rules(text).groups;
        for expr in groups
            .iter()
            .flat_map(|g| &g.rules)
            .filter_map(|r| r.expr.as_ref())
        {
            if let Ok(parsed) = parse_expression(&expr.text) {
                names.extend(metric_names(&parsed).into_iter().map(str::to_owned));
            }
        }
    }
    names
}

fn hold(texts: &[(String, String)], scrapes: &Scrapes, config: &LintConfig) -> Vec<Problem> {
    let given = !scrapes.catalogue.is_empty();
    let (mut catalogue, source): (Catalogue, String) = match config.version {
        _ if given => (scrapes.catalogue.clone(), "the scrapes given".to_owned()),
        Some(version) => (
            kubernetes_metrics(Some(version)),
            format!("Kubernetes {version}"),
        ),
        None => (kubernetes_metrics(None), "any known Kubernetes".to_owned()),
    };
    alert::add_published(&mut catalogue);
    let elsewhere = kubernetes_metrics(None);
    let world = World {
        catalogue: &catalogue,
        source: &source,
        elsewhere: &elsewhere,
        history: &scrapes.history,
        semantics: Semantics::default(),
        has_target_labels: scrapes.has_target_labels,
    };
    texts
        .iter()
        .flat_map(|(name, text)| lint(text, name, &world))
        .collect()
}
