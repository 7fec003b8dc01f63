//! How many API keys a user may have, and how their secrets are replaced.

use jiff::Timestamp;

/// The most keys of a user that are neither revoked nor expired.
pub const MAX_LIVE_KEYS: u32 = 100;
/// The most keys of a user that are kept, with those that are revoked or expired and not deleted yet.
pub const MAX_KEPT_KEYS: u32 = 1_000;

/// The longest time for which a secret goes on beside the one that replaces it, in seconds: a week.
pub const MAX_OVERLAP_S: u32 = 604_800;

/// The secret that was replaced, while it is good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OldSecret {
    /// SHA-256.
    pub secret_hash: [u8; 32],
    pub until: Timestamp,
}
