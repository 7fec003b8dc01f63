//! A call under way on a connection: how its body is read, and how its answer ends it.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use actix_web::{
    HttpResponse,
    body::{BodySize, BoxBody, MessageBody},
    dev::Payload,
    http::{ConnectionType, header::HeaderMap},
};
use bytes::Bytes;
use futures_util::{FutureExt, StreamExt};

use super::{
    expected::Expected,
    incoming::Incoming,
    state::{Connection, Content},
};

/// The most that is read of a body that the call did not want, to keep the connection for the next request. A longer one
/// closes it.
const REST_BYTES: usize = 64 * 1024;
/// A call under way on a connection; it ends when this is dropped.
pub struct Ongoing(Connection);

impl Ongoing {
    /// Begins a call. Until this is dropped, what is read belongs to its body or to later requests.
    #[must_use]
    pub fn begin(connection: &Connection) -> Self {
        let state = &connection.0;
        state.calls.set(state.calls.get().saturating_add(1));
        state.head_begun.set(None);
        state.content.set(Content::None);
        state.rest.replace(None);
        Self(connection.clone())
    }

    /// The body of the request, bounded in its pauses and its rate.
    #[must_use]
    pub fn receive(&self, headers: &HeaderMap, payload: Payload) -> Payload {
        let expected = Expected::of(headers, &payload);
        self.0.0.expected.set(Some(expected));
        if expected == Expected::None {
            return payload;
        }
        self.0.0.content.set(Content::Open);
        Payload::Stream { payload: Box::pin(Incoming::new(payload, self.0.clone())) }
    }

    /// Lets the answer go. It says `Connection: close` (RFC 9112 §9.6) where no other request is taken after it: the
    /// gateway stops, or the rest of the request's body has not come yet.
    pub async fn answer(self, mut response: HttpResponse, is_draining: bool) -> HttpResponse {
        self.read_rest().await;
        // A connection that goes on in another protocol is closed by the means of that protocol.
        let goes_on = self.0.is_tunnel();
        if !goes_on && (is_draining || self.0.0.rest.borrow().is_some()) {
            response.head_mut().set_connection_type(ConnectionType::Close);
        }
        response.map_body(|_, body| BoxBody::new(Answer { body, _ongoing: self }))
    }

    /// Reads what is here of a body that the call left unread.
    async fn read_rest(&self) {
        let Some(mut payload) = self.0.0.rest.take() else { return };
        let (mut left, mut has_waited) = (REST_BYTES, false);
        loop {
            match payload.next().now_or_never() {
                Some(Some(Ok(piece))) if piece.len() <= left => left = left.saturating_sub(piece.len()),
                Some(None) => return self.0.0.content.set(Content::Ended),
                Some(Some(Err(_))) => return self.0.0.content.set(Content::Broken),
                // What came with the head is decoded only once the call has waited.
                None if !has_waited => {
                    has_waited = true;
                    tokio::task::yield_now().await;
                }
                _ => break,
            }
        }
        self.0.0.rest.replace(Some(payload));
    }
}

impl Drop for Ongoing {
    fn drop(&mut self) {
        self.0.end();
    }
}

/// An answer's body, and the call that ends with it.
struct Answer {
    body: BoxBody,
    _ongoing: Ongoing,
}

impl MessageBody for Answer {
    type Error = <BoxBody as MessageBody>::Error;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        Pin::new(&mut self.body).poll_next(cx)
    }
}
