//! From permissions used to what has to be granted, and where.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::{
    detect::Merge,
    permission::{Action, NAMESPACES_KEPT, Permissions, Place, Uses},
};

/// How much more than what was used is granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Widening {
    /// Up to how many names a rule lists; more, and it is for any name.
    pub names: usize,
    /// Up to how many namespaces get a Role each; more, and a ClusterRole is for all of them.
    pub namespaces: usize,
    /// `list` and `watch` imply each other, and `get`.
    pub read_verbs: bool,
    /// `update` and `patch` imply each other, and `get`.
    pub write_verbs: bool,
}

impl Default for Widening {
    /// Few names, and a Role for every namespace that is known.
    fn default() -> Self {
        Self {
            names: 10,
            namespaces: NAMESPACES_KEPT,
            read_verbs: false,
            write_verbs: false,
        }
    }
}

/// Verbs of which one implies all.
const READ_VERBS: (&[&str], &[&str]) = (&["list", "watch"], &["get", "list", "watch"]);
const WRITE_VERBS: (&[&str], &[&str]) = (&["patch", "update"], &["get", "patch", "update"]);

/// For which objects a verb is granted.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Objects {
    Any,
    Named(BTreeSet<String>),
}

impl Objects {
    fn of(action: &Action, place: &Place, most: usize) -> Self {
        let names = action.can_be_restricted_by_name();
        match names.then(|| place.names.all(most)).flatten() {
            Some(names) => Self::Named(names.map(str::to_owned).collect()),
            None => Self::Any,
        }
    }

    fn add(&mut self, other: &Self) {
        match (&mut *self, other) {
            (Self::Named(ours), Self::Named(theirs)) => ours.extend(theirs.iter().cloned()),
            _ => *self = Self::Any,
        }
    }

    fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Any, _) => true,
            (Self::Named(_), Self::Any) => false,
            (Self::Named(ours), Self::Named(theirs)) => theirs.is_subset(ours),
        }
    }
}

/// A resource as a rule names it: API group, and `resource` or `resource/subresource`.
pub(super) type Resource = (String, String);

/// What is granted in one place.
#[derive(Debug, Clone, Default)]
pub(super) struct Grants {
    pub(super) resources: BTreeMap<Resource, BTreeMap<String, Objects>>,
    /// Methods by path.
    pub(super) paths: BTreeMap<String, BTreeSet<String>>,
    /// The requests behind it.
    pub(super) uses: Uses,
}

impl Grants {
    fn add(&mut self, action: &Action, objects: &Objects, uses: Uses) {
        self.uses.merge(uses);
        let resource = (action.group().to_owned(), action.target().into_owned());
        self.grant(resource, action.verb(), objects);
    }

    fn grant(&mut self, resource: Resource, verb: &str, objects: &Objects) {
        let verbs = self.resources.entry(resource).or_default();
        match verbs.get_mut(verb) {
            Some(known) => known.add(objects),
            None => {
                verbs.insert(verb.to_owned(), objects.clone());
            }
        }
    }

    fn widen(&mut self, (any_of, all_of): (&[&str], &[&str])) {
        let mut more = Vec::new();
        for (resource, verbs) in &self.resources {
            for objects in any_of.iter().filter_map(|verb| verbs.get(*verb)) {
                more.extend(
                    all_of
                        .iter()
                        .map(|verb| (resource.clone(), *verb, objects.clone())),
                );
            }
        }
        for (resource, verb, objects) in more {
            self.grant(resource, verb, &objects);
        }
    }

    /// Takes out what `wider` grants already.
    fn leave_out(&mut self, wider: &Self) {
        for (resource, verbs) in &mut self.resources {
            if let Some(theirs) = wider.resources.get(resource) {
                let covered = |verb: &String, objects: &mut Objects| {
                    theirs.get(verb).is_some_and(|wider| wider.covers(objects))
                };
                verbs.retain(|verb, objects| !covered(verb, objects));
            }
        }
        self.resources.retain(|_, verbs| !verbs.is_empty());
    }

    fn is_empty(&self) -> bool {
        self.resources.is_empty() && self.paths.is_empty()
    }
}

/// What has to be granted to one account.
#[derive(Debug, Default)]
pub(super) struct Needs {
    pub(super) cluster: Grants,
    pub(super) namespaces: BTreeMap<String, Grants>,
    /// Actions that were used in so many namespaces that they are granted in all.
    pub(super) everywhere: Vec<Action>,
}

impl Needs {
    pub(super) fn of(permissions: &Permissions, widening: Widening) -> Self {
        let mut needs = Self::default();
        for (action, spread) in permissions.sorted() {
            if let Action::Path { path, verb } = action {
                let methods = needs.cluster.paths.entry(path.clone()).or_default();
                methods.insert(verb.clone());
                needs.cluster.uses.merge(spread.anywhere().uses);
                continue;
            }
            let objects = |place: &Place| Objects::of(action, place, widening.names);
            let few = spread.namespaces();
            let Some(namespaces) = few.filter(|few| few.len() <= widening.namespaces) else {
                let place = spread.anywhere();
                needs.cluster.add(action, &objects(place), place.uses);
                needs.everywhere.push(action.clone());
                continue;
            };
            if let Some(place) = spread.cluster_wide() {
                needs.cluster.add(action, &objects(place), place.uses);
            }
            for (namespace, place) in namespaces {
                let grants = needs.namespaces.entry(namespace.clone()).or_default();
                grants.add(action, &objects(place), place.uses);
            }
        }
        needs.widen(widening);
        needs.prune();
        needs
    }

    fn widen(&mut self, widening: Widening) {
        let all = self.namespaces.values_mut().chain([&mut self.cluster]);
        for grants in all {
            if widening.read_verbs {
                grants.widen(READ_VERBS);
            }
            if widening.write_verbs {
                grants.widen(WRITE_VERBS);
            }
        }
    }

    /// A permission stands in one role only.
    fn prune(&mut self) {
        for grants in self.namespaces.values_mut() {
            grants.leave_out(&self.cluster);
        }
        self.namespaces.retain(|_, grants| !grants.is_empty());
    }
}
