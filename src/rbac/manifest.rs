//! Roles and bindings as Kubernetes reads them.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::{
    event::ServiceAccount,
    permission::{Permissions, Uses},
};

use super::{
    Rule, Widening,
    grants::{Grants, Needs},
    notes, rules,
};

const API_VERSION: &str = "rbac.authorization.k8s.io/v1";
const API_GROUP: &str = "rbac.authorization.k8s.io";

/// The roles of one ServiceAccount, each with its binding, and what there is to say about them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Roles {
    /// Role before binding, the cluster before namespaces.
    pub manifests: Vec<Manifest>,
    /// What the log cannot show about these permissions, and what was widened; one sentence each.
    pub notes: Vec<String>,
}

/// A Role, a ClusterRole, or a binding of one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    /// `rbac.authorization.k8s.io/v1`
    pub api_version: &'static str,
    /// `Role`, `ClusterRole`, `RoleBinding`, `ClusterRoleBinding`.
    pub kind: &'static str,
    /// Name, namespace, labels.
    pub metadata: Metadata,
    /// Rules, or who gets them.
    #[serde(flatten)]
    pub body: Body,
    /// The requests that it is made for.
    #[serde(skip)]
    pub uses: Uses,
}

/// A manifest's `metadata`. The same on every run, so that `kubectl diff` shows changed rules alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Metadata {
    /// `satrail:<namespace>:<name>` of the account, whose roles may stand in other namespaces.
    pub name: String,
    /// Where a Role or a RoleBinding stands.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Who made it.
    pub labels: BTreeMap<&'static str, &'static str>,
    /// For whom; an annotation, since a label holds 63 characters.
    pub annotations: BTreeMap<&'static str, String>,
}

/// What a manifest says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Body {
    /// A role.
    Role {
        /// What it allows.
        rules: Vec<Rule>,
    },
    /// A binding.
    #[serde(rename_all = "camelCase")]
    Binding {
        /// The role.
        role_ref: RoleRef,
        /// The account.
        subjects: [RoleSubject; 1],
    },
}

/// Which role a binding gives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RoleRef {
    /// `rbac.authorization.k8s.io`
    pub api_group: &'static str,
    /// `Role` or `ClusterRole`.
    pub kind: &'static str,
    /// Its name.
    pub name: String,
}

/// To whom a binding gives it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RoleSubject {
    /// `ServiceAccount`
    pub kind: &'static str,
    /// Its name.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
}

impl Roles {
    /// The roles that give `permissions` to `account`, and no more than `widening` adds.
    #[must_use]
    pub fn new(account: ServiceAccount<'_>, permissions: &Permissions, widening: Widening) -> Self {
        let needs = Needs::of(permissions, widening);
        let notes = notes::notes(permissions, &needs);
        let mut manifests = Vec::new();
        if !needs.cluster.resources.is_empty() || !needs.cluster.paths.is_empty() {
            manifests.extend(pair(account, None, &needs.cluster));
        }
        for (namespace, grants) in &needs.namespaces {
            manifests.extend(pair(account, Some(namespace), grants));
        }
        Self { manifests, notes }
    }
}

/// A role and its binding.
fn pair(account: ServiceAccount<'_>, namespace: Option<&str>, grants: &Grants) -> [Manifest; 2] {
    let (role, binding) = match namespace {
        None => ("ClusterRole", "ClusterRoleBinding"),
        Some(_) => ("Role", "RoleBinding"),
    };
    let metadata = Metadata {
        name: format!("satrail:{}:{}", account.namespace, account.name),
        namespace: namespace.map(str::to_owned),
        labels: [("app.kubernetes.io/managed-by", "satrail")].into(),
        annotations: [(
            "satrail/account",
            format!("{}/{}", account.namespace, account.name),
        )]
        .into(),
    };
    let manifest = |kind, body| Manifest {
        api_version: API_VERSION,
        kind,
        metadata: metadata.clone(),
        body,
        uses: grants.uses,
    };
    let rules = rules::rules(grants);
    let role_ref = RoleRef {
        api_group: API_GROUP,
        kind: role,
        name: metadata.name.clone(),
    };
    let subject = RoleSubject {
        kind: "ServiceAccount",
        name: account.name.to_owned(),
        namespace: account.namespace.to_owned(),
    };
    let subjects = [subject];
    [
        manifest(role, Body::Role { rules }),
        manifest(binding, Body::Binding { role_ref, subjects }),
    ]
}
