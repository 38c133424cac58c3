//! One line -> one [`Event`], borrowed from the chunk, or a [`BadLine`]; one record of any other form
//! ([`Dialect`]) -> the events in it, borrowed from what it was decoded into.
//!
//! The only place that knows a JSON library, and the only one that knows how kube-apiserver writes an
//! audit event (apiserver `pkg/apis/audit/v1/types.go`). Knows nothing of detectors.

mod value;
mod text;
mod object;
mod identity;
mod request;
mod token;
mod scan;
mod exact;
mod parse;
mod compact;
mod dialect;

pub use dialect::{About as DialectAbout, Dialect, Found, Skipped, Unwrapper};
pub use identity::{ServiceAccount, User};
pub use object::ObjectRef;
pub use parse::{Parser, resync};
pub use request::{Key, Standing};
pub use text::Text;
pub use token::{SecretOrigin, TokenKind};
pub use value::{Object, Value};

use crate::{finding::Timestamp, source::Origin};

/// One audit event: one stage of one request.
///
/// Everything is borrowed from the line. What most detectors read is taken apart already; the rest
/// (`groups`, `extra`, annotations, bodies) is kept as it stands and looked into on demand.
#[derive(Debug, Clone, Copy)]
pub struct Event<'a> {
    /// Where the line stands.
    pub origin: Origin,
    /// The form in which it came.
    pub dialect: Dialect,
    /// How much the audit policy lets the event say.
    pub level: Level,
    /// Chosen by the client if it sent an `Audit-ID` header: hostile, and no key by itself.
    pub audit_id: Text<'a>,
    /// Which of the request's stages this line is.
    pub stage: Stage,
    /// Path and query, as sent.
    pub request_uri: Text<'a>,
    /// A resource verb (`get list watch create update patch delete deletecollection proxy`), a
    /// lower-case HTTP method for other URLs, or empty for odd methods.
    pub verb: Text<'a>,
    /// Who authenticated; empty on a 401.
    pub user: User<'a>,
    /// As whom they acted, once that was allowed.
    pub impersonated_user: Option<User<'a>>,
    /// Addresses, the real peer last; everything before it is what the client claimed.
    pub source_ips: Value<'a>,
    /// What the client calls itself; empty if it said nothing. Hostile.
    pub user_agent: Text<'a>,
    /// The object, for resource requests.
    pub object: Option<ObjectRef<'a>>,
    /// The HTTP status; `None` before the response.
    pub code: Option<u16>,
    /// The whole of `responseStatus` (reason, message, details).
    pub status: Object<'a>,
    /// The body of the request, if the level has it: any JSON value, an array for a JSON patch.
    pub request_body: Option<Value<'a>>,
    /// The body of the response, if the level has it.
    pub response_body: Option<Value<'a>>,
    /// When the request arrived: the same on all stages of one request.
    pub received: Option<Timestamp>,
    /// When this stage was reached.
    pub stage_time: Option<Timestamp>,
    /// The audit annotations, string to string.
    pub annotations: Object<'a>,
}

impl<'a> Event<'a> {
    /// When the request arrived; when the stage was reached if the event does not say the former.
    #[must_use]
    pub fn time(&self) -> Option<Timestamp> {
        self.received.or(self.stage_time)
    }

