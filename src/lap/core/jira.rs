//! Before Jira Cloud, version 3 of its REST interface. The account's token is put in by the proxy; nothing here sees it.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{http, input, internal, invalid};
use crate::egress::{Message, Method, Reply};
use crate::lap::{Came, Front, Step, cut};
use crate::sandbox::Failure;
use crate::types::Class;

/// Bytes of a text of an issue that are shown.
const TEXT_MOST: usize = 8_000;

/// Issues that are found if a caller does not say how many.
const FOUND_USUAL: u64 = 20;

/// What an issue is asked for.
const FIELDS: &str = "summary,status,assignee,priority,issuetype,updated";

/// What the tools do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Does {
    /// `jira.search`: issues that a query in JQL finds.
    Search,
    /// `jira.issue`: one issue with its description and comments.
    Issue,
    /// `jira.create`: a new issue.
    Create,
    /// `jira.comment`: a comment on an issue.
    Comment,
    /// `jira.transition`: an issue into another status.
    Transition,
}

/// A tool of Jira.
pub(super) struct Jira {
    pub(super) host: String,
    pub(super) does: Does,
}

#[derive(Deserialize)]
struct Search {
    jql: String,
    limit: Option<u64>,
    page: Option<String>,
}

#[derive(Deserialize)]
struct Keyed {
    key: String,
}

#[derive(Deserialize)]
struct Create {
    project: String,
    kind: String,
    summary: String,
    description: Option<String>,
}

#[derive(Deserialize)]
struct Comment {
    key: String,
    text: String,
}

#[derive(Deserialize)]
struct Transition {
    key: String,
    to: String,
}

impl Front for Jira {
    fn next(&self, envelope: &Value, came: &[Came]) -> Result<Step, Failure> {
        match self.does {
            Does::Search => self.search(input(envelope)?, came),
            Does::Issue => self.issue(input(envelope)?, came),
            Does::Create => self.create(input(envelope)?, came),
            Does::Comment => self.comment(input(envelope)?, came),
            Does::Transition => self.transition(input(envelope)?, came),
        }
    }

    fn lacks(&self) -> Option<String> {
        self.host.is_empty().then(|| "no Jira is named ([tools.jira] host)".to_owned())
    }
}

impl Jira {
    fn get(&self, path: &str) -> Step {
        let headers = vec![("accept".to_owned(), "application/json".to_owned())];
        let url = format!("https://{}/rest/api/3/{path}", self.host);
        Step::Send(Message { method: Method::Get, url, headers, body: Vec::new() })
    }

    fn post(&self, path: &str, body: &Value) -> Step {
        let headers = ["accept", "content-type"].map(|name| (name.to_owned(), "application/json".to_owned())).to_vec();
        let url = format!("https://{}/rest/api/3/{path}", self.host);
        Step::Send(Message { method: Method::Post, url, headers, body: body.to_string().into_bytes() })
    }

    fn search(&self, own: Search, came: &[Came]) -> Result<Step, Failure> {
        let Some(came) = came.first() else {
            let limit = own.limit.unwrap_or(FOUND_USUAL);
            let mut path =
                format!("search/jql?jql={}&fields={}&maxResults={limit}", encoded(&own.jql), encoded(FIELDS));
            if let Some(page) = &own.page {
                path.push_str(&format!("&nextPageToken={}", encoded(page)));
            }
            return Ok(self.get(&path));
        };
        let found = said(came, 200)?;
        let issues = found["issues"].as_array().ok_or_else(|| strange("issues"))?;
        let mut answer = json!({ "issues": issues.iter().map(brief).collect::<Vec<_>>() });
        // The last page has no token.
        if let Some(page) = found["nextPageToken"].as_str() {
            answer["page"] = json!(page);
        }
        Ok(Step::Answer(answer))
    }

    fn issue(&self, own: Keyed, came: &[Came]) -> Result<Step, Failure> {
        let Some(came) = came.first() else {
            let fields = encoded(&format!("{FIELDS},description,comment"));
            return Ok(self.get(&format!("issue/{}?fields={fields}", key(&own.key)?)));
        };
        let found = said(came, 200)?;
        let mut answer = brief(&found);
        let fields = &found["fields"];
        answer["description"] = json!(cut(&plain(&fields["description"]), TEXT_MOST).0);
        let comments = fields["comment"]["comments"].as_array().map(Vec::as_slice).unwrap_or_default();
        // The newest say how it stands.
        let newest = &comments[comments.len().saturating_sub(COMMENTS_MOST)..];
        let comment = |one: &Value| {
            let text = cut(&plain(&one["body"]), COMMENT_MOST).0;
            json!({ "author": text_of(&one["author"]["displayName"]), "at": text_of(&one["created"]), "text": text })
        };
        answer["comments"] = json!(newest.iter().map(comment).collect::<Vec<_>>());
        Ok(Step::Answer(answer))
    }

    fn create(&self, own: Create, came: &[Came]) -> Result<Step, Failure> {
        let Some(came) = came.first() else {
            let mut fields = json!({
                "project": { "key": own.project }, "issuetype": { "name": own.kind }, "summary": own.summary,
            });
            if let Some(text) = &own.description {
                fields["description"] = document(text);
            }
            return Ok(self.post("issue", &json!({ "fields": fields })));
        };
        let made = said(came, 201)?;
        let key = made["key"].as_str().ok_or_else(|| strange("key"))?;
        Ok(Step::Answer(json!({ "key": key, "url": format!("https://{}/browse/{key}", self.host) })))
    }

