//! Which request paths are safe to decide on and to forward byte for byte.
//!
//! Tollgate never rewrites a path: the bytes that were authorised are the bytes that are forwarded. So a path that two
//! readers could take for two places is refused instead: anything that a decoder, a dot-segment remover (RFC 3986
//! §5.2.4) or a slash merger on either side would turn into another path. What an upstream may read as another path although
//! the standards do not is [`folded`] away, so that the routes can be asked about that one as well.

use std::borrow::Cow;

/// Why a path is not safe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UnsafePath {
    #[error("the path must start with a slash")]
    NotAbsolute,
    #[error("the path has an empty segment (two slashes in a row)")]
    EmptySegment,
    #[error("the path has a dot segment")]
    DotSegment,
    #[error("the path has a percent sign that is not followed by two hexadecimal digits")]
    BadEscape,
    #[error("the path hides a character behind an escape that it does not need")]
    NeedlessEscape,
    #[error("the path has an escaped slash, backslash, dot, percent sign or control character")]
    DangerousEscape,
    #[error("the path has a character that must be escaped")]
    RawCharacter,
    /// See [`folded`].
    #[error(
        "the path could be read as that of another route (by path parameters, escapes, case or a slash at its end)"
    )]
    OtherRoute,
}

/// Checks the raw path of a request target, without its query.
pub fn check(path: &str) -> Result<(), UnsafePath> {
    let Some(rest) = path.strip_prefix('/') else {
        return Err(UnsafePath::NotAbsolute);
    };
    check_characters(rest)?;
    let mut segments = rest.split('/').peekable();
    while let Some(segment) = segments.next() {
        if segment.is_empty() && segments.peek().is_some() {
            return Err(UnsafePath::EmptySegment);
        }
        if is_dot_segment(segment) {
            return Err(UnsafePath::DotSegment);
        }
    }
    Ok(())
}

/// The path as a lenient upstream may read it: every segment without path parameters, escapes, dots and spaces at its ends,
/// and distinctions of case, and no segment of which nothing is left. Two paths that such an upstream takes for one have the
/// same form.
#[must_use]
pub fn folded(path: &str) -> Cow<'_, str> {
    let is_plain = |b: u8| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'/' | b'-' | b'_' | b'~');
    if path.bytes().all(is_plain) && !path.ends_with('/') {
        return Cow::Borrowed(path);
    }
    let segments = path.split('/').map(fold_segment).filter(|segment| !segment.is_empty());
    Cow::Owned(segments.flat_map(|segment| ["/".to_owned(), segment]).collect())
}

fn fold_segment(segment: &str) -> String {
    let decoded = decoded(segment);
    let plain = without_parameters(&decoded).trim_end_matches(['.', ' ']).trim_start_matches(' ');
    // By way of capitals, because some letters (RFC 3986 has none of them unescaped) meet another only there.
    plain.chars().flat_map(char::to_uppercase).flat_map(char::to_lowercase).collect()
}

/// Without escapes, which [`check`] has found to be whole; bytes that are no UTF-8 are all alike.
fn decoded(segment: &str) -> String {
    let mut bytes = segment.bytes();
    let mut decoded = Vec::with_capacity(segment.len());
    while let Some(byte) = bytes.next() {
        let mut digit = || hex(bytes.next()).unwrap_or(0);
        decoded.push(if byte == b'%' { digit() << 4 | digit() } else { byte });
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

fn without_parameters(decoded: &str) -> &str {
    decoded.split(';').next().unwrap_or_default()
}

/// `.` and `..`, also with blanks around and path parameters behind them, escaped or not: some servers cut `..;x` and
/// `..%20` down to `..`. Longer rows of dots are names, but where something is cut from them.
fn is_dot_segment(segment: &str) -> bool {
    if !segment.contains('.') {
        return false;
    }
    let decoded = decoded(segment);
    let plain = without_parameters(&decoded).trim_matches(' ');
    let is_dots = !plain.is_empty() && plain.bytes().all(|byte| byte == b'.');
    is_dots && (plain.len() <= 2 || plain.len() < segment.len())
}

fn check_characters(path: &str) -> Result<(), UnsafePath> {
    let mut bytes = path.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'%' => check_escape(hex(bytes.next())?, hex(bytes.next())?)?,
            b'\\' | b'<' | b'>' | b'"' | b'`' | b'^' | b'{' | b'}' | b'|' | b'#' | b'?' => {
                return Err(UnsafePath::RawCharacter);
            }
            0..=0x20 | 0x7f.. => return Err(UnsafePath::RawCharacter),
            _ => {}
        }
    }
    Ok(())
}

