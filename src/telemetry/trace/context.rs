//! W3C Trace Context: how one trace goes on from one program to the next.

use actix_web::http::header::{HeaderMap, HeaderName};
use opentelemetry::trace::{SpanContext, SpanId, TraceFlags, TraceId, TraceState};

use crate::domain::hex;

/// The field that names the trace of a request, and its span there.
pub const TRACEPARENT: http::HeaderName = http::HeaderName::from_static("traceparent");
/// The field with what systems on the way say of the trace.
pub const TRACESTATE: http::HeaderName = http::HeaderName::from_static("tracestate");

/// The same to the server, whose names of headers are of another version of `http`.
const GIVEN: HeaderName = HeaderName::from_static("traceparent");

/// The span of the caller, if the head names one, in one well-formed `traceparent` (W3C Trace Context §3.2).
///
/// `tracestate` is passed on as it came and is no part of it: its text is the client's own.
pub(super) fn parent(headers: &HeaderMap) -> Option<SpanContext> {
    let mut lines = headers.get_all(GIVEN);
    let text = lines.next()?.to_str().ok()?;
    if lines.next().is_some() {
        return None;
    }
    let mut parts = text.split('-');
    let (version, trace) = (digits::<2>(parts.next()?)?, digits::<32>(parts.next()?)?);
    let (span, flags) = (digits::<16>(parts.next()?)?, digits::<2>(parts.next()?)?);
    // A later version may add parts, this one has none.
    if version == "ff" || (version == "00" && parts.next().is_some()) {
        return None;
    }
    let flags = TraceFlags::new(u8::from_str_radix(flags, 16).ok()? & TraceFlags::SAMPLED.to_u8());
    let (trace, span) = (TraceId::from_hex(trace).ok()?, SpanId::from_hex(span).ok()?);
    let context = SpanContext::new(trace, span, flags, true, TraceState::NONE);
    context.is_valid().then_some(context)
}

/// The text, if it is exactly `DIGITS` lowercase hexadecimal digits.
fn digits<const DIGITS: usize>(text: &str) -> Option<&str> {
    let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    (text.len() == DIGITS && text.bytes().all(is_digit)).then_some(text)
}

/// A `traceparent` that names this span of a trace.
pub(super) fn traceparent(trace: TraceId, span: SpanId, is_sampled: bool) -> Option<http::HeaderValue> {
    let mut line = [b'-'; 55];
    let (trace, span) = (trace.to_bytes(), span.to_bytes());
    for (bytes, at) in [(&[0][..], 0), (&trace, 3), (&span, 36), (&[is_sampled.into()], 53)] {
        hex::write(bytes, line.get_mut(at..)?);
    }
    http::HeaderValue::from_bytes(&line).ok()
}

/// The id of a trace, as 32 hexadecimal digits.
pub(super) fn trace_id(trace: TraceId) -> String {
    hex::encode(&trace.to_bytes())
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;

    use super::*;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    const SPAN: &str = "00f067aa0ba902b7";

    fn read(lines: &[&str]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(GIVEN, HeaderValue::from_str(line).unwrap());
        }
        let context = parent(&headers)?;
        assert_eq!(trace_id(context.trace_id()), context.trace_id().to_string());
        let line = traceparent(context.trace_id(), context.span_id(), context.is_sampled());
        Some(line.unwrap().to_str().unwrap().to_owned())
    }

    #[test]
    fn a_well_formed_line_is_read_and_written_again() {
        for flags in ["00", "01"] {
            let line = format!("00-{TRACE}-{SPAN}-{flags}");
            assert_eq!(read(&[&line]).as_deref(), Some(&*line));
        }
        // What later versions may add is no reason to begin another trace, and is not passed on.
        for later in [format!("01-{TRACE}-{SPAN}-ff"), format!("cc-{TRACE}-{SPAN}-01-more")] {
            assert_eq!(read(&[&later]), Some(format!("00-{TRACE}-{SPAN}-01")), "{later}");
        }
    }

    #[test]
    fn anything_else_names_no_trace() {
        let whole = format!("00-{TRACE}-{SPAN}-01");
        assert_eq!(read(&[&whole, &whole]), None, "which of the two?");
        for bad in [
            String::new(),
            "00".into(),
            format!("00-{TRACE}-{SPAN}"),
            format!("00-{TRACE}-{SPAN}-01-more"),
            format!("ff-{TRACE}-{SPAN}-01"),
            format!("00-{}-{SPAN}-01", "0".repeat(32)),
            format!("00-{TRACE}-{}-01", "0".repeat(16)),
            format!("00-{}-{SPAN}-01", TRACE.to_uppercase()),
            format!("00-{TRACE}-{SPAN}-1"),
            format!("00-{TRACE}-{SPAN}-+1"),
            format!("00-{TRACE}a-{SPAN}-01"),
        ] {
            assert_eq!(read(&[&bad]), None, "{bad}");
        }
    }
}
