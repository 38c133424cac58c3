//! What every ServiceAccount may do without a role of its own.

use super::Action;

/// Paths of system:discovery and system:public-info-viewer.
const PATHS: [&str; 8] = [
    "/api",
    "/apis",
    "/healthz",
    "/livez",
    "/openapi",
    "/readyz",
    "/version",
    "/version/",
];

/// Those of system:discovery that stand for everything below them.
const PREFIXES: [&str; 3] = ["/api/", "/apis/", "/openapi/"];

/// Paths of system:service-account-issuer-discovery, bound to the group system:serviceaccounts.
const ISSUER_PATHS: [&str; 4] = [
    "/.well-known/openid-configuration",
    "/.well-known/openid-configuration/",
    "/openid/v1/jwks",
    "/openid/v1/jwks/",
];

/// Whether kube-apiserver's own roles give this to every ServiceAccount: system:basic-user,
/// system:discovery, system:public-info-viewer, system:service-account-issuer-discovery (kubernetes
/// `plugin/pkg/auth/authorizer/rbac/bootstrappolicy/policy.go`).
#[must_use]
pub fn belongs_to_everybody(action: &Action) -> bool {
    match action {
        Action::Path { path, verb } => {
            let path = path.as_str();
            verb == "get"
                && (PATHS.contains(&path)
                    || ISSUER_PATHS.contains(&path)
                    || PREFIXES.iter().any(|prefix| path.starts_with(prefix)))
        }
        Action::Resource {
            group,
            resource,
            subresource,
            verb,
        } => {
            let reviews: &[&str] = match group.as_str() {
                "authorization.k8s.io" => &["selfsubjectaccessreviews", "selfsubjectrulesreviews"],
                "authentication.k8s.io" => &["selfsubjectreviews"],
                _ => &[],
            };
            verb == "create" && subresource.is_empty() && reviews.contains(&resource.as_str())
        }
    }
}
