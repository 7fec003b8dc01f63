//! How many replicas there are: each says now and then that it is there.

use std::{sync::LazyLock, time::Duration};

use deadpool_redis::redis::Script;

use super::{Redis, script};
use crate::store::StoreError;

/// For how long a replica counts after it was heard of.
pub const PRESENCE: Duration = Duration::from_secs(10);

const KEY: &str = "tollgate:replicas";

static COUNT: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("replicas.lua")));

impl Redis {
    /// Says that the replica of this name is there, and counts all that have said so within [`PRESENCE`].
    ///
    /// # Errors
    /// `Unavailable` if there is no answer in time.
    pub async fn count_replica(&self, name: &str) -> Result<u64, StoreError> {
        let mut call = COUNT.prepare_invoke();
        call.key(KEY).arg(name).arg(u64::try_from(PRESENCE.as_millis()).unwrap_or(u64::MAX));
        self.perform(script("replicas"), async move |mut connection| call.invoke_async(&mut connection).await).await
    }
}
