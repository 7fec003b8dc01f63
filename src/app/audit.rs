//! The audit log's notary, and the log without a running gateway: the key its checkpoints are signed with, erasing and
//! dropping.

use std::{path::PathBuf, sync::Arc, time::Duration};

use actix::Arbiter;

use super::{Secrets, StartError, actors, keys, store_settings};
use crate::{
    actors::notary::{self, CheckpointKey, Checkpoints, Custodian},
    clock::Clock,
    config::Config,
    crypto::MasterKey,
    data_dir,
    domain::audit::lines::PublicKey,
    store::{Store, migrations},
};

/// The file of checkpoints in `data_dir`; the older one ends in `.older.jsonl`.
const CHECKPOINTS: &str = "audit-checkpoints.jsonl";

/// The notary, and the public half of its key.
pub(super) struct Vouching {
    pub checkpoints: Checkpoints,
    pub public_key: PublicKey,
}

/// Starts the notary of this replica's chain.
pub(super) async fn start(
    config: &Config,
    store: &Store,
    clock: &Clock,
    chain: &Arc<str>,
    master: &MasterKey,
) -> Result<(Arbiter, Vouching), StartError> {
    let key = Arc::new(CheckpointKey::open(store, master).await?);
    let public_key = key.public().clone();
    let blueprint = notary::Blueprint {
        store: store.clone(),
        chain: Arc::clone(chain),
        clock: clock.clone(),
        key,
        file: config.data_dir.join(CHECKPOINTS),
        retention_days: config.audit.retention_days,
    };
    let checkpoints = Checkpoints::new(Duration::from_millis(config.actors.deadline_ms));
    let started = checkpoints.clone();
    let arbiter = actors::on_own_arbiter(move || async move {
        started.start_here(blueprint).await;
        Ok(())
    })
    .await?;
    Ok((arbiter, Vouching { checkpoints, public_key }))
}

/// The files of checkpoints that a gateway with this configuration has written, the older one first.
#[must_use]
pub fn checkpoint_files(config: &Config) -> Vec<PathBuf> {
    let file = config.data_dir.join(CHECKPOINTS);
    [file.with_extension("older.jsonl"), file].into_iter().filter(|file| file.exists()).collect()
}

/// The store with the audit log in it.
pub fn audit_store(config: &Config) -> Result<Store, StartError> {
    let url = config.store_url()?;
    migrations::run(&url)?;
    Ok(Store::open(&store_settings(config, url))?)
}

/// The public key that checkpoints are verified with, by the master key: whoever owns the store cannot replace it. Nothing
/// if no gateway has made one yet.
pub async fn audit_public_key(
    config: &Config,
    secrets: &Secrets,
    store: &Store,
) -> Result<Option<PublicKey>, StartError> {
    let shared = keys::is_shared(&config.store_url()?);
    let master = data_dir::read_master_key(&config.data_dir, secrets.master_key.as_deref(), shared)?;
    Ok(CheckpointKey::read(store, &master).await?.map(|key| key.public().clone()))
}

/// Whoever acts on the log from the command line.
pub async fn custodian(config: &Config, secrets: &Secrets) -> Result<Custodian, StartError> {
    let shared = keys::is_shared(&config.store_url()?);
    let master = data_dir::read_master_key(&config.data_dir, secrets.master_key.as_deref(), shared)?;
    let store = audit_store(config)?;
    let key = Arc::new(CheckpointKey::open(&store, &master).await?);
    Ok(Custodian { store, clock: Clock::system(), key })
}
