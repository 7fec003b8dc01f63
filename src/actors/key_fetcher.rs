//! `KeyFetcher`: owns the keys of the trusted outside issuers and publishes them for the hot path to read.
//!
//! It fetches each issuer's key set at start, without making the start wait, and again in every period. When that fails
//! the old keys stay, and it tries again after ever longer pauses. `authenticate` asks it about a key that nobody knows
//! here: that starts a fetch at most once in ten seconds ([`schedule`]), so tokens with made-up keys cannot cause more, and
//! never two at once to one issuer. It never looks at a token, and no address is ever called but the configured ones and the
//! one that the document of a configured issuer names.

mod schedule;

use std::{collections::HashMap, convert::Infallible, sync::Arc, time::Duration};

use actix::{Actor, ActorFutureExt, AsyncContext, Context, Handler, WrapFuture};

use self::schedule::Schedule;
use super::{
    handle::{Ask, Handle, Reply, Request},
    roster::Roster,
    supervisor::{Lifeline, Starts, supervise},
};
use crate::{
    clock::Clock,
    credentials::jwt::outside::{Discovered, Endpoints, KeySet, NotAKeySet, NotDiscovered, OutsideVerifier},
    snapshot::Snapshot,
    upstream::jwks::{FetchError, JwksClient},
};

/// How long a request waits for a key that nobody knows here.
const PATIENCE: Duration = Duration::from_secs(2);
/// How often the schedules are looked at.
const TICK: Duration = Duration::from_millis(100);

/// Where the keys of an issuer are.
#[derive(Debug, Clone)]
pub struct Source {
    pub issuer: Arc<str>,
    pub address: Address,
    /// The way there.
    pub client: JwksClient,
    /// How long its keys are good for before they are fetched again.
    pub ttl: Duration,
}

/// How the keys of an issuer are found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// The key set is at this URL.
    Keys(String),
    /// The document at this URL says where the key set is (`OpenID` Connect Discovery §4).
    Discovery(String),
}

/// Asks for keys of this issuer that are newer than those it had when it had been fetched so often. Answered when the keys
/// are as new as they may be made now.
struct LookAgain {
    issuer: Arc<str>,
    fetched: u64,
}

impl Request for LookAgain {
    type Answer = ();
}

/// The actor: owns the key sets of the outside issuers and the schedule of their fetches.
pub struct KeyFetcher {
    clock: Clock,
    verifier: Snapshot<OutsideVerifier>,
    issuers: HashMap<Arc<str>, Issuer>,
    _lifeline: Lifeline,
}

struct Issuer {
    source: Source,
    schedule: Schedule,
    /// The callers that wait for the end of the present fetch. Each holds a permit, which bounds their number.
    waiting: Vec<Reply<()>>,
    /// Whether the last fetch brought keys; a change is logged, not every try.
    works: Option<bool>,
}

impl Actor for KeyFetcher {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Self::Context) {
        self.fetch_due(context);
        context.run_interval(TICK, Self::fetch_due);
    }
}

impl Handler<Ask<LookAgain>> for KeyFetcher {
    type Result = ();

    fn handle(&mut self, Ask { request, reply }: Ask<LookAgain>, context: &mut Self::Context) {
        // A fetch may have ended since it was asked for.
        if self.verifier.read().fetched(&request.issuer) > request.fetched {
            return reply.answer(());
        }
        let now_ns = self.clock.monotonic_ns();
        let Some(issuer) = self.issuers.get_mut(&request.issuer) else { return reply.answer(()) };
        let begins = issuer.schedule.begin_asked(now_ns);
        if !issuer.schedule.is_fetching() {
            return reply.answer(());
        }
        issuer.waiting.push(reply);
        if begins {
            self.fetch(&request.issuer, context);
        }
    }
}

impl KeyFetcher {
    fn fetch_due(&mut self, context: &mut Context<Self>) {
        let now_ns = self.clock.monotonic_ns();
        let due =
            self.issuers.iter_mut().filter_map(|(name, issuer)| issuer.schedule.begin_due(now_ns).then_some(name));
        for issuer in due.cloned().collect::<Vec<_>>() {
            self.fetch(&issuer, context);
        }
    }

    /// Fetches the keys of an issuer whose schedule says that a fetch has begun.
    fn fetch(&mut self, name: &Arc<str>, context: &mut Context<Self>) {
        let Some(issuer) = self.issuers.get(name) else { return };
        let (source, name) = (issuer.source.clone(), Arc::clone(name));
        let fetch = async move { source.fetch().await };
        context.spawn(fetch.into_actor(self).map(move |fetched, fetcher, _| fetcher.take(&name, fetched)));
    }

