//! `satrail inventory`: dumps, and audit logs where there are some, in; what is wrong out.

use std::{fs, path::Path};

use crate::{
    config::{self, FailOn, InventoryConfig, Judgement},
    inventory::{self, Dumps, Manifest, Usage},
    output::{self, Destination, deliver},
    pipeline,
};

use super::{Error, Exit, Verdict, progress::Bar};

/// How to take a dump.
pub(super) const HINT: &str = "take one with 'kubectl get sa,secrets,pods,roles,rolebindings,clusterroles,clusterrolebindings -A -o \
                    json > dump.json'";

/// Reads dumps and logs, writes the report and, if asked for, the manifests.
pub fn inventory(config: &InventoryConfig) -> Result<Verdict, Error> {
    let mut dumps = inventory::read(&config.files);
    if dumps.files == 0 && dumps.troubles.is_empty() {
        let error = config::Error::new("none of the files is a dump of Kubernetes objects as JSON");
        return Err(error.hint(HINT).into());
    }
    let (usage, mut verdict) = usage(config, &mut dumps)?;
    let report = inventory::report(&dumps, usage.as_ref());
    if let Some(directory) = &config.manifests {
        write_manifests(directory, &report.manifests)?;
    }
    let to = Destination::Stdout;
    deliver(&to, |out| {
        output::write_inventory(&report, config.format, config.look, config.all, out)
    })
    .map_err(Error::output(&to))?;
    judge(&mut verdict, &report, config.judgement);
    Ok(verdict)
}

/// What the logs say, if there are any: those named with --audit, and the files that are no dumps.
fn usage(config: &InventoryConfig, dumps: &mut Dumps) -> Result<(Option<Usage>, Verdict), Error> {
    let mut options = config.options.clone();
    options.paths.append(&mut dumps.logs);
    if options.paths.is_empty() {
        return Ok((None, Verdict::clean()));
    }
    let bar = Bar::new(config.progress);
    let (state, usage) = pipeline::usage(&options, &bar)?;
    let report = state.report(&options);
    drop(bar);
    let judgement = Judgement {
        fail_on: FailOn::Never,
        strict: config.judgement.strict,
    };
    if report.input.bad_lines > 0 {
        dumps
            .troubles
            .extend(
                report
                    .coverage
                    .bad_lines
                    .iter()
                    .take(3)
                    .map(|bad| crate::source::Trouble {
                        file: format!("{}:{}", bad.file, bad.line),
                        why: format!("neither a dump nor an audit event: {}", bad.why),
                        unreadable: false,
                        incomplete: true,
                    }),
            );
    }
    dumps
        .troubles
        .extend(report.coverage.troubles.iter().cloned());
    // A text that is no log at all says nothing of what is used.
    let verdict = Verdict::of(&report, judgement);
    let usage = (report.input.events > 0).then_some(Usage {
        findings: report.findings,
        ..usage
    });
    Ok((usage, verdict))
}

fn judge(verdict: &mut Verdict, report: &inventory::Report, judgement: Judgement) {
    for trouble in &report.input.troubles {
        let complaint = format!("{}: {}", trouble.file, trouble.why);
        let counts = trouble.unreadable || judgement.strict && trouble.incomplete;
        if counts && !verdict.complaints.contains(&complaint) {
            verdict.complaints.push(complaint);
            verdict.exit = Exit::Failure;
        }
    }
    let found = match judgement.fail_on {
        FailOn::Never => false,
        FailOn::At(severity) => report.issues.iter().any(|issue| issue.severity >= severity),
    };
    if found {
        verdict.exit = verdict.exit.max(Exit::Findings);
    }
}

fn write_manifests(directory: &Path, manifests: &[Manifest]) -> Result<(), Error> {
    let made = Destination::File(directory.to_owned());
    fs::create_dir_all(directory).map_err(Error::output(&made))?;
    for manifest in manifests {
        let to = Destination::File(directory.join(manifest.file));
        deliver(&to, |out| out.write_all(manifest.text().as_bytes()))
            .map_err(Error::output(&to))?;
    }
    Ok(())
}
