//! Tables of what is remembered and recalled, and the laws of the fold.

#![expect(clippy::unwrap_used, reason = "a failed test panics")]

use crate::types::Residency;
use proptest::prelude::*;

use super::*;

const CONFIG: Config =
    Config { max_facts: 100, max_dimensions: 512, max_text_bytes: 500, same_above: 0.92, relevant_from: 0.45 };

fn delta(id: &str, op: Op, text: &str, subject: Option<&str>, vector: &[f32]) -> Delta {
    Delta {
        id: id.to_owned(),
        op,
        text: text.to_owned(),
        subject: subject.map(str::to_owned),
        source: Some("run".to_owned()),
        confidence: 1.0,
        embedder: "test".to_owned(),
        vector: vector.to_vec(),
        at: Timestamp(id.bytes().map(i64::from).sum()),
        privacy: PrivacyClass::Public,
        residency: Residency::ANYWHERE,
    }
}

fn told(texts: &[&str]) -> Memory {
    let mut memory = Memory::new(CONFIG);
    for (place, text) in texts.iter().enumerate() {
        for statement in extract(text) {
            let id = format!("d{place:03}");
            memory.apply(&delta(&id, Op::Assert, &statement.text, statement.subject.as_deref(), &[]));
        }
    }
    memory
}

fn recalled(memory: &Memory, question: &str) -> Vec<String> {
    memory.recall(question, &[], "test", 3).into_iter().map(|found| found.text).collect()
}

#[test]
fn what_a_user_tells_is_found_and_the_rest_is_not() {
    type Told = (&'static str, Option<&'static str>, bool);
    let table: [(&str, &[Told]); 20] = [
        (
            "Remember that my favourite colour is green.",
            &[("my favourite colour is green", Some("my favourite colour"), true)],
        ),
        ("Hi Zoi, please remember: the spare key is under the pot!", &[("the spare key is under the pot", None, true)]),
        ("My dog is called Rex. What a nice day!", &[("My dog is called Rex", Some("my dog called"), false)]),
        ("I live in Lisbon", &[("I live in Lisbon", Some("where i live"), false)]),
        ("I am allergic to peanuts and I like tea", &[("I am allergic to peanuts and I like tea", None, false)]),
        ("Note: we meet at 8.30 on Tuesdays.", &[("we meet at 8.30 on Tuesdays", None, true)]),
        ("Merk dir, dass ich in Graz wohne.", &[("ich in Graz wohne", None, true)]),
        (
            "My dentist is Dr. No. I work at the mill.",
            &[("My dentist is Dr. No", Some("my dentist"), false), ("I work at the mill", Some("where i work"), false)],
        ),
        ("What is my favourite colour?", &[]),
        ("Is my dog called Rex?", &[]),
        ("what is my name", &[]),
        ("Do you remember where I live?", &[]),
        ("Remember to buy milk", &[]),
        ("Remember when we met?", &[]),
        ("I am trying to fix a bug.", &[]),
        ("I have a question about Rust", &[]),
        ("The sky is blue.", &[]),
        ("```\nmy name is Bob\n```\n> my name is Eve", &[]),
        ("Notebook: blue. Summarise this text.", &[]),
        ("", &[]),
    ];
    for (text, expected) in table {
        let found = extract(text);
        let found: Vec<_> = found.iter().map(|one| (one.text.as_str(), one.subject.as_deref(), one.explicit)).collect();
        assert_eq!(found, expected, "{text}");
    }
}

// ME4.
#[test]
fn a_question_recalls_the_fact_and_an_unrelated_one_nothing() {
    let memory = told(&[
        "My favourite colour is green.",
        "My dog is called Rex.",
        "I live in Lisbon.",
        "Remember that the spare key is under the blue pot.",
        "I am allergic to peanuts.",
        "My sister's birthday is on 3 May.",
    ]);
    let table = [
        ("What is my favorite color?", "My favourite colour is green"),
        ("What's the name of my dog?", "My dog is called Rex"),
        ("Where do I live?", "I live in Lisbon"),
        ("Where are the keys?", "the spare key is under the blue pot"),
        ("Do I have any allergies? Peanuts?", "I am allergic to peanuts"),
        ("When is the birthday of my sister?", "My sister's birthday is on 3 May"),
    ];
    for (question, fact) in table {
        assert_eq!(recalled(&memory, question).first().map(String::as_str), Some(fact), "{question}");
    }
    for unrelated in
        ["What is the capital of Australia?", "How do I sort a vector in Rust?", "Hello!", "", "What is it?"]
    {
        assert_eq!(recalled(&memory, unrelated), [] as [String; 0], "{unrelated}");
    }
}

