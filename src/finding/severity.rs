//! How bad a finding is.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// From "good to know" to "somebody has the cluster".
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Good to know; nothing to do.
    Info,
    /// Tidy up when you pass by.
    Low,
    /// Plan to mend it.
    Medium,
    /// Mend it today.
    High,
    /// Somebody may hold the cluster: act now.
    Critical,
}

impl Severity {
    /// All severities, the mildest first.
    pub const ALL: [Self; 5] = [
        Self::Info,
        Self::Low,
        Self::Medium,
        Self::High,
        Self::Critical,
    ];

    /// The name used on the command line and in every output.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Severity {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|severity| severity.as_str() == text)
            .ok_or_else(|| {
                format!("'{text}' is no severity: use info, low, medium, high or critical")
            })
    }
}
