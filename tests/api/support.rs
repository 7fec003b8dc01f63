//! What the tests share: stores, gateways, an HTTP client that may be rude, and upstreams that misbehave.

mod answer;
mod client;
pub mod forge;
mod gateway;
mod issuer;
mod origin;
mod provider;
mod records;
mod setup;
mod store;
mod upstream;

use std::{panic::AssertUnwindSafe, time::Duration};

use futures_util::FutureExt;

pub use self::{
    answer::Answer,
    client::{Connection, Request},
    gateway::{ADMIN_PASSWORD, Key, PASSWORD, TestGateway, Tokens, User},
    issuer::{OutsideIssuer, OutsideKey, signed},
    origin::{Origin, whole},
    provider::{ACCESS_TOKEN, CLIENT_SECRET, Provider, Tokens as ProviderTokens},
    setup::Setup,
    store::{Kind, TestStore},
    upstream::RawUpstream,
};

/// Makes two tests of each function: one on SQLite, one on PostgreSQL.
macro_rules! on_both_stores {
    ($($name:ident),+ $(,)?) => {
        mod sqlite {
            $(#[test]
            fn $name() {
                crate::api::support::run(crate::api::support::Kind::Sqlite, super::$name);
            })+
        }

        mod postgres {
            $(#[test]
            fn $name() {
                crate::api::support::run(crate::api::support::Kind::Postgres, super::$name);
            })+
        }
    };
}

/// Runs a test on a store of its own, which is dropped whatever becomes of the test.
pub fn run(kind: Kind, test: impl AsyncFnOnce(&TestStore)) {
    actix_web::rt::System::new().block_on(async {
        let store = TestStore::create(kind).await;
        let outcome = AssertUnwindSafe(test(&store)).catch_unwind().await;
        store.discard().await;
        if let Err(panic) = outcome {
            std::panic::resume_unwind(panic);
        }
    });
}

/// How long something that must happen may take before it counts as not happening.
pub const PATIENCE: Duration = Duration::from_secs(20);
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// Looks again and again until there is something to see. What others do in their own time is waited for by this alone.
pub async fn eventually<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let looking = async {
        loop {
            if let Some(seen) = look().await {
                return seen;
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    };
    tokio::time::timeout(PATIENCE, looking).await.unwrap_or_else(|_| panic!("{what} did not happen"))
}
