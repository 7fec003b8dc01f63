//! Asks an outside issuer for a document: one request, one connection, no redirect followed.
//!
//! Called by the `KeyFetcher`, for key sets and for discovery documents, and by the `CodeRedeemer`, which posts to the token
//! endpoint and asks the userinfo endpoint. The address comes from the configuration or from the document of a configured issuer, never from a token.
//! Whatever is not a short JSON document with status 200 is an error.

use std::{error::Error, io::Read, time::Duration};

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use flate2::read::MultiGzDecoder;
use form_urlencoded::{Serializer, byte_serialize};
use http::{
    HeaderMap, HeaderName, Method, Request, StatusCode, Uri,
    header::{
        ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONNECTION, CONTENT_ENCODING, CONTENT_TYPE, HeaderValue, USER_AGENT,
    },
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
use rustls::RootCertStore;

use super::{
    client::{MAX_HEAD_BYTES, tcp_connector, tls_connector, tls_connector_trusting},
    headers::own_agent,
    outgoing_body::{OutgoingBody, SentBody},
};
use crate::domain::sign_in::is_error_word;

/// From the resolution of the name to the last byte.
const TIMEOUT: Duration = Duration::from_secs(5);
const MAX_BYTES: usize = 256 * 1024;

/// Why there is no document.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    #[error("the address is not a URL")]
    Url,
    #[error("the access token has a character that no header can have")]
    Token,
    #[error("this machine has no trust anchors")]
    NoTrustAnchors,
    #[error("no whole answer within {} s", TIMEOUT.as_secs())]
    Timeout,
    #[error("no answer: {0}")]
    NoAnswer(String),
    #[error("status {0}")]
    Status(u16),
    /// The issuer says no to what was posted (RFC 6749 §5.2).
    #[error("status {status}, error {code:?}")]
    Refused { status: u16, code: String },
    #[error("the answer is not JSON: its content-type is {0:?}")]
    NotJson(String),
    #[error("the answer has the content coding {0:?}, though identity was asked for; only gzip is read")]
    Coding(String),
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
    /// A client that trusts these certificate authorities, or those of the machine.
    #[must_use]
    pub fn new(roots: Option<RootCertStore>) -> Self {
        let tls = match roots {
            Some(roots) => Some(tls_connector_trusting(roots)),
            None => tls_connector(tcp_connector(false)).ok(),
        };
        Self { plain: one_by_one(tcp_connector(true)), tls: tls.map(one_by_one) }
    }

    /// The document at `url`, which is `http` or `https`.
    pub async fn fetch(&self, url: &str) -> Result<Bytes, FetchError> {
        self.answer_to(request(url)?).await
    }

    /// The document at `url` for who has this access token (RFC 6750 §2.1).
    pub async fn fetch_with(&self, url: &str, access_token: &str) -> Result<Bytes, FetchError> {
        let mut request = request(url)?;
        let bearer = HeaderValue::from_str(&format!("Bearer {access_token}")).map(|mut bearer| {
            bearer.set_sensitive(true);
            bearer
        });
        request.headers_mut().insert(AUTHORIZATION, bearer.map_err(|_| FetchError::Token)?);
        self.answer_to(request).await
    }

    /// The document with which `url` answers a form. A `client`, its id and its secret, authenticates by HTTP Basic
    /// (RFC 6749 §2.3.1).
    ///
    /// # Errors
    /// `Refused` for a status from 400 to 499.
    pub async fn post(
        &self,
        url: &str,
        form: &[(&str, &str)],
        client: Option<(&str, &str)>,
    ) -> Result<Bytes, FetchError> {
        let mut request = request(url)?;
        *request.method_mut() = Method::POST;
        let text = Serializer::new(String::new()).extend_pairs(form).finish();
        *request.body_mut() = OutgoingBody::Whole(text.into()).into_sent();
        let headers = request.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        if let Some(basic) = client.and_then(basic) {
            headers.insert(AUTHORIZATION, basic);
        }
        self.answer_to(request).await
    }

    async fn answer_to(&self, request: Request<SentBody>) -> Result<Bytes, FetchError> {
        tokio::time::timeout(TIMEOUT, self.document(request)).await.map_err(|_| FetchError::Timeout)?
    }

    async fn document(&self, request: Request<SentBody>) -> Result<Bytes, FetchError> {
        let is_tls = request.uri().scheme_str() == Some("https");
        let is_posted = request.method() == Method::POST;
        let sent = match &self.tls {
            _ if !is_tls => self.plain.request(request),
            Some(tls) => tls.request(request),
            None => return Err(FetchError::NoTrustAnchors),
        };
        let (head, body) = sent.await.map_err(|error| FetchError::NoAnswer(with_causes(&error)))?.into_parts();
        if is_posted && head.status.is_client_error() {
            return Err(FetchError::Refused { status: head.status.as_u16(), code: error_code(&read(body).await?) });
        }
        if head.status != StatusCode::OK {
            return Err(FetchError::Status(head.status.as_u16()));
        }
        let content_type = text(&head.headers, CONTENT_TYPE);
        if !is_json(&content_type) {
            return Err(FetchError::NotJson(content_type));
        }
        let coding = text(&head.headers, CONTENT_ENCODING);
        let bytes = read(body).await?;
        let bytes = match coding.as_str() {
            "" | "identity" => bytes,
            "gzip" | "x-gzip" => unzipped(&bytes)?,
            _ => return Err(FetchError::Coding(coding)),
        };
        // A reader may ignore a byte order mark (RFC 8259 §8.1).
        Ok(bytes.strip_prefix(BYTE_ORDER_MARK).map_or_else(|| bytes.clone(), |rest| bytes.slice_ref(rest)))
    }
}

