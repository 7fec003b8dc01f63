//! The gateway that is asked, by its endpoints under `/admin`.

use std::{error::Error, net::SocketAddr, path::Path, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode, Uri, header};
use serde_json::{Map, Value};

use super::document::Kind;
use crate::{
    app::authorities_in,
    cli::{Failure, health::reachable, unreachable},
    config::{Config, secret::without_line_end},
    crypto::random,
    data_dir,
    domain::{hex, percent::encoded},
    upstream::Post,
};

/// The longest wait for one answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// How often a call that met a limit is made again, and how long it waits for that at most.
const MAX_WAITS: u32 = 20;
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// How often a request that is answered once is sent again, where its answer was lost.
const MAX_LOSSES: u32 = 3;

/// The variable with the credential.
const TOKEN: &str = "TOLLGATE_TOKEN";

/// The credential to ask with.
pub(super) fn token(file: Option<&Path>) -> Result<String, Failure> {
    let found = match file {
        Some(file) => {
            let text = std::fs::read_to_string(file);
            text.map_err(|error| Failure::Configuration(format!("{}: {error}", file.display())))?
        }
        None => std::env::var(TOKEN).unwrap_or_default(),
    };
    let token = without_line_end(&found).to_owned();
    if token.is_empty() {
        let what =
            format!("give an administrator's API key or access token: --token-file FILE, or the variable {TOKEN}");
        return Err(Failure::Configuration(what));
    }
    Ok(token)
}

/// Where the gateway is reached that this configuration starts.
pub(super) fn own_url(config: &Config) -> String {
    let configured = SocketAddr::new(config.server.host, config.server.port);
    let running = data_dir::running(&config.data_dir).and_then(|running| running.address.parse::<SocketAddr>().ok());
    let port = running.filter(|_| configured.port() == 0).unwrap_or(configured).port();
    let scheme = if config.server.tls_pairs().is_empty() { "http" } else { "https" };
    format!("{scheme}://{}", SocketAddr::new(reachable(configured.ip()), port))
}

/// A running gateway, and who asks it.
pub(super) struct Gateway {
    post: Post,
    url: String,
    token: String,
}

impl Gateway {
    /// # Errors
    /// The address is no URL of HTTP, or the file of authorities cannot be used.
    pub(super) fn new(url: &str, token: &str, ca: Option<&Path>) -> Result<Self, Failure> {
        let bad = |what: &str| Failure::Configuration(format!("--url {url}: {what}"));
        let uri: Uri = url.parse().map_err(|_| bad("is no URL"))?;
        let over_tls = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => return Err(bad("must begin with http:// or https://")),
        };
        let roots = ca.map(authorities_in).transpose().map_err(|why| Failure::Configuration(format!("--ca {why}")))?;
        if roots.is_some() && !over_tls {
            return Err(bad("is asked without TLS, where --ca counts for nothing: begin it with https://"));
        }
        let post = Post::new(over_tls, roots, None, PATIENCE).map_err(|error| bad(&error.to_string()))?;
        Ok(Self { post, url: url.trim_end_matches('/').to_owned(), token: token.to_owned() })
    }

    /// What has exactly this name. Of API keys `path` says whose they are.
    pub(super) async fn named(&self, path: &str, name: &str) -> Result<Vec<Map<String, Value>>, Failure> {
        self.pages(&format!("{path}?limit=200&name={}", encoded(name))).await
    }

    /// All of a list.
    pub(super) async fn all(&self, path: &str) -> Result<Vec<Map<String, Value>>, Failure> {
        self.pages(&format!("{path}?limit=200")).await
    }

    async fn pages(&self, query: &str) -> Result<Vec<Map<String, Value>>, Failure> {
        let (mut found, mut cursor) = (vec![], String::new());
        loop {
            let query = format!("{query}{cursor}");
            let page = self.ask(Method::GET, &query, None).await?;
            let items = page.get("items").and_then(Value::as_array).cloned().unwrap_or_default();
            found.extend(
                items.into_iter().filter_map(|item| if let Value::Object(item) = item { Some(item) } else { None }),
            );
            match page.get("next_cursor").and_then(Value::as_str) {
                Some(next) => cursor = format!("&cursor={}", encoded(next)),
                None => return Ok(found),
            }
        }
    }

    /// Makes something, once: where the answer is lost, the same request is sent again and answered the same.
    ///
    /// # Errors
    /// The gateway cannot be reached or refuses.
    pub(super) async fn make(&self, path: &str, body: &Value) -> Result<Value, Failure> {
        let key = random::<16>().map_err(|error| Failure::Failed(error.to_string()))?;
        let key = hex::encode(&key);
        self.send(Method::POST, path, Some(body), Some(&key)).await
    }

    /// Asks, and gives the answer's body; null where there is none.
    ///
    /// # Errors
    /// The gateway cannot be reached or refuses.
    pub(super) async fn ask(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value, Failure> {
        self.send(method, path, body, None).await
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        once: Option<&str>,
    ) -> Result<Value, Failure> {
        let place = format!("{method} {}{path}", self.url);
        let failed = |what: String| Failure::Failed(format!("{place}: {what}"));
        let (mut waits, mut losses) = (0_u32, 0_u32);
        loop {
            let mut request = Request::builder()
                .method(method.clone())
                .uri(format!("{}{path}", self.url))
                .header(header::AUTHORIZATION, format!("Bearer {}", self.token))
                .header(header::CONTENT_TYPE, "application/json");
            if let Some(key) = once {
                request = request.header("idempotency-key", key);
            }
            let request = request.body(body.map(|body| Bytes::from(body.to_string())).unwrap_or_default());
            let request = request.map_err(|error| failed(error.to_string()))?;
            let answer = match self.post.send(request).await {
                Err(_) if once.is_some() && losses < MAX_LOSSES => {
                    losses = losses.saturating_add(1);
                    continue;
                }
                sent => sent.map_err(|error| failed(no_answer(&*error)))?,
            };
            if answer.status() == StatusCode::TOO_MANY_REQUESTS && waits < MAX_WAITS {
                waits = waits.saturating_add(1);
                actix::clock::sleep(retry_after(answer.headers())).await;
                continue;
            }
            let said = serde_json::from_slice(answer.body()).unwrap_or(Value::Null);
            let is_done = answer.status().is_success();
            return if is_done { Ok(said) } else { Err(failed(refused(answer.status(), &said))) };
        }
    }
}

