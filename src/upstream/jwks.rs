//! Fetches the key set of an outside issuer: one GET, one connection, no redirect followed.
//!
//! Called by the `KeyFetcher` alone. The address comes from the configuration, never from a token. Whatever is not a
//! short JSON document with status 200 is an error.

use std::{error::Error, time::Duration};

use bytes::Bytes;
use http::{
    HeaderMap, Request, StatusCode, Uri,
    header::{ACCEPT, CONNECTION, CONTENT_ENCODING, CONTENT_TYPE, HeaderValue},
};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper_rustls::HttpsConnector;
use hyper_util::{
    client::legacy::{
        self,
        connect::{Connect, HttpConnector},
    },
    rt::TokioExecutor,
};

use super::{
    client::{MAX_HEAD_BYTES, tcp_connector, tls_connector},
    outgoing_body::{OutgoingBody, SentBody},
};

/// From the resolution of the name to the last byte.
const TIMEOUT: Duration = Duration::from_secs(5);
const MAX_BYTES: usize = 256 * 1024;

/// Why there is no key set.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    #[error("the address is not a URL")]
    Url,
    #[error("this machine has no trust anchors")]
    NoTrustAnchors,
    #[error("no whole answer within {} s", TIMEOUT.as_secs())]
    Timeout,
    #[error("no answer: {0}")]
    NoAnswer(String),
    #[error("status {0}")]
    Status(u16),
    #[error("the answer is not JSON")]
    NotJson,
    #[error("the body is cut, or longer than {MAX_BYTES} bytes")]
    Body,
}

type Pool<C> = legacy::Client<C, SentBody>;

/// The way to the issuers. Clones share nothing that lasts: each fetch has a connection of its own.
#[derive(Debug, Clone)]
pub struct JwksClient {
    plain: Pool<HttpConnector>,
    tls: Option<Pool<HttpsConnector<HttpConnector>>>,
}

impl JwksClient {
    /// A client that trusts the machine's certificate authorities.
    #[must_use]
    pub fn new() -> Self {
        Self { plain: one_by_one(tcp_connector(true)), tls: tls_connector().ok().map(one_by_one) }
    }

    /// The document at `url`, which is `http` or `https`.
    pub async fn fetch(&self, url: &str) -> Result<Bytes, FetchError> {
        tokio::time::timeout(TIMEOUT, self.get(url)).await.map_err(|_| FetchError::Timeout)?
    }

    async fn get(&self, url: &str) -> Result<Bytes, FetchError> {
        let uri: Uri = url.parse().map_err(|_| FetchError::Url)?;
        let is_tls = uri.scheme_str() == Some("https");
        let request = request(uri);
        let sent = match &self.tls {
            _ if !is_tls => self.plain.request(request),
            Some(tls) => tls.request(request),
            None => return Err(FetchError::NoTrustAnchors),
        };
        let (head, body) = sent.await.map_err(|error| FetchError::NoAnswer(with_causes(&error)))?.into_parts();
        if head.status != StatusCode::OK {
            return Err(FetchError::Status(head.status.as_u16()));
        }
        if is_json(&head.headers) { read(body).await } else { Err(FetchError::NotJson) }
    }
}

impl Default for JwksClient {
    fn default() -> Self {
        Self::new()
    }
}

fn one_by_one<C: Connect + Clone>(connector: C) -> Pool<C> {
    legacy::Client::builder(TokioExecutor::new())
        .pool_max_idle_per_host(0)
        .http1_max_buf_size(MAX_HEAD_BYTES)
        .retry_canceled_requests(false)
        .build(connector)
}

fn request(uri: Uri) -> Request<SentBody> {
    let mut request = Request::new(OutgoingBody::Empty.into_sent());
    *request.uri_mut() = uri;
    let headers = request.headers_mut();
    headers.insert(ACCEPT, HeaderValue::from_static("application/jwk-set+json, application/json"));
    headers.insert(CONNECTION, HeaderValue::from_static("close"));
    request
}

/// `application/json` or a type built on it (RFC 6839 §3.1), and nothing that would have to be decoded first.
fn is_json(headers: &HeaderMap) -> bool {
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let is_json = essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json"));
    is_json && !headers.contains_key(CONTENT_ENCODING)
}

async fn read(body: Incoming) -> Result<Bytes, FetchError> {
    let collected = Limited::new(body, MAX_BYTES).collect().await;
    Ok(collected.map_err(|_| FetchError::Body)?.to_bytes())
}

fn with_causes(error: &dyn Error) -> String {
    let causes = std::iter::successors(error.source(), |&cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_json_that_needs_no_decoding_is_read() {
        let json = |content_type: &'static str, coding: Option<&'static str>| {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
            coding.map(|coding| headers.insert(CONTENT_ENCODING, HeaderValue::from_static(coding)));
            is_json(&headers)
        };
        for good in ["application/json", "Application/JSON; charset=utf-8", "application/jwk-set+json"] {
            assert!(json(good, None), "{good}");
        }
        for bad in ["text/html", "text/json", "application/jsonp", "application/xml+jsonx", ""] {
            assert!(!json(bad, None), "{bad}");
        }
        assert!(!json("application/json", Some("gzip")) && !is_json(&HeaderMap::new()));
    }
}