    fn take(&mut self, name: &str, read: Result<Fetched, Failure>) {
        let now_ns = self.clock.monotonic_ns();
        let Some(issuer) = self.issuers.get_mut(name) else { return };
        issuer.schedule.end(read.is_ok(), now_ns);
        issuer.log(&read);
        let waiting = std::mem::take(&mut issuer.waiting);
        if let Ok(Fetched { keys, endpoints }) = read {
            let verifier = OutsideVerifier::clone(&self.verifier.read());
            self.verifier.publish(verifier.with_keys(name, keys).with_endpoints(name, endpoints));
        }
        for reply in waiting {
            reply.answer(());
        }
    }
}

/// What an issuer publishes.
struct Fetched {
    keys: KeySet,
    /// Where people sign in, if its discovery document was read and says so.
    endpoints: Option<Endpoints>,
}

impl Source {
    /// What is published now.
    async fn fetch(&self) -> Result<Fetched, Failure> {
        let (url, endpoints) = match &self.address {
            Address::Keys(url) => (url.clone(), None),
            Address::Discovery(url) => {
                let found = Discovered::read(&self.client.fetch(url).await?, &self.issuer)?;
                (found.jwks_uri, found.endpoints)
            }
        };
        Ok(Fetched { keys: KeySet::read(&self.client.fetch(&url).await?)?, endpoints })
    }
}

/// Why there are no new keys.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Fetch(#[from] FetchError),
    #[error(transparent)]
    Discovery(#[from] NotDiscovered),
    #[error(transparent)]
    Read(#[from] NotAKeySet),
}

impl Issuer {
    fn new(source: Source) -> Self {
        let schedule = Schedule::new(source.ttl);
        Self { source, schedule, waiting: vec![], works: None }
    }

    fn log(&mut self, read: &Result<Fetched, Failure>) {
        let issuer = &*self.source.issuer;
        match (read, self.works.replace(read.is_ok())) {
            (Ok(_), Some(true)) | (Err(_), Some(false)) => {}
            (Ok(Fetched { keys, .. }), _) if keys.is_empty() => {
                tracing::error!(issuer, "the key set of an outside issuer has no key that can be used here");
            }
            (Ok(Fetched { keys, .. }), _) => {
                tracing::info!(issuer, keys = keys.len(), "the keys of an outside issuer were fetched");
            }
            (Err(error), _) => {
                tracing::error!(issuer, %error, "the keys of an outside issuer cannot be fetched; the old ones stay");
            }
        }
    }
}

/// What the fetcher is built from, again after each restart.
#[derive(Clone)]
pub struct Blueprint {
    pub clock: Clock,
    pub sources: Vec<Source>,
    pub verifier: Snapshot<OutsideVerifier>,
}

/// The fetcher's handle.
#[derive(Clone)]
pub struct OutsideKeys(Handle<KeyFetcher>);

impl Starts for OutsideKeys {
    type Blueprint = Blueprint;
    type Error = Infallible;

    /// Starts the fetcher on this arbiter and keeps it running. Fetches nothing before it returns.
    async fn start_here(&self, roster: &Roster, blueprint: Blueprint) -> Result<(), Infallible> {
        let build = move |lifeline| {
            let Blueprint { clock, sources, verifier } = blueprint.clone();
            let named = |source: Source| (Arc::clone(&source.issuer), Issuer::new(source));
            let issuers = sources.into_iter().map(named).collect();
            let fetcher = KeyFetcher { clock, verifier, issuers, _lifeline: lifeline };
            async move { Ok::<_, Infallible>(fetcher) }
        };
        supervise(roster, self.0.clone(), build).await
    }
}

impl OutsideKeys {
    /// A handle to the fetcher of the issuers whose tokens are accepted; it does not run yet.
    #[must_use]
    pub fn new(max_in_flight: usize) -> Self {
        Self(Handle::new("key_fetcher", max_in_flight, PATIENCE))
    }

    /// A handle to the fetcher of the provider at which people sign in; it does not run yet.
    #[must_use]
    pub fn of_provider(max_in_flight: usize) -> Self {
        Self(Handle::new("provider_key_fetcher", max_in_flight, PATIENCE))
    }

    /// Returns when the issuer's keys have been fetched more than `fetched` times, or are as new as they may be made now, and
    /// after two seconds in any case.
    pub async fn look_again(&self, issuer: Arc<str>, fetched: u64) {
        if let Err(error) = self.0.ask(LookAgain { issuer, fetched }).await {
            tracing::debug!(%error, "the keys of an outside issuer stay as they are");
        }
    }

    /// The typed handle under this one.
    pub const fn handle(&self) -> &Handle<KeyFetcher> {
        &self.0
    }
}
