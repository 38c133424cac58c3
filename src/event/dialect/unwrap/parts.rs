//! Lines that came in parts, as container runtimes cut them, put together again.

use super::{
    super::{Dialect, Skipped, cri, docker, text::judge},
    EVENT, Found, Sink, Unwrapper, padding,
    place::Place,
    trim,
};

impl Unwrapper {
    /// Lines in parts: those of both streams, each put together.
    pub(super) fn parts(&mut self, text: &str, place: Place<'_>, found: &mut Sink<'_>) {
        let mut streams = [self.take(), self.take()];
        for line in text.split('\n') {
            // The space at the end of a part is the event's own: parts are cut anywhere.
            let line = line.strip_suffix('\r').unwrap_or(line);
            let line = line.trim_start_matches(padding);
            if trim(line).is_empty() {
                continue;
            }
            let (dialect, stream, ended) = if let Some((stream, part, ended)) = cri::part(line) {
                streams[stream].push_str(part);
                (Dialect::Cri, stream, ended)
            } else if let Some((stream, part, ended)) = docker::part(line) {
                part.read_into(&mut streams[stream]);
                (Dialect::Docker, stream, ended)
            } else {
                // What stands among the parts, or after a part that never ended.
                self.item_of_parts(trim(line), place, found);
                continue;
            };
            if ended {
                let whole = std::mem::take(&mut streams[stream]);
                self.content(&whole, place.inside(dialect), found);
                streams[stream] = whole;
                streams[stream].clear();
            }
        }
        for rest in &streams {
            if !rest.is_empty() {
                found(if rest.starts_with(EVENT) {
                    Found::Skipped(Skipped::Cut)
                } else {
                    Found::Skipped(judge(rest))
                });
            }
        }
        for stream in streams {
            self.give(stream);
        }
    }

    fn item_of_parts(&mut self, line: &str, place: Place<'_>, found: &mut Sink<'_>) {
        let place = Place {
            depth: place.depth + 1,
            ..place
        };
        if let Err(why) = self.record(line, place, found) {
            found(Found::Bad(why));
        }
    }
}
