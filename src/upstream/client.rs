//! Carries a call to its upstream over HTTP/1.1 and brings the final answer back.
//!
//! Each worker thread makes one [`Client`] and so has its own pool of connections; a clone shares the pool. It follows no
//! redirect, decodes no content and keeps no cookie.
//!
//! **Nothing here sends a request twice.** The pool may pick a connection that its upstream has just closed. If the connection's
//! task knows of the close before it takes the request, the request comes back untouched and is put on another
//! connection, which is safe for any method as no byte was written. Once the task has taken it, a failure is reported:
//! [`UpstreamError::Stale`] where the connection had served before and ended without a byte of an answer, so that the caller may
//! send the call once more over a new connection (RFC 9112 §9.3.1), if it may be sent twice; else [`UpstreamError::Closed`].

mod connection;
mod exchange;
mod own;
mod polls;
mod socket;
mod status_line;
#[cfg(test)]
mod test_upstream;
#[cfg(test)]
mod tests;
mod verdict;

use std::{io, time::Duration};

use http::{
    Method, Request, StatusCode, Uri,
    header::{CONNECTION, CONTENT_LENGTH, HeaderValue, UPGRADE, X_CONTENT_TYPE_OPTIONS},
};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{self, ResponseFuture, connect::HttpConnector},
    rt::TokioTimer,
};
use rustls::{ClientConfig, RootCertStore};

use self::{
    connection::{Connector, Known},
    own::SecurePool,
    polls::Numbered,
    socket::TcpConnector,
};
use super::{
    Answer, AnswerBody, Base, Kind, Outgoing, Switch, Switched, Target, Unforwardable, UpstreamError, echo,
    headers::{self, Additions, DESTINATION, has_destination},
    idle, llm,
    outgoing_body::SentBody,
    upload::{Upload, UploadEnd},
};

/// Idle connections kept for one upstream by one worker, and for how long: shorter than what balancers commonly allow (60 s), so
/// that it is mostly this side that closes. Servers that close after less mostly say so, which is heeded ([`idle`]): Node and
/// Apache allow 5 s.
const MAX_IDLE_CONNECTIONS: usize = 256;
const MAX_IDLE: Duration = Duration::from_secs(30);

/// The longest head of an answer; also what a connection buffers of a body.
pub(super) const MAX_HEAD_BYTES: usize = 64 * 1024;

/// The most header lines of an answer.
const MAX_HEAD_LINES: usize = 512;

/// Finds a peer that vanished without a word, during an answer that may take minutes.
const TCP_KEEPALIVE: Duration = Duration::from_secs(30);

/// The connections of one kind.
#[derive(Debug, Clone)]
pub(super) struct Pool<C> {
    kept: legacy::Client<C, SentBody>,
    /// Keeps none: each call has a connection of its own.
    new: legacy::Client<C, SentBody>,
}

/// Which connection a call goes out on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// One that was kept, if there is one.
    Any,
    New,
}

impl<C> Pool<C>
where
    C: legacy::connect::Connect + Clone + Send + Sync + 'static,
{
    fn request(&self, request: Request<SentBody>, way: Way) -> ResponseFuture {
        match way {
            Way::Any => self.kept.request(request),
            Way::New => self.new.request(request),
        }
    }
}

/// One worker's way to all upstreams.
#[derive(Debug, Clone)]
pub struct Client {
    plain: Pool<Connector<TcpConnector>>,
    /// None where the machine has no trust anchors: `http` upstreams and the built-in ones still work.
    tls: Option<SecurePool>,
}

impl Client {
    /// A client that trusts the machine's certificate authorities.
    #[must_use]
    pub fn new() -> Self {
        let tls = tls_connector(TcpConnector(tcp_connector(false)));
        if let Err(error) = &tls {
            tracing::warn!(%error, "no trust anchors found: calls to https upstreams will fail");
        }
        Self {
            plain: pool(Connector(TcpConnector(tcp_connector(true)))),
            tls: tls.ok().map(|tls| pool(Connector(tls))),
        }
    }

    /// Whether `https` upstreams can be reached at all.
    pub fn can_do_tls(&self) -> bool {
        self.tls.is_some()
    }

    /// Sends the call and waits for the head of the final answer. The call is boxed because every future on its way, up to
    /// that of the whole request, would have room for it otherwise. Dropping the future, or the answer's stream before
    /// its end, closes the connection. An upload that is not complete when the answer is ends there, and its sender
    /// learns of it.
    pub async fn send(&self, target: &Target, outgoing: Box<Outgoing>) -> Result<Answer, UpstreamError> {
        self.send_by(Way::Any, target, outgoing).await
    }

