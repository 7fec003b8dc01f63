//! Typed identifiers. All are UUIDv7 (RFC 9562 §5.7), so they sort by the time they were made.

use std::{fmt, str::FromStr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
        )]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl $name {
            /// Its text, as `to_string` gives it, without the cost of formatting: records have many.
            #[must_use]
            pub fn text(self) -> String {
                String::from(self.0.as_hyphenated().encode_lower(&mut Uuid::encode_buffer()))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.as_hyphenated().fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            /// Only the canonical hyphenated form is an id; anything else would give one object two names.
            fn from_str(text: &str) -> Result<Self, InvalidId> {
                let id = Uuid::try_parse(text).map_err(|_| InvalidId)?;
                (*id.as_hyphenated().encode_lower(&mut Uuid::encode_buffer()) == *text).then_some(Self(id)).ok_or(InvalidId)
            }
        }
    };
}

id!(
    /// A user of the gateway.
    UserId
);
id!(
    /// One login, from its first token to its revocation; also called a refresh family.
    SessionId
);
id!(
    /// One access token (`jti`).
    TokenId
);
id!(
    /// One API key: the part of it that is no secret.
    ApiKeyId
);
id!(
    /// One entry of the audit log.
    EntryId
);
id!(
    /// One request: `X-Request-Id`, the `instance` of a problem, and the joint of an audit record's entries.
    RequestId
);
id!(
    /// A group of users.
    TeamId
);

id!(
    /// A limit policy.
    LimitId
);
id!(
    /// A budget.
    BudgetId
);
id!(
    /// An alert about a budget.
    AlertId
);

/// Text that is not a lower-case, hyphenated UUID.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be an id: a lower-case UUID such as 01890a5d-ac96-774b-bcce-b302099a8057")]
pub struct InvalidId;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_canonical_text_of_an_id_is_read() {
        let canonical = "01890a5d-ac96-774b-bcce-b302099a8057";
        let id: UserId = canonical.parse().unwrap();
        assert_eq!((id.to_string(), id.text()), (canonical.into(), canonical.into()));
        for other in ["01890A5D-AC96-774B-BCCE-B302099A8057", "01890a5dac96774bbcceb302099a8057", "", "x", "1"] {
            assert_eq!(other.parse::<UserId>(), Err(InvalidId), "{other}");
        }
    }
}
