//! One request as its record has it: what limits and budgets need of it.

use std::net::IpAddr;

use jiff::Timestamp;
use serde::Deserialize;

use crate::domain::{
    audit::{Asked, Decision},
    ids::{ApiKeyId, EntryId, TeamId, UserId},
    money::Money,
    network::Network,
    principal::{Credential, CredentialKind},
    traffic::count::ALERT,
};

/// The lines of a record, as they are stored.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Lines {
    /// Its only entry, or its decision.
    pub opening: String,
    /// Of the opening, what can be erased.
    pub personal: Option<String>,
    pub outcome: Option<String>,
}

/// A record that is none.
#[derive(Debug, thiserror::Error)]
#[error("an entry is not what entries are: {0}")]
pub struct Unreadable(#[from] serde_json::Error);

/// One request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Of its first entry.
    pub id: EntryId,
    /// When it began.
    pub time: Timestamp,
    pub user: Option<UserId>,
    pub team: Option<TeamId>,
    pub key: Option<ApiKeyId>,
    pub from: From,
    /// The route of its upstream; none where it was for the gateway itself, or for nothing.
    pub route: Option<String>,
    /// As it was asked for, and as the upstream that served knows it.
    pub models: [Option<String>; 2],
    pub decision: Option<Decision>,
    /// The code of a refusal.
    pub code: String,
    /// The limits or the budgets that refused it.
    pub refused_by: Vec<String>,
    pub asked: Asked,
    /// The tokens that it took, where that is known.
    pub tokens: Option<u64>,
    pub cost: Option<Money>,
    /// To the last byte of its answer; none where its end is not on record.
    pub duration_us: Option<u64>,
}

/// Where a request came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum From {
    Network(Network),
    Erased,
    /// Behind a trusted proxy, in a record from before the client's address was kept.
    Unknown,
}

#[derive(Deserialize)]
struct Line {
    id: EntryId,
    time: Timestamp,
    user_id: Option<UserId>,
    team_id: Option<TeamId>,
    credential: Option<Credential>,
    method: Option<String>,
    route: Option<String>,
    decision: Option<Decision>,
    reason: Option<String>,
    model: Option<String>,
    served_model: Option<String>,
    input_tokens: Option<u64>,
    output_tokens: Option<u64>,
    cost_usd: Option<Money>,
    duration_us: Option<u64>,
    limited_at: Option<Timestamp>,
    weight: Option<u64>,
    reserved_at: Option<Timestamp>,
    estimated_tokens: Option<u64>,
    hold_usd: Option<Money>,
    refunded: Option<bool>,
    personal_sha256: Option<String>,
    /// In entries from before there were parts that can be erased.
    peer: Option<IpAddr>,
    forwarded_for: Option<String>,
}

#[derive(Deserialize)]
struct Personal {
    peer: Option<IpAddr>,
    client: Option<IpAddr>,
    forwarded_for: Option<String>,
}

impl Request {
    /// Reads a record; nothing if it is of no request.
    ///
    /// # Errors
    /// A line is no JSON, or not that of an entry.
    pub fn read(lines: &Lines) -> Result<Option<Self>, Unreadable> {
        let mut line: Line = serde_json::from_str(&lines.opening)?;
        if line.method.as_deref().is_none_or(|method| method == ALERT) {
            return Ok(None);
        }
        let from = line.from(lines.personal.as_deref())?;
        if let Some(outcome) = &lines.outcome {
            line.lay_over(serde_json::from_str(outcome)?);
        }
        Ok(Some(line.request(from)))
    }

    /// Whether the limits that count calls were asked about it. Records from before it stood there are taken by how they ended.
    #[must_use]
    pub fn came_to_limits(&self) -> bool {
        self.asked.limited_at.is_some() || self.is_from_before()
    }

    /// Whether a limit or a budget of another name refused it too, or alone.
    #[must_use]
    pub fn is_refused_by_others(&self, name: &str) -> bool {
        self.refused_by.iter().any(|other| other != name)
    }

    /// A record without what was asked, of a call that must have asked.
    fn is_from_before(&self) -> bool {
        let (code, is_known) = (self.code.as_str(), self.user.is_some() && self.route.is_some());
        let by_end = match self.decision {
            Some(Decision::Allowed) => true,
            Some(Decision::Failed) => matches!(code, "upstream-failed" | "upstream-timeout"),
            Some(Decision::Refused) => matches!(code, "quota-exceeded" | "budget-exhausted" | "unpriced-model"),
            None => false,
        };
        self.asked == Asked::default() && is_known && by_end
    }
}

impl Line {
    fn from(&self, personal: Option<&str>) -> Result<From, serde_json::Error> {
        let part = match personal {
            Some(part) => serde_json::from_str(part)?,
            None if self.personal_sha256.is_some() => return Ok(From::Erased),
            None => Personal { peer: self.peer, client: None, forwarded_for: self.forwarded_for.clone() },
        };
        let Personal { peer, client, forwarded_for } = part;
        Ok(match client.or(peer) {
            Some(_) if client.is_none() && forwarded_for.is_some() => From::Unknown,
            address => From::Network(address.map_or(Network::UNKNOWN, Network::of)),
        })
    }

    /// Lays the outcome over the decision.
    fn lay_over(&mut self, later: Self) {
        macro_rules! lay {
            ($($field:ident)*) => {
                $(if later.$field.is_some() {
                    self.$field = later.$field;
                })*
            };
        }
        lay! {
            decision reason model served_model input_tokens output_tokens cost_usd duration_us limited_at weight
            reserved_at estimated_tokens hold_usd refunded
        }
    }

    fn request(self, from: From) -> Request {
        let key = self.credential.filter(|credential| credential.kind == CredentialKind::ApiKey);
        let reason = self.reason.unwrap_or_default();
        let (code, names) = reason.split_once(": ").unwrap_or((&reason, ""));
        let by_policies = matches!(code, "quota-exceeded" | "budget-exhausted");
        let names = names.split(", ").filter(|name| by_policies && !name.is_empty());
        Request {
            id: self.id,
            time: self.time,
            user: self.user_id,
            team: self.team_id,
            key: key.and_then(|key| key.id.parse().ok()),
            from,
            // The gateway's own URLs stand there as templates.
            route: self.route.filter(|route| !route.starts_with('/')),
            models: [self.model, self.served_model],
            decision: self.decision,
            refused_by: names.map(str::to_owned).collect(),
            code: code.to_owned(),
            asked: Asked {
                limited_at: self.limited_at,
                weight: self.weight,
                reserved_at: self.reserved_at,
                estimated_tokens: self.estimated_tokens,
                hold_usd: self.hold_usd,
                refunded: self.refunded,
            },
            tokens: self.input_tokens.zip(self.output_tokens).map(|(input, output)| input.saturating_add(output)),
            cost: self.cost_usd,
            duration_us: self.duration_us,
        }
    }
}