const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

fn one_by_one<C: Connect + Clone>(connector: C) -> Pool<C> {
    legacy::Client::builder(TokioExecutor::new())
        .pool_max_idle_per_host(0)
        .http1_max_buf_size(MAX_HEAD_BYTES)
        .retry_canceled_requests(false)
        .build(connector)
}

fn request(url: &str) -> Result<Request<SentBody>, FetchError> {
    let uri: Uri = url.parse().map_err(|_| FetchError::Url)?;
    let mut request = Request::new(OutgoingBody::Empty.into_sent());
    *request.uri_mut() = uri;
    let headers = request.headers_mut();
    headers.insert(ACCEPT, HeaderValue::from_static("application/jwk-set+json, application/json"));
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    headers.insert(USER_AGENT, own_agent());
    headers.insert(CONNECTION, HeaderValue::from_static("close"));
    Ok(request)
}

/// Both are form-encoded inside (RFC 6749 §2.3.1).
fn basic((id, secret): (&str, &str)) -> Option<HeaderValue> {
    let encoded = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
    let pair = STANDARD.encode(format!("{}:{}", encoded(id), encoded(secret)));
    let mut value = HeaderValue::from_str(&format!("Basic {pair}")).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// The `error` of a refusal, if it is one of the words that errors have. Nothing else of the answer is ever logged.
fn error_code(json: &[u8]) -> String {
    let body: serde_json::Value = serde_json::from_slice(json).unwrap_or_default();
    let code = body.get("error").and_then(serde_json::Value::as_str);
    code.filter(|code| is_error_word(code)).unwrap_or_default().to_owned()
}

/// The value of a header without case; several lines are one list (RFC 9110 §5.3).
fn text(headers: &HeaderMap, name: HeaderName) -> String {
    let lines = headers.get_all(name).iter().map(|value| value.to_str().unwrap_or("?").trim().to_ascii_lowercase());
    lines.collect::<Vec<_>>().join(", ")
}

/// `application/json` or a type built on it (RFC 6839 §3.1); or one that says nothing, as what serves files calls all of them.
/// Whether it is JSON, and what, is seen when it is read.
fn is_json(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    matches!(
        essence,
        "" | "application/json" | "text/json" | "text/plain" | "application/octet-stream" | "binary/octet-stream"
    ) || (essence.starts_with("application/") && essence.ends_with("+json"))
}

/// What was compressed all the same, up to the bound of a document.
fn unzipped(bytes: &[u8]) -> Result<Bytes, FetchError> {
    let bound = u64::try_from(MAX_BYTES).unwrap_or(u64::MAX).saturating_add(1);
    let mut plain = vec![];
    let read = MultiGzDecoder::new(bytes).take(bound).read_to_end(&mut plain).map_err(|_| FetchError::Body)?;
    if read > MAX_BYTES { Err(FetchError::Body) } else { Ok(plain.into()) }
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
    use std::io::Write;

    use flate2::{Compression, write::GzEncoder};

    use super::*;

    #[test]
    fn an_issuer_is_told_who_asks() {
        let request = request("https://idp.example/keys").unwrap();
        assert_eq!(request.headers()["user-agent"], concat!("tollgate/", env!("CARGO_PKG_VERSION")));
    }

    #[test]
    fn only_json_is_read() {
        let json = ["application/json", "application/json; charset=utf-8", "application/jwk-set+json", "text/json"];
        for good in json.into_iter().chain(["", "text/plain", "text/plain; charset=utf-8", "application/octet-stream"])
        {
            assert!(is_json(good), "{good}");
        }
        for bad in ["text/html", "application/jsonp", "application/xml+jsonx", "application/json, x/y", "image/png"] {
            assert!(!is_json(bad), "{bad}");
        }
    }

    #[test]
    fn what_is_compressed_all_the_same_is_decoded_up_to_the_bound() {
        let zipped = |bytes: &[u8]| {
            let mut encoder = GzEncoder::new(vec![], Compression::fast());
            encoder.write_all(bytes).unwrap();
            encoder.finish().unwrap()
        };
        let document = br#"{"keys":[]}"#;
        assert_eq!(unzipped(&zipped(document)).unwrap(), document.as_slice());
        assert_eq!(unzipped(&zipped(&vec![b' '; MAX_BYTES])).unwrap().len(), MAX_BYTES);
        for bad in
            [&zipped(&vec![b' '; MAX_BYTES + 1])[..], &zipped(&vec![b' '; 100 << 20]), b"{}", &zipped(document)[..12]]
        {
            assert!(matches!(unzipped(bad), Err(FetchError::Body)));
        }
    }

    #[test]
    fn a_header_is_read_without_case_and_a_second_line_of_it_counts() {
        let mut headers = HeaderMap::new();
        headers.append(CONTENT_ENCODING, HeaderValue::from_static("GZip"));
        assert_eq!(text(&headers, CONTENT_ENCODING), "gzip");
        headers.append(CONTENT_ENCODING, HeaderValue::from_static("br"));
        assert_eq!(text(&headers, CONTENT_ENCODING), "gzip, br");
        assert_eq!(text(&headers, CONTENT_TYPE), "");
    }

    #[test]
    fn a_client_authenticates_with_both_parts_encoded_and_an_error_is_a_word_or_nothing() {
        let value = basic(("a b", "s:€")).unwrap();
        assert_eq!(value, format!("Basic {}", STANDARD.encode("a+b:s%3A%E2%82%AC")));
        assert!(value.is_sensitive());
        for (body, code) in [
            (r#"{"error":"invalid_grant","error_description":"the code abc"}"#, "invalid_grant"),
            (r#"{"error":"the code abc"}"#, ""),
            (r#"{"error":{"message":"no"}}"#, ""),
            ("<html>", ""),
        ] {
            assert_eq!(error_code(body.as_bytes()), code, "{body}");
        }
    }
}
