//! The door to Redis.

use std::time::Duration;

use tollgate::{
    clock::Clock,
    store::{
        StoreError,
        redis::{
            Redis, Timeouts, Way,
            cache::{Age, Keeping},
        },
    },
};

use crate::support::block_on;

fn redis_url() -> String {
    std::env::var("TOLLGATE_TEST_REDIS")
        .unwrap_or_else(|_| panic!("TOLLGATE_TEST_REDIS is not set; run the tests with scripts/test"))
}

#[test]
fn a_redis_that_is_there_answers() {
    // A busy test machine may need longer than 50 ms for its first connections.
    let redis = Redis::connect(&redis_url(), &Way::Server, Timeouts::default()).unwrap();
    assert!((0..20).any(|_| block_on(redis.ping()).is_ok()));
}

#[test]
fn a_redis_that_is_not_there_is_unavailable_at_once() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = format!("redis://:hunter2@{}", listener.local_addr().unwrap());
    for url in [silent.as_str(), "redis://:hunter2@127.0.0.1:1"] {
        let redis = Redis::connect(url, &Way::Server, Timeouts::default()).unwrap();
        let answer = block_on(tokio_timeout(redis.ping()));
        assert!(matches!(&answer, Err(StoreError::Unavailable(text)) if !text.contains("hunter2")), "{answer:?}");
    }
}

async fn tokio_timeout<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(2), work).await.unwrap()
}

#[test]
fn the_password_of_a_senseless_address_is_not_repeated() {
    for url in ["redis://:hunter2@host:port", "http://:hunter2@host", "hunter2"] {
        let Err(error) = Redis::connect(url, &Way::Server, Timeouts::default()) else { panic!("{url} was accepted") };
        assert!(matches!(&error, StoreError::Invalid(text) if !text.contains("hunter2")), "{error:?}");
    }
}

/// A busy test machine may need longer than 50 ms: then it is asked again.
fn answered<T>(call: impl Fn() -> Result<T, StoreError>) -> T {
    (0..20).find_map(|_| call().ok()).unwrap()
}

#[test]
fn an_older_answer_takes_the_place_of_a_newer_one_only_where_that_is_not_fresh() {
    let redis = Redis::connect(&redis_url(), &Way::Server, Timeouts::default()).unwrap();
    let new_name = || {
        let half = *Clock::system().new_id().as_bytes();
        let name: [u8; 32] = [half, half].concat().try_into().unwrap();
        name
    };
    let (url, name, stale, ttl) = (new_name(), new_name(), new_name(), Duration::from_mins(1));
    let keep = |name: [u8; 32], answered_ms: i64, fresh: Duration| {
        answered(|| {
            let (epoch, bytes) = ("e".to_owned(), answered_ms.to_string().into_bytes());
            let age = Age { answered_ms, fresh };
            block_on(redis.keep_cached(Keeping { name, url, epoch, bytes, ttl, age }, 1 << 30))
        })
    };
    let found = |name: [u8; 32]| {
        let bytes = answered(|| block_on(redis.cached(&url, &name)));
        bytes.map(|bytes| String::from_utf8(bytes).unwrap())
    };
    for (answered_ms, is_kept, kept) in [(2, true, "2"), (1, false, "2"), (2, true, "2"), (3, true, "3")] {
        assert_eq!((keep(name, answered_ms, ttl), found(name).as_deref()), (is_kept, Some(kept)), "{answered_ms}");
    }
    answered(|| block_on(redis.forget_cached(&url, &name)));
    assert!(keep(name, 1, ttl), "what is forgotten bars nothing");
    // A clock that was set back must not bar all that is new.
    for (answered_ms, fresh) in [(2, Duration::ZERO), (1, ttl)] {
        assert!(keep(stale, answered_ms, fresh), "{answered_ms}");
    }
    assert_eq!(found(stale).as_deref(), Some("1"));
}
