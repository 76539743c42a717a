//! Tables of tasks as people write them, and the laws of classification.

#![expect(clippy::unwrap_used, reason = "a failed test panics")]

use proptest::prelude::*;

use super::*;

fn model() -> IntentModel {
    toml::from_str(include_str!("../../../config/intents.toml")).unwrap()
}

fn plain(text: &str) -> Classification {
    let input = Input { said: text, text, caller_class: PrivacyClass::Public, embedding: None };
    classify(&input, &IntentModel::default())
}

#[test]
fn rules_alone_know_plain_requests() {
    let table = [
        ("Summarise this article in three sentences: the sea is wide. Write to us.", Intent::Summarise),
        ("Please give me the key points of the README below", Intent::Summarise),
        ("Fasse den Text bitte zusammen.", Intent::Summarise),
        ("R\u{e9}sume ce texte en trois phrases.", Intent::Summarise),
        ("Translate into French: good morning", Intent::Translate),
        ("Wie sagt man butterfly auf Deutsch?", Intent::Translate),
        ("Remember that my cat is called Minka.", Intent::Remember),
        ("My favourite colour is green.", Intent::Remember),
        ("I live in Lisbon", Intent::Remember),
        ("Merk dir: ich wohne in Graz.", Intent::Remember),
        ("What is my cat called?", Intent::Recall),
        ("Where do I live?", Intent::Recall),
        ("Do you remember my favourite colour?", Intent::Recall),
        ("Wie hei\u{df}t mein Hund?", Intent::Recall),
        ("Write a Python function that reverses a list.", Intent::Code),
        ("What is wrong here?\n```\nlet x = 1\n```", Intent::Code),
        ("Extract all dates from this letter: 3 May, 4 June", Intent::Extract),
        ("Make a plan for my trip to Vienna", Intent::Plan),
        ("Write a poem about the sea", Intent::Write),
        ("Can you draft a letter to my landlord?", Intent::Write),
        ("What is the capital of Australia?", Intent::Question),
        ("Why is the sky blue?", Intent::Question),
        ("Warum ist der Himmel blau?", Intent::Question),
        ("How do I install my printer?", Intent::Question),
        ("Hello!", Intent::Chat),
        ("Thanks a lot", Intent::Chat),
        ("", Intent::Question),
        ("\u{1f600}", Intent::Question),
    ];
    for (text, intent) in table {
        let found = plain(text);
        assert_eq!(found.intent, intent, "{text}: {:?}", found.reasons);
        assert_eq!(found.capability, intent.capability());
    }
}

#[test]
fn material_does_not_drown_the_instruction() {
    let readme = "Write an agent. Translate tools. The host plans. Remember that agents fail. ".repeat(60);
    let found = plain(&format!("Summarise the following document.\n\n{readme}"));
    assert_eq!(found.intent, Intent::Summarise, "{:?}", found.reasons);
    let found = plain(&format!("{readme}\n\nGive me a summary of the document above."));
    assert_eq!(found.intent, Intent::Summarise, "{:?}", found.reasons);
}

#[test]
fn languages_are_told_from_sentences_and_from_single_phrases() {
    let table = [
        ("The quick brown fox jumps over the lazy dog and runs away.", Some("en")),
        ("Der Igel l\u{e4}uft \u{fc}ber die Wiese und sucht etwas zu essen.", Some("de")),
        ("Le renard saute par-dessus le chien paresseux dans la for\u{ea}t.", Some("fr")),
        ("Merk dir das", Some("de")),
        ("hola", Some("es")),
        ("\u{3053}\u{3093}\u{306b}\u{3061}\u{306f}", Some("ja")),
        ("xyz", None),
        ("", None),
    ];
    for (text, language) in table {
        assert_eq!(plain(text).language.as_deref(), language, "{text}");
    }
}

// CL4.
#[test]
fn findings_raise_the_class_and_are_only_counted() {
    let text = "Write to ada@example.com and bob@example.com, card 4111 1111 1111 1111.";
    let found = plain(text);
    assert_eq!(found.privacy, PrivacyClass::Restricted);
    assert_eq!(found.findings, [Found { kind: Kind::Email, count: 2 }, Found { kind: Kind::Card, count: 1 }]);
    let record = serde_json::to_string(&found).unwrap();
    assert!(!record.contains("ada") && !record.contains("4111"), "{record}");
    assert_eq!(found.destination().to_string(), "write/restricted");
    let input = Input { said: "Hello", text: "Hello", caller_class: PrivacyClass::Internal, embedding: None };
    assert_eq!(classify(&input, &model()).privacy, PrivacyClass::Internal);
}

#[test]
fn harder_tasks_are_more_complex_and_parts_add_up() {
    let hello = plain("Hello");
    let easy = plain("What is the capital of Australia?");
    let hard =
        plain("Compare both designs and prove why one must be faster. What are the trade offs? Which fails first?");
    assert!(hello.complexity.score < easy.complexity.score);
    assert!(easy.complexity.score + 0.2 < hard.complexity.score, "{:?}", hard.complexity);
    let long = plain(&"word ".repeat(100_000));
    assert_eq!(long.complexity.length, 1.0);
}

