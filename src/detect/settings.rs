//! Thresholds and allow-lists, with their defaults.

use serde::{Deserialize, Serialize};

use super::{
    AllowList, anonymous_access, authentication_failing, authentication_failures_metric,
    denied_probing, hot_loop, novelty, permission_enumeration, policy_blind_spot,
    runaway_controller, secret_cross_namespace, secret_denied, secret_enumeration,
    serviceaccount_traffic_metric, stale_token, time_gap, token_minted, token_request_failing,
    token_request_rate, token_request_rate_metric, token_shared, watch_churn,
};

/// Thresholds and allow-lists of all detectors.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
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
    /// How long stale tokens live.
    pub stale_token: stale_token::Limits,
    /// When a token is used from where it does not belong.
    pub token_shared: token_shared::Limits,
    /// When a token that was made lives too long.
    pub token_minted: token_minted::Limits,
    /// When TokenRequests fail for too long.
    pub token_request_failing: token_request_failing::Limits,
    /// When 401s are too many.
    pub authentication_failing: authentication_failing::Limits,
    /// When secrets read by name are many.
    pub secret_enumeration: secret_enumeration::Limits,
    /// When reading secrets of other namespaces is routine.
    pub secret_cross_namespace: secret_cross_namespace::Limits,
    /// When refused requests for secrets are many.
    pub secret_denied: secret_denied::Limits,
    /// When questions about one's own rights are many.
    pub permission_enumeration: permission_enumeration::Limits,
    /// When refused permissions are many.
    pub denied_probing: denied_probing::Limits,
    /// When refused anonymous requests are those of a scanner.
    pub anonymous_access: anonymous_access::Limits,
    /// When an account has learned what it usually does.
    pub first_use: novelty::Limits,
    /// Who may do what others should not; lowers severity, never hides.
    #[serde(skip)]
    pub allow: AllowList,
}
