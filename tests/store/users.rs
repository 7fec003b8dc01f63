//! Users: reading, creating, changing, deleting, and the rules that hold over replicas.

use futures_util::future::{join, join_all};
use tollgate::{
    domain::{
        allowed::Allowed,
        ids::UserId,
        principal::{OutsideIdentity, Role, UserStatus},
    },
    store::{
        StoreError,
        administered::{Changed, Created},
        users::{NewUser, OutsideUser, UserChange, UserRefused, UserRow},
    },
};

use tollgate::store::filter::Filter;

use crate::support::{Database, done, on_both, to_role, to_status};

on_both!(
    a_created_user_is_found_as_it_was_made,
    a_deleted_user_is_found_no_more_and_its_name_is_free,
    pages_follow_each_other_without_a_gap,
    a_taken_username_is_refused,
    a_username_that_differs_in_case_alone_is_taken,
    a_taken_id_is_a_conflict,
    the_first_admin_is_created_once_by_many_replicas,
    a_change_keeps_what_it_does_not_name,
    a_change_to_what_is_so_already_writes_nothing,
    a_user_that_is_not_there_cannot_be_changed,
    the_last_active_admin_stays,
    of_two_admins_that_demote_each_other_at_once_one_stays,
    a_follower_misses_no_change_of_any_replica,
    a_row_that_means_nothing_is_reported_and_not_guessed,
    whom_an_outside_issuer_vouches_for_is_made_once_by_many_replicas,
    whom_an_outside_issuer_vouches_for_is_not_made_again_when_deleted,
    what_the_issuer_says_is_followed_and_the_user_goes_on_to_follow_it,
    an_outside_user_gets_the_first_name_that_is_free,
    a_change_keeps_the_outside_identity_of_a_user,
    a_change_asked_for_at_a_revision_is_made_at_that_revision_only,
);

async fn a_created_user_is_found_as_it_was_made(db: Database) {
    let new = NewUser {
        team_id: Some(db.team("team").await.id),
        status: UserStatus::Disabled,
        models: Allowed::from_stored(Some("[\"a\"]")).unwrap(),
        ..db.new_user("ada", Role::Readonly)
    };
    let Ok(Created::New(user)) = db.store.create::<UserRow>(new.clone(), None).await else { panic!() };

    assert_eq!((user.id, &user.username, user.role, user.status), (new.id, &new.username, new.role, new.status));
    assert_eq!((user.team_id, user.created_at, user.updated_at), (new.team_id, new.created_at, new.created_at));
    assert_eq!((user.deleted_at, user.revision, &user.models), (None, 2, &new.models));
    assert_eq!(db.store.user(new.id).await.unwrap().as_ref(), Some(&user));
    assert_eq!(db.store.user_by_username(&new.username).await.unwrap().as_ref(), Some(&user));
    assert_eq!(db.store.password_of(&new.username).await.unwrap(), Some((user, new.password_hash)));
    assert_eq!(db.store.identity_revision().await, Ok(2));
}

async fn a_deleted_user_is_found_no_more_and_its_name_is_free(db: Database) {
    let user = db.user("ada", Role::User).await;
    let (before, after) = done(db.store.delete::<UserRow>(user.id, db.clock.now()).await);
    assert_eq!((before, after.deleted_at), (user.clone(), Some(db.clock.now())));

    assert_eq!(db.store.user(user.id).await, Ok(None));
    assert_eq!(db.store.user_by_username(&user.username).await, Ok(None));
    assert!(db.store.password_of(&user.username).await.unwrap().is_none());
    assert_eq!(db.store.users_page(Filter::default(), None, 10).await, Ok(vec![]));
    assert_eq!(db.store.users_changed_since(user.revision).await, Ok(vec![after]));
    assert_ne!(db.user("ada", Role::User).await.id, user.id);
}

async fn pages_follow_each_other_without_a_gap(db: Database) {
    let mut users = vec![];
    for n in 0..7 {
        users.push(db.user(&format!("user-{n}"), Role::User).await);
    }
    done(db.store.delete::<UserRow>(users.remove(3).id, db.clock.now()).await);

    let (mut seen, mut after) = (vec![], None);
    loop {
        let page = db.store.users_page(Filter::default(), after, 4).await.unwrap();
        let Some(last) = page.last() else { break };
        after = Some(last.id);
        seen.extend(page);
    }
    assert_eq!(seen, users);
}