// CL2.
#[test]
fn examples_are_enough_and_decide_by_nearness() {
    let model = model();
    let texts = model.texts();
    for intent in Intent::ALL {
        let count = toml::from_str::<toml::Table>(include_str!("../../../config/intents.toml")).unwrap()["intents"]
            [intent.word()]
        .as_array()
        .unwrap()
        .len();
        assert!(count >= 8, "{intent:?} has {count} examples");
    }
    // One direction per example of the same intent, in the order of the texts.
    let of_intent: Vec<usize> = (0..texts.len()).map(|index| index / (texts.len() / 10)).collect();
    let vectors: Vec<Vec<f32>> = of_intent
        .iter()
        .map(|intent| (0..16).map(|axis| if axis == (*intent).min(9) { 2.0 } else { 0.1 }).collect())
        .collect();
    assert_eq!(model.embedder(), None);
    let model = model.with_vectors("test", vectors.clone()).unwrap();
    assert_eq!(model.embedder(), Some("test"));
    let at = |vector: &[f32], text: &str| {
        classify(&Input { said: text, text, caller_class: PrivacyClass::Public, embedding: Some(vector) }, &model)
    };
    let first = at(&vectors[0], "blorp");
    assert_eq!(first.intent, Intent::Remember, "{:?}", first.reasons);
    assert!(first.reasons.iter().any(|reason| matches!(reason, Reason::Nearest { .. })));
    assert_eq!(at(&[1.0; 3], "blorp").intent, Intent::Question, "a vector of another length says nothing");
    assert_eq!(at(&[0.0; 16], "Hello").intent, Intent::Chat);
}

#[test]
fn vectors_that_do_not_belong_are_refused() {
    let model = || IntentModel::new(BTreeMap::from([(Intent::Chat, vec!["hi".to_owned(), "hello".to_owned()])]));
    let count = VectorError::Count { vectors: 1, texts: 2 };
    assert_eq!(model().with_vectors("x", vec![vec![1.0]]), Err(count));
    assert_eq!(model().with_vectors("x", vec![vec![1.0], vec![]]), Err(VectorError::Length));
    assert_eq!(model().with_vectors("x", vec![vec![1.0], vec![1.0, 2.0]]), Err(VectorError::Length));
}

#[test]
fn phrases_are_written_as_they_are_looked_up() {
    for phrase in phrases::PHRASES.iter() {
        let words = rules::Text::of(phrase.text);
        let mut reasons = Vec::new();
        words.evidence(&mut reasons);
        // A shorter phrase for the same intent may stand for a longer one.
        let found = reasons.iter().any(|reason| {
            matches!(reason, Reason::Phrase { phrase: text, intent, .. }
                if phrase.text.starts_with(text.as_str()) && *intent == phrase.intent)
        });
        assert!(found, "{:?} can never match", phrase.text);
    }
}

proptest! {
    // CL1, CL3 and Z1.
    #[test]
    fn a_class_only_rises_and_parts_stay_in_bounds(text in "(\\PC|\n|[a-z ]|a@b\\.co|203\\.0\\.113\\.7){0,80}", caller in 0usize..4) {
        let caller_class = [PrivacyClass::Public, PrivacyClass::Internal, PrivacyClass::Confidential, PrivacyClass::Restricted][caller];
        let input = Input { said: &text, text: &text, caller_class, embedding: None };
        let found = classify(&input, &IntentModel::default());
        prop_assert!(found.privacy >= caller_class);
        for finding in sensitive::find(&text) {
            prop_assert!(found.privacy >= finding.kind.class());
        }
        let Complexity { score, length, demands, reasoning, code } = found.complexity;
        for part in [score, length, demands, reasoning, code, found.confidence] {
            prop_assert!((0.0..=1.0).contains(&part));
        }
        prop_assert!(!found.reasons.is_empty());
        prop_assert_eq!(&classify(&input, &IntentModel::default()), &found);
        let restored: Classification = serde_json::from_str(&serde_json::to_string(&found).unwrap()).unwrap();
        prop_assert_eq!(restored.intent, found.intent);
    }
}

#[test]
fn what_is_asked_for_decides_and_not_the_document() {
    let said = "Write a brief of this text in two sentences.";
    let document = "# Code\n\n```rust\nfn main() { todo!() }\n```\nFix this function. Ada: ada@example.com";
    let text = format!("{document}\n\n{said}");
    let input = Input { said, text: &text, caller_class: PrivacyClass::Public, embedding: None };
    let class = classify(&input, &model());
    assert_eq!(class.intent, Intent::Summarise, "{:?}", class.reasons);
    assert_eq!(class.privacy, PrivacyClass::Confidential, "the document counts for the class");
}
