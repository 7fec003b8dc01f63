//! A collector of traces on a free port, in HTTP/1.1 or gRPC, that reads what it is sent.

use std::{
    net::{SocketAddr, TcpListener},
    sync::{
        Arc,
        mpsc::{Receiver, Sender, channel},
    },
    thread,
};

use bytes::Bytes;
use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    common::v1::{KeyValue, any_value::Value},
    trace::v1::{Span, span::SpanKind},
};
use prost::Message as _;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsAcceptor;

use super::{Authority, Identity, PATIENCE, Wire};

pub struct Collector {
    address: SocketAddr,
    batches: Receiver<Batch>,
}

/// One call of the exporter.
struct Batch {
    headers: Vec<(String, String)>,
    path: String,
    request: ExportTraceServiceRequest,
}

/// The spans of one trace, and with what they were sent.
pub struct Collected {
    pub headers: Vec<(String, String)>,
    pub path: String,
    pub service: Vec<KeyValue>,
    /// In the order they were ended.
    pub spans: Vec<Span>,
}

impl Collector {
    /// Takes `http/protobuf`.
    pub fn http() -> Self {
        Self::start(|listener, batches| {
            for stream in listener.incoming() {
                let batches = batches.clone();
                thread::spawn(move || serve_http(Wire::new(stream.unwrap()), &batches));
            }
        })
    }

    /// Takes `http/protobuf` over TLS, in the name `localhost`; from clients of this authority only, where one is given.
    pub fn https(identity: &Identity, clients: Option<&Authority>) -> Self {
        let config = identity.serving(clients);
        Self::start(move |listener, batches| {
            for stream in listener.incoming() {
                let (batches, connection) = (batches.clone(), ServerConnection::new(Arc::clone(&config)).unwrap());
                let stream = StreamOwned::new(connection, stream.unwrap());
                thread::spawn(move || serve_http(Wire::over(stream), &batches));
            }
        })
    }

    /// Takes `grpc`.
    pub fn grpc() -> Self {
        Self::start(|listener, batches| accept_grpc(listener, &batches, None))
    }

    /// Takes `grpc` over TLS, as [`Self::https`].
    pub fn grpcs(identity: &Identity, clients: Option<&Authority>) -> Self {
        let mut config = ServerConfig::clone(&identity.serving(clients));
        config.alpn_protocols = vec![b"h2".to_vec()];
        let tls = TlsAcceptor::from(Arc::new(config));
        Self::start(|listener, batches| accept_grpc(listener, &batches, Some(tls)))
    }

    fn start(serve: impl FnOnce(TcpListener, Sender<Batch>) + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, (sender, batches)) = (listener.local_addr().unwrap(), channel());
        thread::spawn(move || serve(listener, sender));
        Self { address, batches }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The address of one that is called over TLS.
    pub fn tls_url(&self) -> String {
        format!("https://localhost:{}", self.address.port())
    }

    /// Waits for the spans of the request with this id; its own comes last.
    pub fn trace_of(&self, request_id: &str) -> Collected {
        let mut before: Vec<Span> = vec![];
        loop {
            let Batch { headers, path, request } =
                self.batches.recv_timeout(PATIENCE).expect("the request's span comes");
            let [sent] = <[_; 1]>::try_from(request.resource_spans).expect("one service");
            let service = sent.resource.unwrap().attributes;
            before.extend(sent.scope_spans.into_iter().flat_map(|scope| scope.spans));
            if let Some(server) = before.iter().find(|span| text(&span.attributes, "tollgate.request_id") == request_id)
            {
                let id = server.trace_id.clone();
                let spans = before.into_iter().filter(|span| span.trace_id == id).collect();
                return Collected { headers, path, service, spans };
            }
        }
    }

    /// Whether any span has come that was not asked for.
    pub fn is_idle(&self) -> bool {
        self.batches.try_recv().is_err()
    }
}

fn serve_http(mut wire: Wire, batches: &Sender<Batch>) {
    loop {
        let message = wire.message();
        if message.start.is_empty() {
            return;
        }
        let path = message.start.split(' ').nth(1).unwrap().to_owned();
        let request = ExportTraceServiceRequest::decode(&*message.body).unwrap();
        let told = batches.send(Batch { headers: message.headers, path, request });
        if told.is_err() || !wire.try_say("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n") {
            return;
        }
    }
}

fn accept_grpc(listener: TcpListener, batches: &Sender<Batch>, tls: Option<TlsAcceptor>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async move {
        listener.set_nonblocking(true).unwrap();
        let listener = tokio::net::TcpListener::from_std(listener).unwrap();
        loop {
            let (stream, batches, tls) = (listener.accept().await.unwrap().0, batches.clone(), tls.clone());
            tokio::spawn(async move {
                match tls {
                    None => serve_grpc(stream, batches).await,
                    // A client that does not trust the certificate leaves.
                    Some(tls) => {
                        if let Ok(stream) = tls.accept(stream).await {
                            serve_grpc(stream, batches).await;
                        }
                    }
                }
            });
        }
    });
}

