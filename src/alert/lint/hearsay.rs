//! Metrics that articles, proposals and generated rules speak of, and that no Kubernetes release serves.

/// (the name, what to ask for instead). Checked against the sources of Kubernetes 1.19 to 1.36:
/// `pkg/serviceaccount/metrics.go`, apiserver `pkg/endpoints/metrics/metrics.go` and
/// `pkg/endpoints/filters/metrics.go`; KEP-1205 names the replacement for token requests itself.
const HEARSAY: [(&str, &str); 9] = [
    (
        "serviceaccount_token_requests_total",
        "sum(rate(apiserver_request_total{group=\"\",version=\"v1\",resource=\"serviceaccounts\",\
         subresource=\"token\",verb=\"POST\",code=~\"2..\"}[5m]))",
    ),
    (
        "token_request_duration_seconds",
        "apiserver_request_duration_seconds_bucket{resource=\"serviceaccounts\",subresource=\"token\"}",
    ),
    (
        "apiserver_authentication_attempts_total",
        "authentication_attempts{result=\"...\"}",
    ),
    (
        "serviceaccount_bound_tokens_issued_total",
        "serviceaccount_valid_tokens_total",
    ),
    (
        "serviceaccount_bound_tokens_issued_with_identifier_total",
        "serviceaccount_valid_tokens_total",
    ),
    (
        "serviceaccount_authentication_total",
        "authentication_attempts",
    ),
    ("authentication_attempts_total", "authentication_attempts"),
    (
        "authenticated_user_requests_total",
        "authenticated_user_requests",
    ),
    (
        "apiserver_audit_events_total",
        "apiserver_audit_event_total",
    ),
];

/// What to say to those who look for one account in the metrics.
pub(super) const WHO: &str = "no metric of kube-apiserver names a ServiceAccount, only the audit log does: \
     use the satrail_* metrics, or flow_schema for ServiceAccounts as a class";

/// What to ask for instead of a metric that exists in texts only.
pub(super) fn instead_of(name: &str) -> Option<&'static str> {
    HEARSAY
        .iter()
        .find(|(hearsay, _)| *hearsay == name)
        .map(|(_, instead)| *instead)
}

/// The labels by which people hope to find one ServiceAccount in kube-apiserver's own metrics, which
/// name no user.
pub(super) fn is_identity(label: &str) -> bool {
    [
        "user",
        "username",
        "user_name",
        "serviceaccount",
        "service_account",
        "user_agent",
        "client",
    ]
    .contains(&label)
}
