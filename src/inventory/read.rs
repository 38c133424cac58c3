//! Paths -> the objects of all dumps among them, and the paths that are left: audit logs.
//!
//! A dump is read once, as a stream: memory grows with the objects that are kept and not with the file.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    mem,
    path::PathBuf,
};

use crate::{
    finding::Timestamp,
    source::{self, Input, Trouble},
};

use super::{
    Id, Inventory,
    guess::{ENOUGH, Guess, guess},
    parse::{Sink, parse},
    shape::Object,
};

/// What was found below the paths.
#[derive(Debug, Default)]
pub struct Dumps {
    /// The objects of all dumps.
    pub inventory: Inventory,
    /// How many files were dumps.
    pub files: u64,
    /// The files that are no dumps, to be read as audit logs.
    pub logs: Vec<PathBuf>,
    /// What could not be read, and what was odd.
    pub troubles: Vec<Trouble>,
}

/// So many odd objects of a file are named; the others are counted.
const SHOWN: usize = 5;

/// Reads every dump below `paths`: files, directories, globs; `-` is a dump on standard input.
#[must_use]
pub fn read(paths: &[PathBuf]) -> Dumps {
    let found = source::find(paths);
    let mut dumps = Dumps {
        troubles: found.troubles,
        ..Dumps::default()
    };
    let mut gathered = Gathered::default();
    for input in &found.inputs {
        if let Err(trouble) = dumps.file(input, &mut gathered) {
            dumps.troubles.push(trouble);
        }
    }
    dumps.inventory = gathered.inventory();
    dumps
}

impl Dumps {
    fn file(&mut self, input: &Input, gathered: &mut Gathered) -> Result<(), Trouble> {
        let mut bytes = input.bytes()?;
        match (guess(bytes.peek(ENOUGH)), input.file()) {
            (Guess::Log, Some(_)) if input.stored_bytes().is_none() => {
                let why = "it is no dump, and a pipe cannot be read twice: name it with --audit";
                return Err(lost(input, why.to_owned()));
            }
            (Guess::Log, Some(path)) => {
                self.logs.push(path.to_owned());
                return Ok(());
            }
            (Guess::Yaml, _) => {
                let why = "it is YAML: take the dump as JSON, with kubectl get ... -o json";
                return Err(lost(input, why.to_owned()));
            }
            _ => {}
        }
        self.files += 1;
        let mut odd = Odd::default();
        let parsed = parse(
            &mut bytes,
            &mut Into {
                gathered,
                odd: &mut odd,
            },
        );
        self.troubles.extend(bytes.troubles());
        let note = |why| Trouble {
            file: input.name().to_owned(),
            why,
            unreadable: false,
            incomplete: true,
        };
        let more = odd.count.saturating_sub(odd.shown.len() as u64);
        self.troubles.extend(
            odd.shown
                .into_iter()
                .map(|why| note(format!("left out {why}"))),
        );
        if more > 0 {
            self.troubles
                .push(note(format!("left out {more} more objects like these")));
        }
        parsed.map_err(|why| lost(input, why))
    }
}

/// What stands before the damage counts; that it is not all of it makes the whole run fail.
fn lost(input: &Input, why: String) -> Trouble {
    Trouble {
        file: input.name().to_owned(),
        why,
        unreadable: true,
        incomplete: true,
    }
}

#[derive(Default)]
struct Odd {
    shown: Vec<String>,
    count: u64,
}

struct Into<'a> {
    gathered: &'a mut Gathered,
    odd: &'a mut Odd,
}

impl Sink for Into<'_> {
    fn object(&mut self, object: Object) {
        self.gathered.add(object);
    }

    fn list(&mut self, kind: &str) {
        let kinds = ["ServiceAccount", "Secret", "Pod"].iter().chain(&RBAC);
        let named = kind.strip_suffix("List").unwrap_or_default();
        let known = kinds.copied().find(|kind| *kind == named);
        self.gathered.inventory.kinds.extend(known);
    }

    fn odd(&mut self, why: String) {
        self.odd.count += 1;
        if self.odd.shown.len() < SHOWN {
            self.odd.shown.push(why);
        }
    }
}

const RBAC: [&str; 4] = ["Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding"];

/// By namespace and name.
type ByName<T> = BTreeMap<(String, String), T>;

/// The objects of all files, each once: of several states of an object, or of several objects that had
/// one name, the newest.
#[derive(Default)]
struct Gathered {
    inventory: Inventory,
    accounts: ByName<super::Account>,
    pods: ByName<super::Pod>,
    tokens: ByName<super::TokenSecret>,
    roles: ByName<super::Role>,
    bindings: ByName<super::Binding>,
}

impl Gathered {
    fn add(&mut self, object: Object) {
        let inventory = &mut self.inventory;
        let kind = match &object {
            Object::Account(_) => "ServiceAccount",
            Object::Pod(_) => "Pod",
            Object::Token(..) | Object::Secret(_) => "Secret",
            Object::Role(role) => role.kind(),
            Object::Binding(binding) => binding.kind(),
            Object::Other(kind) => {
                // A dump of everything has hundreds of kinds; more than that is no dump.
                if inventory.other_objects.len() < 4096 {
                    *inventory.other_objects.entry(kind.clone()).or_default() += 1;
                }
                return;
            }
        };
        inventory.kinds.insert(kind);
        match object {
            Object::Account(account) => keep(&mut self.accounts, account, |a| &a.id),
            Object::Pod(pod) => keep(&mut self.pods, *pod, |p| &p.id),
            Object::Token(token, has_data) => {
                inventory.secrets_with_data += u64::from(has_data);
                keep(&mut self.tokens, token, |t| &t.id);
            }
            Object::Secret(has_data) => {
                inventory.secrets_with_data += u64::from(has_data);
                inventory.other_secrets += 1;
            }
            Object::Role(role) => keep(&mut self.roles, role, |r| &r.id),
            Object::Binding(binding) => keep(&mut self.bindings, binding, |b| &b.id),
            Object::Other(_) => {}
        }
    }

    fn inventory(mut self) -> Inventory {
        let mut inventory = mem::take(&mut self.inventory);
        inventory.accounts = self.accounts.into_values().collect();
        inventory.pods = self.pods.into_values().collect();
        inventory.token_secrets = self.tokens.into_values().collect();
        inventory.roles = self.roles.into_values().collect();
        inventory.bindings = self.bindings.into_values().collect();
        inventory
    }
}

/// Files are read in the order of their names, so which of two equally old ones is kept is no accident.
fn keep<T>(map: &mut ByName<T>, object: T, id: impl Fn(&T) -> &Id) {
    let key = (id(&object).namespace.clone(), id(&object).name.clone());
    let made = |object: &T| id(object).created.map_or(i64::MIN, Timestamp::micros);
    match map.entry(key) {
        Entry::Vacant(place) => {
            place.insert(object);
        }
        Entry::Occupied(mut place) => {
            if made(&object) >= made(place.get()) {
                place.insert(object);
            }
        }
    }
}
