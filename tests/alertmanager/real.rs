//! A real Alertmanager.

use std::{
    collections::BTreeSet,
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use satrail::{
    deliver::{Alertmanager, Patience, Posted, post},
    finding::{Finding, Severity, Status, Subject, Timestamp},
    output::{AlertSettings, alert_batches},
};
use serde_json::Value;
use tempfile::TempDir;

use crate::{
    finding, now,
    server::{Server, answer},
};

/// Ends it, also when a test fails.
struct Real {
    child: Child,
    url: String,
    ca: Option<PathBuf>,
    hook: Server,
    directory: TempDir,
}

impl Drop for Real {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const SETTINGS: AlertSettings<'_> = AlertSettings {
    hold: Duration::from_secs(3600),
    labels: &[],
};

/// Notifies at once, of each finding alone; grave ones go to another receiver.
const CONFIG: &str = r#"
route:
  receiver: all
  group_by: ["..."]
  group_wait: 0s
  group_interval: 1s
  routes:
    - receiver: grave
      matchers: ['severity=~"high|critical"']
receivers:
  - name: grave
  - name: all
    webhook_configs:
      - url: http://127.0.0.1:PORT/
        send_resolved: true
"#;

impl Real {
    fn start() -> Self {
        Self::with(tempfile::tempdir().unwrap(), "", None)
    }

    /// `login` is put into the URL, `tls` are the files of its web configuration and the CA's certificate.
    fn with(directory: TempDir, login: &str, tls: Option<(&Path, PathBuf)>) -> Self {
        let hook = Server::start(vec![answer("200 OK", "", "")]);
        let config = directory.path().join("alertmanager.yml");
        fs::write(&config, CONFIG.replace("PORT", &hook.port.to_string())).unwrap();
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let mut command = Command::new("prometheus-alertmanager");
        command
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.path={}", directory.path().display()))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .arg("--cluster.listen-address=")
            .stderr(Stdio::null());
        if let Some((file, _)) = &tls {
            command.arg(format!("--web.config.file={}", file.display()));
        }
        let child = command.spawn().unwrap_or_else(|error| {
            panic!("prometheus-alertmanager is not installed: scripts/test does so ({error})")
        });
        let scheme = if tls.is_some() { "https" } else { "http" };
        Self {
            child,
            url: format!("{scheme}://{login}127.0.0.1:{port}"),
            ca: tls.map(|(_, ca)| ca),
            hook,
            directory,
        }
    }

    fn target(&self) -> Alertmanager {
        let ca = self.ca.as_ref().map(|path| fs::read(path).unwrap());
        Alertmanager::new(&self.url, None, ca.as_deref()).unwrap()
    }

    /// Waits until it is up, if need be: that is what trying again is for.
    fn post(&self, findings: &[Finding], settings: &AlertSettings<'_>) -> Posted {
        let batches = alert_batches(findings, now(), settings).unwrap();
        let patience = Patience {
            in_all: Duration::from_secs(60),
            ..Patience::default()
        };
        post(&self.target(), &batches, patience).unwrap()
    }

    /// The alerts that it has, by curl: not with the client that is tested.
    fn alerts(&self) -> Vec<Value> {
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--show-error", "--fail", "--noproxy", "*"]);
        if let Some(ca) = &self.ca {
            curl.arg("--cacert").arg(ca);
        }
        let output = curl.arg(format!("{}/api/v2/alerts", self.url)).output();
        let output =
            output.unwrap_or_else(|error| panic!("curl: scripts/test installs it ({error})"));
        assert!(output.status.success(), "{output:?}");
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// (status, ServiceAccount) of each notification so far.
    fn told(&self) -> Vec<(String, String)> {
        let asked = self.hook.asked();
        let told = asked.iter().map(|request| {
            let json: Value = serde_json::from_str(&request.body).unwrap();
            let text = |value: &Value| value.as_str().unwrap().to_owned();
            (
                text(&json["status"]),
                text(&json["groupLabels"]["serviceaccount"]),
            )
        });
        told.collect()
    }

    fn wait_until_told(&self, count: usize) -> Vec<(String, String)> {
        let patience = Instant::now() + Duration::from_secs(60);
        loop {
            let told = self.told();
            if told.len() >= count {
                return told;
            }
            assert!(Instant::now() < patience, "{told:?}");
            thread::sleep(Duration::from_millis(100));
        }
    }
}

fn label(alert: &Value, name: &str) -> String {
    alert["labels"][name]
        .as_str()
        .unwrap_or_default()
        .to_owned()
}

#[test]
fn findings_arrive_once_and_leave() {
    let real = Real::start();
    let web = finding("web", Severity::Medium, Status::New);
    let posted = real.post(std::slice::from_ref(&web), &SETTINGS);
    assert_eq!(posted.requests, 1);
    let first = real.alerts();
    assert_eq!(first.len(), 1, "{first:?}");
    assert_eq!(label(&first[0], "serviceaccount"), "web");
    assert_eq!(label(&first[0], "fingerprint"), web.fingerprint);
    assert_eq!(first[0]["annotations"]["summary"], "shop/web lists secrets");
    let time = |text: &Value| Timestamp::parse(text.as_str().unwrap()).unwrap();
    // Alertmanager tells milliseconds.
    let begun = web.first_seen.unwrap().micros() / 1000;
    assert_eq!(time(&first[0]["startsAt"]).micros() / 1000, begun);
    real.wait_until_told(1);

    // The next run: more requests, another last one. Everything else is as it was, and nobody is told.
    let mut again = finding("web", Severity::Medium, Status::Ongoing);
    again.count = 30;
    again.first_seen = web.first_seen;
    real.post(std::slice::from_ref(&again), &SETTINGS);
    let second = real.alerts();
    assert_eq!(second.len(), 1, "{second:?}");
    for same in ["labels", "fingerprint", "startsAt"] {
        assert_eq!(second[0][same], first[0][same], "{same}");
    }
    assert!(
        second[0]["annotations"]["description"]
            .as_str()
            .unwrap()
            .contains("30 requests")
    );
    assert!(time(&second[0]["endsAt"]) > time(&first[0]["endsAt"]));

    let mut over = finding("web", Severity::Medium, Status::Resolved);
    over.first_seen = web.first_seen;
    real.post(&[over], &SETTINGS);
    assert_eq!(real.alerts(), Vec::<Value>::new());
    let told = real.wait_until_told(2);
    let expected = ["firing", "resolved"].map(|status| (status.to_owned(), "web".to_owned()));
    assert_eq!(told, expected);
}

#[test]
fn severities_go_where_they_are_sent() {
    let real = Real::start();
    let findings = Severity::ALL.map(|severity| finding(severity.as_str(), severity, Status::New));
    real.post(&findings, &SETTINGS);
    for alert in real.alerts() {
        let grave = ["high", "critical"].contains(&&*label(&alert, "severity"));
        let receiver = alert["receivers"][0]["name"].as_str().unwrap();
        assert_eq!(receiver, if grave { "grave" } else { "all" }, "{alert}");
    }
    let told: BTreeSet<_> = real
        .wait_until_told(3)
        .into_iter()
        .map(|told| told.1)
        .collect();
    assert_eq!(told, ["info", "low", "medium"].map(str::to_owned).into());
}

#[test]
fn six_hundred_findings_and_hostile_ones() {
    let real = Real::start();
    let name = |at: usize| format!("account-{at}");
    let mut findings: Vec<_> = (0..600)
        .map(|at| finding(&name(at), Severity::High, Status::New))
        .collect();
    for hostile in [
        "\u{1b}[31m\u{202e}\0\r\n",
        "\"}]{{ .X }}",
        "",
        "<!channel>",
        &"x".repeat(1 << 20),
    ] {
        let mut finding = finding(hostile, Severity::High, Status::New);
        finding.subject = Subject::service_account(hostile, hostile);
        finding.summary = hostile.to_owned();
        finding.evidence[0].audit_id = Some(hostile.to_owned());
        findings.push(finding);
    }
    let mut odd_times = finding("odd", Severity::High, Status::New);
    odd_times.first_seen = Timestamp::parse("9999-12-31T23:59:59Z");
    odd_times.fingerprint = "1".repeat(32);
    findings.push(odd_times);
    let mut old_times = finding("old", Severity::High, Status::New);
    old_times.first_seen = Timestamp::parse("0000-01-01T00:00:00Z");
    old_times.fingerprint = "2".repeat(32);
    findings.push(old_times);
    let labels = [("cluster".to_owned(), "prod".to_owned())];
    let settings = AlertSettings {
        labels: &labels,
        ..SETTINGS
    };
    let posted = real.post(&findings, &settings);
    assert!(posted.requests >= 2, "{posted:?}");
    let alerts = real.alerts();
    let found: BTreeSet<_> = alerts
        .iter()
        .map(|alert| label(alert, "fingerprint"))
        .collect();
    let expected: BTreeSet<_> = findings
        .iter()
        .map(|finding| finding.fingerprint.clone())
        .collect();
    assert_eq!(found, expected);
    assert_eq!(alerts.len(), 607);
    assert!(alerts.iter().all(|alert| label(alert, "cluster") == "prod"));
    let channel = alerts
        .iter()
        .find(|alert| label(alert, "namespace").contains("channel"));
    assert_eq!(label(channel.unwrap(), "namespace"), r"\u{3c}!channel>");
}

/// A CA and a certificate for 127.0.0.1, by openssl; the password is `test`.
fn secrets(directory: &Path) {
    let script = "set -e
        openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=ca -keyout ca.key -out ca.pem
        openssl req -newkey rsa:2048 -nodes -subj /CN=am -keyout key.pem -out am.csr
        printf 'subjectAltName=IP:127.0.0.1\\nbasicConstraints=CA:FALSE\\n' > san
        openssl x509 -req -in am.csr -CA ca.pem -CAkey ca.key -set_serial 1 -days 2 -extfile san -out cert.pem";
    let output = Command::new("sh")
        .args(["-c", script])
        .current_dir(directory)
        .output()
        .unwrap();
    assert!(output.status.success(), "openssl: {output:?}");
    let web = "tls_server_config: {cert_file: cert.pem, key_file: key.pem}
basic_auth_users:
  me: $2b$12$hNf2lSsxfm0.i4a.1kVpSOVyBCfIB51VRjgBUyv6kdnyTlgWj81Ay
";
    fs::write(directory.join("web.yml"), web).unwrap();
}

#[test]
fn https_and_a_password_are_checked_on_both_sides() {
    let directory = tempfile::tempdir().unwrap();
    secrets(directory.path());
    let [web, ca] = ["web.yml", "ca.pem"].map(|name| directory.path().join(name));
    let real = Real::with(directory, "me:test@", Some((&web, ca)));
    real.post(&[finding("web", Severity::High, Status::New)], &SETTINGS);
    assert_eq!(real.alerts().len(), 1);

    let ca = fs::read(real.directory.path().join("ca.pem")).unwrap();
    let refused = |url: &str, ca: Option<&[u8]>| {
        let target = Alertmanager::new(url, None, ca).unwrap();
        let error = post(&target, &[b"[]".to_vec()], Patience::default()).unwrap_err();
        assert_eq!(error.posted.tries, 1, "{error}");
        error.why
    };
    let wrong = real.url.replace("me:test@", "me:wrong@");
    let why = refused(&wrong, Some(&ca));
    assert!(why.contains("401"), "{why}");
    let why = refused(&real.url, None).to_lowercase();
    assert!(why.contains("certificate"), "{why}");
}
