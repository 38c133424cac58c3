//! For `satrail diff`.

use std::path::PathBuf;

use super::{FailOn, Output};

/// For `satrail diff`.
#[derive(Debug, Clone)]
pub struct DiffConfig {
    /// The earlier report.
    pub old: PathBuf,
    /// The later report.
    pub new: PathBuf,
    /// Where the changes go, and how.
    pub output: Output,
    /// From which severity on what is new or grown makes the exit code 1.
    pub fail_on: FailOn,
}
