//! Starts the actors, each on its own arbiter, and stops them last.

use std::{future::Future, path::PathBuf, sync::Arc, time::Duration};

use actix::Arbiter;
use tokio::sync::oneshot;

use super::{StartError, audit::Vouching};
use crate::{
    actors::{
        announcer::{self, Announcements, SigningSecret},
        audit_writer::{self, Audit},
        budget_ledger::{self, Ledger},
        doorkeeper::Doors,
        key_fetcher::{self, OutsideKeys},
        quota_keeper::{self, Quotas},
        quota_lender::{self, Lender},
        registrar::{self, Users},
        regulator::{self, Rulebook, Rules},
        token_issuer::{self, Issuer, Keys, shared_key},
    },
    clock::Clock,
    config::{Config, trusted_issuers::TrustedIssuer},
    credentials::{
        api_key::Mint,
        jwt::{
            Verifier,
            outside::{OutsideVerifier, Trust},
        },
        passwords::Passwords,
    },
    crypto::MasterKey,
    http::{Draining, Office},
    pipeline::authenticate::{Identity, api_key::KeyCheck, outside::Outside, staleness::Staleness},
    snapshot::{
        Snapshot, api_keys::ApiKeys, budgets::BudgetBook, directory::Directory, revocations::Revocations,
        routing::Routing,
    },
    store::{Store, redis::Redis},
    upstream::webhook::WebhookUrl,
};

/// What there is before the first actor.
pub(super) struct Base {
    pub store: Store,
    pub clock: Clock,
    pub passwords: Passwords,
    pub routing: Snapshot<Routing>,
    pub draining: Draining,
    pub redis: Option<Redis>,
    pub vouching: Vouching,
    pub audit: audit_writer::Blueprint,
    /// Where alerts are sent.
    pub webhook: Option<(WebhookUrl, SigningSecret)>,
}

/// The threads of the actors that have one to themselves.
pub(super) struct Arbiters(Vec<Arbiter>);

/// The name of the sealed key behind the secrets of API keys.
const API_KEYS: &str = "api-keys";

/// The name of the sealed key behind `Idempotency-Key`.
const FINGERPRINTS: &str = "idempotency-fingerprints";

/// How long the last records may take to reach the disk.
const LAST_RECORDS: Duration = Duration::from_secs(10);
const LOOK_AGAIN: Duration = Duration::from_millis(5);

