//! Folds chunks into states over all cores, merges, finishes, sorts.
//!
//! The only place that knows about threads and order. Knows no output and no format.

mod window;
mod day;
mod options;
mod progress;
mod raised;
mod report;
mod forms;
mod reading;
mod ledger;
mod duplicates;
mod fold;
mod lines;
mod exceptions;
mod columns;
mod accounts;
mod census;
mod permissions;
mod dossiers;
mod scrapes;
mod telemetry;
mod state;
mod threads;
mod usage;
mod rows;
mod ranking;
mod run;
mod cumulative;
mod packed;
mod harvest;
mod held;
mod chronicle;

pub use accounts::{AccountRow, Distinct, Order, SortKey, arrange};
pub use chronicle::{Chronicle, Columns, Flow, Life, scan_and_chronicle};
pub use dossiers::{Credential, Dossier, Dossiers, Minting, Permission, Scope, Timeline, Values};
pub use exceptions::{AccountPattern, Exception, Matter, apply_exceptions, settle};
pub use harvest::Harvest;
pub use held::{Held, Judged};
pub use options::{Options, Selection};
pub use packed::{Shelf, pack, unpack};
pub use progress::{Progress, Silent};
pub use ranking::{Dimension, Filter, RankBy, Ranked, RankedRow, Wanted};
pub use report::{
    AccountUses, BadLineShown, Bounds, Coverage, DetectorCoverage, Duplicates, ExceptionUse,
    Exceptions, FileForms, FormCount, FormLacks, Gap, Input, MetricsInput, Reads, Reconciled,
    Reconciliation, Report, SkippedCount, Trouble,
};
pub use rows::{Taken, Taker, rows};
pub use run::{
    Error, accounts, dossiers, dossiers_and_usage, permissions, permissions_and_usage, ranking,
    scan, scan_and_usage, telemetry, usage,
};
pub use state::State;
pub use telemetry::{
    Counter, Counts, OTHER, PUBLISHED, Published, Sampling, TOP, Telemetry, Total,
};
pub use window::{Bound, Window};
