use serde_json::{Value, json};
use uuid::Uuid;

use super::*;
use crate::domain::route::{Meter, Metering, Only, PathMatch};

const ID: LimitId = LimitId(Uuid::nil());

fn route(name: &str, weight: u64, meter: Meter) -> Route {
    Route {
        name: name.into(),
        path: format!("/{name}"),
        matching: PathMatch::Exact,
        methods: vec![],
        only: Only::default(),
        roles: vec![],
        aims: [crate::domain::failover::Aim::only("up".into())].into(),
        retry: std::sync::Arc::default(),
        strip_prefix: false,
        weight,
        durability: None,
        bodies: None,
        meter,
        metering: Metering::default(),
        models: crate::domain::allowed::Allowed::default(),
        importance: crate::domain::importance::Importance::default(),
        websocket: false,
        identity: false,
        caching: None,
    }
}

fn spec(changes: Value) -> Spec {
    let mut spec = json!({
        "name": "a", "routes": ["*"], "per": "user", "unit": "requests", "limit": 10, "window_s": 60
    });
    for (field, value) in changes.as_object().unwrap() {
        spec[field] = value.clone();
    }
    serde_json::from_value(spec).unwrap()
}

fn check(changes: Value) -> Result<Policy, Vec<String>> {
    let routes = [route("light", 1, Meter::None), route("heavy", 9, Meter::None), route("chat", 1, Meter::OpenaiChat)];
    let known: Vec<&Route> = routes.iter().collect();
    let pointers = |faults: Vec<Fault>| faults.into_iter().map(|fault| fault.pointer).collect();
    spec(changes).check(ID, &known).map_err(pointers)
}

#[test]
fn the_same_is_told_from_another_however_it_is_written() {
    for (one, other, is_same) in [
        (json!({}), json!({ "burst": 10, "mode": "enforce" }), true),
        (json!({ "routes": ["light", "heavy"] }), json!({ "routes": ["heavy", "light"] }), true),
        (json!({ "routes": ["light"] }), json!({ "routes": ["heavy"] }), false),
        (json!({ "routes": ["light"] }), json!({ "routes": ["light", "heavy"] }), false),
        (json!({}), json!({ "routes": ["light"] }), false),
        (json!({}), json!({ "burst": 9 }), false),
        (json!({}), json!({ "mode": "shadow" }), false),
        (json!({}), json!({ "window_s": 61 }), false),
    ] {
        let policy = |changes: &Value| spec(changes.clone()).policy(ID).unwrap();
        assert_eq!(policy(&one).is_same(&policy(&other)), is_same, "{one} {other}");
    }
}

