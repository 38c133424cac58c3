//! An event written down again, small: what has to be remembered of a request that is still open.

use std::fmt::{self, Write};

use super::{Event, Text};

/// How long the rest of such an event is, about.
const REST: usize = 512;

impl Event<'_> {
    /// This event as one line of JSON without its bodies: parsing it again gives the same event.
    #[must_use]
    pub fn compact(&self) -> String {
        let parts = [
            self.request_uri.literal(),
            self.user.object.json(),
            self.user_agent.literal(),
            self.status.json(),
            self.annotations.json(),
        ];
        let long = parts.iter().map(|part| part.len()).sum::<usize>();
        let mut line = String::with_capacity(long + REST);
        // Writing to a String cannot fail.
        if self.write_compact(&mut line).is_err() {
            line.clear();
        }
        line.shrink_to_fit();
        line
    }

    fn write_compact(&self, out: &mut String) -> fmt::Result {
        out.write_str(r#"{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":""#)?;
        out.write_str(self.level.as_str())?;
        put(out, r#"","auditID":"#, self.audit_id)?;
        write!(out, r#","stage":"{}""#, self.stage.as_str())?;
        put(out, r#","requestURI":"#, self.request_uri)?;
        put(out, r#","verb":"#, self.verb)?;
        put_json(out, r#","user":"#, self.user.object.json())?;
        if let Some(user) = self.impersonated_user {
            put_json(out, r#","impersonatedUser":"#, user.object.json())?;
        }
        put_json(out, r#","sourceIPs":"#, self.source_ips.json())?;
        if !self.user_agent.is_empty() {
            put(out, r#","userAgent":"#, self.user_agent)?;
        }
        if let Some(object) = self.object {
            put(out, r#","objectRef":{"resource":"#, object.resource)?;
            put(out, r#","namespace":"#, object.namespace)?;
            put(out, r#","name":"#, object.name)?;
            put(out, r#","apiGroup":"#, object.group)?;
            put(out, r#","subresource":"#, object.subresource)?;
            out.write_char('}')?;
        }
        put_json(out, r#","responseStatus":"#, self.status.json())?;
        if let Some(time) = self.received {
            write!(out, r#","requestReceivedTimestamp":"{time}""#)?;
        }
        if let Some(time) = self.stage_time {
            write!(out, r#","stageTimestamp":"{time}""#)?;
        }
        put_json(out, r#","annotations":"#, self.annotations.json())?;
        out.write_char('}')
    }
}

fn put(out: &mut String, key: &str, text: Text<'_>) -> fmt::Result {
    out.write_str(key)?;
    out.write_char('"')?;
    out.write_str(text.literal())?;
    out.write_char('"')
}

/// Writes a key and its value, and nothing for a value that is absent.
fn put_json(out: &mut String, key: &str, json: &str) -> fmt::Result {
    if json.is_empty() {
        Ok(())
    } else {
        out.write_str(key)?;
        out.write_str(json)
    }
}
