//! Sessions: opening, rotating, revoking, and what a change of the user does to them.

use std::time::Duration;

use futures_util::future::{join, join_all};
use tollgate::{
    domain::{
        ids::{SessionId, UserId},
        principal::{Role, UserStatus},
    },
    store::{
        StoreError,
        sessions::{NewSession, SessionRow},
        users::{UserChange, UserRow},
    },
};

use crate::support::{Database, done, on_both, to_role, to_status};

on_both!(
    an_opened_session_is_found_as_it_was_made,
    a_session_of_a_changed_user_is_not_opened,
    a_taken_session_id_is_a_conflict,
    of_many_that_rotate_a_generation_at_once_one_does,
    a_session_that_ended_is_not_rotated,
    a_session_is_revoked_once,
    all_live_sessions_of_a_user_are_revoked_and_no_others,
    a_change_of_role_status_or_password_ends_every_session,
    a_change_of_name_or_team_ends_none,
    a_login_that_races_a_disabling_leaves_no_live_session,
    revocations_are_told_in_the_order_of_their_stamps,
    a_purge_deletes_the_expired_sessions_only,
);

const HOUR: Duration = Duration::from_hours(1);

async fn an_opened_session_is_found_as_it_was_made(db: Database) {
    let user = db.user("ada", Role::User).await;
    let new = db.new_session(&user);
    assert_eq!(db.store.session(new.id).await, Ok(None));
    assert_eq!(db.store.open_session(new, user.revision).await, Ok(true));
    let expected = SessionRow {
        id: new.id,
        user_id: user.id,
        generation: 0,
        created_at: new.created_at,
        rotated_at: new.created_at,
        expires_at: new.expires_at,
        revoked_at: None,
        revision: 0,
        api_key_id: None,
    };
    assert_eq!(db.store.session(new.id).await, Ok(Some(expected)));
    assert_eq!(db.store.user(user.id).await, Ok(Some(user)));
}

async fn a_session_of_a_changed_user_is_not_opened(db: Database) {
    let now = db.clock.now();
    let user = db.user("ada", Role::User).await;
    let (_, renamed) = done(
        db.store
            .change::<UserRow>(user.id, UserChange { username: "eve".parse().ok(), ..UserChange::default() }, now)
            .await,
    );
    assert_eq!(db.store.open_session(db.new_session(&user), user.revision).await, Ok(false));
    let (_, disabled) = done(db.store.change::<UserRow>(user.id, to_status(UserStatus::Disabled), now).await);
    assert_eq!(db.store.open_session(db.new_session(&user), renamed.revision).await, Ok(false));
    assert_eq!(db.store.open_session(db.new_session(&user), disabled.revision).await, Ok(false));
    let (_, deleted) = done(db.store.delete::<UserRow>(user.id, now).await);
    assert_eq!(db.store.open_session(db.new_session(&user), deleted.revision).await, Ok(false));
    let nobody = NewSession { user_id: UserId(db.clock.new_id()), ..db.new_session(&user) };
    assert_eq!(db.store.open_session(nobody, 0).await, Ok(false));
}

async fn a_taken_session_id_is_a_conflict(db: Database) {
    let user = db.user("ada", Role::User).await;
    let session = db.new_session(&user);
    assert_eq!(db.store.open_session(session, user.revision).await, Ok(true));
    assert_eq!(db.store.open_session(session, user.revision).await, Err(StoreError::Conflict("sessions")));
}

async fn of_many_that_rotate_a_generation_at_once_one_does(db: Database) {
    let session = db.session(&db.user("ada", Role::User).await).await;
    let replicas = [db.replica(), db.replica()];
    db.clock.advance(Duration::from_mins(1));
    let (now, until) = (db.clock.now(), db.clock.now() + HOUR);
    for generation in 0..3 {
        let tries = (0..20).map(|n| replicas[n % replicas.len()].rotate_session(session, generation, now, until));
        let rotated = join_all(tries).await.into_iter().filter(|rotated| *rotated == Ok(true)).count();
        assert_eq!(rotated, 1);
    }
    let row = db.store.session(session).await.unwrap().unwrap();
    assert_eq!((row.generation, row.rotated_at, row.expires_at), (3, now, until));
}

async fn a_session_that_ended_is_not_rotated(db: Database) {
    let user = db.user("ada", Role::User).await;
    let (expired, revoked) = (db.session(&user).await, db.session(&user).await);
    let now = db.clock.now();
    assert_eq!(db.store.revoke_session(revoked, now).await, Ok(true));
    assert_eq!(db.store.rotate_session(revoked, 0, now, now + HOUR).await, Ok(false));
    assert_eq!(db.store.rotate_session(expired, 0, now + HOUR, now + HOUR * 2).await, Ok(false));
    assert_eq!(db.store.rotate_session(SessionId(db.clock.new_id()), 0, now, now + HOUR).await, Ok(false));
    assert_eq!(db.store.rotate_session(expired, 1, now, now + HOUR).await, Ok(false));
    assert_eq!(db.store.rotate_session(expired, 0, now, now + HOUR).await, Ok(true));
}

