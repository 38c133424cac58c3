//! Accounts that repeat what fails, again and again.

use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};

use crate::{
    event::ServiceAccount,
    finding::{Attribute, Attributes, Finding, Remediation, Severity, Step, Subject},
};

use super::{
    About, Aspects, Context, Coverage, Detector, EvidenceSet, Interest, LogFacts, Merge,
    PerAccount, Run, Series, Tally,
    caller::{Callers, SHOWN},
    draft::draft,
    keyed::Keyed,
    repeated::{Kind, Loop},
    request::Request,
    shell::quote,
};

about! {
    /// # What it finds
    ///
    /// ServiceAccounts that repeat one kind of request (verb and resource) that fails in one way (one HTTP status of
    /// 400 or more) at least 30 times a minute for 5 minutes, where no more requests of the kind succeed in that
    /// time than fail so. Four of the five minutes must have such errors: a burst is no loop. Those are rates
    /// far below what `runaway-controller` asks for (100 requests a second), which judges all requests, the successful
    /// ones too.
    ///
    /// The severity is `low`, and `medium` from ten times that rate on. All loops of an account are one finding, with
    /// the sum of their errors as `count`.
    ///
    /// # Why it matters
    ///
    /// A controller that retries without backing off does no work, and keeps the API server, etcd and the audit log
    /// busy with it. Two writers that fight over one object (409) undo each other's work; somebody who was refused (403)
    /// and goes on may be trying to find out what works; a webhook or an aggregated API that is down shows as 5xx.
    ///
    /// # Known benign causes
    ///
    /// - Leader election: those who are not the leader get 409 on leases a few times a minute, below the threshold.
    /// - Optimistic locking: a busy controller gets some 409, but many more writes succeed.
    /// - client-go's informers back off to one attempt in 30 seconds when they are refused (client-go
    ///   `tools/cache/reflector.go`); many informers or pods of one account add up.
    /// - Many replicas of one workload that each ask for something that is not there: see `pods`.
    ///
    /// # What to do
    ///
    /// Look at `loops`: what fails, how, and on which object. 409: find the other writer. 404 and 403: what is asked for
    /// is missing, or the role is. 422 and 400: the request itself is wrong and will stay so. 429: the server
    /// asks for less. 5xx: the fault is the server's, or a webhook's.
    ///
    /// # Attributes
    ///
    /// - `loops`: the loops, the fastest first, each with `request`, `code`, `errors` (in the whole log),
    ///   `succeeded` (requests of the kind in the window that went through), `window` (the fastest five minutes,
    ///   longer in very long logs: `from`, `to`, `count`, `per_minute`), `objects` and `reasons` with counts
    /// - `errors`: all errors of the account, by request and code
    /// - `addresses`, `user_agents`, `pods`, `nodes`, `credential_ids`, `impersonated`: where all errors of the
    ///   account came from, each with `requests`, `first_seen` and `last_seen`
    /// - `distinct_addresses`, `distinct_user_agents`: how many different ones there are
    ///
    /// Up to 64 kinds of requests and of errors of an account are told apart; what more there are is not seen.
    ///
    /// # Example
    ///
    /// ```text
    /// low  hot-loop  shop/default  220 requests
    ///   list services 403: 220 times, 44/min for 5 min    2 pods
    /// ```
    "hot-loop",
    "A ServiceAccount repeats what fails",
    [DENIAL_OF_SERVICE],
}

/// When retries are a loop.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Limits {
    /// So many errors of one kind a minute: one in two seconds, while client-go's own retries back off to
    /// one in 30 seconds.
    pub errors_per_minute: NonZeroU32,
    /// For so many minutes: longer than a rollout or a change of the leader takes.
    pub minutes: NonZeroU32,
    /// So many times the rate makes it medium.
    pub medium_factor: NonZeroU32,
}

impl Default for Limits {
    fn default() -> Self {
        let number = |n| NonZeroU32::new(n).unwrap_or(NonZeroU32::MIN);
        Self {
            errors_per_minute: number(30),
            minutes: number(5),
            medium_factor: number(10),
        }
    }
}

/// What failed and what did not, by user name.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct HotLoop {
    accounts: PerAccount<Outcomes>,
}

/// One account's requests.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Outcomes {
    /// What went through, by verb and resource: half a dozen short series for most accounts.
    through: Keyed<Series<4>>,
    /// Only of accounts that have errors.
    errors: Option<Box<Errors>>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Errors {
    /// By verb, resource and HTTP status.
    kinds: Keyed<Kind>,
    by_kind: Tally,
    callers: Callers,
}

impl Detector for HotLoop {
    const ABOUT: &'static About = &ABOUT;
    const INTEREST: Interest = Interest::all(Aspects::ACCOUNT);
    const TAKES_RUNS: bool = true;

    fn observe(&mut self, event: &Request<'_>) {
        if event.service_account().is_some() {
            self.accounts
                .note_user(event, |outcomes| outcomes.add(event));
        }
    }

    fn observe_run(&mut self, run: &Run) {
        if run.caller.account().is_some() && !run.aspects.has(Aspects::FAILED) {
            self.accounts
                .note_caller(&run.caller, |outcomes| outcomes.add_run(run));
        }
    }

    fn observe_each(&mut self, event: &Request<'_>) {
        if event.aspects().has(Aspects::FAILED) {
            self.observe(event);
        }
    }

    fn merge(&mut self, other: Self) {
        self.accounts.merge(other.accounts);
    }

