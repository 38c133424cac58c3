//! Where in the wrapping a record stands, and what is known of the form by then.

use crate::source::Origin;

use super::super::Dialect;

/// Where in the wrapping.
#[derive(Clone, Copy)]
pub(super) struct Place<'l> {
    pub(super) origin: Origin,
    pub(super) depth: usize,
    /// The form, once it is known.
    pub(super) dialect: Option<Dialect>,
    /// The key of the list that the record is an item of.
    pub(super) list: &'l str,
}

impl<'l> Place<'l> {
    /// One level in, inside a record of this form.
    pub(super) fn inside(self, dialect: Dialect) -> Place<'static> {
        // Inside of a shipper's wrapping, what a form cannot carry is what matters.
        let tells = matches!(
            dialect,
            Dialect::Gke | Dialect::LogAnalytics | Dialect::AzureAdmin
        );
        let known = self
            .dialect
            .filter(|known| *known != Dialect::EventList && !tells);
        Place {
            origin: self.origin,
            depth: self.depth + 1,
            dialect: Some(known.unwrap_or(dialect)),
            list: "",
        }
    }

    /// One level in, in a list.
    pub(super) fn item(self, list: &'l str) -> Self {
        Self {
            depth: self.depth + 1,
            dialect: self.dialect.or(dialect_of(list)),
            list,
            ..self
        }
    }

    /// Whether no form is known in which other things stand beside events.
    pub(super) fn is_bare(self) -> bool {
        matches!(self.dialect, None | Some(Dialect::EventList))
            && matches!(self.list, "" | "[]" | "items")
    }
}

/// The form of events that stand in a list as they are.
pub(super) fn dialect_of(list: &str) -> Option<Dialect> {
    matches!(list, "[]" | "items").then_some(Dialect::EventList)
}