impl Arbiters {
    /// Stops the actors when everything that was handed to them is done.
    pub(super) async fn stop(self, office: &Office) {
        let done = async {
            while office.in_flight() > 0 {
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        };
        if tokio::time::timeout(LAST_RECORDS, done).await.is_err() {
            tracing::error!(entries = office.audit.handle().in_flight(), "stopped before all records were written");
        }
        for arbiter in &self.0 {
            arbiter.stop();
        }
    }
}

pub(super) async fn start(
    config: &Config,
    base: Base,
    master: Arc<MasterKey>,
    chain: Arc<str>,
) -> Result<(Arbiters, Office, Identity), StartError> {
    let [bound, audit_bound] = [config.actors.max_in_flight, config.audit.max_in_flight].map(count);
    let deadline = Duration::from_millis(config.actors.deadline_ms);
    let (verifier, revocations) = (Snapshot::new(first_verifier(config)), Snapshot::new(Revocations::default()));
    let (directory, api_keys) = (Snapshot::new(Directory::default()), Snapshot::new(ApiKeys::default()));
    let (issuer, users) = (Issuer::new(bound, deadline), Users::new(bound, deadline));
    let (of_limits, limits, policies) = start_rules(&base, bound, deadline).await?;
    let (of_budgets, budgets, budget_book) = start_rules(&base, bound, deadline).await?;
    let (of_prices, prices, price_book) = start_rules(&base, bound, deadline).await?;
    let outside = outside(config, bound);
    // A hold keeps its place as long as its call lasts, like the record of the call.
    let (ledger, announcements) = (Ledger::new(audit_bound, deadline), Announcements::new(bound, deadline));
    let audit = Audit::new(audit_bound, max_unwaited(config), deadline);
    let lender = Lender::new(bound.saturating_mul(workers(config)), deadline);
    let quotas = Quotas::new(workers(config), bound, audit_bound, deadline, lender.clone());
    let fingerprints = Arc::new(shared_key(&base.store, &master, FINGERPRINTS).await?);
    let doors = Doors::new(bound, deadline, Arc::clone(&fingerprints));
    let mint = Arc::new(Mint::new(shared_key(&base.store, &master, API_KEYS).await?));
    let staleness = Staleness {
        read: [users.freshness().clone(), issuer.freshness().clone()],
        max: Some(Duration::from_secs(config.auth.max_staleness_s.into())).filter(|max| !max.is_zero()),
        clock: base.clock.clone(),
    };
    let keys = KeyCheck { mint, api_keys, directory, users: users.clone(), staleness };
    let mut arbiters = vec![
        start_issuer(config, &base, master, &verifier, &revocations, &issuer).await?,
        start_users(&base, &issuer, &keys).await?,
        start_doors(config, &base, &doors).await?,
        start_audit(&base, &audit).await?,
        start_announcer(&base, Arc::clone(&chain), &budget_book, &audit, &announcements).await?,
        start_ledger(config, &base, Arc::clone(&chain), &budget_book, &announcements, &ledger).await?,
        start_lender(config, &base, &lender).await?,
    ];
    arbiters.extend([of_limits, of_budgets, of_prices]);
    arbiters.extend(start_key_fetcher(config, &base, &outside).await?);
    let identity = identity(config, &verifier, revocations, outside, &keys);
    let office = Office {
        clock: base.clock.clone(),
        store: base.store,
        redis: base.redis,
        passwords: base.passwords,
        issuer,
        users,
        limits,
        budgets,
        prices,
        doors,
        outside_keys: identity.outside.keys.clone(),
        lender,
        quotas,
        ledger,
        audit,
        announcements,
        checkpoints: base.vouching.checkpoints,
        audit_key: base.vouching.public_key,
        policies,
        budget_book,
        price_book,
        routing: base.routing,
        verifier,
        keys,
        issuer_name: config.auth.issuer.as_str().into(),
        draining: base.draining,
        fingerprints,
        chain,
        started_at: base.clock.now(),
    };
    Ok((Arbiters(arbiters), office, identity))
}

/// What callers are known by.
fn identity(
    config: &Config,
    verifier: &Snapshot<Verifier>,
    revocations: Snapshot<Revocations>,
    outside: Outside,
    keys: &KeyCheck,
) -> Identity {
    Identity {
        verifier: verifier.clone(),
        outside,
        directory: keys.directory.clone(),
        revocations,
        users: keys.users.clone(),
        keys: keys.clone(),
        docs_public: config.docs.public,
    }
}

/// A verifier that knows no key yet.
fn first_verifier(config: &Config) -> Verifier {
    Verifier::new(&config.auth.issuer, &config.auth.audience, config.auth.access_ttl_s, [])
}

fn count(configured: u32) -> usize {
    usize::try_from(configured).unwrap_or(usize::MAX)
}

/// Returns when every worker thread runs its shard of the limits.
pub(super) async fn until_quotas_run(office: &Office) -> Result<(), StartError> {
    let running = async {
        while !office.quotas.are_running() {
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    };
    tokio::time::timeout(LAST_RECORDS, running).await.map_err(|_| StartError::Thread)
}

/// How many worker threads serve requests.
pub(super) fn workers(config: &Config) -> usize {
    match config.server.workers {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        some => some.into(),
    }
}

async fn start_issuer(
    config: &Config,
    base: &Base,
    master: Arc<MasterKey>,
    verifier: &Snapshot<Verifier>,
    revocations: &Snapshot<Revocations>,
    issuer: &Issuer,
) -> Result<Arbiter, StartError> {
    let keys = Keys {
        store: base.store.clone(),
        clock: base.clock.clone(),
        auth: config.auth.clone(),
        master,
        hmac: config.hmac_secrets()?,
    };
    let blueprint = token_issuer::Blueprint { keys, verifier: verifier.clone(), revocations: revocations.clone() };
    let issuer = issuer.clone();
    on_own_arbiter(move || async move { issuer.start_here(blueprint).await.map_err(StartError::from) }).await
}

async fn start_users(base: &Base, issuer: &Issuer, keys: &KeyCheck) -> Result<Arbiter, StartError> {
    let blueprint = registrar::Blueprint {
        store: base.store.clone(),
        clock: base.clock.clone(),
        issuer: issuer.clone(),
        directory: keys.directory.clone(),
        api_keys: keys.api_keys.clone(),
    };
    let users = keys.users.clone();
    on_own_arbiter(move || async move { users.start_here(blueprint).await.map_err(StartError::from) }).await
}

/// One kind of rules: the thread of its regulator, the handle of that, and the book that it publishes.
async fn start_rules<R: Rules<Book: Default>>(
    base: &Base,
    bound: usize,
    deadline: Duration,
) -> Result<(Arbiter, Rulebook<R>, Snapshot<R::Book>), StartError> {
    let (rules, book) = (Rulebook::new(bound, deadline), Snapshot::new(R::Book::default()));
    let (store, clock) = (base.store.clone(), base.clock.clone());
    let (handle, blueprint) = (rules.clone(), regulator::Blueprint { store, clock, book: book.clone() });
    let start = move || async move { handle.start_here(blueprint).await.map_err(StartError::from) };
    Ok((on_own_arbiter(start).await?, rules, book))
}

async fn start_doors(config: &Config, base: &Base, doors: &Doors) -> Result<Arbiter, StartError> {
    let (doors, clock, rules) = (doors.clone(), base.clock.clone(), config.auth.throttle());
    on_own_arbiter(move || async move {
        doors.start_here(clock, rules).await;
        Ok(())
    })
    .await
}

fn outside(config: &Config, bound: usize) -> Outside {
    let trusted = config.auth.trusted_issuers.iter().map(trust);
    Outside { verifier: Snapshot::new(OutsideVerifier::new(trusted)), keys: OutsideKeys::new(bound) }
}

fn trust(trusted: &TrustedIssuer) -> Trust {
    Trust {
        issuer: trusted.issuer.as_str().into(),
        audience: trusted.audience.clone(),
        role_claim: trusted.role_claim.clone(),
        role: trusted.role,
        token_types: trusted.token_types.clone(),
    }
}

/// Where no outside issuer is trusted there is nothing to fetch, and no thread for it.
async fn start_key_fetcher(config: &Config, base: &Base, outside: &Outside) -> Result<Option<Arbiter>, StartError> {
    let source = |trusted: &TrustedIssuer| key_fetcher::Source {
        issuer: trusted.issuer.as_str().into(),
        url: trusted.jwks_url.clone(),
        ttl: Duration::from_secs(trusted.jwks_ttl_s.into()),
    };
    let sources: Vec<_> = config.auth.trusted_issuers.iter().map(source).collect();
    if sources.is_empty() {
        return Ok(None);
    }
    let (clock, verifier) = (base.clock.clone(), outside.verifier.clone());
    let (keys, blueprint) = (outside.keys.clone(), key_fetcher::Blueprint { clock, sources, verifier });
    let start = move || async move {
        keys.start_here(blueprint).await;
        Ok(())
    };
    on_own_arbiter(start).await.map(Some)
}

async fn start_lender(config: &Config, base: &Base, lender: &Lender) -> Result<Arbiter, StartError> {
    let (store, redis, clock) = (base.store.clone(), base.redis.clone(), base.clock.clone());
    let max_accounts = config.quota.max_subjects().saturating_mul(workers(config));
    let (lender, blueprint) = (lender.clone(), quota_lender::Blueprint { store, redis, clock, max_accounts });
    on_own_arbiter(move || async move {
        lender.start_here(blueprint).await;
        Ok(())
    })
    .await
}

/// What the keeper of each worker thread is built from.
pub(super) fn keeper(config: &Config, clock: Clock) -> quota_keeper::Blueprint {
    let with_redis = !config.redis.url.is_empty();
    quota_keeper::Blueprint { clock, max_subjects: config.quota.max_subjects(), with_redis }
}

async fn start_ledger(
    config: &Config,
    base: &Base,
    owner: Arc<str>,
    budgets: &Snapshot<BudgetBook>,
    announcements: &Announcements,
    ledger: &Ledger,
) -> Result<Arbiter, StartError> {
    let blueprint = budget_ledger::Blueprint {
        store: base.store.clone(),
        clock: base.clock.clone(),
        owner,
        budgets: budgets.clone(),
        announcements: announcements.clone(),
        silence: Duration::from_secs(config.ledger.silence_s.into()),
    };
    let ledger = ledger.clone();
    on_own_arbiter(move || async move { ledger.start_here(blueprint).await.map_err(StartError::from) }).await
}

async fn start_announcer(
    base: &Base,
    owner: Arc<str>,
    budgets: &Snapshot<BudgetBook>,
    audit: &Audit,
    announcements: &Announcements,
) -> Result<Arbiter, StartError> {
    let blueprint = announcer::Blueprint {
        store: base.store.clone(),
        clock: base.clock.clone(),
        owner,
        budgets: budgets.clone(),
        audit: audit.clone(),
        webhook: base.webhook.clone(),
    };
    let announcements = announcements.clone();
    on_own_arbiter(move || async move {
        announcements.start_here(blueprint).await;
        Ok(())
    })
    .await
}

/// Where the audit writer puts what it is given.
pub(super) fn audit_blueprint(
    config: &Config,
    store: Store,
    chain: Arc<str>,
    spool: PathBuf,
) -> audit_writer::Blueprint {
    audit_writer::Blueprint {
        store,
        chain,
        max_batch: usize::try_from(config.audit.max_batch).unwrap_or(usize::MAX),
        store_timeout: Duration::from_millis(config.audit.store_timeout_ms),
        spool,
        spool_max_bytes: config.audit.spool_max_bytes,
    }
}

/// Two batches: one that is being written, and one that is next.
fn max_unwaited(config: &Config) -> u64 {
    u64::from(config.audit.max_batch).saturating_mul(2)
}

async fn start_audit(base: &Base, audit: &Audit) -> Result<Arbiter, StartError> {
    let (audit, blueprint) = (audit.clone(), base.audit.clone());
    on_own_arbiter(move || async move { audit.start_here(blueprint).await.map_err(StartError::from) }).await
}

/// Runs `start` on a thread of its own, which then belongs to the actor.
pub(super) async fn on_own_arbiter<F>(start: impl FnOnce() -> F + Send + 'static) -> Result<Arbiter, StartError>
where
    F: Future<Output = Result<(), StartError>> + 'static,
{
    let arbiter = Arbiter::new();
    let (to, started) = oneshot::channel();
    let spawned = arbiter.spawn_fn(move || {
        actix::spawn(async move { drop(to.send(start().await)) });
    });
    if !spawned {
        return Err(StartError::Thread);
    }
    started.await.map_err(|_| StartError::Thread)??;
    Ok(arbiter)
}
