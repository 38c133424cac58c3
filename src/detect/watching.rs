//! What one list or watch says: how long it lasted, why it ended, whether it reads everything.

use crate::event::{Event, Stage};

use super::{deed, request::Request};

/// How long a watch lasted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Lasting {
    /// Less than a second.
    UnderSecond,
    /// Less than ten seconds.
    UnderTenSeconds,
    /// Less than a minute: what idle timeouts of proxies usually are.
    UnderMinute,
    /// Less than two minutes.
    UnderTwoMinutes,
    /// Less than five minutes: less than client-go asks for.
    UnderFiveMinutes,
    /// Five minutes and more.
    Long,
}

impl Lasting {
    pub(super) const ALL: [Self; 6] = [
        Self::UnderSecond,
        Self::UnderTenSeconds,
        Self::UnderMinute,
        Self::UnderTwoMinutes,
        Self::UnderFiveMinutes,
        Self::Long,
    ];

    /// How long the watch lasted that `event` closes; `None` if it closes none.
    pub(super) fn of(event: &Event<'_>) -> Option<Self> {
        if !matches!(event.stage, Stage::ResponseComplete | Stage::Panic) {
            return None;
        }
        Some(match event.duration()? / 1_000_000 {
            ..1 => Self::UnderSecond,
            1..10 => Self::UnderTenSeconds,
            10..60 => Self::UnderMinute,
            60..120 => Self::UnderTwoMinutes,
            120..300 => Self::UnderFiveMinutes,
            _ => Self::Long,
        })
    }

    /// Two minutes: well below what clients ask for, and above most proxies' idle timeouts.
    pub(super) fn is_short(self) -> bool {
        self <= Self::UnderTwoMinutes
    }

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::UnderSecond => "under 1 s",
            Self::UnderTenSeconds => "under 10 s",
            Self::UnderMinute => "under 1 min",
            Self::UnderTwoMinutes => "under 2 min",
            Self::UnderFiveMinutes => "under 5 min",
            Self::Long => "5 min and more",
        }
    }
}

/// Why a short watch ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// It lasted as long as the client had asked for.
    Asked,
    /// The client's resourceVersion was too old: 410 Gone.
    Expired,
    /// Before its time: by the client, by the server, or by what stands between them.
    Cut,
}

impl Ending {
    pub(super) const ALL: [Self; 3] = [Self::Asked, Self::Expired, Self::Cut];

    /// How `event` ended, which `asked` for so many seconds.
    pub(super) fn of(event: &Event<'_>, asked: Option<&str>) -> Self {
        if event.code == Some(410) {
            return Self::Expired;
        }
        let lasted = event.duration().map(|micros| micros / 1_000_000);
        let asked = asked.and_then(|seconds| seconds.parse::<i64>().ok());
        match (lasted, asked) {
            (Some(lasted), Some(asked)) if asked > 0 && lasted >= asked => Self::Asked,
            _ => Self::Cut,
        }
    }

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Asked => "asked",
            Self::Expired => "expired",
            Self::Cut => "cut",
        }
    }

    pub(super) const fn advice(self) -> &'static str {
        match self {
            Self::Asked => "let it ask for minutes (timeoutSeconds), as client-go does",
            Self::Expired => {
                "after 410 Gone it has to list anew, and to keep up with what it watches"
            }
            Self::Cut => "find out what closes them: a proxy's idle timeout, or the client itself",
        }
    }
}

/// Whether `event` is a list of everything, read from etcd's latest state: no name, no limit, no
/// continue, no resourceVersion.
pub(super) fn lists_all(event: &Request<'_>) -> bool {
    let bounds = ["resourceVersion", "limit", "continue"];
    event.verb == "list"
        && event.object.is_some_and(|object| object.name.is_empty())
        && !deed::parameters(event.uri())
            .any(|(name, value)| bounds.contains(&name) && !value.is_empty())
}
