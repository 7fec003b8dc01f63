//! API keys: creating, revoking, and the sessions they are exchanged for.

use std::time::Duration;

use futures_util::future::{join, join_all};
use jiff::Timestamp;
use tollgate::{
    domain::{
        allowed::Allowed,
        api_key::MAX_LIVE_KEYS,
        ids::{ApiKeyId, SessionId, UserId},
        limit::Per,
        principal::{Role, UserStatus},
    },
    store::{
        StoreError,
        administered::{Changed, Created},
        api_keys::{ApiKeyRow, KeyChange, KeyOf, KeyRefused, KeyRotation, NewApiKey},
        idempotency::{Answer, Idempotency},
        sessions::NewSession,
        users::UserRow,
    },
};

use tollgate::store::filter::Filter;

use crate::support::{Database, done, on_both, to_role, to_status};

on_both!(
    a_created_key_is_found_as_it_was_made,
    a_taken_key_id_is_a_conflict,
    a_key_of_nobody_is_not_created,
    the_same_request_creates_one_key,
    of_many_creations_at_once_no_more_than_the_bound_succeed,
    a_key_is_revoked_once_and_by_its_owner_only,
    an_exchange_opens_a_session_for_a_live_key_only,
    a_revocation_ends_the_sessions_of_its_key_and_no_others,
    an_exchange_that_races_a_revocation_leaves_no_live_session,
    a_replaced_secret_opens_sessions_up_to_its_end_only,
    a_change_of_the_user_ends_the_sessions_of_their_keys,
    an_end_of_all_sessions_marks_the_user,
    live_sessions_are_listed_page_by_page,
    the_last_use_of_a_key_is_kept_and_is_no_change_of_it,
    the_keys_of_a_deleted_user_are_revoked,
    dead_keys_are_deleted_when_their_time_is_over,
);

const HOUR: Duration = Duration::from_hours(1);
const SECRET_HASH: [u8; 32] = [7; 32];

fn new_key(db: &Database, user: UserId) -> NewApiKey {
    NewApiKey {
        id: ApiKeyId(db.clock.new_id()),
        user_id: user,
        name: "Zoë's 'laptop'".parse().unwrap(),
        secret_hash: SECRET_HASH,
        created_at: db.clock.now(),
        expires_at: None,
        role: None,
        routes: Allowed::default(),
        models: Allowed::from_stored(Some("[\"gpt-*\"]")).unwrap(),
        only_of_name: false,
    }
}

async fn make(db: &Database, new: NewApiKey) -> ApiKeyRow {
    match db.store.create::<ApiKeyRow>(new, None).await.unwrap() {
        Created::New(row) => row,
        other => panic!("{other:?}"),
    }
}

async fn key(db: &Database, user: &UserRow) -> ApiKeyRow {
    make(db, new_key(db, user.id)).await
}

async fn revoke(db: &Database, id: ApiKeyId) -> (ApiKeyRow, ApiKeyRow) {
    match db.store.delete::<ApiKeyRow>(KeyOf { id, owner: None }, db.clock.now()).await.unwrap() {
        Changed::Done { before, after } => (before, after),
        other => panic!("{other:?}"),
    }
}

/// A session in exchange for a key.
async fn exchange(db: &Database, user: &UserRow, key: ApiKeyId) -> SessionId {
    let session = db.new_session(user);
    assert!(db.store.open_session_for_key(session, key, SECRET_HASH).await.unwrap().is_some());
    session.id
}

async fn a_created_key_is_found_as_it_was_made(db: Database) {
    let user = db.user("ada", Role::User).await;
    let new = NewApiKey { expires_at: Some(db.clock.now() + HOUR), ..new_key(&db, user.id) };
    let row = make(&db, new.clone()).await;
    let expected = ApiKeyRow {
        id: new.id,
        user_id: user.id,
        name: new.name,
        secret_hash: SECRET_HASH,
        created_at: new.created_at,
        expires_at: new.expires_at,
        revoked_at: None,
        revision: user.revision + 1,
        role: None,
        routes: new.routes,
        models: new.models,
        last_used_at: None,
        generation: 0,
        old: None,
    };
    assert_eq!(row, expected);
    assert_eq!(db.store.api_keys_page(user.id, Filter::default(), None, 10).await, Ok(vec![row.clone()]));
    assert_eq!(db.store.api_keys_page(user.id, Filter::default(), Some(row.id), 10).await, Ok(vec![]));
    assert_eq!(db.store.api_keys_changed_since(user.revision).await, Ok(vec![row.clone()]));
    assert_eq!(db.store.api_keys_changed_since(row.revision).await, Ok(vec![]));
}

