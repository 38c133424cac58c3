//! For `satrail inventory`.

use std::path::PathBuf;

use crate::{
    output::{Format, Look},
    pipeline::Options,
};

use super::Judgement;

/// For `satrail inventory`.
#[derive(Debug, Clone)]
pub struct InventoryConfig {
    /// Dumps, and audit logs that are told from them by content: files, directories, globs; `-` is a dump
    /// on standard input.
    pub files: Vec<PathBuf>,
    /// How audit logs are read; `paths` are those that are named as such.
    pub options: Options,
    /// As what the report is written to standard output.
    pub format: Format,
    /// With which colour and width.
    pub look: Look,
    /// Whether the table shows everything.
    pub all: bool,
    /// Where manifests go, if they are wanted.
    pub manifests: Option<PathBuf>,
    /// What the exit code says.
    pub judgement: Judgement,
    /// Whether to show a progress bar.
    pub progress: bool,
}
