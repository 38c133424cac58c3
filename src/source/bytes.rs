//! A source as one stream of decompressed bytes: for documents, which have no lines.

use std::io::{self, Read};

use super::{
    Trouble,
    decode::{Decoder, Loss},
    sniff::{ENOUGH, Format, sniff},
};

/// The decompressed bytes of an input, from the first to the last.
pub struct Bytes {
    name: String,
    decoder: Decoder,
    /// What was looked at to tell the format, and has not been delivered.
    peeked: Vec<u8>,
}

impl std::fmt::Debug for Bytes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bytes")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl Bytes {
    /// `head` are the first bytes, already read from `reader`. A byte-order mark is left out.
    pub(super) fn new(
        name: &str,
        head: Vec<u8>,
        reader: Box<dyn Read + Send>,
    ) -> Result<Self, Trouble> {
        let mut bytes = Self {
            name: name.to_owned(),
            decoder: Decoder::new(head, reader),
            peeked: Vec::new(),
        };
        let first = bytes.fill(ENOUGH);
        match sniff(&first) {
            Format::Text { mark } => bytes.peeked = first[mark..].to_vec(),
            Format::Packed(_) => {
                let why = "it is compressed twice: decompress it once and read that";
                return Err(Trouble::unreadable(name, why));
            }
            Format::Foreign(why) => return Err(Trouble::unreadable(name, why)),
        }
        Ok(bytes)
    }

    /// The first bytes, up to so many; they are delivered all the same.
    pub fn peek(&mut self, most: usize) -> &[u8] {
        let missing = most.saturating_sub(self.peeked.len());
        let more = self.fill(missing);
        self.peeked.extend_from_slice(&more);
        &self.peeked
    }

    fn fill(&mut self, bytes: usize) -> Vec<u8> {
        let mut filled = vec![0; bytes];
        let mut at = 0;
        while at < bytes {
            match self.decoder.read(&mut filled[at..]) {
                0 => break,
                n => at += n,
            }
        }
        filled.truncate(at);
        filled
    }

    /// What kept it from being read to its end. Complete once everything was read.
    #[must_use]
    pub fn troubles(&self) -> Vec<Trouble> {
        let problems = self.decoder.problems();
        problems
            .iter()
            .map(|problem| match problem.loss {
                Loss::All => Trouble::unreadable(&self.name, &problem.why),
                Loss::Rest => Trouble::cut(&self.name, &problem.why),
                Loss::Nothing => Trouble::note(&self.name, &problem.why),
            })
            .collect()
    }
}

impl Read for Bytes {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.peeked.is_empty() {
            return Ok(self.decoder.read(out));
        }
        let n = out.len().min(self.peeked.len());
        out[..n].copy_from_slice(&self.peeked[..n]);
        self.peeked.drain(..n);
        Ok(n)
    }
}