    /// The ServiceAccount that authenticated, if one did.
    #[must_use]
    pub fn service_account(&self) -> Option<ServiceAccount<'a>> {
        self.user.service_account()
    }

    /// The address of the real peer: the last one. The others can be forged (FACTS 1.1). `None` where it was left out on
    /// the way here.
    #[must_use]
    pub fn peer(&self) -> Option<Text<'a>> {
        let address = self.source_ips.last_item()?.text()?;
        (!address.is_empty()).then_some(address)
    }

    /// The value of an audit annotation.
    #[must_use]
    pub fn annotation(&self, key: &str) -> Option<Text<'a>> {
        self.annotations.get(key)?.text()
    }

    /// Whether the request went through: no code, or one below 400.
    ///
    /// Code and not the authorization annotation, since an admission plugin may refuse what RBAC
    /// allowed (FACTS 10: a 403 with decision `allow` exists).
    #[must_use]
    pub fn succeeded(&self) -> bool {
        self.code.is_none_or(|code| code < 400)
    }

    /// Whether the request was refused: 401, 403, or an authorization decision of `forbid`.
    #[must_use]
    pub fn refused(&self) -> bool {
        self.refused_if(|| {
            self.annotation("authorization.k8s.io/decision")
                .is_some_and(|d| d == "forbid")
        })
    }

    /// [`Event::refused`], for whoever knows already what the annotation says: `forbid` is asked if it matters.
    pub(crate) fn refused_if(&self, forbid: impl FnOnce() -> bool) -> bool {
        match self.code {
            Some(401 | 403) => true,
            // Went through, whatever the annotation says; nearly all do.
            Some(..=399) => false,
            _ => forbid(),
        }
    }

    /// Whether kube-apiserver cut the user agent off: at 1,024 bytes, and said so (apiserver
    /// `pkg/audit/request.go`).
    #[must_use]
    pub fn has_cut_user_agent(&self) -> bool {
        self.user_agent.literal().len() > 1024 && self.user_agent.read().ends_with("...TRUNCATED")
    }

    /// Whether a body is a string, which no Kubernetes object is: a shipper put it there instead.
    #[must_use]
    pub fn has_placeholder(&self) -> bool {
        let bodies = [self.request_body, self.response_body];
        bodies
            .iter()
            .flatten()
            .any(|body| body.json().starts_with('"'))
    }

    /// How long the server took, in microseconds: from the arrival to this stage. Below zero where the clock
    /// was set back meanwhile.
    #[must_use]
    pub fn duration(&self) -> Option<i64> {
        let (end, start) = (self.stage_time?, self.received?);
        Some(end.micros().saturating_sub(start.micros()))
    }

    /// Whether the object is of the core group's `resource`, and no subresource of it.
    #[must_use]
    pub fn is_core(&self, resource: &str) -> bool {
        self.object.is_some_and(|object| {
            object.resource == resource && object.group.is_empty() && object.subresource.is_empty()
        })
    }
}

/// How much an event says (`level`).
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
pub enum Level {
    /// Never logged by kube-apiserver; here for logs that were filled in by others.
    None,
    /// Who, what, when; no bodies.
    Metadata,
    /// The request's body as well.
    Request,
    /// Both bodies.
    RequestResponse,
    /// A level that audit.k8s.io/v1 does not have (ViaQ overwrites it, for example).
    Other,
}

/// Which stage of a request an event reports (`stage`).
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
pub enum Stage {
    /// The request arrived.
    RequestReceived,
    /// Headers are sent, the body is still to come: watches, exec, and every 401.
    ResponseStarted,
    /// The response is complete.
    ResponseComplete,
    /// The handler panicked.
    Panic,
}

impl Level {
    /// The level of that name.
    fn from_name(name: &str) -> Self {
        match name {
            "None" => Self::None,
            "Metadata" => Self::Metadata,
            "Request" => Self::Request,
            "RequestResponse" => Self::RequestResponse,
            _ => Self::Other,
        }
    }

    /// The name in the log.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "None",
            Self::Metadata => "Metadata",
            Self::Request => "Request",
            Self::RequestResponse => "RequestResponse",
            Self::Other => "other",
        }
    }
}

impl Stage {
    /// The stage of that name.
    fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "RequestReceived" => Self::RequestReceived,
            "ResponseStarted" => Self::ResponseStarted,
            "ResponseComplete" => Self::ResponseComplete,
            "Panic" => Self::Panic,
            _ => return None,
        })
    }

    /// The name in the log.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RequestReceived => "RequestReceived",
            Self::ResponseStarted => "ResponseStarted",
            Self::ResponseComplete => "ResponseComplete",
            Self::Panic => "Panic",
        }
    }
}

/// A line that is no audit event. Data, not an error: the run goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadLine {
    /// Where it stands.
    pub origin: Origin,
    /// What is wrong with it, without the line's own text.
    pub why: String,
}
