//! Which labels the result of an expression can have.

use std::collections::BTreeSet;

use promql_parser::{
    label::MatchOp,
    parser::{
        AggregateExpr, BinaryExpr, Call, Expr, LabelModifier, VectorMatchCardinality,
        VectorSelector,
    },
};

use super::World;
use crate::alert::evaluate::metric_name;

/// Labels that Prometheus, its operator or a relabelling puts onto every series of a scrape target. No
/// scrape shows them, so nothing can be said against them.
pub(super) const TARGET_LABELS: [&str; 18] = [
    "job",
    "instance",
    "namespace",
    "pod",
    "service",
    "endpoint",
    "container",
    "node",
    "cluster",
    "prometheus",
    "prometheus_replica",
    "replica",
    "region",
    "zone",
    "env",
    "environment",
    "tenant",
    "team",
];

/// The labels that a result can have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Possible {
    /// Nothing is known: an unknown metric, or a function that makes labels.
    Anything,
    /// These, and no others.
    Only {
        /// Labels of the metrics themselves.
        own: BTreeSet<String>,
        /// Labels that their scrape targets may add.
        target: BTreeSet<String>,
    },
}

impl Possible {
    pub(super) const fn none() -> Self {
        Self::Only {
            own: BTreeSet::new(),
            target: BTreeSet::new(),
        }
    }

    pub(super) fn may_have(&self, label: &str) -> bool {
        match self {
            Self::Anything => true,
            Self::Only { own, target } => {
                own.contains(label) || target.contains(label) || label == "alertname"
            }
        }
    }

    /// Labels such as `namespace` that a reader would take for the ServiceAccount's.
    pub(super) fn is_only_a_targets(&self, label: &str) -> bool {
        let misleading = matches!(
            label,
            "namespace" | "pod" | "container" | "node" | "service"
        );
        matches!(self, Self::Only { own, target }
            if misleading && target.contains(label) && !own.contains(label))
    }

    /// The labels that there are.
    pub(super) fn suggestion(&self) -> Option<String> {
        match self {
            Self::Only { own, .. } if !own.is_empty() => {
                let names: Vec<&str> = own.iter().map(|name| &**name).collect();
                Some(format!("it has {}", names.join(", ")))
            }
            _ => None,
        }
    }

    fn filtered(self, keep: impl Fn(&str) -> bool) -> Self {
        match self {
            Self::Anything => Self::Anything,
            Self::Only {
                mut own,
                mut target,
            } => {
                own.retain(|name| keep(name));
                target.retain(|name| keep(name));
                Self::Only { own, target }
            }
        }
    }

    fn with(self, more: impl IntoIterator<Item = String>) -> Self {
        match self {
            Self::Anything => Self::Anything,
            Self::Only { mut own, target } => {
                own.extend(more);
                Self::Only { own, target }
            }
        }
    }

    fn or(self, other: Self) -> Self {
        match (self, other) {
            (
                Self::Only { own, mut target },
                Self::Only {
                    own: more,
                    target: targets,
                },
            ) => {
                target.extend(targets);
                Self::Only { own, target }.with(more)
            }
            _ => Self::Anything,
        }
    }
}

/// The labels that the result of `expr` can have.
pub(super) fn possible(expr: &Expr, world: &World<'_>) -> Possible {
    match expr {
        Expr::Aggregate(aggregate) => of_aggregate(aggregate, world),
        Expr::Unary(unary) => possible(&unary.expr, world),
        Expr::Paren(paren) => possible(&paren.expr, world),
        Expr::Subquery(subquery) => possible(&subquery.expr, world),
        Expr::Binary(binary) => of_binary(binary, world),
        Expr::NumberLiteral(_) | Expr::StringLiteral(_) => Possible::none(),
        Expr::VectorSelector(selector) => of_selector(selector, world),
        Expr::MatrixSelector(matrix) => of_selector(&matrix.vs, world),
        Expr::Call(call) => of_call(call, world),
        Expr::Extension(_) => Possible::Anything,
    }
}

