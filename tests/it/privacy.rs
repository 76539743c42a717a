//! IO3: nothing of a task reaches a place that its privacy class or its residency forbids, whatever fails and whoever is
//! preferred.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;
use proptest::prelude::*;
use syzygy::actors::crown::Change;
use syzygy::actors::io::{Document, Task};
use syzygy::config::{self, Flag, Inputs};
use syzygy::host::{Builder, Host};
use syzygy::inference::{Error, Scripted, Step};
use syzygy::types::{Class, PrivacyClass, TrustTier};
use syzygy::ziggy::route::{Constraint, Request, Verdict, consider_one};

use crate::support::{agent, cx, end, events, task};

/// Which agent was sent what.
type Sent = Arc<Mutex<Vec<(TrustTier, String)>>>;

/// Where each tier's runtime is; nobody says where the one farthest away is.
const REGIONS: [Option<&str>; 4] = [Some("eu"), Some("ch"), Some("us"), None];

/// What tasks name as the regions they may be in.
const RESIDENCIES: [&[&str]; 5] = [&[], &["eu"], &["ch", "us"], &["us"], &["mars"]];

const TIERS: [(&str, TrustTier); 4] = [
    ("here", TrustTier::Local),
    ("ours", TrustTier::Private),
    ("theirs", TrustTier::Partner),
    ("anywhere", TrustTier::External),
];

/// What a text may hold, and the class that follows from it.
const CONTENTS: [(&str, PrivacyClass); 6] = [
    ("The sky is blue.", PrivacyClass::Public),
    ("The server is 10.20.30.40.", PrivacyClass::Internal),
    ("Write to jane.doe@example.com about it.", PrivacyClass::Confidential),
    ("My card is 4111 1111 1111 1111.", PrivacyClass::Restricted),
    ("Pay to DE89 3704 0044 0532 0130 00 please.", PrivacyClass::Restricted),
    ("password: hunter2hunter2", PrivacyClass::Restricted),
];

const CLASSES: [PrivacyClass; 4] =
    [PrivacyClass::Public, PrivacyClass::Internal, PrivacyClass::Confidential, PrivacyClass::Restricted];

/// A runtime that writes down what it is sent, and then fails or answers.
fn runtime(name: &str, tier: TrustTier, fails: bool, sent: &Sent) -> Scripted {
    let sent = Arc::clone(sent);
    let answer = move |request: &syzygy::inference::Request| {
        let all: Vec<&str> = request.messages.iter().map(|message| message.content.as_str()).collect();
        sent.lock().push((tier, all.join("\n")));
        match fails {
            true => vec![Step::Fail(Error::Internal("told to fail".to_owned()))],
            false => vec![Step::text("Done.")],
        }
    };
    let scripted = Scripted::new(name, answer).in_tier(tier);
    match REGIONS[place_of(tier)] {
        Some(region) => scripted.in_region(region),
        None => scripted,
    }
}

fn place_of(tier: TrustTier) -> usize {
    TIERS.iter().position(|(_, one)| *one == tier).unwrap()
}

/// One agent in each tier; those in `failing` fail.
fn builder(failing: &[bool; 4], sent: &Sent) -> Builder {
    let mut builder = Host::builder().without_bundled_agents();
    for ((name, tier), fails) in TIERS.into_iter().zip(failing) {
        builder = builder.agent(agent(name)).runtime(runtime(name, tier, *fails, sent));
    }
    builder
}

#[derive(Debug, Clone)]
struct Asked {
    content: usize,
    class: PrivacyClass,
    in_document: bool,
    pin: Option<usize>,
    residency: usize,
}

fn asked() -> impl Strategy<Value = Asked> {
    let class = prop::sample::select(CLASSES.to_vec());
    let pin = prop::option::of(0..TIERS.len());
    let residency = 0..RESIDENCIES.len();
    (0..CONTENTS.len(), class, any::<bool>(), pin, residency)
        .prop_map(|(content, class, in_document, pin, residency)| Asked { content, class, in_document, pin, residency })
}

