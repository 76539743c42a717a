//! Ten times as much as a host can take: what it cannot do is refused, counted and visible, control stays at hand, and
//! afterwards everything is as before. `make soak` does the same against the clock, with memory measured.

use std::time::Duration;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use syzygy::actors::io::{Document, Task};
use syzygy::host::Host;
use syzygy::supervision::Node;
use syzygy::types::Class;

use crate::support::{Metered, agent, cx, end, task};

/// Runs the io actors may have under way together.
const RUNS: usize = 32;

async fn host() -> (Host, Metered) {
    host_with(&[("io.runs_most", RUNS / 2)]).await
}

async fn host_with(limits: &[(&str, usize)]) -> (Host, Metered) {
    let place = |key: &str, value: &str| syzygy::config::Flag {
        name: key.to_owned(),
        key: key.to_owned(),
        value: value.to_owned(),
    };
    let mut flags = vec![place("host.data_dir", ".")];
    flags.extend(limits.iter().map(|(key, value)| place(key, &value.to_string())));
    let inputs = syzygy::config::Inputs { flags, ..Default::default() };
    let config = syzygy::config::load(&inputs).unwrap().config;
    let runtime = Metered::new("ann", Duration::from_millis(10), 10);
    let mut ann = agent("ann");
    (ann.profile.concurrency, ann.profile.waiting) = (4, 8);
    let host = Host::builder().config(config).without_bundled_agents().agent(ann).runtime(runtime.clone());
    (host.start().await.unwrap(), runtime)
}

/// Every io actor.
fn doors(host: &Host) -> Vec<Node> {
    let tree = host.tree();
    let crown = tree[0].children.iter().find(|node| node.id == "crown").unwrap();
    let io = crown.children.iter().find(|node| node.id == "io").unwrap().children.iter();
    io.filter(|node| node.id.starts_with("io-")).cloned().collect()
}

fn shown(nodes: &[Node], what: &str) -> u64 {
    nodes.iter().map(|node| node.view[what].as_u64().unwrap()).sum()
}

#[tokio::test(start_paused = true)]
async fn what_a_host_cannot_do_is_refused_and_counted_and_control_stays_at_hand() {
    let (host, runtime) = host().await;
    let asked = cx(&host);
    let mut flood: FuturesUnordered<_> = (0..10 * RUNS).map(|_| host.ask(&asked, task("What is it?"))).collect();
    let (mut answered, mut refused) = (0, 0);
    let mut asked_meanwhile = 0;
    while let Some(answer) = flood.next().await {
        match answer {
            Ok(_) => answered += 1,
            Err(error) => {
                assert_eq!(error.class(), Class::Exhausted, "{error}");
                refused += 1;
            }
        }
        if refused == 1 || answered == 1 {
            let before = host.world().clock.now();
            host.crown().alerts(&asked).await.unwrap();
            assert_eq!(host.world().clock.now() - before, Duration::ZERO, "control does not wait for work");
            asked_meanwhile += 1;
        }
        assert!(doors(&host).iter().all(|node| node.mailbox_depth <= RUNS as u64));
    }
    drop(flood);
    assert!(asked_meanwhile > 0 && answered >= 12, "{answered} of what fits was done");
    assert_eq!(answered + refused, 10 * RUNS as u64);
    let doors_now = doors(&host);
    let counted = shown(&doors_now, "failed")
        + shown(&doors_now, "refused")
        + doors_now.iter().map(|node| node.refused).sum::<u64>();
    assert_eq!((shown(&doors_now, "completed"), counted), (answered, refused), "all of it is in the tree");
    runtime.inside(0).await;
    let before = host.world().clock.now();
    host.ask(&asked, task("What is it?")).await.unwrap();
    assert!(host.world().clock.now() - before < Duration::from_secs(1), "and afterwards everything is as before");
    end(host).await;
}

// Promise 36: what tasks hold has a limit in bytes as well as in number.
#[tokio::test(start_paused = true)]
async fn tasks_under_way_have_so_many_bytes_together() {
    let (host, _runtime) = host_with(&[("io.task_bytes_max", 100_000), ("io.tasks_bytes_max", 250_000)]).await;
    let asked = cx(&host);
    let large = || {
        let text = "What is written here is of no interest to anybody. ".repeat(1_800);
        let documents = vec![Document { name: "a.txt".to_owned(), text }];
        Task { documents, ..task("What does it say?") }
    };
    let (first, second, third) =
        tokio::join!(host.ask(&asked, large()), host.ask(&asked, large()), host.ask(&asked, large()));
    first.unwrap();
    second.unwrap();
    let refused = third.unwrap_err();
    assert_eq!((refused.class(), refused.to_string().contains("io.tasks_bytes_max")), (Class::Exhausted, true));
    host.ask(&asked, large()).await.unwrap();
    end(host).await;
}
