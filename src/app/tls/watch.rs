//! Looks at the files of TLS every second, takes them when they have changed and are good, and says when a certificate
//! is about to expire.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::{Fault, Loaded, Renewal, Tls, files::Files};
use crate::{clock::Clock, telemetry::Metrics};

/// How often the files are read.
const PERIOD: Duration = Duration::from_secs(1);
/// How long before its end a certificate is warned of, and how often.
const WARN_BEFORE: SignedDuration = SignedDuration::from_hours(30 * 24);
const WARN_EVERY: SignedDuration = SignedDuration::from_hours(24);

/// The watch on the files of one listener.
pub(in crate::app) struct Watch {
    tls: Tls,
    clock: Clock,
    metrics: Metrics,
    /// What was found at the last look, if it differs from what is in use: it is taken at the second look at which it is
    /// the same, so that a pair of which one half is written is left alone.
    found: Option<[u8; 32]>,
    /// What was said last to be wrong.
    said: Option<Fault>,
    warned: Option<([u8; 32], Timestamp)>,
}

impl Watch {
    /// A watch that has not begun.
    pub fn new(tls: Tls, clock: Clock, metrics: Metrics) -> Self {
        metrics.set_certificates(&tls.0.read().expiries);
        Self { tls, clock, metrics, found: None, said: None, warned: None }
    }

    /// Watches for as long as the gateway runs.
    pub fn start(mut self) {
        actix_web::rt::spawn(async move {
            loop {
                self.warn_of_expiry();
                tokio::time::sleep(PERIOD).await;
                let sources = self.tls.0.read().sources.clone();
                if let Ok(files) = tokio::task::spawn_blocking(move || sources.read()).await {
                    self.look(files);
                }
            }
        });
    }

    fn look(&mut self, files: Result<Files, Fault>) {
        match files.and_then(|files| self.take(&files)) {
            Ok(()) => self.said = None,
            Err(fault) if self.said.as_ref() != Some(&fault) => {
                let Fault { key, reason } = &fault;
                tracing::warn!(key, reason, "the files of TLS are not taken; those before them stay in use");
                self.said = Some(fault);
            }
            Err(_) => {}
        }
    }

    fn take(&mut self, files: &Files) -> Result<(), Fault> {
        let digest = files.digest();
        let (used, sources) = {
            let loaded = self.tls.0.read();
            (loaded.digest, loaded.sources.clone())
        };
        if digest == used {
            self.found = None;
            return Ok(());
        }
        if self.found.replace(digest) != Some(digest) {
            // What was said of the files before them holds until the next look.
            return self.said.clone().map_or(Ok(()), Err);
        }
        self.tls.renew(Renewal(Loaded::of(sources, files, self.clock.now())?), &self.metrics);
        tracing::info!("the files of TLS have changed and are in use");
        Ok(())
    }

    fn warn_of_expiry(&mut self) {
        let now = self.clock.now();
        let loaded = self.tls.0.read();
        let is_said =
            |(digest, at): &([u8; 32], Timestamp)| *digest == loaded.digest && now.duration_since(*at) < WARN_EVERY;
        if self.warned.as_ref().is_some_and(is_said) {
            return;
        }
        self.warned = Some((loaded.digest, now));
        for expiry in loaded.expiries.iter().filter(|expiry| expiry.at.duration_since(now) < WARN_BEFORE) {
            tracing::warn!(certificate = expiry.name, expires = %expiry.at, "a certificate of the listener expires soon");
        }
    }
}
