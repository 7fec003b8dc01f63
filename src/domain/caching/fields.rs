//! How header fields are read: lists over several lines, and dates.

use std::{borrow::Cow, time::Duration};

use http::{HeaderMap, HeaderValue};

/// All lines of a field as one list (RFC 9110 §5.3); bytes that are no UTF-8 are replaced. `None` where there is no line.
pub(super) fn joined(headers: &HeaderMap, name: &str) -> Option<String> {
    let lines: Vec<Cow<'_, str>> =
        headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes())).collect();
    (!lines.is_empty()).then(|| lines.join(", "))
}

/// The elements of a list. A comma within a quoted string parts nothing; but a quote that is never closed hides nothing
/// either.
pub(super) fn elements(list: &str) -> Vec<&str> {
    parted(list, |character| character == ',')
}

/// What stands between these separators, as [`elements`] between commas.
pub(super) fn parted(list: &str, is_separator: impl Fn(char) -> bool) -> Vec<&str> {
    let (mut is_quoted, mut is_escaped) = (false, false);
    let parts = |character: char| {
        match character {
            _ if is_escaped => is_escaped = false,
            '\\' if is_quoted => is_escaped = true,
            '"' => is_quoted = !is_quoted,
            separator if is_separator(separator) => return !is_quoted,
            _ => {}
        }
        false
    };
    let parted: Vec<&str> = list.split(parts).collect();
    let parted = if is_quoted { list.split(is_separator).collect() } else { parted };
    parted.into_iter().map(str::trim).filter(|element| !element.is_empty()).collect()
}

/// The elements of all lines of a field, in lower case.
pub(super) fn lower_elements(headers: &HeaderMap, name: &str) -> Vec<String> {
    let list = joined(headers, name).unwrap_or_default();
    elements(&list).into_iter().map(str::to_ascii_lowercase).collect()
}

/// An HTTP date (RFC 9110 §5.6.7) in seconds since the Unix epoch. Its words are read in any case.
pub(super) fn date_s(text: &str) -> Option<i64> {
    let cased: String = text
        .split_inclusive(|c: char| !c.is_ascii_alphabetic())
        .map(|word| if word.eq_ignore_ascii_case("gmt") { "GMT".to_owned() } else { capitalised(word) })
        .collect();
    let time = httpdate::parse_http_date(&cased).ok()?;
    let since = time.duration_since(std::time::UNIX_EPOCH).ok()?;
    i64::try_from(since.as_secs()).ok()
}

/// The seconds since the Unix epoch at which no HTTP date can be written any more, because a year has four digits.
const YEAR_10000_S: u64 = 253_402_300_800;

/// As [`date_s`] reads it. `None` before 1970.
pub(super) fn date_at(ms: i64) -> Option<HeaderValue> {
    let since = Duration::from_millis(u64::try_from(ms).ok()?);
    let time = std::time::UNIX_EPOCH.checked_add(since).filter(|_| since.as_secs() < YEAR_10000_S)?;
    HeaderValue::try_from(httpdate::fmt_http_date(time)).ok()
}

/// The date in a field that has one line.
pub(super) fn date_of(headers: &HeaderMap, name: &str) -> Option<i64> {
    let mut lines = headers.get_all(name).iter();
    let (first, second) = (lines.next(), lines.next());
    date_s(first.filter(|_| second.is_none())?.to_str().ok()?)
}

fn capitalised(word: &str) -> String {
    let mut characters = word.chars();
    let first = characters.next().map(|first| first.to_ascii_uppercase());
    first.into_iter().chain(characters.map(|rest| rest.to_ascii_lowercase())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_parted_at_commas_outside_quoted_strings() {
        for (list, expected) in [
            ("a, b ,,c", vec!["a", "b", "c"]),
            (r#"a="x, y", b"#, vec![r#"a="x, y""#, "b"]),
            (r#"a="x\", y", b"#, vec![r#"a="x\", y""#, "b"]),
            (r#"a="x, no-store"#, vec![r#"a="x"#, "no-store"]),
            ("", vec![]),
        ] {
            assert_eq!(elements(list), expected, "{list}");
        }
    }

    #[test]
    fn a_date_is_written_as_it_is_read() {
        let written = |ms| date_at(ms).map(|date| date.to_str().unwrap().to_owned());
        assert_eq!(written(784_111_777_999).as_deref(), Some("Sun, 06 Nov 1994 08:49:37 GMT"));
        assert_eq!(written(253_402_300_799_000).as_deref(), Some("Fri, 31 Dec 9999 23:59:59 GMT"));
        for ms in [-1, i64::MIN, 253_402_300_800_000, i64::MAX] {
            assert_eq!(written(ms), None, "{ms}");
        }
    }

    #[test]
    fn a_date_is_read_in_its_three_forms_and_in_no_other() {
        for (text, expected) in [
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(784_111_777)),
            ("Sunday, 06-Nov-94 08:49:37 GMT", Some(784_111_777)),
            ("Sun Nov  6 08:49:37 1994", Some(784_111_777)),
            ("sUN, 06 nOV 1994 08:49:37 gmt", Some(784_111_777)),
            ("Sun, 06 Nov 1994 08:49:37 UTC", None),
            ("Sun, 06 Nov 1994 8:49:37 GMT", None),
            ("Sun 06 Nov 1994 08:49:37 GMT", None),
            ("0", None),
            ("-1", None),
            ("", None),
        ] {
            assert_eq!(date_s(text), expected, "{text}");
        }
    }
}
