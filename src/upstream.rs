//! Outgoing HTTP: the one way a call leaves the gateway.
//!
//! Owns the vocabulary of a forwarded call (what goes out, what comes back, how it can fail), the client that carries it,
//! the header rules of an intermediary and the two built-in upstreams. The pipeline's forward step calls
//! [`Client::send`]; nobody else does. [`jwks`] is the other way out: the keys of outside issuers; [`webhook`] is what the
//! gateway itself has to say, [`Post`] sends its traces and the questions of its commands. [`meter`] bounds and reads what a call to a model takes. It never decides who may call, never
//! sends a request twice of its own accord, never rewrites a path, never reads a clock, and never writes a header value or a body to a log.

pub mod answer_body;
pub mod client;
pub mod echo;
pub mod headers;
mod idle;
pub mod in_flight;
pub mod jwks;
pub mod llm;
pub mod outgoing_body;
pub mod own_tls;
mod post;
mod reason;
pub mod switched;
pub mod target;
mod upload;
pub mod webhook;

use std::{error::Error, net::IpAddr, sync::Arc};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, Version};

pub use self::{
    answer_body::{AnswerStream, Relayed, StreamError},
    client::Client,
    headers::Secret,
    in_flight::{InFlight, Permit},
    outgoing_body::{BodySender, OutgoingBody, UpstreamGone},
    own_tls::{NoTls, OwnTls},
    post::Post,
    reason::Reason,
    switched::{Switch, Switched},
    target::{Base, Kind, Target, TargetError, Unforwardable},
    upload::BodyAborted,
};

use crate::domain::importance::Importance;

/// What went wrong below this module, for the log; never for a client.
pub type Cause = Box<dyn Error + Send + Sync>;

/// The longest body that is kept to be sent again.
pub const MAX_KEPT_BYTES: usize = 1 << 20;

/// A call as the pipeline hands it over: the client's own, before any header rule was applied.
#[derive(Debug)]
pub struct Outgoing {
    pub method: Method,
    /// Exactly the bytes the client sent, after the caller took a `strip_prefix` off: begins with `/`, or is empty or a
    /// query where that left nothing of the path.
    pub path_and_query: String,
    pub headers: HeaderMap,
    pub body: OutgoingBody,
    /// Sent as `X-Request-Id`, in place of any the client made up.
    pub request_id: String,
    /// `None` where the gateway calls for itself.
    pub original: Option<Original>,
    /// Seconds since the Unix epoch; the built-in model stamps its answers with it.
    pub unix_time_s: i64,
    /// Who goes first where there is too little room.
    pub importance: Importance,
}

/// What the client's side of the call looked like, for `X-Forwarded-*`.
#[derive(Debug, Clone)]
pub struct Original {
    pub host: Option<HeaderValue>,
    pub client_address: IpAddr,
    pub scheme: &'static str,
    /// In which the client sent it.
    pub version: Version,
    /// The `X-Forwarded-For` chain, if a trusted proxy sent it; `None` otherwise.
    pub forwarded_for: Option<String>,
    /// Who calls, where the upstream is to know.
    pub identity: Option<Identity>,
}

/// A caller, for `X-Tollgate-*`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    pub username: Arc<str>,
    /// The name of the user's team.
    pub team: Option<Arc<str>>,
    pub role: &'static str,
    /// The id of the API key that the call came with, or that its token was exchanged for.
    pub key: Option<String>,
}

/// An upstream's final answer, its headers already fit for the client.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub reason: Reason,
    /// `Content-Length` is here if the upstream stated it, also for HEAD and 304, where no body follows.
    pub headers: HeaderMap,
    pub body: AnswerBody,
}

/// The content of an [`Answer`].
#[derive(Debug)]
pub enum AnswerBody {
    Whole(Bytes),
    Stream(AnswerStream),
}

