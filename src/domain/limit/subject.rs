//! Whom a policy counts separately.

use std::{
    fmt,
    net::{IpAddr, Ipv6Addr},
    str::FromStr,
};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::domain::{
    ids::{InvalidId, UserId},
    network::Network,
};

/// Whose calls share one bucket of a policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Per {
    /// All calls.
    Global,
    Team,
    User,
    /// The API key a call came with, or that its token was exchanged for; calls with another credential are not counted.
    Key,
    /// The network a call is believed to come from.
    Address,
}

impl Per {
    /// What one of its subjects is called.
    #[must_use]
    pub const fn noun(self) -> &'static str {
        match self {
            Self::Global => "subject",
            Self::Team => "team",
            Self::User => "user",
            Self::Key => "API key",
            Self::Address => "address",
        }
    }

    /// Whether a text is the name of a subject, and not its id. An address stands for itself.
    #[must_use]
    pub fn is_name(self, text: &str) -> bool {
        matches!(self, Self::Team | Self::User | Self::Key) && text.parse::<UserId>().is_err()
    }
}

/// One of those that a policy counts separately: a user, a team, an API key, a network, or everybody, by its [`Per`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Subject([u64; 2]);

impl Subject {
    /// The one subject of a global policy.
    pub const EVERYBODY: Self = Self([0, 0]);

    /// Reads the id of a subject of this kind, as it is written in a policy.
    pub fn parse(per: Per, text: &str) -> Result<Self, InvalidSubject> {
        match per {
            Per::Global => Err(InvalidSubject::Global),
            Per::Address => text.parse::<IpAddr>().map(|ip| Network::of(ip.to_canonical()).into()).map_err(Into::into),
            Per::Team | Per::User | Per::Key => Ok(UserId::from_str(text)?.0.into()),
        }
    }
}

impl Subject {
    /// As the outside names it: an id or an address; nothing where everybody is one.
    #[must_use]
    pub fn written(self, per: Per) -> Option<String> {
        match per {
            Per::Global => None,
            Per::Team | Per::User | Per::Key => Some(Uuid::from(self).as_hyphenated().to_string()),
            Per::Address => {
                let address = Ipv6Addr::from_bits(Uuid::from(self).as_u128()).to_canonical();
                Some(if address.is_ipv6() { format!("{address}/64") } else { address.to_string() })
            }
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

/// Why a text names no subject of a kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UnknownSubject {
    #[error("there is no {} with this name or id", .0.noun())]
    Nobody(Per),
    /// Of names of API keys `user/key` says which.
    #[error("is the name of several {}s{}", .0.noun(), if matches!(.0, Per::Key) { "; write user/key, or the id" } else { "" })]
    Several(Per),
}

impl From<std::net::AddrParseError> for InvalidSubject {
    fn from(_: std::net::AddrParseError) -> Self {
        Self::Address
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
