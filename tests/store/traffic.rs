//! Sums of traffic: what is added counts once, and what comes to nothing is gone.

use tollgate::{
    domain::{
        money::Money,
        traffic::{
            Group, Tally,
            count::{Place, Sums},
            spans::{LENGTHS_S, Run},
        },
    },
    store::StoreError,
};

use crate::support::{Database, on_both};

on_both!(
    a_chain_is_counted_from_one_place_once,
    what_comes_to_nothing_is_no_row,
    chains_are_counted_apart_and_read_together,
);

/// So many requests of one group in the span of each length that begins at 1970-01-01, and in another minute.
fn sums(status: u16, requests: i64) -> Sums {
    let group = Group { route: Some("r".into()), status: Some(status), ..Group::default() };
    let mut tally = Tally { requests, cost: Money::from_pusd(requests * 7), ..Tally::default() };
    for _ in 0..requests {
        tally.durations.record(1_000);
    }
    let place = |length_s, begin_s| Place { length_s, begin_s, group: group.clone() };
    let places = LENGTHS_S.map(|length_s| place(length_s, 0)).into_iter().chain([place(60, 60)]);
    places.map(|place| (place, tally.clone())).collect()
}

/// The requests, cost and durations of every minute, and how many rows there are.
async fn minutes(db: &Database) -> (i64, i64, Option<u64>, usize) {
    let rows = db.store.traffic(vec![Run { length_s: 60, from_s: 0, to_s: 3_600 }]).await.unwrap();
    let mut all = Tally::default();
    for row in &rows.rows {
        assert!(rows.groups.contains_key(&row.group));
        all.add(&row.tally);
    }
    (all.requests, all.cost.pusd(), all.durations.percentile_us(50), rows.rows.len())
}

async fn a_chain_is_counted_from_one_place_once(db: Database) {
    db.store.add_traffic("a", (0, 5), sums(200, 3)).await.unwrap();
    assert_eq!(db.store.add_traffic("a", (0, 5), sums(200, 3)).await, Err(StoreError::Conflict("traffic_marks")));
    assert_eq!(db.store.add_traffic("a", (4, 9), sums(200, 3)).await, Err(StoreError::Conflict("traffic_marks")));
    let told = minutes(&db).await.2;
    assert_eq!(minutes(&db).await, (6, 42, told, 2));
    db.store.add_traffic("a", (5, 9), sums(200, 1)).await.unwrap();
    assert_eq!(minutes(&db).await, (8, 56, told, 2));
    assert_eq!(db.store.traffic_backlog("a", 10).await.unwrap().after, 9);
    let (one, other) = tokio::join!(
        db.store.add_traffic("a", (9, 10), sums(200, 1)),
        db.store.add_traffic("a", (9, 10), sums(200, 1))
    );
    assert!(one.is_ok() != other.is_ok(), "{one:?} {other:?}");
    assert_eq!(minutes(&db).await.0, 10);
}

async fn what_comes_to_nothing_is_no_row(db: Database) {
    db.store.add_traffic("a", (0, 1), sums(200, 2)).await.unwrap();
    let back = sums(200, 2).into_iter().map(|(place, tally)| {
        let mut less = Tally::default();
        less.take_away(&tally);
        (place, less)
    });
    db.store.add_traffic("a", (1, 2), back.collect()).await.unwrap();
    assert_eq!(minutes(&db).await, (0, 0, None, 0));
}

async fn chains_are_counted_apart_and_read_together(db: Database) {
    for (chain, status) in [("a", 200), ("b", 200), ("a", 404)] {
        let after = db.store.traffic_backlog(chain, 1).await.unwrap().after;
        db.store.add_traffic(chain, (after, after + 1), sums(status, 1)).await.unwrap();
    }
    let (requests, _, _, rows) = minutes(&db).await;
    assert_eq!((requests, rows), (6, 6));
    let day = db.store.traffic(vec![Run { length_s: 86_400, from_s: 0, to_s: 86_400 }]).await.unwrap();
    assert_eq!(day.rows.iter().map(|row| row.tally.requests).sum::<i64>(), 3);
}
