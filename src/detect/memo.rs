//! What follows from parts of a request that come back by the thousands: worked out once.
//!
//! A pod asks for the same few things from one address, under one user agent and with one token, for the hour that
//! the token lasts. Its `user`, its addresses and its agent are therefore looked up as they stand in the line, and
//! everything that any detector wants to know about them is found beside them, hashes included; the same holds for
//! the kind of request, and for its annotations. So a detector more costs next to nothing, as long as it does not
//! take these parts apart by itself.
//!
//! None of this is state: forgetting any of it changes nothing but the time that it takes.

mod table;

use std::sync::Arc;

use crate::event::{Event, ServiceAccount, Text};

use super::{
    Aspects, activity, clients,
    controllers::is_controller,
    credential::Credential,
    deed::{self, Deed},
    habits::{self, client_name},
    holder::{holder_hash, id_hash},
    keyed::{self, Name},
    legacy_token::Token,
    mark::Mark,
    network::Network,
    not_a_token::Way,
    policy_view::{Class, Doing, Signs},
    request::Request,
    stale_token,
};
use table::{InLine, Table};

/// Written of requests that took more than half a second, each with a time of its own (FACTS 2).
static LATENCY: Mark = Mark::new("apiserver.latency.k8s.io/");
/// The ID of the token that the request made.
static ISSUED: Mark = Mark::new("/issued-credential-id\"");

/// A caller has a number below this one, the same as hardly any other at that time.
const SEATS: usize = 4096;

/// Longer ones are looked at anew each time.
const LONGEST: usize = 4096;

impl Request<'_> {
    /// Whether caller, kind, annotations and namespace are all short enough to be known the next time.
    pub(super) fn has_known_parts(&self) -> bool {
        self.caller.seat < SEATS
            && self.kind.in_line.len() <= LONGEST
            && self.notes.in_line.len() <= LONGEST
            && self
                .namespace
                .is_none_or(|name| name.in_line.len() <= LONGEST)
    }

    /// How many bytes of text are known since this request.
    pub(super) fn new_text(&self) -> usize {
        let new = |users: usize, text: usize| if users == 1 { text } else { 0 };
        let (caller, kind, notes) = (self.caller, self.kind, self.notes);
        new(Arc::strong_count(caller), caller.in_line.len())
            + new(Arc::strong_count(kind), kind.in_line.len())
            + new(Arc::strong_count(notes), notes.in_line.len())
    }
}

/// What is known of the parts of requests.
#[derive(Debug, Default)]
pub struct Memo {
    callers: Table<Caller>,
    kinds: Table<Kind>,
    notes: Table<Notes>,
    namespaces: Table<Namespace>,
}

impl Memo {
    /// `event` with all that is known of its parts.
    pub fn request<'m>(&'m mut self, event: &'m Event<'_>) -> Request<'m> {
        Request::new(
            event,
            Caller::known(&mut self.callers, event),
            Kind::known(&mut self.kinds, event),
            Notes::known(&mut self.notes, event),
            Namespace::known(&mut self.namespaces, event),
        )
    }
}

/// Who called, with which credential, from where and as what.
///
/// What every event asks for stands first, in one line of the cache; so in [`Kind`] and [`Notes`].
#[derive(Debug)]
#[repr(C, align(64))]
pub(super) struct Caller {
    /// `user`, `sourceIPs` and `userAgent` as they stand in the line.
    in_line: InLine<3>,
    /// What others find what they remember of it by: [`SEATS`] if it is not known the next time.
    pub(super) seat: usize,
    pub(super) aspects: Aspects,
    /// Whether it is a controller of kube-controller-manager's.
    pub(super) is_controller: bool,
    /// Whether it calls itself by the name of a tool that people use.
    pub(super) is_tool: bool,
    /// Whether the user is called like a ServiceAccount, be it a possible name or not.
    pub(super) named_like_account: bool,
    /// Whether `extra` is missing, as it is with legacy tokens.
    pub(super) lacks_extra: bool,
    pub(super) user: Box<str>,
    /// Where the namespace ends in the user name, if it is a ServiceAccount's.
    namespace_end: Option<usize>,
    pub(super) address: Option<Box<str>>,
    pub(super) agent: Box<str>,
    pub(super) id: Option<Box<str>>,
    pub(super) pod: Option<Box<str>>,
    pod_uid: Option<Box<str>>,
    pub(super) node: Option<Box<str>>,
    /// How a ServiceAccount's name came.
    pub(super) way: Way,
    pub(super) signs: Signs,
    /// [`keyed::hash`] of the user name, of the address (empty if there is none), of the agent, and of both.
    pub(super) user_hash: u64,
    pub(super) address_hash: u64,
    pub(super) agent_hash: u64,
    pub(super) client_hash: u64,
    /// The network of the address, with its hash.
    pub(super) range: Option<(Network, u64)>,
    /// [`client_name`] of the agent, with its hash.
    pub(super) product: Box<str>,
    pub(super) product_hash: u64,
    /// That of the pod and of the node.
    pub(super) pod_hash: u64,
    pub(super) node_hash: u64,
    /// Of the user and all that its credential says.
    pub(super) credential_hash: u64,
    /// Of whoever holds the credential, and of its ID among theirs.
    pub(super) holder_hash: Option<u64>,
    pub(super) id_hash: Option<u64>,
}