fn hex(byte: Option<u8>) -> Result<u8, UnsafePath> {
    let digit = byte.and_then(|b| char::from(b).to_digit(16)).ok_or(UnsafePath::BadEscape)?;
    u8::try_from(digit).map_err(|_| UnsafePath::BadEscape)
}

/// Unreserved characters (RFC 3986 §2.3) are the same escaped or not, so an escaped one names a place twice. The tilde
/// is let through, because older encoders escape it; no path of the gateway has one.
const fn check_escape(high: u8, low: u8) -> Result<(), UnsafePath> {
    match high << 4 | low {
        b'/' | b'\\' | b'.' | b'%' | 0..0x20 | 0x7f => Err(UnsafePath::DangerousEscape),
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' => Err(UnsafePath::NeedlessEscape),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_paths_pass() {
        for path in [
            "/",
            "/a",
            "/a/",
            "/a/b.c",
            "/a%20b",
            "/%C3%A4",
            "/a;v=1",
            "/a,b",
            "/a:b@c",
            "/~me",
            "/%7Eme",
            "/...",
            "/.well-known/x",
            "/a+b",
            "/!$&'()*=",
            "/v1beta/models/gemini:generateContent",
        ] {
            assert_eq!(check(path), Ok(()), "{path}");
        }
    }

    #[test]
    fn paths_that_a_lenient_upstream_takes_for_one_have_one_form() {
        for path in [
            "/s/admin",
            "/s/Admin",
            "/S/ADMIN",
            "/s/admin;x",
            "/s/admin;x=1;y",
            "/s;v=2/admin",
            "/s/admin%3b",
            "/s/admin%3Bx=1",
            "/s/admin/",
            "/s/admin.",
            "/s/admin%20",
            "/s/admin;/",
            "/s/;/admin",
            "/s/;a=b/admin",
            "/s/%3b/admin",
            "/s/%20/;x/admin",
            "/s/%20admin",
        ] {
            assert_eq!(folded(path), "/s/admin", "{path}");
        }
        for (path, form) in
            [("/", ""), ("/a.b", "/a.b"), ("/a-b_c~d", "/a-b_c~d"), ("/%C3%84", "/ä"), ("/%E2%84%AA", "/k")]
        {
            assert_eq!(folded(path), form, "{path}");
        }
    }

    #[test]
    fn paths_that_two_readers_could_take_for_two_places_are_refused() {
        for (path, why) in [
            ("", UnsafePath::NotAbsolute),
            ("*", UnsafePath::NotAbsolute),
            ("//a", UnsafePath::EmptySegment),
            ("/a//b", UnsafePath::EmptySegment),
            ("/a/../b", UnsafePath::DotSegment),
            ("/..", UnsafePath::DotSegment),
            ("/./a", UnsafePath::DotSegment),
            ("/..;/a", UnsafePath::DotSegment),
            ("/..;x=1/a", UnsafePath::DotSegment),
            ("/..%3b/a", UnsafePath::DotSegment),
            ("/.%3B/a", UnsafePath::DotSegment),
            ("/..%20/a", UnsafePath::DotSegment),
            ("/%20./a", UnsafePath::DotSegment),
            ("/%20..%3bx/a", UnsafePath::DotSegment),
            ("/...;/a", UnsafePath::DotSegment),
            ("/%2e%2e/a", UnsafePath::DangerousEscape),
            ("/..%2fa", UnsafePath::DangerousEscape),
            ("/a%5cb", UnsafePath::DangerousEscape),
            ("/%252e%252e/a", UnsafePath::DangerousEscape),
            ("/a%00", UnsafePath::DangerousEscape),
            ("/a%0d%0ab", UnsafePath::DangerousEscape),
            ("/%61dmin", UnsafePath::NeedlessEscape),
            ("/a%", UnsafePath::BadEscape),
            ("/a%2", UnsafePath::BadEscape),
            ("/a%zz", UnsafePath::BadEscape),
            ("/a\\b", UnsafePath::RawCharacter),
            ("/a b", UnsafePath::RawCharacter),
            ("/ä", UnsafePath::RawCharacter),
            ("/a#b", UnsafePath::RawCharacter),
        ] {
            assert_eq!(check(path), Err(why), "{path}");
        }
    }
}
