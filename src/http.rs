//! The HTTP side: URLs, extractors, handlers, and the OpenAPI document.
//!
//! [`entry`] hands every request to the pipeline; [`routes`] is the table of the gateway's own URLs. Handlers are thin:
//! they read from the store, write through an actor's handle, and know nothing of limits, money or the audit log.

mod administered;
pub mod api_keys;
pub mod audit;
pub mod auth;
pub mod budgets;
pub mod created;
pub mod docs;
pub mod entry;
pub mod extract;
mod failure;
mod guarded_password;
pub mod health;
pub mod idempotency;
pub mod input;
pub mod keys;
pub mod limits;
pub mod me;
mod no_content;
pub mod oauth;
pub mod openapi;
pub mod ops;
pub mod page;
pub mod password;
mod patch;
pub mod prices;
pub mod routes;
pub mod sessions;
pub mod signing_keys;
pub mod teams;
pub mod usage;
pub mod users;

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use jiff::Timestamp;

pub use crate::answer::problem;

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
        regulator::{Budgets, Limits, Prices},
        roster::Roster,
        token_issuer::Issuer,
    },
    clock::Clock,
    credentials::{jwt::Verifier, passwords::Passwords},
    crypto::MacKey,
    domain::audit::lines::PublicKey,
    pipeline::authenticate::api_key::KeyCheck,
    snapshot::{Snapshot, budgets::BudgetBook, policies::PolicyBook, prices::PriceBook, routing::Routing},
    store::{Store, redis::Redis},
};

/// What the handlers work with. Clones share everything.
#[derive(Clone)]
pub struct Office {
    /// All actors, and how each is doing.
    pub roster: Roster,
    pub clock: Clock,
    pub store: Store,
    pub redis: Option<Redis>,
    pub passwords: Passwords,
    pub issuer: Issuer,
    pub users: Users,
    pub limits: Limits,
    pub budgets: Budgets,
    pub prices: Prices,
    pub login_throttle: LoginThrottle,
    pub lender: Lender,
    pub quotas: Quotas,
    pub ledger: Ledger,
    pub audit: Audit,
    pub announcements: Announcements,
    /// What vouches for this replica's chain.
    pub checkpoints: Checkpoints,
    /// What the checkpoints of every replica are verified with.
    pub audit_key: PublicKey,
    /// The limits in force.
    pub policies: Snapshot<PolicyBook>,
    /// The budgets in force.
    pub budget_book: Snapshot<BudgetBook>,
    /// The prices in force.
    pub price_book: Snapshot<PriceBook>,
    /// The routes that are configured now.
    pub routing: Snapshot<Routing>,
    pub verifier: Snapshot<Verifier>,
    /// What makes API keys and checks them.
    pub keys: KeyCheck,
    /// The `iss` of access tokens.
    pub issuer_name: Arc<str>,
    pub draining: Draining,
    /// What requests with an `Idempotency-Key` are told apart by.
    pub fingerprints: Arc<MacKey>,
    /// The name of this replica in the audit log, and since when it runs.
    pub chain: Arc<str>,
    pub started_at: Timestamp,
}

impl Office {
    /// Waits until the store has every call that had its end on this replica. If the ledger cannot say, what the store
    /// has is told all the same.
    pub async fn settled(&self) {
        if let Err(error) = self.ledger.flushed().await {
            tracing::warn!(%error, "what is told of money may be without the last calls");
        }
    }
}

/// Whether the gateway has been told to stop: readiness fails first, then the requests finish.
#[derive(Clone, Default)]
pub struct Draining(Arc<AtomicBool>);

impl Draining {
    pub fn begin(&self) {
        self.0.store(true, Ordering::Release);
    }

    #[must_use]
    pub fn has_begun(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}
