//! Limits: reading, creating, changing, deleting, and what fits beside what.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value, json};
use tollgate::{
    domain::{
        ids::{LimitId, UserId},
        limit::{Misfit, Spec},
        principal::Role,
    },
    store::{
        Store, StoreError,
        administered::{Changed, ChangedRow, Created, CreatedRow, First},
        idempotency::{Answer, Idempotency},
        limits::{LimitChange, LimitRow, NewLimit},
        revisions::Seen,
    },
};

use tollgate::store::filter::Filter;

use crate::support::{Database, on_both};

on_both!(
    a_created_limit_is_found_as_it_was_written,
    a_limit_that_does_not_fit_is_refused,
    a_subject_must_be_there,
    a_change_is_made_at_the_revision_it_was_asked_for_only,
    a_deleted_limit_is_found_no_more_and_its_name_is_free,
    a_follower_reads_all_that_live_when_something_has_changed,
    the_first_limits_are_made_once_by_many_replicas,
    first_limits_of_a_subject_that_is_not_there_are_not_made,
    the_same_request_gets_the_same_answer_and_changes_nothing,
    pages_follow_each_other_without_a_gap,
    a_row_that_means_nothing_is_reported_and_not_guessed,
);

fn spec(changes: Value) -> Spec {
    let mut spec =
        json!({ "name": "a", "routes": ["*"], "per": "user", "unit": "requests", "limit": 10, "window_s": 60 });
    for (field, value) in changes.as_object().unwrap() {
        spec[field] = value.clone();
    }
    serde_json::from_value(spec).unwrap()
}

fn new_limit(db: &Database, changes: Value) -> NewLimit {
    let spec = spec(changes);
    NewLimit { policy: spec.policy(LimitId(db.clock.new_id())).unwrap(), spec, created_at: db.clock.now() }
}

async fn create(db: &Database, changes: Value) -> CreatedRow<LimitRow> {
    db.store.create::<LimitRow>(new_limit(db, changes), None).await.unwrap()
}

async fn limit(db: &Database, changes: Value) -> LimitRow {
    match create(db, changes).await {
        Created::New(row) => row,
        other => panic!("{other:?}"),
    }
}

async fn change(db: &Database, row: &LimitRow, changes: Value) -> ChangedRow<LimitRow> {
    let spec = spec(changes);
    let change = LimitChange { policy: spec.policy(row.id()).unwrap(), spec, only_at: row.revision };
    db.store.change::<LimitRow>(row.id(), change, db.clock.now()).await.unwrap()
}

async fn a_created_limit_is_found_as_it_was_written(db: Database) {
    let limits = [
        json!({ "name": "general" }),
        json!({ "name": "all", "per": "address", "subject": "192.0.2.1", "burst": 1_000_000_000_000_u64,
            "routes": ["\"x\"", "y"], "mode": "shadow", "on_error": "deny" }),
        json!({ "name": "calendar", "window_s": null, "window": "week", "time_zone": "Europe/Berlin" }),
        json!({ "name": "places", "unit": "concurrent", "window_s": null, "per": "global" }),
    ];
    for (revision, changes) in (1..).zip(limits) {
        let new = new_limit(&db, changes);
        let Ok(Created::New(row)) = db.store.create::<LimitRow>(new.clone(), None).await else { panic!() };
        assert_eq!((&row.spec, &row.policy), (&new.spec, &new.policy));
        assert_eq!((row.created_at, row.updated_at, row.revision), (new.created_at, new.created_at, revision));
        assert_eq!(db.store.limit(row.id()).await, Ok(Some(row)));
    }
}

async fn a_limit_that_does_not_fit_is_refused(db: Database) {
    let ada = db.user("ada", Role::User).await;
    let general = limit(&db, json!({})).await;
    let hers = limit(&db, json!({ "subject": ada.id })).await;
    for (changes, misfit) in [
        (json!({ "limit": 3 }), Misfit::Taken),
        (json!({ "subject": ada.id, "limit": 3 }), Misfit::Taken),
        (json!({ "per": "team" }), Misfit::OtherPer),
        (json!({ "unit": "tokens" }), Misfit::OtherUnit),
    ] {
        assert_eq!(create(&db, changes.clone()).await, Created::Refused(misfit), "{changes}");
    }
    assert_eq!(change(&db, &hers, json!({})).await, Changed::Refused(Misfit::Taken));
    assert_eq!(change(&db, &general, json!({ "per": "team" })).await, Changed::Refused(Misfit::OtherPer));
    let twin = new_limit(&db, json!({ "name": "twin" }));
    let twin = NewLimit { policy: twin.spec.policy(general.id()).unwrap(), ..twin };
    assert_eq!(db.store.create::<LimitRow>(twin, None).await, Err(StoreError::Conflict("limits")));
}

