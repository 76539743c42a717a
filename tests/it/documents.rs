//! A large document is cut, worked on in parts, and put together again with citations.

use parking_lot::Mutex;
use std::sync::Arc;

use syzygy::actors::io::{Document, Task};
use syzygy::host::Host;
use syzygy::inference::{Scripted, Step};

use crate::support::{cx, end, events, task};

/// Sentences with a number of their own, so that a lost or repeated one is seen.
fn long_text(sentences: usize) -> String {
    (0..sentences).map(|number| format!("The item {number:05} is kept on a shelf of the old library. ")).collect()
}

#[tokio::test]
async fn a_large_document_is_cut_and_put_together_with_citations() {
    let asked: Arc<Mutex<Vec<String>>> = Arc::default();
    let seen = Arc::clone(&asked);
    let runtime = Scripted::new("local", move |request| {
        let prompt = request.messages.last().unwrap().content.clone();
        let first = prompt.split("The item ").nth(1).unwrap()[..5].to_owned();
        seen.lock().push(prompt);
        vec![Step::text(format!("Part with {first}."))]
    });
    let host = Host::builder().runtime(runtime).start().await.unwrap();
    let text = long_text(500);
    let documents = vec![Document { name: "items.txt".to_owned(), text: text.clone() }];
    let asking = Task { documents, ..task("Summarise this document") };
    let answer = host.ask(&cx(&host), asking).await.unwrap();
    assert!(answer.chunks > 3, "{}", answer.chunks);
    assert_eq!(answer.citations.len(), answer.chunks);
    for (number, citation) in answer.citations.iter().enumerate() {
        assert_eq!(citation.chunk, number);
        assert!(answer.answer[citation.start..citation.end].starts_with("Part with "), "{}", answer.answer);
    }
    let mut firsts: Vec<&str> = answer.answer.split("\n\n").collect();
    let in_order = firsts.clone();
    firsts.sort_unstable();
    assert_eq!(in_order, firsts, "the parts stand in the order of the document");
    let asked = asked.lock().clone();
    for number in 0..500 {
        let item = format!("item {number:05} is kept");
        assert!(asked.iter().any(|prompt| prompt.contains(&item)), "nobody was given {item}");
    }
    assert!(
        asked
            .iter()
            .all(|prompt| prompt.starts_with("items.txt (part ") && prompt.ends_with("\n\nSummarise this document"))
    );
    let kinds: Vec<String> = events(&host, answer.run_id).await.into_iter().map(|event| event.kind).collect();
    for kind in ["hop.decided", "hop.admitted", "hop.served"] {
        assert_eq!(kinds.iter().filter(|other| *other == kind).count(), answer.chunks, "{kind}");
    }
    // The document itself is a payload, which the record names.
    let accepted = &events(&host, answer.run_id).await[0];
    let address = accepted.body.value()["documents"][0]["payload"].as_str().unwrap().parse().unwrap();
    assert_eq!(host.journal().get_payload(address).await.unwrap(), Some(text.into_bytes()));
    end(host).await;
}

#[tokio::test]
async fn a_document_that_fits_is_one_piece() {
    let host = crate::support::scripted("Short.").start().await.unwrap();
    let documents = vec![Document { name: "a.txt".to_owned(), text: long_text(3) }];
    let answer = host.ask(&cx(&host), Task { documents, ..task("Summarise this document") }).await.unwrap();
    assert_eq!((answer.chunks, answer.citations.len(), answer.answer.as_str()), (1, 0, "Short."));
    end(host).await;
}
