//! For `satrail rbac` and `satrail account`.

use std::path::PathBuf;

use crate::{
    output::ManifestFormat,
    pipeline::{AccountPattern, Options},
    rbac::Widening,
};

use super::Output;

/// For `satrail rbac`.
#[derive(Debug, Clone)]
pub struct RbacConfig {
    /// What the pipeline is asked to do.
    pub options: Options,
    /// Dumps of the cluster, to tell what is granted today.
    pub inventory: Vec<PathBuf>,
    /// Which accounts; all if empty.
    pub accounts: Vec<AccountPattern>,
    /// How much more than was used is granted.
    pub widening: Widening,
    /// As what.
    pub format: ManifestFormat,
    /// Where the files go; standard output without.
    pub directory: Option<PathBuf>,
    /// Whether bad lines are an error.
    pub strict: bool,
    /// Whether to show a progress bar.
    pub progress: bool,
}

/// For `satrail account`.
#[derive(Debug, Clone)]
pub struct AccountConfig {
    /// What the pipeline is asked to do.
    pub options: Options,
    /// Dumps of the cluster, to tell what the account has.
    pub inventory: Vec<PathBuf>,
    /// Which accounts.
    pub accounts: Vec<AccountPattern>,
    /// Where the pages go, and how.
    pub output: Output,
    /// Whether bad lines are an error.
    pub strict: bool,
    /// Whether to show a progress bar.
    pub progress: bool,
}

/// Understands `namespace/name`, with `*` for any run of characters; also the user name and
/// `namespace:name`, which other tools want.
pub fn parse_account(text: &str) -> Result<AccountPattern, String> {
    let plain = text.strip_prefix("system:serviceaccount:").unwrap_or(text);
    let parts = plain.split_once('/').or_else(|| plain.split_once(':'));
    let fine = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-.*".contains(c);
    match parts {
        Some((namespace, name))
            if [namespace, name]
                .iter()
                .all(|part| !part.is_empty() && part.chars().all(fine)) =>
        {
            Ok(AccountPattern::new(format!("{namespace}/{name}")))
        }
        _ => Err(
            "a ServiceAccount is NAMESPACE/NAME, such as shop/web; * stands for any characters"
                .to_owned(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_can_be_named_as_elsewhere() {
        for text in ["shop/web", "shop:web", "system:serviceaccount:shop:web"] {
            assert_eq!(parse_account(text), Ok(AccountPattern::new("shop/web")));
        }
        assert!(parse_account("kube-system/*-controller").is_ok());
        for text in [
            "web",
            "shop/",
            "/web",
            "a/b/c",
            "Shop/web",
            "shop/\u{1b}[m",
            "",
        ] {
            assert!(parse_account(text).is_err(), "{text}");
        }
    }
}
