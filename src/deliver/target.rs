//! Where an Alertmanager is, and how it knows us.

use std::fmt;

use base64ct::{Base64, Encoding};
use ureq::{
    http::Uri,
    tls::{Certificate, PemItem, RootCerts, parse_pem},
};

/// What every Alertmanager since 0.16 has its alerts posted to.
const ALERTS: &str = "api/v2/alerts";

/// An Alertmanager: its address, and what it is shown to know us by.
#[derive(Clone)]
pub struct Alertmanager {
    /// Where alerts are posted to, without user name and password: this may be printed.
    pub(super) url: String,
    /// The value of the header `Authorization`.
    pub(super) authorization: Option<String>,
    /// Whom to trust with https.
    pub(super) roots: RootCerts,
}

/// Why what was named is no Alertmanager. Says nothing that is secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// The address is none.
    #[error("the address of the Alertmanager {0}")]
    Address(&'static str),
    /// Both ways to say who we are.
    #[error(
        "the address of the Alertmanager has a user name, and there is a token as well: use one of them"
    )]
    TwoCredentials,
    /// The token cannot stand in a header.
    #[error("the token for the Alertmanager is empty or not one line of ASCII text")]
    Token,
    /// The certificates cannot be used.
    #[error("the certificates for the Alertmanager: {0}")]
    Certificates(String),
}

impl Alertmanager {
    /// The Alertmanager at `url`, such as `https://user:password@host:9093/prefix`.
    ///
    /// `token` is a bearer token, as its file has it: white space around it does not count. `authorities` are the
    /// certificates in PEM that alone are trusted with https; without them, those that Mozilla trusts.
    pub fn new(
        url: &str,
        token: Option<&str>,
        authorities: Option<&[u8]>,
    ) -> Result<Self, TargetError> {
        let (url, credentials) = address(url)?;
        let authorization = match (credentials, token) {
            (Some(_), Some(_)) => return Err(TargetError::TwoCredentials),
            (Some(credentials), None) => {
                let credentials = Base64::encode_string(&credentials);
                Some(format!("Basic {credentials}"))
            }
            (None, Some(token)) => {
                let token = token.trim();
                if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
                    return Err(TargetError::Token);
                }
                Some(format!("Bearer {token}"))
            }
            (None, None) => None,
        };
        let roots = authorities.map_or(Ok(RootCerts::WebPki), certificates)?;
        Ok(Self {
            url,
            authorization,
            roots,
        })
    }

    /// Its address, without what is secret.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }
}

/// Without what is secret.
impl fmt::Debug for Alertmanager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Alertmanager")
            .field("url", &self.url)
            .field("authorization", &self.authorization.as_ref().map(|_| ".."))
            .finish_non_exhaustive()
    }
}

/// Where to post to, and `user:password`, percent signs undone.
fn address(text: &str) -> Result<(String, Option<Vec<u8>>), TargetError> {
    let no = TargetError::Address;
    // The crate http would let a fragment fall silently.
    if text.contains(['?', '#']) {
        return Err(no("has a '?' or '#', which has no place in it"));
    }
    let uri: Uri = text.parse().map_err(|_| no("is no URL"))?;
    let scheme = uri.scheme_str().unwrap_or_default();
    if !["http", "https"].contains(&scheme) {
        return Err(no("begins with neither http:// nor https://"));
    }
    let authority = uri.authority().ok_or(no("has no host"))?.as_str();
    // Passwords may have an '@' in them, hosts never.
    let (credentials, host) = match authority.rsplit_once('@') {
        Some((credentials, host)) => (Some(credentials), host),
        None => (None, authority),
    };
    if uri.host().unwrap_or_default().is_empty() {
        return Err(no("has no host"));
    }
    let path = uri.path().trim_end_matches('/');
    let prefix = path.strip_suffix(ALERTS).unwrap_or(path);
    let prefix = prefix.trim_end_matches('/');
    let credentials = credentials.map(|text| percent_encoding::percent_decode_str(text).collect());
    Ok((format!("{scheme}://{host}{prefix}/{ALERTS}"), credentials))
}

fn certificates(pem: &[u8]) -> Result<RootCerts, TargetError> {
    let mut found: Vec<Certificate<'static>> = Vec::new();
    for item in parse_pem(pem) {
        match item {
            Ok(PemItem::Certificate(certificate)) => found.push(certificate),
            Ok(_) => {}
            Err(error) => return Err(TargetError::Certificates(error.to_string())),
        }
    }
    if found.is_empty() {
        return Err(TargetError::Certificates(
            "there is no PEM certificate among them".to_owned(),
        ));
    }
    Ok(found.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn urls(text: &str) -> Result<(String, Option<String>), TargetError> {
        let (url, credentials) = address(text)?;
        Ok((
            url,
            credentials.map(|bytes| String::from_utf8(bytes).unwrap()),
        ))
    }

    #[test]
    fn addresses_are_taken_apart() {
        for (text, url, credentials) in [
            ("http://am:9093", "http://am:9093/api/v2/alerts", None),
            ("http://am:9093/", "http://am:9093/api/v2/alerts", None),
            ("https://am/x/y/", "https://am/x/y/api/v2/alerts", None),
            ("http://am/api/v2/alerts", "http://am/api/v2/alerts", None),
            ("http://[::1]:9093", "http://[::1]:9093/api/v2/alerts", None),
            (
                "https://u:p%40ss%2F@am:1/x",
                "https://am:1/x/api/v2/alerts",
                Some("u:p@ss/"),
            ),
        ] {
            let found = urls(text).unwrap();
            assert_eq!(found, (url.to_owned(), credentials.map(str::to_owned)));
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in [
            "",
            "am:9093",
            "/x",
            "ftp://am",
            "http://",
            "http://?x",
            "http://am?x=1",
            "http://am#x",
            "http:///x",
            "http://a b",
            "http://u:p@",
            "unix:///run/x",
        ] {
            assert!(urls(text).is_err(), "{text}");
        }
    }

    #[test]
    fn nothing_secret_is_shown() {
        let one = Alertmanager::new("http://me:secret@am", None, None).unwrap();
        assert_eq!(one.authorization.as_deref(), Some("Basic bWU6c2VjcmV0"));
        let two = Alertmanager::new("http://am", Some(" secret\n"), None).unwrap();
        assert_eq!(two.authorization.as_deref(), Some("Bearer secret"));
        for target in [one, two] {
            let told = format!("{target:?} {}", target.url());
            assert!(told.contains("am") && !told.contains("secret"), "{told}");
            assert!(!told.contains("bWU6"), "{told}");
        }
        for error in [
            Alertmanager::new("http://me:secret@a b", None, None).unwrap_err(),
            Alertmanager::new("http://me:secret@am", Some("secret"), None).unwrap_err(),
            Alertmanager::new("http://am", Some("sec ret"), None).unwrap_err(),
            Alertmanager::new("http://am", Some(" \n"), None).unwrap_err(),
            Alertmanager::new("https://am", None, Some(b"no certificate")).unwrap_err(),
        ] {
            assert!(!error.to_string().contains("secret"), "{error}");
        }
    }
}