    fn finish(&self, context: &Context<'_>) -> Vec<Finding> {
        let accounts = self.accounts.sorted().into_iter();
        accounts
            .filter_map(|(user, outcomes)| {
                let account = ServiceAccount::from_user_name(user)?;
                let errors = outcomes.errors.as_deref()?;
                let loops = outcomes.loops(context);
                (!loops.is_empty()).then(|| finding(account, errors, &loops, context))
            })
            .collect()
    }

    fn coverage(&self, log: &LogFacts) -> Coverage {
        Coverage {
            evaluated: log.service_account_requests,
            blind: log.blind_to_accounts(),
        }
    }
}

impl Outcomes {
    fn add(&mut self, event: &Request<'_>) {
        if event.succeeded() {
            let words = || event.words().to_owned();
            if let Some(times) = self.through.slot(event.kind.hash, words) {
                times.add(event.time());
            }
        } else {
            self.errors.get_or_insert_default().add(event);
        }
    }

    fn add_run(&mut self, run: &Run) {
        let words = || run.kind.words.text.to_string();
        if let Some(times) = self.through.slot(run.kind.hash, words) {
            times.add_batch(&run.batch);
        }
    }

    fn loops(&self, context: &Context<'_>) -> Vec<Loop<'_>> {
        let through = self.through.sorted();
        let kinds = self.errors.iter().flat_map(|errors| errors.kinds.sorted());
        let mut loops: Vec<Loop<'_>> = kinds
            .filter_map(|(name, kind)| {
                let (request, _) = name.rsplit_once(' ')?;
                let same = through.iter().find(|(name, _)| *name == request);
                Loop::find(name, kind, same.map(|(_, times)| *times), context)
            })
            .collect();
        loops.sort_by_key(|found| std::cmp::Reverse(found.window.count));
        loops
    }
}

impl Errors {
    fn add(&mut self, event: &Request<'_>) {
        let kind = event.kind;
        self.by_kind.add_name(&kind.words_with_code, event.time());
        self.callers.add(event);
        let name = || kind.words_with_code.text.to_string();
        if let Some(kind) = self.kinds.slot(kind.hash_with_code, name) {
            kind.add(event);
        }
    }
}

fn finding(
    account: ServiceAccount<'_>,
    errors: &Errors,
    loops: &[Loop<'_>],
    context: &Context<'_>,
) -> Finding {
    let subject = Subject::service_account(account.namespace, account.name);
    let mut evidence = EvidenceSet::default();
    for found in loops {
        evidence.merge(found.kind.evidence.clone());
    }
    let severity = loops.iter().map(|found| found.severity).max();
    let mut attributes = Attributes::new();
    let shown = loops.iter().take(SHOWN).map(Loop::attribute);
    attributes.insert("loops".to_owned(), Attribute::List(shown.collect()));
    attributes.insert("errors".to_owned(), errors.by_kind.attribute(SHOWN));
    errors.callers.write(&mut attributes);
    Finding {
        severity: severity.unwrap_or(Severity::Low),
        summary: summary(&subject, loops, context),
        attributes,
        involves: errors.callers.involved(),
        remediation: remediation(account, loops),
        ..draft(&ABOUT, subject, &[], &evidence, context)
    }
}

fn summary(subject: &Subject, loops: &[Loop<'_>], context: &Context<'_>) -> String {
    let worst = &loops[0];
    let per_minute = worst.window.rate() * 60.0;
    let minutes = worst.window.seconds / 60;
    let object = worst
        .object()
        .map_or(String::new(), |object| format!(" on {object}"));
    let others = match loops.len() - 1 {
        0 => String::new(),
        n => format!(", and {n} more such requests"),
    };
    let threshold = context.settings.runaway_controller.requests_per_second;
    let faster = if worst.window.rate() >= f64::from(threshold.get()) {
        " (see runaway-controller as well)"
    } else {
        ""
    };
    format!(
        "{subject} repeats {} though it fails with {}{object}, {per_minute:.0} times a minute for {minutes} min{others}{faster}; {}",
        worst.request,
        worst.code,
        worst.advice()
    )
}

fn remediation(account: ServiceAccount<'_>, loops: &[Loop<'_>]) -> Remediation {
    let worst = &loops[0];
    let (namespace, name) = (quote(account.namespace), quote(account.name));
    let mut steps = vec![Step {
        text: "find the pods that run as the account, and read their logs".to_owned(),
        command: Some(format!(
            "kubectl get pods --namespace {namespace} --field-selector spec.serviceAccountName={name}"
        )),
    }];
    steps.extend(worst.look(account));
    steps.push(Step {
        text: "stop the loop until it is mended (put the workload's name for APP)".to_owned(),
        command: Some(format!(
            "kubectl scale deployment/APP --namespace {namespace} --replicas=0"
        )),
    });
    Remediation {
        summary: worst.advice().to_owned(),
        steps,
    }
}

impl Merge for Outcomes {
    fn merge(&mut self, other: Self) {
        self.through.merge(other.through);
        match (&mut self.errors, other.errors) {
            (Some(ours), Some(theirs)) => ours.merge(*theirs),
            (ours @ None, theirs) => *ours = theirs,
            (Some(_), None) => {}
        }
    }
}

impl Merge for Errors {
    fn merge(&mut self, other: Self) {
        self.kinds.merge(other.kinds);
        self.by_kind.merge(other.by_kind);
        self.callers.merge(other.callers);
    }
}
