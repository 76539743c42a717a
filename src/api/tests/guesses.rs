//! Tokens that are guessed, and those that are or were right.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use super::support::{BEGIN, TestHost, Wanted, config, data_with, world};
use crate::api::Scope;
use crate::api::peers::Peers;

// PE2.
#[tokio::test]
async fn who_guesses_tokens_waits_and_who_has_one_goes_on() {
    let limited = || {
        let mut wanted = Wanted::default();
        (wanted.config.token_failures_max, wanted.config.token_failures_window_s) = (3, 600);
        wanted
    };
    let data =
        data_with(&[("late", "syz_late", &[Scope::Read], Some(BEGIN)), ("new", "syz_new", &[Scope::Read], None)]);
    let mut data = Some(data);
    // Nothing is remembered of who was right before the second life.
    for life in 0..2 {
        let host = TestHost::start_in(data.take().unwrap(), limited()).await.unwrap();
        let ask = async |token: Option<&str>| host.ask_as(token, "GET", "/tree", None).await;
        for guess in ["syz_a", "syz_b", "syz_c"] {
            assert_eq!(ask(Some(guess)).await.code(), "unauthenticated");
        }
        for token in ["syz_d", "syz_ne", "syz_new_", "SYZ_NEW"] {
            let answer = ask(Some(token)).await;
            assert_eq!((answer.status, answer.code().as_str()), (429, "token_guesses"), "{token:?}");
            let after: u64 = answer.headers["retry-after"].parse().unwrap();
            assert!((590..=600).contains(&after), "{after}");
        }
        assert_eq!(ask(Some("syz_new")).await.status, 200, "life {life}: it is right, and was never said from here");
        assert_eq!(host.ask("GET", "/tree", None).await.status, 200, "nor was the operator's in this life");
        assert_eq!(ask(Some("syz_late")).await.code(), "token_expired", "whoever has it is told what is wrong with it");
        assert_eq!(ask(None).await.code(), "unauthenticated", "no token is no guess");
        assert_eq!(ask(Some("syz_e")).await.code(), "token_guesses", "a right one between buys no further guess");
        assert_eq!(host.ask_as(None, "GET", "/healthz", None).await.status, 200);
        data = Some(host.stop().await);
    }
}

#[tokio::test]
async fn tokens_that_were_given_out_are_no_guesses() {
    let mut wanted = Wanted::default();
    wanted.config.token_failures_max = 2;
    let scopes = [Scope::Read];
    let host = TestHost::start_in(data_with(&[("late", "syz_late", &scopes, Some(BEGIN))]), wanted).await.unwrap();
    let made = host.post("/tokens", json!({ "name": "gone", "scopes": ["read"] })).await.json();
    let gone = made["token"].as_str().unwrap();
    assert_eq!(host.ask("DELETE", "/tokens/gone", None).await.status, 204);
    for _ in 0..5 {
        assert_eq!(host.ask_as(Some("syz_late"), "GET", "/tree", None).await.code(), "token_expired");
        assert_eq!(host.ask_as(Some(gone), "GET", "/tree", None).await.code(), "token_revoked");
        assert_eq!(host.ask("GET", "/tree", None).await.status, 200);
    }
    // A restart remembers what was taken back.
    let data = host.stop().await;
    let host = TestHost::start_in(data, Wanted::default()).await.unwrap();
    assert_eq!(host.ask_as(Some(gone), "GET", "/tree", None).await.code(), "token_revoked");
    let again = host.post("/tokens", json!({ "name": "gone", "scopes": ["read"] })).await;
    assert_eq!(again.status, 201, "the name is free");
    host.stop().await;
}

// PE3.
#[test]
fn what_is_remembered_of_peers_is_bounded_and_forgotten_in_time() {
    let mut limits = config();
    (limits.token_failures_max, limits.token_failures_window_s, limits.connections_per_peer_max) = (2, 10, 1);
    let peers = Arc::new(Peers::new(&limits));
    let now = world().clock.now();
    let address = |text: &str| text.parse::<IpAddr>().unwrap();
    let near = address("10.0.0.1");
    assert!(!peers.failed(near, now));
    assert!(peers.failed(near, now), "the last one is told apart");
    assert_eq!(peers.barred(near, now), Some(Duration::from_secs(10)));
    assert_eq!(peers.barred(address("10.0.0.2"), now), None);
    assert_eq!(peers.barred(address("::ffff:10.0.0.1"), now), Some(Duration::from_secs(10)));
    let later = now + Duration::from_secs(10);
    assert_eq!(peers.barred(near, later), None);
    assert!(!peers.failed(near, later), "the count begins anew");

    // Whoever has a network of IPv6 has more addresses than anybody can count.
    assert!(!peers.failed(address("2001:db8::1"), now));
    assert!(peers.failed(address("2001:db8::ffff"), now));
    assert!(peers.barred(address("2001:db8::2"), now).is_some());
    assert!(peers.barred(address("2001:db8:0:1::2"), now).is_none());

    let place = peers.connect(near, now);
    assert!(place.is_some() && peers.connect(near, now).is_none());
    drop(place);
    assert!(peers.connect(near, now).is_some());
    for number in 0..10_000u32 {
        let peer = IpAddr::from((number + (11 << 24)).to_be_bytes());
        drop(peers.connect(peer, now));
        peers.failed(peer, now);
    }
    assert!(peers.remembered() <= 4_097, "{}", peers.remembered());
}
