//! The door to Redis.

use std::time::Duration;

use tollgate::store::{
    StoreError,
    redis::{Redis, Timeouts, Way},
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
