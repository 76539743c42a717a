//! Reads the trees of policies: which parts of the context they look at, and the clauses they are made of.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use cedar_policy::pst::{BinaryOp, Clause, Expr, Literal, UnaryOp, Var};

/// Which attributes of a record are looked at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Want {
    /// All of them.
    pub(super) all: bool,
    /// These.
    pub(super) fields: BTreeMap<String, Want>,
}

impl Want {
    pub(super) fn whole() -> Want {
        Want { all: true, fields: BTreeMap::new() }
    }

    /// What is looked at in this attribute, if it is looked at.
    pub(super) fn field(&self, name: &str) -> Option<&Want> {
        static WHOLE: OnceLock<Want> = OnceLock::new();
        if self.all {
            return Some(WHOLE.get_or_init(Want::whole));
        }
        self.fields.get(name)
    }

    pub(super) fn add(&mut self, path: &[String], all: bool) {
        match path {
            [] => self.all |= all,
            [name, rest @ ..] => self.fields.entry(name.clone()).or_default().add(rest, all),
        }
    }

    pub(super) fn merge(&mut self, other: &Want) {
        self.all |= other.all;
        for (name, inner) in &other.fields {
            self.fields.entry(name.clone()).or_default().merge(inner);
        }
    }

    /// Every path that is looked at, the shorter before the longer.
    pub(super) fn paths(&self) -> Vec<Vec<String>> {
        let mut paths = Vec::new();
        for (name, inner) in &self.fields {
            paths.push(vec![name.clone()]);
            for mut path in inner.paths() {
                path.insert(0, name.clone());
                paths.push(path);
            }
        }
        paths
    }
}

/// A variable and the attributes after it, such as `context.args.path`.
pub(super) fn path(expression: &Expr) -> Option<(Var, Vec<String>)> {
    match expression {
        Expr::Var(variable) => Some((variable.clone(), Vec::new())),
        Expr::GetAttr { expr, attr } => {
            let (variable, mut path) = path(expr)?;
            path.push(attr.to_string());
            Some((variable, path))
        }
        _ => None,
    }
}

/// The expressions an expression is made of.
pub(super) fn parts(expression: &Expr) -> Vec<&Arc<Expr>> {
    match expression {
        Expr::UnaryOp { expr, .. }
        | Expr::GetAttr { expr, .. }
        | Expr::HasAttr { expr, .. }
        | Expr::Like { expr, .. } => vec![expr],
        Expr::BinaryOp { left, right, .. } => vec![left, right],
        Expr::Is { expr, in_expr, .. } => std::iter::once(expr).chain(in_expr).collect(),
        Expr::IfThenElse { cond, then_expr, else_expr } => vec![cond, then_expr, else_expr],
        Expr::Set(items) => items.iter().collect(),
        Expr::Record(fields) => fields.values().collect(),
        _ => Vec::new(),
    }
}

/// Adds what an expression looks at in the context.
pub(super) fn wants(expression: &Expr, want: &mut Want) {
    match expression {
        Expr::Var(Var::Context) => want.all = true,
        Expr::GetAttr { .. } => match path(expression) {
            // What becomes of the value is not followed, so all that is in it counts.
            Some((Var::Context, path)) => want.add(&path, true),
            Some(_) => {}
            None => parts(expression).into_iter().for_each(|part| wants(part, want)),
        },
        Expr::HasAttr { expr, attrs } => match path(expr) {
            Some((Var::Context, mut path)) => {
                path.extend(attrs.iter().map(ToString::to_string));
                want.add(&path, false);
            }
            Some(_) => {}
            None => wants(expr, want),
        },
        _ => parts(expression).into_iter().for_each(|part| wants(part, want)),
    }
}

pub(super) fn and(left: Arc<Expr>, right: Arc<Expr>) -> Arc<Expr> {
    Arc::new(Expr::BinaryOp { op: BinaryOp::And, left, right })
}

pub(super) fn or(left: Arc<Expr>, right: Arc<Expr>) -> Arc<Expr> {
    Arc::new(Expr::BinaryOp { op: BinaryOp::Or, left, right })
}

pub(super) fn not(expression: Arc<Expr>) -> Arc<Expr> {
    Arc::new(Expr::UnaryOp { op: UnaryOp::Not, expr: expression })
}

pub(super) fn truth(value: bool) -> Arc<Expr> {
    Arc::new(Expr::Literal(Literal::Bool(value)))
}

/// What has to hold, all of it, in the order in which Cedar looks: the parts of `when` joined by `&&`, and of `unless`
/// those joined by `||`, each turned round.
pub(super) fn clauses(clauses: &[Clause]) -> Vec<Arc<Expr>> {
    let mut found = Vec::new();
    for clause in clauses {
        match clause {
            Clause::When(expression) => flatten(expression, BinaryOp::And, &mut |part| found.push(part)),
            Clause::Unless(expression) => flatten(expression, BinaryOp::Or, &mut |part| found.push(not(part))),
        }
    }
    found
}

fn flatten(expression: &Arc<Expr>, by: BinaryOp, take: &mut impl FnMut(Arc<Expr>)) {
    match &**expression {
        Expr::BinaryOp { op, left, right } if *op == by => {
            flatten(left, by, take);
            flatten(right, by, take);
        }
        _ => take(Arc::clone(expression)),
    }
}

/// A clause as people read it: `unless` where it was turned round.
pub(super) fn words(clause: &Expr) -> String {
    match clause {
        Expr::UnaryOp { op: UnaryOp::Not, expr } => format!("not: {expr}"),
        _ => clause.to_string(),
    }
}
