//! Thresholds and allow-lists, with their defaults.

use serde::Deserialize;

use super::{
    AllowList, authentication_failures_metric, hot_loop, policy_blind_spot, runaway_controller,
    serviceaccount_traffic_metric, time_gap, token_request_rate, token_request_rate_metric,
    watch_churn,
};

/// Thresholds and allow-lists of all detectors.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Settings {
    /// When a controller counts as running away.
    pub runaway_controller: runaway_controller::Thresholds,
    /// When retries are a loop.
    pub hot_loop: hot_loop::Limits,
    /// When watches and lists are too many.
    pub watch_churn: watch_churn::Limits,
    /// When one requester asks for too many tokens.
    pub token_request_rate: token_request_rate::Limits,
    /// How long a silence has to be.
    pub time_gap: time_gap::Limits,
    /// When something is missing, and not only rare.
    pub policy_blind_spot: policy_blind_spot::Limits,
    /// When failed authentications are too many.
    pub authentication_failures_metric: authentication_failures_metric::Limits,
    /// When TokenRequests are too many.
    pub token_request_rate_metric: token_request_rate_metric::Limits,
    /// When the requests of all ServiceAccounts together are too many.
    pub serviceaccount_traffic_metric: serviceaccount_traffic_metric::Limits,
    /// Who may do what others should not; lowers severity, never hides.
    #[serde(skip)]
    pub allow: AllowList,
}
