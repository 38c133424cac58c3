//! EKS: what a CloudWatch export task writes to S3: `2026-01-02T03:04:05.123Z {...}`, gzipped.

use super::{
    About, Inside,
    text::{first_word, is_time},
};

pub(super) const ABOUT: About = About {
    name: "s3-export",
    what: "EKS: CloudWatch exports to S3, a time before each event",
    example: r#"2026-01-02T03:04:05.123Z {"kind":"Event",...}"#,
    lacks: "events over CloudWatch's 256 KB, which it cuts: they are lost, and counted",
};

pub(super) fn strip(line: &str) -> Option<Inside<'_>> {
    let (time, rest) = first_word(line, 40)?;
    (is_time(time) && time.ends_with('Z') && !rest.starts_with("AUDIT: "))
        .then_some(Inside::Text(rest))
}