fn of_selector(selector: &VectorSelector, world: &World<'_>) -> Possible {
    let name = metric_name(selector);
    let known = name.and_then(|name| {
        world
            .catalogue
            .get(name)
            .or_else(|| world.elsewhere.get(name))
    });
    let Some(known) = known else {
        return Possible::Anything;
    };
    let own = known.labels.keys().map(ToString::to_string);
    let target = world
        .unseen_labels()
        .iter()
        .map(|label| (*label).to_owned())
        .collect();
    Possible::Only {
        own: own.chain(["__name__".to_owned()]).collect(),
        target,
    }
}

fn of_aggregate(aggregate: &AggregateExpr, world: &World<'_>) -> Possible {
    let inner = possible(&aggregate.expr, world);
    match aggregate.op.to_string().as_str() {
        "topk" | "bottomk" | "limitk" | "limit_ratio" => inner,
        "count_values" => Possible::Anything,
        _ => match &aggregate.modifier {
            None => Possible::none(),
            Some(LabelModifier::Include(by)) => {
                inner.filtered(|name| by.labels.iter().any(|l| l == name))
            }
            Some(LabelModifier::Exclude(out)) => {
                inner.filtered(|name| name != "__name__" && out.labels.iter().all(|l| l != name))
            }
        },
    }
}

fn of_call(call: &Call, world: &World<'_>) -> Possible {
    let mut arguments = call.args.args.iter();
    match call.func.name {
        "label_replace" | "label_join" => {
            let made = match call.args.args.get(1).map(|argument| &**argument) {
                Some(Expr::StringLiteral(name)) => Some(name.val.clone()),
                _ => None,
            };
            arguments
                .next()
                .map_or(Possible::Anything, |argument| possible(argument, world))
                .with(made)
        }
        "absent" | "absent_over_time" => arguments.next().map_or(Possible::none(), |a| demanded(a)),
        "vector" | "time" | "scalar" | "pi" => Possible::none(),
        "info" => Possible::Anything,
        _ => {
            // `histogram_quantile(0.9, x)` and the like: the vector is the one that has labels.
            let all = arguments
                .map(|argument| possible(argument, world))
                .reduce(Possible::or);
            let all = all.unwrap_or(Possible::Anything);
            let keeps_name = matches!(call.func.name, "last_over_time" | "sort" | "sort_desc");
            let takes_le = call.func.name.starts_with("histogram_");
            all.filtered(|name| (keeps_name || name != "__name__") && !(takes_le && name == "le"))
        }
    }
}

/// `absent` has the labels that its selector demands by equality.
fn demanded(expr: &Expr) -> Possible {
    let matchers = match expr {
        Expr::VectorSelector(selector) => &selector.matchers.matchers,
        Expr::MatrixSelector(matrix) => &matrix.vs.matchers.matchers,
        _ => return Possible::none(),
    };
    let equal = matchers.iter().filter(|m| matches!(m.op, MatchOp::Equal));
    Possible::none().with(equal.map(|m| m.name.clone()))
}

fn of_binary(binary: &BinaryExpr, world: &World<'_>) -> Possible {
    let (left, right) = (possible(&binary.lhs, world), possible(&binary.rhs, world));
    let is_scalar =
        |expr: &Expr| expr.value_type() == promql_parser::parser::value::ValueType::Scalar;
    if is_scalar(&binary.rhs) {
        return left;
    }
    if is_scalar(&binary.lhs) {
        return right;
    }
    match binary.op.to_string().as_str() {
        "or" => return left.or(right),
        "and" | "unless" => return left,
        _ => {}
    }
    let Some(modifier) = &binary.modifier else {
        return left;
    };
    match (&modifier.card, &modifier.matching) {
        (VectorMatchCardinality::ManyToOne(extra), _) => left.with(extra.labels.iter().cloned()),
        (VectorMatchCardinality::OneToMany(extra), _) => right.with(extra.labels.iter().cloned()),
        (_, Some(LabelModifier::Include(on))) => {
            left.filtered(|name| on.labels.iter().any(|l| l == name))
        }
        (_, Some(LabelModifier::Exclude(out))) => {
            left.filtered(|name| out.labels.iter().all(|l| l != name))
        }
        (_, None) => left,
    }
}
