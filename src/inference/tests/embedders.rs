//! Every embedder: unit vectors, the same each time, related texts closer than unrelated ones.

use super::*;
use crate::inference::{Lexical, MiniLm, WordLlama};

fn cosine(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// Three texts: two that belong together and one that does not.
const BY_SPELLING: [[&str; 3]; 2] = [
    ["restart the database server", "the database server was restarted", "a poem about spring rain"],
    ["billing address of a customer", "change the customer's address", "how deep is the ocean"],
];

/// Related by meaning alone.
const BY_MEANING: [[&str; 3]; 2] = [
    ["The cat sleeps on the sofa.", "A kitten is napping on the couch.", "Interest rates rose by half a percent."],
    ["How do I cook rice?", "Boil grains in water for dinner.", "The satellite left its orbit."],
];

async fn keeps_its_promises(embedder: &dyn Embedder, triples: &[[&str; 3]]) {
    assert!(!embedder.name().is_empty());
    for triple in triples {
        let texts: Vec<String> = triple.iter().map(ToString::to_string).collect();
        let vectors = embedder.embed(&patient(), texts.clone()).await.unwrap();
        let (near, far) = (cosine(&vectors[0], &vectors[1]), cosine(&vectors[0], &vectors[2]));
        assert!(near > far + 0.1, "{}: {near} {far} {triple:?}", embedder.name());
        // Alone or beside longer ones, a text has the same vector.
        let alone = embedder.embed(&patient(), vec![texts[0].clone()]).await.unwrap();
        assert!(cosine(&alone[0], &vectors[0]) > 0.999, "{}", embedder.name());
    }
    let odd = ["", " ", "🌍👩‍👩‍👧", "\u{0}\u{200b}", &"long ".repeat(20_000), &"é".repeat(9_000)];
    let odd: Vec<String> = odd.iter().map(ToString::to_string).collect();
    let vectors = embedder.embed(&patient(), odd).await.unwrap();
    for vector in vectors {
        assert_eq!(vector.len(), embedder.dimensions());
        assert!((cosine(&vector, &vector) - 1.0).abs() < 1e-3, "{}: {}", embedder.name(), cosine(&vector, &vector));
    }
    let many = vec!["many texts in one call".to_owned(); 100];
    assert_eq!(embedder.embed(&patient(), many.clone()).await.unwrap().len(), 100);
    assert!(embedder.embed(&patient(), Vec::new()).await.unwrap().is_empty());
    let cancelled = patient();
    cancelled.cancel();
    assert!(matches!(embedder.embed(&cancelled, many).await, Err(Error::Cancelled { .. })));
}

#[tokio::test]
async fn lexical() {
    keeps_its_promises(&Lexical, &BY_SPELLING).await;
}

#[tokio::test]
async fn wordllama() {
    let Some(model) = parts::model("wordllama-256") else { return };
    let embedder = WordLlama::load(&model, clock()).unwrap();
    assert_eq!((embedder.name(), embedder.dimensions()), ("wordllama-256", 256));
    keeps_its_promises(&embedder, &BY_SPELLING).await;
    keeps_its_promises(&embedder, &BY_MEANING).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn minilm() {
    let Some(model) = parts::model("minilm-l6-v2") else { return };
    let embedder = MiniLm::load(&model, clock()).unwrap();
    assert_eq!((embedder.name(), embedder.dimensions()), ("minilm-l6-v2", 384));
    keeps_its_promises(&embedder, &BY_SPELLING).await;
    keeps_its_promises(&embedder, &BY_MEANING).await;
    let late = embedder.embed(&cx(Duration::ZERO), vec!["late".to_owned()]).await;
    assert!(matches!(late, Err(Error::TimedOut { .. })), "{late:?}");
}

#[tokio::test]
async fn a_model_of_another_kind_is_refused() {
    let Some(model) = parts::model("wordllama-256") else { return };
    assert!(matches!(MiniLm::load(&model, clock()).err(), Some(Error::Load { .. })));
}
