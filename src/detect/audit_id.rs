//! An audit ID, kept by the thousands: kube-apiserver's own are random UUIDs, which take 16 bytes.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Where the dashes of a UUID stand.
pub(super) const DASHES: [usize; 4] = [8, 13, 18, 23];

/// Where its digits do.
const DIGITS: [std::ops::Range<usize>; 5] = [0..8, 9..13, 14..18, 19..23, 24..36];

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
    let mut uuid = [0; 16];
    let mut seen = 0;
    let places = DIGITS.into_iter().flat_map(|digits| digits.step_by(2));
    for (byte, at) in uuid.iter_mut().zip(places) {
        let (high, low) = (
            VALUES[usize::from(text[at])],
            VALUES[usize::from(text[at + 1])],
        );
        seen |= high | low;
        *byte = high << 4 | low;
    }
    (seen < 16).then_some(uuid)
}

/// What each byte is worth as a digit; 16 if it is none.
const VALUES: [u8; 256] = {
    let mut values = [16; 256];
    let mut value = 0;
    while value < 16 {
        values[b"0123456789abcdef"[value as usize] as usize] = value;
        value += 1;
    }
    values
};

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
    fn the_servers_own_are_small() {
        let id = AuditId::of("bdd760bd-11c7-4110-ac92-420995f5d9f0");
        assert!(matches!(id, AuditId::Uuid(_)), "{id:?}");
        assert!(size_of::<AuditId>() <= 24);
    }
}
