//! A Jira of three issues, with the shapes of version 3 of Jira Cloud's REST interface.

use serde_json::{Value, json};

use crate::egress::Seen;

fn answered(status: u16, body: &Value) -> Vec<u8> {
    let body = if status == 204 { String::new() } else { body.to_string() };
    let length = if status == 204 { String::new() } else { format!("content-length: {}\r\n", body.len()) };
    format!("HTTP/1.1 {status} \r\ncontent-type: application/json;charset=UTF-8\r\n{length}\r\n{body}").into_bytes()
}

fn refused(status: u16, message: &str) -> Vec<u8> {
    answered(status, &json!({ "errorMessages": [message], "errors": {} }))
}

fn paragraph(text: &str) -> Value {
    json!({ "type": "paragraph", "content": [{ "type": "text", "text": text }] })
}

/// An issue with the fields that are asked for, and with what Jira says besides.
fn issue(number: u32, summary: &str, kind: &str, assignee: Option<&str>, priority: &str) -> Value {
    let person = assignee
        .map(|name| json!({ "accountId": "5b10a", "accountType": "atlassian", "active": true, "displayName": name }));
    json!({
        "expand": "renderedFields,names,schema", "id": (10_000 + number).to_string(), "key": format!("APP-{number}"),
        "self": format!("https://acme.atlassian.net/rest/api/3/issue/{}", 10_000 + number),
        "fields": {
            "summary": summary,
            "issuetype": { "id": "10001", "name": kind, "subtask": false, "hierarchyLevel": 0 },
            "status": { "id": "3", "name": "Open", "statusCategory": { "id": 2, "key": "new", "name": "To Do" } },
            "assignee": person,
            "priority": { "id": "2", "name": priority },
            "updated": format!("2026-01-0{}T03:04:05.000+0000", 3 - number),
        },
    })
}

fn issues() -> Vec<Value> {
    vec![
        issue(1, "Login fails", "Bug", Some("Ada"), "High"),
        issue(2, "Write the manual", "Task", None, "Medium"),
        issue(3, "Done long ago", "Task", None, "Low"),
    ]
}

/// One value of a query.
fn queried(target: &str, name: &str) -> Option<String> {
    let (_, query) = target.split_once('?')?;
    let raw = query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))?;
    let (mut bytes, mut rest) = (Vec::new(), raw.as_bytes());
    while let Some((first, after)) = rest.split_first() {
        match (first, after) {
            (b'%', [high, low, after @ ..]) => {
                bytes.push(u8::from_str_radix(std::str::from_utf8(&[*high, *low]).ok()?, 16).ok()?);
                rest = after;
            }
            _ => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8(bytes).ok()
}

/// What it answers to who has this token.
pub(super) fn answer(seen: &Seen, token: &str) -> Vec<u8> {
    let mut words = seen.head.split(' ');
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    if !seen.head.contains(&format!("authorization: Basic {token}\r\n")) {
        return refused(401, "Client must be authenticated to access this resource.");
    }
    let path = target.split('?').next().unwrap_or_default();
    let Some(rest) = path.strip_prefix("/rest/api/3/") else { return refused(404, "null for uri") };
    let body: Value = serde_json::from_slice(&seen.body).unwrap_or_default();
    match (method, rest.split('/').collect::<Vec<_>>().as_slice()) {
        ("GET", ["search", "jql"]) => search(target),
        ("POST", ["issue"]) => create(&body),
        (_, ["issue", key, ..]) if !["APP-1", "APP-2", "APP-3", "APP-666"].contains(key) => {
            refused(404, "Issue does not exist or you do not have permission to see it.")
        }
        ("GET", ["issue", "APP-666"]) => {
            let mut leak = issue(1, token, "Bug", None, "Low");
            leak["key"] = json!("APP-666");
            answered(200, &leak)
        }
        ("GET", ["issue", _]) => answered(200, &whole()),
        ("POST", ["issue", key, "comment"]) => {
            let good = body["body"]["type"] == "doc" && body["body"]["version"] == 1;
            let made = json!({ "id": "10001", "body": body["body"], "self": format!("https://acme.atlassian.net/rest/api/3/issue/{key}/comment/10001") });
            if good { answered(201, &made) } else { refused(400, "Comment body is not valid!") }
        }
        ("GET", ["issue", _, "transitions"]) => {
            let way = |id: &str, name: &str, to: &str| json!({ "id": id, "name": name, "hasScreen": false, "isAvailable": true, "to": { "id": id, "name": to } });
            answered(
                200,
                &json!({ "expand": "transitions", "transitions": [way("21", "Start", "In Progress"), way("31", "Close", "Done")] }),
            )
        }
        ("POST", ["issue", _, "transitions"]) if body["transition"]["id"] == "31" => answered(204, &Value::Null),
        _ => refused(405, "Method not allowed"),
    }
}

/// Pages as the newer of its searches has them: a token for the next, and none on the last.
fn search(target: &str) -> Vec<u8> {
    let jql = queried(target, "jql").unwrap_or_default();
    if !jql.contains('=') {
        return refused(400, "Error in the JQL Query: Expecting operator but got 'is'.");
    }
    let most = queried(target, "maxResults").and_then(|most| most.parse().ok()).unwrap_or(50);
    let from = queried(target, "nextPageToken").and_then(|page| page.strip_prefix("page-")?.parse().ok()).unwrap_or(0);
    // The query of the recorded call leaves out what is done.
    let all: Vec<Value> = issues().into_iter().take(if jql.contains("status = Open") { 2 } else { 3 }).collect();
    let found: Vec<Value> = all.iter().skip(from).take(most).cloned().collect();
    let mut answer = json!({ "issues": found, "isLast": from + found.len() >= all.len() });
    if from + found.len() < all.len() {
        answer["nextPageToken"] = json!(format!("page-{}", from + found.len()));
    }
    answered(200, &answer)
}

fn create(body: &Value) -> Vec<u8> {
    let fields = &body["fields"];
    if fields["project"]["key"] != "APP" {
        let told = json!({ "errorMessages": [], "errors": { "project": "valid project is required" } });
        return answered(400, &told);
    }
    let good = fields["summary"].is_string() && fields["issuetype"]["name"].is_string();
    let made = json!({ "id": "10003", "key": "APP-3", "self": "https://acme.atlassian.net/rest/api/3/issue/10003" });
    if good { answered(201, &made) } else { refused(400, "Specify an issue type") }
}

/// An issue with a description and a comment, as documents.
fn whole() -> Value {
    let mut issue = issues().swap_remove(0);
    let doc = |content: Value| json!({ "type": "doc", "version": 1, "content": content });
    issue["fields"]["description"] = doc(json!([paragraph("Nobody gets in."), paragraph("Since Monday.")]));
    issue["fields"]["comment"] = json!({ "startAt": 0, "maxResults": 1, "total": 1, "comments": [{
        "id": "10000", "author": { "accountId": "5b10b", "displayName": "Ben" }, "created": "2026-01-02T03:04:05.000+0000",
        "body": doc(json!([paragraph("Me neither.")])),
    }] });
    issue
}
