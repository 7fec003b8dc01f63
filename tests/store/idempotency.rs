//! The answers kept for requests that carry an `Idempotency-Key`.

use std::time::Duration;

use futures_util::future::join_all;
use jiff::Timestamp;
use tollgate::{
    domain::{ids::UserId, principal::Role},
    store::{
        administered::{Created, CreatedRow},
        idempotency::{Answer, Idempotency},
        users::{UserRefused, UserRow},
    },
};

use tollgate::store::filter::Filter;

use crate::support::{Database, on_both};

on_both!(
    the_same_request_gets_the_same_answer_and_changes_nothing,
    a_key_that_came_with_another_request_is_refused,
    keys_of_different_users_have_nothing_to_do_with_each_other,
    an_expired_key_is_used_anew,
    a_request_that_was_refused_leaves_its_key_free,
    of_equal_requests_at_once_one_creates,
    a_purge_deletes_the_old_keys_only,
    a_purge_stops_after_about_a_thousand_rows,
);

const DAY: Duration = Duration::from_hours(24);

fn request(db: &Database, sender: UserId, key: &str) -> Idempotency {
    let now = db.clock.now();
    Idempotency {
        user_id: sender,
        key: key.into(),
        fingerprint: [7; 32],
        status: 201,
        location: Some("/admin/users/1".into()),
        body: r#"{"name":"Zoë 'the' \"quoted\" \u0000"}"#.into(),
        created_at: now,
        not_before: now - DAY,
    }
}

fn replayed(request: &Idempotency) -> CreatedRow<UserRow> {
    let Idempotency { status, location, body, .. } = request.clone();
    Created::Replayed(Answer { status, location, body })
}

async fn create(db: &Database, name: &str, request: &Idempotency) -> CreatedRow<UserRow> {
    db.store.create::<UserRow>(db.new_user(name, Role::User), Some(request.clone())).await.unwrap()
}

fn sender(db: &Database) -> UserId {
    UserId(db.clock.new_id())
}

async fn the_same_request_gets_the_same_answer_and_changes_nothing(db: Database) {
    let first = request(&db, sender(&db), "key");
    assert!(matches!(create(&db, "ada", &first).await, Created::New(_)));
    db.clock.advance(DAY);
    let again = Idempotency { body: "{}".into(), location: None, ..request(&db, first.user_id, "key") };
    assert_eq!(create(&db, "bob", &again).await, replayed(&first));
    assert_eq!(db.store.users_page(Filter::default(), None, 10).await.unwrap().len(), 1);
}

async fn a_key_that_came_with_another_request_is_refused(db: Database) {
    let first = request(&db, sender(&db), "key");
    create(&db, "ada", &first).await;
    let other = Idempotency { fingerprint: [8; 32], ..first };
    assert_eq!(create(&db, "bob", &other).await, Created::KeyReused);
    assert_eq!(db.store.users_page(Filter::default(), None, 10).await.unwrap().len(), 1);
}

async fn keys_of_different_users_have_nothing_to_do_with_each_other(db: Database) {
    create(&db, "ada", &request(&db, sender(&db), "key")).await;
    assert!(matches!(create(&db, "bob", &request(&db, sender(&db), "key")).await, Created::New(_)));
}

async fn an_expired_key_is_used_anew(db: Database) {
    let sender = sender(&db);
    create(&db, "ada", &request(&db, sender, "key")).await;
    db.clock.advance(DAY + Duration::from_micros(1));
    let later = Idempotency { fingerprint: [8; 32], body: "later".into(), ..request(&db, sender, "key") };
    assert!(matches!(create(&db, "bob", &later).await, Created::New(_)));
    assert_eq!(create(&db, "bob", &later).await, replayed(&later));
}

async fn a_request_that_was_refused_leaves_its_key_free(db: Database) {
    db.user("ada", Role::User).await;
    let first = request(&db, sender(&db), "key");
    assert_eq!(create(&db, "ada", &first).await, Created::Refused(UserRefused::UsernameTaken));
    assert!(matches!(create(&db, "bob", &first).await, Created::New(_)));
}

async fn of_equal_requests_at_once_one_creates(db: Database) {
    let replicas = [db.replica(), db.replica()];
    let request = request(&db, sender(&db), "key");
    let tries = (0..10).map(|n| {
        let user = db.new_user("ada", Role::User);
        replicas[n % replicas.len()].create::<UserRow>(user, Some(request.clone()))
    });
    let answers: Vec<_> = join_all(tries).await.into_iter().map(Result::unwrap).collect();
    assert_eq!(answers.iter().filter(|answer| matches!(answer, Created::New(_))).count(), 1);
    assert_eq!(answers.iter().filter(|answer| **answer == replayed(&request)).count(), 9);
}

async fn a_purge_deletes_the_old_keys_only(db: Database) {
    let sender = sender(&db);
    create(&db, "ada", &request(&db, sender, "old")).await;
    db.clock.advance(DAY);
    let new = request(&db, sender, "new");
    create(&db, "bob", &new).await;
    assert_eq!(db.store.purge_idempotency_keys(db.clock.now()).await, Ok(1));
    assert_eq!(db.store.purge_idempotency_keys(db.clock.now()).await, Ok(0));
    assert_eq!(create(&db, "eve", &new).await, replayed(&new));
}

async fn a_purge_stops_after_about_a_thousand_rows(db: Database) {
    let rows: Vec<_> = (0..1_500).map(|n| format!("('user', 'key-{n}', '', 201, '', {n})")).collect();
    let columns = "user_id, idempotency_key, fingerprint, status, body, created_at";
    db.execute(&format!("INSERT INTO idempotency_keys ({columns}) VALUES {}", rows.join(","))).unwrap();
    let all = Timestamp::from_microsecond(10_000).unwrap();
    assert_eq!(db.store.purge_idempotency_keys(all).await, Ok(1_001));
    assert_eq!(db.store.purge_idempotency_keys(all).await, Ok(499));
}
