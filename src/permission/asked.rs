//! From one request to what the authorizer was asked for it, on whose behalf, and what it said.

use std::borrow::Cow;

use crate::{
    event::{Event, ServiceAccount, Text, User, Value},
    finding::Timestamp,
};

use super::action::{ActionRef, is_label};

/// Longer names are none that an object can have (253), a scheme and a port for proxies included.
const LONGEST_NAME: usize = 300;

/// No subresource.
const NONE: Cow<'static, str> = Cow::Borrowed("");

const AUTHENTICATION: &str = "authentication.k8s.io";

/// What the authorizer said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Answer {
    /// The account has the permission, and used it.
    Allowed,
    /// It lacks the permission.
    Refused,
    /// It was not asked, or the log does not say: throttled, or an error on the way.
    Unknown,
}

impl Answer {
    /// What the authorizer said to `event`.
    ///
    /// The annotation `authorization.k8s.io/decision` says so. So a 404, 409 or 422 behind an `allow`
    /// counts as allowed, and so do two others that a later try may get past: a 403 of an admission
    /// plugin (a quota that was full) and a 429 of an eviction (a disruption budget that was spent).
    /// Where the annotation is missing the code has to do: 429 comes before authorization then, 403 is a
    /// refusal, and of 400 and 5xx nothing is known (FACTS 1.3, 2).
    #[must_use]
    pub fn of(event: &Event<'_>) -> Self {
        if let Some(decision) = event.annotation("authorization.k8s.io/decision") {
            return match () {
                () if decision == "allow" => Self::Allowed,
                () if decision == "forbid" => Self::Refused,
                () => Self::Unknown,
            };
        }
        match event.code {
            Some(401 | 403) => Self::Refused,
            Some(400 | 429 | 500..) => Self::Unknown,
            _ => Self::Allowed,
        }
    }
}

/// One question to the authorizer.
#[derive(Debug)]
pub(super) struct Asked<'a> {
    /// The user name of the ServiceAccount that needs the permission.
    pub(super) account: Cow<'a, str>,
    /// `None` for what no role can name: see [`ActionRef::of`].
    pub(super) action: Option<ActionRef<'a>>,
    pub(super) namespace: Option<Cow<'a, str>>,
    /// The name that the authorizer saw; hostile.
    pub(super) name: Option<Cow<'a, str>>,
    pub(super) time: Option<Timestamp>,
    pub(super) answer: Answer,
}

impl<'a> Asked<'a> {
    /// Hands every question that `event` stands for and that was about a ServiceAccount to `each`.
    ///
    /// The request itself is a matter of who was impersonated, if somebody was; that they could be is one
    /// of the caller.
    pub(super) fn of(event: &Event<'a>, mut each: impl FnMut(Self)) {
        let answer = Answer::of(event);
        if let Some(refused) = refused_impersonation(event, answer) {
            return each(refused);
        }
        let effective = event.impersonated_user.unwrap_or(event.user);
        if effective.service_account().is_some() {
            let request = Self::request(event, effective.name.read(), answer);
            // An update or an apply that found nothing created it, and was asked for that right as well
            // (apiserver `pkg/endpoints/handlers/update.go`, `patch.go`: `withAuthorization`).
            let upsert = answer == Answer::Allowed && event.code == Some(201);
            let created = upsert.then(|| request.creation()).flatten();
            each(request);
            created.into_iter().for_each(&mut each);
        }
        if let Some(acted_as) = event.impersonated_user
            && event.service_account().is_some()
        {
            impersonation(event, acted_as, each);
        }
    }

    fn request(event: &Event<'a>, account: Cow<'a, str>, answer: Answer) -> Self {
        let mut asked = Self {
            account,
            action: ActionRef::of(event),
            namespace: None,
            name: None,
            time: event.time(),
            answer,
        };
        let Some(object) = event.object else {
            return asked;
        };
        asked.namespace = namespace_in_url(event).map(Text::read);
        let top_level = object.subresource.is_empty();
        // The log takes these from the body (apiserver `pkg/audit/request.go` LogRequestObject).
        let nameless = event.verb == "deletecollection" || event.verb == "create" && top_level;
        asked.name = (!nameless && !object.name.is_empty()).then(|| object.name.read());
        let strange = asked.namespace.as_ref().is_some_and(|n| !is_label(n))
            || asked.name.as_ref().is_some_and(|n| n.len() > LONGEST_NAME);
        if strange {
            asked.action = None;
        }
        asked
    }

    /// The same for `create`, if this is an update or a patch.
    fn creation(&self) -> Option<Self> {
        let Some(ActionRef::Resource {
            group,
            resource,
            subresource,
            verb,
        }) = &self.action
        else {
            return None;
        };
        (verb == "update" || verb == "patch").then(|| Self {
            account: self.account.clone(),
            action: Some(ActionRef::Resource {
                group: group.clone(),
                resource: resource.clone(),
                subresource: subresource.clone(),
                verb: Cow::Borrowed("create"),
            }),
            namespace: self.namespace.clone(),
            name: None,
            time: self.time,
            answer: self.answer,
        })
    }
}

