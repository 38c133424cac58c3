//! Posting, and trying again where that may help.
//!
//! A request that failed on the way, was throttled (429) or met a broken server (5xx) is tried again, with longer
//! and longer pauses, within a time for all of them together. Any other refusal stays one, however often it is asked.
//! Alerts are known by their labels, so one that arrives twice does no harm.

use std::{
    fmt,
    io::{self, Read},
    thread,
    time::{Duration, Instant},
};

use ureq::{
    Agent, Body,
    config::RedirectAuthHeaders,
    http::{Response, StatusCode},
    tls::TlsConfig,
};

use super::Alertmanager;

/// How much of an answer is read, in bytes: enough to say what was wrong.
const MOST_ANSWER: u64 = 500;

/// For how long to try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// For everything together, pauses included.
    pub in_all: Duration,
    /// For one try, from the name's look-up to the last byte of the answer.
    pub one_try: Duration,
    /// The first pause; each further one is twice as long.
    pub first_pause: Duration,
    /// The longest pause.
    pub longest_pause: Duration,
}

/// Two minutes of outage, such as a restart, are bridged by the next run; half a minute is by this one.
impl Default for Patience {
    fn default() -> Self {
        Self {
            in_all: Duration::from_secs(45),
            one_try: Duration::from_secs(10),
            first_pause: Duration::from_millis(500),
            longest_pause: Duration::from_secs(8),
        }
    }
}

/// What arrived.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Posted {
    /// Requests that were answered with success.
    pub requests: usize,
    /// How many were sent for that.
    pub tries: usize,
}

/// What did not arrive.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct PostError {
    /// Where to.
    pub url: String,
    /// What arrived all the same.
    pub posted: Posted,
    /// How many requests were to be sent.
    pub requests: usize,
    /// Why the first of those that failed did. May hold words of the server.
    pub why: String,
}

/// Says nothing that is secret.
impl fmt::Display for PostError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (url, why, tries) = (&self.url, &self.why, self.posted.tries);
        let failed = self.requests - self.posted.requests;
        let s = |count| if count == 1 { "" } else { "s" };
        write!(
            f,
            "{url}: {why} ({failed} of {} request{}",
            self.requests,
            s(self.requests)
        )?;
        write!(f, " failed in {tries} attempt{})", s(tries))
    }
}

/// Posts each body. Returns when all have arrived, or with an error when no time is left.
///
/// A body that is refused for good does not keep the others from being posted.
pub fn post(
    target: &Alertmanager,
    bodies: &[Vec<u8>],
    patience: Patience,
) -> Result<Posted, PostError> {
    let agent = agent(target);
    let deadline = Instant::now() + patience.in_all;
    let mut posted = Posted::default();
    let mut why = None;
    for body in bodies {
        let end = insist(
            &agent,
            target,
            body,
            (patience, deadline),
            &mut posted.tries,
        );
        match end {
            End::Arrived => posted.requests += 1,
            End::Refused(reason) => _ = why.get_or_insert(reason),
            End::OutOfTime(reason) => {
                why.get_or_insert(reason);
                break;
            }
        }
    }
    match why {
        None => Ok(posted),
        Some(why) => Err(PostError {
            url: target.url.clone(),
            posted,
            requests: bodies.len(),
            why,
        }),
    }
}

/// Goes to the one server and nowhere else: no proxy that the environment names, no redirect.
fn agent(target: &Alertmanager) -> Agent {
    let tls = TlsConfig::builder().root_certs(target.roots.clone());
    let config = Agent::config_builder()
        .tls_config(tls.build())
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .redirect_auth_headers(RedirectAuthHeaders::Never)
        .proxy(None)
        .user_agent(concat!("satrail/", env!("CARGO_PKG_VERSION")));
    config.build().into()
}

/// What a try ends with that took too long.
const LATE: &str = "no answer in time";

/// How it ended with one body.
enum End {
    Arrived,
    Refused(String),
    OutOfTime(String),
}

