//! The composition root: stores → actors → HTTP, and the way down again. The only file that knows everything: the files
//! below it each make one part of what is put together here.

mod actors;
mod alerts;
mod audit;
mod crew;
mod first_rules;
mod first_start;
mod foundation;
mod health;
mod in_force;
mod keys;
mod login;
mod offline;
mod orphans;
mod outside;
mod prices;
mod routing;
mod server;
mod start_error;
mod store_watch;
mod tls;
mod troubles;

use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use actix_web::dev::ServerHandle;
use serde_json::json;

use self::{
    actors::{Handles, Published},
    crew::Crew,
    foundation::Foundation,
    health::HealthChecks,
    login::AtProvider,
    routing::Planned,
    server::Ports,
    tls::{Tls, Watch},
    troubles::{LookOut, Sources},
};
pub use self::{
    alerts::webhook,
    audit::{
        Recorder, audit_public_key, audit_store, checkpoint_file, checkpoint_files, custodian, home_chain,
        is_checkpoint_file_renewed, recorder, settle_audit,
    },
    first_start::{ADMIN, FirstStart, random_password},
    foundation::{Secrets, check_redis, is_shared, opens_store},
    keys::{change_master_key, rotate_signing_key},
    login::client_secret,
    offline::{Standstill, check_store, existing_store},
    outside::unusable_authorities,
    prices::{Imported, configured_prices, import_prices, read_price_file},
    routing::FileLists,
    start_error::StartError,
    tls::{authorities_in, tls, tls_to_own_gateway},
};
pub use crate::actors::notary::Deed;
use crate::{
    actors::{notary::Custodian, roster::Roster, token_issuer::shared_key},
    clock::Clock,
    config::Config,
    credentials::api_key::Mint,
    crypto::MacKey,
    data_dir::{DataDir, Reload, Running},
    http::{
        docs::DocsPage,
        office::{Accounting, Administration, AuditLog, Draining, Office, Operations, ReplayRoom, SignIn},
        openapi::Document,
        routes,
    },
    pipeline::authenticate::{Identity, api_key::KeyCheck, outside::Outside, staleness::Staleness},
    telemetry::{Metrics, Tracing},
};

/// The name of the sealed key behind the secrets of API keys.
const API_KEYS: &str = "api-keys";

/// The name of the sealed key behind `Idempotency-Key`.
const FINGERPRINTS: &str = "idempotency-fingerprints";

/// A gateway that serves.
pub struct Gateway {
    /// Where clients call.
    pub address: SocketAddr,
    /// Where `/metrics` is.
    pub ops_address: SocketAddr,
    /// The first start's user, if this was it.
    pub first_start: Option<FirstStart>,
    /// The user whose made-up password an earlier start has lost before it was printed.
    pub unshown_password: Option<String>,
    pub office: Office,
    parts: Box<Parts>,
    servers: [ServerHandle; 2],
    crew: Crew,
}

/// What the servers are put together from.
struct Parts {
    /// As it was at the start.
    config: Config,
    base: Foundation,
    handles: Handles,
    published: Published,
    /// Where people sign in besides, if they can.
    at_provider: Option<AtProvider>,
    identity: Identity,
    /// Distinguishes requests with the same `Idempotency-Key`.
    fingerprints: Arc<MacKey>,
    metrics: Metrics,
    tracing: Tracing,
    document: Document,
    docs_page: DocsPage,
    tls: Option<Tls>,
}