impl Asked {
    /// The task, with a mark by which its text is known wherever it turns up.
    fn task(&self, mark: &str) -> Task {
        let text = format!("{mark} {}", CONTENTS[self.content].0);
        let agent = self.pin.map(|place| TIERS[place].0.to_owned());
        let residency = RESIDENCIES[self.residency].iter().map(ToString::to_string).collect();
        let base = Task { privacy: self.class, agent, residency, ..Task::default() };
        match self.in_document {
            true => Task {
                prompt: format!("{mark} What does this say?"),
                documents: vec![Document { name: "a.txt".to_owned(), text }],
                ..base
            },
            false => Task { prompt: text, ..base },
        }
    }

    fn true_class(&self) -> PrivacyClass {
        self.class.max(CONTENTS[self.content].1)
    }

    /// Whether it may reach that tier's runtime, by a table of its own.
    fn allows(&self, tier: TrustTier) -> bool {
        let trusted = match self.true_class() {
            PrivacyClass::Public => true,
            PrivacyClass::Internal => tier != TrustTier::External,
            PrivacyClass::Confidential => matches!(tier, TrustTier::Local | TrustTier::Private),
            PrivacyClass::Restricted => tier == TrustTier::Local,
        };
        let named = RESIDENCIES[self.residency];
        trusted && (named.is_empty() || REGIONS[place_of(tier)].is_some_and(|region| named.contains(&region)))
    }
}

/// Runs every task and says what each tier was sent, by mark.
async fn sent_by(failing: [bool; 4], weights: [u32; 4], tasks: &[Asked]) -> BTreeMap<String, Vec<TrustTier>> {
    let sent = Sent::default();
    let host = builder(&failing, &sent).start().await.unwrap();
    for ((name, _), percent) in TIERS.into_iter().zip(weights) {
        let candidate = format!("{name}@{name}");
        host.crown().change(&cx(&host), Change::Weight { candidate, percent: Some(percent) }).await.unwrap();
    }
    host.router().rebuild(&cx(&host)).await.unwrap();
    for (number, asked) in tasks.iter().enumerate() {
        // Some find nobody who may serve them, or nobody who does; that is no leak.
        let _ = host.ask(&cx(&host), asked.task(&format!("<mark-{number:03}>"))).await;
    }
    end(host).await;
    let mut by_mark: BTreeMap<String, Vec<TrustTier>> = BTreeMap::new();
    for (tier, text) in sent.lock().iter() {
        let at = text.find("<mark-").unwrap();
        by_mark.entry(text[at..at + 10].to_owned()).or_default().push(*tier);
    }
    by_mark
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn no_task_reaches_a_place_its_class_forbids(
        tasks in prop::collection::vec(asked(), 1..12),
        failing in prop::array::uniform4(any::<bool>()),
        weights in prop::array::uniform4(1_u32..1_000),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let by_mark = runtime.block_on(sent_by(failing, weights, &tasks));
        for (number, asked) in tasks.iter().enumerate() {
            let reached = by_mark.get(&format!("<mark-{number:03}>")).cloned().unwrap_or_default();
            prop_assert!(reached.iter().all(|tier| asked.allows(*tier)), "{asked:?} reached {reached:?}");
            // The property would hold of a host that does nothing.
            let somewhere = TIERS.iter().any(|(_, tier)| asked.allows(*tier));
            prop_assert!(asked.pin.is_some() || reached.is_empty() != somewhere, "{asked:?} reached {reached:?}");
        }
    }
}

// RT6.
#[tokio::test]
async fn zerene_is_never_given_what_is_not_public_and_the_record_says_why() {
    let sent = Sent::default();
    let field = runtime("field", TrustTier::External, false, &sent);
    let host = Host::builder().runtime(field).runtime(Scripted::saying("local", "At home.")).start().await.unwrap();
    let ask =
        async |prompt: &str| host.ask(&cx(&host), Task { agent: Some("zerene".to_owned()), ..task(prompt) }).await;
    assert_eq!(ask("What is the capital of France?").await.unwrap().served_by, ["zerene@field"]);
    let refused = ask("Is 4111 1111 1111 1111 a valid card?").await.unwrap_err();
    assert_eq!(refused.class(), Class::Denied, "{refused}");
    let private = host.ask(&cx(&host), task("Is 4111 1111 1111 1111 a valid card?")).await.unwrap();
    assert_eq!((private.answer.as_str(), private.privacy), ("At home.", PrivacyClass::Restricted));
    assert_eq!(sent.lock().len(), 1, "one question was public");
    host.journal().flush().await.unwrap();
    let events = host.journal().read(1, 10_000).await.unwrap();
    let decided: Vec<_> = events.iter().filter(|event| event.kind == "hop.decided").collect();
    assert_eq!(decided.len(), 3);
    for event in &decided[1..] {
        let request: Request = serde_json::from_value(event.body.value()["decision"]["request"].clone()).unwrap();
        let zerene = consider_one(&host.router().fib(), &request, "zerene@field").unwrap();
        let Verdict::Excluded { constraints } = zerene.verdict else { panic!("{zerene:?}") };
        assert!(matches!(constraints[0], Constraint::Privacy { .. }), "{constraints:?}");
    }
    end(host).await;
}

