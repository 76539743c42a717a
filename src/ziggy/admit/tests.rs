//! Tables of admissions.

use super::*;

const NOW: Timestamp = Timestamp(1_000);

fn ask(in_flight: u32, value: Value) -> Ask {
    Ask { candidate: "marvin".to_owned(), cap: Some(2), in_flight, value }
}

fn decided(action: Action) -> Override {
    Override { author: "ada".to_owned(), reason: "maintenance".to_owned(), expires: Timestamp(2_000), action }
}

fn refusal(admission: Admission) -> Option<Refusal> {
    match admission {
        Admission::Refused { reason, .. } => Some(reason),
        Admission::Admitted { .. } => None,
    }
}

// A1.
#[test]
fn a_cap_is_never_exceeded_and_governance_has_the_last_word() {
    let own = Governance { version: 3, ..Governance::default() };
    assert_eq!(admit(&own, &ask(0, Value::Normal), NOW), Admission::Admitted { governance: 3, left: Some(1) });
    assert_eq!(admit(&own, &ask(1, Value::Normal), NOW), Admission::Admitted { governance: 3, left: Some(0) });
    assert_eq!(refusal(admit(&own, &ask(2, Value::Normal), NOW)), Some(Refusal::Full { in_flight: 2, cap: 2 }));
    let tighter = Governance { caps: BTreeMap::from([("marvin".to_owned(), 0)]), ..Governance::default() };
    assert_eq!(refusal(admit(&tighter, &ask(0, Value::Normal), NOW)), Some(Refusal::Full { in_flight: 0, cap: 0 }));
    let free = Ask { cap: None, ..ask(u32::MAX, Value::Normal) };
    assert_eq!(admit(&own, &free, NOW), Admission::Admitted { governance: 3, left: None });
}

// A3.
#[test]
fn shedding_refuses_the_lowest_value_first() {
    let values = [Value::Background, Value::Normal, Value::Interactive];
    let served = |shed| {
        let governance = Governance { shed, ..Governance::default() };
        values.map(|value| admit(&governance, &ask(0, value), NOW).admitted())
    };
    assert_eq!(served(Shed::Nothing), [true, true, true]);
    assert_eq!(served(Shed::Below(Value::Normal)), [false, true, true]);
    assert_eq!(served(Shed::Below(Value::Interactive)), [false, false, true]);
    assert_eq!(served(Shed::Everything), [false, false, false]);
}

// A2.
#[test]
fn people_disable_and_release_until_their_word_expires() {
    let quarantined = BTreeMap::from([("marvin".to_owned(), "it flaps".to_owned())]);
    let release = decided(Action::Release { candidate: "marvin".to_owned() });
    let governance = Governance { quarantined, overrides: vec![release], ..Governance::default() };
    assert!(admit(&governance, &ask(0, Value::Normal), NOW).admitted());
    let expired = refusal(admit(&governance, &ask(0, Value::Normal), Timestamp(2_000)));
    assert_eq!(expired, Some(Refusal::Quarantined { reason: "it flaps".to_owned() }));
    let disable = decided(Action::Disable { candidate: "marvin".to_owned() });
    let governance = Governance { overrides: vec![disable], ..Governance::default() };
    let (author, reason) = ("ada".to_owned(), "maintenance".to_owned());
    assert_eq!(refusal(admit(&governance, &ask(0, Value::Normal), NOW)), Some(Refusal::Disabled { author, reason }));
    assert!(admit(&governance, &ask(0, Value::Normal), Timestamp(2_000)).admitted());
}

#[test]
fn an_override_reads_and_writes_as_json() -> Result<(), serde_json::Error> {
    let text =
        r#"{"author":"ada","reason":"trial","expires":5,"action":"pin","candidate":"zoi","capability":"memory"}"#;
    let one: Override = serde_json::from_str(text)?;
    assert_eq!(one.action, Action::Pin { candidate: "zoi".to_owned(), capability: Some(Capability::new("memory")) });
    assert_eq!(serde_json::to_string(&one)?, text);
    Ok(())
}
