//! How one token was used, and how grave that is: the second half of `token-shared`.

mod words;

use crate::finding::{Severity, Subject, Timestamp};

use super::{
    AllowEntry, Context,
    deed::Deed,
    holder::Holder,
    sightings::{Place, is_grave},
    token_shared::ABOUT,
    whereabouts::{Whereabouts, Whose, home},
};

pub(super) use words::finding;

/// From how many addresses on a token that no pod is named in is worth a look.
const SEVERAL: usize = 3;

/// How one pod's tokens, or one token, were used.
#[derive(Debug)]
pub(super) struct TokenUse<'a> {
    pub(super) holder: &'a Holder,
    pub(super) severity: Severity,
    /// The gravest first.
    uses: Vec<Use<'a>>,
    /// When the pod was deleted, if the token was used long after that.
    deleted: Option<Timestamp>,
    allowed: Option<AllowEntry>,
}

/// One address that it was used from.
#[derive(Debug)]
struct Use<'a> {
    place: &'a Place,
    whose: Whose,
    /// `None` for what is as it should be.
    severity: Option<Severity>,
}

impl<'a> TokenUse<'a> {
    /// Judges `holder`; `None` if there is nothing to say.
    pub(super) fn judge(
        holder: &'a Holder,
        subject: &Subject,
        whereabouts: &Whereabouts<'_>,
        deleted: Option<Timestamp>,
        context: &Context<'_>,
    ) -> Option<Self> {
        // Nearly all are used from one address, and that is where they belong.
        let home = home(&holder.sightings)?;
        let mut allowed = None;
        let mut uses: Vec<Use<'a>> = Vec::new();
        let places = holder.sightings.ranked();
        for &place in &places {
            let known = |agent: &&str| home.may_have(agent) || known_product(home, agent);
            let familiar = place.agents().iter().all(known);
            let whose = whereabouts.whose(place, holder, home, familiar);
            let novel = place
                .deeds()
                .any(|(deed, _)| is_grave(deed) && home.did(|d| d == deed) == 0);
            let mut severity = if holder.is_bound() {
                of_bound(place, &whose, familiar, novel)
            } else {
                of_unbound(place, &whose, familiar, places.len())
            };
            if severity.is_some()
                && let Some(entry) = expected(place, subject, context)
            {
                allowed = Some(entry.clone());
                severity = Some(Severity::Info);
            }
            if severity == Some(Severity::Medium)
                && whose == Whose::Stranger
                && whereabouts.is_common(&place.address)
                && familiar
            {
                severity = Some(Severity::Low);
            }
            uses.push(Use {
                place,
                whose,
                severity,
            });
        }
        let worst = uses.iter().filter_map(|use_| use_.severity).max();
        let severity = worst.max(deleted.map(|_| Severity::Medium))?;
        uses.sort_by(|a, b| {
            (b.severity.cmp(&a.severity)).then_with(|| a.place.address.cmp(&b.place.address))
        });
        Some(Self {
            holder,
            severity,
            uses,
            deleted,
            allowed,
        })
    }

    fn foreign(&self) -> impl Iterator<Item = &Use<'a>> {
        self.uses.iter().filter(|use_| use_.severity.is_some())
    }

    fn own(&self) -> impl Iterator<Item = &Use<'a>> {
        self.uses.iter().filter(|use_| use_.severity.is_none())
    }
}

/// What it means that a token bound to a pod or a node was used at `place`.
fn of_bound(place: &Place, whose: &Whose, familiar: bool, novel: bool) -> Option<Severity> {
    Some(match whose {
        Whose::Own => return None,
        Whose::Shared | Whose::OtherFamily | Whose::Moved => Severity::Info,
        Whose::OwnNode if familiar => Severity::Info,
        Whose::OwnNode if novel => Severity::Medium,
        Whose::OwnNode => Severity::Low,
        _ if !familiar && place.did(is_grave) > 0 => Severity::Critical,
        _ if !familiar => Severity::High,
        Whose::OtherNode(_) | Whose::OtherPod(..) => Severity::Medium,
        Whose::Stranger if novel => Severity::Medium,
        Whose::Stranger => Severity::Low,
    })
}

/// The same for a token that may be used anywhere.
fn of_unbound(place: &Place, whose: &Whose, familiar: bool, addresses: usize) -> Option<Severity> {
    Some(match whose {
        Whose::Own => return None,
        _ if !whose.is_foreign() => Severity::Info,
        _ if familiar && addresses < SEVERAL => Severity::Info,
        _ if familiar => Severity::Low,
        _ if place.did(is_grave) > 0 => Severity::Medium,
        _ => Severity::Low,
    })
}

/// Whether `home` knows another user agent of the same product and version: client-go's clients of one program differ
/// in what comes behind (`.../leader-election`).
fn known_product(home: &Place, agent: &str) -> bool {
    let product = |agent: &str| agent.split(' ').next().unwrap_or_default().to_owned();
    let wanted = product(agent);
    !wanted.is_empty()
        && home
            .agents()
            .into_iter()
            .any(|known| product(known) == wanted)
}

/// The allow-list's entry for all that was done at `place`; it never makes light of what was refused.
fn expected<'c>(place: &Place, subject: &Subject, context: &Context<'c>) -> Option<&'c AllowEntry> {
    if place.did(|deed| deed == Deed::Refused) > 0 {
        return None;
    }
    let mut entry = None;
    for agent in place.agents() {
        entry = Some(context.settings.allow.expects(ABOUT.id, subject, agent)?);
    }
    entry
}
