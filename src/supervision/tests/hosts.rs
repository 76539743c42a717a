//! Two hosts in one process, and the tree as data.

use super::*;

#[tokio::test(start_paused = true)]
async fn two_hosts_with_the_same_ids_do_not_see_each_other() {
    let (one, two) = (Diary::default(), Diary::default());
    let (first, first_address, first_registry) = alone(&one, Mailbox::new(9, Overflow::Wait)).await;
    let (second, second_address, second_registry) = alone(&two, Mailbox::new(9, Overflow::Wait)).await;
    first_address.cast(&cx(), Say::Fail).await.unwrap();
    one.wait_for("start a", 2).await;
    assert_eq!((count(&first_address).await, count(&second_address).await), (1, 1));
    assert_eq!(first_registry.node("host/a", now()).unwrap().restarts, 1);
    assert_eq!(second_registry.node("host/a", now()).unwrap().restarts, 0);
    first.shutdown(&cx()).await.unwrap();
    assert_eq!(count(&second_address).await, 2);
    second.shutdown(&cx()).await.unwrap();
    assert_eq!(two.text(), "start a, stop a, drop a");
}

fn outline(nodes: &[Node], depth: usize, text: &mut String) {
    for node in nodes {
        let Node { id, policy, status, restarts, .. } = node;
        text.push_str(&format!("{}{id} {policy} {status:?} {restarts}\n", "  ".repeat(depth)));
        outline(&node.children, depth + 1, text);
    }
}

#[tokio::test(start_paused = true)]
async fn the_tree_shows_paths_order_restarts_and_views() {
    let diary = Diary::default();
    let inner = ["z", "y"].map(|id| probe(id, &diary));
    let noisy = inner[0].address.clone();
    let inner = Tree::new("sub", Strategy::RestForOne).intensity(9, SECOND).children(inner.map(|made| made.child));
    let last = probe("a", &diary);
    let tree = tree(Strategy::OneForAll).child(Child::tree(inner)).child(last.child.restart(Restart::Transient));
    let (root, registry) = start(tree).await;
    noisy.cast(&cx(), Say::Fail).await.unwrap();
    assert_eq!(soon(count(&noisy)).await, 1);
    diary.wait_for("start y", 2).await;
    assert_eq!(count(&last.address).await, 1);
    let view = Say::Do(Box::new(|context| context.publish(&serde_json::json!({ "path": context.path() }))));
    last.address.cast(&cx(), view).await.unwrap();
    assert_eq!(count(&last.address).await, 3);
    let mut text = String::new();
    let forest = registry.tree(now());
    outline(&forest, 0, &mut text);
    let expected = "host one_for_all Up 0\n  sub rest_for_one Up 0\n    z permanent Up 1\n    y permanent Up 1\n  \
                    a transient Up 0\n";
    assert_eq!(text, expected);
    let shown = &forest[0].children[1];
    assert_eq!((shown.path.as_str(), &shown.view), ("host/a", &serde_json::json!({ "path": "host/a" })));
    assert_eq!((shown.handled, shown.mailbox_depth, shown.busy_micros), (3, 0, None));
    assert_eq!(shown.up_since_micros, 1_000_000);
    root.shutdown(&cx()).await.unwrap();
    assert!(registry.tree(now())[0].children.iter().all(|node| node.status == Status::Ended));
}

#[tokio::test(start_paused = true)]
async fn a_node_shows_what_waits_and_what_is_being_done() {
    let diary = Diary::default();
    let (_root, address, registry) = alone(&diary, Mailbox::new(9, Overflow::Wait)).await;
    address.try_cast(&cx(), Say::Wait(3 * SECOND)).unwrap();
    diary.wait_for("waits", 1).await;
    address.try_cast(&cx(), Say::Note(1)).unwrap();
    address.try_cast(&cx(), Say::Note(2)).unwrap();
    let node = registry.node("host/a", now() + SECOND).unwrap();
    assert_eq!((node.mailbox_depth, node.mailbox_oldest_micros), (2, Some(1_000_000)));
    assert_eq!(node.busy_micros, Some(1_000_000));
    diary.wait_for("2", 1).await;
    assert_eq!(count(&address).await, 4);
    let node = registry.node("host/a", now()).unwrap();
    assert_eq!((node.mailbox_depth, node.mailbox_oldest_micros, node.handled), (0, None, 4));
    assert_eq!((node.longest_handler_micros, node.handler_micros), (3_000_000, 3_000_000));
}

#[test]
fn removing_a_path_takes_all_below_it_and_nothing_beside_it() {
    let registry = Registry::new();
    for path in ["a", "a/b", "a/b/c", "a/b!", "a/b0", "a/bc", "a/c"] {
        registry.entry(path, false, "permanent");
    }
    registry.remove("a/b");
    let left = ["a", "a/b!", "a/b0", "a/bc", "a/c"];
    assert!(left.iter().all(|path| registry.node(path, now()).is_some()));
    assert_eq!(registry.len(), left.len());
}