impl Outgoing {
    /// The same call once more, unless its body is too long to be kept, or passes by.
    pub fn again(&self) -> Option<Self> {
        let body = match &self.body {
            OutgoingBody::Empty => OutgoingBody::Empty,
            OutgoingBody::Whole(bytes) if bytes.len() <= MAX_KEPT_BYTES => OutgoingBody::Whole(bytes.clone()),
            OutgoingBody::Whole(_) | OutgoingBody::Stream(_) => return None,
        };
        Some(Self {
            method: self.method.clone(),
            path_and_query: self.path_and_query.clone(),
            headers: self.headers.clone(),
            body,
            request_id: self.request_id.clone(),
            original: self.original.clone(),
            unix_time_s: self.unix_time_s,
            importance: self.importance,
        })
    }
}

impl AnswerBody {
    /// Bytes that will come, if known before they do.
    pub fn length(&self) -> Option<u64> {
        match self {
            Self::Whole(bytes) => u64::try_from(bytes.len()).ok(),
            Self::Stream(stream) => stream.length(),
        }
    }
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum UpstreamError {
    #[error("the upstream already has as many calls in flight as it may have")]
    Busy,
    #[error("the upstream has failed so often that it is left alone for a while")]
    Unfit {
        /// In whole seconds.
        retry_after_s: u64,
    },
    #[error(transparent)]
    Unforwardable(#[from] Unforwardable),
    #[error("no connection to the upstream could be had")]
    Connect(#[source] Cause),
    #[error("the connection to the upstream was not made in time")]
    ConnectTimeout,
    #[error("the upstream did not begin its answer in time")]
    HeadTimeout,
    #[error("the upstream closed the connection without an answer")]
    Closed(#[source] Cause),
    #[error("the upstream closed a connection that had served before as the call went out on it")]
    Stale(#[source] Cause),
    #[error("the upstream's answer is not one this gateway can forward")]
    Protocol(#[source] Cause),
    #[error("the upstream's answer did not come to its end")]
    AnswerBody(#[from] StreamError),
    #[error(transparent)]
    RequestBody(#[from] BodyAborted),
}

impl UpstreamError {
    /// Whether any byte of the request may have reached the upstream; in doubt, yes.
    pub fn reached_upstream(&self) -> bool {
        match self {
            Self::Busy | Self::Unfit { .. } | Self::Unforwardable(_) | Self::Connect(_) | Self::ConnectTimeout => false,
            Self::HeadTimeout
            | Self::Closed(_)
            | Self::Stale(_)
            | Self::Protocol(_)
            | Self::AnswerBody(_)
            | Self::RequestBody(_) => true,
        }
    }

    /// What went wrong, in a word for the audit log.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Busy => "busy",
            Self::Unfit { .. } => "unfit",
            Self::Unforwardable(_) => "unforwardable",
            Self::Connect(_) => "no-connection",
            Self::ConnectTimeout => "connect-timeout",
            Self::HeadTimeout => "head-timeout",
            Self::Closed(_) => "closed",
            Self::Stale(_) => "stale",
            Self::Protocol(_) => "protocol",
            Self::AnswerBody(_) => "answer-cut",
            Self::RequestBody(_) => "request-cut",
        }
    }

    /// What went wrong and why, down to the first cause, for the log: of a TLS failure, what was wrong with the certificate.
    pub fn with_causes(&self) -> String {
        let causes = std::iter::successors(self.source(), |&cause| cause.source());
        causes.fold(self.to_string(), |text, cause| format!("{text}: {cause}"))
    }

    /// Whether the upstream failed, rather than the call.
    pub const fn is_upstreams(&self) -> bool {
        match self {
            Self::Connect(_)
            | Self::ConnectTimeout
            | Self::HeadTimeout
            | Self::Closed(_)
            | Self::Stale(_)
            | Self::Protocol(_) => true,
            Self::Busy | Self::Unfit { .. } | Self::Unforwardable(_) | Self::AnswerBody(_) | Self::RequestBody(_) => {
                false
            }
        }
    }

    /// Whether the upstream was too slow, rather than wrong or away.
    pub fn is_timeout(&self) -> bool {
        matches!(self, Self::ConnectTimeout | Self::HeadTimeout | Self::AnswerBody(StreamError::Idle))
    }
}
