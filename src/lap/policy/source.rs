//! Reads files of policies: finds the statements, keeps them within limits, parses each, and says where it is wrong.

use std::collections::BTreeSet;
use std::sync::Arc;

use cedar_policy::pst::{
    ActionConstraint, Effect, EntityOrSlot, EntityUID, Policy as Tree, PrincipalConstraint, ResourceConstraint,
    Template,
};
use cedar_policy::{Policy, PolicyId};
use miette::Diagnostic;

use super::facts::ToolFacts;
use super::limits::{BRACKETS_MAX, OPERATORS_MAX, SOURCE_BYTES_MAX, WORDS_BYTES_MAX};
use super::problem::{Problem, place};
use super::tree::wants;
use super::{Source, Want};

/// What a policy is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    /// Calling a tool.
    Invoke,
    /// Seeing it in a list.
    List,
}

/// Which tools a policy may apply to, by its scope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Reach {
    /// This one.
    Tool(String),
    /// All of this tag.
    Tag(String),
    /// All.
    All,
}

/// A policy that was read.
#[derive(Debug, Clone)]
pub(super) struct Rule {
    pub(super) id: Arc<str>,
    pub(super) because: Arc<str>,
    /// What the operator says would help.
    pub(super) remedy: Option<Arc<str>>,
    pub(super) permits: bool,
    pub(super) action: Action,
    pub(super) reach: Reach,
    pub(super) source: Arc<str>,
    pub(super) line: usize,
    pub(super) column: usize,
    /// What it looks at in the context.
    pub(super) want: Want,
    pub(super) policy: Policy,
    pub(super) tree: Arc<Template>,
    /// Its file, and where in it the policy begins: what positions of errors are counted from.
    text: Arc<str>,
    offset: usize,
}

impl Rule {
    /// Whether it permits everybody every call.
    pub(super) fn is_blanket(&self) -> bool {
        let everybody = self.tree.principal == PrincipalConstraint::Any;
        let everything = self.tree.resource == ResourceConstraint::Any;
        self.permits && everybody && everything && super::tree::clauses(self.tree.clauses()).is_empty()
    }

    /// A problem of this policy, at a byte of its own text.
    pub(super) fn problem(&self, at: usize, tool: Option<&str>, says: String) -> Problem {
        let (line, column) = place(&self.text, self.offset + at);
        Problem {
            source: self.source.to_string(),
            line,
            column,
            policy: Some(self.id.to_string()),
            tool: tool.map(str::to_owned),
            says,
        }
    }
}

/// The first byte that an error of Cedar points at, and its words with its advice.
pub(super) fn diagnose(error: &dyn Diagnostic) -> (usize, String) {
    let at = error.labels().and_then(|mut labels| labels.next()).map_or(0, |label| label.offset());
    let mut says = error.to_string();
    if let Some(help) = error.help() {
        says.push_str("; ");
        says.push_str(&help.to_string());
    }
    (at, says)
}

/// A statement of a file.
struct Statement {
    offset: usize,
    end: usize,
    /// Where it passes a limit, and which.
    excess: Option<(usize, String)>,
}

/// The statements of a text: what ends in `;` outside of strings and comments.
fn statements(text: &str) -> Vec<Statement> {
    let bytes = text.as_bytes();
    let (mut found, mut at) = (Vec::new(), 0);
    let (mut start, mut nested, mut operators) = (None, 0_usize, 0_usize);
    // For each open bracket how deep it is; what stood in one is over with it.
    let mut open: Vec<usize> = Vec::new();
    let mut excess = None;
    while at < bytes.len() {
        let byte = bytes[at];
        if byte == b'/' && bytes.get(at + 1) == Some(&b'/') {
            at = bytes[at..].iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |end| at + end);
            continue;
        }
        if byte.is_ascii_whitespace() {
            at += 1;
            continue;
        }
        start.get_or_insert(at);
        match byte {
            b'"' => at = end_of_string(bytes, at),
            b'(' | b'[' | b'{' => {
                open.push(nested);
                (nested, operators) = (nested + 1, operators + 1);
            }
            b')' | b']' | b'}' => nested = open.pop().unwrap_or(nested),
            b'&' | b'|' | b'!' | b'.' => operators += 1,
            b'-' | b'+' | b'*' => (nested, operators) = (nested + 1, operators + 1),
            // What stands in an `else` is as deep within it as what stands in brackets, and only brackets around it say where
            // it ends. A sum is a tree as deep as it is long.
            b'i' if is_if(bytes, at) => (nested, operators) = (nested + 1, operators + 1),
            _ => {}
        }
        if nested > BRACKETS_MAX {
            excess.get_or_insert((
                at,
                format!("there are more than {BRACKETS_MAX} brackets, ifs and sums within each other"),
            ));
        } else if operators > OPERATORS_MAX {
            let says =
                format!("it has more than {OPERATORS_MAX} operators, dots and brackets; make two policies of it");
            excess.get_or_insert((at, says));
        }
        at += 1;
        if byte == b';' {
            found.extend(start.take().map(|offset| Statement { offset, end: at, excess: excess.take() }));
            (nested, operators) = (0, 0);
            open.clear();
        }
    }
    found.extend(start.map(|offset| Statement { offset, end: bytes.len(), excess }));
    found
}

