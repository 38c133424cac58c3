//! The keys under which lists of records hang.

/// The keys under which records are listed, whoever wrote the document.
const LISTS: [&str; 13] = [
    "items",
    "records",
    "Records",
    "events",
    "logEvents",
    "results",
    "resourceLogs",
    "scopeLogs",
    "logRecords",
    "entries",
    "hits",
    "result",
    "values",
];

/// Two more lists, whose keys are also used for other things, and objects in which a list hangs.
const STREAMS: &str = "streams";
const VIA: [&str; 2] = ["hits", "data"];

/// Longer keys are none of those above.
const MAX_KEY: usize = 16;

/// What a key opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Named {
    List(&'static str),
    Via,
    Both(&'static str),
}

/// The text of a key, as far as it may be one of those that are looked for.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Key {
    text: [u8; MAX_KEY],
    length: usize,
}

impl Key {
    /// Adds more of its text.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        let end = self.length.saturating_add(bytes.len());
        if let Some(room) = self.text.get_mut(self.length..end) {
            room.copy_from_slice(bytes);
        }
        self.length = end;
    }

    /// It has an escape: no key that is looked for does.
    pub(super) const fn spoil(&mut self) {
        self.length = usize::MAX;
    }

    /// What it opens, if anything.
    pub(super) fn named(&self) -> Option<Named> {
        let text = self.text.get(..self.length)?;
        let among = |keys: &[&'static str]| {
            let found = keys.iter().find(|key| key.as_bytes() == text);
            found.copied()
        };
        match (among(&LISTS).or(among(&[STREAMS])), among(&VIA)) {
            (Some(list), None) => Some(Named::List(list)),
            (Some(list), Some(_)) => Some(Named::Both(list)),
            (None, Some(_)) => Some(Named::Via),
            (None, None) => None,
        }
    }
}
