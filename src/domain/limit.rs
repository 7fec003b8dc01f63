//! Limit policies: who is limited, on which routes, and by how much.

pub mod rate;
pub mod spec;
mod words;

use std::{fmt, net::IpAddr, str::FromStr, sync::Arc};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{
    ids::{InvalidId, LimitId},
    network::Network,
};

use self::rate::Rate;
pub use self::{
    spec::{Misfit, Spec},
    words::UnknownWord,
};

/// Whose calls share one bucket of a policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Per {
    /// All calls.
    Global,
    Team,
    User,
    /// The API key a call came with; calls with another credential are not counted.
    Key,
    /// The network a call is believed to come from.
    Address,
}

/// What a policy counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Unit {
    /// Calls, each by the weight of its route.
    Requests,
    /// Tokens of a model, on metered routes.
    Tokens,
    /// Calls that are under way, each until the last byte of its answer.
    Concurrent,
}

/// Whether a policy refuses, or only says when it would.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    #[default]
    Enforce,
    Shadow,
}

/// What happens to calls while the store that replicas share a policy over is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnError {
    /// This replica admits its part of the limit by itself.
    #[default]
    AllowLocalShare,
    Deny,
}

/// How much a policy allows each subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Allowance {
    Rate(Rate),
    /// So many calls at a time.
    Places(u64),
}

/// A window of this many seconds or more outlives the process: what was used of it is kept in the store.
pub const DURABLE_WINDOW_S: u64 = 3_600;

/// Where what was used of a policy is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Home {
    /// With the keeper of the user, from which nobody else draws.
    Keeper,
    /// In the memory of this process; keepers lease from it.
    Process,
    /// In Redis; the keepers of all replicas lease from it.
    Redis,
    /// In the store; the keepers of all replicas lease from it, and it outlives them.
    Store,
}

/// One of those a policy counts separately: a user, a team, an API key, a network, or everybody. [`Per`] tells which.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Subject([u64; 2]);

impl Subject {
    pub const EVERYBODY: Self = Self([0, 0]);

    /// Reads the id of a subject of this kind, as it is written in a policy.
    pub fn parse(per: Per, text: &str) -> Result<Self, InvalidSubject> {
        match per {
            Per::Global => Err(InvalidSubject::Global),
            Per::Address => text.parse::<IpAddr>().map(|ip| Network::of(ip.to_canonical()).into()).map_err(Into::into),
            Per::Team | Per::User | Per::Key => Ok(super::ids::UserId::from_str(text)?.0.into()),
        }
    }
}

impl From<Uuid> for Subject {
    fn from(id: Uuid) -> Self {
        let (high, low) = id.as_u64_pair();
        Self([high, low])
    }
}

impl Subject {
    /// Its id, as two numbers.
    #[must_use]
    pub const fn words(self) -> [u64; 2] {
        self.0
    }
}

impl From<Subject> for Uuid {
    fn from(Subject([high, low]): Subject) -> Self {
        Self::from_u64_pair(high, low)
    }
}

impl From<Network> for Subject {
    fn from(network: Network) -> Self {
        Uuid::from_u128(network.bits()).into()
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [high, low] = self.0;
        write!(f, "{high:016x}{low:016x}")
    }
}

/// Why a text names no subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSubject {
    #[error("must be null: a limit per global has one bucket for everybody")]
    Global,
    #[error("not an IP address")]
    Address,
    #[error(transparent)]
    Id(#[from] InvalidId),
}

impl From<std::net::AddrParseError> for InvalidSubject {
    fn from(_: std::net::AddrParseError) -> Self {
        Self::Address
    }
}

/// A limit, on the routes it names, for each subject of its kind or for one of them alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    pub id: LimitId,
    pub name: Arc<str>,
    pub routes: RouteSet,
    pub per: Per,
    /// Whom alone it speaks of, in place of the general policy of the same name.
    pub subject: Option<Subject>,
    pub unit: Unit,
    pub allowance: Allowance,
    pub mode: Mode,
    pub on_error: OnError,
    /// The stamp of the book it stands in: of two replicas, the one with the larger has the newer policy.
    pub version: i64,
    /// From when on a bucket that nobody draws from refills at its rate: nanoseconds of the monotonic clock of this process.
    /// Zero: since before the process began.
    pub since_ns: u64,
}

