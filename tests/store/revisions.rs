//! What a follower reads of the store, also after the store went back in time.

use tollgate::{
    domain::principal::{Role, UserStatus},
    store::{
        revisions::{News, Seen},
        users::UserRow,
    },
};

use crate::support::{Database, done, on_both, to_status};

on_both!(
    who_has_read_all_has_nothing_to_read,
    a_follower_reads_what_came_after_what_it_has_seen,
    a_store_that_went_back_is_read_anew,
    a_store_that_went_back_and_on_to_where_it_was_is_read_anew,
    a_store_that_went_back_and_beyond_what_was_seen_is_read_anew,
    every_kind_that_is_followed_notices_that_the_store_went_back,
    a_follower_that_slept_through_thousands_of_changes_reads_all,
);

async fn news(db: &Database, seen: Seen) -> Option<News> {
    db.store.identity_news(seen).await.unwrap()
}

/// A follower that has read all.
async fn up_to_date(db: &Database) -> Seen {
    let seen = news(db, Seen::default()).await.unwrap().seen;
    assert_eq!(news(db, seen).await, None);
    seen
}

fn go_back(db: &Database, kind: &str, by: u32) {
    db.execute(&format!("UPDATE revisions SET value = value - {by} WHERE name = '{kind}'")).unwrap();
}

async fn users(db: &Database, names: &[&str]) -> Vec<UserRow> {
    let mut users = vec![];
    for name in names {
        users.push(db.user(name, Role::User).await);
    }
    users
}

async fn who_has_read_all_has_nothing_to_read(db: Database) {
    let empty = up_to_date(&db).await;
    users(&db, &["ada"]).await;
    assert_ne!(up_to_date(&db).await, empty);
}

async fn a_follower_reads_what_came_after_what_it_has_seen(db: Database) {
    users(&db, &["ada"]).await;
    let seen = up_to_date(&db).await;
    let bob = users(&db, &["bob"]).await.remove(0);
    let news = news(&db, seen).await.unwrap();
    assert_eq!((news.after, news.went_back, news.seen.revision), (seen.revision, false, bob.revision));
    assert_eq!(db.store.users_changed_since(news.after).await, Ok(vec![bob]));
}

async fn a_store_that_went_back_is_read_anew(db: Database) {
    let ada = users(&db, &["ada", "bob", "cleo"]).await.remove(0);
    let seen = up_to_date(&db).await;
    go_back(&db, "identity", 3);
    let (_, disabled) = done(db.store.change::<UserRow>(ada.id, to_status(UserStatus::Disabled), db.clock.now()).await);
    assert!(disabled.revision < seen.revision);
    let news = news(&db, seen).await.unwrap();
    assert_eq!((news.after, news.went_back), (0, true));
    assert!(db.store.users_changed_since(news.after).await.unwrap().contains(&disabled));
}

async fn a_store_that_went_back_and_on_to_where_it_was_is_read_anew(db: Database) {
    users(&db, &["ada", "bob", "cleo"]).await;
    let seen = up_to_date(&db).await;
    go_back(&db, "identity", 2);
    users(&db, &["dora", "eve"]).await;
    let news = news(&db, seen).await.unwrap();
    assert_eq!((news.seen.revision, news.after, news.went_back), (seen.revision, 0, true));
}

async fn a_store_that_went_back_and_beyond_what_was_seen_is_read_anew(db: Database) {
    users(&db, &["ada", "bob", "cleo"]).await;
    let seen = up_to_date(&db).await;
    go_back(&db, "identity", 2);
    users(&db, &["dora", "eve", "fay", "gus"]).await;
    let news = news(&db, seen).await.unwrap();
    assert!(news.seen.revision > seen.revision);
    assert_eq!((news.after, news.went_back), (0, true));
}

async fn every_kind_that_is_followed_notices_that_the_store_went_back(db: Database) {
    let kinds = ["identity", "keys", "limits", "budgets", "prices"];
    for kind in kinds {
        db.execute(&format!("UPDATE revisions SET value = value + 9 WHERE name = '{kind}'")).unwrap();
    }
    let seen = up_to_date(&db).await;
    let keys = db.store.keys_news(Seen::default()).await.unwrap().unwrap().seen;
    let limits = db.store.limits_since(Seen::default()).await.unwrap().unwrap().0;
    let budgets = db.store.budgets_since(Seen::default()).await.unwrap().unwrap().0;
    let prices = db.store.prices_since(Seen::default()).await.unwrap().unwrap().0;
    assert_eq!(db.store.limits_since(limits).await, Ok(None));
    for kind in kinds {
        go_back(&db, kind, 3);
        db.execute(&format!("UPDATE revisions SET value = value + 3 WHERE name = '{kind}'")).unwrap();
    }
    assert!(news(&db, seen).await.unwrap().went_back);
    assert!(db.store.keys_news(keys).await.unwrap().unwrap().went_back);
    assert!(db.store.limits_since(limits).await.unwrap().is_some());
    assert!(db.store.budgets_since(budgets).await.unwrap().is_some());
    assert!(db.store.prices_since(prices).await.unwrap().is_some());
}

async fn a_follower_that_slept_through_thousands_of_changes_reads_all(db: Database) {
    users(&db, &["ada"]).await;
    let seen = up_to_date(&db).await;
    db.execute("UPDATE revisions SET value = value + 20000 WHERE name = 'identity'").unwrap();
    assert_eq!(news(&db, seen).await.unwrap().after, 0);
}
