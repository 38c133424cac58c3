//! Thresholds and allow-lists, with their defaults.

use serde::Deserialize;

use super::{AllowList, runaway_controller};

/// Thresholds and allow-lists of all detectors.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Settings {
    /// When a controller counts as running away.
    pub runaway_controller: runaway_controller::Thresholds,
    /// Who may do what others should not; lowers severity, never hides.
    #[serde(skip)]
    pub allow: AllowList,
}
