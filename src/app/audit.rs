//! The audit log without a running gateway: the store it is in, its files and keys, and who may erase from it.

use std::{path::PathBuf, sync::Arc, time::Duration};

use super::{
    Secrets, StartError,
    foundation::{audit_writer, read_master_key},
    offline::existing_store,
};
use crate::{
    actors::notary::{CheckpointKey, Custodian, Deed, MAX_CHECKPOINT_FILE_BYTES, older_checkpoint_file},
    clock::Clock,
    config::Config,
    data_dir::{self, DataDir},
    domain::audit::{act::Author, lines::PublicKey},
    store::{Store, StoreError},
};

/// The file of checkpoints in `data_dir`; the older one ends in `.older.jsonl`.
const CHECKPOINTS: &str = "audit-checkpoints.jsonl";

/// Where a gateway with this configuration writes its checkpoints.
#[must_use]
pub fn checkpoint_file(config: &Config) -> PathBuf {
    config.data_dir.join(CHECKPOINTS)
}

/// The files of checkpoints that a gateway with this configuration has written, the older one first.
#[must_use]
pub fn checkpoint_files(config: &Config) -> Vec<PathBuf> {
    let file = checkpoint_file(config);
    [older_checkpoint_file(&file), file].into_iter().filter(|file| file.exists()).collect()
}

/// Whether the file of checkpoints has been full once, so that the older one took the place of an even older one, or may
/// have.
#[must_use]
pub fn is_checkpoint_file_renewed(config: &Config) -> bool {
    let older = older_checkpoint_file(&checkpoint_file(config)).metadata();
    older.is_ok_and(|older| older.len() >= MAX_CHECKPOINT_FILE_BYTES)
}

/// The chain of the gateway that was started on the `data_dir` of this configuration, if one ever was.
#[must_use]
pub fn home_chain(config: &Config) -> Option<String> {
    data_dir::replica(&config.data_dir)
}

/// The store with the audit log in it, settled; none is made.
///
/// # Errors
/// As [`existing_store`] and [`settle_audit`].
pub async fn audit_store(config: &Config) -> Result<Store, StartError> {
    let store = existing_store(config, Duration::from_millis(config.store.statement_timeout_ms))?;
    settle_audit(config, &store).await?;
    Ok(store)
}

/// Returns when all that was answered before is in the store: what a gateway has committed in its spool beside a SQLite store
/// is waited for, or put there if none runs, as after a kill.
///
/// # Errors
/// If the spool is damaged, or the store does not take what is in it.
pub async fn settle_audit(config: &Config, store: &Store) -> Result<(), StartError> {
    if !store.is_a_file() || !data_dir::has_spooled(&config.data_dir) {
        return Ok(());
    }
    for _ in 0..LOOKS {
        if !data_dir::is_in_use(&config.data_dir) {
            break;
        }
        tokio::time::sleep(LOOK_AGAIN).await;
        if !data_dir::has_spooled(&config.data_dir) {
            return Ok(());
        }
    }
    if data_dir::is_in_use(&config.data_dir) {
        // Under load there is always something in it; what was there at first is in the store by now.
        return Ok(());
    }
    let data_dir = DataDir::open(&config.data_dir)?;
    let Some(chain) = home_chain(config) else { return Ok(()) };
    audit_writer(config, store, &chain.into(), &data_dir).replay().await?;
    Ok(())
}

/// How often a command looks, in all for longer than a gateway takes to put into a SQLite store what it has answered.
const LOOKS: u32 = 60;
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// The public key that checkpoints are verified with, by the master key: the owner of the store cannot replace it.
/// Nothing if no gateway has made one yet.
pub async fn audit_public_key(
    config: &Config,
    secrets: &Secrets,
    store: &Store,
) -> Result<Option<PublicKey>, StartError> {
    let master = read_master_key(config, secrets)?;
    Ok(CheckpointKey::read(store, &master).await?.map(|key| key.public().clone()))
}

/// Whoever acts on the log from the command line.
pub async fn custodian(config: &Config, secrets: &Secrets, by: Author) -> Result<Custodian, StartError> {
    let store = audit_store(config).await?;
    let master = read_master_key(config, secrets)?;
    let key = Arc::new(CheckpointKey::open(&store, &master).await?);
    Ok(Custodian { store, clock: Clock::system(), key, by: Some(by) })
}

/// The longest time of one statement of a command that changes something.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(30);

/// Whoever changes something in the store from the command line, and puts it on record.
pub struct Recorder {
    pub store: Store,
    pub clock: Clock,
    /// None where no gateway has used the store: there is no log yet, and no key.
    custodian: Option<Custodian>,
}

impl Recorder {
    /// Puts on record what is about to be changed.
    ///
    /// # Errors
    /// If the store does not take it: then nothing may be changed.
    pub async fn note(&self, deed: Deed) -> Result<(), StoreError> {
        match &self.custodian {
            Some(custodian) => custodian.note(deed).await,
            None => Ok(()),
        }
    }
}

/// Whoever changes something in the store of a configuration; none is made.
///
/// # Errors
/// As [`existing_store`]; and if there is a log, and no master key to sign in it.
pub async fn recorder(config: &Config, secrets: &Secrets, by: Author) -> Result<Recorder, StartError> {
    let (store, clock) = (existing_store(config, STATEMENT_TIMEOUT)?, Clock::system());
    let custodian = if CheckpointKey::is_in(&store).await? {
        let key = Arc::new(CheckpointKey::open(&store, &read_master_key(config, secrets)?).await?);
        Some(Custodian { store: store.clone(), clock: clock.clone(), key, by: Some(by) })
    } else {
        None
    };
    Ok(Recorder { store, clock, custodian })
}
