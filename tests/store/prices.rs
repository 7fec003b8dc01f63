//! The price list: changes, versions, and what was so at each.

use futures_util::future::join_all;
use tollgate::{
    domain::price::{PriceSpec, list::ListChange},
    store::{
        prices::{PriceChange, PricesChanged},
        revisions::Seen,
    },
};

use crate::support::{Database, on_both};

on_both!(
    a_new_store_has_no_prices,
    every_version_can_be_read_as_it_was,
    a_change_that_changes_nothing_makes_no_version,
    a_change_is_made_at_the_version_it_was_asked_for_only,
    the_first_prices_are_made_once_by_many_replicas,
    changes_at_once_make_versions_one_after_the_other,
    thousands_of_prices_are_one_change,
    a_list_beyond_its_bound_is_refused_and_nothing_is_written,
    pages_follow_each_other_without_a_gap,
    a_price_that_means_nothing_is_reported_and_not_guessed,
);

fn spec(model: &str, input_usd: &str) -> PriceSpec {
    PriceSpec {
        model: model.to_owned(),
        input_usd: input_usd.to_owned(),
        output_usd: "1".into(),
        max_output_tokens: 10,
        ..PriceSpec::default()
    }
}

fn change(db: &Database, prices: &[PriceSpec], remove: &[&str], only_at: Option<i64>) -> PriceChange {
    let remove: Vec<String> = remove.iter().map(|&model| model.to_owned()).collect();
    let change = ListChange::new("items", prices, &remove).unwrap();
    PriceChange { change, only_at, source: "a test".into(), made_at: db.clock.now() }
}

/// Makes a change; the version before it and the version after it.
async fn make(db: &Database, prices: &[PriceSpec], remove: &[&str]) -> (i64, i64) {
    match db.store.change_prices(change(db, prices, remove, None)).await.unwrap() {
        PricesChanged::Done { before, version, .. } => (before, version),
        other => panic!("{other:?}"),
    }
}

/// Each model of a version with what its input costs.
async fn at(db: &Database, version: i64) -> Vec<(String, String)> {
    let rows = db.store.prices_page(version, String::new(), 1_000).await.unwrap();
    rows.into_iter().map(|row| (row.spec.model, row.spec.input_usd)).collect()
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(model, usd)| ((*model).to_owned(), (*usd).to_owned())).collect()
}

async fn a_new_store_has_no_prices(db: Database) {
    assert_eq!(db.store.price_version(None).await, Ok(None));
    let (empty, none) = db.store.prices_since(Seen::default()).await.unwrap().unwrap();
    assert_eq!((none, db.store.prices_since(empty).await), (vec![], Ok(None)));
    assert_eq!(at(&db, 0).await, []);
}

async fn every_version_can_be_read_as_it_was(db: Database) {
    assert_eq!(make(&db, &[spec("a", "1"), spec("b/c d%\"é", "2")], &[]).await, (0, 1));
    assert_eq!(make(&db, &[spec("a", "3"), spec("new", "4")], &[]).await, (1, 2));
    assert_eq!(make(&db, &[], &["b/c d%\"é", "never there"]).await, (2, 3));
    assert_eq!(make(&db, &[spec("a", "1")], &["*"]).await, (3, 4));
    assert_eq!(at(&db, 1).await, pairs(&[("a", "1"), ("b/c d%\"é", "2")]));
    assert_eq!(at(&db, 2).await, pairs(&[("a", "3"), ("b/c d%\"é", "2"), ("new", "4")]));
    assert_eq!(at(&db, 3).await, pairs(&[("a", "3"), ("new", "4")]));
    assert_eq!(at(&db, 4).await, pairs(&[("a", "1")]));
    let price = async |version, model: &str| db.store.price(version, model.into()).await.unwrap();
    assert_eq!(price(2, "a").await.map(|row| row.price.base.input), Some(3_000_000));
    assert_eq!(price(3, "b/c d%\"é").await, None);
    let last = db.store.price_version(None).await.unwrap().unwrap();
    assert_eq!((last.version, last.source.as_str(), last.created_at), (4, "a test", db.clock.now()));
    assert_eq!(db.store.price_version(Some(2)).await.unwrap().unwrap().version, 2);
    assert_eq!(db.store.price_version(Some(5)).await, Ok(None));
    let (seen, rows) = db.store.prices_since(Seen::default()).await.unwrap().unwrap();
    assert_eq!((seen.revision, rows.len()), (4, 1));
    assert_eq!(db.store.prices_since(seen).await, Ok(None));
}

