//! Real programs in jails before the gate: what was begun with `syzygy tool new` passes, what breaks on a border does not.

use std::collections::BTreeMap;

use serde_json::json;
use syzygy::actors::executor::{Publication, Request};
use syzygy::host::Host;
use syzygy::lap::{Package, PackedFile};
use syzygy::sandbox::jail::Jail;
use syzygy::tds::{Format, starter};
use syzygy::types::RunId;
use tempfile::TempDir;

use crate::core_tools::{configured, jailed};
use crate::sandbox;
use crate::support::{MINUTE, cx};

/// The tool that `syzygy tool new` makes, with another program.
fn package(program: impl FnOnce(String) -> String) -> Package {
    let id = starter::id("text.count").unwrap();
    let mut files: BTreeMap<String, PackedFile> = BTreeMap::new();
    for file in starter::files(&id) {
        files.insert(file.path.to_owned(), PackedFile { bytes: file.text.into_bytes(), executable: file.executable });
    }
    let text = String::from_utf8(files.remove("tool.toml").unwrap().bytes).unwrap();
    let own = files.get_mut("tool.py").unwrap();
    own.bytes = program(String::from_utf8(own.bytes.clone()).unwrap()).into_bytes();
    Package { format: Format::Toml, text, files }
}

async fn host() -> Option<(Host, TempDir)> {
    let _: Jail = sandbox::jail().await?;
    let data = tempfile::tempdir().unwrap();
    let host = jailed(data.path(), configured(data.path(), &[])).start().await.unwrap();
    Some((host, data))
}

async fn publish(host: &Host, package: Package) -> Result<Publication, String> {
    host.tools().publish(&cx(host), package).await.map_err(|error| error.to_string())
}

#[tokio::test]
async fn a_program_that_breaks_on_an_empty_text_is_not_published_and_one_that_does_not_is() {
    let Some((host, _data)) = host().await else { return };
    // It passes its own tests: none of them has a text without a word.
    let breaks = package(|program| {
        program.replace("\"words\": len(text.split())", "\"words\": len(text.split()) + 0 * len(text.split()[0])")
    });
    let refused = publish(&host, breaks).await.unwrap_err();
    let told = "the input {\"text\":\"\"} (text: empty), which fits its schema: internal: could not believe the tool: it gave no \
                result, and ended with exit code 1";
    assert!(refused.ends_with(told), "{refused}");
    let call = || Request { tool: "text.count".to_owned(), arguments: json!({ "text": "" }), ..Request::default() };
    assert!(host.tools().invoke(&cx(&host), call()).await.is_err());
    let lies = package(|program| program.replace("len(text.split()),", "len(text.split()) or None,"));
    let refused = publish(&host, lies).await.unwrap_err();
    assert!(refused.contains("the input {\"text\":\"\"}") && refused.contains("/words: null"), "{refused}");
    let good = publish(&host, package(|program| program)).await.unwrap();
    assert!(good.tried.contains("that fit were answered or declined"), "{}", good.tried);
    let within = cx(&host).with_run(RunId::new(host.world()));
    let answer = host.tools().invoke(&within, call()).await.unwrap();
    assert_eq!(answer.value, json!({ "words": 0, "characters": 0 }));
    host.shutdown(MINUTE).await.unwrap();
}
