//! A write of a CertificateSigningRequest: who the certificate would be for, who signs it, and whether it was
//! approved.

use base64ct::{Base64, Encoding};
use serde::{Deserialize, Serialize};
use x509_cert::{
    der::{DecodePem, asn1::ObjectIdentifier},
    request::CertReq,
};

use super::{
    body::{self, nullable},
    deed,
    request::Request,
};

/// A write of a CertificateSigningRequest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct CertificateWrite {
    /// Its name; empty if the log does not know it (`generateName`).
    pub(super) name: String,
    /// What was done to it.
    pub(super) act: Act,
    /// What the certificate would be good for.
    pub(super) purpose: Purpose,
    /// Who signs it, if the log says.
    pub(super) signer: Option<String>,
    /// Whom it would be for: the common name, which Kubernetes takes for the user.
    pub(super) user: Option<String>,
    /// The organisations, which Kubernetes takes for the groups.
    pub(super) groups: Vec<String>,
}

/// What was done to a request for a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) enum Act {
    /// Denied.
    Denied,
    /// Asked for.
    Created,
    /// Approved, or if there is no body, approved or denied.
    Approved,
}

/// What a certificate would be good for, the gravest last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) enum Purpose {
    /// Nothing that kube-apiserver believes: another signer.
    Other,
    /// A kubelet.
    Kubelet,
    /// The log does not say.
    Unknown,
    /// A user of the API.
    Client,
    /// A user of the API whose name or groups belong to the cluster itself.
    Cluster,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Stored {
    #[serde(deserialize_with = "nullable")]
    metadata: Metadata,
    #[serde(deserialize_with = "nullable")]
    spec: Spec,
    #[serde(deserialize_with = "nullable")]
    status: Status,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Metadata {
    #[serde(deserialize_with = "nullable")]
    name: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Spec {
    signer_name: Option<String>,
    #[serde(deserialize_with = "nullable")]
    request: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Status {
    #[serde(deserialize_with = "nullable")]
    conditions: Vec<Condition>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Condition {
    #[serde(rename = "type", deserialize_with = "nullable")]
    kind: String,
}

impl CertificateWrite {
    /// What `event` writes; `None` if it neither asks for a certificate nor decides about one.
    pub(super) fn of(event: &Request<'_>) -> Option<Self> {
        let object = event.object?;
        let requests = object.group == "certificates.k8s.io"
            && object.resource == "certificatesigningrequests";
        let creates = event.verb == "create" && object.subresource.is_empty();
        let decides = object.subresource == "approval" && deed::is_write(event);
        if !requests || !(creates || decides) {
            return None;
        }
        let stored: Stored = body::stored(event).said().unwrap_or_default();
        let logged = object.name.read();
        let name = match &*logged {
            "" => stored.metadata.name.clone(),
            name => name.to_owned(),
        };
        let is = |kind: &str| {
            stored
                .status
                .conditions
                .iter()
                .any(|condition| condition.kind == kind)
        };
        let act = match () {
            () if creates => Act::Created,
            () if is("Denied") && !is("Approved") => Act::Denied,
            () => Act::Approved,
        };
        let (user, groups) = requested_subject(&stored.spec.request).unwrap_or_default();
        Some(Self {
            name,
            act,
            purpose: purpose(stored.spec.signer_name.as_deref(), user.as_deref(), &groups),
            signer: stored.spec.signer_name,
            user,
            groups,
        })
    }
}

/// What a certificate by `signer` is good for (kubernetes `staging/src/k8s.io/api/certificates/v1/types.go`).
fn purpose(signer: Option<&str>, user: Option<&str>, groups: &[String]) -> Purpose {
    let of_cluster = |name: &str| name.starts_with("system:");
    match signer {
        None => Purpose::Unknown,
        Some("kubernetes.io/kubelet-serving" | "kubernetes.io/kube-apiserver-client-kubelet") => {
            Purpose::Kubelet
        }
        Some("kubernetes.io/kube-apiserver-client" | "kubernetes.io/legacy-unknown") => {
            let cluster =
                user.is_some_and(of_cluster) || groups.iter().any(|group| of_cluster(group));
            if cluster {
                Purpose::Cluster
            } else {
                Purpose::Client
            }
        }
        Some(_) => Purpose::Other,
    }
}

/// User and groups of a PKCS#10 request, given as the base64 of its PEM; `None` if it cannot be read.
fn requested_subject(request: &str) -> Option<(Option<String>, Vec<String>)> {
    const COMMON_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");
    const ORGANIZATION: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.10");
    let pem = Base64::decode_vec(request).ok()?;
    let request = CertReq::from_pem(&pem).ok()?;
    let mut user = None;
    let mut groups = Vec::new();
    for attribute in request.info.subject.iter() {
        let value = String::from_utf8_lossy(attribute.value.value()).into_owned();
        match attribute.oid {
            COMMON_NAME => user = Some(value),
            ORGANIZATION => groups.push(value),
            _ => {}
        }
    }
    Some((user, groups))
}
