//! What the gateway itself has to say, sent to an address of the configuration: one POST, answered by a status.
//!
//! Called by the `Announcer` alone, which signs what it sends and tries again. The path and the query may hold a secret, so they
//! are never shown.

use std::{fmt, str::FromStr, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, Method};

use super::{Base, Client, InFlight, Kind, Outgoing, OutgoingBody, Target, TargetError, UpstreamError};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// From the first byte to the head of the answer.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Where to send.
#[derive(Clone)]
pub struct WebhookUrl {
    base: Base,
    path_and_query: String,
}

impl FromStr for WebhookUrl {
    type Err = TargetError;

    /// Reads an absolute `http` or `https` URL without a user or a fragment.
    fn from_str(url: &str) -> Result<Self, TargetError> {
        let (scheme, rest) = url.split_once("://").ok_or(TargetError::Url)?;
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let path = rest.get(authority.len()..).unwrap_or_default();
        let base = Base::parse(&format!("{scheme}://{authority}"))?;
        let path_and_query = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        base.uri_for(&path_and_query).map_err(|_| TargetError::Url)?;
        Ok(Self { base, path_and_query })
    }
}

impl fmt::Debug for WebhookUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WebhookUrl")
    }
}

/// The way to a webhook; a bounded number of calls is under way.
pub struct Webhook {
    client: Client,
    target: Target,
    path_and_query: String,
}

/// It is not known to be there.
#[derive(Debug, thiserror::Error)]
pub enum NotDelivered {
    #[error("{}", .0.with_causes())]
    NoAnswer(#[from] UpstreamError),
    #[error("status {0}")]
    Status(u16),
}

impl Webhook {
    /// The way to this URL, for at most `max_in_flight` calls at once.
    #[must_use]
    pub fn new(url: WebhookUrl, max_in_flight: usize) -> Self {
        let target = Target {
            name: "webhook".into(),
            kind: Kind::Http(url.base),
            secret: None,
            connect_timeout: CONNECT_TIMEOUT,
            timeout: TIMEOUT,
            in_flight: InFlight::new(max_in_flight),
            own_tls: None,
        };
        Self { client: Client::new(), target, path_and_query: url.path_and_query }
    }

    /// The host and the port that are called; the rest of the address may be a secret.
    #[must_use]
    pub fn authority(&self) -> Option<&str> {
        self.target.authority()
    }

    /// Sends a body; done if the answer's status begins with 2.
    pub async fn post(&self, id: &str, headers: HeaderMap, body: Bytes) -> Result<(), NotDelivered> {
        let outgoing = Box::new(Outgoing {
            method: Method::POST,
            path_and_query: self.path_and_query.clone(),
            headers,
            body: OutgoingBody::Whole(body),
            request_id: id.to_owned(),
            original: None,
            unix_time_s: 0,
            importance: crate::domain::importance::Importance::default(),
        });
        let status = self.client.send(&self.target, outgoing).await?.status;
        if status.is_success() { Ok(()) } else { Err(NotDelivered::Status(status.as_u16())) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_taken_apart_byte_for_byte_or_refused() {
        for (url, path) in [
            ("https://h.example/hooks/T0/B0", "/hooks/T0/B0"),
            ("http://h:1", "/"),
            ("http://h?a=b", "/?a=b"),
            ("http://h/x?token=a%2Fb", "/x?token=a%2Fb"),
        ] {
            assert_eq!(url.parse::<WebhookUrl>().unwrap().path_and_query, path, "{url}");
        }
        for url in ["", "h", "ftp://h/", "http://user@h/", "http://h/#f", "http:///x", "builtin:echo", "http://h/a b"] {
            assert!(url.parse::<WebhookUrl>().is_err(), "{url}");
        }
    }

    #[test]
    fn why_nothing_was_delivered_is_told_with_its_cause_and_without_the_path() {
        let webhook = Webhook::new("http://hooks.test:81/secret".parse().unwrap(), 1);
        assert_eq!(webhook.authority(), Some("hooks.test:81"));
        let cause = std::io::Error::other("nobody listens");
        let told = NotDelivered::NoAnswer(UpstreamError::Connect(cause.into())).to_string();
        assert!(told.ends_with(": nobody listens"), "{told}");
    }

    #[test]
    fn a_url_is_not_shown() {
        let url: WebhookUrl = "http://h/secret".parse().unwrap();
        assert!(!format!("{url:?}").contains("secret"));
    }
}
