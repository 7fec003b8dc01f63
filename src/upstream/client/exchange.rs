//! Waits for the head of an answer: first for a connection, then for the upstream, each within its own time.
//!
//! Called by the client with a request that is ready to go. It names what failed; it never looks into the answer.

use std::{error::Error, iter, time::Duration};

use futures_util::future::{self, Either};
use http::{Extensions, Request, Response};
use hyper::body::Incoming;
use hyper_util::client::legacy::{
    self, ResponseFuture,
    connect::{CaptureConnection, capture_connection},
};
use tokio::time::{Instant, timeout, timeout_at};

use super::connection::Known;
use crate::upstream::{BodyAborted, Target, UpstreamError, outgoing_body::SentBody, upload::Upload};

type Head = Response<Incoming>;

/// A head that has come, and the connection that it came over.
pub(super) struct Exchanged {
    pub response: Head,
    pub connection: CaptureConnection,
}

/// Keeps a connection from being used again.
pub(super) fn retire(connection: &CaptureConnection) {
    if let Some(connected) = &*connection.connection_metadata() {
        connected.poison();
    }
}

/// Starts the request and waits for its final head; 1xx answers before it are passed over by hyper (RFC 9110 §15.2).
pub(super) async fn head(
    start: impl FnOnce(Request<SentBody>) -> Result<ResponseFuture, UpstreamError>,
    mut request: Request<SentBody>,
    target: &Target,
    upload: Option<&Upload>,
) -> Result<Exchanged, UpstreamError> {
    let mut connection = capture_connection(&mut request);
    let mut sending = start(request)?;
    let answered = match connected(&mut sending, &mut connection, target.connect_timeout).await? {
        Some(answered) => answered,
        None => answer_of(&mut sending, upload, target.timeout).await?,
    };
    match answered {
        Ok(response) => Ok(Exchanged { response, connection }),
        Err(error) => Err(failure(error, &connection)),
    }
}

/// What is known of the connection that a request went out on.
fn known(connection: &CaptureConnection) -> Option<Known> {
    let mut extensions = Extensions::new();
    connection.connection_metadata().as_ref()?.get_extras(&mut extensions);
    Known::of(&extensions)
}

/// Waits until the request has a connection. An answer may come within the same poll.
async fn connected(
    sending: &mut ResponseFuture,
    connection: &mut CaptureConnection,
    limit: Duration,
) -> Result<Option<Result<Head, legacy::Error>>, UpstreamError> {
    let connecting = std::pin::pin!(connection.wait_for_connection_metadata());
    match timeout(limit, future::select(sending, connecting)).await {
        Err(_elapsed) => Err(UpstreamError::ConnectTimeout),
        Ok(Either::Left((answered, _))) => Ok(Some(answered)),
        Ok(Either::Right(_)) => Ok(None),
    }
}

/// Waits for the answer as long as the upstream is not silent for longer than `limit`, counted from the last piece of the
/// body that it took; while the body waits for its client, the silence is not the upstream's.
async fn answer_of(
    sending: &mut ResponseFuture,
    upload: Option<&Upload>,
    limit: Duration,
) -> Result<Result<Head, legacy::Error>, UpstreamError> {
    let begun = Instant::now();
    let mut due = begun + limit;
    loop {
        if let Ok(answered) = timeout_at(due, &mut *sending).await {
            return Ok(answered);
        }
        let now = Instant::now();
        due = match upload {
            Some(upload) if upload.is_waiting_for_client() => now + limit,
            Some(upload) => upload.moved_at().max(begun) + limit,
            None => due,
        };
        if due <= now {
            return Err(UpstreamError::HeadTimeout);
        }
    }
}

fn failure(error: legacy::Error, connection: &CaptureConnection) -> UpstreamError {
    if let Some(aborted) = cause::<BodyAborted>(&error) {
        return UpstreamError::RequestBody(*aborted);
    }
    let was_never_written = cause::<hyper::Error>(&error).is_some_and(hyper::Error::is_canceled);
    let was_connected = connection.connection_metadata().is_some();
    if !was_connected || was_never_written {
        return UpstreamError::Connect(error.into());
    }
    if cause::<hyper::Error>(&error).is_some_and(hyper::Error::is_parse) {
        return UpstreamError::Protocol(error.into());
    }
    if known(connection).is_some_and(|known| known.has_ended_unused()) {
        return UpstreamError::Stale(error.into());
    }
    UpstreamError::Closed(error.into())
}

/// The first error of a type among an error and its sources.
fn cause<E: Error + 'static>(error: &legacy::Error) -> Option<&E> {
    let first: &(dyn Error + 'static) = error;
    iter::successors(Some(first), |&error| error.source()).find_map(|error| error.downcast_ref())
}
