//! The way out of the host to a model, and back in: what the place may not see is withheld or has stand-ins.

use std::sync::Arc;

use tokio::sync::mpsc;

use crate::inference::{Completion, Delta, Error, Request, Role, Runtime};
use crate::types::sensitive::{Originals, find};
use crate::types::{Classified, Cleared, Cx, Place, PrivacyClass, ToolCall, TrustTier, Withheld};

/// News of a generation that may wait here; whoever reads them next has a queue of its own.
const NEWS_WAITING: usize = 64;

/// Clears a request for a place, with stand-ins if it may not go there without and its context allows them.
pub(super) fn leave(
    cx: &Cx,
    request: Classified<Request>,
    place: &Place,
) -> Result<(Cleared<Request>, Originals), Withheld> {
    // A place of the first tier may see everything, so nothing has to be looked for.
    let request = if place.tier == TrustTier::Local { request } else { request.raised_by(found) };
    let withheld = match (request.label().check(place), cx.stand_ins()) {
        (Ok(()), _) => return Ok((request.clear(place)?, Originals::default())),
        (Err(withheld), None) => return Err(withheld),
        (Err(withheld), Some(_)) => withheld,
    };
    let replaced = cx.stand_ins().and_then(|stand_ins| request.with_stand_ins(stand_ins, texts, replaced));
    let (request, originals) = replaced.ok_or(withheld)?;
    Ok((request.clear(place)?, originals))
}

/// How private a request is by what is in it: a tool or a memory may have brought more than the task had.
fn found(request: &Request) -> PrivacyClass {
    let texts = texts(request);
    let kinds = texts.iter().flat_map(|text| find(text)).map(|finding| finding.kind.class());
    kinds.max().unwrap_or_default()
}

/// What may hold data of ours. What a model said itself is no news to it, apart from what was put back, which stands in
/// the other messages too.
fn texts(request: &Request) -> Vec<String> {
    let ours = request.messages.iter().filter(|message| message.role != Role::Assistant);
    ours.map(|message| message.content.clone()).collect()
}

fn replaced(mut request: Request, originals: &Originals) -> Request {
    for message in &mut request.messages {
        message.content = originals.replace(&message.content);
        message.tool_calls.iter_mut().for_each(|call| exchange(call, |text| originals.replace(text)));
    }
    request
}

/// Changes every text in the arguments of a call, names of members included.
fn exchange(call: &mut ToolCall, change: impl Fn(&str) -> String) {
    // Values that are exchanged hold neither quotes nor backslashes, so JSON stays JSON; what is none stays as it was.
    if let Ok(changed) = serde_json::from_str(&change(&call.arguments.to_string())) {
        call.arguments = changed;
    }
}

/// Generates, and puts back what has stand-ins into everything that comes in.
pub(super) async fn generate(
    runtime: Arc<dyn Runtime>,
    cx: Cx,
    (request, originals): (Cleared<Request>, Originals),
    news: mpsc::Sender<Delta>,
) -> Result<Completion, Error> {
    if originals.is_empty() {
        return runtime.generate(&cx, request, news).await;
    }
    let (inner, mut pieces) = mpsc::channel(NEWS_WAITING);
    let forward = async {
        let mut restorer = originals.restorer();
        while let Some(delta) = pieces.recv().await {
            let delta = match delta {
                Delta::Text { text } => Delta::Text { text: restorer.push(&text) },
                other => other,
            };
            // Who reads no longer still waits for the answer.
            if !matches!(&delta, Delta::Text { text } if text.is_empty()) {
                let _ = news.send(delta).await;
            }
        }
        let rest = restorer.finish();
        if !rest.is_empty() {
            let _ = news.send(Delta::Text { text: rest }).await;
        }
    };
    let (result, ()) = tokio::join!(runtime.generate(&cx, request, inner), forward);
    let mut completion = result?;
    completion.text = originals.restore(&completion.text);
    completion.tool_calls.iter_mut().for_each(|call| exchange(call, |text| originals.restore(text)));
    Ok(completion)
}
