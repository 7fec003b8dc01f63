//! How an answer is delimited, as the version of its request allows (RFC 9112 §6).

use actix_web::{
    HttpResponse,
    body::{BodySize, MessageBody},
    dev::RequestHead,
    http::{ConnectionType, StatusCode, Version, header::CONNECTION},
};

use super::{fields::members, websocket};
use crate::domain::method::is_registered;

/// Fits the answer to the request with this head.
///
/// HTTP/1.0 knows no chunks (RFC 9112 §6.1): there a body without a length ends with the connection. An answer to a head
/// that offers another protocol is one of HTTP/1.1 (RFC 9110 §7.8), and the last one: the HTTP library would otherwise
/// repeat the `Connection: upgrade` of the request in it, and reads no request behind an offer of WebSocket. One that takes the
/// offer is left as it is. `Connection: close` counts whatever stands beside it; the library does not see it beside what is not
/// ASCII.
pub fn fit(response: &mut HttpResponse, head: &RequestHead) {
    if response.head().upgrade() {
        return;
    }
    // Behind an offer of WebSocket the HTTP library writes no chunks.
    let offers_websocket = websocket::is_offered(head);
    let is_without_chunks = head.version < Version::HTTP_11 || offers_websocket;
    let ends_with_connection = is_without_chunks && response.body().size() == BodySize::Stream;
    if ends_with_connection {
        response.head_mut().no_chunking(true);
    }
    let asks_for_close = || members(&head.headers, CONNECTION).any(|option| option.eq_ignore_ascii_case(b"close"));
    // A client that does not say how long its body was sends the next request right behind it: `bodyGET /x` (RFC 9112 §11.2).
    let may_begin_with_body =
        response.status() == StatusCode::METHOD_NOT_ALLOWED && !is_registered(head.method.as_str());
    let offers_any = offers_websocket || head.connection_type() == ConnectionType::Upgrade;
    if ends_with_connection || offers_any || may_begin_with_body || asks_for_close() {
        response.head_mut().set_connection_type(ConnectionType::Close);
    }
}