async fn a_taken_username_is_refused(db: Database) {
    let ada = db.user("ada", Role::User).await;
    let bob = db.user("bob", Role::User).await;
    let again = db.store.create::<UserRow>(db.new_user("ada", Role::Admin), None).await;
    assert_eq!(again, Ok(Created::Refused(UserRefused::UsernameTaken)));
    let rename = UserChange { username: Some(ada.username.clone()), ..UserChange::default() };
    assert_eq!(
        db.store.change::<UserRow>(bob.id, rename, db.clock.now()).await,
        Ok(Changed::Refused(UserRefused::UsernameTaken))
    );
}

async fn a_username_that_differs_in_case_alone_is_taken(db: Database) {
    let ada = db.user("Ada", Role::User).await;
    let again = db.store.create::<UserRow>(db.new_user("aDA", Role::User), None).await;
    assert_eq!(again, Ok(Created::Refused(UserRefused::UsernameTaken)));
    let own = UserChange { username: "ADA".parse().ok(), ..UserChange::default() };
    done(db.store.change::<UserRow>(ada.id, own, db.clock.now()).await);
}

async fn a_taken_id_is_a_conflict(db: Database) {
    let ada = db.user("ada", Role::User).await;
    let twin = NewUser { id: ada.id, ..db.new_user("twin", Role::User) };
    assert_eq!(db.store.create::<UserRow>(twin, None).await, Err(StoreError::Conflict("users")));
    assert_eq!(db.store.users_page(Filter::default(), None, 10).await, Ok(vec![ada]));
}

async fn the_first_admin_is_created_once_by_many_replicas(db: Database) {
    let replicas = [db.replica(), db.replica(), db.replica()];
    let tries = (0..12).map(|n| {
        replicas[n % replicas.len()].create_first_admin(db.new_user(&format!("admin-{n}"), Role::Admin), None)
    });
    let created = join_all(tries).await.into_iter().filter(|created| *created == Ok(true)).count();
    assert_eq!(created, 1);
    assert_eq!(db.store.users_page(Filter::default(), None, 20).await.unwrap().len(), 1);
    assert_eq!(db.store.create_first_admin(db.new_user("late", Role::Admin), None).await, Ok(false));
}

async fn a_change_keeps_what_it_does_not_name(db: Database) {
    let ada = db.user("ada", Role::User).await;
    db.clock.advance(std::time::Duration::from_secs(5));
    let team = db.team("team").await.id;
    let change =
        UserChange { username: Some("lovelace".parse().unwrap()), team_id: Some(Some(team)), ..UserChange::default() };
    let (before, after) = done(db.store.change::<UserRow>(ada.id, change, db.clock.now()).await);
    assert_eq!(before, ada);
    assert_eq!((after.username.as_str(), after.team_id), ("lovelace", Some(team)));
    assert_eq!((after.role, after.status, after.created_at), (ada.role, ada.status, ada.created_at));
    assert!(after.updated_at == db.clock.now() && after.revision > ada.revision);
    let hash = Some("$argon2id$of-ada".to_owned());
    assert_eq!(db.store.password_of(&after.username).await, Ok(Some((after.clone(), hash))));

    let change = UserChange { password_hash: Some("$new".into()), team_id: Some(None), ..UserChange::default() };
    let (_, last) = done(db.store.change::<UserRow>(ada.id, change, db.clock.now()).await);
    assert_eq!((last.team_id, last.username.as_str()), (None, "lovelace"));
    assert_eq!(db.store.password_of(&last.username).await, Ok(Some((last, Some("$new".into())))));
}

async fn a_change_to_what_is_so_already_writes_nothing(db: Database) {
    let admin = db.user("root", Role::Admin).await;
    let same = UserChange {
        username: Some(admin.username.clone()),
        role: Some(Role::Admin),
        status: Some(UserStatus::Active),
        team_id: Some(None),
        models: Some(Allowed::default()),
        password_hash: None,
        ..UserChange::default()
    };
    for change in [same, UserChange::default()] {
        let (before, after) = done(db.store.change::<UserRow>(admin.id, change, db.clock.now()).await);
        assert_eq!((before, after), (admin.clone(), admin.clone()));
    }
    assert_eq!(db.store.user(admin.id).await, Ok(Some(admin)));
}

async fn a_user_that_is_not_there_cannot_be_changed(db: Database) {
    let now = db.clock.now();
    let gone = db.user("gone", Role::User).await.id;
    done(db.store.delete::<UserRow>(gone, now).await);
    for id in [gone, UserId(db.clock.new_id())] {
        assert_eq!(db.store.change::<UserRow>(id, to_role(Role::Admin), now).await, Ok(Changed::NotFound));
        assert_eq!(db.store.delete::<UserRow>(id, now).await, Ok(Changed::NotFound));
        assert_eq!(db.store.user(id).await, Ok(None));
    }
}

