//! The foundation: what there is before the first actor. The data directory with the keys, the stores, and the passwords.

use std::{sync::Arc, time::Duration};

use super::{StartError, webhook};
use crate::{
    actors::{
        announcer::SigningSecret, audit_writer, notary::CheckpointKey, token_issuer::purpose_of,
        traffic_counter::Stored,
    },
    clock::Clock,
    config::{Config, ConfigError, redis::Sentinel},
    credentials::passwords::{HashingError, Passwords},
    crypto::MasterKey,
    data_dir::{self, DataDir, DataDirError},
    store::{
        Settings, Store, StoreError, migrations,
        redis::{self, Redis, Timeouts, Way},
    },
    upstream::webhook::WebhookUrl,
};

/// Secrets that come from the environment only.
#[derive(Clone, Default)]
pub struct Secrets {
    /// `TOLLGATE_MASTER_KEY`.
    pub master_key: Option<String>,
    /// `TOLLGATE_ADMIN_PASSWORD`.
    pub admin_password: Option<String>,
}

/// What the actors and the HTTP side are built on.
pub(super) struct Foundation {
    pub data_dir: DataDir,
    pub store: Store,
    pub redis: Option<Redis>,
    pub clock: Clock,
    pub passwords: Passwords,
    pub master: Arc<MasterKey>,
    /// The name of this replica in the audit log.
    pub chain: Arc<str>,
    pub audit: audit_writer::Blueprint,
    pub checkpoint_key: Arc<CheckpointKey>,
    /// Where alerts are sent, and what their calls are signed with.
    pub webhook: Option<(WebhookUrl, SigningSecret)>,
}

impl Foundation {
    /// Reads the keys in the data directory or makes them, opens the stores, and brings the schema up to date.
    pub(super) async fn lay(
        config: &Config,
        secrets: &Secrets,
        clock: Clock,
        data_dir: DataDir,
    ) -> Result<Self, StartError> {
        let master = Arc::new(master_key(config, secrets, &data_dir)?);
        let chain: Arc<str> = data_dir.replica(|| clock.new_id().to_string())?.into();
        let store = open_store(config)?;
        Ok(Self {
            passwords: passwords(config)?,
            redis: redis(config)?,
            webhook: webhook(config)?,
            audit: audit_writer(config, &store, &chain, &data_dir),
            checkpoint_key: Arc::new(CheckpointKey::open(&store, &master).await?),
            data_dir,
            store,
            clock,
            master,
            chain,
        })
    }
}

/// Opens the data directory. What can be wrong with the configuration comes first: then nothing is made.
pub(super) fn data_dir(config: &Config) -> Result<DataDir, StartError> {
    config.store_url()?;
    config.hmac_secrets()?;
    webhook(config)?;
    check_redis(config)?;
    Ok(DataDir::open(&config.data_dir)?)
}

/// The key that is given or lies in the data directory, or a new one: not for a store in which something is sealed already. It
/// opens what is sealed, which is seen before the store is brought up to date.
fn master_key(config: &Config, secrets: &Secrets, data_dir: &DataDir) -> Result<MasterKey, StartError> {
    let url = config.store_url()?;
    let master = match read_master_key(config, secrets) {
        Err(StartError::DataDir(DataDirError::NoKey(path))) if migrations::has_sealed(&url)? => {
            return Err(DataDirError::KeyIsElsewhere(path).into());
        }
        _ => data_dir.master_key(secrets.master_key.as_deref(), is_shared(&url))?,
    };
    if !opens_store(&master, &url)? {
        return Err(DataDirError::KeyIsOfAnother(config.data_dir.display().to_string()).into());
    }
    Ok(master)
}

/// Whether a master key opens what is sealed in the SQLite store at this URL: so it does where there is nothing yet. PostgreSQL is
/// left alone.
///
/// # Errors
/// The store cannot be read.
pub fn opens_store(master: &MasterKey, url: &str) -> Result<bool, StoreError> {
    let secrets = migrations::shared_secrets(url)?;
    Ok(secrets.iter().all(|(value, sealed)| master.open(&purpose_of(value), sealed).is_ok()))
}