/// The namespace that the authorizer saw: the one in the URL, and not one that only the body names.
fn namespace_in_url<'a>(event: &Event<'a>) -> Option<Text<'a>> {
    let namespace = event.object?.namespace;
    let uri = event.request_uri.read();
    let path = uri.split('?').next().unwrap_or_default();
    let elsewhere = path.starts_with("/api") && !path.contains("/namespaces/");
    (!namespace.is_empty() && !elsewhere).then_some(namespace)
}

/// What the caller needed to act as `acted_as` (apiserver `pkg/endpoints/filters/impersonation`).
///
/// Constrained impersonation (Kubernetes 1.36) may have asked for narrower verbs instead; plain
/// `impersonate` is enough everywhere.
fn impersonation<'a>(event: &Event<'a>, acted_as: User<'a>, mut each: impl FnMut(Asked<'a>)) {
    let mut ask = |group, resource, subresource, namespace: Option<&'a str>, name: Cow<'a, str>| {
        let sane = name.len() <= LONGEST_NAME;
        each(Asked {
            account: event.user.name.read(),
            action: sane.then_some(ActionRef::Resource {
                group: Cow::Borrowed(group),
                resource: Cow::Borrowed(resource),
                subresource,
                verb: Cow::Borrowed("impersonate"),
            }),
            namespace: namespace.map(Cow::Borrowed),
            name: Some(name),
            time: event.time(),
            answer: Answer::Allowed,
        });
    };
    let account = acted_as.service_account();
    match account {
        Some(ServiceAccount { namespace, name }) => {
            let name = Cow::Borrowed(name);
            ask("", "serviceaccounts", NONE, Some(namespace), name);
        }
        None => ask("", "users", NONE, None, acted_as.name.read()),
    }
    for group in acted_as.groups().filter(|group| !implied(*group, account)) {
        ask("", "groups", NONE, None, group.read());
    }
    let uid = acted_as.object.get("uid").and_then(Value::text);
    if let Some(uid) = uid.filter(|uid| !uid.is_empty()) {
        ask(AUTHENTICATION, "uids", NONE, None, uid.read());
    }
    for (key, values) in acted_as.extra.entries() {
        for value in values.items().filter_map(Value::text) {
            ask(AUTHENTICATION, "userextras", key.read(), None, value.read());
        }
    }
}

/// Groups that kube-apiserver adds by itself to whom somebody acts as.
fn implied(group: Text<'_>, account: Option<ServiceAccount<'_>>) -> bool {
    group == "system:authenticated"
        || account.is_some_and(|account| {
            group == "system:serviceaccounts"
                || *group.read() == format!("system:serviceaccounts:{}", account.namespace)
        })
}

/// A refused impersonation looks like a refusal of the request that was wanted, but for its message
/// (FACTS 1.3, 10): `User "..." cannot impersonate resource "users" in API group "" at the cluster scope`,
/// or with a verb such as `impersonate-on:user-info:list`.
fn refused_impersonation<'a>(event: &Event<'a>, answer: Answer) -> Option<Asked<'a>> {
    let annotated = event.annotation("authorization.k8s.io/decision").is_some();
    if answer != Answer::Refused || annotated || event.impersonated_user.is_some() {
        return None;
    }
    event.service_account()?;
    let status = event.status;
    let message = status.get("message")?.text()?.read();
    let (_, rest) = message.split_once("\" cannot impersonate")?;
    let (verb, rest) = rest.split_once(" resource \"")?;
    let (resource, rest) = rest.split_once("\" in API group \"")?;
    let (group, rest) = rest.split_once('"')?;
    let namespace = rest
        .strip_prefix(" in the namespace \"")
        .and_then(|rest| rest.split_once('"'))
        .map(|(namespace, _)| Cow::Owned(namespace.to_owned()));
    let (resource, subresource) = resource.split_once('/').unwrap_or((resource, ""));
    let plain = |text: &str| {
        let fine = |c: char| c.is_ascii_alphanumeric() || "-._:/".contains(c);
        text.len() <= 253 && text.chars().all(fine)
    };
    let sane = [verb, resource, subresource, group].into_iter().all(plain);
    let owned = |text: &str| Cow::Owned(text.to_owned());
    let name = status
        .get("details")
        .and_then(|details| details.object()?.get("name")?.text())
        .map(Text::read)
        .filter(|name| name.len() <= LONGEST_NAME);
    Some(Asked {
        account: event.user.name.read(),
        action: sane.then(|| ActionRef::Resource {
            group: owned(group),
            resource: owned(resource),
            subresource: owned(subresource),
            verb: Cow::Owned(format!("impersonate{verb}")),
        }),
        namespace,
        name,
        time: event.time(),
        answer,
    })
}
