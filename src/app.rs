//! The composition root: stores → actors → HTTP, and the way down again. The only file that knows everything.

mod actors;
mod alerts;
mod audit;
mod first_rules;
mod first_start;
mod keys;
mod orphans;
mod prices;
mod routing;
mod server;

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use actix::Arbiter;
use actix_web::dev::ServerHandle;

pub use self::{
    alerts::webhook,
    audit::{audit_public_key, audit_store, checkpoint_files, custodian},
    first_start::{FirstStart, random_password},
    keys::{change_master_key, rotate_signing_key},
    prices::{Imported, configured_prices, import_prices, read_price_file},
    routing::routing,
};
use crate::{
    actors::{handle::NoAnswer, notary::KeyError, token_issuer::RingError},
    clock::Clock,
    config::{Config, ConfigError, routing::fault_in},
    credentials::passwords::{HashingError, Passwords},
    crypto::CryptoError,
    data_dir::{DataDir, DataDirError},
    domain::{price::file::BadFile, refusal::Fault},
    http::{
        Draining, Office,
        docs::{DocsError, DocsPage},
        openapi::{Document, NoDocument},
        routes,
    },
    snapshot::{Snapshot, routing::Routing},
    store::{Settings, Store, StoreError, migrations, redis::Redis},
    telemetry::Metrics,
};

/// Secrets that come from the environment only.
#[derive(Clone, Default)]
pub struct Secrets {
    /// `TOLLGATE_MASTER_KEY`.
    pub master_key: Option<String>,
    /// `TOLLGATE_ADMIN_PASSWORD`.
    pub admin_password: Option<String>,
}

