//! The actors of one gateway: their handles, what they publish, and what each is built from.

use std::{sync::Arc, time::Duration};

use super::{StartError, audit, crew::Crew, foundation::Foundation, outside::trust};
use crate::{
    actors::{
        announcer::{self, Announcements},
        audit_writer::{self, Audit},
        budget_ledger::{self, Ledger},
        doorkeeper::{self, LoginThrottle},
        key_fetcher::{self, OutsideKeys},
        notary::{self, Checkpoints},
        quota_keeper::{self, Quotas},
        quota_lender::{self, Lender, Replica},
        registrar::{self, Users},
        regulator::{self, Budgets, Entries, Limits, Prices, Purges, Rules},
        token_issuer::{self, Issuer, Keys},
        traffic_counter::{self, Traffic},
    },
    clock::Clock,
    config::Config,
    credentials::jwt::{Verifier, outside::OutsideVerifier},
    crypto::MacKey,
    domain::price::book::PriceBook,
    snapshot::{
        Snapshot,
        api_keys::ApiKeys,
        budgets::BudgetBook,
        cache_purges::CachePurges,
        directory::Directory,
        policies::PolicyBook,
        revocations::Revocations,
        routing::{Plan, Routing},
    },
    store::Store,
};

/// The handles of all actors.
#[derive(Clone)]
pub(super) struct Handles {
    pub issuer: Issuer,
    pub users: Users,
    pub limits: Limits,
    pub budgets: Budgets,
    pub prices: Prices,
    pub purges: Purges,
    pub entries: Entries,
    pub login_throttle: LoginThrottle,
    pub outside_keys: OutsideKeys,
    pub lender: Lender,
    pub quotas: Quotas,
    pub ledger: Ledger,
    pub audit: Audit,
    pub announcements: Announcements,
    pub checkpoints: Checkpoints,
    pub traffic: Traffic,
}

/// What the actors publish for all others to read.
#[derive(Clone)]
pub(super) struct Published {
    pub verifier: Snapshot<Verifier>,
    pub outside_verifier: Snapshot<OutsideVerifier>,
    pub revocations: Snapshot<Revocations>,
    pub directory: Snapshot<Directory>,
    pub api_keys: Snapshot<ApiKeys>,
    pub policies: Snapshot<PolicyBook>,
    pub budgets: Snapshot<BudgetBook>,
    pub prices: Snapshot<PriceBook>,
    pub purges: Snapshot<CachePurges>,
    pub routing: Snapshot<Routing>,
}

impl Handles {
    /// Handles to actors that do not run yet. `fingerprints` is what the names of throttled accounts are hashed under.
    pub(super) fn new(config: &Config, fingerprints: Arc<MacKey>) -> Self {
        let [bound, audit_bound] = [config.actors.max_in_flight, config.audit.max_in_flight].map(count);
        let deadline = Duration::from_millis(config.actors.deadline_ms);
        let lender = Lender::new(bound.saturating_mul(workers(config)), deadline);
        Self {
            issuer: Issuer::new(bound, deadline),
            users: Users::new(bound, deadline),
            limits: Limits::new(bound, deadline),
            budgets: Budgets::new(bound, deadline),
            prices: Prices::new(bound, deadline),
            purges: Purges::new(bound, deadline),
            entries: Entries::new(bound, deadline),
            login_throttle: LoginThrottle::new(bound, deadline, fingerprints),
            outside_keys: OutsideKeys::new(bound),
            quotas: Quotas::new(workers(config), bound, audit_bound, deadline, lender.clone()),
            lender,
            // A hold keeps its place as long as its call lasts, like the record of the call.
            ledger: Ledger::new(audit_bound, deadline),
            audit: Audit::new(audit_bound, max_unwaited(config), deadline),
            announcements: Announcements::new(bound, deadline),
            checkpoints: Checkpoints::new(deadline),
            traffic: Traffic::new(deadline),
        }
    }
}

impl Published {
    /// Nothing yet: no key, no user, no rule but the routes of the configuration.
    pub(super) fn new(config: &Config, plan: Arc<dyn Plan>) -> Self {
        let auth = &config.auth;
        Self {
            verifier: Snapshot::new(Verifier::new(&auth.issuer, &auth.audience, auth.access_ttl_s, [])),
            outside_verifier: Snapshot::new(OutsideVerifier::new(auth.trusted_issuers.iter().map(trust))),
            revocations: Snapshot::new(Revocations::default()),
            directory: Snapshot::new(Directory::default()),
            api_keys: Snapshot::new(ApiKeys::default()),
            policies: Snapshot::new(PolicyBook::default()),
            budgets: Snapshot::new(BudgetBook::default()),
            prices: Snapshot::new(PriceBook::default()),
            purges: Snapshot::new(CachePurges::default()),
            routing: Snapshot::new(plan.routing(&[], &Routing::default())),
        }
    }
}

