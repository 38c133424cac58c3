//! Folds chunks into states over all cores, merges, finishes, sorts.
//!
//! The only place that knows about threads and order. Knows no output and no format.

mod report;

pub use report::{
    BadLineShown, Coverage, DetectorCoverage, Duplicates, ExceptionUse, Exceptions, Gap, Input,
    Report, Trouble,
};