async fn a_subject_must_be_there(db: Database) {
    let (ada, team) = (db.user("ada", Role::User).await, db.team("team").await);
    for per in ["user", "team", "key"] {
        for id in [
            UserId(db.clock.new_id()).to_string(),
            if per == "user" { team.id.to_string() } else { ada.id.to_string() },
        ] {
            let changes = json!({ "per": per, "subject": id });
            assert_eq!(create(&db, changes).await, Created::Refused(Misfit::NoSuchSubject), "{per}");
        }
    }
    limit(&db, json!({ "name": "of-user", "subject": ada.id })).await;
    limit(&db, json!({ "name": "of-team", "per": "team", "subject": team.id })).await;
    limit(&db, json!({ "name": "of-address", "per": "address", "subject": "2001:db8::1" })).await;
}

async fn a_change_is_made_at_the_revision_it_was_asked_for_only(db: Database) {
    let row = limit(&db, json!({ "burst": 20 })).await;
    db.clock.advance(Duration::from_secs(5));
    let changed = change(&db, &row, json!({ "limit": 5, "routes": ["x"], "mode": "shadow" })).await;
    let Changed::Done { before, after } = changed else { panic!("{changed:?}") };
    assert_eq!((&before, after.updated_at, after.created_at), (&row, db.clock.now(), row.created_at));
    assert_eq!((after.spec.limit, after.spec.burst, after.policy.limit()), (5, None, 5));
    assert_eq!(db.store.limit(row.id()).await, Ok(Some(after.clone())));
    assert_eq!(change(&db, &row, json!({ "limit": 6 })).await, Changed::Stale);
    let same = change(&db, &after, json!({ "limit": 5, "routes": ["x"], "mode": "shadow" })).await;
    assert_eq!(same, Changed::Done { before: after.clone(), after: after.clone() });
    db.store.delete::<LimitRow>(row.id(), db.clock.now()).await.unwrap();
    assert_eq!(change(&db, &after, json!({})).await, Changed::NotFound);
}

async fn a_deleted_limit_is_found_no_more_and_its_name_is_free(db: Database) {
    let row = limit(&db, json!({})).await;
    let deleted = db.store.delete::<LimitRow>(row.id(), db.clock.now()).await;
    assert!(matches!(&deleted, Ok(Changed::Done { before, .. }) if *before == row), "{deleted:?}");
    assert_eq!(db.store.delete::<LimitRow>(row.id(), db.clock.now()).await, Ok(Changed::NotFound));
    assert_eq!(db.store.limit(row.id()).await, Ok(None));
    assert_eq!(db.store.limits_page(Filter::default(), None, 10).await, Ok(vec![]));
    limit(&db, json!({ "per": "team", "unit": "tokens" })).await;
}

async fn a_follower_reads_all_that_live_when_something_has_changed(db: Database) {
    let (empty, none) = db.store.limits_since(Seen::default()).await.unwrap().unwrap();
    assert_eq!((none, db.store.limits_since(empty).await), (vec![], Ok(None)));
    let (first, second) = (limit(&db, json!({})).await, limit(&db, json!({ "name": "b" })).await);
    let replica = db.replica();
    let (seen, rows) = replica.limits_since(empty).await.unwrap().unwrap();
    assert_eq!((seen.revision, rows), (2, vec![first.clone(), second.clone()]));
    assert_eq!(replica.limits_since(seen).await, Ok(None));
    db.store.delete::<LimitRow>(first.id(), db.clock.now()).await.unwrap();
    let (seen, rows) = replica.limits_since(seen).await.unwrap().unwrap();
    assert_eq!((seen.revision, rows), (3, vec![second]));
}

