//! How the body of a request is delimited.

use actix_web::{
    dev::Payload,
    http::header::{self, HeaderMap},
};

/// How the body of a request is delimited (RFC 9112 §6), as the HTTP library has parsed its head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    None,
    Length(u64),
    Chunked,
    Unknown,
}

impl Expected {
    pub(super) fn of(headers: &HeaderMap, payload: &Payload) -> Self {
        if matches!(payload, Payload::None) {
            return Self::None;
        }
        let length = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.trim().parse().ok());
        match length {
            _ if headers.contains_key(header::TRANSFER_ENCODING) => Self::Chunked,
            // The library takes what follows for the other protocol.
            Some(length) if !asks_for_websocket(headers) => Self::Length(length),
            _ => Self::Unknown,
        }
    }
}

fn asks_for_websocket(headers: &HeaderMap) -> bool {
    headers.get_all(header::UPGRADE).any(|value| value.as_bytes().trim_ascii().eq_ignore_ascii_case(b"websocket"))
}
