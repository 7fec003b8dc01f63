//! Sign-ins at a provider are redeemed once, over all replicas.

use std::time::Duration;

use futures_util::future::join_all;
use jiff::Timestamp;
use tollgate::store::sign_ins::{MAX_REDEEMED, Redemption};

use crate::support::{Database, on_both};

on_both!(
    a_sign_in_is_redeemed_once_over_all_replicas,
    of_equal_redemptions_at_once_one_is_the_first,
    a_purge_deletes_what_was_redeemed_long_ago_only,
    a_full_table_takes_no_more_until_it_is_purged,
);

async fn a_sign_in_is_redeemed_once_over_all_replicas(db: Database) {
    let other = db.replica();
    assert_eq!(db.store.redeem_sign_in([1; 32], db.clock.now()).await, Ok(Redemption::First));
    assert_eq!(other.redeem_sign_in([1; 32], db.clock.now()).await, Ok(Redemption::Repeated));
    assert_eq!(other.redeem_sign_in([2; 32], db.clock.now()).await, Ok(Redemption::First));
    assert_eq!(db.store.redeem_sign_in([2; 32], db.clock.now()).await, Ok(Redemption::Repeated));
}

async fn of_equal_redemptions_at_once_one_is_the_first(db: Database) {
    let replicas = [db.replica(), db.replica()];
    let tries = (0..10).map(|n| replicas[n % replicas.len()].redeem_sign_in([7; 32], db.clock.now()));
    let redeemed: Vec<_> = join_all(tries).await.into_iter().map(Result::unwrap).collect();
    assert_eq!(redeemed.iter().filter(|one| **one == Redemption::First).count(), 1, "{redeemed:?}");
    assert_eq!(redeemed.iter().filter(|one| **one == Redemption::Repeated).count(), 9, "{redeemed:?}");
}

async fn a_purge_deletes_what_was_redeemed_long_ago_only(db: Database) {
    db.store.redeem_sign_in([1; 32], db.clock.now()).await.unwrap();
    db.clock.advance(Duration::from_mins(20));
    db.store.redeem_sign_in([2; 32], db.clock.now()).await.unwrap();
    assert_eq!(db.store.purge_sign_ins(db.clock.now()).await, Ok(1));
    assert_eq!(db.store.purge_sign_ins(db.clock.now()).await, Ok(0));
    assert_eq!(db.store.redeem_sign_in([1; 32], db.clock.now()).await, Ok(Redemption::First));
    assert_eq!(db.store.redeem_sign_in([2; 32], db.clock.now()).await, Ok(Redemption::Repeated));
}

async fn a_full_table_takes_no_more_until_it_is_purged(db: Database) {
    let bytes = if db.url.starts_with("sqlite:") { "CAST(n AS BLOB)" } else { "int4send(n)" };
    let fill = format!(
        "WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < {MAX_REDEEMED})
         INSERT INTO redeemed_sign_ins (state_hash, redeemed_at) SELECT {bytes}, n FROM numbers"
    );
    db.execute(&fill).unwrap();
    assert_eq!(db.store.redeem_sign_in([1; 32], db.clock.now()).await, Ok(Redemption::NoRoom));
    let before = Timestamp::from_microsecond(10_000).unwrap();
    assert_eq!(db.store.purge_sign_ins(before).await, Ok(1_001), "about a thousand at a time");
    assert_eq!(db.store.redeem_sign_in([1; 32], db.clock.now()).await, Ok(Redemption::First));
}
