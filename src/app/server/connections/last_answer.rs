//! The bytes of an answer that the HTTP library does not write: the last one on its connection.

use actix_web::{
    HttpResponse,
    body::MessageBody,
    http::header::{CONNECTION, CONTENT_LENGTH, DATE},
};
use jiff::{Timestamp, fmt::rfc2822::DateTimePrinter};

/// An answer whose body is whole in memory, as HTTP/1.1, with `Connection: close`.
pub(super) fn encode(answer: HttpResponse, now: Timestamp) -> Vec<u8> {
    let (head, body) = answer.into_parts();
    let body = body.try_into_bytes().unwrap_or_default();
    let status = head.status();
    let mut bytes = format!("HTTP/1.1 {} {}\r\n", status.as_str(), status.canonical_reason().unwrap_or_default());
    let length = body.len().to_string();
    let date = DateTimePrinter::new().timestamp_to_rfc9110_string(&now).unwrap_or_default();
    for (name, value) in [(CONTENT_LENGTH, &*length), (CONNECTION, "close"), (DATE, &*date)] {
        line(&mut bytes, name.as_str(), value);
    }
    for (name, value) in head.headers() {
        if let Ok(value) = value.to_str() {
            line(&mut bytes, name.as_str(), value);
        }
    }
    bytes.push_str("\r\n");
    let mut bytes = bytes.into_bytes();
    bytes.extend_from_slice(&body);
    bytes
}

fn line(text: &mut String, name: &str, value: &str) {
    for part in [name, ": ", value, "\r\n"] {
        text.push_str(part);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_answer_states_its_length_and_the_close() {
        let answer = HttpResponse::BadRequest().insert_header(("x-request-id", "7")).body("no");
        let text = String::from_utf8(encode(answer, Timestamp::UNIX_EPOCH)).unwrap();
        let expected = "HTTP/1.1 400 Bad Request\r\ncontent-length: 2\r\nconnection: close\r\n\
                        date: Thu, 01 Jan 1970 00:00:00 GMT\r\nx-request-id: 7\r\n\r\nno";
        assert_eq!(text, expected);
    }
}