    fn comment(&self, own: Comment, came: &[Came]) -> Result<Step, Failure> {
        let Some(came) = came.first() else {
            let body = json!({ "body": document(&own.text) });
            return Ok(self.post(&format!("issue/{}/comment", key(&own.key)?), &body));
        };
        let made = said(came, 201)?;
        let id = made["id"].as_str().ok_or_else(|| strange("id"))?;
        Ok(Step::Answer(json!({ "id": id })))
    }

    fn transition(&self, own: Transition, came: &[Came]) -> Result<Step, Failure> {
        let path = format!("issue/{}/transitions", key(&own.key)?);
        match came {
            [] => Ok(self.get(&path)),
            [listed] => {
                let listed = said(listed, 200)?;
                let ways = listed["transitions"].as_array().ok_or_else(|| strange("transitions"))?;
                let leads = |way: &&Value| {
                    let names = [&way["name"], &way["to"]["name"]];
                    names.iter().any(|name| name.as_str().is_some_and(|name| name.eq_ignore_ascii_case(&own.to)))
                };
                let Some(id) = ways.iter().find(leads).and_then(|way| way["id"].as_str()) else {
                    let known: Vec<String> = ways.iter().map(|way| text_of(&way["to"]["name"])).collect();
                    let text = format!("it cannot become {:?} now; it can become {}", own.to, known.join(", "));
                    return Err(invalid(cut(&text, COMMENT_MOST).0));
                };
                Ok(self.post(&path, &json!({ "transition": { "id": id } })))
            }
            [_, done, ..] => {
                said(done, 204)?;
                Ok(Step::Answer(json!({ "key": own.key, "done": true })))
            }
        }
    }
}

/// Comments of an issue that are shown, the newest.
const COMMENTS_MOST: usize = 10;

/// Bytes of a comment that are shown.
const COMMENT_MOST: usize = 2_000;

/// Bytes of a name or a date that are shown.
const NAME_MOST: usize = 300;

/// An issue in a line.
fn brief(issue: &Value) -> Value {
    let fields = &issue["fields"];
    json!({
        "key": text_of(&issue["key"]),
        "summary": text_of(&fields["summary"]),
        "status": text_of(&fields["status"]["name"]),
        "kind": text_of(&fields["issuetype"]["name"]),
        // Nobody and nothing are null with Jira.
        "assignee": text_of(&fields["assignee"]["displayName"]),
        "priority": text_of(&fields["priority"]["name"]),
        "updated": text_of(&fields["updated"]),
    })
}

fn text_of(value: &Value) -> String {
    cut(value.as_str().unwrap_or_default(), NAME_MOST).0
}

/// An issue's key, such as `APP-12`: nothing else may become a part of a path.
fn key(text: &str) -> Result<&str, Failure> {
    let good = text.split_once('-').is_some_and(|(project, number)| {
        let letters = project.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        letters && !project.is_empty() && !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
    });
    if good { Ok(text) } else { Err(invalid("key is that of an issue, such as APP-12")) }
}

/// A text as it may stand in a query.
fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

/// A text as Jira writes them: a document of paragraphs.
fn document(text: &str) -> Value {
    let paragraph = |line: &str| match line.is_empty() {
        true => json!({ "type": "paragraph" }),
        false => json!({ "type": "paragraph", "content": [{ "type": "text", "text": line }] }),
    };
    json!({ "type": "doc", "version": 1, "content": text.lines().map(paragraph).collect::<Vec<_>>() })
}

/// Levels of a document that are read: deeper ones nobody writes.
const DEPTH_MOST: usize = 32;

/// What a document says, a line a block.
fn plain(document: &Value) -> String {
    fn add(node: &Value, depth: usize, out: &mut String) {
        if let Some(text) = node["text"].as_str() {
            out.push_str(text);
        }
        let kind = node["type"].as_str().unwrap_or_default();
        if kind == "hardBreak" {
            out.push('\n');
        }
        if let Some(text) = node["attrs"]["text"].as_str() {
            out.push_str(text);
        }
        if depth < DEPTH_MOST {
            node["content"].as_array().into_iter().flatten().for_each(|inner| add(inner, depth + 1, out));
        }
        if matches!(kind, "paragraph" | "heading" | "codeBlock" | "rule") && !out.ends_with('\n') {
            out.push('\n');
        }
    }
    let mut out = String::new();
    add(document, 0, &mut out);
    out.trim_end().to_owned()
}

/// What Jira answered, if it is what is expected.
fn said(came: &Came, expected: u16) -> Result<Value, Failure> {
    let Came::Answered(reply) = came else { return Err(internal("Jira is no program")) };
    if reply.status != expected {
        return Err(refused(reply));
    }
    if expected == 204 {
        return Ok(Value::Null);
    }
    serde_json::from_str(http::text(reply)?).map_err(|_| strange("JSON"))
}

fn strange(what: &str) -> Failure {
    Failure::new(Class::Unavailable, format!("Jira answered without the {what} that it promises"))
}

/// Jira's refusal: its messages are for people, and those by field say which.
fn refused(reply: &Reply) -> Failure {
    let body: Value = serde_json::from_slice(&reply.body).unwrap_or_default();
    let mut told: Vec<String> = body["errorMessages"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|one| one.as_str().map(str::to_owned))
        .collect();
    let fields = body["errors"].as_object().into_iter().flatten();
    told.extend(fields.map(|(field, why)| format!("{field}: {}", why.as_str().unwrap_or_default())));
    let class = match reply.status {
        400 | 422 => Class::Invalid,
        401 | 403 => Class::Denied,
        404 => Class::NotFound,
        409 => Class::Conflict,
        429 => Class::Exhausted,
        _ => Class::Unavailable,
    };
    let text = format!("Jira refused with status {}: {}", reply.status, told.join("; "));
    Failure::new(class, cut(text.trim_end_matches([':', ' ']), COMMENT_MOST).0)
}
