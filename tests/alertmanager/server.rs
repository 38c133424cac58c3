//! A server that does with each connection what it was told to, and remembers what it was asked.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

/// What a connection meets.
#[derive(Clone)]
pub(crate) enum Reply {
    /// An answer, whole, after the whole request.
    Answer(String),
    /// The whole request, and no answer.
    Hang,
    /// The head of the request, and then the end.
    CloseMidway,
    /// Half of an answer.
    HalfAnAnswer,
}

/// A request as it came.
#[derive(Debug, Clone, Default)]
pub(crate) struct Request {
    pub(crate) head: String,
    pub(crate) body: String,
}

pub(crate) struct Server {
    pub(crate) port: u16,
    asked: Arc<Mutex<Vec<Request>>>,
}

impl Server {
    /// Each connection meets the next reply; those after the last one meet the last one again.
    pub(crate) fn start(replies: Vec<Reply>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let noted = Arc::clone(&asked);
        thread::spawn(move || {
            let mut open = Vec::new();
            for (at, stream) in listener.incoming().enumerate() {
                let reply = &replies[at.min(replies.len() - 1)];
                open.extend(serve(stream.unwrap(), reply, &noted));
            }
        });
        Self { port, asked }
    }

    pub(crate) fn asked(&self) -> Vec<Request> {
        self.asked.lock().unwrap().clone()
    }
}

/// Returns a connection that is to stay open.
fn serve(stream: TcpStream, reply: &Reply, asked: &Mutex<Vec<Request>>) -> Option<TcpStream> {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut request = Request::default();
    while !request.head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut request.head).unwrap_or(0) == 0 {
            return None;
        }
    }
    if !matches!(reply, Reply::CloseMidway) {
        let lower = request.head.to_ascii_lowercase();
        let length = lower
            .lines()
            .find_map(|l| l.strip_prefix("content-length: "));
        let mut body = vec![0; length.map_or(0, |length| length.trim().parse().unwrap())];
        reader.read_exact(&mut body).unwrap();
        request.body = String::from_utf8(body).unwrap();
    }
    asked.lock().unwrap().push(request);
    let mut stream = stream;
    match reply {
        Reply::Answer(text) => _ = stream.write_all(text.as_bytes()),
        Reply::HalfAnAnswer => _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Le"),
        Reply::CloseMidway => {}
        Reply::Hang => return Some(stream),
    }
    None
}

/// An answer with `status`, such as `200 OK`, and headers, each with its line end.
pub(crate) fn answer(status: &str, headers: &str, body: &str) -> Reply {
    let length = body.len();
    Reply::Answer(format!(
        "HTTP/1.1 {status}\r\n{headers}Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    ))
}
