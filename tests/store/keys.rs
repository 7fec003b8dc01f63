//! The ring of signing keys and the shared secrets.

use std::time::Duration;

use futures_util::future::join_all;
use tollgate::store::keys::SigningKeyRow;

use crate::support::{Database, on_both};

on_both!(
    a_key_is_kept_as_it_was_given,
    replicas_that_start_at_once_end_with_one_ring,
    a_ring_has_a_first_key_of_each_algorithm,
    of_the_secrets_of_one_name_the_first_wins,
);

fn key(db: &Database, kid: &str, algorithm: &str) -> SigningKeyRow {
    SigningKeyRow {
        kid: kid.into(),
        algorithm: algorithm.into(),
        public_key: vec![0, 1, 255, 0],
        sealed_private_key: (0..=255).collect(),
        created_at: db.clock.now(),
        retired_at: None,
    }
}

fn kids(ring: &[SigningKeyRow]) -> Vec<&str> {
    ring.iter().map(|key| key.kid.as_str()).collect()
}

async fn a_key_is_kept_as_it_was_given(db: Database) {
    let key = SigningKeyRow { retired_at: Some(db.clock.now()), ..key(&db, "b-Fwq_8", "EdDSA") };
    assert!(db.store.signing_keys().await.unwrap().is_empty());
    assert!(db.store.insert_first_signing_key(key.clone()).await.unwrap() == [key.clone()]);
    assert!(db.store.signing_keys().await.unwrap() == [key]);
}

async fn replicas_that_start_at_once_end_with_one_ring(db: Database) {
    let replicas = [db.replica(), db.replica(), db.replica()];
    let tries =
        (0..12).map(|n| replicas[n % replicas.len()].insert_first_signing_key(key(&db, &format!("kid-{n}"), "EdDSA")));
    let rings: Vec<_> = join_all(tries).await.into_iter().map(Result::unwrap).collect();
    assert_eq!(rings[0].len(), 1);
    assert!(rings.iter().all(|ring| ring == &rings[0]));
}

async fn a_ring_has_a_first_key_of_each_algorithm(db: Database) {
    db.store.insert_first_signing_key(key(&db, "z", "EdDSA")).await.unwrap();
    db.clock.advance(Duration::from_secs(1));
    let ring = db.store.insert_first_signing_key(key(&db, "a", "ES256")).await.unwrap();
    assert_eq!(kids(&ring), ["z", "a"]);
    let ring = db.store.insert_first_signing_key(key(&db, "b", "ES256")).await.unwrap();
    assert_eq!(kids(&ring), ["z", "a"]);
}

async fn of_the_secrets_of_one_name_the_first_wins(db: Database) {
    let replicas = [db.replica(), db.replica()];
    let tries =
        (0..10u8).map(|n| replicas[usize::from(n) % replicas.len()].secret_or_insert("refresh", vec![n, 0, 255]));
    let secrets: Vec<_> = join_all(tries).await.into_iter().map(Result::unwrap).collect();
    assert!(secrets.iter().all(|secret| secret == &secrets[0]));
    assert_eq!(db.store.secret_or_insert("other", vec![]).await, Ok(vec![]));
    assert_eq!(db.store.secret_or_insert("refresh", vec![]).await.as_ref(), Ok(&secrets[0]));
}
