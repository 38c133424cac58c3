//! Servers that refuse, hang, break, lie, or come back after a while.

use std::{
    net::TcpListener,
    time::{Duration, Instant},
};

use satrail::deliver::{Alertmanager, Patience, PostError, Posted, post};

use crate::server::{Reply, Server, answer};

/// A tenth of a second for a try, and two seconds for all: on a busy machine only an answer that never comes is
/// late, since each test that needs one gets [`LONG`].
const SHORT: Patience = Patience {
    in_all: Duration::from_secs(2),
    one_try: Duration::from_millis(100),
    first_pause: Duration::from_millis(1),
    longest_pause: Duration::from_millis(4),
};

const LONG: Patience = Patience {
    in_all: Duration::from_secs(120),
    one_try: Duration::from_secs(60),
    ..SHORT
};

fn send(port: u16, bodies: &[&str], patience: Patience) -> Result<Posted, PostError> {
    let url = format!("http://me:secret@127.0.0.1:{port}/prefix/");
    let target = Alertmanager::new(&url, None, None).unwrap();
    let bodies: Vec<_> = bodies.iter().map(|body| body.as_bytes().to_vec()).collect();
    let result = post(&target, &bodies, patience);
    if let Err(error) = &result {
        let told = format!("{error} {error:?}");
        assert!(!told.contains("secret") && !told.contains("bWU6"), "{told}");
        assert!(told.contains(&format!("127.0.0.1:{port}")), "{told}");
    }
    result
}

fn ok() -> Reply {
    answer("200 OK", "", "")
}

#[test]
fn a_request_is_what_the_api_expects() {
    let server = Server::start(vec![ok()]);
    let posted = send(server.port, &["[1]", "[2]"], LONG).unwrap();
    assert_eq!(
        posted,
        Posted {
            requests: 2,
            tries: 2
        }
    );
    let asked = server.asked();
    assert_eq!(asked.len(), 2);
    let head = asked[0].head.to_ascii_lowercase();
    assert!(
        head.starts_with("post /prefix/api/v2/alerts http/1.1\r\n"),
        "{head}"
    );
    assert!(
        head.contains("content-type: application/json\r\n"),
        "{head}"
    );
    // me:secret
    assert!(asked[0].head.contains("Basic bWU6c2VjcmV0"), "{head}");
    assert_eq!([&*asked[0].body, &*asked[1].body], ["[1]", "[2]"]);
}

#[test]
fn a_token_is_shown() {
    let server = Server::start(vec![ok()]);
    let url = format!("http://127.0.0.1:{}", server.port);
    let target = Alertmanager::new(&url, Some("t0ken\n"), None).unwrap();
    post(&target, &[b"[]".to_vec()], LONG).unwrap();
    assert!(server.asked()[0].head.contains("Bearer t0ken\r\n"));
}

#[test]
fn what_may_mend_itself_is_tried_again() {
    for broken in [
        answer("500 Internal Server Error", "", "oops"),
        answer("503 Service Unavailable", "Retry-After: 0\r\n", ""),
        answer("429 Too Many Requests", "", ""),
        Reply::CloseMidway,
        Reply::HalfAnAnswer,
        Reply::Answer("no HTTP at all\r\n\r\n".to_owned()),
    ] {
        let server = Server::start(vec![broken.clone(), broken, ok()]);
        let posted = send(server.port, &["[1]"], LONG).unwrap();
        assert_eq!(
            posted,
            Posted {
                requests: 1,
                tries: 3
            }
        );
        assert_eq!(server.asked()[2].body, "[1]");
    }
}

#[test]
fn what_is_refused_is_not_asked_again_and_holds_up_nobody() {
    let refusal = answer("400 Bad Request", "", "invalid label set");
    let server = Server::start(vec![refusal, ok()]);
    let error = send(server.port, &["[1]", "[2]"], LONG).unwrap_err();
    assert_eq!(
        error.posted,
        Posted {
            requests: 1,
            tries: 2
        }
    );
    assert_eq!(error.requests, 2);
    let told = error.to_string();
    let expected =
        "answered 400 Bad Request: invalid label set (1 of 2 requests failed in 2 attempts)";
    assert!(told.ends_with(expected), "{told}");
}

#[test]
fn a_redirect_is_not_followed() {
    let other = Server::start(vec![ok()]);
    for status in [
        "301 Moved Permanently",
        "302 Found",
        "307 Temporary Redirect",
        "308 Permanent Redirect",
    ] {
        let location = format!("Location: http://127.0.0.1:{}/\r\n", other.port);
        let server = Server::start(vec![answer(status, &location, "")]);
        let error = send(server.port, &["[1]"], LONG).unwrap_err();
        assert!(error.why.contains("not followed"), "{error}");
        assert_eq!(error.posted.tries, 1);
    }
    assert!(other.asked().is_empty());
}

#[test]
fn nobody_there_is_said_in_bounded_time() {
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let error = send(port, &["[1]", "[2]"], SHORT).unwrap_err();
    assert!(
        error.posted.tries > 1 && error.posted.requests == 0,
        "{error}"
    );
    assert!(error.why.to_lowercase().contains("refused"), "{error}");
}

#[test]
fn a_server_that_hangs_costs_a_bounded_time() {
    let server = Server::start(vec![Reply::Hang]);
    let start = Instant::now();
    let error = send(server.port, &["[1]", "[2]"], SHORT).unwrap_err();
    assert_eq!(error.why, "no answer in time");
    assert!(error.posted.tries > 1, "{error}");
    // Generous: the machine may be busy. Without a limit this would be for ever.
    assert!(start.elapsed() < Duration::from_secs(30), "{error}");
}

#[test]
fn a_server_that_wants_too_long_a_pause_is_left_alone() {
    let throttled = answer("429 Too Many Requests", "Retry-After: 3600\r\n", "");
    let server = Server::start(vec![throttled]);
    let error = send(server.port, &["[1]", "[2]"], LONG).unwrap_err();
    assert_eq!(error.posted.tries, 1);
    assert_eq!(server.asked().len(), 1);
}

#[test]
fn an_endless_answer_is_cut() {
    let server = Server::start(vec![answer("400 Bad Request", "", &"x".repeat(5_000_000))]);
    let error = send(server.port, &["[1]"], LONG).unwrap_err();
    assert!(error.why.len() < 1_000, "{}", error.why.len());
}

#[test]
fn https_without_tls_behind_it_is_an_error() {
    let server = Server::start(vec![ok()]);
    let url = format!("https://127.0.0.1:{}", server.port);
    let target = Alertmanager::new(&url, None, None).unwrap();
    assert!(post(&target, &[b"[]".to_vec()], SHORT).is_err());
}
