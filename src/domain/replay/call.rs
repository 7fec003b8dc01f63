//! What a request asks of a rule: as whom, for how much, and what became of it.

use std::collections::HashSet;

use jiff::Timestamp;
use uuid::Uuid;

use super::{
    nanoseconds,
    request::{From, Request},
};
use crate::domain::{
    audit::Decision,
    limit::{Per, Subject},
};

/// Why a record cannot be replayed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Unknown {
    Erased,
    Address,
    Tokens,
    Hold,
    End,
    Unreadable,
}

impl Unknown {
    /// The reason in a report.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Erased => "address-erased",
            Self::Address => "address-unknown",
            Self::Tokens => "tokens-unknown",
            Self::Hold => "hold-unknown",
            Self::End => "end-unknown",
            Self::Unreadable => "unreadable",
        }
    }
}

/// What a request asks of a rule.
pub(super) enum Asks {
    /// The rule does not apply to it, or nobody would have asked.
    Nothing,
    Unknown(Unknown),
    For {
        at_ns: u64,
        call: Call,
    },
}

/// A request that asks.
pub(super) struct Call {
    pub subject: Subject,
    /// Of a limit, its units; of a budget, pico-USD.
    pub amount: u64,
    /// When the request began.
    pub time: Timestamp,
    pub fate: Fate,
}

/// What became of a call for which there was room.
#[derive(Debug, Clone, Copy)]
pub(super) enum Fate {
    /// Another rule refused it: nothing is taken.
    RefusedElsewhere,
    Ended {
        at_ns: u64,
        /// Whether the call was sent. If not, rates get back what it took.
        reached: bool,
        /// What it took in the end, of tokens or of money, where that is known.
        took: Option<u64>,
    },
}

/// Whom a rule applies to: one subject, or each of a kind without those that have a rule of their own.
pub(super) struct Reach {
    pub per: Per,
    pub only: Option<Subject>,
    pub apart: HashSet<Subject>,
}

impl Reach {
    /// Whom a request counts as, if the rule applies to it. The error says why that is not known.
    pub(super) fn subject(&self, request: &Request) -> Result<Option<Subject>, Unknown> {
        let subject = match self.per {
            Per::Global => Some(Subject::EVERYBODY),
            Per::Team => request.team.map(|team| team.0.into()),
            Per::User => request.user.map(|user| user.0.into()),
            Per::Key => request.key.map(|key| Uuid::into(key.0)),
            Per::Address => match request.from {
                From::Network(network) => Some(network.into()),
                From::Erased => return Err(Unknown::Erased),
                From::Unknown => return Err(Unknown::Address),
            },
        };
        Ok(subject.filter(|subject| match self.only {
            Some(only) => *subject == only,
            None => !self.apart.contains(subject),
        }))
    }
}

pub(super) fn is_refused(request: &Request) -> bool {
    request.decision == Some(Decision::Refused)
}

/// When the call ended that had asked at this time, on the same clock.
pub(super) fn ended_ns(request: &Request, asked_ns: u64) -> u64 {
    let duration_ns = request.duration_us.unwrap_or(0).saturating_mul(1_000);
    let before_ns = asked_ns.saturating_sub(nanoseconds(request.time)).min(duration_ns);
    asked_ns.saturating_add(duration_ns.saturating_sub(before_ns))
}