async fn a_session_is_revoked_once(db: Database) {
    let user = db.user("ada", Role::User).await;
    let session = db.session(&user).await;
    let now = db.clock.now();
    assert_eq!(db.store.revoke_session(session, now).await, Ok(true));
    assert_eq!(db.store.revoke_session(session, now + HOUR).await, Ok(false));
    assert_eq!(db.store.revoke_session(SessionId(db.clock.new_id()), now).await, Ok(false));
    let row = db.store.session(session).await.unwrap().unwrap();
    assert_eq!(row.revoked_at, Some(now));
    assert!(row.revision > user.revision);
}

async fn all_live_sessions_of_a_user_are_revoked_and_no_others(db: Database) {
    let (ada, bob) = (db.user("ada", Role::User).await, db.user("bob", Role::User).await);
    let old = db.session(&ada).await;
    db.clock.advance(HOUR);
    let (first, second, others) = (db.session(&ada).await, db.session(&ada).await, db.session(&bob).await);
    db.store.revoke_session(second, db.clock.now()).await.unwrap();
    assert_eq!(db.store.revoke_sessions_of(ada.id, db.clock.now()).await, Ok(Some(1)));
    assert!(!db.is_live(first).await);
    assert!(db.is_live(others).await);
    assert!(db.is_live(old).await, "it had expired by itself");
}

async fn a_change_of_role_status_or_password_ends_every_session(db: Database) {
    let now = db.clock.now();
    let changes = [
        to_role(Role::Readonly),
        to_status(UserStatus::Disabled),
        UserChange { password_hash: Some("$new".into()), ..UserChange::default() },
    ];
    for (n, change) in changes.into_iter().enumerate() {
        let user = db.user(&format!("user-{n}"), Role::User).await;
        let sessions = [db.session(&user).await, db.session(&user).await];
        let (_, after) = done(db.store.change::<UserRow>(user.id, change, now).await);
        for session in sessions {
            let row = db.store.session(session).await.unwrap().unwrap();
            assert_eq!((row.revoked_at, row.revision), (Some(now), after.revision));
        }
    }
    let user = db.user("gone", Role::User).await;
    let session = db.session(&user).await;
    done(db.store.delete::<UserRow>(user.id, now).await);
    assert!(!db.is_live(session).await);
}

async fn a_change_of_name_or_team_ends_none(db: Database) {
    let user = db.user("ada", Role::User).await;
    let session = db.session(&user).await;
    let change = UserChange {
        username: "lovelace".parse().ok(),
        team_id: Some(Some(db.team("team").await.id)),
        role: Some(Role::User),
        ..UserChange::default()
    };
    done(db.store.change::<UserRow>(user.id, change, db.clock.now()).await);
    assert!(db.is_live(session).await);
}

async fn a_login_that_races_a_disabling_leaves_no_live_session(db: Database) {
    let (left, right, now) = (db.replica(), db.replica(), db.clock.now());
    for round in 0..20 {
        let user = db.user(&format!("user-{round}"), Role::User).await;
        let sessions: Vec<_> = (0..3).map(|_| db.new_session(&user)).collect();
        let logins = join_all(sessions.iter().map(|session| left.open_session(*session, user.revision)));
        let (opened, disabled) =
            join(logins, right.change::<UserRow>(user.id, to_status(UserStatus::Disabled), now)).await;
        done(disabled);
        assert!(opened.iter().all(Result::is_ok), "{opened:?}");
        for session in sessions {
            assert!(!db.is_live(session.id).await, "round {round}");
        }
    }
}

async fn revocations_are_told_in_the_order_of_their_stamps(db: Database) {
    let (ada, bob) = (db.user("ada", Role::User).await, db.user("bob", Role::User).await);
    let start = db.clock.now();
    let (first, second, third) = (db.session(&ada).await, db.session(&bob).await, db.session(&bob).await);
    db.session(&ada).await;
    db.store.revoke_session(second, start).await.unwrap();
    db.store.revoke_session(first, start + HOUR / 2).await.unwrap();
    db.store.revoke_sessions_of(bob.id, start + HOUR / 2).await.unwrap();

    let told = db.store.sessions_revoked_since(0, start).await.unwrap();
    assert_eq!(told.iter().map(|(id, ..)| *id).collect::<Vec<_>>(), [second, first, third]);
    assert!(told.is_sorted_by_key(|(.., revision)| *revision));
    assert_eq!(told[0].1, start);
    let last = told[2].2;
    assert_eq!(db.store.sessions_revoked_since(told[0].2, start).await, Ok(told[1..].to_vec()));
    assert_eq!(db.store.sessions_revoked_since(0, start + HOUR / 2).await, Ok(told[1..].to_vec()));
    assert_eq!(db.store.sessions_revoked_since(last, start).await, Ok(vec![]));
    assert_eq!(db.store.identity_revision().await, Ok(last));
}

async fn a_purge_deletes_the_expired_sessions_only(db: Database) {
    let user = db.user("ada", Role::User).await;
    let old = [db.session(&user).await, db.session(&user).await];
    db.store.revoke_session(old[0], db.clock.now()).await.unwrap();
    db.clock.advance(Duration::from_secs(1));
    let new = db.session(&user).await;
    assert_eq!(db.store.purge_sessions(db.clock.now() + HOUR).await, Ok(2));
    assert_eq!(db.store.purge_sessions(db.clock.now() + HOUR).await, Ok(0));
    assert_eq!(db.store.session(old[1]).await, Ok(None));
    assert!(db.is_live(new).await);
}
