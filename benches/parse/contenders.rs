//! The same questions, asked through each library.

use std::{borrow::Cow, collections::BTreeMap};

use memchr::{memchr, memchr_iter};
use satrail::{
    event::{Event, Parser},
    finding::Timestamp,
    source::Origin,
};
use serde::Deserialize;
use simd_json::prelude::*;

const LEGACY: &str = "authentication.k8s.io/legacy-token";

/// What is asked: something of every field that detectors read on every event.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Answer {
    verbs: BTreeMap<String, u64>,
    by_accounts: u64,
    secret_lists: u64,
    denied: u64,
    legacy: u64,
    panics: u64,
    /// Lengths of what a client chose: audit ID, URI, user agent, names.
    lengths: usize,
    micros: i64,
}

/// One event's share.
struct Facts<'a> {
    stage: &'a str,
    verb: &'a str,
    user: &'a str,
    resource: &'a str,
    code: u16,
    legacy: bool,
    lengths: usize,
    received: Option<Timestamp>,
    stage_time: Option<Timestamp>,
}

impl Answer {
    fn add(&mut self, facts: &Facts<'_>) {
        if let Some(count) = self.verbs.get_mut(facts.verb) {
            *count += 1;
        } else {
            self.verbs.insert(facts.verb.to_owned(), 1);
        }
        let account = facts.user.starts_with("system:serviceaccount:");
        self.by_accounts += u64::from(account);
        let listed = account && facts.verb == "list" && facts.resource == "secrets";
        self.secret_lists += u64::from(listed);
        self.denied += u64::from(facts.code == 403);
        self.legacy += u64::from(facts.legacy);
        self.panics += u64::from(facts.stage == "Panic");
        self.lengths += facts.lengths;
        for time in [facts.received, facts.stage_time].into_iter().flatten() {
            self.micros = self.micros.wrapping_add(time.micros());
        }
    }
}

/// The floor: nothing can read lines faster than their ends are found.
pub(crate) fn newlines(log: &[u8]) -> usize {
    memchr_iter(b'\n', log).count()
}

fn lines(log: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = log;
    std::iter::from_fn(move || {
        let end = memchr(b'\n', rest)?;
        let (line, after) = rest.split_at(end);
        rest = &after[1..];
        Some(line)
    })
}

/// satrail, the check for UTF-8 included.
pub(crate) fn satrail(log: &[u8]) -> Answer {
    let mut parser = Parser::default();
    let mut answer = Answer::default();
    let log = simdutf8::basic::from_utf8(log).unwrap();
    for line in lines(log.as_bytes()) {
        let line = &log[offset(log.as_bytes(), line)..][..line.len()];
        add(&mut answer, &parser.parse(line, Origin::default()).unwrap());
    }
    answer
}

/// satrail without its fast path.
pub(crate) fn satrail_exact_path(log: &[u8]) -> Answer {
    let mut parser = Parser::default();
    let mut answer = Answer::default();
    for line in lines(log) {
        let line = simdutf8::basic::from_utf8(line).unwrap();
        let event = parser.parse_exactly(line, Origin::default()).unwrap();
        add(&mut answer, &event);
    }
    answer
}

fn offset(log: &[u8], line: &[u8]) -> usize {
    line.as_ptr().addr() - log.as_ptr().addr()
}

fn add(answer: &mut Answer, event: &Event<'_>) {
    let object = event.object.unwrap_or_default();
    let lengths = [
        event.audit_id,
        event.request_uri,
        event.user_agent,
        object.name,
    ]
    .map(|text| text.read().len());
    answer.add(&Facts {
        stage: event.stage.as_str(),
        verb: &event.verb.read(),
        user: &event.user.name.read(),
        resource: &object.resource.read(),
        code: event.code.unwrap_or(0),
        legacy: event.annotation(LEGACY).is_some(),
        lengths: lengths.iter().sum(),
        received: event.received,
        stage_time: event.stage_time,
    });
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::struct_field_names, reason = "the log's names")]
struct Audit<'a> {
    #[serde(borrow, rename = "auditID")]
    audit_id: Cow<'a, str>,
    #[serde(borrow)]
    stage: Cow<'a, str>,
    #[serde(borrow, rename = "requestURI")]
    request_uri: Cow<'a, str>,
    #[serde(borrow)]
    verb: Cow<'a, str>,
    #[serde(borrow)]
    user: AuditUser<'a>,
    #[serde(borrow, default)]
    user_agent: Cow<'a, str>,
    #[serde(borrow, default)]
    object_ref: AuditObject<'a>,
    #[serde(default)]
    response_status: AuditStatus,
    #[serde(borrow)]
    request_received_timestamp: Option<Cow<'a, str>>,
    #[serde(borrow)]
    stage_timestamp: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    annotations: AuditAnnotations<'a>,
}

