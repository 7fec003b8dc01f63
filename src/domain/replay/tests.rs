use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::domain::{
    audit::{Stage, lines::Exported},
    budget,
    calendar::{Calendar, Every},
    ids::{BudgetId, LimitId},
    limit::{self, bucket::Bucket, rate::Rate},
};
use uuid::Uuid;

const USER: &str = "01890a5d-ac96-774b-bcce-b302099a8057";
const BEGIN_S: i64 = 1_800_000_000;

fn limit_of(changes: &Value) -> Rule {
    let mut spec = json!({
        "name": "mine", "routes": ["*"], "per": "user", "unit": "requests", "limit": 1, "window_s": 1000, "burst": 2,
    });
    spec.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    let spec: limit::Spec = serde_json::from_value(spec).unwrap();
    Rule::Limit(spec.policy(LimitId(Uuid::nil())).unwrap(), Known::default())
}

fn budget_of(changes: &Value) -> Rule {
    let mut spec = json!({ "name": "mine", "scope": "user", "limit_usd": "1", "period": "day" });
    spec.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    let spec: budget::Spec = serde_json::from_value(spec).unwrap();
    Rule::Budget(spec.budget(BudgetId(Uuid::nil())).unwrap(), Known::default())
}

fn time(ms: i64) -> Timestamp {
    Timestamp::from_millisecond(BEGIN_S * 1_000 + ms).unwrap()
}

/// The record of a call that began this many milliseconds after the start and was decided at once.
fn call(ms: i64, changes: &Value) -> Value {
    let mut record = json!({
        "chain": "c", "seq": 1, "id": Uuid::from_u128(u128::try_from(ms + 1).unwrap() << 64), "stage": "whole",
        "request_id": Uuid::from_u128(u128::try_from(ms + 1).unwrap()), "time": time(ms), "user_id": USER,
        "method": "GET", "route": "echo", "decision": "allowed", "status": 200, "duration_us": 0, "limited_at": time(ms),
    });
    for (field, value) in changes.as_object().unwrap() {
        if value.is_null() {
            record.as_object_mut().unwrap().remove(field);
        } else {
            record[field] = value.clone();
        }
    }
    record
}

fn lines(record: &Value) -> Lines {
    Lines { opening: record.to_string(), ..Lines::default() }
}

const SPAN_S: i64 = 10_000;

fn replay(rule: Rule) -> Replay {
    Replay::new(rule, Span { from: time(0), to: time(SPAN_S * 1_000) })
}

fn report(rule: Rule, records: &[Value]) -> Report {
    let mut replays = [replay(rule)];
    let records: Vec<_> =
        records.iter().map(|record| (record["time"].as_str().unwrap().parse().unwrap(), lines(record))).collect();
    take_all(&mut replays, &records);
    let [replay] = replays;
    replay.report()
}

/// Asked and refused.
fn counts(report: &Report) -> (u64, u64) {
    assert_eq!(report.requests, report.admitted + report.refused);
    (report.requests, report.refused)
}

#[test]
fn only_what_came_to_the_limits_asks() {
    let of =
        |changes: Value| counts(&report(limit_of(&json!({ "burst": 1 })), &[call(0, &changes), call(1, &changes)]));
    assert_eq!(of(json!({})), (2, 1));
    for nothing in [
        json!({ "limited_at": null, "decision": "refused", "reason": "forbidden" }),
        json!({ "limited_at": null, "decision": "refused", "reason": "invalid-token: expired" }),
        json!({ "limited_at": null, "decision": "refused", "reason": "temporary-reduced-capacity" }),
        json!({ "limited_at": null, "route": "/admin/users" }),
        json!({ "limited_at": null, "route": null }),
        json!({ "user_id": null }),
        json!({ "method": "ALERT" }),
    ] {
        assert_eq!(of(nothing.clone()), (0, 0), "{nothing}");
    }
    // From before it was on record when the limits decided.
    assert_eq!(of(json!({ "limited_at": null })), (2, 1));
    let routes = report(limit_of(&json!({ "routes": ["other"] })), &[call(0, &json!({}))]);
    assert_eq!(counts(&routes), (0, 0));
}