#[tokio::test]
async fn where_only_zerene_works_what_is_private_is_refused() {
    let sent = Sent::default();
    let host = Host::builder().without_bundled_agents().agent(agent("field"));
    let host = host.runtime(runtime("field", TrustTier::External, false, &sent)).start().await.unwrap();
    let error = host.ask(&cx(&host), task("Is 4111 1111 1111 1111 a valid card?")).await.unwrap_err();
    assert_eq!(error.class(), Class::Denied);
    assert!(!error.to_string().contains("4111"), "{error}");
    assert!(sent.lock().is_empty());
    end(host).await;
}

/// A host whose external agent says back what it was sent, and writes it down; personal data of these kinds is replaced.
async fn replacing(kinds: &str, sent: &Sent) -> Host {
    let flag = |key: &str, value: &str| Flag { name: key.to_owned(), key: key.to_owned(), value: value.to_owned() };
    let flags = vec![flag("host.data_dir", "."), flag("privacy.replace", kinds)];
    let config = config::load(&Inputs { flags, ..Inputs::default() }).unwrap().config;
    let sent = Arc::clone(sent);
    let echo = Scripted::new("field", move |request| {
        let said = request.messages.last().unwrap().content.clone();
        sent.lock().push((TrustTier::External, said.clone()));
        // A piece for each character, so that every stand-in comes in parts.
        said.chars().map(|one| Step::text(one.to_string())).collect()
    });
    let builder = Host::builder().config(config).without_bundled_agents().agent(agent("field"));
    builder.runtime(echo.in_tier(TrustTier::External)).start().await.unwrap()
}

// Promise 144.
// RT7.
#[tokio::test]
async fn personal_data_is_replaced_where_it_leaves_and_is_there_again_in_the_answer_and_its_stream() {
    let prompt = "Write to jane.doe@example.com, card 4111 1111 1111 1111.";
    let sent = Sent::default();
    let host = replacing(r#"["email", "card"]"#, &sent).await;
    let (news, mut told) = tokio::sync::mpsc::channel(1_024);
    let answer = host.io().route(&cx(&host), task(prompt), news).await.unwrap();
    assert!(answer.answer.ends_with(prompt), "{}", answer.answer);
    assert_eq!(answer.privacy, PrivacyClass::Restricted, "the answer is as private as the task");
    let mut streamed = String::new();
    while let Some(progress) = told.recv().await {
        let value = serde_json::to_value(&progress).unwrap();
        streamed.push_str(value["text"].as_str().unwrap_or_default());
    }
    assert_eq!(streamed, answer.answer);
    let left = sent.lock()[0].1.clone();
    assert!(left.contains("Write to ") && left.contains(".com, card 4111 "), "{left}");
    assert!(!left.contains("jane") && !left.contains("example") && !left.contains("1111 1111"), "{left}");
    let why = events(&host, answer.run_id).await;
    let classified = why.iter().find(|event| event.kind == "task.classified").unwrap();
    assert_eq!(classified.body.value()["replaced"]["privacy"], "public");
    // A number that nobody named keeps the whole task at home, and there is nobody.
    let refused = host.ask(&cx(&host), task(&format!("{prompt} Or call +49 30 901820."))).await.unwrap_err();
    assert_eq!(refused.class(), Class::Denied, "{refused}");
    assert_eq!(sent.lock().len(), 1);
    end(host).await;
    let host = replacing("[]", &sent).await;
    let refused = host.ask(&cx(&host), task(prompt)).await.unwrap_err();
    assert_eq!(refused.class(), Class::Denied, "{refused}");
    assert_eq!(sent.lock().len(), 1);
    end(host).await;
}
