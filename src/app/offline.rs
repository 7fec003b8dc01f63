//! The store for a command without a gateway: one that is there, never a new one; and the assurance that no gateway runs.

use std::{thread, time::Duration};

use super::{StartError, foundation::is_shared};
use crate::{
    config::Config,
    data_dir::{self, DataDir, DataDirError},
    store::{
        Settings, Store,
        backup::{self, Kind},
        migrations::{self, Found},
    },
};

/// A command waits longer for a connection than a request does.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(10);

/// In which part of the time that a replica may be silent it is surely heard: it beats twenty times as often.
const HEARD_WITHIN: u32 = 19;

/// The store of a configuration. None is made, and none is changed to fit this program.
///
/// # Errors
/// `NoStore` if there is none, `Outdated` if it lacks migrations.
pub fn existing_store(config: &Config, statement_timeout: Duration) -> Result<Store, StartError> {
    let url = config.store_url()?;
    check_store(&url)?;
    Ok(Store::open(&Settings {
        url,
        pool_size: usize::try_from(config.store.pool_size).unwrap_or(usize::MAX),
        acquire_timeout: ACQUIRE_TIMEOUT,
        statement_timeout,
    })?)
}

/// Refuses an address without a store, or with one that lacks migrations.
///
/// # Errors
/// As [`existing_store`]; `Denied` if the user of this process may not look there.
pub fn check_store(url: &str) -> Result<(), StartError> {
    if let Kind::Sqlite(path) = backup::kind(url)? {
        data_dir::check_reach(&path)?;
    }
    let none = |what| Ok::<_, StartError>(StartError::NoStore { place: migrations::shown(url)?, what });
    match migrations::look(url)? {
        Found::Ready => Ok(()),
        Found::Behind(missing) => Err(StartError::Outdated(missing.join(", "))),
        Found::Nowhere => Err(none("there is no store")?),
        Found::NoSchema => Err(none("there is no store of Tollgate, only an empty database")?),
    }
}

/// As long as it lives no gateway starts on this data directory.
pub struct Standstill {
    data_dir: DataDir,
}

impl Standstill {
    /// Makes sure that no gateway runs on this store.
    ///
    /// # Errors
    /// `Running` if one does: here, on another data directory, or on another machine.
    pub async fn of(config: &Config) -> Result<Self, StartError> {
        let url = config.store_url()?;
        let running = |how: String| StartError::Running(how);
        let data_dir = DataDir::open(&config.data_dir).map_err(|error| match error {
            DataDirError::InUse(_) => running(error.to_string()),
            other => other.into(),
        })?;
        migrations::check_unused(&url).map_err(|error| running(error.to_string()))?;
        if let Found::Ready | Found::Behind(_) = migrations::look(&url)?
            && is_shared(&url)
        {
            check_beats(config, &url).await?;
        }
        Ok(Self { data_dir })
    }

    /// The data directory, which no gateway can open meanwhile.
    pub(super) const fn data_dir(&self) -> &DataDir {
        &self.data_dir
    }

    /// Puts a line on record in the data directory, for what leaves no audit log behind.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn note(&self, line: &str) -> Result<(), StartError> {
        Ok(self.data_dir.note_act(line)?)
    }
}

/// Listens whether a replica says that it lives. No clock is asked: a row that is counted up shows that somebody counts.
async fn check_beats(config: &Config, url: &str) -> Result<(), StartError> {
    let silence = Duration::from_secs(config.ledger.silence_s.into());
    let settings = Settings {
        url: url.to_owned(),
        pool_size: 1,
        acquire_timeout: ACQUIRE_TIMEOUT,
        statement_timeout: ACQUIRE_TIMEOUT,
    };
    let store = Store::open(&settings)?;
    let Ok(before) = store.replica_beats().await else { return Ok(()) };
    if before.is_empty() {
        return Ok(());
    }
    thread::sleep(silence / HEARD_WITHIN);
    let after = store.replica_beats().await?;
    match after.iter().find(|row| !before.contains(row)) {
        Some((replica, _)) => Err(StartError::Running(format!("replica {replica} says that it lives"))),
        None => Ok(()),
    }
}
