//! The audit log: entries, the hash chain over them, and the record that one or two entries make.
//!
//! The log is append-only. A call whose whole answer is in hand leaves one entry; any other leaves a decision before it
//! is forwarded or answered, and an outcome when its last byte is out. Both carry the same `request_id`. Each entry is
//! one line of JSON whose exact bytes are stored and hashed: `hash = SHA-256(prev_hash ‖ entry)`.

use serde::{Deserialize, Serialize};
use std::net::IpAddr;

use super::{
    ids::{EntryId, RequestId, SessionId, UserId},
    money::Money,
    principal::{Credential, Role},
};

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
    #[must_use]
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
    #[must_use]
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subject {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trace_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_id: Option<UserId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credential: Option<Credential>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_id: Option<SessionId>,
    pub peer: Option<IpAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub forwarded_for: Option<String>,
    pub method: String,
    pub path: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub route: Option<String>,
}

/// What came of the call.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Findings {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decision: Option<Decision>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upstream: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upstream_status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration_us: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost_usd: Option<Money>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
    /// What an administrator changed: `{before, after}`, without secrets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub change: Option<serde_json::Value>,
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

/// A SHA-256 digest in the chain.
pub type Hash = [u8; 32];

/// The last link of a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    pub seq: u64,
    pub hash: Hash,
}

impl Head {
    /// What the first entry of a chain follows.
    pub const GENESIS: Self = Self { seq: 0, hash: [0; 32] };
}

/// An entry in its place, ready to be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    pub seq: u64,
    /// The canonical bytes: one line of JSON.
    pub entry: String,
    pub prev_hash: Hash,
    pub hash: Hash,
}

#[derive(Serialize)]
struct Canonical<'a> {
    chain: &'a str,
    seq: u64,
    id: EntryId,
    request_id: RequestId,
    time: jiff::Timestamp,
    stage: Stage,
    #[serde(flatten)]
    subject: Option<&'a Subject>,
    #[serde(flatten)]
    findings: &'a Findings,
}

/// An entry that cannot be put into words. It cannot happen with the types above, and must not be a panic if it does.
#[derive(Debug, thiserror::Error)]
#[error("an audit entry could not be written as JSON: {0}")]
pub struct Unwritable(#[from] serde_json::Error);

impl Head {
    /// The link that puts `draft` behind this head. `sha256` hashes the concatenation of its two arguments.
    pub fn link(&self, chain: &str, draft: &Draft, sha256: impl Fn(&[u8], &[u8]) -> Hash) -> Result<Link, Unwritable> {
        let seq = self.seq.saturating_add(1);
        let entry = serde_json::to_string(&Canonical {
            chain,
            seq,
            id: draft.id,
            request_id: draft.request_id,
            time: draft.time,
            stage: draft.stage,
            subject: draft.subject.as_ref(),
            findings: &draft.findings,
        })?;
        let hash = sha256(&self.hash, entry.as_bytes());
        Ok(Link { seq, entry, prev_hash: self.hash, hash })
    }
}

impl Link {
    /// The head after this link.
    #[must_use]
    pub const fn head(&self) -> Head {
        Head { seq: self.seq, hash: self.hash }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    fn fake_hash(a: &[u8], b: &[u8]) -> Hash {
        let mut out = [0u8; 32];
        for (i, byte) in a.iter().chain(b).enumerate() {
            out[i % 32] = out[i % 32].wrapping_mul(31).wrapping_add(*byte);
        }
        out
    }

    fn draft(reason: &str) -> Draft {
        Draft {
            id: EntryId(Uuid::from_u128(1)),
            request_id: RequestId(Uuid::from_u128(2)),
            time: jiff::Timestamp::UNIX_EPOCH,
            stage: Stage::Outcome,
            subject: None,
            findings: Findings { reason: Some(reason.into()), ..Findings::default() },
        }
    }

    #[test]
    fn each_link_follows_the_one_before_it() {
        let first = Head::GENESIS.link("c", &draft("a"), fake_hash).unwrap();
        let second = first.head().link("c", &draft("b"), fake_hash).unwrap();
        assert_eq!((first.seq, second.seq), (1, 2));
        assert_eq!(second.prev_hash, first.hash);
        assert_ne!(second.hash, first.hash);
    }

    #[test]
    fn an_entry_is_one_line_of_json_with_the_place_in_it() {
        let link = Head::GENESIS.link("c", &draft("a\nb\u{0}"), fake_hash).unwrap();
        assert!(!link.entry.contains('\n'));
        let value: serde_json::Value = serde_json::from_str(&link.entry).unwrap();
        assert_eq!(value["seq"], 1);
        assert_eq!(value["reason"], "a\nb\u{0}");
        assert_eq!(value["stage"], "outcome");
    }
}
