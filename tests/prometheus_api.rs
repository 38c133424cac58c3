//! A real Prometheus on loopback scrapes a recorded exposition; what its API says of it is what we read.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "helpers of tests, where a panic is a failure"
)]

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use satrail::metric::{Catalogue, Exposition, Format, Names, read_api, read_exposition};

/// Ends the Prometheus, also when a test fails.
struct Prometheus {
    child: Child,
    port: u16,
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A port that is free now; another process might take it first, then the test fails and says so.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

/// Serves each text as `/<its index>` for as long as the test runs.
fn serve(texts: Vec<String>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
            let request = lines.next().unwrap().unwrap_or_default();
            // The request's other headers end at a blank line.
            lines.find(|line| line.as_ref().map_or(true, String::is_empty));
            let index = request.split(['/', ' ']).nth(2).unwrap_or_default();
            let text = index.parse().ok().and_then(|at: usize| texts.get(at));
            let body = text.cloned().unwrap_or_default();
            let kind = "Content-Type: text/plain; version=0.0.4";
            let head = format!(
                "HTTP/1.1 200 OK\r\n{kind}\r\nContent-Length: {}\r\n",
                body.len()
            );
            let _ = stream.write_all(format!("{head}Connection: close\r\n\r\n{body}").as_bytes());
        }
    });
    port
}

fn start(directory: &Path, targets: u16, count: usize) -> Option<Prometheus> {
    let port = free_port();
    let mut config = "global: {scrape_interval: 1s}\nscrape_configs:\n".to_owned();
    for at in 0..count {
        let target = format!("127.0.0.1:{targets}");
        writeln!(config, "- job_name: 'job{at}'\n  metrics_path: /{at}").unwrap();
        writeln!(config, "  static_configs: [{{targets: ['{target}']}}]").unwrap();
    }
    fs::write(directory.join("prometheus.yml"), config).unwrap();
    let child = Command::new("prometheus")
        .arg(format!(
            "--config.file={}",
            directory.join("prometheus.yml").display()
        ))
        .arg(format!(
            "--storage.tsdb.path={}",
            directory.join("data").display()
        ))
        .arg(format!("--web.listen-address=127.0.0.1:{port}"))
        .stderr(Stdio::null())
        .spawn();
    if child.is_err() {
        println!("not tried: no prometheus; it is in Debian's package prometheus");
    }
    child.ok().map(|child| Prometheus { child, port })
}

impl Prometheus {
    /// The body of an answer; `None` while nobody listens.
    fn get(&self, path: &str) -> Option<Vec<u8>> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).ok()?;
        write!(stream, "GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n").ok()?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).ok()?;
        let body = answer.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
        Some(answer.split_off(body))
    }

    /// The answer read, once it holds at least `count` series.
    fn wait_for(&self, path: &str, count: usize) -> Exposition {
        let patience = Instant::now() + Duration::from_secs(60);
        loop {
            let body = self.get(path).unwrap_or_default();
            if let Ok(read) = read_api(&body, &|_| true, &mut Names::default())
                && read.samples().count() >= count
            {
                return read;
            }
            assert!(
                Instant::now() < patience,
                "{path}: {}",
                String::from_utf8_lossy(&body)
            );
            thread::sleep(Duration::from_millis(200));
        }
    }
}

/// `name{labels}` -> the bits of the value, all NaN being one; without what Prometheus adds.
fn samples(read: &Exposition) -> BTreeMap<String, u64> {
    let added = ["up", "scrape_"];
    let own = read
        .samples()
        .filter(|sample| added.iter().all(|name| !sample.name.starts_with(name)));
    own.map(|sample| {
        let labels = sample
            .labels
            .filtered(|name| name != "job" && name != "instance");
        let bits = if sample.value.is_nan() {
            f64::NAN
        } else {
            sample.value
        }
        .to_bits();
        (format!("{}{labels}", sample.name), bits)
    })
    .collect()
}

#[test]
fn its_answers_are_what_we_read() {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/metrics");
    let files: [PathBuf; 2] = [
        own.join("apiserver-20261122T042817Z.prom"),
        own.join("odd.prom"),
    ];
    // Samples with a time of their own, years ago, are not what an instant query finds; and of a blank
    // at the end of a line Prometheus is so afraid that it refuses the whole scrape.
    let left_out = ["395066363000", "-3982045", "indented"];
    let plain = |text: &String| -> String {
        let odd = |line: &&str| left_out.iter().any(|part| line.contains(part));
        let lines: Vec<_> = text.lines().filter(|line| !odd(line)).collect();
        lines.join("\n") + "\n"
    };
    let texts: Vec<_> = files
        .iter()
        .map(|path| plain(&fs::read_to_string(path).unwrap()))
        .collect();
    let directory = tempfile::tempdir().unwrap();
    let Some(prometheus) = start(directory.path(), serve(texts.clone()), texts.len()) else {
        return;
    };
    for (at, text) in texts.iter().enumerate() {
        let ours = read_exposition(
            text.as_bytes(),
            Format::Text,
            &|_| true,
            &mut Names::default(),
        );
        let ours = samples(&ours);
        let selector = format!("%7Bjob=%22job{at}%22%7D");
        let vector = format!("/api/v1/query?query={selector}");
        assert_eq!(
            samples(&prometheus.wait_for(&vector, ours.len() + 5)),
            ours,
            "{vector}"
        );
        let matrix = format!("/api/v1/query?query={selector}%5B60s%5D");
        assert_eq!(
            samples(&prometheus.wait_for(&matrix, ours.len() * 2)),
            ours,
            "{matrix}"
        );
        let series = format!("/api/v1/series?match%5B%5D={selector}");
        let names: Vec<_> = samples(&prometheus.wait_for(&series, ours.len()))
            .into_keys()
            .collect();
        assert_eq!(names, ours.into_keys().collect::<Vec<_>>(), "{series}");
    }
    let scalar = prometheus.wait_for("/api/v1/query?query=scalar(vector(4))", 1);
    assert_eq!(samples(&scalar)["scalar"], 4.0_f64.to_bits());
    let mut catalogue = Catalogue::default();
    catalogue
        .observe(&prometheus.wait_for("/api/v1/series?match%5B%5D=authentication_attempts", 1));
    assert!(!catalogue.get("authentication_attempts").unwrap().cumulative);
    catalogue.observe(&prometheus.wait_for("/api/v1/metadata", 0));
    assert!(catalogue.get("authentication_attempts").unwrap().cumulative);
}