impl Caller {
    fn known<'m>(table: &'m mut Table<Self>, event: &Event<'_>) -> &'m Arc<Self> {
        let in_line = [
            event.user.object.json(),
            event.source_ips.json(),
            event.user_agent.literal(),
        ];
        table.get(
            in_line,
            0,
            |known| known.in_line.is(in_line),
            |seat| Self::of(event, in_line, seat),
        )
    }

    fn of(event: &Event<'_>, in_line: [&str; 3], seat: usize) -> Self {
        let user = event.user.name.read();
        let account = event.service_account();
        let peer = event.peer();
        let address = peer.unwrap_or_default().read();
        let agent = event.user_agent.read();
        let said = Credential::of(event);
        let [id, pod, pod_uid, node] = [said.id, said.pod, said.pod_uid, said.node]
            .map(|text| text.map(|text| Box::from(&*text.read())));
        let hash = |text: &Option<Box<str>>| {
            let text = text.as_deref().unwrap_or_default();
            keyed::hash(0, &[text])
        };
        let address_hash = keyed::hash(0, &[&address]);
        let product = client_name(&agent);
        let is_controller = account.is_some_and(is_controller);
        let way = account.map_or_else(Way::default, |_| Way::of(event));
        Self {
            is_controller,
            is_tool: clients::tool(&agent).is_some(),
            lacks_extra: event.user.extra.is_empty(),
            in_line: InLine::new(in_line),
            seat,
            aspects: Aspects::of_caller(event),
            namespace_end: account.map(|a| ServiceAccount::PREFIX.len() + a.namespace.len()),
            way,
            signs: Signs::of_caller(event),
            named_like_account: user.starts_with(ServiceAccount::PREFIX),
            user_hash: keyed::hash(0, &[&user]),
            address_hash,
            agent_hash: keyed::hash(0, &[&agent]),
            client_hash: keyed::hash(address_hash, &[&agent]),
            range: Network::of(&address).map(|range| (range, range.hash())),
            product: Box::from(product),
            product_hash: keyed::hash(0, &[product]),
            pod_hash: hash(&pod),
            node_hash: hash(&node),
            credential_hash: keyed::hash(0, &[&user, event.user.extra.json()]),
            holder_hash: holder_hash(&said),
            id_hash: said.id.map(id_hash),
            user: Box::from(&*user),
            address: peer.map(|_| Box::from(&*address)),
            agent: Box::from(&*agent),
            id,
            pod,
            pod_uid,
            node,
        }
    }

    /// The ServiceAccount, if it is one.
    pub(super) fn account(&self) -> Option<ServiceAccount<'_>> {
        let end = self.namespace_end?;
        Some(ServiceAccount {
            namespace: self.user.get(ServiceAccount::PREFIX.len()..end)?,
            name: self.user.get(end + 1..)?,
        })
    }

    /// What its token says about itself.
    pub(super) fn credential(&self) -> Credential<'_> {
        Credential {
            id: self.id.as_deref().map(Text::plain),
            pod: self.pod.as_deref().map(Text::plain),
            pod_uid: self.pod_uid.as_deref().map(Text::plain),
            node: self.node.as_deref().map(Text::plain),
        }
    }
}

/// What was asked for, by verb, resource and status: what a request did, but for whose object it was.
#[derive(Debug)]
#[repr(C, align(64))]
pub(super) struct Kind {
    /// Verb, resource, group and subresource as they stand in the line; verb and URI where there is no resource.
    in_line: InLine<4>,
    pub(super) code: Option<u16>,
    pub(super) on_object: bool,
    pub(super) aspects: Aspects,
    /// What it did if it was neither refused by an annotation nor a dry run.
    pub(super) deed: Deed,
    pub(super) class: Class,
    pub(super) doing: Doing,
    /// The hashes of the words without the status and with it.
    pub(super) hash: u64,
    pub(super) hash_with_code: u64,
    /// What it is called as a habit, with its hash: an informer lists only when it starts, and watches all the time.
    pub(super) habit: Box<str>,
    pub(super) habit_hash: u64,
    /// Whether it writes down an Event.
    pub(super) records_event: bool,
    /// [`deed::describe`], alone and with the HTTP status, and the status alone; `none` if it was never answered.
    pub(super) words: Name,
    pub(super) words_with_code: Name,
    pub(super) code_words: Name,
}

