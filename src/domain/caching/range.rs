//! A part of a kept answer (RFC 9110 §14).

use std::ops::Range;

use http::{HeaderMap, StatusCode, header::RANGE};

use super::{conditional::is_of_range, fields::joined, kept::Kept};

/// What of a kept answer a request wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    Whole,
    Bytes(Range<usize>),
    /// Its body has no such part.
    None,
}

/// A single range of bytes is served from the whole. Several at once, other units and what cannot be read are answered
/// with the whole, as RFC 9110 §14.2 allows.
#[must_use]
pub fn part_of(request: &HeaderMap, kept: &Kept) -> Part {
    let length = kept.body.len();
    let takes_none = joined(&kept.headers, "accept-ranges").is_some_and(|units| units.trim() == "none");
    if kept.status != StatusCode::OK || takes_none || !is_of_range(request, kept) {
        return Part::Whole;
    }
    let Some((first, last)) = joined(request, RANGE.as_str()).as_deref().and_then(single) else { return Part::Whole };
    let range = match (first, last) {
        (Some(first), last) => first..last.map_or(length, |last| last.saturating_add(1)).min(length),
        (None, Some(suffix)) => length.saturating_sub(suffix)..length,
        (None, None) => return Part::Whole,
    };
    if range.is_empty() { Part::None } else { Part::Bytes(range) }
}

type Bounds = (Option<usize>, Option<usize>);

/// `bytes=first-last`, either of them missing.
fn single(text: &str) -> Option<Bounds> {
    let (unit, range) = text.split_once('=')?;
    let (first, last) = range.trim().split_once('-')?;
    let number = |text: &str| match text {
        "" => Some(None),
        digits if digits.bytes().all(|byte| byte.is_ascii_digit()) => Some(Some(digits.parse().unwrap_or(usize::MAX))),
        _ => None,
    };
    let (first, last) = (number(first)?, number(last)?);
    let is_in_order = first.is_none_or(|first| last.is_none_or(|last| first <= last));
    (unit.trim().eq_ignore_ascii_case("bytes") && is_in_order).then_some((first, last))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::HeaderValue;

    use super::*;
    use crate::domain::caching::Times;

    fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        lines.iter().map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn one_range_of_bytes_is_served_and_anything_else_is_the_whole() {
        const DATE: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
        let whole = headers(&[("etag", "\"a\""), ("last-modified", DATE)]);
        let answered = |seconds_later: i64| {
            let at_ms = 784_111_777_000 + seconds_later * 1_000;
            let times = Times { asked_ms: at_ms, answered_ms: at_ms };
            Kept::new(StatusCode::OK, whole.clone(), Bytes::from_static(b"0123456789"), times, 0)
        };
        let kept = answered(1);
        for (range, condition, expected) in [
            ("bytes=0-0", "", Part::Bytes(0..1)),
            ("bytes=2-4", "", Part::Bytes(2..5)),
            ("Bytes=2-", "", Part::Bytes(2..10)),
            ("bytes=-3", "", Part::Bytes(7..10)),
            ("bytes=-30", "", Part::Bytes(0..10)),
            ("bytes=2-99999999999999999999999", "", Part::Bytes(2..10)),
            ("bytes=10-", "", Part::None),
            ("bytes=-0", "", Part::None),
            ("bytes=4-2", "", Part::Whole),
            ("bytes=0-1,4-5", "", Part::Whole),
            ("bytes=-", "", Part::Whole),
            ("bytes=a-b", "", Part::Whole),
            ("lines=0-1", "", Part::Whole),
            ("bytes", "", Part::Whole),
            ("bytes=2-4", "\"a\"", Part::Bytes(2..5)),
            ("bytes=2-4", "W/\"a\"", Part::Whole),
            ("bytes=2-4", "\"b\"", Part::Whole),
            ("bytes=2-4", DATE, Part::Bytes(2..5)),
            ("bytes=2-4", "Sun, 06 Nov 1994 08:49:38 GMT", Part::Whole),
        ] {
            let mut request = headers(&[("range", range)]);
            if !condition.is_empty() {
                request.insert("if-range", HeaderValue::from_static(condition));
            }
            assert_eq!(part_of(&request, &kept), expected, "{range} {condition}");
        }
        assert_eq!(part_of(&headers(&[]), &kept), Part::Whole);
        // It may have changed once more within that second.
        assert_eq!(part_of(&headers(&[("range", "bytes=2-4"), ("if-range", DATE)]), &answered(0)), Part::Whole);
    }
}