async fn the_last_active_admin_stays(db: Database) {
    let now = db.clock.now();
    let admin = db.user("root", Role::Admin).await;
    let other = db.user("other", Role::Admin).await;
    done(db.store.change::<UserRow>(other.id, to_status(UserStatus::Disabled), now).await);
    db.user("user", Role::User).await;

    for change in [to_role(Role::User), to_role(Role::Readonly), to_status(UserStatus::Disabled)] {
        assert_eq!(
            db.store.change::<UserRow>(admin.id, change, now).await,
            Ok(Changed::Refused(UserRefused::LastAdmin))
        );
    }
    assert_eq!(db.store.delete::<UserRow>(admin.id, now).await, Ok(Changed::Refused(UserRefused::LastAdmin)));
    assert_eq!(db.store.user(admin.id).await, Ok(Some(admin.clone())));

    done(db.store.change::<UserRow>(other.id, to_status(UserStatus::Active), now).await);
    done(db.store.delete::<UserRow>(admin.id, now).await);
    assert_eq!(
        db.store.change::<UserRow>(other.id, to_role(Role::User), now).await,
        Ok(Changed::Refused(UserRefused::LastAdmin))
    );
}

async fn of_two_admins_that_demote_each_other_at_once_one_stays(db: Database) {
    let (left, right, now) = (db.replica(), db.replica(), db.clock.now());
    for round in 0..8 {
        let a = db.user(&format!("a{round}"), Role::Admin).await;
        let b = db.user(&format!("b{round}"), Role::Admin).await;
        let demote = left.change::<UserRow>(a.id, to_role(Role::User), now);
        let (first, second) = join(demote, right.delete::<UserRow>(b.id, now)).await;
        let refused = [&first, &second]
            .into_iter()
            .filter(|change| **change == Ok(Changed::Refused(UserRefused::LastAdmin)))
            .count();
        assert_eq!(refused, 1, "{first:?} {second:?}");

        let admins = db.store.users_page(Filter::default(), None, 50).await.unwrap();
        let admin = admins.iter().find(|user| user.role == Role::Admin).unwrap();
        let next = db.user(&format!("next{round}"), Role::Admin).await;
        done(db.store.delete::<UserRow>(admin.id, now).await);
        db.execute(&format!("UPDATE users SET role = 'user' WHERE id = '{}'", next.id)).unwrap();
    }
}

/// The follower polls while two replicas write, and each time asks only for what is newer than the newest it knows.
async fn a_follower_misses_no_change_of_any_replica(db: Database) {
    let (left, right) = (db.replica(), db.replica());
    let writers = join_all((0..24).map(|n| {
        let replica = if n % 2 == 0 { &left } else { &right };
        replica.create::<UserRow>(db.new_user(&format!("user-{n}"), Role::User), None)
    }));
    let follower = async {
        let (mut last, mut seen) = (0, vec![]);
        while seen.len() < 24 {
            let news = db.store.users_changed_since(last).await.unwrap();
            assert!(news.iter().all(|user| user.revision > last));
            last = news.last().map_or(last, |user| user.revision);
            seen.extend(news.into_iter().map(|user| user.id));
            assert!(last < 24 || seen.len() == 24, "one was missed");
        }
        seen
    };
    let (created, mut seen) = join(writers, follower).await;
    assert!(created.iter().all(|created| matches!(created, Ok(Created::New(_)))));
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), 24);
}

async fn a_row_that_means_nothing_is_reported_and_not_guessed(db: Database) {
    let ada = db.user("ada", Role::User).await;
    for (column, value) in [("role", "'root'"), ("username", "'a b'"), ("created_at", "9223372036854775807")] {
        let kept = db.texts(&format!("SELECT CAST({column} AS TEXT) AS text FROM users"));
        db.execute(&format!("UPDATE users SET {column} = {value}")).unwrap();
        let read = db.store.user(ada.id).await;
        assert!(
            matches!(&read, Err(StoreError::Corrupt(text)) if text.starts_with(&format!("users.{column}: "))),
            "{read:?}"
        );
        db.execute(&format!("UPDATE users SET {column} = '{}'", kept[0])).unwrap();
    }
    assert_eq!(db.store.user(ada.id).await, Ok(Some(ada)));
}

fn outside_user(db: &Database, subject: &str, names: &[&str]) -> OutsideUser {
    OutsideUser {
        id: UserId(db.clock.new_id()),
        identity: OutsideIdentity { issuer: "https://idp.example".into(), subject: subject.into() },
        usernames: names.iter().map(|name| name.parse().unwrap()).collect(),
        role: Role::Readonly,
        team: None,
        created_at: db.clock.now(),
    }
}