async fn serve_grpc(stream: impl AsyncRead + AsyncWrite + Unpin, batches: Sender<Batch>) {
    let mut connection = h2::server::handshake(stream).await.unwrap();
    while let Some(Ok((request, mut answer))) = connection.accept().await {
        let batches = batches.clone();
        tokio::spawn(async move {
            let (head, mut body) = request.into_parts();
            let mut bytes = vec![];
            while let Some(Ok(data)) = body.data().await {
                drop(body.flow_control().release_capacity(data.len()));
                bytes.extend_from_slice(&data);
            }
            let header = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
                (name.to_string(), value.to_str().unwrap().to_owned())
            };
            let headers = head.headers.iter().map(header).collect();
            // Five bytes tell the coding and the length.
            let request = ExportTraceServiceRequest::decode(&bytes[5..]).unwrap();
            drop(batches.send(Batch { headers, path: head.uri.path().to_owned(), request }));
            let head = http::Response::builder().header("content-type", "application/grpc").body(()).unwrap();
            let mut stream = answer.send_response(head, false).unwrap();
            stream.send_data(Bytes::from_static(&[0; 5]), false).unwrap();
            let trailers = [(http::HeaderName::from_static("grpc-status"), http::HeaderValue::from_static("0"))];
            stream.send_trailers(trailers.into_iter().collect()).unwrap();
        });
    }
}

impl Collected {
    /// The one span of the request.
    pub fn server(&self) -> &Span {
        self.one(SpanKind::Server, |_| true)
    }

    /// The one call to the upstream.
    pub fn client(&self) -> &Span {
        self.one(SpanKind::Client, |span| span.parent_span_id == self.server().span_id)
    }

    /// The attempts to call upstreams, in the order they began.
    pub fn attempts(&self) -> Vec<&Span> {
        let of_request = &self.server().span_id;
        let is_one = |span: &&Span| span.kind == i32::from(SpanKind::Client) && span.parent_span_id == *of_request;
        let mut attempts: Vec<&Span> = self.spans.iter().filter(is_one).collect();
        attempts.sort_by_key(|span| span.start_time_unix_nano);
        attempts
    }

    /// The calls to databases that were made in a step, in the order they ended.
    pub fn calls_in(&self, step: &str) -> Vec<&Span> {
        let steps = self.spans.iter().filter(|span| span.name == step && span.parent_span_id == self.server().span_id);
        let [step] = steps.collect::<Vec<_>>()[..] else { panic!("one step {step}: {:?}", self.spans) };
        let calls: Vec<&Span> = self.spans.iter().filter(|span| span.parent_span_id == step.span_id).collect();
        for call in &calls {
            assert_eq!(call.kind, i32::from(SpanKind::Client), "{call:?}");
            let [began, ended] = [call.start_time_unix_nano, call.end_time_unix_nano];
            assert!(
                step.start_time_unix_nano <= began && began <= ended && ended <= step.end_time_unix_nano,
                "{call:?}"
            );
        }
        calls
    }

    fn one(&self, kind: SpanKind, is_meant: impl Fn(&Span) -> bool) -> &Span {
        let spans = self.spans.iter().filter(|span| span.kind == i32::from(kind) && is_meant(span));
        let [span] = spans.collect::<Vec<_>>()[..] else { panic!("one span of {kind:?}: {:?}", self.spans) };
        span
    }

    /// The names of the spans within that of the request, in the order they began.
    pub fn steps(&self) -> Vec<&str> {
        let mut steps: Vec<&Span> =
            self.spans.iter().filter(|span| span.parent_span_id == self.server().span_id).collect();
        steps.sort_by_key(|span| span.start_time_unix_nano);
        steps.iter().map(|span| &*span.name).collect()
    }

    /// The id of the trace in hexadecimal digits.
    pub fn id(&self) -> String {
        hex(&self.server().trace_id)
    }
}

/// As hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

/// What an attribute says, as a text; empty where there is none.
pub fn text(attributes: &[KeyValue], name: &str) -> String {
    let found = attributes.iter().find(|attribute| attribute.key == name);
    match found.and_then(|attribute| attribute.value.as_ref()?.value.as_ref()) {
        Some(Value::StringValue(text)) => text.clone(),
        Some(Value::IntValue(number)) => number.to_string(),
        Some(Value::DoubleValue(number)) => number.to_string(),
        Some(other) => panic!("{name}: {other:?}"),
        None => String::new(),
    }
}
