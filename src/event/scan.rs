//! The fast path: takes an event apart without reading what nobody asks for.
//!
//! It expects the members in the order in which kube-apiserver writes them (that of the Go struct,
//! apiserver `pkg/apis/audit/v1/types.go`) and compares whole keys at once; at the first surprise it
//! goes on member by member, in any order. Nested values are skipped 64 bytes at a time and kept
//! as text.
//!
//! It answers only when it is certain, and leaves everything else to the exact path: escapes in keys
//! and in names that are compared (user name, verb, resource ...), duplicate keys, unexpected
//! types, text after the event. Of a value that it keeps or skips as text, it checks what finding
//! the end takes ([`simd::nested_end`]), so a line is accepted in spite of a wrong escape, a
//! misspelt `null`, a missing comma or a bracket of the other kind *inside* such a value.
//! Half a line with the next event glued to it is not: there the quote that opens the next event's
//! first key closes a string (or the brackets do not add up).

mod block;
mod members;
pub(super) mod simd;
mod swar;

use crate::{finding::Timestamp, source::Origin};

use super::{Dialect, Event, Level, Object, Stage, Text, User, Value};

/// What a log line of kube-apiserver starts with, always.
const HEADER: &[u8; 54] = br#"{"kind":"Event","apiVersion":"audit.k8s.io/v1","level""#;

/// The event in `line`, or `None` if the exact path must have a look.
#[inline]
pub(super) fn scan(line: &str, origin: Origin) -> Option<Event<'_>> {
    let mut scanner = Scanner {
        text: line,
        bytes: line.as_bytes(),
        at: 0,
    };
    let mut draft = Draft::new(origin);
    scanner.event(&mut draft)?;
    scanner.space();
    if scanner.at != line.len() {
        return None;
    }
    let needed = draft.seen & (Member::Kind.bit() | Member::AuditId.bit());
    (needed != 0 && draft.seen & Member::Stage.bit() != 0).then_some(draft.event)
}

/// An event in the making.
struct Draft<'a> {
    event: Event<'a>,
    /// The members that were there, one bit each.
    seen: u32,
}

impl Draft<'_> {
    fn new(origin: Origin) -> Self {
        let event = Event {
            origin,
            dialect: Dialect::Plain,
            level: Level::Other,
            audit_id: Text::default(),
            stage: Stage::RequestReceived,
            request_uri: Text::default(),
            verb: Text::default(),
            user: User::default(),
            impersonated_user: None,
            source_ips: Value::default(),
            user_agent: Text::default(),
            object: None,
            code: None,
            status: Object::default(),
            request_body: None,
            response_body: None,
            received: None,
            stage_time: None,
            annotations: Object::default(),
        };
        Self { event, seen: 0 }
    }
}

/// A member of the event.
#[derive(Clone, Copy)]
enum Member {
    Kind,
    ApiVersion,
    Level,
    AuditId,
    Stage,
    RequestUri,
    Verb,
    User,
    ImpersonatedUser,
    SourceIps,
    UserAgent,
    ObjectRef,
    ResponseStatus,
    RequestObject,
    ResponseObject,
    RequestReceivedTimestamp,
    StageTimestamp,
    Annotations,
}

impl Member {
    const fn bit(self) -> u32 {
        1 << self as u32
    }

    fn from_key(key: &str) -> Option<Self> {
        Some(match key {
            "kind" => Self::Kind,
            "apiVersion" => Self::ApiVersion,
            "level" => Self::Level,
            "auditID" => Self::AuditId,
            "stage" => Self::Stage,
            "requestURI" => Self::RequestUri,
            "verb" => Self::Verb,
            "user" => Self::User,
            "impersonatedUser" => Self::ImpersonatedUser,
            "sourceIPs" => Self::SourceIps,
            "userAgent" => Self::UserAgent,
            "objectRef" => Self::ObjectRef,
            "responseStatus" => Self::ResponseStatus,
            "requestObject" => Self::RequestObject,
            "responseObject" => Self::ResponseObject,
            "requestReceivedTimestamp" => Self::RequestReceivedTimestamp,
            "stageTimestamp" => Self::StageTimestamp,
            "annotations" => Self::Annotations,
            _ => return None,
        })
    }
}

