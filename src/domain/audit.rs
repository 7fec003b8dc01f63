//! The audit log: entries, the hash chain over them, and the record that one or two entries make.
//!
//! The log is append-only. A call whose whole answer is in hand leaves one entry; any other leaves a decision before it
//! is forwarded or answered, and an outcome when its last byte is out. Both carry the same `request_id`. Each entry is
//! one line of JSON whose exact bytes are stored and hashed: `hash = SHA-256(prev_hash ‖ entry)`. What is personal lies
//! apart from the line and can be erased; the line holds a commitment to it (`chain`, `parts`).

pub mod act;
mod asked;
pub mod body;
mod chain;
pub mod checkpoint;
pub mod lines;
pub mod ocsf;
mod parts;
mod refused;
pub mod verify;

use serde::{Deserialize, Serialize};
use std::net::IpAddr;

use super::{
    ids::{EntryId, RequestId, SessionId, TeamId, UserId},
    money::Money,
    principal::{Credential, Role},
};

pub use asked::Asked;
pub use chain::{Head, Link, Unwritable};
pub use parts::{Salt, fields};
pub use refused::{Refused, RefusedByBudget, RefusedByLimit, WrongFields};

/// A SHA-256 digest in the chain.
pub type Hash = [u8; 32];

/// Which part of a record an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// The only entry of its record.
    Whole,
    Decision,
    Outcome,
}

impl Stage {
    /// The word in the log.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Whole => "whole",
            Self::Decision => "decision",
            Self::Outcome => "outcome",
        }
    }
}

/// Text that names no stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be whole, decision or outcome")]
pub struct UnknownStage;

impl std::str::FromStr for Stage {
    type Err = UnknownStage;

    fn from_str(text: &str) -> Result<Self, UnknownStage> {
        let all = [Self::Whole, Self::Decision, Self::Outcome];
        all.into_iter().find(|stage| stage.as_str() == text).ok_or(UnknownStage)
    }
}

/// What the gateway decided, or how the call failed after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Decision {
    Allowed,
    Refused,
    Failed,
}

impl Decision {
    /// The word in the log.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::Refused => "refused",
            Self::Failed => "failed",
        }
    }
}

/// Text that names no decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be allowed, refused or failed")]
pub struct UnknownDecision;

impl std::str::FromStr for Decision {
    type Err = UnknownDecision;

    fn from_str(text: &str) -> Result<Self, UnknownDecision> {
        let all = [Self::Allowed, Self::Refused, Self::Failed];
        all.into_iter().find(|decision| decision.as_str() == text).ok_or(UnknownDecision)
    }
}

/// How the answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// The last byte was handed to the connection.
    Complete,
    /// The client, the upstream or a timeout ended it early.
    Aborted,
    /// No outcome is on record.
    Unknown,
}

/// Who called and what for; known before anything is forwarded.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Subject {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trace_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_id: Option<UserId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// The team that the user was in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub team_id: Option<TeamId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credential: Option<Credential>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_id: Option<SessionId>,
    pub peer: Option<IpAddr>,
    /// The client's address, where trusted proxies name another than the peer's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<IpAddr>,
    /// The subject of the certificate that the client showed (RFC 4514).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_certificate: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub forwarded_for: Option<String>,
    pub method: String,
    pub path: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub route: Option<String>,
}

/// How the templates of the URLs begin that name a user in their path.
const BY_USERNAME: &str = "/admin/users/by-name/";

impl Subject {
    /// Whether the path names a user, who is mostly another than the caller: it is erased with that user.
    #[must_use]
    pub fn names_user(&self) -> bool {
        self.route.as_ref().is_some_and(|route| route.starts_with(BY_USERNAME))
    }
}

/// One try at an upstream: with the status of its answer, or in a word why there is none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Attempt {
    pub upstream: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// To the head of the answer, or until it was given up.
    pub duration_us: u64,
}

/// What came of the call.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Findings {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decision: Option<Decision>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The limits or budgets that refused, and what was left of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused: Option<Refused>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upstream: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upstream_status: Option<u16>,
    /// What was tried, in order, on a route with several targets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attempts: Option<Vec<Attempt>>,
    #[serde(flatten)]
    pub asked: Asked,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration_us: Option<u64>,
    /// The model that was asked, where it has a price or is configured: any other name is a text of the client's, which is not kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The model that served, as its upstream knows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub served_model: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost_usd: Option<Money>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
    /// What an administrator changed: `{before, after}`, without secrets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub change: Option<serde_json::Value>,
    /// The user that the request is about, if it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub about: Option<UserId>,
    /// The path, where it names the user that the request is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// What was done to the log itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub act: Option<act::Act>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bodies: Option<body::KeptBodies>,
    /// Where the request was wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fields: Option<WrongFields>,
}

/// An entry as the pipeline hands it over; the writer gives it its place in the chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    pub id: EntryId,
    pub request_id: RequestId,
    pub time: jiff::Timestamp,
    pub stage: Stage,
    /// Absent in an outcome: its decision has it.
    pub subject: Option<Subject>,
    pub findings: Findings,
}

impl Draft {
    /// The user who called, where the entry says so: with its bodies, or the fields that were wrong, an outcome does too.
    pub fn caller(&self) -> Option<UserId> {
        let of_subject = self.subject.as_ref().and_then(|subject| subject.user_id);
        let of_bodies = || self.findings.bodies.as_ref().and_then(|bodies| bodies.user_id);
        let of_fields = || self.findings.fields.as_ref().and_then(|fields| fields.user_id);
        of_subject.or_else(of_bodies).or_else(of_fields)
    }
}
