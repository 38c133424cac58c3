//! `satrail suppress`: single findings that nobody wants to hear of again, until a day.

use crate::{
    checkpoint::{Checkpoint, Suppressed},
    config::{self, SuppressConfig},
    output::{Destination, deliver, shown},
};

use super::{Error, Verdict};

/// Changes what is suppressed, and lists it.
pub fn suppress(config: &SuppressConfig) -> Result<Verdict, Error> {
    if !config.state.exists() {
        let why = format!("there is no state {}", config.state.display());
        return Err(config::Error::new(why)
            .hint("'satrail cron' makes one")
            .into());
    }
    let checkpoint = Checkpoint::open(&config.state)?;
    let known = checkpoint.suppressions()?;
    let unknown = config.remove.iter().find(|fingerprint| {
        let mut suppressed = known.iter().map(|known| &known.suppression.fingerprint);
        suppressed.all(|other| other != *fingerprint)
    });
    if let Some(fingerprint) = unknown {
        let why = format!("{fingerprint} is not suppressed");
        return Err(config::Error::new(why).into());
    }
    checkpoint.suppress(&config.put, &config.remove)?;
    let to = Destination::Stdout;
    deliver(&to, |out| {
        let all = checkpoint.suppressions().map_err(std::io::Error::other)?;
        if all.is_empty() {
            return writeln!(out, "nothing is suppressed");
        }
        for Suppressed { suppression, about } in &all {
            let one = suppression;
            let what = about.as_ref().map_or_else(
                || "no finding that was known then".to_owned(),
                |(detector, subject)| format!("{detector} {subject}"),
            );
            let over = if one.expires < config.today {
                ", over"
            } else {
                ""
            };
            let line = format!(
                "{} until {}{over} up to {}: {} ({}); {what}",
                one.fingerprint,
                one.expires,
                one.severity_at_most.as_str(),
                one.reason,
                one.owner
            );
            writeln!(out, "{}", shown(&line))?;
        }
        Ok(())
    })
    .map_err(Error::output(&to))?;
    Ok(Verdict::clean())
}