/// The store of a configuration, with its schema up to date.
pub(super) fn open_store(config: &Config) -> Result<Store, StartError> {
    let url = config.store_url()?;
    migrations::run(&url)?;
    let unknown = migrations::unknown(&url)?;
    // While replicas are replaced one by one the old ones go on.
    if !unknown.is_empty() {
        tracing::warn!(
            migrations = unknown.join(", "),
            "a newer program has used the store and changed its schema: replace this program by that one"
        );
    }
    Ok(Store::open(&Settings {
        url,
        pool_size: usize::try_from(config.store.pool_size).unwrap_or(usize::MAX),
        acquire_timeout: Duration::from_millis(config.store.acquire_timeout_ms),
        statement_timeout: Duration::from_millis(config.store.statement_timeout_ms),
    })?)
}

/// The master key for a command without a gateway; none is ever made.
pub(super) fn read_master_key(config: &Config, secrets: &Secrets) -> Result<MasterKey, StartError> {
    let shared = is_shared(&config.store_url()?);
    Ok(data_dir::read_master_key(&config.data_dir, secrets.master_key.as_deref(), shared)?)
}

/// Whether other replicas may use the store at this URL.
#[must_use]
pub fn is_shared(url: &str) -> bool {
    url.starts_with("postgres")
}

fn passwords(config: &Config) -> Result<Passwords, HashingError> {
    let concurrency = match config.auth.hash_concurrency {
        0 => std::thread::available_parallelism().map_or(1, |cores| (cores.get() / 2).max(1)),
        some => some.into(),
    };
    Passwords::new(concurrency, config.auth.hash_queue.into())
}

fn redis(config: &Config) -> Result<Option<Redis>, StartError> {
    match config.redis_url()?.as_str() {
        "" => Ok(None),
        url => Ok(Some(Redis::connect(url, &way(config), Timeouts::default())?)),
    }
}

/// Whether the address of Redis can be one. Nothing is connected.
///
/// # Errors
/// `redis.url`, or another key of the way to Redis, that means nothing.
pub fn check_redis(config: &Config) -> Result<(), ConfigError> {
    let url = config.redis_url()?;
    if url.is_empty() {
        return Ok(());
    }
    redis::check(&url, &Way::Server).map_err(|reason| config.blame("redis.url", reason))?;
    let way = way(config);
    let key = match way {
        Way::Server | Way::Cluster => "redis.url",
        Way::Trusted(_) => "redis.ca_file",
        Way::Sentinels { .. } => "redis.sentinel.nodes",
    };
    redis::check(&url, &way).map_err(|reason| config.blame(key, reason))
}

fn way(config: &Config) -> Way {
    let redis = &config.redis;
    if redis.cluster {
        return Way::Cluster;
    }
    if redis.has_sentinels() {
        let Sentinel { master, nodes } = redis.sentinel.clone();
        return Way::Sentinels { master, nodes };
    }
    if redis.ca_file.as_os_str().is_empty() { Way::Server } else { Way::Trusted(redis.ca_file.clone()) }
}

/// Where the audit writer puts what it is given, on the chain of this replica.
pub(super) fn audit_writer(
    config: &Config,
    store: &Store,
    chain: &Arc<str>,
    data_dir: &DataDir,
) -> audit_writer::Blueprint {
    audit_writer::Blueprint {
        store: store.clone(),
        chain: Arc::clone(chain),
        max_batch: usize::try_from(config.audit.max_batch).unwrap_or(usize::MAX),
        store_timeout: Duration::from_millis(config.audit.store_timeout_ms),
        commits_in_spool: store.is_a_file(),
        spool: data_dir.audit_spool(),
        spool_max_bytes: config.audit.spool_max_bytes,
        stored: Stored::to_nobody(),
    }
}
