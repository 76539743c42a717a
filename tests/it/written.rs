//! What an operator writes beside the configuration: everything that is wrong in it is told, by every verb that reads it.

use syzygy::types::Class;

use crate::program::checked;
use crate::support::{code, good, home, run};

#[tokio::test]
async fn a_broken_agent_is_told_with_its_file_and_line_before_a_start_fails_on_it() {
    let data = home();
    let data = data.path();
    let marvin = include_str!("../../config/agents/marvin.toml");
    std::fs::create_dir(data.join("agents")).unwrap();
    std::fs::write(data.join("agents/ann.toml"), marvin.replace("\"marvin\"", "\"Ann\"")).unwrap();
    std::fs::write(data.join("agents/bob.toml"), "name = \"bob\"\nsistem = \"Be brief.\"\n").unwrap();
    let expected = [
        "agents/ann.toml:2: name: found \"Ann\", expected lowercase letters, digits and dashes",
        "agents/bob.toml:2: sistem: found a key that does not exist",
        "did you mean `system`?",
        "agents/bob.toml:1: found an agent without `assumed_first_token_ms`, ",
    ];
    for verb in ["config check", "up"] {
        let (exit, out, error) = run(data, &verb.split(' ').collect::<Vec<_>>()).await;
        assert_eq!((exit, out.as_str()), (code(Class::Invalid), ""), "{verb}: {error}");
        for expected in expected {
            assert!(error.contains(expected), "{verb}: {expected} is not in {error}");
        }
    }
    let (exit, out, _) = run(data, &["doctor", "-o", "json"]).await;
    assert_eq!(exit, code(Class::Unavailable));
    let agents = checked(&out, "agents");
    assert_eq!(agents["verdict"], "bad");
    for expected in expected {
        assert!(agents["detail"].as_str().unwrap().contains(expected), "{expected} is not in {agents}");
    }
    std::fs::write(data.join("agents/ann.toml"), marvin.replace("\"marvin\"", "\"ann\"")).unwrap();
    std::fs::remove_file(data.join("agents/bob.toml")).unwrap();
    // Every file that is wrong is told in one list, whatever the others are.
    let wrong = [
        ("syzygy.toml", "[api]\nlisten = 5\n", "syzygy.toml:2: api.listen: found 5"),
        ("agents/bob.toml", "sistem = 1\n", "agents/bob.toml:1: sistem: found a key that does not exist"),
        ("models.toml", "[[model]]\nid = \"UP\"\n", "models.toml:2: model.0.id: found \"UP\""),
        ("prices.toml", "[[prices]]\ninput = -1\n", "prices.toml:2: prices.0.input: found -1, expected at least 0"),
    ];
    for (name, text, _) in wrong {
        std::fs::write(data.join(name), text).unwrap();
    }
    for verb in ["config check", "up"] {
        let (exit, _, error) = run(data, &verb.split(' ').collect::<Vec<_>>()).await;
        assert_eq!(exit, code(Class::Invalid), "{verb}: {error}");
        assert_eq!(error.matches("could not use the configuration").count(), 1, "{error}");
        assert!(wrong.iter().all(|(.., expected)| error.contains(expected)), "{verb}: {error}");
    }
    for (name, ..) in wrong {
        std::fs::remove_file(data.join(name)).unwrap();
    }
    good(data, &["config", "check"]).await;
    let well = good(data, &["doctor", "-o", "json"]).await;
    assert_eq!(checked(&well, "agents")["detail"], "ann, marvin, zerene, zoi");
    assert_eq!(checked(&well, "agent zerene")["verdict"], "lacking");
}
