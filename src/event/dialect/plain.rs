//! What kube-apiserver's log backend writes: kubeadm, kind, RKE2, k3s, Talos, TKG.

use super::About;

pub(super) const ABOUT: About = About {
    name: "plain",
    what: "kube-apiserver's own log, one event a line, or single events pretty-printed",
    example: r#"{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"Metadata",...}"#,
    lacks: "",
};
