//! Tests of what the root does by itself.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a failed test panics")]

use super::descriptors::{fit, raise};
use crate::actors::agent::{Definition, Profile};
use crate::config::{Inputs, load};
use crate::lap::core::{ALL, Core};
use crate::tds::Tool;
use crate::tds::tool::{Isolation, SideEffects};

#[test]
fn connections_have_half_of_what_there_is_and_one_address_its_share_of_them() {
    let inputs = Inputs { environment: vec![("HOME".to_owned(), "/h".to_owned())], ..Inputs::default() };
    let mut config = load(&inputs).unwrap().config.api;
    for (wanted, limit, expected) in [
        ((2_048, 512), None, (2_048, 512)),
        ((2_048, 512), Some(4_096), (2_048, 512)),
        ((2_048, 512), Some(4_095), (2_047, 511)),
        ((2_048, 512), Some(1_024), (512, 128)),
        ((2_048, 2_048), Some(64), (32, 32)),
        ((2_048, 1), Some(64), (32, 1)),
        ((usize::MAX, usize::MAX), Some(64), (32, 32)),
        ((8, 8), Some(64), (8, 8)),
        ((8, 8), Some(0), (1, 1)),
    ] {
        (config.connections_max, config.connections_per_peer_max) = wanted;
        let before = config.clone();
        assert_eq!(fit(&mut config, limit), wanted != expected, "{wanted:?} of {limit:?}");
        assert_eq!((config.connections_max, config.connections_per_peer_max), expected, "{wanted:?} of {limit:?}");
        (config.connections_max, config.connections_per_peer_max) = wanted;
        assert_eq!(config, before, "nothing else is changed");
    }
}

#[tokio::test]
async fn a_million_agents_in_code_are_refused_in_words_and_at_once() {
    let mut builder = super::Host::builder().without_bundled_agents();
    let profile = crate::config::bundled_agents().unwrap().remove(0);
    for number in 0..1_000_000 {
        let definition = Definition::prompted(Profile {
            name: format!("agent-{number}"),
            system: String::new(),
            description: String::new(),
            recall_prompt: String::new(),
            learn_prompt: String::new(),
            capabilities: Vec::new(),
            tools: Vec::new(),
            qualities: std::collections::BTreeMap::new(),
            runtime: String::new(),
            workspace: String::new(),
            ..profile
        });
        builder = builder.agent(definition);
    }
    let Err(error) = builder.start().await else { panic!("a million agents are more than may be") };
    let expected =
        "could not route: there are 1000000 agents, and at most 100000 may be candidates (router.candidates_most)";
    assert_eq!(error.to_string(), expected);
}

#[test]
fn what_is_taken_of_the_system_is_all_it_gives() {
    let taken = raise();
    assert_eq!(raise(), taken, "a second time there is nothing more to take");
}

#[test]
fn what_is_there_without_being_asked_for_only_looks_and_reaches_nobody() {
    let inputs = Inputs { environment: vec![("HOME".to_owned(), "/h".to_owned())], ..Inputs::default() };
    let config = load(&inputs).unwrap().config.tools;
    let meant = |own: &&Core| config.core.iter().any(|word| own.is_meant(word));
    let there: Vec<Tool> = ALL.iter().filter(meant).map(|own| own.set_up(&config).unwrap()).collect();
    assert!(there.len() >= config.core.len() && there.len() < ALL.len());
    for tool in there {
        let held = (tool.side_effects, tool.egress.len(), tool.secrets.len());
        assert_eq!(held, (SideEffects::None, 0, 0), "{}", tool.id);
        assert!(tool.isolation >= Isolation::Jail, "{}", tool.id);
    }
}
