//! `syzygy inbox`: what waits for people, and what they say of it.

use serde_json::Value;

use super::asked::{InboxVerb, ItemWord};
use super::client::Client;
use super::console::Console;
use super::error::Error;
use super::paint::{Paint, columns, plain, short};
use crate::api::{Delegated, Items, Said, Shown};
use crate::ziggy::review::{Edits, Item, ItemStatus, Kind, Opinion};

/// Lists items, shows one, or says something of one.
pub(super) async fn inbox(client: &Client, verb: Option<InboxVerb>, console: &mut Console) -> Result<(), Error> {
    let usual = InboxVerb::List { limit: 20, after: None, status: ItemWord::Open };
    match verb.unwrap_or(usual) {
        InboxVerb::List { limit, after, status } => list(client, limit, after, status, console).await,
        InboxVerb::Show { item } => {
            let shown = find(client, &item).await?;
            if console.json {
                return console.out_json(&shown);
            }
            let paint = console.paint();
            console.out(&page(&shown, paint))
        }
        InboxVerb::Approve { item, comment } => {
            let shown = find(client, &item).await?;
            let said = Said { comment, edits: Edits::new(), revision: Some(shown.item.revision) };
            say(client, &shown.item, "approve", &said, console).await
        }
        InboxVerb::Deny { item, comment } => {
            let shown = find(client, &item).await?;
            let said = Said { comment, edits: Edits::new(), revision: Some(shown.item.revision) };
            say(client, &shown.item, "deny", &said, console).await
        }
        InboxVerb::Edit { item, text, at, comment } => {
            let shown = find(client, &item).await?;
            let text = if text == "-" { console.read_all()? } else { text };
            let pointer = at.or_else(|| shown.item.editable.first().cloned());
            let pointer = pointer.ok_or_else(|| Error::Usage("nothing of this item may be changed".to_owned()))?;
            let edits = Edits::from([(pointer, text)]);
            let said = Said { comment, edits, revision: Some(shown.item.revision) };
            say(client, &shown.item, "approve", &said, console).await
        }
        InboxVerb::Delegate { item, to, comment } => {
            let shown = find(client, &item).await?;
            let asked = Delegated { to: to.clone(), comment };
            let item: Item = client.post(&format!("/hitl/{}/delegate", shown.item.id), &asked).await?;
            tell(&item, &format!("item {} is delegated to {to}. {}", item.id, stands(&item)), console)
        }
        InboxVerb::Expire { item } => {
            let shown = find(client, &item).await?;
            let item: Item = client.order(&format!("/hitl/{}/expire", shown.item.id)).await?;
            tell(&item, &outcome(&item), console)
        }
    }
}

async fn list(
    client: &Client,
    limit: u32,
    after: Option<String>,
    status: ItemWord,
    console: &mut Console,
) -> Result<(), Error> {
    let mut path = format!("/hitl?limit={limit}");
    if let Some(after) = after {
        path.push_str(&format!("&after={}", find(client, &after).await?.item.id));
    }
    let status = match status {
        ItemWord::Open => Some(ItemStatus::Open),
        ItemWord::Approved => Some(ItemStatus::Approved),
        ItemWord::Denied => Some(ItemStatus::Denied),
        ItemWord::Expired => Some(ItemStatus::Expired),
        ItemWord::Cancelled => Some(ItemStatus::Cancelled),
        ItemWord::All => None,
    };
    if let Some(status) = status {
        path.push_str(&format!("&status={}", status.word()));
    }
    let found: Items = client.get(&path).await?;
    if console.json {
        return console.out_json(&found);
    }
    let (paint, width) = (console.paint(), console.columns());
    console.out(&table(&found.items, paint, width))?;
    if let (Some(next), true) = (found.next, console.stderr_is_terminal()) {
        console.remark(&format!("there are more: syzygy inbox list --after {next}"));
    }
    Ok(())
}

/// The item somebody means: by its id, or the newest of the run whose id they give.
async fn find(client: &Client, said: &str) -> Result<Shown, Error> {
    let part = |c: char| c.is_ascii_hexdigit() || c == '-';
    if said.is_empty() || !said.chars().all(part) {
        return Err(Error::Usage(format!("{said:?} names no item (expected its id, or that of its run)")));
    }
    if said.contains('-') {
        return client.get(&format!("/hitl/{said}")).await;
    }
    let run: Value = client.get(&format!("/runs/{said}")).await?;
    let item = run["item"].as_str();
    let item =
        item.ok_or_else(|| Error::NoRun(format!("run {said} waits for nobody; `syzygy inbox` lists what does")))?;
    client.get(&format!("/hitl/{item}")).await
}

