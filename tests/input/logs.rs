//! Logs from entropy: events, halves of events, and what else stands in files.

use super::generate::{Entropy, damage, event};

/// A log as a crash, a copy or a disk may leave it.
pub(crate) fn log(entropy: &mut Entropy<'_>) -> Vec<u8> {
    let mut log = Vec::new();
    while !entropy.0.is_empty() && log.len() < 40_000 {
        match entropy.below(16) {
            0..=4 => log.extend(event(entropy).bytes()),
            5 => {
                let (line, other) = (event(entropy), event(entropy));
                log.extend(damage(entropy, &line, &other).bytes());
            }
            6 => {
                let line = event(entropy);
                let cut = entropy.below(line.len() + 1);
                log.extend(&line.as_bytes()[..cut]);
            }
            7 => log.extend(vec![0; entropy.below(300)]),
            8 => log.extend(vec![b'x'; entropy.below(9000)]),
            9 => log.extend([0xf0, 0x9f, 0xff][..=entropy.below(3)].iter()),
            10 => log.extend("\u{feff}".bytes()),
            11 => log.extend(b"\r\n"),
            12 => log.extend(b" \n\t\n"),
            _ => log.push(b'\n'),
        }
        if !entropy.once_in(3) {
            log.push(b'\n');
        }
    }
    log
}