async fn whom_an_outside_issuer_vouches_for_is_made_once_by_many_replicas(db: Database) {
    let replicas = [db.replica(), db.replica(), db.replica()];
    let tries = (0..12).map(|n| {
        let subject = if n < 6 { "ada" } else { "bob" };
        replicas[n % replicas.len()].provision_user(outside_user(&db, subject, &[subject]))
    });
    let mut ids: Vec<_> = join_all(tries).await.into_iter().map(|user| user.unwrap().id).collect();
    ids.dedup();
    assert_eq!(ids.len(), 2);
    assert_eq!(db.store.users_page(Filter::default(), None, 20).await.unwrap().len(), 2);
    let ada = db.store.user(ids[0]).await.unwrap().unwrap();
    assert_eq!((ada.username.as_str(), ada.role, ada.status), ("ada", Role::Readonly, UserStatus::Active));
    assert_eq!(ada.outside.as_ref().map(|identity| &*identity.subject), Some("ada"));
    assert!(db.store.password_of(&ada.username).await.unwrap().unwrap().1.is_none());
}

async fn whom_an_outside_issuer_vouches_for_is_not_made_again_when_deleted(db: Database) {
    let ada = db.store.provision_user(outside_user(&db, "ada", &["ada"])).await.unwrap();
    done(db.store.delete::<UserRow>(ada.id, db.clock.now()).await);
    let again = db.store.provision_user(outside_user(&db, "ada", &["ada"])).await.unwrap();
    assert_eq!((again.id, again.deleted_at), (ada.id, Some(db.clock.now())));
    assert_eq!(db.store.users_page(Filter::default(), None, 20).await, Ok(vec![]));
}

async fn what_the_issuer_says_is_followed_and_the_user_goes_on_to_follow_it(db: Database) {
    let ada = db.store.provision_user(outside_user(&db, "ada", &["ada"])).await.unwrap();
    let change = async |role, by_issuer| {
        let change = UserChange { role: Some(role), by_issuer, ..UserChange::default() };
        done(db.store.change::<UserRow>(ada.id, change, db.clock.now()).await);
        let now = db.store.user_of(ada.outside.as_ref().unwrap()).await.unwrap().unwrap();
        (now.role, now.follows_issuer())
    };
    assert_eq!(change(Role::User, true).await, (Role::User, true));
    assert_eq!(change(Role::User, false).await, (Role::User, false), "an administrator has decided");
    assert_eq!(change(Role::Auditor, true).await, (Role::Auditor, false));
}

async fn a_change_asked_for_at_a_revision_is_made_at_that_revision_only(db: Database) {
    let ada = db.user("ada", Role::User).await;
    let at = |only_at| UserChange { password_hash: Some("$new".into()), only_at, ..UserChange::default() };
    let now = db.clock.now();
    assert_eq!(db.store.change::<UserRow>(ada.id, at(Some(ada.revision - 1)), now).await, Ok(Changed::Stale));
    done(db.store.change::<UserRow>(ada.id, at(Some(ada.revision)), now).await);
    assert_eq!(db.store.change::<UserRow>(ada.id, at(Some(ada.revision)), now).await, Ok(Changed::Stale));
}

async fn an_outside_user_gets_the_first_name_that_is_free(db: Database) {
    db.user("ada", Role::User).await;
    let ada = db.store.provision_user(outside_user(&db, "ada", &["ada", "ada2"])).await.unwrap();
    assert_eq!(ada.username.as_str(), "ada2");
    let none = db.store.provision_user(outside_user(&db, "other", &["ada", "ada2"])).await;
    assert_eq!(none, Err(StoreError::Conflict("users")));
}

async fn a_change_keeps_the_outside_identity_of_a_user(db: Database) {
    let ada = db.store.provision_user(outside_user(&db, "ada", &["ada"])).await.unwrap();
    db.execute("UPDATE users SET tokens_not_before = 7000000").unwrap();
    let rename = UserChange { username: "lovelace".parse().ok(), ..UserChange::default() };
    let (_, after) = done(db.store.change::<UserRow>(ada.id, rename, db.clock.now()).await);
    let read = db.store.user(ada.id).await.unwrap().unwrap();
    assert_eq!((read.outside.clone(), read.outside.is_some(), &read), (ada.outside, true, &after));
    assert_eq!(read.tokens_not_before.as_second(), 7);
    let (_, demoted) = done(db.store.change::<UserRow>(ada.id, to_role(Role::User), db.clock.now()).await);
    assert_eq!((demoted.tokens_not_before, demoted.outside.is_some()), (db.clock.now(), true));
}
