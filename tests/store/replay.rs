//! How a replay reads the log: every record once, with its outcome, in the order of time, whatever stands at one moment.

use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use tollgate::{
    domain::{
        audit::{Asked, Decision, Draft, Findings, Head, Stage, Subject},
        ids::{EntryId, LimitId, RequestId, UserId},
        limit::Spec,
        replay::{Known, Replay, Rule, Span},
    },
    store::audit::AuditRow,
};
use uuid::Uuid;

use crate::support::{Database, on_both};

on_both!(
    every_record_is_read_once_whatever_stands_at_one_moment,
    a_span_is_read_from_its_first_moment_to_before_its_end
);

const BEGIN: &str = "2027-01-15T08:00:00Z";

fn time(second: i64) -> Timestamp {
    BEGIN.parse::<Timestamp>().unwrap() + SignedDuration::from_secs(second)
}

/// What is to be written of calls, each by one of seven users: two chains, whose entries lie between each other; every third call
/// leaves two entries, of which the outcome says what it took.
async fn write(db: &Database, calls: &[Timestamp]) {
    let mut heads = [Head::GENESIS; 2];
    let mut rows = [vec![], vec![]];
    for (n, time) in calls.iter().enumerate() {
        let chain = n % 2;
        let user = UserId(Uuid::from_u128(u128::try_from(n % 7).unwrap() + 1));
        let subject =
            Subject { user_id: Some(user), method: "GET".into(), route: Some("r".into()), ..Subject::default() };
        let asked = Asked { limited_at: Some(*time), ..Asked::default() };
        let known = Findings { decision: Some(Decision::Allowed), asked, ..Findings::default() };
        let whole = Findings { duration_us: Some(0), ..known.clone() };
        let request_id = RequestId(db.clock.new_id());
        let draft = |stage, subject, findings| {
            let id = EntryId(db.clock.new_id());
            Draft { id, request_id, time: *time, stage, subject, findings }
        };
        let drafts = if n % 3 == 0 {
            vec![draft(Stage::Decision, Some(subject), known), draft(Stage::Outcome, None, whole)]
        } else {
            vec![draft(Stage::Whole, Some(subject), whole)]
        };
        for draft in drafts {
            let link = heads[chain].link(["a", "b"][chain], &draft, [[1; 16], [2; 16]], |_| [7; 32]).unwrap();
            heads[chain] = link.head();
            rows[chain].push(AuditRow::new(&draft, link));
        }
    }
    for (chain, rows) in ["a", "b"].into_iter().zip(rows) {
        db.store.append_audit(chain, rows).await.unwrap();
    }
}

/// A limit of calls under way, which needs the outcome of each.
fn limit(span: Span) -> Replay {
    let spec = json!({ "name": "a", "routes": ["r"], "per": "user", "unit": "concurrent", "limit": 1 });
    let spec: Spec = serde_json::from_value(spec).unwrap();
    Replay::new(Rule::Limit(spec.policy(LimitId(Uuid::nil())).unwrap(), Known::default()), span)
}

async fn every_record_is_read_once_whatever_stands_at_one_moment(db: Database) {
    // More at one moment than a page has, and a page that ends within another.
    let calls: Vec<Timestamp> =
        [(0, 5_500), (1, 1), (2, 5_200)].iter().flat_map(|(at, calls)| vec![time(*at); *calls]).collect();
    write(&db, &calls).await;
    let span = Span { from: time(0), to: time(10) };
    let mut told = vec![];
    let replays = db.store.replay(vec![limit(span), limit(span)], span.to, |time| told.push(time)).await.unwrap();
    let reports: Vec<_> = replays.into_iter().map(Replay::report).collect();
    assert_eq!(reports[0], reports[1]);
    assert_eq!((reports[0].requests, &reports[0].not_counted), (10_701, &vec![]));
    let steps: Vec<u64> = reports[0].series.iter().map(|step| step.requests).collect();
    assert_eq!((steps.iter().sum::<u64>(), reports[0].subjects.len()), (10_701, 7));
    assert!(told.is_sorted() && told.len() == 3, "{told:?}");
}

async fn a_span_is_read_from_its_first_moment_to_before_its_end(db: Database) {
    write(&db, &[time(0), time(1), time(2), time(3)]).await;
    for (from, to, expected) in [(0, 4, 4), (1, 3, 2), (3, 9, 1), (4, 9, 0)] {
        let span = Span { from: time(from), to: time(to) };
        let replays = db.store.replay(vec![limit(span)], span.to, |_| {}).await.unwrap();
        let requests: u64 = replays.into_iter().map(|replay| replay.report().requests).sum();
        assert_eq!(requests, expected, "{from} to {to}");
    }
}