fn insist(
    agent: &Agent,
    target: &Alertmanager,
    body: &[u8],
    (patience, deadline): (Patience, Instant),
    tries: &mut usize,
) -> End {
    let mut pause = patience.first_pause;
    let mut last = None;
    let out_of_time = |last: Option<String>| {
        End::OutOfTime(last.unwrap_or_else(|| "there was no time left to try".to_owned()))
    };
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return out_of_time(last);
        }
        *tries += 1;
        match attempt(agent, target, body, patience.one_try.min(left)) {
            Outcome::Arrived => return End::Arrived,
            Outcome::Refused(why) => return End::Refused(why),
            Outcome::Failed { why, retry_after } => {
                // A try that our own deadline cut short says less than the one before it.
                let is_cut = left < patience.one_try && why == LATE;
                if !is_cut || last.is_none() {
                    last = Some(why);
                }
                let wait = retry_after.map_or(pause, |asked| asked.max(pause));
                // A server that asks for more time than there is has said when to come: at the next run.
                if deadline.saturating_duration_since(Instant::now()) <= wait {
                    return out_of_time(last);
                }
                thread::sleep(wait);
                pause = (pause * 2).min(patience.longest_pause);
            }
        }
    }
}

/// How one try ended.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    Arrived,
    /// The same would come of it again.
    Refused(String),
    /// The next try may go better.
    Failed {
        why: String,
        retry_after: Option<Duration>,
    },
}

fn attempt(agent: &Agent, target: &Alertmanager, body: &[u8], within: Duration) -> Outcome {
    let request = agent
        .post(&target.url)
        .config()
        .timeout_global(Some(within))
        .build()
        .content_type("application/json");
    let request = match &target.authorization {
        Some(authorization) => request.header("Authorization", authorization),
        None => request,
    };
    match request.send(body) {
        Ok(answer) => judge(answer),
        Err(error) => fate(&error),
    }
}

fn judge(mut answer: Response<Body>) -> Outcome {
    let status = answer.status();
    if status.is_success() {
        return Outcome::Arrived;
    }
    if status.is_redirection() {
        let location = answer.headers().get("location");
        let location = location.and_then(|value| value.to_str().ok());
        return Outcome::Refused(format!(
            "answered {status}, which is not followed: {}",
            location.map_or(
                "it does not say where to",
                |_| "name the address that it leads to"
            )
        ));
    }
    let again = status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error();
    let retry_after = answer.headers().get("retry-after");
    let retry_after = retry_after.and_then(|value| value.to_str().ok()?.trim().parse().ok());
    let mut words = Vec::new();
    // What could be read is told; that the rest could not is no matter any more.
    let _ = (answer.body_mut().as_reader())
        .take(MOST_ANSWER)
        .read_to_end(&mut words);
    let words = String::from_utf8_lossy(&words);
    let why = match words.trim() {
        "" => format!("answered {status}"),
        words => format!("answered {status}: {words}"),
    };
    if again {
        Outcome::Failed {
            why,
            retry_after: retry_after.map(Duration::from_secs),
        }
    } else {
        Outcome::Refused(why)
    }
}

/// Whether an error may be another one the next time. The address is left out of its text: ours is shown instead.
fn fate(error: &ureq::Error) -> Outcome {
    use io::ErrorKind::{InvalidData, InvalidInput};
    let why = match error {
        ureq::Error::Timeout(_) => LATE.to_owned(),
        ureq::Error::HostNotFound => "no such host".to_owned(),
        // With https: not the certificate that is trusted, or no TLS at all.
        ureq::Error::Io(error) if [InvalidData, InvalidInput].contains(&error.kind()) => {
            return Outcome::Refused(error.to_string());
        }
        ureq::Error::Io(error) => error.to_string(),
        ureq::Error::Protocol(error) => format!("no HTTP answer: {error}"),
        ureq::Error::ConnectionFailed => "no connection".to_owned(),
        ureq::Error::BadUri(_) | ureq::Error::Http(_) => {
            return Outcome::Refused("the address cannot be asked".to_owned());
        }
        other => return Outcome::Refused(other.to_string()),
    };
    Outcome::Failed {
        why,
        retry_after: None,
    }
}