async fn a_taken_key_id_is_a_conflict(db: Database) {
    let user = db.user("ada", Role::User).await;
    let new = new_key(&db, user.id);
    make(&db, new.clone()).await;
    assert_eq!(db.store.create::<ApiKeyRow>(new, None).await, Err(StoreError::Conflict("api_keys")));
}

async fn a_key_of_nobody_is_not_created(db: Database) {
    let user = db.user("ada", Role::User).await;
    let nobody = UserId(db.clock.new_id());
    assert_eq!(
        db.store.create::<ApiKeyRow>(new_key(&db, nobody), None).await,
        Ok(Created::Refused(KeyRefused::NoSuchUser))
    );
    done(db.store.change::<UserRow>(user.id, to_status(UserStatus::Disabled), db.clock.now()).await);
    key(&db, &user).await;
    done(db.store.delete::<UserRow>(user.id, db.clock.now()).await);
    assert_eq!(
        db.store.create::<ApiKeyRow>(new_key(&db, user.id), None).await,
        Ok(Created::Refused(KeyRefused::NoSuchUser))
    );
}

async fn the_same_request_creates_one_key(db: Database) {
    let (user, replicas) = (db.user("ada", Role::User).await, [db.replica(), db.replica()]);
    let request = Idempotency {
        user_id: user.id,
        key: "once".into(),
        fingerprint: [1; 32],
        status: 201,
        location: Some("/me/api-keys/1".into()),
        body: "{}".into(),
        created_at: db.clock.now(),
        not_before: db.clock.now() - HOUR,
    };
    let tries = (0..8).map(|n| replicas[n % 2].create::<ApiKeyRow>(new_key(&db, user.id), Some(request.clone())));
    let created: Vec<_> = join_all(tries).await.into_iter().map(Result::unwrap).collect();
    assert_eq!(created.iter().filter(|created| matches!(created, Created::New(_))).count(), 1);
    let again =
        Created::Replayed(Answer { status: 201, location: request.location.clone(), body: request.body.clone() });
    assert_eq!(created.iter().filter(|created| **created == again).count(), 7);
    let other = Idempotency { fingerprint: [2; 32], ..request };
    assert_eq!(db.store.create::<ApiKeyRow>(new_key(&db, user.id), Some(other)).await, Ok(Created::KeyReused));
}

async fn of_many_creations_at_once_no_more_than_the_bound_succeed(db: Database) {
    let (user, replicas) = (db.user("ada", Role::User).await, [db.replica(), db.replica()]);
    let expired = NewApiKey { expires_at: Some(db.clock.now()), ..new_key(&db, user.id) };
    make(&db, expired).await;
    let revoked = key(&db, &user).await;
    revoke(&db, revoked.id).await;
    for _ in 0..MAX_LIVE_KEYS - 3 {
        key(&db, &user).await;
    }
    let tries = (0..10).map(|n| replicas[n % 2].create::<ApiKeyRow>(new_key(&db, user.id), None));
    let created: Vec<_> = join_all(tries).await.into_iter().map(Result::unwrap).collect();
    assert_eq!(created.iter().filter(|created| matches!(created, Created::New(_))).count(), 3);
    assert_eq!(created.iter().filter(|created| **created == Created::Refused(KeyRefused::TooMany)).count(), 7);
    let other = db.user("bob", Role::User).await;
    key(&db, &other).await;
}

async fn a_key_is_revoked_once_and_by_its_owner_only(db: Database) {
    let (ada, bob) = (db.user("ada", Role::User).await, db.user("bob", Role::User).await);
    let (key, now) = (key(&db, &ada).await, db.clock.now());
    assert_eq!(
        db.store.delete::<ApiKeyRow>(KeyOf { id: key.id, owner: Some(bob.id) }, now).await,
        Ok(Changed::NotFound)
    );
    assert_eq!(
        db.store.delete::<ApiKeyRow>(KeyOf { id: ApiKeyId(db.clock.new_id()), owner: None }, now).await,
        Ok(Changed::NotFound)
    );
    let (before, after) = revoke(&db, key.id).await;
    assert_eq!((&before, after.revoked_at), (&key, Some(now)));
    assert_eq!(db.store.api_keys_changed_since(key.revision).await, Ok(vec![after.clone()]));
    db.clock.advance(HOUR);
    assert_eq!(revoke(&db, key.id).await, (after.clone(), after));
}

