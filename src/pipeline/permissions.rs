//! Permissions used and refused, as a study beside the scan.

use crate::{detect::Merge, event::Event, permission::UsedByAccount};

use super::fold::Study;

impl Study for UsedByAccount {
    fn event(&mut self, _event: &Event<'_>) {}

    fn request(&mut self, event: &Event<'_>) {
        self.observe(event);
    }

    fn merge(&mut self, other: Self) {
        Merge::merge(self, other);
    }
}
