//! A memory between the journal and the prompt.

use std::sync::Arc;

use crate::actors::agent::MemoryProjection;
use crate::actors::agent::recollection::Recollection;
use crate::actors::tests::configs;
use crate::actors::tests::{SECOND, cx, journal, world};
use crate::inference::{Embedder, Lexical};
use crate::store::{Disk, Durability, Journal};
use crate::types::{Place, PrivacyClass, RunId, TrustTier, World};

async fn load(journal: &Arc<dyn Journal>, agent: &str) -> Recollection {
    Recollection::load(journal, agent, Lexical.name(), configs::memory()).await.unwrap()
}

async fn vectors(world: &World, said: &str) -> Vec<Vec<f32>> {
    Lexical.embed(&cx(world, SECOND), Recollection::texts(said)).await.unwrap()
}

/// What is recalled for a question that is embedded as this, for a place of this tier.
async fn recalled(memory: &Recollection, asked: &str, like: &str, tier: TrustTier) -> Vec<String> {
    let found = memory.recall(asked, &vectors(&world(), like).await, 4, &Place::of(tier));
    found.into_iter().map(|fact| fact.text).collect()
}

/// Tells an agent this, all the way through the journal.
async fn tell(journal: &Arc<dyn Journal>, world: &World, agent: &str, recollection: &mut Recollection, said: &str) {
    let cx = cx(world, SECOND).with_run(RunId::new(world));
    let learned = recollection.learn(said, &vectors(world, said).await, &cx, world);
    assert!(!learned.is_empty(), "{said}");
    journal.append(learned.events(&cx, agent), Durability::Durable).await.unwrap();
    recollection.apply(learned);
}

#[tokio::test(start_paused = true)]
async fn each_agent_reads_its_own_memory_back_however_long_it_is() {
    let (world, disk) = (world(), Disk::default());
    let journal: Arc<dyn Journal> = journal(&disk, &world, vec![Arc::new(MemoryProjection)]);
    let (mut zoi, mut zo) = (load(&journal, "zoi").await, load(&journal, "zo").await);
    // The name of one begins like the other's.
    tell(&journal, &world, "zo", &mut zo, "My cat is called Tom.").await;
    for number in 0..30 {
        tell(&journal, &world, "zoi", &mut zoi, &format!("Remember that box {number} holds the part {}.", number * 7))
            .await;
    }
    let again = load(&journal, "zoi").await;
    assert_eq!((again.len(), load(&journal, "zo").await.len()), (30, 1));
    let asked = "What does box 12 hold?";
    let found = recalled(&again, asked, asked, TrustTier::Local).await;
    assert_eq!(found[0], "box 12 holds the part 84");
    assert_eq!(found, recalled(&zoi, asked, asked, TrustTier::Local).await, "the fold is the same memory");
}

#[tokio::test(start_paused = true)]
async fn a_newer_value_takes_the_place_of_the_older_also_when_read_back() {
    let (world, disk) = (world(), Disk::default());
    let journal: Arc<dyn Journal> = journal(&disk, &world, vec![Arc::new(MemoryProjection)]);
    let mut zoi = load(&journal, "zoi").await;
    tell(&journal, &world, "zoi", &mut zoi, "I live in Graz.").await;
    tell(&journal, &world, "zoi", &mut zoi, "I moved to Linz.").await;
    let asked = "Where do I live?";
    for memory in [zoi, load(&journal, "zoi").await] {
        assert_eq!(memory.len(), 1);
        assert_eq!(recalled(&memory, asked, "I moved to Linz", TrustTier::Local).await, ["I moved to Linz"]);
    }
}

#[test]
fn what_is_embedded_is_what_was_said_and_each_statement_in_it() {
    let texts = Recollection::texts("Hello! My dog is called Rex. Is that funny? I like tea.");
    assert_eq!(texts[1..], ["My dog is called Rex", "I like tea"]);
}

#[tokio::test(start_paused = true)]
async fn what_was_told_in_private_is_not_recalled_for_a_place_that_may_not_see_it() {
    let world = world();
    let journal: Arc<dyn Journal> = journal(&Disk::default(), &world, vec![Arc::new(MemoryProjection)]);
    let mut memory = load(&journal, "zoi").await;
    let cx = cx(&world, SECOND).with_privacy(PrivacyClass::Confidential);
    let said = "I moved to Linz";
    let learned = memory.learn(said, &vectors(&world, said).await, &cx, &world);
    memory.apply(learned);
    let asked = "Where did I move to, Linz?";
    assert_eq!(recalled(&memory, asked, asked, TrustTier::Private).await, [said]);
    for tier in [TrustTier::Partner, TrustTier::External] {
        assert!(recalled(&memory, asked, asked, tier).await.is_empty());
    }
}