/// Starts every actor that has a thread to itself, each after those that it asks at its start. The keepers start with
/// the worker threads, from [`keeper`]. `sources` are the trusted issuers.
pub(super) async fn start(
    config: &Config,
    base: &Foundation,
    handles: &Handles,
    published: &Published,
    sources: Vec<key_fetcher::Source>,
) -> Result<Crew, StartError> {
    let (mut crew, all) = (Crew::default(), Assembly { config, base, handles, published });
    crew.start(&handles.checkpoints, all.notary()).await?;
    crew.start(&handles.limits, all.rules(&published.policies)).await?;
    crew.start(&handles.budgets, all.rules(&published.budgets)).await?;
    crew.start(&handles.prices, all.rules(&published.prices)).await?;
    crew.start(&handles.purges, all.rules(&published.purges)).await?;
    crew.start(&handles.entries, all.rules(&published.routing)).await?;
    crew.start(&handles.issuer, all.issuer()?).await?;
    crew.start(&handles.users, all.registrar()).await?;
    crew.start(&handles.login_throttle, all.doorkeeper()).await?;
    let (traffic_counter, stored) = all.traffic_counter();
    crew.start(&handles.audit, audit_writer::Blueprint { stored, ..base.audit.clone() }).await?;
    crew.start(&handles.traffic, traffic_counter).await?;
    crew.start(&handles.announcements, all.announcer()).await?;
    crew.start(&handles.ledger, all.ledger()).await?;
    crew.start(&handles.lender, all.lender()).await?;
    crew.start(&handles.outside_keys, all.key_fetcher(sources)).await?;
    Ok(crew)
}

/// What blueprints are made of.
struct Assembly<'a> {
    config: &'a Config,
    base: &'a Foundation,
    handles: &'a Handles,
    published: &'a Published,
}

impl Assembly<'_> {
    fn store(&self) -> Store {
        self.base.store.clone()
    }

    fn clock(&self) -> Clock {
        self.base.clock.clone()
    }

    fn chain(&self) -> Arc<str> {
        Arc::clone(&self.base.chain)
    }

    fn notary(&self) -> notary::Blueprint {
        notary::Blueprint {
            store: self.store(),
            chain: self.chain(),
            clock: self.clock(),
            key: Arc::clone(&self.base.checkpoint_key),
            file: audit::checkpoint_file(self.config),
            retention_days: self.config.audit.retention_days,
        }
    }

    fn rules<R: Rules>(&self, book: &Snapshot<R::Book>) -> regulator::Blueprint<R> {
        regulator::Blueprint { store: self.store(), clock: self.clock(), book: book.clone() }
    }

    fn issuer(&self) -> Result<token_issuer::Blueprint, StartError> {
        let keys = Keys {
            store: self.store(),
            clock: self.clock(),
            auth: self.config.auth.clone(),
            master: Arc::clone(&self.base.master),
            hmac: self.config.hmac_secrets()?,
        };
        let (verifier, revocations) = (self.published.verifier.clone(), self.published.revocations.clone());
        Ok(token_issuer::Blueprint { keys, verifier, revocations })
    }

    fn registrar(&self) -> registrar::Blueprint {
        registrar::Blueprint {
            store: self.store(),
            clock: self.clock(),
            issuer: self.handles.issuer.clone(),
            directory: self.published.directory.clone(),
            api_keys: self.published.api_keys.clone(),
        }
    }

    fn doorkeeper(&self) -> doorkeeper::Blueprint {
        doorkeeper::Blueprint { clock: self.clock(), rules: self.config.auth.throttle() }
    }

    fn announcer(&self) -> announcer::Blueprint {
        announcer::Blueprint {
            store: self.store(),
            clock: self.clock(),
            owner: self.chain(),
            budgets: self.published.budgets.clone(),
            audit: self.handles.audit.clone(),
            webhook: self.base.webhook.clone(),
        }
    }

    fn ledger(&self) -> budget_ledger::Blueprint {
        budget_ledger::Blueprint {
            store: self.store(),
            clock: self.clock(),
            owner: self.chain(),
            budgets: self.published.budgets.clone(),
            announcements: self.handles.announcements.clone(),
            silence: Duration::from_secs(self.config.ledger.silence_s.into()),
        }
    }

    fn lender(&self) -> quota_lender::Blueprint {
        quota_lender::Blueprint {
            store: self.store(),
            redis: self.base.redis.clone(),
            clock: self.clock(),
            max_accounts: self.config.quota.max_subjects().saturating_mul(workers(self.config)),
            replica: Replica { name: self.chain(), silence: Duration::from_secs(self.config.ledger.silence_s.into()) },
        }
    }

    fn traffic_counter(&self) -> (traffic_counter::Blueprint, traffic_counter::Stored) {
        traffic_counter::Blueprint::new(self.store(), self.chain())
    }

    fn key_fetcher(&self, sources: Vec<key_fetcher::Source>) -> key_fetcher::Blueprint {
        key_fetcher::Blueprint { clock: self.clock(), sources, verifier: self.published.outside_verifier.clone() }
    }
}

/// What the keeper of each worker thread is built from.
pub(super) fn keeper(config: &Config, clock: Clock) -> quota_keeper::Blueprint {
    let with_redis = !config.redis.url.is_empty();
    quota_keeper::Blueprint { clock, max_subjects: config.quota.max_subjects(), with_redis }
}

/// How many worker threads serve requests.
pub(super) fn workers(config: &Config) -> usize {
    match config.server.workers {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        some => some.into(),
    }
}

/// Two batches: one that is being written, and one that is next.
fn max_unwaited(config: &Config) -> u64 {
    u64::from(config.audit.max_batch).saturating_mul(2)
}

pub(super) fn count(configured: u32) -> usize {
    usize::try_from(configured).unwrap_or(usize::MAX)
}