    /// The same over a connection of its own.
    pub async fn send_anew(&self, target: &Target, outgoing: Box<Outgoing>) -> Result<Answer, UpstreamError> {
        self.send_by(Way::New, target, outgoing).await
    }

    async fn send_by(&self, way: Way, target: &Target, outgoing: Box<Outgoing>) -> Result<Answer, UpstreamError> {
        let permit = target.in_flight.try_acquire(outgoing.importance).ok_or(UpstreamError::Busy)?;
        let upload_end = outgoing.body.upload_end();
        let upload = upload_end.as_ref().map(UploadEnd::upload);
        let is_head = outgoing.method == Method::HEAD;
        let mut answer = match &target.kind {
            Kind::Http(base) => self.forward((target, base), outgoing, upload, way).await?,
            Kind::Echo => own(echo::answer(*outgoing).await?),
            Kind::Llm => own(llm::answer(*outgoing).await?),
        };
        if is_head {
            remove_body(&mut answer);
        }
        if let AnswerBody::Stream(stream) = &mut answer.body {
            stream.hold(permit, upload_end);
        }
        Ok(answer)
    }

    /// Sends a call that offers to go on as a WebSocket, and waits for the head of the answer. What the upstream has chosen
    /// is for the caller to check.
    pub async fn switch(&self, target: &Target, outgoing: Box<Outgoing>) -> Result<Switch, UpstreamError> {
        let permit = target.in_flight.try_acquire(outgoing.importance).ok_or(UpstreamError::Busy)?;
        let Kind::Http(base) = &target.kind else {
            return Err(UpstreamError::Protocol("the upstream is built in, and speaks HTTP alone".into()));
        };
        let mut request = request(target, base, *outgoing)?;
        request.headers_mut().insert(CONNECTION, HeaderValue::from_static("upgrade"));
        request.headers_mut().insert(UPGRADE, HeaderValue::from_static("websocket"));
        // Its connection is no other call's before, as after.
        let start = |request| self.start((target, base), request, Way::New);
        let exchanged = exchange::head(start, request, target, None).await?;
        let mut response = exchanged.response;
        // Whatever it says, no other call follows on this connection.
        exchange::retire(&exchanged.connection);
        if response.status() != StatusCode::SWITCHING_PROTOCOLS {
            let mut answer = verdict::answer(response, false, target.timeout)?;
            if let AnswerBody::Stream(stream) = &mut answer.body {
                stream.hold(permit, None);
            }
            return Ok(Switch::Answered(answer));
        }
        let headers = verdict::switched(&response)?;
        let upgraded = tokio::time::timeout(target.connect_timeout, hyper::upgrade::on(&mut response)).await;
        let upgraded = upgraded.map_err(|_| UpstreamError::HeadTimeout)?;
        let upgraded = upgraded.map_err(|error| UpstreamError::Closed(error.into()))?;
        Ok(Switch::Done(headers, Switched::new(upgraded, permit)))
    }

    async fn forward(
        &self,
        (target, base): (&Target, &Base),
        outgoing: Box<Outgoing>,
        upload: Option<&Upload>,
        way: Way,
    ) -> Result<Answer, UpstreamError> {
        let is_head = outgoing.method == Method::HEAD;
        let request = request(target, base, *outgoing)?;
        let start = |request| self.start((target, base), request, way);
        let exchanged = exchange::head(start, request, target, upload).await?;
        let response = exchanged.response;
        let known = Known::of(response.extensions());
        known.iter().for_each(Known::served);
        let has_more = verdict::may_have_more(&response, is_head);
        // What is left of the request could be read as the next one.
        let is_early = upload.is_some_and(|upload| !upload.is_taken());
        let rest = idle::stated(response.headers()).filter(|limit| *limit < MAX_IDLE);
        let mut answer = verdict::answer(response, is_head, target.timeout);
        let is_doubtful = answer.is_err() || has_more;
        let is_last = rest.is_some_and(|limit| limit.is_zero());
        if is_doubtful || is_early || is_last || known.as_ref().is_some_and(Known::is_worn) {
            exchange::retire(&exchanged.connection);
        }
        if let (Some(limit), Some(known)) = (rest, &known) {
            let rest = known.rest(limit);
            if let Ok(Answer { body: AnswerBody::Stream(stream), .. }) = &mut answer {
                stream.then_rests(rest);
            }
        }
        if let Some(known) = known.filter(|_| is_doubtful) {
            known.end();
        }
        answer
    }

