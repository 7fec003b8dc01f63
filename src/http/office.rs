//! What the handlers work with, in parts, so that a handler is given only what its URLs need.
//!
//! Put together in `app.rs`; each part is handed to actix-web on its own. A field has the name that the pipeline's
//! `Gate` has for the same thing.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use actix_web::{
    App,
    dev::{ServiceFactory, ServiceRequest},
    web::Data,
};
use jiff::Timestamp;
use tokio::sync::{Semaphore, SemaphorePermit};

use super::provider::Provider;
use crate::{
    actors::{
        announcer::Announcements,
        audit_writer::Audit,
        budget_ledger::Ledger,
        doorkeeper::LoginThrottle,
        notary::Checkpoints,
        quota_keeper::Quotas,
        quota_lender::Lender,
        registrar::Users,
        regulator::{Budgets, Entries, Limits, Prices, Purges},
        roster::Roster,
        token_issuer::Issuer,
        traffic_counter::Traffic,
    },
    clock::Clock,
    credentials::{jwt::Verifier, passwords::Passwords},
    crypto::{MacKey, MasterKey},
    domain::{audit::lines::PublicKey, price::book::PriceBook},
    pipeline::authenticate::{api_key::KeyCheck, staleness::Staleness},
    snapshot::{Snapshot, budgets::BudgetBook, policies::PolicyBook, routing::Routing},
    store::{Store, redis::Redis},
    telemetry::Metrics,
};

/// All parts. Clones share everything.
#[derive(Clone)]
pub struct Office {
    pub administration: Administration,
    pub sign_in: SignIn,
    pub accounting: Accounting,
    pub audit_log: AuditLog,
    pub operations: Operations,
}

/// For the handlers of what administrators make, change and delete.
#[derive(Clone)]
pub struct Administration {
    pub clock: Clock,
    pub store: Store,
    pub users: Users,
    pub issuer: Issuer,
    pub limits: Limits,
    pub budgets: Budgets,
    pub prices: Prices,
    pub purges: Purges,
    pub entries: Entries,
    /// Seals the secrets of upstreams.
    pub master: Arc<MasterKey>,
    pub passwords: Passwords,
    /// Makes API keys.
    pub keys: KeyCheck,
    /// The routes in force.
    pub routing: Snapshot<Routing>,
    /// Distinguishes requests with the same `Idempotency-Key`.
    pub fingerprints: Arc<MacKey>,
    /// How the budgets stand.
    pub accounting: Accounting,
    /// How many replays may run.
    pub replays: ReplayRoom,
}

/// For the handlers of passwords, tokens and sessions.
#[derive(Clone)]
pub struct SignIn {
    pub clock: Clock,
    pub store: Store,
    pub users: Users,
    pub issuer: Issuer,
    /// The `iss` of access tokens.
    pub issuer_name: Arc<str>,
    pub verifier: Snapshot<Verifier>,
    pub passwords: Passwords,
    pub login_throttle: LoginThrottle,
    /// Checks API keys.
    pub keys: KeyCheck,
    /// Where people sign in besides, if they can.
    pub provider: Option<Provider>,
}

/// For the handlers that show what was used and what is left.
#[derive(Clone)]
pub struct Accounting {
    pub clock: Clock,
    pub store: Store,
    pub ledger: Ledger,
    pub quotas: Quotas,
    /// The limits in force.
    pub policies: Snapshot<PolicyBook>,
    /// The budgets in force.
    pub budgets: Snapshot<BudgetBook>,
    /// The prices in force.
    pub prices: Snapshot<PriceBook>,
}

/// For the handlers of the audit log.
#[derive(Clone)]
pub struct AuditLog {
    pub clock: Clock,
    pub store: Store,
    pub audit: Audit,
    /// Counts the log.
    pub traffic: Traffic,
    /// The name of this replica in the log, and since when it runs.
    pub chain: Arc<str>,
    pub started_at: Timestamp,
    /// Verifies the checkpoints of every replica.
    pub checkpoint_key: PublicKey,
}

impl AuditLog {
    /// The store, with all in it that is on record now.
    pub async fn settled(&self) -> &Store {
        self.audit.settle().await;
        &self.store
    }
}

/// For readiness and metrics.
#[derive(Clone)]
pub struct Operations {
    pub clock: Clock,
    pub store: Store,
    pub redis: Option<Redis>,
    /// All actors, and how each is doing.
    pub roster: Roster,
    pub audit: Audit,
    /// The notary of this replica's chain.
    pub checkpoints: Checkpoints,
    pub announcements: Announcements,
    pub lender: Lender,
    /// How old what is known of users and sessions may be.
    pub staleness: Staleness,
    pub budgets: Snapshot<BudgetBook>,
    pub entries: Entries,
    /// Where calls go, and how fit each upstream is.
    pub routing: Snapshot<Routing>,
    pub metrics: Metrics,
    pub draining: Draining,
}

impl Operations {
    /// Returns when where calls go is as others have changed it. Where the store does not answer, what was known stays.
    pub async fn see_changes(&self) {
        let error = match self.entries.catch_up().await {
            Ok(Ok(())) => return,
            Ok(Err(error)) => error.to_string(),
            Err(error) => error.to_string(),
        };
        tracing::warn!(error, "where calls go is shown without the last changes of others");
    }
}

impl Office {
    /// Hands every part to the handlers of `app`.
    pub fn attach<T>(&self, app: App<T>) -> App<T>
    where
        T: ServiceFactory<ServiceRequest, Config = (), Error = actix_web::Error, InitError = ()>,
    {
        let Self { administration, sign_in, accounting, audit_log, operations } = self.clone();
        app.app_data(Data::new(administration))
            .app_data(Data::new(sign_in))
            .app_data(Data::new(accounting))
            .app_data(Data::new(audit_log))
            .app_data(Data::new(operations))
    }
}

impl Accounting {
    /// Waits until the store has every call that ended on this replica. If the ledger does not answer, the caller reads
    /// what the store has.
    pub async fn settled(&self) {
        if let Err(error) = self.ledger.flushed().await {
            tracing::warn!(%error, "the amounts shown may be without the last calls");
        }
    }
}

/// How many replays may run at a time, so that they leave the store and the processors to the calls.
#[derive(Clone)]
pub struct ReplayRoom(Arc<Semaphore>);

/// How many replays run at a time.
const REPLAYS_AT_ONCE: usize = 2;

impl Default for ReplayRoom {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(REPLAYS_AT_ONCE)))
    }
}

impl ReplayRoom {
    /// A place, to be held while a replay runs; none where all are taken.
    #[must_use]
    pub fn enter(&self) -> Option<SemaphorePermit<'_>> {
        self.0.try_acquire().ok()
    }
}

/// Whether the gateway is draining: readiness fails first, then the requests finish.
#[derive(Clone, Default)]
pub struct Draining(Arc<AtomicBool>);

impl Draining {
    /// Begins to drain. There is no way back.
    pub fn begin(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// Whether the gateway drains.
    pub fn has_begun(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}