/// Why there was no answer, and what to do.
fn no_answer(error: &(dyn Error + 'static)) -> String {
    match unreachable::certificate(error) {
        Some(why) => why.to_owned(),
        None => format!(
            "{}. Is the gateway started, and is this its address? --url says another",
            unreachable::words(error)
        ),
    }
}

/// When a limit has room again (RFC 9110 §10.2.3).
fn retry_after(headers: &HeaderMap) -> Duration {
    let seconds = headers.get(header::RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
    Duration::from_secs(seconds.unwrap_or(1)).min(LONGEST_WAIT)
}

/// The URL of a list.
pub(super) const fn list(kind: Kind) -> &'static str {
    match kind {
        Kind::Team => "/admin/teams",
        Kind::User => "/admin/users",
        Kind::ApiKey => "/admin/api-keys",
        Kind::Upstream => "/admin/upstreams",
        Kind::Model => "/admin/models",
        Kind::Route => "/admin/routes",
        Kind::Limit => "/admin/limits",
        Kind::Budget => "/admin/budgets",
    }
}

/// What names one of a list, behind the URL of the list. The name of a model may have slashes, which stand there as they are.
pub(super) fn path_of(kind: Kind, name: &str) -> String {
    match kind {
        Kind::Model => name.split('/').map(encoded).collect::<Vec<_>>().join("/"),
        _ => encoded(name),
    }
}

/// A refusal in the gateway's own words (RFC 9457).
fn refused(status: StatusCode, problem: &Value) -> String {
    let text = |value: &Value, field: &str| value.get(field).and_then(Value::as_str).map(str::to_owned);
    let Some(words) = text(problem, "detail").or_else(|| text(problem, "title")) else {
        return format!(
            "{status}, and not in the words of a gateway: --url is the address of something else, or what stands in front of it answers"
        );
    };
    let errors = problem.get("errors").and_then(Value::as_array).into_iter().flatten();
    let lines = errors.map(|error| {
        let (pointer, detail) = (text(error, "pointer"), text(error, "detail"));
        format!("{}: {}", pointer.unwrap_or_default(), detail.unwrap_or_default())
    });
    // The detail has the first of them.
    let others = lines.filter(|line| !words.contains(line)).map(|line| format!("\n  {line}"));
    format!("{}: {words}{}", status.as_u16(), others.collect::<String>())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_limit_says_how_long_to_wait() {
        let headers =
            |text: &'static str| HeaderMap::from_iter([(header::RETRY_AFTER, http::HeaderValue::from_static(text))]);
        assert_eq!(retry_after(&headers("3")), Duration::from_secs(3));
        assert_eq!(retry_after(&headers("9000")), LONGEST_WAIT);
        assert_eq!(retry_after(&HeaderMap::new()), Duration::from_secs(1));
    }

    #[test]
    fn a_name_is_one_segment() {
        assert_eq!(path_of(Kind::Model, "meta/llama 3"), "meta/llama%203");
        assert_eq!(path_of(Kind::Route, "a/b"), "a%2Fb");
        assert_eq!(path_of(Kind::Route, "a/b c?é"), "a%2Fb%20c%3F%C3%A9");
        assert_eq!(path_of(Kind::Model, "gpt-4o_x.~"), "gpt-4o_x.~");
    }

    #[test]
    fn a_refusal_says_every_fault() {
        let problem = json!({ "title": "t", "detail": "d", "errors": [{ "pointer": "/name", "detail": "is long" }] });
        assert_eq!(refused(StatusCode::BAD_REQUEST, &problem), "400: d\n  /name: is long");
        let errors = json!([{ "pointer": "/a", "detail": "b" }, { "pointer": "/c", "detail": "d" }]);
        let problem = json!({ "detail": "/a: b; and more", "errors": errors });
        assert_eq!(refused(StatusCode::BAD_REQUEST, &problem), "400: /a: b; and more\n  /c: d");
        let strange = refused(StatusCode::BAD_GATEWAY, &Value::Null);
        assert!(strange.starts_with("502 Bad Gateway, and not in the words of a gateway: --url"), "{strange}");
    }

    #[test]
    fn only_http_is_asked() {
        for bad in ["", "ftp://a", "a b", "gateway.example"] {
            assert!(matches!(Gateway::new(bad, "t", None), Err(Failure::Configuration(_))), "{bad}");
        }
    }
}
