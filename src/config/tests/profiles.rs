//! What is told of an agent's file.

use super::*;

#[test]
fn each_wrong_word_of_a_list_of_an_agent_is_told() {
    let marvin = include_str!("../../../config/agents/marvin.toml");
    let wrong = marvin.replace("[\"general\", \"summarise\",", "[\"general\", 5, \"summarise\", { code = 1 },");
    let data = with_agents(&[("own.toml", &wrong)]);
    let Err(Error::Problems(problems)) = agents_in(data.path(), 100) else { panic!("it is wrong") };
    let line = wrong.lines().position(|line| line.starts_with("capabilities")).unwrap() + 1;
    let found: Vec<String> = problems.iter().map(ToString::to_string).collect();
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found[0].contains(&format!("own.toml:{line}: capabilities.1: found 5, expected a string")), "{found:?}");
    assert!(
        found[1].contains(&format!("own.toml:{line}: capabilities.3: found {{ code = 1 }}, expected")),
        "{found:?}"
    );
}

#[test]
fn an_agent_may_be_better_at_one_thing_than_at_others() {
    let marvin = include_str!("../../../config/agents/marvin.toml");
    let with = |qualities: &str| {
        let data = with_agents(&[("own.toml", &marvin.replace("qualities = {}", qualities))]);
        agents_in(data.path(), 100)
    };
    let known = with("qualities = { code = 0.25 }").unwrap();
    assert_eq!(known[0].qualities, [("code".to_owned(), 0.25)].into());
    // Files from before there were any are as good as they were.
    assert!(with("").unwrap()[0].qualities.is_empty());
    for wrong in ["qualities = { code = 1.5 }", "qualities = { juggle = 0.5 }", "qualities = { code = \"good\" }"] {
        let Err(Error::Problems(problems)) = with(wrong) else { panic!("{wrong} is right") };
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(problems[0].key.starts_with("qualities"), "{problems:?}");
    }
}
