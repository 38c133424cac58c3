//! An audit ID, kept by the thousands: kube-apiserver's own are random UUIDs, which take 16 bytes.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Where the dashes of a UUID stand.
pub(super) const DASHES: [usize; 4] = [8, 13, 18, 23];

/// An audit ID.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum AuditId {
    /// A UUID in small letters, which is how the server writes it.
    Uuid([u8; 16]),
    /// Anything else that a client may choose.
    Text(Box<str>),
}

impl AuditId {
    pub(super) fn of(text: &str) -> Self {
        match uuid(text.as_bytes()) {
            Some(uuid) => Self::Uuid(uuid),
            None => Self::Text(Box::from(text)),
        }
    }
}

/// The bytes of a UUID that is written with dashes and in small letters.
fn uuid(text: &[u8]) -> Option<[u8; 16]> {
    let text: &[u8; 36] = text.try_into().ok()?;
    if DASHES.iter().any(|&at| text[at] != b'-') {
        return None;
    }
    let half = |at: usize| {
        text[at..]
            .first_chunk()
            .map(|&half| u32::from_le_bytes(half))
    };
    let digits = |at: usize, then: usize| Some(u64::from(half(at)?) | u64::from(half(then)?) << 32);
    let quarters = [
        digits(0, 4)?,
        digits(9, 14)?,
        digits(19, 24)?,
        digits(28, 32)?,
    ];
    let mut uuid = [0; 16];
    for (bytes, digits) in uuid.as_chunks_mut().0.iter_mut().zip(quarters) {
        *bytes = bytes_of(digits)?.to_le_bytes();
    }
    Some(uuid)
}

/// What eight digits in small letters are worth, the first character being the lowest byte: all at once, since byte by
/// byte they took 500 instructions an ID (callgrind).
fn bytes_of(digits: u64) -> Option<u32> {
    const ONES: u64 = 0x0101_0101_0101_0101;
    // The letters begin with 0x61, and are worth 10 and more.
    let values = (digits & (0x0f * ONES)) + 9 * (digits >> 6 & ONES);
    let letters = (values + 0x76 * ONES) >> 7 & ONES;
    // Whatever is no digit is written in another way.
    if values & (0xf0 * ONES) != 0 || values + 0x30 * ONES + 39 * letters != digits {
        return None;
    }
    let pairs = (values << 4 | values >> 8) & 0x00ff_00ff_00ff_00ff;
    let quads = (pairs | pairs >> 8) & 0x0000_ffff_0000_ffff;
    u32::try_from((quads | quads >> 16) & 0xffff_ffff).ok()
}

impl fmt::Display for AuditId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let uuid = match self {
            Self::Uuid(uuid) => uuid,
            Self::Text(text) => return f.write_str(text),
        };
        for (at, byte) in uuid.iter().enumerate() {
            if [4, 6, 8, 10].contains(&at) {
                f.write_str("-")?;
            }
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

impl Serialize for AuditId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Uuid(_) => serializer.serialize_str(&self.to_string()),
            Self::Text(text) => serializer.serialize_str(text),
        }
    }
}

impl<'de> Deserialize<'de> for AuditId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Ok(Self::of(&text))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn comes_back_as_it_was(text in "\\PC{0,40}|[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-fA-F]{12}") {
            let id = AuditId::of(&text);
            prop_assert_eq!(&id.to_string(), &text);
            let stored = postcard::to_stdvec(&id).unwrap();
            prop_assert_eq!(&stored, &postcard::to_stdvec(&text).unwrap());
            prop_assert_eq!(postcard::from_bytes::<AuditId>(&stored).unwrap(), id);
        }
    }

    #[test]
    fn every_byte_is_a_digit_or_not() {
        let id = "bdd760bd-11c7-4110-ac92-420995f5d9f0";
        for at in 0..id.len() {
            for byte in 0..128_u8 {
                let mut text = id.to_owned().into_bytes();
                text[at] = byte;
                let text = String::from_utf8(text).unwrap();
                let is_digit = matches!(byte, b'0'..=b'9' | b'a'..=b'f');
                let fits = if DASHES.contains(&at) {
                    byte == b'-'
                } else {
                    is_digit
                };
                let read = AuditId::of(&text);
                assert_eq!(matches!(read, AuditId::Uuid(_)), fits, "{text}");
                assert_eq!(read.to_string(), text);
            }
        }
    }

    #[test]
    fn the_servers_own_are_small() {
        let id = AuditId::of("bdd760bd-11c7-4110-ac92-420995f5d9f0");
        assert!(matches!(id, AuditId::Uuid(_)), "{id:?}");
        assert!(size_of::<AuditId>() <= 24);
    }
}
