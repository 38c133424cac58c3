//! `satrail cron` and `satrail suppress`: the built program on logs that grow, rotate and go away, run after
//! run. Counts are compared with what was written.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod counters;
mod files;
mod forms;
mod retention;
mod schema;
mod site;
mod state;
mod status;
mod suppress;
mod vanishing;
