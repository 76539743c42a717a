//! Policies of tools: who may call which, with which arguments, under which circumstances. Cedar, typed and sliced.
//!
//! A [`Book`] is all policies that were read. [`Book::slice`] takes those that can apply to one version of a tool, types
//! them against a schema that is made from the tool's input schema, and gives a [`Slice`], which decides. Whatever a
//! policy could get wrong by itself is found there, when a tool or a policy is published, with line and column.
//!
//! How a call is decided:
//! - It is refused unless a permit applies, and refused if a forbid does, whatever is permitted.
//! - It is refused if any policy of the slice cannot be evaluated, or if an argument that one looks at cannot be
//!   represented. [`Decision::faults`] says which.
//! - Arguments that no policy of the tool looks at are not converted and do not matter.
//!
//! A tool's own description may bring policies too (`policy.rules`). They only forbid: what is permitted is the operator's to
//! say, and not its author's.
//!
//! How a list is decided is in `plan`: the same policies, asked for all arguments at once.
//!
//! Invariants:
//! - L1: a slice decides as the whole book would.
//! - L2: a tool is hidden only if no call could be allowed, or if a forbid about lists applies.
//! - L3: no value of an argument is in a decision or its explanation.
//! - L4: the same inputs give the same decision, its policies in the order in which they were written.

mod atom;
mod builtin;
mod explain;
mod facts;
mod guess;
mod limits;
mod plan;
mod problem;
mod shape;
mod slice;
mod source;
mod texts;
mod tree;
mod typed;
mod value;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::tds::Tool;

use limits::{POLICIES_MAX, PROBLEMS_MAX, SLICE_MAX};
use shape::Shape;
use source::{Action, Reach, Rule};
use tree::Want;

pub use builtin::{Config, builtin};
pub use explain::{Explanation, Remedy, Said};
pub use facts::{Circumstances, Kind, Subject, ToolFacts, Unfit};
pub use plan::Listed;
pub use problem::Problem;
pub use slice::{Decision, Fault, Slice};

/// A file of policies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Its name, for positions.
    pub name: String,
    /// What is in it.
    pub text: String,
}

/// All policies, by what they may apply to.
#[derive(Debug, Clone, Default)]
pub struct Book {
    rules: Vec<Arc<Rule>>,
    /// Places in `rules` of those for one tool, one tag, and all tools.
    tools: BTreeMap<String, Vec<usize>>,
    tags: BTreeMap<String, Vec<usize>>,
    all: Vec<usize>,
}

impl Book {
    /// What holds if nobody says otherwise: everything that the host's own rules admit is permitted.
    ///
    /// # Errors
    /// What is wrong with the host's own policy, which is nothing.
    pub fn of_nobody() -> Result<Book, Vec<Problem>> {
        let admitted: Vec<Source> = builtin().into_iter().filter(|source| source.name == "admitted").collect();
        Book::read(&admitted)
    }

    /// Reads files of policies.
    ///
    /// # Errors
    /// Everything that is wrong with them, in order, as far as it can be told without a tool.
    pub fn read(sources: &[Source]) -> Result<Book, Vec<Problem>> {
        let (mut book, mut problems) = (Book::default(), Vec::new());
        let mut ids: BTreeMap<Arc<str>, Arc<Rule>> = BTreeMap::new();
        for source in sources {
            for rule in source::read(source, &mut problems) {
                let rule = Arc::new(rule);
                if let Some(first) = ids.insert(Arc::clone(&rule.id), Arc::clone(&rule)) {
                    let says = format!("its @id is taken: {}:{}:{} has it", first.source, first.line, first.column);
                    problems.push(rule.problem(0, None, says));
                }
                if book.rules.len() == POLICIES_MAX {
                    problems.push(rule.problem(0, None, format!("there are more than {POLICIES_MAX} policies")));
                    return Err(problems);
                }
                let place = book.rules.len();
                match &rule.reach {
                    Reach::Tool(id) => book.tools.entry(id.clone()).or_default().push(place),
                    Reach::Tag(tag) => book.tags.entry(tag.clone()).or_default().push(place),
                    Reach::All => book.all.push(place),
                }
                book.rules.push(rule);
            }
            if problems.len() >= PROBLEMS_MAX {
                break;
            }
        }
        if problems.is_empty() { Ok(book) } else { Err(sorted(problems)) }
    }

    /// How many policies there are.
    pub fn policies(&self) -> usize {
        self.rules.len()
    }

