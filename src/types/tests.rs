//! Tables for the small types, and the laws they must keep.

#![expect(clippy::disallowed_methods, reason = "any instant will do as the time of a test")]
#![expect(clippy::unwrap_used, reason = "a failed test panics")]

use super::*;

#[test]
fn classes_have_distinct_words_and_sane_codes() {
    for class in Class::ALL {
        assert_eq!(Class::from_word(class.word()), Some(class));
        assert!((400..600).contains(&class.http_status()), "{class:?}");
        assert_ne!(class.exit_code(), 0, "{class:?}");
    }
}

#[test]
fn restricted_data_stays_here_and_public_data_goes_anywhere() {
    use PrivacyClass::*;
    use TrustTier::*;
    let allowed = |class: PrivacyClass| {
        [External, Partner, Private, Local].into_iter().filter(|tier| class.may_go_to(*tier)).collect::<Vec<_>>()
    };
    assert_eq!(allowed(Public), [External, Partner, Private, Local]);
    assert_eq!(allowed(Internal), [Partner, Private, Local]);
    assert_eq!(allowed(Confidential), [Private, Local]);
    assert_eq!(allowed(Restricted), [Local]);
}

#[test]
fn a_derived_context_only_tightens() {
    let now = tokio::time::Instant::now();
    let second = std::time::Duration::from_secs(1);
    let budget = Budget { money: Money(5), tokens: 10 };
    let cx = Cx::new(TraceId(7), Principal::host(), now + second, budget);
    let wider = cx
        .with_deadline(now + 2 * second)
        .with_budget(Budget { money: Money(9), tokens: 3 })
        .with_privacy(PrivacyClass::Confidential)
        .with_privacy(PrivacyClass::Public);
    assert_eq!(wider.deadline(), now + second);
    assert_eq!(wider.budget(), Budget { money: Money(5), tokens: 3 });
    assert_eq!(wider.privacy(), PrivacyClass::Confidential);
}

#[test]
fn a_payload_opens_only_for_a_place_that_may_see_it() {
    let regions = |names: &[&str]| Residency::within(&names.iter().map(ToString::to_string).collect::<Vec<_>>());
    let label = Label { class: PrivacyClass::Confidential, residency: regions(&["eu", "ch"]) };
    let sent = |place: &Place| Classified::new(label.clone(), "x").clear(place).map(Cleared::into_inner);
    assert_eq!(sent(&Place::of(TrustTier::Private).in_region("ch")), Ok("x"));
    let far = Withheld::Tier { class: PrivacyClass::Confidential, tier: TrustTier::Partner };
    assert_eq!(sent(&Place::of(TrustTier::Partner).in_region("eu")), Err(far));
    let us = sent(&Place::of(TrustTier::Local).in_region("us")).unwrap_err();
    assert_eq!(us.to_string(), "could not send data to a place in us: it may only be in ch or eu");
    assert!(sent(&Place::of(TrustTier::Local)).unwrap_err().to_string().contains("an unknown region"));
    assert_eq!(format!("{:?}", Classified::new(label, "a secret")), "Classified(confidential)");
}

#[test]
fn a_label_is_only_ever_tightened() {
    let regions = |names: &[&str]| Residency::within(&names.iter().map(ToString::to_string).collect::<Vec<_>>());
    let both = regions(&["eu", "ch"]).and(&regions(&["us", "eu"]));
    assert_eq!(both, regions(&["eu"]));
    assert_eq!(both.and(&Residency::ANYWHERE), both);
    let nowhere = both.and(&regions(&["us"]));
    assert!(!nowhere.allows(&Place::of(TrustTier::Local).in_region("eu")) && nowhere != Residency::ANYWHERE);
    let strict = Label { class: PrivacyClass::Internal, residency: nowhere };
    assert_eq!(Label::of(PrivacyClass::Restricted).and(&strict).class, PrivacyClass::Restricted);
    let read: Residency = serde_json::from_str("[]").unwrap();
    assert_ne!(read, Residency::ANYWHERE, "an empty list is nowhere");
}

#[test]
fn cancelling_a_child_leaves_its_parent_alone() {
    let now = tokio::time::Instant::now();
    let parent = Cx::housekeeping(now, std::time::Duration::from_secs(1));
    let child = parent.child();
    child.cancel();
    assert!(child.is_cancelled() && !parent.is_cancelled());
    let other = parent.child();
    parent.cancel();
    assert!(other.is_cancelled() && !parent.detached().is_cancelled());
}

#[test]
fn prices_round_up_and_money_reads_well() {
    let price = Price::new(150_000, 600_000);
    assert_eq!(price.cost(1, 0), Money(1));
    assert_eq!(price.cost(1_000_000, 1_000_000), Money(750_000));
    // What a provider had cached is cheaper if it says so, never dearer, and never more than was read.
    let cheap = Price { cached_input: Some(50_000), ..price };
    assert_eq!(cheap.charge(1_000_000, 400_000, 0), Money(110_000));
    assert_eq!(cheap.charge(1_000_000, 9_000_000, 0), Money(50_000));
    assert_eq!((cheap.cost(1_000_000, 0), price.charge(1_000_000, 400_000, 0)), (Money(150_000), Money(150_000)));
    assert_eq!(Money(1_234_567).to_string(), "$1.234567");
    assert_eq!(Money(-5).to_string(), "-$0.000005");
}

#[test]
fn timestamps_read_as_rfc3339() {
    assert_eq!(Timestamp(0).rfc3339(), "1970-01-01T00:00:00.000000Z");
    assert_eq!(Timestamp(1_709_210_096_000_007).rfc3339(), "2024-02-29T12:34:56.000007Z");
    assert_eq!(Timestamp(-1).rfc3339(), "1969-12-31T23:59:59.999999Z");
}

#[test]
fn ids_survive_their_text() {
    let hash = Hash::of(b"syzygy");
    assert_eq!(hash.to_string().parse::<Hash>(), Ok(hash));
    assert!("xyz".parse::<Hash>().is_err());
    assert!("xyz".parse::<RunId>().is_err());
}
