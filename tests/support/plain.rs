//! Audit logs without their compression, for programs that know none.

use std::{
    fs,
    io::{Read, Write},
    path::Path,
};

/// All logs of `folder` in one file, by name.
pub(crate) fn plain(folder: &Path) -> tempfile::NamedTempFile {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    names.sort();
    let mut plain = tempfile::NamedTempFile::new().unwrap();
    for name in names {
        let bytes = fs::read(name).unwrap();
        let mut text = Vec::new();
        if bytes.starts_with(&[0x1f, 0x8b]) {
            let mut decoder = flate2::read::MultiGzDecoder::new(&bytes[..]);
            decoder.read_to_end(&mut text).unwrap();
        } else {
            text = bytes;
        }
        plain.write_all(&text).unwrap();
    }
    plain
}
