//! How far out of its container a pod gets by what: capabilities, paths of the node, and what pod security admission says.

use serde::{Deserialize, Serialize};

/// How far out of its container a pod gets, the furthest last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(in crate::detect) enum Gravity {
    /// Shares something with the node: its network, a directory.
    Shares,
    /// Sees or changes what is the node's: its processes, devices, kernel.
    Reaches,
    /// Has the node: privileged, its root or its container runtime.
    Owns,
}

/// What pod security admission says would violate a policy (kubernetes
/// `staging/src/k8s.io/pod-security-admission/policy/check_*.go`).
pub(super) fn of_violations(text: &str) -> Vec<(Gravity, String)> {
    let marks = [
        (
            "securityContext.privileged=true",
            Gravity::Owns,
            "privileged",
        ),
        ("hostProcess=true", Gravity::Owns, "hostProcess"),
        ("hostPID=true", Gravity::Reaches, "hostPID"),
        ("hostIPC=true", Gravity::Reaches, "hostIPC"),
        ("procMount (", Gravity::Reaches, "procMount"),
        (
            "non-default capabilities (",
            Gravity::Reaches,
            "capabilities (the annotation does not grade them)",
        ),
        (
            "hostPath volumes (",
            Gravity::Reaches,
            "hostPath (the annotation does not say which path)",
        ),
        ("hostNetwork=true", Gravity::Shares, "hostNetwork"),
    ];
    let found = marks.into_iter().filter(|(mark, ..)| text.contains(mark));
    found
        .map(|(_, gravity, words)| (gravity, words.to_owned()))
        .collect()
}

/// What a capability beyond the container runtimes' defaults gives; `None` for the defaults, which the baseline
/// policy allows.
pub(super) fn of_capability(name: &str) -> Option<Gravity> {
    let default = [
        "AUDIT_WRITE",
        "CHOWN",
        "DAC_OVERRIDE",
        "FOWNER",
        "FSETID",
        "KILL",
        "MKNOD",
        "NET_BIND_SERVICE",
        "SETFCAP",
        "SETGID",
        "SETPCAP",
        "SETUID",
        "SYS_CHROOT",
    ];
    let reaching = [
        "SYS_ADMIN",
        "SYS_PTRACE",
        "SYS_MODULE",
        "SYS_RAWIO",
        "DAC_READ_SEARCH",
        "BPF",
        "SYS_BOOT",
        "PERFMON",
    ];
    match name {
        "ALL" => Some(Gravity::Owns),
        _ if default.contains(&name) => None,
        _ if reaching.contains(&name) => Some(Gravity::Reaches),
        _ => Some(Gravity::Shares),
    }
}

/// What a directory or socket of the node gives to whoever may write there, or read.
pub(super) fn of_host_path(path: &str) -> Gravity {
    let segments: Vec<&str> = path
        .split('/')
        .filter(|s| !s.is_empty() && *s != ".")
        .collect();
    let path = format!("/{}", segments.join("/"));
    let whole = [
        "/",
        "/etc",
        "/root",
        "/home",
        "/usr",
        "/bin",
        "/sbin",
        "/boot",
        "/dev",
        "/proc",
        "/run",
        "/var",
        "/var/run",
        "/var/lib",
        "/var/lib/kubelet",
        "/var/lib/docker",
        "/var/lib/containerd",
        "/var/lib/etcd",
    ];
    let below = [
        "/etc/kubernetes",
        "/var/lib/kubelet/pki",
        "/var/lib/kubelet/pods",
        "/var/lib/etcd",
        "/proc",
        "/root",
    ];
    let sockets = [
        "docker.sock",
        "containerd.sock",
        "crio.sock",
        "cri-dockerd.sock",
    ];
    let is_below = |top: &&str| {
        path.strip_prefix(*top)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let reaching = [
        "/etc",
        "/dev",
        "/sys",
        "/var/log",
        "/var/lib/kubelet",
        "/run/containerd",
        "/lib/modules",
    ];
    match () {
        () if whole.contains(&path.as_str()) || below.iter().any(is_below) => Gravity::Owns,
        () if sockets.iter().any(|socket| path.ends_with(socket)) => Gravity::Owns,
        () if reaching.iter().any(is_below) => Gravity::Reaches,
        () => Gravity::Shares,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_paths_and_capabilities_are_graded() {
        for (path, gravity) in [
            ("/", Gravity::Owns),
            ("//", Gravity::Owns),
            ("/var/run/docker.sock", Gravity::Owns),
            ("/etc/kubernetes/pki", Gravity::Owns),
            ("/var/lib/kubelet/plugins", Gravity::Reaches),
            ("/etc/cni/net.d", Gravity::Reaches),
            ("/etcetera", Gravity::Shares),
            ("/opt/data", Gravity::Shares),
        ] {
            assert_eq!(of_host_path(path), gravity, "{path}");
        }
        assert_eq!(of_capability("NET_BIND_SERVICE"), None);
        assert_eq!(of_capability("NET_ADMIN"), Some(Gravity::Shares));
        assert_eq!(of_capability("SYS_ADMIN"), Some(Gravity::Reaches));
        assert_eq!(of_capability("ALL"), Some(Gravity::Owns));
    }

    #[test]
    fn violations_are_read_without_a_body() {
        let text = r#"would violate PodSecurity "restricted:latest": privileged (container "c" must not set securityContext.privileged=true), host namespaces (hostNetwork=true, hostPID=true), hostPath volumes (volume "root"), runAsNonRoot != true (pod or container "c" must set securityContext.runAsNonRoot=true)"#;
        let found = of_violations(text);
        assert_eq!(found.len(), 4);
        assert_eq!(
            found.iter().map(|(gravity, _)| *gravity).max(),
            Some(Gravity::Owns)
        );
        assert!(
            of_violations("would violate PodSecurity \"restricted:latest\": runAsNonRoot != true")
                .is_empty()
        );
    }
}