    fn start(
        &self,
        (target, base): (&Target, &Base),
        request: Request<SentBody>,
        way: Way,
    ) -> Result<ResponseFuture, UpstreamError> {
        match (&target.own_tls, &self.tls) {
            _ if !base.is_tls() => Ok(self.plain.request(request, way)),
            (Some(own), _) => {
                let pool =
                    own::pool(&target.name, own, || TcpConnector(tcp_connector(false)), |tls| pool(Connector(tls)));
                Ok(pool.request(request, way))
            }
            (None, Some(tls)) => Ok(tls.request(request, way)),
            (None, None) => Err(UpstreamError::Connect("this machine has no trust anchors".into())),
        }
    }
}

impl Default for Client {
    fn default() -> Self {
        Self::new()
    }
}

fn request(target: &Target, base: &Base, outgoing: Outgoing) -> Result<Request<SentBody>, Unforwardable> {
    let Outgoing { method, path_and_query, mut headers, body, request_id, original, .. } = outgoing;
    if method == Method::CONNECT {
        return Err(Unforwardable::Connect);
    }
    let uri: Uri = base.uri_for(&path_and_query)?;
    let (host, secret) = (base.host().clone(), target.secret.as_ref());
    headers::make_fit_for_upstream(
        &mut headers,
        Additions { host, original: original.as_ref(), request_id: &request_id, secret },
    );
    headers::frame_request(&mut headers, &method, &body);
    if has_destination(method.as_str())
        && let Some(path) = headers.get(DESTINATION)
    {
        let url = base.url_for(path.to_str().map_err(|_| Unforwardable::Path)?)?;
        headers.insert(DESTINATION, url);
    }
    let mut request = Request::new(body.into_sent());
    *request.method_mut() = method;
    *request.uri_mut() = uri;
    *request.headers_mut() = headers;
    Ok(request)
}

/// What is built in is never to be guessed the type of.
fn own(mut answer: Answer) -> Answer {
    answer.headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    answer
}

/// The answer to HEAD has the header fields of a GET and no content (RFC 9110 §9.3.2); the built-in upstreams leave that
/// to this place.
fn remove_body(answer: &mut Answer) {
    if let AnswerBody::Whole(bytes) = &answer.body
        && !bytes.is_empty()
    {
        answer.headers.insert(CONTENT_LENGTH, HeaderValue::from(bytes.len()));
    }
    answer.body = AnswerBody::Whole(bytes::Bytes::new());
}

fn pool<C>(connector: C) -> Pool<C>
where
    C: legacy::connect::Connect + Clone,
{
    let mut builder = legacy::Client::builder(Numbered);
    builder
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(MAX_IDLE)
        .pool_max_idle_per_host(MAX_IDLE_CONNECTIONS)
        .http1_max_buf_size(MAX_HEAD_BYTES)
        .http1_max_headers(MAX_HEAD_LINES)
        // Both are mended and passed on (RFC 9112 §5.1 and §5.2).
        .http1_allow_spaces_after_header_name_in_responses(true)
        .http1_allow_obsolete_multiline_headers_in_responses(true)
        // `Host` is among the headers already.
        .set_host(false)
        // Only what was never written is retried; see the module's documentation.
        .retry_canceled_requests(true);
    let kept = builder.build(connector.clone());
    Pool { kept, new: builder.pool_max_idle_per_host(0).build(connector) }
}

pub(super) fn tcp_connector(http_only: bool) -> HttpConnector {
    let mut connector = HttpConnector::new();
    connector.enforce_http(http_only);
    connector.set_nodelay(true);
    connector.set_keepalive(Some(TCP_KEEPALIVE));
    connector
}

pub(super) fn tls_connector<C>(tcp: C) -> io::Result<HttpsConnector<C>> {
    let builder = HttpsConnectorBuilder::new().with_native_roots()?.https_only().enable_http1();
    Ok(builder.wrap_connector(tcp))
}

/// As [`tls_connector`], but with these authorities in place of the machine's.
pub(super) fn tls_connector_trusting(roots: RootCertStore) -> HttpsConnector<HttpConnector> {
    let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    let builder = HttpsConnectorBuilder::new().with_tls_config(config).https_only().enable_http1();
    builder.wrap_connector(tcp_connector(false))
}
