//! Response caching by RFC 9111: which answers may be kept, how long they are fresh, and what they answer.
//!
//! Pure rules over header fields; times are milliseconds of the store's clock, which replicas share. `cache` keeps the
//! answers and `pipeline::cache` asks. The gateway is a shared cache: `private` is never kept, `s-maxage` and
//! `proxy-revalidate` count.
//!
//! **Why these rules are here and not in a crate.** The one policy crate (`http-cache-semantics` 3.0, for RFC 7234,
//! passively maintained) compares directives by case, so that `No-Store` is kept; panics where `Age` is near 2^64; keeps
//! one line of each field; adds nothing that a 304 has new; and knows neither `stale-while-revalidate` nor
//! `stale-if-error`.
//!
//! **How RFC 9111 §3.5 is read.** A client's `Authorization` is the gateway's own: it ends here and is never forwarded, and
//! what an upstream is sent in its place is the same for everybody. So §3.5 bars nothing; who may share an answer is said
//! by the route ([`Sharing`]), and credentials that do pass on (a `Cookie`, an `api-key`) are part of the key.

pub mod conditional;
mod directives;
mod fields;
mod freshness;
mod keeping;
mod kept;
mod range;
mod status;
mod variant;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::{
    directives::Wishes,
    freshness::Times,
    keeping::{Asking, may_keep},
    kept::{Kept, Use},
    range::{Part, part_of},
    status::{CacheStatus, Why},
    variant::Vary,
};

/// What a route says of keeping answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caching {
    /// For how long an answer is fresh of which its upstream does not say.
    pub ttl_s: u32,
    pub per: Sharing,
    /// Whether answers to POST are kept, on routes to models.
    pub posts: bool,
}

/// Who may be given the same answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Sharing {
    /// The user whose call it was.
    #[default]
    User,
    /// Whoever calls with the same API key; of calls without one, the same user.
    Key,
    /// The team of the user; of a user without one, the user.
    Team,
    /// All who may call the route.
    Global,
}
