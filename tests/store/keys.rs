//! The ring of signing keys and the shared secrets.

use std::sync::Arc;

use futures_util::future::join_all;
use jiff::{SignedDuration, Timestamp};
use tollgate::{
    domain::algorithm::Algorithm,
    store::{
        keys::{OtherNewest, Rotated, Rotation, SigningKeyRow},
        reseal::{Resealed, Sealed},
    },
};

use crate::support::{Database, on_both};

on_both!(
    a_key_is_kept_as_it_was_given,
    replicas_that_start_at_once_end_with_one_ring,
    a_new_key_retires_the_others_when_it_activates,
    replicas_that_rotate_at_once_end_with_one_new_key,
    a_rotation_on_a_ring_that_was_sealed_anew_is_stale,
    a_retired_key_is_deleted_when_its_time_is_over,
    everything_is_sealed_anew_or_nothing,
    of_the_secrets_of_one_name_the_first_wins,
);

fn key(db: &Database, kid: &str) -> SigningKeyRow {
    SigningKeyRow {
        kid: kid.into(),
        algorithm: Algorithm::EdDsa,
        public_key: vec![0, 1, 255, 0],
        sealed_private_key: (0..=255).collect(),
        created_at: db.clock.now(),
        activates_at: db.clock.now(),
        retired_at: None,
    }
}

fn in_a_minute(db: &Database) -> Timestamp {
    db.clock.now() + SignedDuration::from_mins(1)
}

fn rotation(db: &Database, kid: &str) -> Rotation {
    let new = SigningKeyRow { activates_at: in_a_minute(db), ..key(db, kid) };
    Rotation { new, newest_sealed: (0..=255).collect(), now: db.clock.now(), remember: None }
}

fn kids(ring: &[SigningKeyRow]) -> Vec<&str> {
    ring.iter().map(|key| key.kid.as_str()).collect()
}

fn taking_over(rotated: Rotated) -> String {
    match rotated {
        Rotated::New(key) => key.kid,
        _ => panic!("nothing takes over"),
    }
}

async fn a_key_is_kept_as_it_was_given(db: Database) {
    let key = SigningKeyRow { retired_at: Some(db.clock.now()), ..key(&db, "b-Fwq_8") };
    assert!(db.store.signing_ring().await.unwrap().keys.is_empty());
    assert!(db.store.insert_first_signing_key(key.clone()).await.unwrap().keys == [key.clone()]);
    assert!(db.store.signing_ring().await.unwrap().keys == [key]);
}

async fn replicas_that_start_at_once_end_with_one_ring(db: Database) {
    let replicas = [db.replica(), db.replica(), db.replica()];
    let tries = (0..12).map(|n| replicas[n % replicas.len()].insert_first_signing_key(key(&db, &format!("kid-{n}"))));
    let rings: Vec<_> = join_all(tries).await.into_iter().map(|ring| ring.unwrap().keys).collect();
    assert_eq!(rings[0].len(), 1);
    assert!(rings.iter().all(|ring| ring == &rings[0]));
}

async fn a_new_key_retires_the_others_when_it_activates(db: Database) {
    let first = db.store.insert_first_signing_key(key(&db, "old")).await.unwrap();
    assert_eq!(taking_over(db.store.rotate_signing_key(rotation(&db, "new")).await.unwrap()), "new");
    let ring = db.store.signing_ring().await.unwrap();
    assert!(ring.seen.revision > first.seen.revision);
    assert_eq!(db.store.keys_news(ring.seen).await, Ok(None));
    assert_eq!(kids(&ring.keys), ["old", "new"]);
    assert_eq!((ring.keys[0].retired_at, ring.keys[1].retired_at), (Some(in_a_minute(&db)), None));
}

async fn replicas_that_rotate_at_once_end_with_one_new_key(db: Database) {
    db.store.insert_first_signing_key(key(&db, "old")).await.unwrap();
    let replicas = [db.replica(), db.replica(), db.replica()];
    let tries = (0..9).map(|n| replicas[n % replicas.len()].rotate_signing_key(rotation(&db, &format!("new-{n}"))));
    let answers: Vec<_> = join_all(tries).await.into_iter().map(|answer| taking_over(answer.unwrap())).collect();
    assert!(answers.iter().all(|answer| answer == &answers[0]), "{answers:?}");
    assert_eq!(kids(&db.store.signing_ring().await.unwrap().keys), ["old", answers[0].as_str()]);
}

async fn a_rotation_on_a_ring_that_was_sealed_anew_is_stale(db: Database) {
    db.store.insert_first_signing_key(key(&db, "old")).await.unwrap();
    db.store.seal_anew(Arc::new(|_, _| Some(vec![7]))).await.unwrap();
    assert!(matches!(db.store.rotate_signing_key(rotation(&db, "new")).await, Ok(Rotated::Refused(OtherNewest))));
    let anew = Rotation { newest_sealed: vec![7], ..rotation(&db, "new") };
    assert_eq!(taking_over(db.store.rotate_signing_key(anew).await.unwrap()), "new");
}

async fn a_retired_key_is_deleted_when_its_time_is_over(db: Database) {
    db.store.insert_first_signing_key(key(&db, "old")).await.unwrap();
    db.store.rotate_signing_key(rotation(&db, "new")).await.unwrap();
    assert_eq!(db.store.purge_signing_keys(in_a_minute(&db)).await, Ok(0));
    assert_eq!(db.store.purge_signing_keys(in_a_minute(&db) + SignedDuration::from_secs(1)).await, Ok(1));
    assert_eq!(kids(&db.store.signing_ring().await.unwrap().keys), ["new"]);
}

async fn everything_is_sealed_anew_or_nothing(db: Database) {
    db.store.insert_first_signing_key(key(&db, "a")).await.unwrap();
    db.store.secret_or_insert("refresh", vec![1, 2]).await.unwrap();
    let refresh = Sealed::Secret { name: "refresh".into() };
    let no_secrets = |value: &Sealed, _: &[u8]| matches!(value, Sealed::SigningKey { .. }).then(|| vec![9]);
    assert_eq!(db.store.seal_anew(Arc::new(no_secrets)).await, Ok(Resealed::DoesNotOpen(refresh)));
    assert!(db.store.signing_ring().await.unwrap().keys == [key(&db, "a")]);
    let reversed = |_: &Sealed, sealed: &[u8]| Some(sealed.iter().rev().copied().collect());
    assert_eq!(db.store.seal_anew(Arc::new(reversed)).await, Ok(Resealed::Done(2)));
    assert_eq!(db.store.signing_ring().await.unwrap().keys[0].sealed_private_key[0], 255);
    assert_eq!(db.store.secret_or_insert("refresh", vec![]).await, Ok(vec![2, 1]));
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