impl Kind {
    fn known<'m>(table: &'m mut Table<Self>, event: &Event<'_>) -> &'m Arc<Self> {
        let verb = event.verb.literal();
        let in_line = match event.object {
            Some(object) => [
                verb,
                object.resource.literal(),
                object.group.literal(),
                object.subresource.literal(),
            ],
            None => [verb, event.request_uri.literal(), "", ""],
        };
        let (code, on_object) = (event.code, event.object.is_some());
        let number = u64::from(code.unwrap_or_default()) << 1 | u64::from(on_object);
        table.get(
            in_line,
            number,
            |known| (known.code, known.on_object) == (code, on_object) && known.in_line.is(in_line),
            |_| {
                let habit = habits::habit(event);
                let words = deed::describe(event);
                let shown = event.code.map(|code| code.to_string());
                let shown = shown.as_deref().unwrap_or("none");
                Self {
                    in_line: InLine::new(in_line),
                    code,
                    on_object,
                    aspects: Aspects::of_kind(event),
                    deed: Deed::of_kind(event),
                    class: Class::of(event),
                    doing: Doing::of(event),
                    hash: deed::request_hash(event, 0),
                    hash_with_code: deed::describe_hash(event),
                    words_with_code: Name::new(&format!("{words} {shown}")),
                    words: Name::new(&words),
                    code_words: Name::new(shown),
                    habit: deed::describe(&habit).into_boxed_str(),
                    habit_hash: deed::request_hash(&habit, 0),
                    records_event: habits::records_event(event),
                }
            },
        )
    }
}

/// What the annotations say.
#[derive(Debug)]
#[repr(C, align(64))]
pub(super) struct Notes {
    in_line: InLine<1>,
    pub(super) aspects: Aspects,
    /// Whether the authorizer said no, and whether it said yes.
    pub(super) forbid: bool,
    pub(super) allow: bool,
    /// Whether they say something that hardly two requests have in common.
    pub(super) is_singular: bool,
    /// Whether the token is stale (FACTS 2).
    pub(super) stale: bool,
    /// `authorization.k8s.io/reason`, as it stands in the line, and what it means.
    pub(super) reason: Option<(Box<str>, Box<str>)>,
    /// The legacy token that the request came with.
    pub(super) token: Option<Token>,
    pub(super) signs: Signs,
}

impl Notes {
    fn known<'m>(table: &'m mut Table<Self>, event: &Event<'_>) -> &'m Arc<Self> {
        let in_line = event.annotations.json();
        table.get(
            [in_line],
            0,
            |known| known.in_line.is([in_line]),
            |_| {
                let decision = event.annotation("authorization.k8s.io/decision");
                let reason = event.annotation("authorization.k8s.io/reason");
                Self {
                    in_line: InLine::new([in_line]),
                    aspects: Aspects::of_notes(event),
                    token: Token::of(event),
                    stale: event.annotation(stale_token::ANNOTATION).is_some(),
                    signs: Signs::of_notes(event),
                    forbid: decision.is_some_and(|decision| decision == "forbid"),
                    allow: decision.is_some_and(|decision| decision == "allow"),
                    is_singular: LATENCY.is_in(in_line) || ISSUED.is_in(in_line),
                    reason: reason
                        .map(|reason| (Box::from(reason.literal()), Box::from(&*reason.read()))),
                }
            },
        )
    }
}

/// The namespace of an object.
#[derive(Debug)]
pub(super) struct Namespace {
    in_line: InLine<1>,
    escaped: bool,
    /// `*` for objects in none, and for all namespaces at once.
    pub(super) shown: Name,
}

impl Namespace {
    /// `None` if there is no object.
    fn known<'m>(table: &'m mut Table<Self>, event: &Event<'_>) -> Option<&'m Arc<Self>> {
        let name = event.object?.namespace;
        let (in_line, escaped) = (name.literal(), name.as_plain().is_none());
        let known = table.get(
            [in_line],
            u64::from(escaped),
            |known| known.escaped == escaped && known.in_line.is([in_line]),
            |_| Self {
                in_line: InLine::new([in_line]),
                escaped,
                shown: Name::new(activity::namespace(&name.read())),
            },
        );
        Some(known)
    }
}