async fn an_exchange_opens_a_session_for_a_live_key_only(db: Database) {
    let (ada, bob) = (db.user("ada", Role::User).await, db.user("bob", Role::User).await);
    let live = key(&db, &ada).await;
    let expires = make(&db, NewApiKey { expires_at: Some(db.clock.now() + HOUR), ..new_key(&db, ada.id) }).await;
    let session = exchange(&db, &ada, live.id).await;
    assert_eq!(db.store.session(session).await.unwrap().unwrap().api_key_id, Some(live.id));
    exchange(&db, &ada, expires.id).await;
    db.clock.advance(HOUR);
    let revoked = key(&db, &ada).await;
    revoke(&db, revoked.id).await;
    let (of_ada, of_bob) = (db.new_session(&ada), db.new_session(&bob));
    assert_eq!(db.store.open_session_for_key(of_ada, expires.id, SECRET_HASH).await, Ok(None));
    assert_eq!(db.store.open_session_for_key(of_ada, revoked.id, SECRET_HASH).await, Ok(None));
    let nobodys = ApiKeyId(db.clock.new_id());
    assert_eq!(db.store.open_session_for_key(of_ada, nobodys, SECRET_HASH).await, Ok(None));
    assert_eq!(db.store.open_session_for_key(of_bob, live.id, SECRET_HASH).await, Ok(None));
    done(db.store.change::<UserRow>(ada.id, to_status(UserStatus::Disabled), db.clock.now()).await);
    assert_eq!(db.store.open_session_for_key(of_ada, live.id, SECRET_HASH).await, Ok(None));
}

async fn a_revocation_ends_the_sessions_of_its_key_and_no_others(db: Database) {
    let user = db.user("ada", Role::User).await;
    let (key, other) = (key(&db, &user).await, key(&db, &user).await);
    let sessions = [exchange(&db, &user, key.id).await, exchange(&db, &user, key.id).await];
    let others = [exchange(&db, &user, other.id).await, db.session(&user).await];
    let (_, after) = revoke(&db, key.id).await;
    for session in sessions {
        let row = db.store.session(session).await.unwrap().unwrap();
        assert_eq!((row.revoked_at, row.revision), (after.revoked_at, after.revision));
    }
    for session in others {
        assert!(db.is_live(session).await);
    }
}

async fn an_exchange_that_races_a_revocation_leaves_no_live_session(db: Database) {
    let (left, right, now) = (db.replica(), db.replica(), db.clock.now());
    let user = db.user("ada", Role::User).await;
    for round in 0..20 {
        let key = key(&db, &user).await;
        let sessions: Vec<_> = (0..3).map(|_| db.new_session(&user)).collect();
        let exchange = |session: &NewSession| left.open_session_for_key(*session, key.id, SECRET_HASH);
        let exchanges = join_all(sessions.iter().map(exchange));
        let (opened, revoked) =
            join(exchanges, right.delete::<ApiKeyRow>(KeyOf { id: key.id, owner: None }, now)).await;
        assert!(opened.iter().all(Result::is_ok) && revoked.is_ok(), "{opened:?} {revoked:?}");
        for session in sessions {
            assert!(!db.is_live(session.id).await, "round {round}");
        }
    }
}

async fn a_replaced_secret_opens_sessions_up_to_its_end_only(db: Database) {
    let user = db.user("ada", Role::User).await;
    let new = key(&db, &user).await;
    let rotate = async |only_at: i64, secret_hash: [u8; 32], old_until: Option<Timestamp>| {
        let change = KeyChange::Secret(KeyRotation { secret_hash, old_until, only_at, once: None });
        let of = KeyOf { id: new.id, owner: None };
        match db.store.change::<ApiKeyRow>(of, change, db.clock.now()).await.unwrap() {
            Changed::Done { after, .. } => after,
            other => panic!("{other:?}"),
        }
    };
    let until = async |secret_hash: [u8; 32]| {
        db.store.open_session_for_key(db.new_session(&user), new.id, secret_hash).await.unwrap()
    };
    let (now, soon) = (db.clock.now(), db.clock.now() + Duration::from_mins(1));
    assert_eq!(until([8; 32]).await, None, "a secret that it never had");
    let second = rotate(new.revision, [8; 32], Some(soon)).await;
    assert_eq!((until(SECRET_HASH).await, until([8; 32]).await), (Some(soon), Some(now + HOUR)));
    db.clock.advance(Duration::from_mins(1));
    assert_eq!(until(SECRET_HASH).await, None);
    rotate(second.revision, [9; 32], None).await;
    assert_eq!((until([8; 32]).await, until([9; 32]).await), (None, Some(soon + HOUR)));
}

async fn a_change_of_the_user_ends_the_sessions_of_their_keys(db: Database) {
    let user = db.user("ada", Role::User).await;
    let key = key(&db, &user).await;
    let session = exchange(&db, &user, key.id).await;
    let (before, after) = done(db.store.change::<UserRow>(user.id, to_role(Role::Readonly), db.clock.now()).await);
    assert!(!db.is_live(session).await);
    assert!(before.tokens_not_before < after.tokens_not_before);
    assert_eq!(after.tokens_not_before, db.clock.now());
    exchange(&db, &after, key.id).await;
}

