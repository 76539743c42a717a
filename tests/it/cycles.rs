//! Agents that ask each other in a circle: refused where the circle would close, and the cycle is named.

use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use syzygy::actors::agent::{Assignment, Definition, Kit, Work};
use syzygy::actors::io::{self, Task};
use syzygy::host::Host;
use syzygy::supervision::Fault;
use syzygy::types::{Class, Cx};

use crate::support::{cx, end, scripted, task};

/// An agent that hands everything on to another by way of the host, as a task of its own.
struct HandsOn {
    to: &'static str,
    io: Arc<OnceLock<io::Handle>>,
}

#[async_trait]
impl Work for HandsOn {
    async fn work(&self, cx: &Cx, assignment: Assignment, _kit: Kit) -> Result<String, Fault> {
        let io = self.io.get().ok_or("too early")?;
        let (news, _) = tokio::sync::mpsc::channel(1);
        let next = Task { agent: Some(self.to.to_owned()), ..task(&assignment.said) };
        Ok(io.route(cx, next, news).await?.answer)
    }
}

async fn host(hands: &[(&'static str, &'static str)]) -> Host {
    let io = Arc::new(OnceLock::new());
    let mut builder = scripted("The end of the line.");
    for (name, to) in hands {
        let code = HandsOn { to, io: Arc::clone(&io) };
        builder = builder.agent(Definition::code(name, "Hands everything on.", &["general"], code));
    }
    let host = builder.start().await.unwrap();
    assert!(io.set(host.io().clone()).is_ok());
    host
}

// AG4.
#[tokio::test(start_paused = true)]
async fn agents_that_ask_in_a_circle_are_refused_and_the_cycle_is_named() {
    let host = host(&[("ann", "bob"), ("bob", "ann")]).await;
    let began = host.world().clock.now();
    let asked = Task { agent: Some("ann".to_owned()), ..task("Who does it?") };
    let error = host.ask(&cx(&host), asked).await.unwrap_err();
    assert!((host.world().clock.now() - began).as_secs() < 1, "at once, and not at some deadline");
    let text = error.to_string();
    let (first, second) = ("host/crown/agents/ann -> host/crown/io/io-", "-> host/crown/agents/bob -> ");
    assert!(text.contains(first) && text.contains(second) && text.contains("-> host/crown/agents/ann"), "{text}");
    assert_ne!(error.class(), Class::Timeout);
    end(host).await;
}

#[tokio::test(start_paused = true)]
async fn agents_that_ask_in_a_row_are_served_however_often_they_pass_the_same_door() {
    let host = host(&[("ann", "bob"), ("bob", "cid"), ("cid", "marvin")]).await;
    for _ in 0..10 {
        let asked = Task { agent: Some("ann".to_owned()), ..task("Who does it?") };
        assert_eq!(host.ask(&cx(&host), asked).await.unwrap().answer, "The end of the line.");
    }
    end(host).await;
}
