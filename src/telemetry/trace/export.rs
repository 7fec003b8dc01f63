//! How spans leave the process: a bounded queue, and a thread of its own that sends what waits.
//!
//! Whoever ends a span puts it into the queue and goes on; where the queue is full the span is dropped and counted, and so
//! are those that the collector does not take. A collector that is slow or dead costs nothing else.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use opentelemetry::Context;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{ExporterBuildError, SpanExporter, WithHttpConfig, WithTonicConfig};
use opentelemetry_sdk::{
    Resource,
    error::OTelSdkResult,
    trace::{Span, SpanData, SpanExporter as _, SpanProcessor},
};
use prometheus::IntCounter;
use tokio::sync::{
    Notify,
    mpsc::{self, Receiver, Sender},
};

use super::settings::{Protocol, Settings};
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

/// The end of the queue that spans are put into.
pub(super) struct Feeder {
    queue: Sender<SpanData>,
    signals: Arc<Signals>,
    max_batch: usize,
    counts: SpanCounts,
}

/// What the thread is woken with.
#[derive(Default)]
struct Signals {
    wake: Notify,
    stops: AtomicBool,
    /// Notified when the thread has ended.
    ended: Notify,
}

/// The thread that exports.
pub(super) struct Worker(Arc<Signals>);

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
    let (queue, waiting) = mpsc::channel(settings.max_queue);
    let signals = Arc::<Signals>::default();
    let max_batch = settings.max_batch;
    let sending =
        Sending { exporter, settings, waiting, signals: Arc::clone(&signals), counts: counts.clone(), is_out: false };
    std::thread::Builder::new().name("traces".into()).spawn(move || {
        let signals = Arc::clone(&sending.signals);
        runtime.block_on(sending.run());
        signals.ended.notify_one();
    })?;
    let feeder = Feeder { queue, signals: Arc::clone(&signals), max_batch, counts };
    Ok((feeder, Worker(signals)))
}

fn exporter(settings: &Settings) -> Result<SpanExporter, NoExporter> {
    let builder = SpanExporter::builder();
    Ok(match settings.protocol {
        Protocol::Grpc if settings.over_tls => {
            builder.with_tonic().with_tls_config(settings.certificates.grpc()).build()?
        }
        Protocol::Grpc => builder.with_tonic().build()?,
        Protocol::HttpProtobuf => {
            let Settings { over_tls, certificates, call_timeout, .. } = settings;
            let (roots, identity) = (certificates.roots(), certificates.identity());
            let client = Collector(Post::new(*over_tls, roots, identity, *call_timeout)?);
            builder.with_http().with_http_client(client).build()?
        }
    })
}

/// The way to a collector in HTTP.
#[derive(Debug)]
struct Collector(Post);

#[async_trait::async_trait]
impl HttpClient for Collector {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        self.0.send(request).await
    }
}

impl Worker {
    /// Sends what waits, and waits for that a bounded time.
    pub async fn stop(&self) {
        self.0.stops.store(true, Ordering::Relaxed);
        self.0.wake.notify_one();
        if tokio::time::timeout(PATIENCE, self.0.ended.notified()).await.is_err() {
            tracing::warn!("the collector did not take the last spans in time");
        }
    }
}

impl fmt::Debug for Feeder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Feeder")
    }
}

impl SpanProcessor for Feeder {
    fn on_start(&self, _: &mut Span, _: &Context) {}

    fn on_end(&self, span: SpanData) {
        if self.queue.try_send(span).is_err() {
            self.counts.dropped.inc();
        }
        // Whoever waits for a whole batch is woken once, not for every span.
        if self.queue.max_capacity().saturating_sub(self.queue.capacity()) >= self.max_batch {
            self.signals.wake.notify_one();
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}

/// The end of the queue that spans are taken from.
struct Sending {
    exporter: SpanExporter,
    settings: Settings,
    waiting: Receiver<SpanData>,
    signals: Arc<Signals>,
    counts: SpanCounts,
    /// Whether the collector did not take the last batch. Said once, not for every batch.
    is_out: bool,
}

impl Sending {
    async fn run(mut self) {
        loop {
            drop(tokio::time::timeout(self.settings.delay, self.signals.wake.notified()).await);
            let stops = self.signals.stops.load(Ordering::Relaxed);
            while let Some(batch) = self.next_batch() {
                self.send(batch).await;
                // Fewer than a batch wait for others, but for the last ones.
                if self.waiting.len() < self.settings.max_batch && !stops {
                    break;
                }
            }
            if stops || self.waiting.is_closed() {
                return;
            }
        }
    }

    fn next_batch(&mut self) -> Option<Vec<SpanData>> {
        let mut batch = Vec::with_capacity(self.waiting.len().min(self.settings.max_batch));
        while batch.len() < self.settings.max_batch
            && let Ok(span) = self.waiting.try_recv()
        {
            batch.push(span);
        }
        (!batch.is_empty()).then_some(batch)
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
