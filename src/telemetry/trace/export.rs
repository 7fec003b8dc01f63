//! How spans leave the process: a bounded queue, and a thread of its own that sends what waits.
//!
//! Whoever ends spans puts them into the queue and goes on; where the queue is full they are dropped and counted, and so
//! are those that the collector does not take. A collector that is slow or dead costs nothing else.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use http::HeaderMap;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{
    ExporterBuildError, SpanExporter, WithHttpConfig, WithTonicConfig, tonic_types::metadata::MetadataMap,
};
use opentelemetry_sdk::{
    Resource,
    trace::{SpanData, SpanExporter as _},
};
use prometheus::IntCounter;
use tokio::sync::Notify;

use super::{
    queue::{Feeder, Level, Waiting, queue},
    settings::{Protocol, Settings},
};
use crate::{domain::redaction::redact, upstream::Post};

/// How long the end of the process waits for the spans that are left.
const PATIENCE: Duration = Duration::from_secs(3);

/// What became of spans.
#[derive(Debug, Clone)]
pub struct SpanCounts {
    /// The collector took them.
    pub exported: IntCounter,
    /// The queue was full, or the collector did not take them.
    pub dropped: IntCounter,
}

/// Why spans cannot be exported.
#[derive(Debug, thiserror::Error)]
pub enum NoExporter {
    #[error(transparent)]
    Exporter(#[from] ExporterBuildError),
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

/// How the end of the thread is asked for, and told.
#[derive(Default)]
struct Signals {
    stops: AtomicBool,
    /// Notified when the thread has ended.
    ended: Notify,
}

/// The thread that exports.
pub(super) struct Worker {
    signals: Arc<Signals>,
    level: Arc<Level>,
}

/// Begins to export what is put into the queue.
pub(super) fn start(
    settings: Settings,
    resource: &Resource,
    counts: SpanCounts,
) -> Result<(Feeder, Worker), NoExporter> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let exporter = {
        // The channel of gRPC has a task of its own.
        let _inside = runtime.enter();
        exporter(&settings)
    };
    let mut exporter = match exporter {
        Ok(exporter) => exporter,
        Err(error) => {
            // A plain drop would wait for its threads, which is not allowed on an async caller's thread.
            runtime.shutdown_background();
            return Err(error);
        }
    };
    exporter.set_resource(resource);
    let (feeder, waiting) = queue(settings.max_queue, settings.max_batch, counts.dropped.clone());
    let worker = Worker { signals: Arc::default(), level: Arc::clone(waiting.level()) };
    let sending = Sending { exporter, settings, waiting, signals: Arc::clone(&worker.signals), counts, is_out: false };
    std::thread::Builder::new().name("traces".into()).spawn(move || {
        let signals = Arc::clone(&sending.signals);
        runtime.block_on(sending.run());
        signals.ended.notify_one();
    })?;
    Ok((feeder, worker))
}

fn exporter(settings: &Settings) -> Result<SpanExporter, NoExporter> {
    let builder = SpanExporter::builder();
    let Settings { protocol, over_tls, certificates, headers, call_timeout, .. } = settings;
    Ok(match protocol {
        Protocol::Grpc => {
            let builder = builder.with_tonic().with_metadata(MetadataMap::from_headers(headers.clone()));
            if *over_tls { builder.with_tls_config(certificates.grpc()).build()? } else { builder.build()? }
        }
        Protocol::HttpProtobuf => {
            let (roots, identity) = (certificates.roots(), certificates.identity());
            let post = Post::new(*over_tls, roots, identity, *call_timeout)?;
            let client = Collector { post, headers: headers.clone() };
            builder.with_http().with_http_client(client).build()?
        }
    })
}

/// The way to a collector in HTTP.
#[derive(Debug)]
struct Collector {
    post: Post,
    /// The exporter reads them too, but takes a variable that is empty for one that is set.
    headers: HeaderMap,
}

#[async_trait::async_trait]
impl HttpClient for Collector {
    async fn send_bytes(&self, mut request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        request.headers_mut().extend(self.headers.clone());
        self.post.send(request).await
    }
}

impl Worker {
    /// Sends what waits, and waits for that a bounded time.
    pub async fn stop(&self) {
        self.signals.stops.store(true, Ordering::Relaxed);
        self.level.wake.notify_one();
        if tokio::time::timeout(PATIENCE, self.signals.ended.notified()).await.is_err() {
            tracing::warn!("the collector did not take the last spans in time");
        }
    }
}

/// What the thread does: it sends what waits.
struct Sending {
    exporter: SpanExporter,
    settings: Settings,
    waiting: Waiting,
    signals: Arc<Signals>,
    counts: SpanCounts,
    /// Whether the collector did not take the last batch. Said once, not for every batch.
    is_out: bool,
}

impl Sending {
    async fn run(mut self) {
        let level = Arc::clone(self.waiting.level());
        loop {
            drop(tokio::time::timeout(self.settings.delay, level.wake.notified()).await);
            let stops = self.signals.stops.load(Ordering::Relaxed);
            while let Some(batch) = self.waiting.batch(self.settings.max_batch) {
                self.send(batch).await;
                // Fewer than a batch wait for others, but for the last ones.
                if level.waiting() < self.settings.max_batch && !stops {
                    break;
                }
            }
            if stops || self.waiting.is_closed() {
                return;
            }
        }
    }

    async fn send(&mut self, batch: Vec<SpanData>) {
        let spans = u64::try_from(batch.len()).unwrap_or(u64::MAX);
        let error = match tokio::time::timeout(self.settings.batch_timeout, self.exporter.export(batch)).await {
            Ok(Ok(())) => {
                self.counts.exported.inc_by(spans);
                if std::mem::take(&mut self.is_out) {
                    tracing::info!(dropped = self.counts.dropped.get(), "the collector takes spans again");
                }
                return;
            }
            Ok(Err(error)) => error.to_string(),
            Err(late) => late.to_string(),
        };
        self.counts.dropped.inc_by(spans);
        if !std::mem::replace(&mut self.is_out, true) {
            // An address may hold a password.
            tracing::warn!(error = %redact(&error), "the collector does not take spans; they are dropped and counted");
        }
    }
}
