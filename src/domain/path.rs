//! Which request paths are safe to decide on and to forward byte for byte.
//!
//! Tollgate never rewrites a path: the bytes that were authorised are the bytes that are forwarded. So a path that two
//! readers could take for two places is refused instead: anything that a decoder, a dot-segment remover (RFC 3986
//! §5.2.4) or a slash merger on either side would turn into another path. What an upstream may read as another path although
//! the standards do not is [`folded`] away, so that the routes can be asked about that one as well.

#[cfg(test)]
mod tests;

use std::borrow::Cow;

use unicode_normalization::UnicodeNormalization;

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
    /// See [`folded`].
    #[error(
        "the path could be read as that of another route (by path parameters, escapes, case, segments that some leave out or \
         a slash at its end)"
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

/// Before the names of models, many of which have slashes.
const MODELS: &str = "/admin/models/";

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

/// What stands before the names in the path of a URL of the gateway, and these.
fn parted_at_names(path: &str) -> Option<(&str, &str)> {
    let at = if path.starts_with(MODELS) { MODELS.len() } else { path.find(BY_NAME)?.saturating_add(BY_NAME.len()) };
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

/// The path as a lenient upstream may read it: every segment without path parameters, escapes, names of NTFS streams, dots and
/// blanks at its ends, distinctions of case and of compatible characters (Unicode Annex #15, NFKC) and characters that are not
/// seen, and no segment of which nothing is left or in which ASP.NET keeps what others keep in cookies. An escaped `?` or `#` ends
/// it, as where an upstream unescapes twice. Two paths that such an upstream takes for one have the same form.
#[must_use]
pub fn folded(path: &str) -> Cow<'_, str> {
    let is_plain = |b: u8| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'/' | b'-' | b'_' | b'~');
    if path.bytes().all(is_plain) && !path.ends_with('/') {
        return Cow::Borrowed(path);
    }
    let mut kept: Vec<String> = vec![];
    'path: for segment in path.split('/') {
        // Slashes and dot segments that are there only in the compatible form are what they look like.
        for part in compatible(decoded(segment)).split(['/', '\\']) {
            let (part, is_last) = before_query(part);
            match plain(part) {
                ".." => drop(kept.pop()),
                part if is_cookieless(part) => {}
                part => kept.extend(Some(fold(part)).filter(|part| !part.is_empty())),
            }
            if is_last {
                break 'path;
            }
        }
    }
    Cow::Owned(kept.into_iter().flat_map(|segment| ["/".to_owned(), segment]).collect())
}

/// In compatible characters, and those that are seen.
fn compatible(decoded: String) -> String {
    if decoded.is_ascii() {
        return decoded;
    }
    // Some are not seen only once they are compatible, and what is not seen keeps others apart.
    let seen: String = decoded.nfkc().filter(|c| !is_unseen(*c)).collect();
    seen.nfkc().collect()
}

/// What stands before an unescaped `?` or `#`, and whether there is one. Path parameters are cut before they are unescaped.
fn before_query(part: &str) -> (&str, bool) {
    without_parameters(part).split_once(['?', '#']).map_or((part, false), |(before, _)| (before, true))
}

/// Whether ASP.NET takes a segment for an identifier of its own, such as that of a session, and leaves it out: `(S(x))`,
/// `(A(x)S(y))`.
fn is_cookieless(part: &str) -> bool {
    let Some(mut rest) = part.strip_prefix('(').and_then(|part| part.strip_suffix(')')) else { return false };
    while let Some((letter, behind)) = rest.split_once('(') {
        let is_letter = letter.len() == 1 && letter.bytes().all(|byte| byte.is_ascii_alphabetic());
        let Some((_, behind)) = behind.split_once(')').filter(|_| is_letter) else { return false };
        rest = behind;
        if rest.is_empty() {
            return true;
        }
    }
    false
}

/// Without path parameters, the name of a stream of a file (NTFS: `name::$DATA`), and blanks around.
fn plain(part: &str) -> &str {
    let name = without_parameters(part);
    name.find(":$").and_then(|end| name.get(..end)).unwrap_or(name).trim_end_matches(':').trim()
}

fn fold(plain: &str) -> String {
    let is_cut = |c: char| c.is_whitespace() || matches!(c, '.' | IDEOGRAPHIC_FULL_STOP);
    // By way of capitals, because some letters (RFC 3986 has none of them unescaped) meet another only there.
    plain.trim_end_matches(is_cut).chars().flat_map(char::to_uppercase).flat_map(char::to_lowercase).collect()
}

/// A dot in the names of hosts (RFC 3490 §3.1), and what it is folded to by some in paths.
const IDEOGRAPHIC_FULL_STOP: char = '\u{3002}';

/// Whether a character is left out where it is shown, and by some where it is compared (Unicode,
/// `Default_Ignorable_Code_Point`).
const fn is_unseen(c: char) -> bool {
    matches!(
        c,
        '\u{ad}'
            | '\u{34f}'
            | '\u{61c}'
            | '\u{115f}'..='\u{1160}'
            | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}'
            | '\u{ffa0}'
            | '\u{fff0}'..='\u{fff8}'
            | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}'
    )
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
/// (RFC 3629 §3 and §10); `before` is the escaped byte just before it.
const fn check_length(before: u8, escaped: u8) -> Result<(), UnsafePath> {
    match (before, escaped) {
        (_, 0xc0 | 0xc1) | (0xe0, 0x80..0xa0) | (0xf0, 0x80..0x90) => Err(UnsafePath::OverlongEscape),
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
