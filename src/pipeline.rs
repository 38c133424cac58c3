//! Folds chunks into states over all cores, merges, finishes, sorts.
//!
//! The only place that knows about threads and order. Knows no output and no format.

mod options;
mod progress;
mod run;
mod exceptions;
mod accounts;
mod report;

pub use accounts::{AccountRow, Distinct, Order, SortKey, arrange};
pub use exceptions::{AccountPattern, Exception, apply_exceptions, settle};
pub use options::{Bound, Options, Selection, Window};
pub use progress::{Progress, Silent};
pub use report::{
    BadLineShown, Coverage, DetectorCoverage, Duplicates, ExceptionUse, Exceptions, Gap, Input,
    Report, Trouble,
};
pub use run::{Error, Limits, State, scan};
