//! EKS: CloudWatch subscriptions, as Firehose, Kinesis and Lambda hand them on.
//!
//! `{"messageType":"DATA_MESSAGE","logGroup":"/aws/eks/x/cluster","logStream":"kube-apiserver-audit-...",
//! "logEvents":[{"id":"...","timestamp":1736000000000,"message":"{...}"}]}`, gzipped, and often one object
//! behind the other without a newline (FACTS 6). Lambda gets the same as base64 of gzip:
//! `{"awslogs":{"data":"..."}}`, Kinesis under `Records[].kinesis.data`.

use std::io::Read;

use flate2::read::MultiGzDecoder;

use crate::event::Text;

use super::{About, Inside, Members, Skipped, members::object};

pub(super) const ABOUT: About = About {
    name: "subscription",
    what: "EKS: CloudWatch subscriptions by way of Firehose, Kinesis or Lambda",
    example: r#"{"messageType":"DATA_MESSAGE","logEvents":[{"id":"...","message":"{...}"}, ...]}"#,
    lacks: "events over CloudWatch's 256 KB, which it cuts: they are lost, and counted",
};

/// What the data of one record may come to: a Lambda gets 6 MB at most, of which gzip makes a thousand
/// times as much in the worst case.
const MOST: u64 = 64 << 20;

pub(super) fn open<'a>(record: &Members<'a>, scratch: &mut String) -> Option<Inside<'a>> {
    let packed = object(record.aws_logs).or(object(record.kinesis));
    if let Some(data) = packed.and_then(|packed| packed.get("data")?.text()) {
        return Some(match unpack(data, scratch) {
            Some(()) => Inside::Scratch,
            None => Inside::Skipped(Skipped::Cut),
        });
    }
    // The items of logEvents.
    record.id?.text()?;
    let stamped = record
        .timestamp?
        .json()
        .bytes()
        .all(|byte| byte.is_ascii_digit());
    record.message.filter(|_| stamped).map(Inside::Value)
}

/// Decodes base64 and gzip; `None` if it is neither, or too much.
fn unpack(data: Text<'_>, out: &mut String) -> Option<()> {
    let packed = base64(&data.read())?;
    let mut text = Vec::new();
    let limited = MultiGzDecoder::new(&packed[..])
        .take(MOST + 1)
        .read_to_end(&mut text);
    limited.ok()?;
    if text.len() as u64 > MOST {
        return None;
    }
    out.clear();
    out.push_str(std::str::from_utf8(&text).ok()?);
    Some(())
}

/// RFC 4648 section 4.
fn base64(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let (mut bits, mut held) = (0_u32, 0);
    for byte in text.trim_end_matches('=').bytes() {
        let six = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(six);
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push((bits >> held & 0xff) as u8);
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decodes_base64() {
        for (text, bytes) in [
            ("", ""),
            ("Zg==", "f"),
            ("Zm8=", "fo"),
            ("Zm9vYmE=", "fooba"),
            ("Zm9vYmFy", "foobar"),
        ] {
            assert_eq!(base64(text).unwrap(), bytes.as_bytes());
        }
        assert_eq!(base64("+/+/").unwrap(), [0xfb, 0xff, 0xbf]);
        assert_eq!(base64("a b"), None);
    }
}