#[test]
fn every_fault_is_named_by_its_place_and_all_at_once() {
    let id = "01890a5d-ac96-774b-bcce-b302099a8057";
    for (changes, pointers) in [
        (json!({ "name": "" }), vec!["/name"]),
        (json!({ "name": "a b" }), vec!["/name"]),
        (json!({ "name": "x".repeat(65) }), vec!["/name"]),
        (json!({ "routes": [] }), vec!["/routes"]),
        (json!({ "routes": ["light", "*"] }), vec!["/routes/1"]),
        (json!({ "routes": ["light", "nope"] }), vec!["/routes/1"]),
        (json!({ "routes": ["light", "light"] }), vec!["/routes/1"]),
        (json!({ "routes": ["chat", "light"], "unit": "tokens" }), vec!["/routes/1"]),
        (json!({ "limit": 0 }), vec!["/limit"]),
        (json!({ "window_s": 0 }), vec!["/window_s"]),
        (json!({ "window_s": null }), vec!["/window_s"]),
        (json!({ "window_s": 315_360_001 }), vec!["/window_s"]),
        (json!({ "burst": 0 }), vec!["/burst"]),
        (json!({ "burst": 8 }), vec!["/burst"]),
        // A prime number of units, and a burst that is too large in such a window.
        (json!({ "limit": 999_999_999_989_u64 }), vec!["/limit"]),
        (json!({ "limit": 1_000, "window_s": 3_599, "burst": 900_000_000_000_u64 }), vec!["/burst"]),
        (json!({ "limit": 8 }), vec!["/burst"]),
        (json!({ "subject": "x" }), vec!["/subject"]),
        (json!({ "subject": id, "per": "global" }), vec!["/subject"]),
        (json!({ "subject": id, "per": "address" }), vec!["/subject"]),
        (json!({ "unit": "concurrent", "limit": 1_000_001 }), vec!["/limit"]),
        (json!({ "unit": "concurrent", "window_s": 0 }), vec!["/window_s"]),
        (json!({ "unit": "concurrent", "burst": 9 }), vec!["/burst"]),
        (json!({ "unit": "concurrent", "window": "day", "time_zone": "UTC" }), vec!["/window", "/time_zone"]),
        (json!({ "window": "day" }), vec!["/window"]),
        (json!({ "time_zone": "UTC" }), vec!["/time_zone"]),
        (json!({ "window_s": null, "time_zone": "UTC" }), vec!["/window_s", "/time_zone"]),
        (json!({ "window_s": null, "window": "day", "time_zone": "Mars" }), vec!["/time_zone"]),
        (json!({ "window_s": null, "window": "day", "limit": 8 }), vec!["/limit"]),
        (
            json!({ "window_s": null, "window": "week", "limit": 0, "time_zone": "x", "burst": 10 }),
            vec!["/limit", "/time_zone", "/burst"],
        ),
        (
            json!({ "window_s": 0, "window": "month", "limit": 0, "time_zone": "x", "burst": 0 }),
            vec!["/limit", "/window_s", "/burst", "/window", "/time_zone"],
        ),
        (
            json!({ "name": "", "routes": ["nope"], "subject": "x", "limit": 0, "window_s": 0, "burst": 0 }),
            vec!["/routes/0", "/name", "/subject", "/limit", "/window_s", "/burst"],
        ),
    ] {
        assert_eq!(check(changes.clone()).unwrap_err(), pointers, "{changes}");
    }
}

#[test]
fn a_limit_that_makes_sense_is_a_policy() {
    let rate = |changes| check(changes).unwrap().allowance;
    assert_eq!(rate(json!({})), Allowance::Rate(Rate::new(10, 60, 10).unwrap()));
    assert_eq!(rate(json!({ "burst": 20 })), Allowance::Rate(Rate::new(10, 60, 20).unwrap()));
    assert_eq!(
        rate(json!({ "unit": "tokens", "routes": ["chat"], "limit": 1 })).clone(),
        Allowance::Rate(Rate::new(1, 60, 1).unwrap())
    );
    // What the store keeps has larger numbers.
    let large = Rate::new(999_999_999_989, 3_600, 999_999_999_989).unwrap();
    assert_eq!(rate(json!({ "limit": 999_999_999_989_u64, "window_s": 3_600 })), Allowance::Rate(large));
    let berlin = Calendar { every: Every::Week, zone: "Europe/Berlin".parse().unwrap() };
    for (zone, calendar) in [(json!("Europe/Berlin"), berlin), (Value::Null, Calendar::utc(Every::Week))] {
        let changes = json!({ "window_s": null, "window": "week", "time_zone": zone });
        assert_eq!(rate(changes), Allowance::Rate(Rate::calendar(10, calendar).unwrap()));
    }
    // A call under way is one, whatever its route weighs.
    let slots = json!({ "unit": "concurrent", "limit": 1, "window_s": null, "burst": 1 });
    assert_eq!(rate(slots), Allowance::Concurrent(1));
    assert_eq!(check(json!({ "routes": ["light"] })).unwrap().routes, RouteSet::Named(vec!["light".into()]));
}

#[test]
fn policies_of_one_name_differ_in_their_subject_alone() {
    let policy = |changes| check(changes).unwrap();
    let first = policy(json!({ "per": "address", "subject": "192.0.2.1" }));
    for (other, misfit) in [
        (json!({ "per": "address", "subject": "::ffff:192.0.2.1", "limit": 99 }), Some(Misfit::Taken)),
        (json!({ "per": "address", "subject": "192.0.2.2" }), None),
        (json!({ "per": "address" }), None),
        (json!({ "per": "user" }), Some(Misfit::OtherPer)),
        (json!({ "per": "address", "unit": "tokens" }), Some(Misfit::OtherUnit)),
        (json!({ "per": "user", "name": "b" }), None),
    ] {
        assert_eq!(first.misfit(&policy(other.clone())), misfit, "{other}");
    }
}