#[test]
fn what_was_decided_earlier_comes_first_whichever_began_first() {
    let heavy = json!({ "limited_at": time(30), "weight": 2, "user_id": USER });
    let found = report(limit_of(&json!({})), &[call(10, &heavy), call(20, &json!({}))]);
    // The light call was decided before the heavy one, which found too little.
    assert_eq!((counts(&found), found.subjects[0].first_refused_at), ((2, 1), Some(time(10))));
}

#[test]
fn what_another_rule_refused_is_asked_and_takes_nothing() {
    let elsewhere = json!({ "decision": "refused", "reason": "quota-exceeded: other" });
    let behind = json!({ "decision": "refused", "reason": "budget-exhausted: poor" });
    let own = json!({ "decision": "refused", "reason": "quota-exceeded: mine" });
    let both = json!({ "decision": "refused", "reason": "quota-exceeded: mine, other" });
    let one = limit_of(&json!({ "burst": 1 }));
    for (first, refused, was_refused) in [(elsewhere, 0, 0), (behind, 0, 0), (own, 1, 1), (both, 0, 1)] {
        let found = report(one.clone(), &[call(0, &first), call(1, &json!({}))]);
        assert_eq!((counts(&found), found.was_refused), ((2, refused), was_refused), "{first}");
    }
}

#[test]
fn a_call_that_was_given_back_takes_nothing_in_the_end() {
    let failed = json!({ "decision": "failed", "reason": "upstream-failed", "refunded": true, "duration_us": 5_000 });
    let one = limit_of(&json!({ "burst": 1 }));
    assert_eq!(counts(&report(one.clone(), &[call(0, &failed), call(1, &json!({})), call(6, &json!({}))])), (3, 1));
    let sent = json!({ "decision": "failed", "reason": "upstream-failed" });
    assert_eq!(counts(&report(one, &[call(0, &sent), call(6, &json!({}))])), (2, 1));
}

#[test]
fn tokens_are_taken_as_estimated_and_corrected_at_the_end() {
    let tokens = |ms: i64, estimated: u64, took: u64| {
        let tokens = json!({
            "reserved_at": time(ms), "estimated_tokens": estimated, "input_tokens": took, "output_tokens": 0,
            "cost_usd": "0.1", "duration_us": 1_000,
        });
        call(ms, &tokens)
    };
    let rule = || limit_of(&json!({ "unit": "tokens", "burst": 100 }));
    assert_eq!(counts(&report(rule(), &[tokens(0, 90, 10), tokens(2, 90, 90), tokens(4, 1, 1)])), (3, 1));
    assert_eq!(counts(&report(rule(), &[tokens(0, 90, 10), tokens(0, 90, 90)])), (2, 1));
    // A call that asked for none, as one that is answered from the cache.
    assert_eq!(counts(&report(rule(), &[call(0, &json!({}))])), (0, 0));
    let old = json!({ "limited_at": null, "decision": "refused", "reason": "quota-exceeded: other" });
    let found = report(rule(), &[call(0, &old)]);
    assert_eq!(found.not_counted, [NotCounted { reason: "tokens-unknown".into(), requests: 1 }]);
}

#[test]
fn a_place_is_free_when_the_call_has_ended() {
    let places = limit_of(&json!({ "unit": "concurrent", "limit": 1, "window_s": null, "burst": null }));
    let long = |ms| call(ms, &json!({ "duration_us": 10_000 }));
    assert_eq!(counts(&report(places.clone(), &[long(0), long(9), long(10), long(19), long(25)])), (5, 2));
    let unknown = report(places, &[call(0, &json!({ "stage": "decision", "duration_us": null }))]);
    assert_eq!(unknown.not_counted, [NotCounted { reason: "end-unknown".into(), requests: 1 }]);
}