async fn a_change_that_changes_nothing_makes_no_version(db: Database) {
    make(&db, &[spec("a", "1")], &[]).await;
    assert_eq!(make(&db, &[spec("a", "1.00")], &["never there"]).await, (1, 1));
    assert_eq!(make(&db, &[], &[]).await, (1, 1));
    assert_eq!(make(&db, &[spec("a", "2")], &[]).await, (1, 2));
}

async fn a_change_is_made_at_the_version_it_was_asked_for_only(db: Database) {
    make(&db, &[spec("a", "1")], &[]).await;
    for only_at in [0, 2, -1, i64::MAX] {
        let stale = db.store.change_prices(change(&db, &[spec("a", "2")], &[], Some(only_at))).await;
        assert_eq!(stale, Ok(PricesChanged::Stale(1)));
    }
    let done = db.store.change_prices(change(&db, &[spec("a", "2")], &[], Some(1))).await.unwrap();
    assert!(matches!(done, PricesChanged::Done { before: 1, version: 2, .. }), "{done:?}");
}

async fn the_first_prices_are_made_once_by_many_replicas(db: Database) {
    let replicas: Vec<_> = (0..4).map(|_| db.replica()).collect();
    let made = join_all(replicas.iter().map(|store| store.change_prices(change(&db, &[spec("a", "1")], &[], Some(0)))));
    let made: Vec<_> = made.await.into_iter().map(Result::unwrap).collect();
    assert_eq!(made.iter().filter(|made| matches!(made, PricesChanged::Done { .. })).count(), 1);
    assert_eq!(made.iter().filter(|made| **made == PricesChanged::Stale(1)).count(), 3);
}

async fn changes_at_once_make_versions_one_after_the_other(db: Database) {
    let names: Vec<String> = (0..8).map(|i| format!("model-{i}")).collect();
    let mut versions: Vec<(i64, i64)> =
        join_all(names.iter().map(async |name| make(&db, &[spec(name, "1")], &[]).await)).await;
    versions.sort_unstable();
    assert_eq!(versions, (0..8).map(|before| (before, before + 1)).collect::<Vec<_>>());
    for version in 1..=8 {
        assert_eq!(at(&db, version).await.len(), usize::try_from(version).unwrap());
    }
}

async fn thousands_of_prices_are_one_change(db: Database) {
    let all = |usd: &str| (0..10_000).map(|i| spec(&format!("model-{i:05}"), usd)).collect::<Vec<_>>();
    assert_eq!(make(&db, &all("1"), &[]).await, (0, 1));
    assert_eq!(make(&db, &all("2"), &[]).await, (1, 2));
    let (_, rows) = db.store.prices_since(Seen::default()).await.unwrap().unwrap();
    assert_eq!(rows.len(), 10_000);
    assert!(rows.iter().all(|row| row.price.base.input == 2_000_000));
    assert_eq!(at(&db, 1).await[999], ("model-00999".into(), "1".into()));
}

async fn a_list_beyond_its_bound_is_refused_and_nothing_is_written(db: Database) {
    let many: Vec<PriceSpec> = (0..50_001).map(|i| spec(&format!("m{i}"), "1")).collect();
    assert_eq!(db.store.change_prices(change(&db, &many, &[], None)).await, Ok(PricesChanged::TooMany));
    assert_eq!(db.store.price_version(None).await, Ok(None));
    assert_eq!(make(&db, &many[..2], &[]).await, (0, 1));
}

async fn pages_follow_each_other_without_a_gap(db: Database) {
    let models = ["A", "a", "a/b", "b", "é"];
    make(&db, &models.map(|model| spec(model, "1")), &[]).await;
    make(&db, &[spec("aa", "1")], &[]).await;
    let mut seen = vec![];
    let mut after = String::new();
    loop {
        let page = db.store.prices_page(1, after.clone(), 2).await.unwrap();
        let Some(last) = page.last() else { break };
        after.clone_from(&last.spec.model);
        seen.extend(page.into_iter().map(|row| row.spec.model));
    }
    assert_eq!(seen, models);
}

async fn a_price_that_means_nothing_is_reported_and_not_guessed(db: Database) {
    make(&db, &[spec("a", "1")], &[]).await;
    for spec in ["nonsense", "{}", r#"{"model":"a","input_usd":"-1","output_usd":"1","max_output_tokens":1}"#] {
        db.execute(&format!("UPDATE prices SET spec = '{spec}'")).unwrap();
        let error = db.store.prices_since(Seen::default()).await.unwrap_err();
        assert!(
            matches!(&error, tollgate::store::StoreError::Corrupt(text) if text.starts_with("prices: ")),
            "{error}"
        );
    }
}