/// A place in a line. Every method moves it over what it read, or returns `None`: not certain.
struct Scanner<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Scanner<'a> {
    /// The whole object.
    #[inline]
    fn event(&mut self, draft: &mut Draft<'a>) -> Option<()> {
        if self.take(HEADER) {
            draft.seen |= Member::Kind.bit() | Member::ApiVersion.bit();
            self.at -= br#""level""#.len();
            if self.in_order(draft)? {
                return Some(());
            }
        } else {
            self.space();
            if !self.take(b"{") {
                return None;
            }
            self.space();
            if self.take(b"}") {
                return None;
            }
        }
        self.in_any_order(draft)
    }

    /// Members in kube-apiserver's order, each of which may be absent. Whether the object ended.
    #[inline]
    fn in_order(&mut self, draft: &mut Draft<'a>) -> Option<bool> {
        macro_rules! members {
            ($($key:literal $member:ident)*) => {
                $(if self.take($key) {
                    self.member(Member::$member, draft)?;
                    if !self.take(b",") {
                        return self.take(b"}").then_some(true);
                    }
                })*
            };
        }
        members! {
            b"\"level\":" Level
            b"\"auditID\":" AuditId
            b"\"stage\":" Stage
            b"\"requestURI\":" RequestUri
            b"\"verb\":" Verb
            b"\"user\":" User
            b"\"impersonatedUser\":" ImpersonatedUser
        }
        if self.take(b"\"authenticationMetadata\":") {
            self.skip()?;
            if !self.take(b",") {
                return self.take(b"}").then_some(true);
            }
        }
        members! {
            b"\"sourceIPs\":" SourceIps
            b"\"userAgent\":" UserAgent
            b"\"objectRef\":" ObjectRef
            b"\"responseStatus\":" ResponseStatus
            b"\"requestObject\":" RequestObject
            b"\"responseObject\":" ResponseObject
            b"\"requestReceivedTimestamp\":" RequestReceivedTimestamp
            b"\"stageTimestamp\":" StageTimestamp
            b"\"annotations\":" Annotations
        }
        Some(false)
    }

    /// The members from here on, whatever they are, up to the end of the object.
    #[cold]
    fn in_any_order(&mut self, draft: &mut Draft<'a>) -> Option<()> {
        loop {
            match Member::from_key(self.key()?) {
                Some(member) => self.member(member, draft)?,
                None => self.skip()?,
            }
            if !self.more()? {
                return Some(());
            }
        }
    }

    /// The value of a member, once.
    #[inline]
    fn member(&mut self, member: Member, draft: &mut Draft<'a>) -> Option<()> {
        if draft.seen & member.bit() != 0 {
            return None;
        }
        draft.seen |= member.bit();
        let event = &mut draft.event;
        match member {
            Member::Kind => return self.take(b"\"Event\"").then_some(()),
            Member::ApiVersion => return self.string().map(drop),
            Member::Level => event.level = self.level()?,
            Member::AuditId => event.audit_id = self.string()?,
            Member::Stage => event.stage = self.stage()?,
            Member::RequestUri => event.request_uri = self.string()?,
            Member::Verb => event.verb = self.name()?,
            Member::User => event.user = self.user()?,
            Member::ImpersonatedUser => event.impersonated_user = Some(self.user()?),
            Member::SourceIps => event.source_ips = self.source_ips()?,
            Member::UserAgent => event.user_agent = self.string()?,
            Member::ObjectRef => event.object = Some(self.object_ref()?),
            Member::ResponseStatus => (event.status, event.code) = self.status()?,
            Member::RequestObject => event.request_body = self.body()?,
            Member::ResponseObject => event.response_body = self.body()?,
            Member::RequestReceivedTimestamp => event.received = self.time()?,
            Member::StageTimestamp => event.stage_time = self.time()?,
            Member::Annotations => event.annotations = self.object()?,
        }
        Some(())
    }

    fn level(&mut self) -> Option<Level> {
        let name = self.name()?;
        Some(Level::from_name(name.as_plain()?))
    }

    fn stage(&mut self) -> Option<Stage> {
        Stage::from_name(self.name()?.as_plain()?)
    }

    /// A time, or `null`. What is no time is read as none, as the exact path does.
    #[expect(clippy::option_option, reason = "not certain; no time; a time")]
    fn time(&mut self) -> Option<Option<Timestamp>> {
        if self.take(b"null") {
            return Some(None);
        }
        Some(Timestamp::parse(self.name()?.as_plain()?))
    }

    #[expect(clippy::option_option, reason = "not certain; no body; a body")]
    fn body(&mut self) -> Option<Option<Value<'a>>> {
        let start = self.at;
        self.skip()?;
        let text = self.text.get(start..self.at)?;
        Some((text != "null").then(|| Value::from_text(text)))
    }
}