/// Why the gateway did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    #[error("store: {0}")]
    Store(#[from] StoreError),
    #[error("prices: {0}")]
    Prices(#[from] BadFile),
    #[error("prices: {0}")]
    NoAnswer(#[from] NoAnswer),
    #[error(transparent)]
    Keys(#[from] RingError),
    #[error("{0}")]
    Crypto(#[from] CryptoError),
    #[error(transparent)]
    AuditKey(#[from] KeyError),
    #[error("passwords: {0}")]
    Passwords(#[from] HashingError),
    #[error("TOLLGATE_ADMIN_PASSWORD: {0}")]
    AdminPassword(#[from] crate::domain::password::WeakPassword),
    #[error("metrics: {0}")]
    Metrics(#[from] prometheus::Error),
    #[error(transparent)]
    Document(#[from] NoDocument),
    #[error(transparent)]
    Docs(#[from] DocsError),
    #[error("{address}: {error}")]
    Bind { address: SocketAddr, error: io::Error },
    #[error(transparent)]
    Audit(#[from] crate::actors::audit_writer::BuildError),
    #[error("a thread could not be started")]
    Thread,
}

impl StartError {
    /// True where the configuration is at fault rather than the world.
    #[must_use]
    pub const fn is_configuration(&self) -> bool {
        matches!(
            self,
            Self::Config(_)
                | Self::AdminPassword(_)
                | Self::Prices(_)
                | Self::DataDir(DataDirError::NoSharedKey | DataDirError::Key { .. })
                | Self::Store(StoreError::Invalid(_))
        )
    }
}

/// A gateway that serves.
pub struct Gateway {
    /// Where clients call.
    pub address: SocketAddr,
    /// Where `/metrics` is.
    pub ops_address: SocketAddr,
    /// The first start's user, if this was it.
    pub first_start: Option<FirstStart>,
    pub office: Office,
    servers: [ServerHandle; 2],
    routing: Snapshot<Routing>,
    drain_delay: Duration,
    actors: actors::Arbiters,
    notary: Arbiter,
    _data_dir: DataDir,
}

/// What the parts are put together from.
struct Parts {
    config: Config,
    clock: Clock,
    office: Office,
    routing: Snapshot<Routing>,
    identity: crate::pipeline::authenticate::Identity,
    metrics: Metrics,
    document: Document,
    docs_page: DocsPage,
}

impl Gateway {
    /// Starts everything, from the stores up. Call it inside an actix system.
    pub async fn start(config: Config, secrets: Secrets, clock: Clock) -> Result<Self, StartError> {
        // What can be wrong with the configuration comes first: then nothing is made.
        let url = config.store_url()?;
        config.hmac_secrets()?;
        let webhook = webhook(&config)?;
        let routing = Snapshot::new(routing::routing(&config, &Routing::default())?);
        let prices = configured_prices(&config)?;
        let data_dir = DataDir::open(&config.data_dir)?;
        let master = Arc::new(data_dir.master_key(secrets.master_key.as_deref(), keys::is_shared(&url))?);
        let chain: Arc<str> = data_dir.replica(|| clock.new_id().to_string())?.into();
        migrations::run(&url)?;
        let store = Store::open(&store_settings(&config, url))?;
        let passwords = passwords(&config)?;
        let first_start = first_start::run(&store, &passwords, &clock, secrets.admin_password).await?;
        first_rules::run(&config, &store, &clock).await?;
        let audit = actors::audit_blueprint(&config, store.clone(), Arc::clone(&chain), data_dir.audit_spool());
        orphans::replay(&audit).await?;
        prices::start(&config, prices, &store, &clock).await?;
        let closed = orphans::close(&store, &audit, &clock, data_dir.audit_closed_through()).await?;
        data_dir.set_audit_closed_through(closed)?;
        let draining = Draining::default();
        let (redis, routes) = (redis(&config)?, routing.clone());
        let (notary, vouching) = self::audit::start(&config, &store, &clock, &chain, &master).await?;
        let base = actors::Base {
            store,
            clock: clock.clone(),
            passwords,
            routing: routes,
            draining,
            redis,
            audit,
            webhook,
            vouching,
        };
        let (arbiters, office, identity) = actors::start(&config, base, master, chain).await?;
        let parts = Parts {
            clock,
            office: office.clone(),
            routing: routing.clone(),
            identity,
            metrics: Metrics::new()?,
            document: routes::document()?,
            docs_page: DocsPage::build()?,
            config,
        };
        let drain_delay = Duration::from_millis(parts.config.server.drain_delay_ms);
        let (address, public) = server::public(&parts)?;
        let (ops_address, ops) = server::ops(&parts)?;
        let servers = [public, ops];
        actors::until_quotas_run(&office).await?;
        Ok(Self {
            address,
            ops_address,
            first_start,
            office,
            servers,
            routing,
            drain_delay,
            actors: arbiters,
            notary,
            _data_dir: data_dir,
        })
    }

    /// Takes routes, upstreams and prices from a configuration that was just read. A bad one changes nothing.
    pub async fn reload(&self, config: &Config) -> Result<(), StartError> {
        let routing = routing::routing(config, &self.routing.read())?;
        if let Some(file) = configured_prices(config)? {
            let changed = self.office.prices.put(prices::change(config, file, &self.office.clock)).await??;
            prices::tell(config, &changed)?;
        }
        self.routing.publish(routing);
        Ok(())
    }

    /// Drains and stops: readiness fails first, then no connection is taken, requests finish, records are written.
    pub async fn stop(self) {
        self.office.draining.begin();
        tokio::time::sleep(self.drain_delay).await;
        for server in &self.servers {
            server.stop(true).await;
        }
        self.actors.stop(&self.office).await;
        // The last records too have a checkpoint; that it fails is in the log.
        drop(self.office.checkpoints.certify().await);
        self.notary.stop();
    }
}

fn store_settings(config: &Config, url: String) -> Settings {
    Settings {
        url,
        pool_size: usize::try_from(config.store.pool_size).unwrap_or(usize::MAX),
        acquire_timeout: Duration::from_millis(config.store.acquire_timeout_ms),
        statement_timeout: Duration::from_millis(config.store.statement_timeout_ms),
    }
}

fn passwords(config: &Config) -> Result<Passwords, HashingError> {
    let concurrency = match config.auth.hash_concurrency {
        0 => std::thread::available_parallelism().map_or(1, |cores| (cores.get() / 2).max(1)),
        some => some.into(),
    };
    Passwords::new(concurrency, config.auth.hash_queue.into())
}

fn redis(config: &Config) -> Result<Option<Redis>, StoreError> {
    if config.redis.url.is_empty() {
        return Ok(None);
    }
    Redis::connect(&config.redis.url, crate::store::redis::Timeouts::default()).map(Some)
}

fn blame(config: &Config, list: &str, index: usize, faults: &[Fault]) -> ConfigError {
    let fault = fault_in(list, index, faults);
    config.blame(fault.key, fault.reason)
}
