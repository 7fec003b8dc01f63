//! Who goes first when an upstream has too little room.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How much calls on a route matter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Importance {
    Critical,
    #[default]
    Default,
    /// These are refused first.
    Sheddable,
}

impl Importance {
    /// How many of `limit` places such calls may take: all, or all but a quarter. Of a limit that is `measured`, which lies where
    /// calls begin to wait, a tenth is kept for critical ones as well.
    #[must_use]
    pub const fn share(self, limit: usize, measured: bool) -> usize {
        let kept = match self {
            Self::Default if measured => limit / 10,
            Self::Critical | Self::Default => 0,
            Self::Sheddable => limit / 4,
        };
        limit.saturating_sub(kept)
    }
}
