//! `Cache-Status` (RFC 9211): how the cache has handled a request.

use std::fmt;

/// Why a request goes to its upstream, by the names of RFC 9211 §2.2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// Nothing is kept.
    Miss,
    /// Something is kept, but not for what this request selects by `Vary`.
    VaryMiss,
    /// What is kept is stale.
    Stale,
    /// What is kept is fresh, and the client wants it confirmed.
    Request,
    /// The route keeps no answers to such requests.
    Bypass,
}

impl Why {
    /// The name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Miss => "miss",
            Self::VaryMiss => "vary-miss",
            Self::Stale => "stale",
            Self::Request => "request",
            Self::Bypass => "bypass",
        }
    }
}

/// How a request was handled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CacheStatus {
    /// By what is kept, without its upstream. It is fresh for `ttl_s` more; negative: it was served although stale.
    Hit { ttl_s: i64 },
    /// By what is kept, because the upstream failed.
    HitOnError { ttl_s: i64 },
    Forwarded {
        why: Why,
        /// What the upstream answered, where the client is answered otherwise.
        upstream_status: Option<u16>,
        /// Whether the answer is kept, as far as its head tells.
        stored: bool,
    },
}

impl CacheStatus {
    /// In one word, for the metrics.
    #[must_use]
    pub const fn result(self) -> &'static str {
        match self {
            Self::Hit { ttl_s } if ttl_s < 0 => "hit-stale",
            Self::Hit { .. } => "hit",
            Self::HitOnError { .. } => "hit-on-error",
            Self::Forwarded { upstream_status: Some(304), .. } => "confirmed",
            Self::Forwarded { why, .. } => why.as_str(),
        }
    }
}

impl fmt::Display for CacheStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("tollgate")?;
        match self {
            Self::Hit { ttl_s } => write!(f, "; hit; ttl={ttl_s}"),
            Self::HitOnError { ttl_s } => write!(f, "; hit; ttl={ttl_s}; detail=stale-if-error"),
            Self::Forwarded { why, upstream_status, stored } => {
                write!(f, "; fwd={}", why.as_str())?;
                if let Some(status) = upstream_status {
                    write!(f, "; fwd-status={status}")?;
                }
                if *stored { f.write_str("; stored") } else { Ok(()) }
            }
        }
    }
}