/// Whether the word `if` stands here, and not in the middle of another.
fn is_if(bytes: &[u8], at: usize) -> bool {
    let letter = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    let begins = at == 0 || !letter(&bytes[at - 1]);
    begins && bytes[at..].starts_with(b"if") && !bytes.get(at + 2).is_some_and(letter)
}

/// The last byte of the string that begins here.
fn end_of_string(bytes: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 2,
            b'"' => return at,
            _ => at += 1,
        }
    }
    bytes.len() - 1
}

/// The policies of a file, and what is wrong with it.
pub(super) fn read(source: &Source, problems: &mut Vec<Problem>) -> Vec<Rule> {
    let (name, text): (Arc<str>, Arc<str>) = (Arc::from(source.name.as_str()), Arc::from(source.text.as_str()));
    let mut complain = |at: usize, policy: Option<String>, says: String| {
        let (line, column) = place(&text, at);
        problems.push(Problem { source: name.to_string(), line, column, policy, tool: None, says });
    };
    if text.len() > SOURCE_BYTES_MAX {
        complain(0, None, format!("the file has more than {SOURCE_BYTES_MAX} bytes"));
        return Vec::new();
    }
    let mut rules = Vec::new();
    for Statement { offset, end, excess } in statements(&text) {
        if let Some((at, says)) = excess {
            complain(at, None, says);
            continue;
        }
        match rule(&name, &text, offset, end) {
            Ok(rule) => rules.push(rule),
            Err(found) => found.into_iter().for_each(|(at, policy, says)| complain(offset + at, policy, says)),
        }
    }
    rules
}

/// The policies that a tool's description brings, and what is wrong with them. Each is about this tool, whatever it says,
/// and is named `tool/id`, which no policy of an operator is.
pub(super) fn own(tool: &ToolFacts, text: &str, problems: &mut Vec<Problem>) -> Vec<Rule> {
    let source = Source { name: format!("policy.rules of {}@{}", tool.id, tool.version), text: text.to_owned() };
    let mut rules = read(&source, problems);
    let mut ids = BTreeSet::new();
    for rule in &mut rules {
        let mut complain = |says: &str| problems.push(rule.problem(0, Some(&tool.id), says.to_owned()));
        if !ids.insert(Arc::clone(&rule.id)) {
            complain("its @id is taken: another policy of the tool has it");
        }
        if rule.permits {
            complain("a tool's own policies forbid; what is permitted is the operator's to say");
        }
        match &rule.reach {
            Reach::Tool(id) if *id != tool.id => complain("it is about another tool"),
            Reach::Tag(_) => complain("it is about a tag; a tool's own policies are about the tool"),
            Reach::Tool(_) | Reach::All => {}
        }
        let id = format!("{}/{}", tool.id, rule.id);
        rule.policy = rule.policy.new_id(PolicyId::new(&id));
        rule.id = Arc::from(id);
        rule.reach = Reach::Tool(tool.id.clone());
    }
    rules
}

/// What is wrong with a statement: at which byte of it, its id if it has one, and the words.
type Wrong = (usize, Option<String>, String);