#[test]
fn an_address_is_believed_as_it_was_and_an_erased_one_is_not_counted() {
    let rule = limit_of(&json!({ "per": "address", "burst": 1 }));
    let from = |personal: &Value| Lines {
        opening: call(0, &json!({ "personal_sha256": "00" })).to_string(),
        personal: (!personal.is_null()).then(|| personal.to_string()),
        outcome: None,
    };
    let mut replays = [replay(rule)];
    let proxied = json!({ "peer": "127.0.0.1", "client": "2001:db8:1:2::3", "forwarded_for": "x" });
    let parts = [
        json!({ "peer": "192.0.2.1" }),
        json!({ "peer": "192.0.2.1" }),
        proxied.clone(),
        proxied,
        json!({ "peer": "127.0.0.1", "forwarded_for": "192.0.2.1" }),
        Value::Null,
    ];
    take_all(&mut replays, &parts.map(|part| (time(0), from(&part))));
    let [replay] = replays;
    let found = replay.report();
    let subjects: Vec<_> = found.subjects.iter().map(|subject| subject.subject.clone().unwrap()).collect();
    assert_eq!((counts(&found), subjects), ((4, 2), vec!["192.0.2.1".to_owned(), "2001:db8:1:2::/64".to_owned()]));
    let reasons: Vec<&str> = found.not_counted.iter().map(|not_counted| &*not_counted.reason).collect();
    assert_eq!(reasons, ["address-erased", "address-unknown"]);
}

#[test]
fn an_entry_that_is_none_is_counted_as_such() {
    let mut replays = [replay(limit_of(&json!({})))];
    let bad = Lines { opening: "{}".into(), ..Lines::default() };
    take_all(&mut replays, &[(time(0), bad)]);
    let [replay] = replays;
    assert_eq!(replay.report().not_counted, [NotCounted { reason: "unreadable".into(), requests: 1 }]);
}

#[test]
fn a_budget_holds_what_was_held_and_spends_what_it_cost() {
    let paid = |ms: i64, hold: &str, cost: &str| {
        let asked = json!({ "reserved_at": time(ms), "hold_usd": hold, "cost_usd": cost, "duration_us": 5_000 });
        call(ms, &asked)
    };
    // While the first is under way, its whole hold is taken.
    let found = report(budget_of(&json!({})), &[paid(0, "0.9", "0.1"), paid(1, "0.2", "0.2"), paid(9, "0.9", "0.5")]);
    assert_eq!((counts(&found), found.spent_usd.unwrap().to_string()), ((3, 1), "0.6".into()));
    let period = &found.subjects[0].periods.as_ref().unwrap()[0];
    assert_eq!((period.since, period.exhausted_at), ("2027-01-15T00:00:00Z".parse().unwrap(), Some(time(1))));
    // Of a call that was killed all that was held is spent, and of one that this budget refused what it asked for.
    let killed = json!({ "stage": "decision", "duration_us": null, "hold_usd": "0.4", "reserved_at": time(0) });
    let refused = json!({ "decision": "refused", "reason": "budget-exhausted: mine", "hold_usd": "0.5" });
    let elsewhere = json!({ "decision": "refused", "reason": "budget-exhausted: other", "hold_usd": "0.5" });
    let records = [call(0, &elsewhere), call(1, &killed), call(2, &refused), call(3, &elsewhere)];
    let found = report(budget_of(&json!({})), &records);
    assert_eq!((counts(&found), found.was_refused), ((4, 1), 1));
    assert_eq!(found.spent_usd.unwrap().to_string(), "0.9");
    let models = budget_of(&json!({ "models": ["demo"] }));
    assert_eq!(counts(&report(models, &[paid(0, "9", "9")])), (0, 0));
}

/// The rule as it is in force since so many milliseconds after the start.
fn made_at(ms: i64, mut rule: Rule) -> Rule {
    let (Rule::Limit(_, known) | Rule::Budget(_, known)) = &mut rule;
    known.in_force_since = Some(time(ms));
    rule
}

