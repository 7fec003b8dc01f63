//! Header fields that are lists, read byte by byte: what is not ASCII in one member hides no other.

use actix_web::http::header::{AsHeaderName, HeaderMap, HeaderValue};

/// The members of a list in any number of lines (RFC 9110 §5.3 and §5.6.1), without blanks around; empty ones too.
pub fn members(headers: &HeaderMap, name: impl AsHeaderName) -> impl Iterator<Item = &[u8]> {
    divided(headers, name, b',')
}

/// The parts of all lines between these signs, without blanks around.
pub fn divided(headers: &HeaderMap, name: impl AsHeaderName, sign: u8) -> impl Iterator<Item = &[u8]> {
    let lines = headers.get_all(name).map(HeaderValue::as_bytes);
    lines.flat_map(move |line| line.split(move |byte| *byte == sign)).map(<[u8]>::trim_ascii)
}