async fn an_end_of_all_sessions_marks_the_user(db: Database) {
    let user = db.user("ada", Role::User).await;
    db.session(&user).await;
    assert_eq!(db.store.revoke_sessions_of(user.id, db.clock.now()).await, Ok(Some(1)));
    let marked = db.store.users_changed_since(user.revision).await.unwrap();
    assert_eq!((marked.len(), marked[0].tokens_not_before), (1, db.clock.now()));
    done(db.store.delete::<UserRow>(user.id, db.clock.now()).await);
    assert_eq!(db.store.revoke_sessions_of(user.id, db.clock.now()).await, Ok(None));
    assert_eq!(db.store.revoke_sessions_of(UserId(db.clock.new_id()), db.clock.now()).await, Ok(None));
}

async fn live_sessions_are_listed_page_by_page(db: Database) {
    let user = db.user("ada", Role::User).await;
    let old = db.session(&user).await;
    db.clock.advance(HOUR);
    let mut live = vec![];
    for _ in 0..5 {
        live.push(db.session(&user).await);
    }
    db.store.revoke_session(live.remove(2), db.clock.now()).await.unwrap();
    let (mut seen, mut after) = (vec![], None);
    loop {
        let page = db.store.sessions_page(user.id, db.clock.now(), after, 3).await.unwrap();
        let Some(last) = page.last() else { break };
        after = Some(last.id);
        seen.extend(page.iter().map(|row| row.id));
    }
    assert_eq!(seen, live);
    assert!(!seen.contains(&old));
}

async fn the_last_use_of_a_key_is_kept_and_is_no_change_of_it(db: Database) {
    let user = db.user("ada", Role::User).await;
    let busy = key(&db, &user).await;
    key(&db, &user).await;
    let revision = db.store.identity_revision().await;
    for (then, expected) in [(HOUR, HOUR), (HOUR / 2, HOUR), (2 * HOUR, 2 * HOUR)] {
        db.store.keep_key_uses(vec![(busy.id, db.clock.now() + then)]).await.unwrap();
        let page = db.store.api_keys_page(user.id, Filter::default(), None, 10).await.unwrap();
        let last: Vec<_> = page.iter().map(|key| key.last_used_at).collect();
        assert_eq!(last, [Some(db.clock.now() + expected), None]);
    }
    assert_eq!(db.store.identity_revision().await, revision);
}

async fn the_keys_of_a_deleted_user_are_revoked(db: Database) {
    let (ada, bob) = (db.user("ada", Role::User).await, db.user("bob", Role::User).await);
    let (of_ada, of_bob) = (key(&db, &ada).await, key(&db, &bob).await);
    let has = async |id: ApiKeyId| db.store.has_subject(Per::Key, Some(&id.to_string())).await.unwrap();
    assert!(has(of_ada.id).await && has(of_bob.id).await);
    done(db.store.delete::<UserRow>(ada.id, db.clock.now()).await);
    let revoked_at = async |id| db.store.api_key(KeyOf { id, owner: None }).await.unwrap().unwrap().revoked_at;
    assert_eq!((revoked_at(of_ada.id).await, revoked_at(of_bob.id).await), (Some(db.clock.now()), None));
    assert!(!has(of_ada.id).await && has(of_bob.id).await);
    let changed = db.store.api_keys_changed_since(of_bob.revision).await.unwrap();
    assert_eq!(changed.iter().map(|key| key.id).collect::<Vec<_>>(), [of_ada.id], "other replicas are told");
    assert_eq!(db.store.revoke_keys_of_deleted(db.clock.now()).await, Ok(0));
}

async fn dead_keys_are_deleted_when_their_time_is_over(db: Database) {
    let user = db.user("ada", Role::User).await;
    let (lasting, revoked) = (key(&db, &user).await, key(&db, &user).await);
    let expiring = make(&db, NewApiKey { expires_at: Some(db.clock.now() + HOUR), ..new_key(&db, user.id) }).await;
    revoke(&db, revoked.id).await;
    let ids = async || {
        let page = db.store.api_keys_page(user.id, Filter::default(), None, 10).await.unwrap();
        page.into_iter().map(|key| key.id).collect::<Vec<_>>()
    };
    assert_eq!(db.store.purge_api_keys(db.clock.now()).await, Ok(0));
    db.clock.advance(Duration::from_secs(1));
    assert_eq!(db.store.purge_api_keys(db.clock.now()).await, Ok(1));
    assert_eq!(ids().await, [lasting.id, expiring.id]);
    db.clock.advance(HOUR);
    assert_eq!(db.store.purge_api_keys(db.clock.now()).await, Ok(1));
    assert_eq!(ids().await, [lasting.id]);
}
