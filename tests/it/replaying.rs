//! Recorded traffic under another configuration, by the program and from the data directory alone.

use std::path::Path;

use serde_json::{Value, json};
use syzygy::types::Class;

use crate::program::{Running, code, configure, good, home, json, run};

/// A runtime here, and a lab elsewhere that is somewhat better; `lab` says what that is.
fn settings(lab: &str, more: &str) -> String {
    format!(
        "[inference.runtimes.local]\nkind = \"scripted\"\nanswer = \"Near.\"\ntier = \"local\"\nregion = \"eu\"\n{lab}{more}"
    )
}

const LAB: &str =
    "[inference.runtimes.lab]\nkind = \"scripted\"\nanswer = \"Far.\"\ntier = \"private\"\nregion = \"us\"\n";

/// The lab with a price, which a scripted runtime has not. Nobody starts it.
const DEAR: &str = "[inference.runtimes.lab]\nkind = \"openai\"\nmodel = \"m\"\nbase_url = \"http://127.0.0.1:9/v1\"\n\
                    tier = \"private\"\nregion = \"us\"\ntools = false\ncontext_tokens = 16384\nmax_tokens = 512\n\
                    price = { input = 20_000_000, output = 60_000_000 }\napi_key_env = \"NOBODY_HAS_SET_THIS\"\n";

async fn asked(data: &Path, text: &str) -> Value {
    let file = data.join("other.toml");
    std::fs::write(&file, text).unwrap();
    json(data, &["replay", "--since", "1d", "--with", file.to_str().unwrap()]).await
}

#[tokio::test]
async fn recorded_traffic_is_decided_once_more_under_another_configuration() {
    let home = home();
    let data = home.path();
    std::fs::create_dir_all(data.join("agents")).unwrap();
    let agent = include_str!("../../config/agents/marvin.toml");
    let agent =
        agent.replace("name = \"marvin\"", "name = \"far\"").replace("runtime = \"local\"", "runtime = \"lab\"");
    std::fs::write(data.join("agents/far.toml"), agent.replace("quality = 0.5", "quality = 0.9")).unwrap();
    configure(data, &settings(LAB, ""));
    let host = Running::start(data).await;
    let mut runs = Vec::new();
    for _ in 0..3 {
        let answer = json(data, &["ask", "What is the capital of France?"]).await;
        assert_eq!(answer["served_by"], json!(["far@lab"]), "{answer}");
        runs.push(answer["run_id"].as_str().unwrap().to_owned());
    }
    host.stop().await;

    let same = asked(data, &settings(LAB, "")).await;
    assert_eq!((&same["decisions"], &same["changed"], &same["without_table"]), (&json!(3), &json!(0), &json!(0)));
    let dear = asked(data, &settings(DEAR, "")).await;
    assert_eq!(dear["moves"], json!({ "far@lab -> marvin@local": 3 }), "{dear}");
    let sums = &dear["classes"]["public"];
    assert_eq!((&sums["before"]["tiers"], &sums["after"]["tiers"]), (&json!({"private": 3}), &json!({"local": 3})));
    assert!(runs.contains(&dear["examples"][0]["run_id"].as_str().unwrap().to_owned()), "{dear}");
    // Three answers came, and what they took is known, not only the most that they might have.
    assert_eq!((&sums["answered"], &sums["before"]["cost"]), (&json!(3), &json!(0)), "{sums}");
    assert!(sums["before"]["took_us"].as_u64() < sums["before"]["latency_us"].as_u64(), "{sums}");
    let list = data.join("prices.toml");
    for (from, moves) in [("2020-01-31", json!({ "far@lab -> marvin@local": 3 })), ("2999-01-31", json!({}))] {
        let row = "match = \"lab/script\"\ninput = 20_000_000\noutput = 60_000_000\nsource = \"a test\"\n";
        std::fs::write(&list, format!("[[prices]]\n{row}from = \"{from}\"\n")).unwrap();
        let listed = asked(data, &settings(LAB, "")).await;
        assert_eq!(listed["moves"], moves, "the list has a price from {from} on: {listed}");
    }
    std::fs::remove_file(&list).unwrap();
    let gone = asked(data, &settings("", "")).await;
    assert_eq!(gone["moves"], json!({ "far@lab -> marvin@local": 3 }), "its runtime is configured no more: {gone}");
    let here = asked(data, &settings(LAB, "[privacy]\nresidency = [\"eu\"]\n")).await;
    assert_eq!(here["moves"], json!({ "far@lab -> marvin@local": 3 }), "{here}");
    let nowhere = asked(data, &settings(LAB, "[privacy]\nresidency = [\"mars\"]\n")).await;
    assert_eq!(nowhere["moves"], json!({ "far@lab -> nobody": 3 }), "{nowhere}");
    assert_eq!(nowhere["destinations"]["general/public"]["after"]["refused"], json!(3), "{nowhere}");
    assert_eq!((&nowhere["newly_refused"], &nowhere["newly_served"]), (&json!(3), &json!(0)));

    let file = data.join("other.toml");
    std::fs::write(&file, settings(DEAR, "")).unwrap();
    let told = good(data, &["replay", "--since", "1d", "--with", file.to_str().unwrap()]).await;
    for expected in ["DESTINATION", "general/public", "CLASS", "3 x far@lab -> marvin@local", "such as in run "] {
        assert!(told.contains(expected), "{expected} is not in {told}");
    }
    assert!(told.ends_with("3 decisions: 3 would go elsewhere, 0 of these would be refused and 0 no more; 0 could not be made again for want of \
         their table\n"));
    std::fs::write(&file, "[ziggy]\npolicies = 3\n").unwrap();
    let (exit, out, error) = run(data, &["replay", "--since", "1d", "--with", file.to_str().unwrap()]).await;
    assert_eq!((exit, out.as_str()), (code(Class::Invalid), ""), "{error}");
    assert!(error.contains("other.toml:2: ziggy.policies: found 3, expected a list"), "{error}");
}