    /// The policies that can apply to this tool, typed against its schema and ready to decide.
    ///
    /// # Errors
    /// What is wrong with them for this tool.
    pub fn slice(&self, tool: &ToolFacts) -> Result<Slice, Vec<Problem>> {
        Book::typed(tool, self.reaching(tool))
    }

    /// The policies of a tool: those of this book that can apply to it, and those of its own description. None if all they
    /// say is that everything is permitted.
    ///
    /// # Errors
    /// What is wrong with them for this tool.
    pub fn of_tool(&self, tool: &Tool) -> Result<Option<Slice>, Vec<Problem>> {
        let facts = ToolFacts::of(tool);
        let mut problems = Vec::new();
        let mut rules = self.reaching(&facts);
        rules.extend(source::own(&facts, &tool.policy.rules, &mut problems).into_iter().map(Arc::new));
        if !problems.is_empty() {
            return Err(sorted(problems));
        }
        // Most tools of most hosts have no other, and to ask one that always says yes costs microseconds and memory.
        if !rules.is_empty() && rules.iter().all(|rule| rule.is_blanket()) {
            return Ok(None);
        }
        Book::typed(&facts, rules).map(Some)
    }

    fn reaching(&self, tool: &ToolFacts) -> Vec<Arc<Rule>> {
        let none = Vec::new();
        let mut places = self.all.clone();
        places.extend(self.tools.get(&tool.id).unwrap_or(&none));
        tool.tags.iter().for_each(|tag| places.extend(self.tags.get(tag).unwrap_or(&none)));
        places.sort_unstable();
        places.iter().map(|place| Arc::clone(&self.rules[*place])).collect()
    }

    fn typed(tool: &ToolFacts, rules: Vec<Arc<Rule>>) -> Result<Slice, Vec<Problem>> {
        let shape = Shape::of_input(&tool.input);
        let mut problems = Vec::new();
        if let Some(rule) = rules.get(SLICE_MAX) {
            let says = format!("more than {SLICE_MAX} policies can apply to one tool");
            problems.push(rule.problem(0, Some(&tool.id), says));
        } else {
            let typed: Vec<&Rule> = rules.iter().map(Arc::as_ref).collect();
            match slice::Compiled::of(rules.iter().map(|rule| (&rule.policy, &rule.want))) {
                Ok(compiled) => typed::check(&tool.id, &shape, &typed, &compiled.set, &mut problems),
                Err(says) => problems.push(unplaced(tool, says)),
            }
        }
        if !problems.is_empty() {
            return Err(sorted(problems));
        }
        Book::assemble(tool, shape, rules).map_err(|says| vec![unplaced(tool, says)])
    }

    /// A tool with every policy of the book, as if there were no slices: what they are compared with.
    ///
    /// # Errors
    /// That the tool cannot be described.
    pub fn whole(&self, tool: &ToolFacts) -> Result<Slice, Vec<Problem>> {
        Book::assemble(tool, Shape::of_input(&tool.input), self.rules.clone())
            .map_err(|says| vec![unplaced(tool, says)])
    }

    fn assemble(tool: &ToolFacts, shape: Shape, rules: Vec<Arc<Rule>>) -> Result<Slice, String> {
        let (invoke, hide): (Vec<_>, Vec<_>) = rules.into_iter().partition(|rule| rule.action == Action::Invoke);
        Slice::new(Arc::new(tool.clone()), shape, invoke, hide)
    }

    /// The policies that are about a tool or a tag of which there is none; these there are. They may be early, or misspelled.
    pub fn unbound(&self, ids: &BTreeSet<String>, tags: &BTreeSet<String>) -> Vec<Problem> {
        let missing = |rule: &&Arc<Rule>| match &rule.reach {
            Reach::Tool(id) => !ids.contains(id),
            Reach::Tag(tag) => !tags.contains(tag),
            Reach::All => false,
        };
        let say =
            |rule: &Arc<Rule>| rule.problem(0, None, "it is about a tool or tag of which there is none".to_owned());
        self.rules.iter().filter(missing).map(say).collect()
    }
}

fn sorted(mut problems: Vec<Problem>) -> Vec<Problem> {
    problems.sort();
    problems.dedup();
    problems.truncate(PROBLEMS_MAX);
    problems
}

/// A problem that is the tool's.
fn unplaced(tool: &ToolFacts, says: String) -> Problem {
    let source = format!("the description of {}", tool.id);
    Problem { source, line: 1, column: 1, policy: None, tool: Some(tool.id.clone()), says }
}
