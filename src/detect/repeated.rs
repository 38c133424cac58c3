//! One kind of request that fails in one way, again and again.

use serde::{Deserialize, Serialize};

use crate::{
    event::{ServiceAccount, Value},
    finding::{Attribute, Severity, Step},
};

use super::{
    Context, EvidenceSet, Merge, Peak, Series, Tally, activity,
    caller::SHOWN,
    request::Request,
    shell::quote,
    sustained::{self, Rate},
};

/// Requests that fail in one way.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Kind {
    pub(super) times: Series<12>,
    objects: Tally,
    reasons: Tally,
    pub(super) evidence: EvidenceSet,
}

/// A loop that was found.
pub(super) struct Loop<'a> {
    pub(super) request: &'a str,
    pub(super) code: &'a str,
    pub(super) kind: &'a Kind,
    pub(super) window: Peak,
    succeeded: u64,
    pub(super) severity: Severity,
}

impl Kind {
    /// Takes note of one request of the kind.
    pub(super) fn add(&mut self, event: &Request<'_>) {
        self.times.add(event.time());
        self.evidence.add(event);
        if let Some(object) = event.object.filter(|object| !object.name.is_empty()) {
            let namespace = object.namespace.read();
            let namespace = activity::namespace(&namespace);
            self.objects
                .add(&format!("{namespace}/{}", object.name), event);
        }
        if let Some(reason) = event.status.get("reason").and_then(Value::text) {
            self.reasons.add(&reason.read(), event);
        }
    }
}

impl<'a> Loop<'a> {
    pub(super) fn find(
        name: &'a str,
        kind: &'a Kind,
        through: Option<&Series<4>>,
        context: &Context<'_>,
    ) -> Option<Self> {
        let limits = &context.settings.hot_loop;
        let (request, code) = name.rsplit_once(' ')?;
        let succeeded = |window: &Peak| {
            through.map_or(0, |times| {
                times.count_overlapping(window.start, sustained::end(window))
            })
        };
        let rate = Rate::new(limits.errors_per_minute.get(), limits.minutes.get());
        let window = rate.exceeded(&kind.times, |window| window.count >= succeeded(window))?;
        let medium = rate.per_minute * f64::from(limits.medium_factor.get());
        Some(Self {
            request,
            code,
            kind,
            window,
            succeeded: succeeded(&window),
            severity: if window.rate() * 60.0 >= medium {
                Severity::Medium
            } else {
                Severity::Low
            },
        })
    }

    pub(super) fn attribute(&self) -> Attribute {
        let fields: [(&str, Attribute); 7] = [
            ("request", self.request.into()),
            ("code", self.code.into()),
            ("errors", self.kind.times.total().into()),
            ("succeeded", self.succeeded.into()),
            ("window", sustained::attribute(&self.window)),
            ("objects", self.kind.objects.attribute(SHOWN)),
            ("reasons", self.kind.reasons.attribute(SHOWN)),
        ];
        Attribute::Map(fields.map(|(name, value)| (name.to_owned(), value)).into())
    }

    /// The object that most of the errors are about: `namespace/name`.
    pub(super) fn object(&self) -> Option<&str> {
        let most = *self.kind.objects.ranked().first()?;
        (most.count * 2 > self.kind.times.total()).then_some(most.value.as_str())
    }

    pub(super) fn advice(&self) -> &'static str {
        match self.code {
            "409" => {
                "find the other writer of the object, read it again before each retry, and back off"
            }
            "403" => "give it the right or take the request out of it, and find out who is asking",
            "404" => {
                "create what it asks for or take the request out of it, and watch instead of asking again"
            }
            "429" => "let it heed Retry-After, or give it a FlowSchema of its own",
            code if code.starts_with('5') => {
                "mend the server or the webhook that fails, and back off"
            }
            _ => "the request itself is wrong and will stay so: mend it, and back off",
        }
    }

    /// How to see what the loop runs against.
    pub(super) fn look(&self, account: ServiceAccount<'_>) -> Option<Step> {
        let (verb, resource) = self.request.split_once(' ')?;
        let within = |namespace: &str| match namespace {
            "*" => String::new(),
            namespace => format!(" --namespace {}", quote(namespace)),
        };
        let target = self.object().and_then(|object| object.split_once('/'));
        let (text, command) = match (self.code, target) {
            ("403", _) => (
                "see whether its roles allow it",
                format!(
                    "kubectl auth can-i {} {} --as={}{}",
                    quote(verb),
                    quote(resource),
                    quote(&account.user_name()),
                    target.map_or(String::new(), |(namespace, _)| within(namespace))
                ),
            ),
            ("429", _) => (
                "see which flow schema it falls under",
                "kubectl get flowschemas.flowcontrol.apiserver.k8s.io".to_owned(),
            ),
            (code, _) if code.starts_with('5') => (
                "see what of the API server is not well",
                "kubectl get --raw '/readyz?verbose'".to_owned(),
            ),
            // Whatever holds a subresource is looked at as a whole.
            (_, Some((namespace, name))) if !resource.starts_with('/') => (
                "look at the object, and at who else writes it (managedFields)",
                format!(
                    "kubectl get {} {}{} --output yaml --show-managed-fields",
                    quote(resource.split('/').next().unwrap_or(resource)),
                    quote(name),
                    within(namespace)
                ),
            ),
            _ => return None,
        };
        Some(Step {
            text: text.to_owned(),
            command: Some(command),
        })
    }
}

impl Merge for Kind {
    fn merge(&mut self, other: Self) {
        self.times.merge(other.times);
        self.objects.merge(other.objects);
        self.reasons.merge(other.reasons);
        self.evidence.merge(other.evidence);
    }
}