fn rule(name: &Arc<str>, text: &Arc<str>, offset: usize, end: usize) -> Result<Rule, Vec<Wrong>> {
    let statement = &text[offset..end];
    let parsed = match Policy::parse(None, statement) {
        Ok(parsed) => parsed,
        Err(errors) => {
            let wrong = |error: &cedar_policy::ParseError| {
                let (at, says) = diagnose(error);
                (at, None, says)
            };
            return Err(errors.iter().map(wrong).collect());
        }
    };
    let wrong = |policy: Option<&str>, says: String| vec![(0, policy.map(str::to_owned), says)];
    let word = |key: &str| parsed.annotation(key).map(str::trim).filter(|word| !word.is_empty());
    let id = word("id").ok_or_else(|| wrong(None, "it has no @id(\"...\") to be named by".to_owned()))?;
    if !id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte)) || id.len() > WORDS_BYTES_MAX {
        return Err(wrong(None, "its @id may have letters, digits and -_. only".to_owned()));
    }
    let because = word("because")
        .ok_or_else(|| wrong(Some(id), "it has no @because(\"...\") that says why it exists".to_owned()))?;
    let known = ["id", "because", "remedy"];
    if let Some((key, _)) = parsed.annotations().find(|(key, _)| !known.contains(key)) {
        return Err(wrong(Some(id), format!("nobody reads @{key}; there are @id, @because and @remedy")));
    }
    if because.len().max(word("remedy").map_or(0, str::len)) > WORDS_BYTES_MAX {
        return Err(wrong(Some(id), format!("its @because or @remedy has more than {WORDS_BYTES_MAX} bytes")));
    }
    let tree = match parsed.to_pst() {
        Ok(Tree::Static(tree)) => tree.body().clone(),
        Ok(Tree::Linked(_)) => return Err(wrong(Some(id), "it is a template; write it out".to_owned())),
        Err(error) => return Err(wrong(Some(id), error.to_string())),
    };
    let permits = tree.effect == Effect::Permit;
    let action = action(&tree, permits).map_err(|says| wrong(Some(id), says))?;
    let reach = reach(&tree);
    let mut want = Want::default();
    super::tree::clauses(tree.clauses()).iter().for_each(|clause| wants(clause, &mut want));
    let (line, column) = place(text, offset);
    Ok(Rule {
        id: Arc::from(id),
        because: Arc::from(because),
        remedy: word("remedy").map(Arc::from),
        permits,
        action,
        reach,
        source: Arc::clone(name),
        line,
        column,
        want,
        policy: parsed.new_id(PolicyId::new(id)),
        tree: Arc::new(tree),
        text: Arc::clone(text),
        offset,
    })
}

fn action(tree: &Template, permits: bool) -> Result<Action, String> {
    let action = match &tree.action {
        ActionConstraint::Eq(action) => action,
        ActionConstraint::In(actions) if actions.len() == 1 => &actions[0],
        _ => return Err("its scope must name one action: Action::\"invoke\", or Action::\"list\" to hide".to_owned()),
    };
    match (action.ty.to_string().as_str(), action.eid.as_str(), permits) {
        ("Action", "invoke", _) => Ok(Action::Invoke),
        ("Action", "list", false) => Ok(Action::List),
        ("Action", "list", true) => {
            Err("a list shows what may be called, so only a forbid can be about Action::\"list\"".to_owned())
        }
        _ => Err(format!("there is no action {action}; there are Action::\"invoke\" and Action::\"list\"")),
    }
}

fn reach(tree: &Template) -> Reach {
    let of = |entity: &EntityUID| match entity.ty.to_string().as_str() {
        "Tool" => Reach::Tool(entity.eid.to_string()),
        "Tag" => Reach::Tag(entity.eid.to_string()),
        _ => Reach::All,
    };
    match &tree.resource {
        ResourceConstraint::Eq(EntityOrSlot::Entity(entity))
        | ResourceConstraint::In(EntityOrSlot::Entity(entity))
        | ResourceConstraint::IsIn(_, EntityOrSlot::Entity(entity)) => of(entity),
        _ => Reach::All,
    }
}

/// A policy's scope as people read it, without what it says of the action.
pub(super) fn scope_words(tree: &Template) -> String {
    let mut words = Vec::new();
    if tree.principal != PrincipalConstraint::Any {
        words.push(format!("principal {}", tree.principal));
    }
    if tree.resource != ResourceConstraint::Any {
        words.push(format!("resource {}", tree.resource));
    }
    words.join(", ")
}
