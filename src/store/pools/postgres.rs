//! The connections to PostgreSQL: a common pool, and one connection of its own for the polls of identity, so that a revoked
//! credential is seen however busy the store is.
//!
//! A server that takes no more connections is no outage: the operation waits for a connection that is there.

use std::{
    ops::{Deref, DerefMut},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use diesel::ConnectionResult;
use diesel_async::{
    AsyncPgConnection,
    pooled_connection::{
        self, AsyncDieselConnectionManager,
        deadpool::{Object, Pool, PoolError},
    },
};
use futures_util::FutureExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{Connections, manager, unbuilt};
use crate::store::{
    Settings, StoreError,
    tls::{self, Connector, Session},
};

/// How long no further connection is tried after the server has refused one.
const NO_FURTHER_FOR: Duration = Duration::from_secs(1);

/// How long to wait before a server is asked again that has no room for a single connection.
const TRY_AGAIN: Duration = Duration::from_millis(50);

type Manager = AsyncDieselConnectionManager<AsyncPgConnection>;

pub(in crate::store) struct Postgres {
    common: Pool<AsyncPgConnection>,
    /// One permit for each connection that the common pool may use now.
    room: Arc<Semaphore>,
    /// Absent where there is one connection for everything.
    polls: Option<Pool<AsyncPgConnection>>,
    timeout: Duration,
    is_pooled: Arc<AtomicBool>,
}

/// A connection, and the room it takes.
pub struct Leased {
    // Goes back to its pool before the permit is free.
    object: Object<AsyncPgConnection>,
    permit: Option<OwnedSemaphorePermit>,
    /// `None` where the connection has a session of its own. Behind a pooler that lends sessions transaction by transaction
    /// it has none: the longest time of a statement is then set in each transaction.
    pooled: Option<Duration>,
}

impl Postgres {
    /// Connects to nothing yet.
    pub(super) fn new(connector: Connector, size: usize, settings: &Settings) -> Result<Self, StoreError> {
        let is_pooled = Arc::new(AtomicBool::new(false));
        let pool = |size| {
            let manager: Manager = manager(open(&connector, &is_pooled));
            Pool::builder(manager).max_size(size).build().map_err(unbuilt)
        };
        let common = size.saturating_sub(1).max(1);
        Ok(Self {
            common: pool(common)?,
            room: Arc::new(Semaphore::new(common)),
            polls: (size > 1).then(|| pool(1)).transpose()?,
            timeout: settings.statement_timeout,
            is_pooled: Arc::clone(&is_pooled),
        })
    }

    /// What the connections of both pools do.
    pub(super) fn connections(&self) -> Connections {
        let of = |pool: &Pool<AsyncPgConnection>| {
            let status = pool.status();
            Connections::of(status.size, status.available, status.waiting)
        };
        of(&self.common).and(self.polls.as_ref().map(of).unwrap_or_default())
    }

    /// A connection of the common pool, or where the server grants it none at all, that of the polls.
    pub(super) async fn get(&self) -> Result<Leased, PoolError> {
        loop {
            let Ok(permit) = Arc::clone(&self.room).acquire_owned().await else { return Err(PoolError::Closed) };
            match self.common.get().await {
                Ok(object) => return Ok(self.leased(object, Some(permit))),
                Err(error) if !is_no_room(&error) => return Err(error),
                // Others have connections: one of these is waited for.
                Err(_) if self.common.status().size > 0 => withhold(permit),
                Err(_) => match self.of_polls().await? {
                    Some(object) => return Ok(self.leased(object, Some(permit))),
                    None => tokio::time::sleep(TRY_AGAIN).await,
                },
            }
        }
    }

    /// The connection of the polls; `None` where there is none, or the server has no room for it either.
    async fn of_polls(&self) -> Result<Option<Object<AsyncPgConnection>>, PoolError> {
        let Some(polls) = &self.polls else { return Ok(None) };
        match polls.get().await {
            Ok(object) => Ok(Some(object)),
            Err(error) if is_no_room(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The connection of the polls, or where the server has no room for it, one of the common pool.
    pub(super) async fn get_for_poll(&self) -> Result<Leased, PoolError> {
        match self.of_polls().await? {
            Some(object) => Ok(self.leased(object, None)),
            None => self.get().await,
        }
    }

    fn leased(&self, object: Object<AsyncPgConnection>, permit: Option<OwnedSemaphorePermit>) -> Leased {
        let pooled = self.is_pooled.load(Ordering::Relaxed).then_some(self.timeout);
        Leased { object, permit, pooled }
    }
}

impl Leased {
    /// The longest time of a statement, where the connection has no session that could keep it.
    pub(in crate::store) const fn pooled(&self) -> Option<Duration> {
        self.pooled
    }

    /// Takes the connection out of its pool, and closes it.
    pub(in crate::store) fn discard(self) {
        let Self { object, permit, .. } = self;
        drop(Object::take(object));
        drop(permit);
    }
}

impl Deref for Leased {
    type Target = AsyncPgConnection;

    fn deref(&self) -> &AsyncPgConnection {
        &self.object
    }
}

impl DerefMut for Leased {
    fn deref_mut(&mut self) -> &mut AsyncPgConnection {
        &mut self.object
    }
}

/// Keeps a permit back for a while: until then the pool makes do with the connections it has.
fn withhold(permit: OwnedSemaphorePermit) {
    tokio::spawn(async move {
        tokio::time::sleep(NO_FURTHER_FOR).await;
        drop(permit);
    });
}

fn is_no_room(error: &PoolError) -> bool {
    matches!(error, PoolError::Backend(pooled_connection::PoolError::ConnectionError(error)) if tls::is_no_room(error))
}

fn open(connector: &Connector, is_pooled: &Arc<AtomicBool>) -> pooled_connection::SetupCallback<AsyncPgConnection> {
    let (connector, is_pooled) = (connector.clone(), Arc::clone(is_pooled));
    Box::new(move |_| {
        let (connector, is_pooled) = (connector.clone(), Arc::clone(&is_pooled));
        async move { establish(&connector, &is_pooled).await }.boxed()
    })
}

async fn establish(connector: &Connector, is_pooled: &AtomicBool) -> ConnectionResult<AsyncPgConnection> {
    let (connection, session) = connector.connect().await?;
    let pooled = session == Session::Lent;
    if is_pooled.swap(pooled, Ordering::Relaxed) != pooled && pooled {
        tracing::info!("a pooler is in front of PostgreSQL: nothing is kept in a session");
    }
    Ok(connection)
}