async fn the_first_limits_are_made_once_by_many_replicas(db: Database) {
    let replicas = [db.replica(), db.replica(), db.replica()];
    let first = || vec![new_limit(&db, json!({})), new_limit(&db, json!({ "name": "b" }))];
    let made = join_all(replicas.iter().map(|replica: &Store| replica.create_first::<LimitRow>(first()))).await;
    assert_eq!(made.iter().filter(|made| **made == Ok(First::Made)).count(), 1, "{made:?}");
    let rows = db.store.limits_page(Filter::default(), None, 10).await.unwrap();
    assert_eq!(rows.len(), 2);
    for row in rows {
        db.store.delete::<LimitRow>(row.id(), db.clock.now()).await.unwrap();
    }
    assert_eq!(db.store.create_first::<LimitRow>(first()).await, Ok(First::MadeBefore));
    assert_eq!(db.store.limits_page(Filter::default(), None, 10).await, Ok(vec![]));
}

async fn first_limits_of_a_subject_that_is_not_there_are_not_made(db: Database) {
    let id = UserId(db.clock.new_id());
    let limits = vec![new_limit(&db, json!({})), new_limit(&db, json!({ "name": "b", "subject": id }))];
    let (limits, refused) = db.store.refuse_first::<LimitRow>(limits).await.unwrap();
    assert_eq!((limits.len(), refused), (2, Some((1, Misfit::NoSuchSubject))));
    assert_eq!(db.store.create_first::<LimitRow>(limits).await, Ok(First::Refused(1, Misfit::NoSuchSubject)));
    assert_eq!(db.store.limits_page(Filter::default(), None, 10).await, Ok(vec![]));
    assert_eq!(db.store.create_first::<LimitRow>(vec![new_limit(&db, json!({}))]).await, Ok(First::Made));
}

async fn the_same_request_gets_the_same_answer_and_changes_nothing(db: Database) {
    let now = db.clock.now();
    let request = Idempotency {
        user_id: UserId(db.clock.new_id()),
        key: "key".into(),
        fingerprint: [7; 32],
        status: 201,
        location: Some("/admin/limits/1".into()),
        body: "{}".into(),
        created_at: now,
        not_before: now,
    };
    let send = async |request: &Idempotency| {
        db.store.create::<LimitRow>(new_limit(&db, json!({})), Some(request.clone())).await.unwrap()
    };
    assert!(matches!(send(&request).await, Created::New(_)));
    let answer = Answer { status: 201, location: request.location.clone(), body: request.body.clone() };
    assert_eq!(send(&request).await, Created::Replayed(answer));
    let other = Idempotency { fingerprint: [8; 32], ..request };
    assert_eq!(send(&other).await, Created::KeyReused);
}

async fn pages_follow_each_other_without_a_gap(db: Database) {
    let mut limits = vec![];
    for n in 0..5 {
        limits.push(limit(&db, json!({ "name": format!("limit-{n}") })).await);
    }
    let first = db.store.limits_page(Filter::default(), None, 3).await.unwrap();
    let rest = db.store.limits_page(Filter::default(), first.last().map(LimitRow::id), 3).await.unwrap();
    assert_eq!([first, rest].concat(), limits);
}

async fn a_row_that_means_nothing_is_reported_and_not_guessed(db: Database) {
    let row = limit(&db, json!({})).await;
    for damage in [
        "routes = 'x'",
        "routes = '[]'",
        "per = 'planet'",
        "quantity = 0",
        "quantity = -1",
        "subject = 'x'",
        "calendar = 'year'",
        "calendar = 'day'",
        "time_zone = 'UTC'",
    ] {
        db.execute(&format!("UPDATE limits SET {damage}")).unwrap();
        let read = db.store.limit(row.id()).await;
        assert!(matches!(&read, Err(StoreError::Corrupt(text)) if text.starts_with("limits")), "{damage}: {read:?}");
        db.execute("UPDATE limits SET routes = '[\"*\"]', per = 'user', quantity = 10, subject = NULL, calendar = NULL, time_zone = NULL").unwrap();
    }
    assert_eq!(db.store.limit(row.id()).await, Ok(Some(row)));
}