impl Gateway {
    /// Starts everything, from the stores up. Call it inside an actix system.
    pub async fn start(config: Config, secrets: Secrets, clock: Clock) -> Result<Self, StartError> {
        // What can be wrong with the configuration comes first: then nothing is made.
        let lists = FileLists::read(&config)?;
        let prices = configured_prices(&config)?;
        let tls = Tls::load(&config, &clock)?;
        let at_provider = AtProvider::of(&config, &clock)?;
        let sources = outside::sources(&config)?;
        let metrics = Metrics::new()?;
        let tracing = Tracing::start(metrics.spans(), clock.clone())?;
        let (document, docs_page) = (routes::document()?, DocsPage::build()?);
        first_start::check(&config, secrets.admin_password.as_deref())?;
        let data_dir = foundation::data_dir(&config)?;
        let taken = Ports::take(&config)?;
        let base = Foundation::lay(&config, &secrets, clock, data_dir).await?;
        let first = first_start::Plan::of(&base, secrets.admin_password).await?;
        orphans::replay(&base.audit).await?;
        prices::start(&config, prices, &base.store, &base.clock).await?;
        // What the configuration makes once comes when nothing of it can be refused any more.
        first_rules::run(&config, &base.store, &base.clock).await?;
        orphans::close(&base).await?;
        let first_start = match first {
            Some(plan) => plan.make(&base).await?,
            None => None,
        };
        let unshown_password = match &first_start {
            Some(_) => None,
            None => base.store.unshown_password(&base.chain, base.clock.now()).await?,
        };
        let fingerprints = Arc::new(shared_key(&base.store, &base.master, FINGERPRINTS).await?);
        let mint = Arc::new(Mint::new(shared_key(&base.store, &base.master, API_KEYS).await?));
        let handles = Handles::new(&config, Arc::clone(&fingerprints));
        let published = Published::new(&config, Planned::plan(lists, Arc::clone(&base.master)));
        let mut crew = actors::start(&config, &base, &handles, &published, sources).await?;
        if let Some(at_provider) = &at_provider {
            at_provider.start(&mut crew, &base.store).await?;
        }
        first_rules::run_late(&config, &base.store, &base.clock, &handles).await;
        in_force::warn(&config, &base.store, &published).await;
        let parts = Box::new(Parts {
            identity: identity(&config, &handles, &published, mint, base.clock.clone()),
            metrics,
            tracing,
            document,
            docs_page,
            tls,
            config,
            base,
            handles,
            published,
            at_provider,
            fingerprints,
        });
        let office = parts.office(&crew.roster);
        let (address, public) = server::public(&parts, &office, taken.public)?;
        let (ops_address, ops) = server::ops(&parts, &office, taken.ops)?;
        crew.until_keepers_run(actors::workers(&parts.config)).await?;
        HealthChecks::new(parts.published.routing.clone(), parts.base.clock.clone()).start();
        store_watch::start(parts.base.store.clone());
        parts.look_out().start();
        if let Some(tls) = &parts.tls {
            Watch::new(tls.clone(), parts.base.clock.clone(), parts.metrics.clone()).start();
        }
        note_running(&parts.base.data_dir, address, ops_address, parts.config.file.clone());
        Ok(Self { address, ops_address, first_start, unshown_password, office, parts, servers: [public, ops], crew })
    }

    /// Whether the public port speaks TLS.
    pub fn is_tls(&self) -> bool {
        self.parts.tls.is_some()
    }

    /// Says that the password of the first start was printed: no later start warns of it.
    pub async fn note_shown_password(&self) -> Result<(), StartError> {
        match &self.first_start {
            Some(first) => Ok(self.parts.base.store.note_shown_password(first.user).await?),
            None => Ok(()),
        }
    }

    /// Takes routes, upstreams, prices and the files of TLS from a configuration that was just read. A bad one changes
    /// nothing. Gives the sections that have changed and need a restart.
    pub async fn reload<E: From<StartError>>(
        &self,
        read: impl FnOnce() -> Result<Config, E>,
    ) -> Result<Vec<&'static str>, E> {
        let taken = async {
            let config = read()?;
            self.take(&config).await?;
            Ok(self.parts.config.unreloadable(&config))
        };
        let taken = taken.await;
        self.parts.metrics.reload(taken.is_ok());
        taken
    }

    /// Says what came of a reload, for the command that asked for it, and puts what it changed on record.
    pub async fn note_reload(&self, reload: &Reload) {
        let Foundation { data_dir, store, clock, checkpoint_key: key, .. } = &self.parts.base;
        if let Err(error) = data_dir.note_reload(reload) {
            tracing::warn!(%error, "`tollgate reload` will not be told what came of it");
        }
        if reload.changes.is_empty() {
            return;
        }
        let custodian = Custodian { store: store.clone(), clock: clock.clone(), key: Arc::clone(key), by: None };
        let change = json!({ "before": null, "after": { "configuration": reload.changes } });
        if let Err(error) = custodian.note(Deed { command: "reload", about: None, change }).await {
            tracing::warn!(%error, "what the reload changed could not be put on record");
        }
    }

    async fn take(&self, config: &Config) -> Result<(), StartError> {
        let Parts { base, handles, published, metrics, .. } = &*self.parts;
        let plan = Planned::plan(FileLists::read(config)?, Arc::clone(&base.master));
        in_force::keep(config, &*plan, &published.routing.read())?;
        let renewal = tls::tls(config, &base.clock)?;
        if let Some(file) = configured_prices(config)? {
            let changed = handles.prices.put(prices::change(config, file, &base.clock)).await??;
            prices::report(config, &changed)?;
        }
        handles.entries.take(plan).await?;
        first_rules::run_late(config, &base.store, &base.clock, handles).await;
        in_force::warn(config, &base.store, published).await;
        if let (Some(tls), Some(renewal)) = (&self.parts.tls, renewal) {
            tls.renew(renewal, metrics);
        }
        Ok(())
    }

    /// Drains and stops: readiness fails first, then no connection is taken, requests finish, records are written.
    pub async fn stop(self) {
        self.office.operations.draining.begin();
        tokio::time::sleep(Duration::from_millis(self.parts.config.server.drain_delay_ms)).await;
        for server in &self.servers {
            server.stop(true).await;
        }
        let Handles { audit, checkpoints, .. } = &self.parts.handles;
        self.crew.stop(audit, checkpoints).await;
        self.parts.tracing.stop().await;
    }
}

