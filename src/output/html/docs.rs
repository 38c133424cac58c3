//! The detectors' own texts, for those that found something.

use std::collections::BTreeSet;

use pulldown_cmark::{CowStr, Event, HeadingLevel, Options, Parser, Tag, TagEnd, html::push_html};

use crate::{
    detect::{About, CATALOGUE},
    pipeline::Report,
};

/// One detector's text.
pub(super) struct Doc {
    pub(super) id: &'static str,
    /// As HTML. Made of the program's own words: nothing from a log is in it.
    pub(super) html: String,
}

pub(super) fn docs(report: &Report) -> Vec<Doc> {
    let found: BTreeSet<&str> = report.findings.iter().map(|f| &*f.detector).collect();
    let wanted = CATALOGUE.iter().filter(|about| found.contains(about.id));
    wanted.map(|about| doc(about)).collect()
}

/// Headings go two levels down, below those of the page.
fn doc(about: &About) -> Doc {
    let text = about.markdown();
    let lower = |event| match event {
        Event::Start(Tag::Heading {
            id, classes, attrs, ..
        }) => Event::Start(Tag::Heading {
            level: HeadingLevel::H4,
            id,
            classes,
            attrs,
        }),
        Event::End(TagEnd::Heading(_)) => Event::End(TagEnd::Heading(HeadingLevel::H4)),
        // Links lead to pages that are not here.
        Event::Start(Tag::Link { .. }) | Event::End(TagEnd::Link) => {
            Event::Text(CowStr::Borrowed(""))
        }
        Event::Html(text) | Event::InlineHtml(text) => Event::Text(text),
        other => other,
    };
    let mut html = String::new();
    push_html(
        &mut html,
        Parser::new_ext(&text, Options::ENABLE_TABLES).map(lower),
    );
    Doc { id: about.id, html }
}