async fn say(
    client: &Client,
    item: &Item,
    verb: &str,
    body: &impl serde::Serialize,
    console: &mut Console,
) -> Result<(), Error> {
    let item: Item = client.post(&format!("/hitl/{}/{verb}", item.id), body).await?;
    tell(&item, &outcome(&item), console)
}

fn tell(item: &Item, words: &str, console: &mut Console) -> Result<(), Error> {
    if console.json { console.out_json(item) } else { console.out(&format!("{words}\n")) }
}

/// For whom an item waits that is open, with the approvals it has.
fn stands(item: &Item) -> String {
    match item.approvals().len() {
        0 => item.asks(),
        given => format!("{} It has {given} of {} approvals.", item.asks(), item.quorum),
    }
}

/// What became of an item, in a line.
fn outcome(item: &Item) -> String {
    let given = item.approvals().len();
    match item.status {
        ItemStatus::Open if given > 0 => {
            format!("item {} has {given} of {} approvals", item.id, item.quorum)
        }
        ItemStatus::Open => item.asks(),
        status => {
            let by = item.closed_by.as_ref().map_or(String::new(), |by| format!(" by {}", plain(by)));
            format!("item {} is {}{by}, so {}", item.id, status.word(), item.follows())
        }
    }
}

/// Items as a table.
fn table(items: &[Item], paint: Paint, width: usize) -> String {
    if items.is_empty() {
        return "nothing waits\n".to_owned();
    }
    let heading = ["ITEM", "STATUS", "KIND", "WAITS", "UNTIL", "APPROVED", "FOR", "WHY"];
    let mut rows = vec![heading.map(str::to_owned).to_vec()];
    rows.extend(items.iter().map(|item| {
        let rules: Vec<&str> = item.reasons.iter().map(|reason| reason.rule.as_str()).collect();
        vec![
            item.id.clone(),
            item.status.word().to_owned(),
            item.kind.word().to_owned(),
            item.stage.word().to_owned(),
            item.deadline.rfc3339().chars().take(19).collect(),
            format!("{}/{}", item.approvals().len(), item.quorum),
            item.delegate.clone().unwrap_or_else(|| "-".to_owned()),
            short(&rules.join(", "), width.max(60) / 2),
        ]
    }));
    let text = columns(&rows);
    match text.split_once('\n') {
        Some((first, rest)) => format!("{}\n{rest}", paint.bold(first)),
        None => text,
    }
}

/// An item in full.
fn page(shown: &Shown, paint: Paint) -> String {
    let Shown { item, payload } = shown;
    let mut text = format!("{} {}\n", paint.bold(&format!("item {}", item.id)), item.status.word());
    let waits = if item.status == ItemStatus::Open { item.asks() } else { outcome(item) };
    text.push_str(&format!("{waits}\n"));
    item.reasons.iter().for_each(|reason| text.push_str(&format!("{}\n", reason.words())));
    for verdict in &item.verdicts {
        let did = if verdict.opinion == Opinion::Approve { "approved" } else { "denied" };
        let comment = verdict.comment.as_ref().map_or(String::new(), |comment| format!(": {}", plain(comment)));
        let changed =
            if verdict.edited.is_empty() { String::new() } else { format!(" ({})", verdict.edited.join(", ")) };
        text.push_str(&format!("{} {did} revision {}{changed}{comment}\n", verdict.author, verdict.revision));
    }
    if let Some(call) = payload["call"].as_object() {
        text.push_str(&format!("\n{}\n", paint.bold("call (/call)")));
        for (name, value) in call.iter().filter(|(_, value)| !value.is_null()) {
            let value = value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned);
            text.push_str(&format!("{name}: {}\n", plain(&value)));
        }
    }
    if item.kind == Kind::ToolDoubt && item.status == ItemStatus::Open {
        text.push_str(
            "\napprove: it was done, and gave /answer (`syzygy inbox edit` puts in what it gave)\ndeny: it was not done\n",
        );
    }
    let parts = [("asked", "/task/prompt"), ("answer", "/answer")];
    for (name, pointer) in parts {
        let said = payload.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        if !said.is_empty() {
            text.push_str(&format!("\n{}\n{}\n", paint.bold(&format!("{name} ({pointer})")), plain(said)));
        }
    }
    for document in payload["documents"].as_array().into_iter().flatten() {
        let (name, bytes) = (document["name"].as_str().unwrap_or_default(), document["bytes"].as_u64().unwrap_or(0));
        text.push_str(&format!("\n{}\n", paint.bold(&format!("with {} ({bytes} bytes)", plain(name)))));
        text.push_str(&format!("{}\n", plain(document["text"].as_str().unwrap_or_default())));
    }
    text
}
