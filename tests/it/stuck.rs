//! An actor of an agent that does not come back from its handler, on a whole host.

use std::sync::Arc;

use syzygy::actors::agent::{Assignment, Definition, Kit, Work};
use syzygy::actors::crown::Severity;
use syzygy::actors::io::Task;
use syzygy::host::Host;
use syzygy::prelude::async_trait;
use syzygy::supervision::{Actor, Address, Child, Context, Envelope, Fault, Mailbox, Node, Overflow, Reply, Strategy};
use syzygy::types::{Cx, World};
use tokio::sync::Notify;

use crate::support::{cx, end, scripted, task};

struct Ask(Reply<String>);

/// Hangs with the first question of its first life.
struct Librarian(Arc<Notify>, bool);

impl Actor for Librarian {
    type Message = Ask;

    async fn handle(&mut self, envelope: Envelope<Ask>, _context: &mut Context<Ask>) -> Result<(), Fault> {
        if self.1 {
            self.0.notify_one();
            std::future::pending::<()>().await;
        }
        envelope.message.0.send("Third shelf.".to_owned());
        Ok(())
    }
}

struct Reader(Address<Ask>);

#[async_trait]
impl Work for Reader {
    async fn work(&self, cx: &Cx, _assignment: Assignment, _kit: Kit) -> Result<String, Fault> {
        Ok(self.0.call(cx, Ask).await?)
    }
}

fn reader(world: &World, hangs: Arc<Notify>) -> Definition {
    let address = Address::new(Mailbox::new(8, Overflow::Wait), world);
    let first = std::sync::atomic::AtomicBool::new(true);
    let make = move || Librarian(Arc::clone(&hangs), first.swap(false, std::sync::atomic::Ordering::SeqCst));
    Definition::code("reader", "Looks things up.", &["general"], Reader(address.clone()))
        .child(Child::actor("librarian", &address, make))
        .strategy(Strategy::OneForOne)
}

fn find<'a>(nodes: &'a [Node], id: &str) -> Option<&'a Node> {
    nodes.iter().find_map(|node| if node.id == id { Some(node) } else { find(&node.children, id) })
}

#[tokio::test(start_paused = true)]
async fn an_actor_that_hangs_is_an_alert_and_comes_back() {
    let (world, hangs) = (syzygy::host::real_world(), Arc::new(Notify::new()));
    let host: Host = scripted("").agent(reader(&world, Arc::clone(&hangs))).world(world).start().await.unwrap();
    let asked = cx(&host);
    let question = || Task { agent: Some("reader".to_owned()), ..task("Where is it?") };
    let look = async {
        hangs.notified().await;
        let tree = host.tree();
        let doing = find(&tree, "librarian").unwrap().doing.clone().unwrap();
        assert!(doing.message.ends_with("::Ask") && doing.run.is_some(), "{doing:?}");
        doing.run.unwrap()
    };
    let (lost, run) = tokio::join!(host.ask(&asked, question()), look);
    assert!(lost.is_err(), "the question at hand is lost, and its caller hears so");
    // CROWN looks at the tree every second.
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    let alerts = host.crown().alerts(&cx(&host)).await.unwrap();
    let stuck = alerts.iter().find(|alert| alert.kind == "actor_stuck").unwrap();
    assert_eq!((stuck.severity, stuck.subject.as_str()), (Severity::Critical, "host/crown/agents/reader/librarian"));
    assert!(stuck.message.contains(&format!("of run {run}")) && stuck.message.contains("limit of 30s"), "{stuck:?}");
    assert!(alerts.iter().any(|alert| alert.kind == "actor_restarted" && alert.subject == stuck.subject));
    assert_eq!(host.ask(&cx(&host), question()).await.unwrap().answer, "Third shelf.");
    let tree = host.tree();
    let node = find(&tree, "librarian").unwrap();
    assert_eq!((node.stuck, node.restarts), (1, 1));
    end(host).await;
}
