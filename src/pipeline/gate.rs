//! What the steps work with.

use std::rc::Rc;

use super::{
    authenticate::{Identity, VerifiedTokens},
    buffered::BufferBound,
    call::Shape,
    edge::Edge,
    peers::Peers,
    urls::Find,
};
use crate::{
    actors::{audit_writer::Audit, budget_ledger::Ledger, quota_keeper::Quotas},
    cache::Cache,
    clock::Clock,
    domain::{price::book::PriceBook, recording::Recording},
    snapshot::{Snapshot, budgets::BudgetBook, cache_purges::CachePurges, policies::PolicyBook, routing::Routing},
    telemetry::{AccessLog, Metrics, Tracing},
    upstream,
};

/// Everything the steps need; one a worker thread.
pub struct Gate {
    pub clock: Clock,
    /// Shared with what outlasts a step; a clone of each metric would cost a call more than counting it.
    pub metrics: Rc<Metrics>,
    pub access_log: AccessLog,
    pub tracing: Tracing,
    pub shape: Shape,
    pub peers: Peers,
    pub edge: Edge,
    pub identity: Identity,
    pub tokens: VerifiedTokens,
    pub routing: Snapshot<Routing>,
    pub policies: Snapshot<PolicyBook>,
    pub budgets: Snapshot<BudgetBook>,
    pub prices: Snapshot<PriceBook>,
    pub quotas: Quotas,
    pub ledger: Ledger,
    pub audit: Audit,
    /// How calls to a route that does not say are recorded.
    pub recording: Recording,
    /// What is kept of answers, and its last purges.
    pub cache: Cache,
    pub purges: Snapshot<CachePurges>,
    pub upstream: Rc<upstream::Client>,
    /// The memory of bodies that are read whole.
    pub buffers: BufferBound,
    /// Finds one of the gateway's own URLs.
    pub find: Find,
}
