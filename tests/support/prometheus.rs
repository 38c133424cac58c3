//! A real Prometheus on loopback, and what it takes to talk to it; shared by tests.

use std::{
    ffi::OsStr,
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

/// What a test fails with where a component is missing.
const MISSING: &str =
    "is not installed: scripts/test installs Debian's package prometheus, which has it";

/// Ends the Prometheus, also when a test fails.
pub struct Prometheus {
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

/// Serves what `body` gives for each path, for as long as the test runs.
pub fn serve(body: impl Fn(&str) -> String + Send + 'static) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
            let request = lines.next().unwrap().unwrap_or_default();
            // The request's other headers end at a blank line.
            lines.find(|line| line.as_ref().map_or(true, String::is_empty));
            let body = body(request.split(' ').nth(1).unwrap_or_default());
            let kind = "Content-Type: text/plain; version=0.0.4";
            let length = body.len();
            let head = format!("HTTP/1.1 200 OK\r\n{kind}\r\nContent-Length: {length}\r\n");
            let _ = stream.write_all(format!("{head}Connection: close\r\n\r\n{body}").as_bytes());
        }
    });
    port
}

/// Runs promtool with `input` as its standard input.
pub fn promtool<A: AsRef<OsStr>>(arguments: &[A], input: &[u8]) -> Output {
    let child = Command::new("promtool")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = child.unwrap_or_else(|error| panic!("promtool {MISSING} ({error})"));
    let (mut stdin, input) = (child.stdin.take().unwrap(), input.to_vec());
    thread::spawn(move || stdin.write_all(&input));
    child.wait_with_output().unwrap()
}

impl Prometheus {
    /// Starts one with its data in `directory`/data, which may hold blocks already.
    pub fn start(directory: &Path, config: &str) -> Self {
        let file = directory.join("prometheus.yml");
        fs::write(&file, config).unwrap();
        let port = free_port();
        let child = Command::new("prometheus")
            .arg(format!("--config.file={}", file.display()))
            .arg(format!(
                "--storage.tsdb.path={}",
                directory.join("data").display()
            ))
            .arg("--storage.tsdb.retention.time=100y")
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .stderr(Stdio::null())
            .spawn();
        let child = child.unwrap_or_else(|error| panic!("prometheus {MISSING} ({error})"));
        Self { child, port }
    }

    /// The body of an answer; `None` while nobody listens.
    pub fn get(&self, path: &str) -> Option<Vec<u8>> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).ok()?;
        write!(stream, "GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n").ok()?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).ok()?;
        let body = answer.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
        Some(answer.split_off(body))
    }

    /// What `read` makes of an answer, once it makes something of it.
    pub fn wait_for<T>(&self, path: &str, read: impl Fn(&[u8]) -> Option<T>) -> T {
        let patience = Instant::now() + Duration::from_secs(60);
        loop {
            let body = self.get(path).unwrap_or_default();
            if let Some(found) = read(&body) {
                return found;
            }
            let told = String::from_utf8_lossy(&body);
            assert!(Instant::now() < patience, "{path}: {told}");
            thread::sleep(Duration::from_millis(200));
        }
    }
}

/// A query's text as it stands in a URL.
pub fn escaped(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'.' => char::from(byte).to_string(),
            byte => format!("%{byte:02X}"),
        })
        .collect()
}