#[derive(Deserialize)]
struct AuditUser<'a> {
    #[serde(borrow, default)]
    username: Cow<'a, str>,
}

#[derive(Default, Deserialize)]
struct AuditObject<'a> {
    #[serde(borrow, default)]
    resource: Cow<'a, str>,
    #[serde(borrow, default)]
    name: Cow<'a, str>,
}

#[derive(Default, Deserialize)]
struct AuditStatus {
    #[serde(default)]
    code: u16,
}

#[derive(Default, Deserialize)]
struct AuditAnnotations<'a> {
    #[serde(borrow, rename = "authentication.k8s.io/legacy-token")]
    legacy: Option<Cow<'a, str>>,
}

impl Audit<'_> {
    fn add_to(&self, answer: &mut Answer) {
        let time = |text: &Option<Cow<'_, str>>| text.as_deref().and_then(Timestamp::parse);
        let lengths = [
            &self.audit_id,
            &self.request_uri,
            &self.user_agent,
            &self.object_ref.name,
        ];
        answer.add(&Facts {
            stage: &self.stage,
            verb: &self.verb,
            user: &self.user.username,
            resource: &self.object_ref.resource,
            code: self.response_status.code,
            legacy: self.annotations.legacy.is_some(),
            lengths: lengths.iter().map(|text| text.len()).sum(),
            received: time(&self.request_received_timestamp),
            stage_time: time(&self.stage_timestamp),
        });
    }
}

/// `serde_json` into a struct that borrows, everything else ignored.
pub(crate) fn serde_json_struct(log: &[u8]) -> Answer {
    let mut answer = Answer::default();
    for line in lines(log) {
        let audit: Audit<'_> = serde_json::from_slice(line).unwrap();
        audit.add_to(&mut answer);
    }
    answer
}

/// sonic-rs into the same struct.
pub(crate) fn sonic_rs_struct(log: &[u8]) -> Answer {
    let mut answer = Answer::default();
    for line in lines(log) {
        let audit: Audit<'_> = sonic_rs::from_slice(line).unwrap();
        audit.add_to(&mut answer);
    }
    answer
}

/// simd-json into the same struct, its buffers reused; it writes into the line, which is copied first.
pub(crate) fn simd_json_struct(log: &[u8]) -> Answer {
    let mut answer = Answer::default();
    let mut buffers = simd_json::Buffers::new(1 << 16);
    let mut copy = Vec::new();
    for line in lines(log) {
        copy.clear();
        copy.extend_from_slice(line);
        let audit: Audit<'_> =
            simd_json::serde::from_slice_with_buffers(&mut copy, &mut buffers).unwrap();
        audit.add_to(&mut answer);
    }
    answer
}

/// simd-json's tape, asked for the same fields.
pub(crate) fn simd_json_tape(log: &[u8]) -> Answer {
    let mut answer = Answer::default();
    let mut buffers = simd_json::Buffers::new(1 << 16);
    let mut copy = Vec::new();
    for line in lines(log) {
        copy.clear();
        copy.extend_from_slice(line);
        let tape = simd_json::to_tape_with_buffers(&mut copy, &mut buffers).unwrap();
        answer.add(&tape_facts(&tape));
    }
    answer
}

fn tape_facts<'a>(tape: &simd_json::Tape<'a>) -> Facts<'a> {
    let top = tape.as_value();
    let top = top.as_object().unwrap();
    let (mut facts, mut texts) = (EMPTY, [""; 4]);
    for (key, value) in &top {
        let text = || value.into_string().unwrap_or_default();
        let inner = |key: &str| {
            value
                .get(key)
                .and_then(ValueIntoString::into_string)
                .unwrap_or_default()
        };
        match key {
            "auditID" => texts[0] = text(),
            "stage" => facts.stage = text(),
            "requestURI" => texts[1] = text(),
            "verb" => facts.verb = text(),
            "user" => facts.user = inner("username"),
            "userAgent" => texts[2] = text(),
            "objectRef" => {
                facts.resource = inner("resource");
                texts[3] = inner("name");
            }
            "responseStatus" => facts.code = value.get_u16("code").unwrap_or_default(),
            "requestReceivedTimestamp" => facts.received = Timestamp::parse(text()),
            "stageTimestamp" => facts.stage_time = Timestamp::parse(text()),
            "annotations" => facts.legacy = value.get(LEGACY).is_some(),
            _ => {}
        }
    }
    facts.lengths = texts.iter().map(|text| text.len()).sum();
    facts
}

const EMPTY: Facts<'static> = Facts {
    stage: "",
    verb: "",
    user: "",
    resource: "",
    code: 0,
    legacy: false,
    lengths: 0,
    received: None,
    stage_time: None,
};
