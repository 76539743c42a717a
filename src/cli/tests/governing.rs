//! `syzygy alerts` and `syzygy plan` against a running host.

use serde_json::json;

use super::support::{Done, Setup, TestLauncher};
use crate::actors::crown::{Alert, AlertState, Severity};
use crate::actors::tests::read;
use crate::api::Alerts;
use crate::api::tests::support::{TestHost, Wanted};
use crate::cli::alerts::table;
use crate::cli::paint::Paint;

async fn run(host: &TestHost, arguments: &[&str]) -> Done {
    Setup::default().run(&TestLauncher::new(host.data.path()), arguments).await
}

#[tokio::test]
async fn alerts_are_listed_and_silenced() {
    let host = TestHost::start(Wanted::default()).await;
    assert_eq!(run(&host, &["alerts"]).await.out, "no alerts\n");
    assert_eq!(run(&host, &["alerts", "list", "--all", "-o", "json"]).await.json(), json!({ "alerts": [] }));
    let made = run(&host, &["alerts", "silence", "kind=loops", "subject=host/*", "--reason", "a move"]).await;
    assert!(made.code == 0 && made.out.starts_with("silence 1 holds until 20"), "{made:?}");
    let listed = run(&host, &["alerts", "list", "--silences"]).await.out;
    let row = listed.lines().nth(1).unwrap();
    assert!(
        row.contains("operator") && row.contains("kind=loops subject=host/*") && row.ends_with("a move"),
        "{listed}"
    );
    assert_eq!(run(&host, &["alerts", "silence", "loops", "--reason", "r"]).await.code, 64);
    assert_eq!(run(&host, &["alerts", "unsilence", "1"]).await.out, "silence 1 is lifted\n");
    assert_eq!(run(&host, &["alerts", "unsilence", "1"]).await.code, 66);
    assert_eq!(run(&host, &["alerts", "ack", "7"]).await.code, 66);
    host.stop().await;
}

#[test]
fn alerts_are_a_table_without_what_steers_the_terminal() {
    let alert: Alert = read(json!({
        "id": 7, "at": 1_750_000_000_000_000_i64, "severity": "critical", "kind": "loops", "subject": "a@x",
        "message": "3 runs of a@x went\u{1b}[2J round in circles", "evidence": null, "labels": {}, "fingerprint": "f",
        "state": "firing", "count": 2, "last_at": 1_750_000_000_000_000_i64, "resolved_at": null,
        "acknowledged_by": "ada", "acknowledged_at": null, "silenced_by": null, "lasting": true, "told": [],
    }));
    let over = Alert { id: 6, state: AlertState::Resolved, severity: Severity::Notice, ..alert.clone() };
    let silent = Alert { id: 5, silenced_by: Some(1), acknowledged_by: None, ..alert.clone() };
    let text = table(&Alerts { alerts: vec![alert, over, silent] }, Paint(false), 200);
    insta::assert_snapshot!(text, @r"
    ID  SINCE                STATE     SEVERITY  KIND   SUBJECT  TIMES  SEEN BY  MESSAGE
    7   2025-06-15T15:06:40  firing    critical  loops  a@x      2      ada      3 runs of a@x went�[2J round in circles
    6   2025-06-15T15:06:40  over      notice    loops  a@x      2      ada      3 runs of a@x went�[2J round in circles
    5   2025-06-15T15:06:40  silenced  critical  loops  a@x      2      -        3 runs of a@x went�[2J round in circles
    ");
}

#[tokio::test]
async fn a_plan_is_told_in_words_and_as_data() {
    let host = TestHost::start(Wanted::default()).await;
    let quiet = run(&host, &["plan"]).await;
    assert!(quiet.code == 0 && quiet.out.starts_with("No load was measured in the last "), "{quiet:?}");
    run(&host, &["ask", "What is six times seven?", "--privacy", "restricted"]).await;
    while run(&host, &["plan", "-o", "json"]).await.json()["measured"] != true {}
    let told = run(&host, &["plan", "--window", "60"]).await;
    assert!(told.out.starts_with("CANDIDATE ") && told.out.contains("near@near"), "{told:?}");
    assert_eq!(run(&host, &["plan", "--window", "0"]).await.code, 64);
    host.stop().await;
}