#[test]
fn a_rule_that_was_made_within_its_period_has_met_nothing_of_before() {
    let paid = |ms: i64| call(ms, &json!({ "reserved_at": time(ms), "hold_usd": "0.6", "cost_usd": "0.6" }));
    let calls = [paid(0), paid(10), paid(20)];
    for rule in [budget_of(&json!({ "period": "month" })), limit_of(&json!({ "burst": 1 }))] {
        assert_eq!(counts(&report(rule.clone(), &calls)), (3, 2), "not made yet: {rule:?}");
        let found = report(made_at(10, rule.clone()), &calls);
        assert_eq!(counts(&found), (2, 1), "{rule:?}");
        assert_eq!(found.not_yet_made, Some(NotYetMade { in_force_since: time(10), requests: 1 }));
        assert_eq!(counts(&report(made_at(11, rule.clone()), &calls)), (1, 0));
        for (how, asked) in [
            ("as a what-if", made_at(10, rule.clone()).as_what_if()),
            ("made behind the time", made_at(SPAN_S * 1_000, rule.clone())),
            ("made before all", made_at(-1, rule)),
        ] {
            let found = report(asked, &calls);
            assert_eq!((counts(&found), found.not_yet_made), ((3, 2), None), "{how}");
        }
    }
    // What began before and was decided later is asked.
    let late = call(5, &json!({ "limited_at": time(15) }));
    assert_eq!(counts(&report(made_at(10, limit_of(&json!({ "burst": 1 }))), &[late, call(20, &json!({}))])), (2, 1));
}

#[test]
fn a_rule_is_read_from_when_it_matters() {
    let from = "2027-01-15T08:00:00Z".parse().unwrap();
    for (rule, expected) in [
        (limit_of(&json!({ "limit": 60, "window_s": 60, "burst": 1 })), "2027-01-15T07:59:00Z"),
        (limit_of(&json!({ "limit": 60, "window_s": 60, "burst": 600 })), "2027-01-15T07:50:00Z"),
        (limit_of(&json!({ "unit": "concurrent", "window_s": null, "burst": null })), "2027-01-15T07:00:00Z"),
        (limit_of(&json!({ "window_s": null, "burst": null, "window": "week" })), "2027-01-11T00:00:00Z"),
        (budget_of(&json!({ "period": "day" })), "2027-01-15T00:00:00Z"),
        (budget_of(&json!({ "period": "month" })), "2027-01-01T00:00:00Z"),
        (budget_of(&json!({ "period": "total" })), "1970-01-01T00:00:00Z"),
    ] {
        assert_eq!(rule.reads_from(from), expected.parse().unwrap(), "{rule:?}");
    }
}

#[test]
fn an_outcome_of_an_export_lies_behind_its_decision() {
    let entry = |record: &Value| Exported {
        entry: record.to_string(),
        prev_hash: [0; 32],
        hash: [0; 32],
        personal: None,
        change: None,
    };
    let mut joiner = Joiner::default();
    let decision = call(0, &json!({ "stage": Stage::Decision, "duration_us": null }));
    let outcome = json!({ "chain": "c", "request_id": decision["request_id"], "id": decision["id"], "stage": "outcome",
                          "time": time(5), "duration_us": 5_000 });
    assert_eq!(joiner.add(entry(&decision)).unwrap(), None);
    assert!(joiner.add(entry(&call(1, &json!({})))).unwrap().is_some());
    let (began, lines) = joiner.add(entry(&outcome)).unwrap().unwrap();
    let request = Request::read(&lines).unwrap().unwrap();
    assert_eq!(
        (began, request.duration_us, request.decision),
        (time(0), Some(5_000), Some(crate::domain::audit::Decision::Allowed))
    );
    assert_eq!(joiner.add(entry(&outcome)).unwrap(), None);
    assert_eq!(joiner.rest().count(), 0);
}

/// The lowest limit that refuses few enough, tried one by one.
fn by_trying(policy: &limit::Policy, records: &[Value], below_ppm: u64, highest: u64) -> Option<u64> {
    (1..=highest).find(|limit| {
        let allowance = Allowance::Rate(Rate::new(*limit, 60, *limit).unwrap());
        let rule = Rule::Limit(limit::Policy { allowance, ..policy.clone() }, Known::default());
        search::is_below(&report(rule, records), below_ppm)
    })
}

