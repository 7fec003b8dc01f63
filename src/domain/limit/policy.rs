//! A limit policy, and the words of its fields.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    rate::{Rate, Refill},
    subject::{Per, Subject},
};
use crate::domain::{calendar::Calendar, ids::LimitId};

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
    /// The most calls under way at a time.
    Concurrent(u64),
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

/// A limit, on the routes it names, for each subject of its kind or for one of them alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    pub id: LimitId,
    pub name: Arc<str>,
    pub routes: RouteSet,
    pub per: Per,
    /// The one subject that it applies to, in place of the general policy of the same name.
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

/// The routes that a policy applies to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RouteSet {
    All,
    Named(Vec<String>),
}

impl RouteSet {
    /// Whether the route of this name is one of them.
    #[must_use]
    pub fn contains(&self, route: &str) -> bool {
        match self {
            Self::All => true,
            Self::Named(names) => names.iter().any(|name| name == route),
        }
    }
}

impl RouteSet {
    /// Whether both name the same routes, in whatever order.
    fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::All, Self::All) => true,
            (Self::Named(names), Self::Named(others)) => {
                names.len() == others.len() && names.iter().all(|name| others.contains(name))
            }
            _ => false,
        }
    }
}

impl Policy {
    /// Whether both allow the same, whatever each was written like.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        let apart_from_routes = |policy: &Self| Self { routes: RouteSet::All, ..policy.clone() };
        self.routes.is_same(&other.routes) && apart_from_routes(self) == apart_from_routes(other)
    }

    /// Whether this policy decides as another one does: it has its name and its subjects, counts the same calls, and allows as
    /// much.
    #[must_use]
    pub fn decides_as(&self, other: &Self) -> bool {
        let of = |policy: &Self| (policy.per, policy.subject, policy.unit, policy.allowance);
        self.name == other.name && self.routes == other.routes && of(self) == of(other)
    }

    /// What may be taken at once from a bucket that is full.
    pub const fn most_at_once(&self) -> u64 {
        match self.allowance {
            Allowance::Rate(rate) => rate.burst(),
            Allowance::Concurrent(slots) => slots,
        }
    }

    /// Where what was used is kept, on a gateway with or without a Redis.
    #[must_use]
    pub const fn home(&self, with_redis: bool) -> Home {
        match (self.allowance, self.per) {
            (Allowance::Rate(rate), _) if is_durable(rate) => Home::Store,
            _ if with_redis => Home::Redis,
            (_, Per::User | Per::Key) => Home::Keeper,
            (_, Per::Global | Per::Team | Per::Address) => Home::Process,
        }
    }

    /// The number that `limit` of the policy says.
    pub const fn limit(&self) -> u64 {
        match self.allowance {
            Allowance::Rate(rate) => rate.limit(),
            Allowance::Concurrent(slots) => slots,
        }
    }

    /// The length of its window. That of a calendar is not always as long, and calls under way have none.
    pub const fn window_s(&self) -> Option<u64> {
        match self.allowance {
            Allowance::Rate(rate) => match rate.refill() {
                Refill::Steady { window_s } => Some(window_s),
                Refill::Calendar(_) => None,
            },
            Allowance::Concurrent(_) => None,
        }
    }

    /// The calendar whose windows it counts.
    pub const fn calendar(&self) -> Option<Calendar> {
        match self.allowance {
            Allowance::Rate(rate) => match rate.refill() {
                Refill::Steady { .. } => None,
                Refill::Calendar(calendar) => Some(calendar),
            },
            Allowance::Concurrent(_) => None,
        }
    }
}

/// Whether what was used outlives the process: every calendar window is longer than an hour.
const fn is_durable(rate: Rate) -> bool {
    match rate.refill() {
        Refill::Steady { window_s } => window_s >= DURABLE_WINDOW_S,
        Refill::Calendar(_) => true,
    }
}