/// The routes a policy speaks of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RouteSet {
    All,
    Named(Vec<String>),
}

impl RouteSet {
    #[must_use]
    pub fn contains(&self, route: &str) -> bool {
        match self {
            Self::All => true,
            Self::Named(names) => names.iter().any(|name| name == route),
        }
    }
}

impl Policy {
    /// What may be taken at once from a bucket that is full.
    #[must_use]
    pub const fn most_at_once(&self) -> u64 {
        match self.allowance {
            Allowance::Rate(rate) => rate.burst(),
            Allowance::Places(places) => places,
        }
    }

    /// Where what was used is kept, on a gateway with or without a Redis.
    #[must_use]
    pub const fn home(&self, with_redis: bool) -> Home {
        match (self.allowance, self.per) {
            (Allowance::Rate(rate), _) if rate.window_s() >= DURABLE_WINDOW_S => Home::Store,
            _ if with_redis => Home::Redis,
            (_, Per::User | Per::Key) => Home::Keeper,
            (_, Per::Global | Per::Team | Per::Address) => Home::Process,
        }
    }

    /// The number that `limit` of the policy says.
    #[must_use]
    pub const fn limit(&self) -> u64 {
        match self.allowance {
            Allowance::Rate(rate) => rate.limit(),
            Allowance::Places(places) => places,
        }
    }

    /// The length of its window; calls under way have none.
    #[must_use]
    pub const fn window_s(&self) -> Option<u64> {
        match self.allowance {
            Allowance::Rate(rate) => Some(rate.window_s()),
            Allowance::Places(_) => None,
        }
    }
}

/// How one policy stood when a call was decided; the numbers of `RateLimit` and of a 429.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    pub policy: Arc<Policy>,
    /// Whole units that are left now.
    pub remaining: u64,
    /// Nanoseconds until the bucket is full again; `None` for calls under way.
    pub full_in_ns: Option<u64>,
    /// Nanoseconds until this call would be admitted; `None` if this policy has room for it now.
    pub retry_after_ns: Option<u64>,
    /// Units that the call has taken; none if it was refused.
    pub taken: u64,
}

const NS_PER_S: u64 = 1_000_000_000;

impl Standing {
    /// Whole seconds, rounded up, until the bucket is full again; `None` for calls under way.
    #[must_use]
    pub fn reset_s(&self) -> Option<u64> {
        self.full_in_ns.map(|ns| ns.div_ceil(NS_PER_S))
    }

    /// The same where the call was given back what it had taken.
    #[must_use]
    pub fn given_back(&self) -> Self {
        let back_ns = if let Allowance::Rate(rate) = self.policy.allowance { rate.refill_ns(self.taken) } else { 0 };
        Self {
            remaining: self.remaining.saturating_add(self.taken).min(self.policy.most_at_once()),
            full_in_ns: self.full_in_ns.map(|ns| ns.saturating_sub(back_ns)),
            taken: 0,
            ..self.clone()
        }
    }

    /// Whole seconds, rounded up, until this call would be admitted.
    #[must_use]
    pub fn retry_after_s(&self) -> Option<u64> {
        self.retry_after_ns.map(|ns| ns.div_ceil(NS_PER_S))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_is_read_as_its_kind_is_written() {
        let id = "01890a5d-ac96-774b-bcce-b302099a8057";
        for per in [Per::User, Per::Team, Per::Key] {
            assert_eq!(Subject::parse(per, id).unwrap().to_string(), id.replace('-', ""));
            assert!(Subject::parse(per, "192.0.2.1").is_err());
        }
        let address = |text| Subject::parse(Per::Address, text);
        assert_eq!(address("2001:db8:1:2:3::4"), address("2001:db8:1:2::9"));
        assert_eq!(address("::ffff:192.0.2.1"), address("192.0.2.1"));
        assert_ne!(address("192.0.2.1"), address("192.0.2.2"));
        assert_eq!(address("nowhere"), Err(InvalidSubject::Address));
        assert_eq!(Subject::parse(Per::Global, id), Err(InvalidSubject::Global));
    }
}