proptest! {
    #[test]
    fn a_replay_decides_as_a_bucket_does_that_is_asked_in_the_order_of_decisions(
        calls in prop::collection::vec((0_i64..300, 0_i64..400, 1_u64..3), 1..80),
        limit in 1_u64..20, burst in 2_u64..6,
    ) {
        let (mut began, mut records, mut asked) = (0, vec![], vec![]);
        for (gap, wait, weight) in calls {
            began += gap + 1;
            let limited = began + wait;
            records.push(call(began, &json!({ "limited_at": time(limited), "weight": weight, "duration_us": 1_000_000 })));
            asked.push((limited, began, weight));
        }
        asked.sort_unstable();
        let (rate, mut bucket, mut refused) = (Rate::new(limit, 2, burst).unwrap(), Bucket::full(), 0);
        for (limited, _, weight) in asked {
            let now_ns = nanoseconds(time(limited));
            if bucket.fits_in_ns(rate, weight, now_ns) == 0 { bucket.charge(rate, weight, now_ns) } else { refused += 1 }
        }
        let rule = || limit_of(&json!({ "limit": limit, "window_s": 2, "burst": burst }));
        let found = report(rule(), &records);
        prop_assert_eq!(counts(&found), (u64::try_from(records.len()).unwrap(), refused));
        // In no order at all, as an export has them.
        let mut kept = replay(rule());
        records.iter().rev().for_each(|record| kept.keep(&Request::read(&lines(record)).unwrap().unwrap()));
        prop_assert_eq!(kept.report(), found);
    }

    #[test]
    fn a_calendar_window_is_replayed_as_it_was_counted(
        calls in prop::collection::vec((0_i64..150_000, 0_i64..90_000, 1_u64..3), 1..80), limit in 2_u64..20,
        made in 0_i64..10_000_000,
    ) {
        let (mut began, mut records, mut asked) = (0, vec![], vec![]);
        for (gap, wait, weight) in calls {
            began += gap + 1;
            let limited = began + wait;
            records.push(call(began, &json!({ "limited_at": time(limited), "weight": weight, "duration_us": 1_000_000 })));
            asked.push((limited, began, weight));
        }
        asked.retain(|(limited, began, _)| *began < SPAN_S * 1_000 && *limited >= made);
        asked.sort_unstable();
        // It is midnight there an hour after the beginning.
        let calendar = Calendar { every: Every::Day, zone: "America/Anchorage".parse().unwrap() };
        let (mut used, mut refused) = (std::collections::BTreeMap::<Timestamp, u64>::new(), 0);
        for (limited, _, weight) in &asked {
            let used = used.entry(calendar.at(time(*limited)).since).or_default();
            if *used + weight <= limit { *used += weight } else { refused += 1 }
        }
        let rule = limit_of(&json!({
            "limit": limit, "window_s": null, "burst": null, "window": "day", "time_zone": "America/Anchorage",
        }));
        let found = report(made_at(made, rule), &records);
        prop_assert_eq!(counts(&found), (u64::try_from(asked.len()).unwrap(), refused));
    }

    #[test]
    fn the_tightest_limit_is_the_one_that_trying_all_finds(
        gaps in prop::collection::vec(0_i64..20_000, 1..40), below_ppm in 1_u64..400_000,
    ) {
        let mut began = 0;
        let records: Vec<Value> = gaps.iter().map(|gap| { began += gap + 1; call(began, &json!({})) }).collect();
        let Rule::Limit(policy, known) = limit_of(&json!({ "limit": 5, "window_s": 60, "burst": 5 })) else { unreachable!() };
        let highest = u64::try_from(records.len()).unwrap();
        let span = Span { from: time(0), to: time(SPAN_S * 1_000) };
        let mut search = Search::new((policy.clone(), known), true, span, (below_ppm, highest));
        loop {
            let mut replays = search.next_pass();
            if replays.is_empty() {
                break;
            }
            let all: Vec<_> = records.iter().map(|record| (time(0), lines(record))).collect();
            take_all(&mut replays, &all);
            search.learn(&replays.into_iter().map(Replay::report).collect::<Vec<_>>());
        }
        prop_assert_eq!(search.tightest(), by_trying(&policy, &records, below_ppm, highest));
    }
}
