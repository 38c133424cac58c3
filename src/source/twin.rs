//! `X` and `X.gz` side by side: one log stored twice, or two logs?
//!
//! While lumberjack compresses `audit-<time>.log`, the incomplete `.log.gz` stands beside it; a crash
//! leaves both. `gunzip -k`, interrupted, leaves the reverse: a complete `.gz` and part of its text.
//! And `audit.log` beside `audit.log.gz` may be two different logs. The names do not tell, so the
//! content decides: if one of the two starts with all of the other, the other is left out, since
//! every event of it would count twice. If they differ anywhere, both are read, since anything else
//! would lose events. That costs decompressing such a `.gz` twice; it is rare.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

use super::{
    Trouble,
    decode::Decoder,
    input::{FileId, Input, file_id, head_and_rest},
};

/// Which of the two holds nothing that the other does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Spare {
    Text,
    Packed,
}

/// Takes out of `inputs` what stands in its twin, and says so.
pub(super) fn leave_out(inputs: &mut Vec<Input>, troubles: &mut Vec<Trouble>) {
    if !(inputs.iter()).any(|input| input.file().and_then(unpacked).is_some()) {
        return;
    }
    let names: BTreeMap<FileId, String> = inputs
        .iter()
        .filter_map(|input| Some((input.id()?.to_owned(), input.name().to_owned())))
        .collect();
    let mut spare: BTreeMap<String, String> = BTreeMap::new();
    for packed in inputs.iter() {
        let Some((path, text_path)) = packed.file().and_then(|path| Some((path, unpacked(path)?)))
        else {
            continue;
        };
        let Some(text) = file_id(&text_path).ok().and_then(|id| names.get(&id)) else {
            continue;
        };
        let twin = packed
            .stored_bytes()
            .and_then(|_| compare(&text_path, path).ok()?);
        match twin {
            Some(Spare::Packed) => spare.insert(packed.name().to_owned(), text.clone()),
            Some(Spare::Text) => spare.insert(text.clone(), packed.name().to_owned()),
            None => None,
        };
    }
    for (name, twin) in &spare {
        troubles.push(Trouble::note(
            name,
            format!("left out: everything in it stands in {twin} as well, which is read"),
        ));
    }
    inputs.retain(|input| !spare.contains_key(input.name()));
}

/// The name before compression.
fn unpacked(path: &Path) -> Option<PathBuf> {
    let extension = path.extension()?;
    (extension == "gz" || extension == "zst").then(|| path.with_extension(""))
}

/// Compares the whole of both, up to the first difference.
fn compare(text: &Path, packed: &Path) -> io::Result<Option<Spare>> {
    if !text.metadata()?.is_file() || text.metadata()?.len() == 0 {
        return Ok(None);
    }
    let (head, rest) = head_and_rest(packed)?;
    let mut decoder = Decoder::new(head, rest);
    let mut text = File::open(text)?;
    let (mut ours, mut theirs) = (vec![0; 1 << 16], vec![0; 1 << 16]);
    loop {
        let n = decoder.read(&mut ours);
        if n == 0 {
            return Ok(Some(Spare::Packed));
        }
        let read = read_full(&mut text, &mut theirs[..n])?;
        if ours[..read] != theirs[..read] {
            return Ok(None);
        }
        if read < n {
            return Ok(Some(Spare::Text));
        }
    }
}

fn read_full(file: &mut File, room: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < room.len() {
        match file.read(&mut room[filled..]) {
            Ok(0) => break,
            Ok(n) => filled += n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}
