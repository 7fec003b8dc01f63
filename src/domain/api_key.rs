//! How many API keys a user may have.

/// The most keys of a user that are neither revoked nor expired.
pub const MAX_LIVE_KEYS: u32 = 100;
/// The most keys of a user that are kept, with those that are revoked or expired and not deleted yet.
pub const MAX_KEPT_KEYS: u32 = 1_000;
