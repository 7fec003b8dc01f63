//! Which request paths are safe to decide on and to forward byte for byte.
//!
//! Tollgate never rewrites a path: the bytes that were authorised are the bytes that are forwarded. So a path that two
//! readers could take for two places is refused instead: anything that a decoder, a dot-segment remover (RFC 3986
//! §5.2.4) or a slash merger on either side would turn into another path. What an upstream may read as another path although
//! the standards do not is [`folded`] away, so that the routes can be asked about that one as well.

mod form;
#[cfg(test)]
mod tests;

use self::form::{decoded, without_parameters};
pub use self::form::{every_form, folded};
use super::percent;

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
    #[error("the path has an escaped byte that no UTF-8 has, or a character in more bytes than it needs")]
    OverlongEscape,
    #[error("the path has a character that must be escaped")]
    RawCharacter,
    /// See [`every_form`].
    #[error(
        "the path could be read as that of another route, or of none (by path parameters, escapes, case, dots, what some leave \
         out of segments, a slash at its end, or what stands behind the name of a program)"
    )]
    OtherRoute,
}

/// Checks the raw path of a request target, without its query.
pub fn check(path: &str) -> Result<(), UnsafePath> {
    let Some(rest) = path.strip_prefix('/') else {
        return Err(UnsafePath::NotAbsolute);
    };
    let mut segments = rest.split('/').peekable();
    while let Some(segment) = segments.next() {
        if segment.is_empty() && segments.peek().is_some() {
            return Err(UnsafePath::EmptySegment);
        }
        if is_resource_name(segment) { check_resource_name(segment)? } else { check_segment(segment)? }
    }
    Ok(())
}

/// What stands before a name in the path of a URL of the gateway.
const BY_NAME: &str = "/by-name/";

/// Before the names of models, many of which have slashes. Of the second one a route may have the place.
const MODELS: [&str; 2] = ["/admin/models/", CALLABLE_MODELS];
const CALLABLE_MODELS: &str = "/v1/models/";

/// What may be escaped in such a name and nowhere else: only the gateway reads it, and once.
const OF_NAMES: [&str; 5] = ["%2F", "%2f", "%5C", "%5c", "%25"];

/// Checks the raw path of a URL of the gateway itself. Names in it may have escaped slashes, backslashes and percent signs; dot
/// segments between them are refused all the same.
pub fn check_own(path: &str) -> Result<(), UnsafePath> {
    let Some((before, names)) = parted_at_names(path) else {
        return check(path);
    };
    let (mut parted, mut plain) = (names.to_owned(), names.to_owned());
    for escape in OF_NAMES {
        parted = parted.replace(escape, "/");
        plain = plain.replace(escape, "x");
    }
    if parted.split('/').any(is_dot_segment) {
        return Err(UnsafePath::DotSegment);
    }
    check(&format!("{before}{plain}"))
}

/// The name of a model, as it is written, in the path of the URL that shows it. Where a route has that path, it is [`check`]ed as any
/// other.
#[must_use]
pub fn model_in(path: &str) -> Option<&str> {
    path.strip_prefix(CALLABLE_MODELS)
}

/// What stands before the names in the path of a URL of the gateway, and these.
fn parted_at_names(path: &str) -> Option<(&str, &str)> {
    let at = match MODELS.into_iter().find(|models| path.starts_with(models)) {
        Some(models) => models.len(),
        None => path.find(BY_NAME)?.saturating_add(BY_NAME.len()),
    };
    path.split_at_checked(at)
}

/// Whether the URL of the gateway that has a name in its path can be written.
#[must_use]
pub fn can_name(name: &str) -> bool {
    check_own(&format!("{BY_NAME}{}", percent::encoded(name))).is_ok()
}

/// Whether a segment is the name of a resource of AWS, in which slashes are escaped: models of Bedrock are asked by it.
fn is_resource_name(segment: &str) -> bool {
    ["arn%3A", "arn%3a", "arn:"].iter().any(|start| segment.starts_with(start))
}

/// What its escaped slashes part is as good as segments of the path, and [`folded`] takes it for such.
fn check_resource_name(name: &str) -> Result<(), UnsafePath> {
    name.split("%2F")
        .flat_map(|part| part.split("%2f"))
        .try_for_each(|part| if part.is_empty() { Err(UnsafePath::EmptySegment) } else { check_segment(part) })
}

fn check_segment(segment: &str) -> Result<(), UnsafePath> {
    check_characters(segment)?;
    if is_dot_segment(segment) { Err(UnsafePath::DotSegment) } else { Ok(()) }
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

fn check_characters(segment: &str) -> Result<(), UnsafePath> {
    let mut bytes = segment.bytes();
    let mut before = 0;
    while let Some(byte) = bytes.next() {
        let mut escaped = 0;
        match byte {
            b'%' => {
                escaped = hex(bytes.next())? << 4 | hex(bytes.next())?;
                check_escape(escaped)?;
                check_length(before, escaped)?;
            }
            b'\\' | b'<' | b'>' | b'"' | b'`' | b'{' | b'}' | b'#' | b'?' | 0..=0x20 | 0x7f.. => {
                return Err(UnsafePath::RawCharacter);
            }
            _ => {}
        }
        before = escaped;
    }
    Ok(())
}

/// An escaped byte that could be part of a character in more bytes than it needs, which some decoders take for that character
/// (RFC 3629 §3 and §10; of five and six bytes, RFC 2279 §2); `before` is the escaped byte just before it.
const fn check_length(before: u8, escaped: u8) -> Result<(), UnsafePath> {
    match (before, escaped) {
        (_, 0xc0 | 0xc1) | (0xe0, 0x80..0xa0) | (0xf0, 0x80..0x90) | (0xf8, 0x80..0x88) | (0xfc, 0x80..0x84) => {
            Err(UnsafePath::OverlongEscape)
        }
        _ => Ok(()),
    }
}

fn hex(byte: Option<u8>) -> Result<u8, UnsafePath> {
    let digit = byte.and_then(|b| char::from(b).to_digit(16)).ok_or(UnsafePath::BadEscape)?;
    u8::try_from(digit).map_err(|_| UnsafePath::BadEscape)
}

/// Unreserved characters (RFC 3986 §2.3) are the same escaped or not, so an escaped one names a place twice. The tilde
/// is let through, because older encoders escape it; no path of the gateway has one.
const fn check_escape(escaped: u8) -> Result<(), UnsafePath> {
    match escaped {
        b'/' | b'\\' | b'.' | b'%' | 0..0x20 | 0x7f => Err(UnsafePath::DangerousEscape),
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' => Err(UnsafePath::NeedlessEscape),
        _ => Ok(()),
    }
}
