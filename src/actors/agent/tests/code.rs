//! Agents with code of their own.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::json;

use super::support::{Bench, bench_on};
use crate::actors::agent::{Assignment, Definition, Error, Kit, Work};
use crate::actors::tests::{SECOND, Watched, world};
use crate::inference::Usage;
use crate::store::Disk;
use crate::supervision::Fault;
use crate::types::{Class, Cx, ToolCall};

/// Does what it is told: breaks, hangs, sums, or asks its model twice.
struct Told;

#[async_trait]
impl Work for Told {
    async fn work(&self, cx: &Cx, assignment: Assignment, kit: Kit) -> Result<String, Fault> {
        match assignment.prompt.as_str() {
            "panic" => panic!("told to panic"),
            "fail" => Err("told to fail".into()),
            "hang" => std::future::pending().await,
            "sum" => {
                let arguments = json!({ "terms": [2, 3] });
                let call = ToolCall { id: "1".to_owned(), name: "sum".to_owned(), arguments };
                Ok(kit.tools.call(cx, call).await?.to_string())
            }
            prompt => {
                let once = kit.ask(cx, "Be brief.", prompt, &assignment).await?;
                kit.ask(cx, "Be briefer.", &once, &assignment).await
            }
        }
    }
}

async fn bench() -> Bench {
    let definition = Definition::code("told", "Does what it is told.", &["general"], Told);
    bench_on(&Disk::default(), world(), definition, Watched::new("local")).await
}

#[tokio::test(start_paused = true)]
async fn code_is_answered_for_once_however_it_ends() {
    let bench = bench().await;
    let failed = bench.ask("fail").await.unwrap_err();
    assert_eq!((failed.class(), failed.to_string().as_str()), (Class::Internal, "could not work: told to fail"));
    let broken = bench.ask("panic").await.unwrap_err();
    assert!(matches!(&broken, Error::Code(reason) if reason.contains("told to panic")), "{broken}");
    let late = bench.work(&bench.cx(5 * SECOND), "hang").await.unwrap_err();
    assert_eq!(late.class(), Class::Timeout);
    assert_eq!(bench.ask("sum").await.unwrap().text, r#"{"sum":5.0}"#);
}

#[tokio::test(start_paused = true)]
async fn what_code_spends_through_its_kit_is_counted() {
    let outcome = bench().await.ask("two words").await.unwrap();
    assert_eq!(outcome.text, "two words");
    // "Be brief." and "two words" in, "two words" out, twice.
    assert_eq!((outcome.usage, outcome.turns), (Usage::new(8, 4), 2));
}

#[tokio::test(start_paused = true)]
async fn code_can_be_shared_by_definitions() {
    let work: Arc<dyn Work> = Arc::new(Told);
    let mut definition = Definition::code("told", "", &[], Told).runtime("other");
    definition.brain = crate::actors::agent::Brain::Code(work);
    assert_eq!((definition.profile.runtime.as_str(), definition.profile.name.as_str()), ("other", "told"));
    let bench = bench_on(&Disk::default(), world(), definition, Watched::new("local")).await;
    assert_eq!(bench.ask("at once").await.unwrap().text, "at once");
}