#[test]
fn a_newer_value_replaces_the_older_one() {
    let mut memory = told(&["My favourite colour is green.", "I live in Lisbon.", "My favourite colour is blue now!"]);
    assert_eq!(recalled(&memory, "What is my favourite colour?"), ["My favourite colour is blue now"]);
    let moved = delta("m", Op::Assert, "I moved to Graz", Some("Where I live"), &[]);
    assert_eq!(memory.apply(&moved), Change::Superseded { id: "d001".to_owned() });
    assert_eq!(memory.facts().len(), 2);
}

#[test]
fn repeated_and_replayed_facts_are_kept_once() {
    let mut memory = Memory::new(CONFIG);
    let first = delta("a", Op::Assert, "The key is under the pot.", None, &[1.0, 0.0]);
    assert_eq!(memory.apply(&first), Change::Added);
    assert_eq!(memory.apply(&first), Change::Known);
    let repeated = Change::Repeated { id: "a".to_owned() };
    assert_eq!(memory.apply(&delta("b", Op::Assert, "the key  is under the POT", None, &[])), repeated);
    let mut memory = Memory::new(CONFIG);
    memory.apply(&first);
    // Cosine .995: the same in other words, but not if a number or a name differs, nor by another embedder.
    assert_eq!(memory.apply(&delta("c", Op::Assert, "Under the pot lies the key", None, &[1.0, 0.1])), repeated);
    assert_eq!(memory.apply(&delta("d", Op::Assert, "The key is under pot 7", None, &[1.0, 0.1])), Change::Added);
    assert_eq!(memory.apply(&delta("e", Op::Assert, "The key is not there", None, &[1.0, 0.1])), Change::Added);
    let other =
        Delta { embedder: "other".to_owned(), ..delta("f", Op::Assert, "Below the pot: key", None, &[1.0, 0.1]) };
    assert_eq!(memory.apply(&other), Change::Added);
}

#[test]
fn retractions_forget_by_subject_by_words_by_meaning_and_by_id() {
    let memory = || {
        let mut memory = Memory::new(CONFIG);
        memory.apply(&delta("a", Op::Assert, "I live in Lisbon", Some("where i live"), &[1.0, 0.0]));
        memory.apply(&delta("b", Op::Assert, "I like tea", None, &[0.0, 1.0]));
        memory
    };
    let table = [
        (delta("r", Op::Retract, "", Some("Where I live"), &[]), vec!["a"]),
        (delta("r", Op::Retract, "i like tea.", None, &[]), vec!["b"]),
        (delta("r", Op::Retract, "tea is what I like", None, &[0.1, 1.0]), vec!["b"]),
        (delta("r", Op::Retract, "a", None, &[]), vec!["a"]),
        (delta("r", Op::Retract, "I like coffee", None, &[0.5, 0.5]), vec![]),
    ];
    for (retraction, gone) in table {
        let ids = gone.into_iter().map(str::to_owned).collect();
        assert_eq!(memory().apply(&retraction), Change::Retracted { ids }, "{retraction:?}");
    }
}

// ME3.
#[test]
fn meaning_finds_what_words_do_not_but_only_when_near() {
    let mut memory = Memory::new(CONFIG);
    memory.apply(&delta("a", Op::Assert, "I live in Lisbon", None, &[1.0, 0.2, 0.0]));
    memory.apply(&delta("b", Op::Assert, "I like tea", None, &[0.0, 0.2, 1.0]));
    let near = memory.recall("Which city is home?", &[0.9, 0.3, 0.1], "test", 5);
    assert_eq!(near.iter().map(|found| found.id.as_str()).collect::<Vec<_>>(), ["a"]);
    assert_eq!(memory.recall("Which city is home?", &[0.9, 0.3, 0.1], "other", 5), []);
    assert_eq!(memory.recall("Which city is home?", &[0.9, 0.3], "test", 5), []);
    assert_eq!(memory.recall("Which city is home?", &[0.0, 1.0, 0.0], "test", 5), []);
    // First by words and by meaning is a full score; words outweigh meaning when they disagree.
    let both = memory.recall("tea", &[0.0, 0.2, 1.0], "test", 5);
    assert!(both[0].id == "b" && both[0].score > 0.999, "{both:?}");
    let torn = memory.recall("tea", &[1.0, 0.2, 0.0], "test", 5);
    assert_eq!(torn.iter().map(|found| found.id.as_str()).collect::<Vec<_>>(), ["b", "a"]);
    assert_eq!(memory.recall("tea", &[1.0, 0.2, 0.0], "test", 1).len(), 1);
}