impl Parts {
    fn look_out(&self) -> LookOut {
        LookOut::new(Sources {
            clock: self.base.clock.clone(),
            checkpoints: self.handles.checkpoints.clone(),
            routing: self.published.routing.clone(),
            metrics: self.metrics.clone(),
            announcements: self.handles.announcements.clone(),
        })
    }

    fn office(&self, roster: &Roster) -> Office {
        let Self { config, base, handles, published, at_provider, identity, metrics, fingerprints, .. } = self;
        let accounting = Accounting {
            clock: base.clock.clone(),
            store: base.store.clone(),
            ledger: handles.ledger.clone(),
            quotas: handles.quotas.clone(),
            policies: published.policies.clone(),
            budgets: published.budgets.clone(),
            prices: published.prices.clone(),
        };
        Office {
            administration: Administration {
                clock: base.clock.clone(),
                store: base.store.clone(),
                users: handles.users.clone(),
                issuer: handles.issuer.clone(),
                limits: handles.limits.clone(),
                budgets: handles.budgets.clone(),
                prices: handles.prices.clone(),
                purges: handles.purges.clone(),
                entries: handles.entries.clone(),
                master: Arc::clone(&base.master),
                passwords: base.passwords.clone(),
                keys: identity.keys.clone(),
                routing: published.routing.clone(),
                fingerprints: Arc::clone(fingerprints),
                accounting: accounting.clone(),
                replays: ReplayRoom::default(),
            },
            sign_in: SignIn {
                clock: base.clock.clone(),
                store: base.store.clone(),
                users: handles.users.clone(),
                issuer: handles.issuer.clone(),
                issuer_name: config.auth.issuer.as_str().into(),
                verifier: published.verifier.clone(),
                passwords: base.passwords.clone(),
                login_throttle: handles.login_throttle.clone(),
                keys: identity.keys.clone(),
                provider: at_provider.as_ref().map(|at_provider| at_provider.provider(&base.master)),
            },
            accounting,
            audit_log: AuditLog {
                clock: base.clock.clone(),
                store: base.store.clone(),
                audit: handles.audit.clone(),
                traffic: handles.traffic.clone(),
                chain: Arc::clone(&base.chain),
                started_at: base.clock.now(),
                checkpoint_key: base.checkpoint_key.public().clone(),
            },
            operations: Operations {
                clock: base.clock.clone(),
                store: base.store.clone(),
                redis: base.redis.clone(),
                roster: roster.clone(),
                audit: handles.audit.clone(),
                checkpoints: handles.checkpoints.clone(),
                announcements: handles.announcements.clone(),
                lender: handles.lender.clone(),
                staleness: identity.keys.staleness.clone(),
                budgets: published.budgets.clone(),
                entries: handles.entries.clone(),
                routing: published.routing.clone(),
                metrics: metrics.clone(),
                draining: Draining::default(),
            },
        }
    }
}

/// Says where this gateway is, for commands on the same machine. They do without where it cannot be written.
fn note_running(data_dir: &DataDir, address: SocketAddr, ops_address: SocketAddr, config: Option<PathBuf>) {
    let pid = i32::try_from(std::process::id()).unwrap_or_default();
    let running = Running { pid, address: address.to_string(), ops_address: ops_address.to_string(), config };
    if let Err(error) = data_dir.note_running(&running) {
        tracing::warn!(%error, "`tollgate reload` will not find this gateway");
    }
}

/// What callers are known by.
fn identity(config: &Config, handles: &Handles, published: &Published, mint: Arc<Mint>, clock: Clock) -> Identity {
    let (directory, users) = (published.directory.clone(), handles.users.clone());
    let api_keys = published.api_keys.clone();
    let staleness = Staleness {
        read: [handles.users.freshness().clone(), handles.issuer.freshness().clone()],
        max: Some(Duration::from_secs(config.auth.max_staleness_s.into())).filter(|max| !max.is_zero()),
        clock,
    };
    Identity {
        verifier: published.verifier.clone(),
        outside: Outside { verifier: published.outside_verifier.clone(), keys: handles.outside_keys.clone() },
        revocations: published.revocations.clone(),
        keys: KeyCheck { mint, api_keys, directory: directory.clone(), users: users.clone(), staleness },
        directory,
        users,
        docs_public: config.docs.public,
        console: config.console.enabled,
        provider: config.auth.login.is_on(),
    }
}