#[test]
fn limits_hold_and_say_so() {
    let small = Config { max_facts: 2, max_dimensions: 2, max_text_bytes: 20, ..CONFIG };
    let mut memory = Memory::new(small);
    let refused = |reason| Change::Refused { reason };
    let long = delta("a", Op::Assert, "this text is far too long", None, &[]);
    assert_eq!(memory.apply(&long), refused(Invalid::TooLong { bytes: 25, limit: 20 }));
    let wide = delta("a", Op::Assert, "x", None, &[1.0, 2.0, 3.0]);
    assert_eq!(memory.apply(&wide), refused(Invalid::Vector { dimensions: 3, limit: 2 }));
    let odd = delta("a", Op::Assert, "x", None, &[f32::NAN]);
    assert_eq!(memory.apply(&odd), refused(Invalid::Vector { dimensions: 1, limit: 2 }));
    assert_eq!(memory.apply(&delta("a", Op::Assert, " ", None, &[])), refused(Invalid::Empty));
    for name in ["one", "two", "three"] {
        assert_eq!(memory.apply(&delta(name, Op::Assert, name, None, &[])), Change::Added);
    }
    let kept: Vec<&str> = memory.facts().iter().map(|fact| fact.text.as_str()).collect();
    assert_eq!(kept, ["two", "three"]);
}

fn any_delta() -> impl Strategy<Value = Delta> {
    let text =
        proptest::sample::select(vec!["I like tea", "i like  TEA.", "my cat is Tom", "my cat is Kit", "no", "ä b"]);
    let subject = proptest::option::of(proptest::sample::select(vec!["my cat", "My Cat", "tea"]));
    let vector = proptest::collection::vec(-1.0f32..1.0, 0..3);
    (0u32..40, proptest::bool::weighted(0.8), text, subject, vector).prop_map(|(id, assert, text, subject, vector)| {
        delta(&id.to_string(), if assert { Op::Assert } else { Op::Retract }, text, subject, &vector)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    // ME1, ME2 and ME5.
    #[test]
    fn the_fold_is_repeatable_and_never_says_a_thing_twice(deltas in proptest::collection::vec(any_delta(), 0..40)) {
        let config = Config { max_facts: 4, ..CONFIG };
        let memory = Memory::of(config, &deltas);
        prop_assert_eq!(&Memory::of(config, &deltas), &memory);
        let mut twice = memory.clone();
        for delta in &deltas {
            let known = matches!(twice.apply(delta), Change::Known | Change::Refused { .. });
            prop_assert!(known);
        }
        prop_assert_eq!(&twice, &memory);
        prop_assert!(memory.facts().len() <= 4);
        for (place, fact) in memory.facts().iter().enumerate() {
            for other in &memory.facts()[place + 1..] {
                prop_assert!(words::normalised(&fact.text) != words::normalised(&other.text));
                prop_assert!(fact.subject.is_none() || fact.subject != other.subject);
            }
        }
        let restored: Memory = serde_json::from_str(&serde_json::to_string(&memory).unwrap()).unwrap();
        prop_assert_eq!(restored.facts().len(), memory.facts().len());
    }

    #[test]
    fn any_text_is_taken(text in "(\\PC|\n|remember |my |is |\\.|i am ){0,40}", vector in proptest::collection::vec(-1.0f32..1.0, 0..3)) {
        for statement in extract(&text) {
            prop_assert!(!statement.text.trim().is_empty());
        }
        let memory = told(&[&text, "I like tea"]);
        for found in memory.recall(&text, &vector, "test", 2) {
            prop_assert!(found.score > 0.0 && found.score <= 1.0);
        }
    }
}

#[test]
fn a_fact_is_as_private_as_it_was_ever_told() {
    let mut memory = Memory::new(CONFIG);
    for (id, privacy) in [("a", PrivacyClass::Confidential), ("b", PrivacyClass::Public)] {
        memory.apply(&Delta { privacy, ..delta(id, Op::Assert, "The safe is behind the mirror", None, &[]) });
    }
    let found = memory.recall("Where is the safe?", &[], "test", 3);
    assert_eq!(found.iter().map(|fact| fact.privacy).collect::<Vec<_>>(), [PrivacyClass::Confidential]);
    let old = r#"{"id":"c","op":"assert","text":"x","subject":null,"source":null,"confidence":1.0,"embedder":"","vector":[],"at":0}"#;
    assert_eq!(serde_json::from_str::<Delta>(old).unwrap().privacy, PrivacyClass::Public, "as older events have it");
}
