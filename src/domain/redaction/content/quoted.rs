//! Where quoted strings, objects and lists end, and what a string says.

use std::borrow::Cow;

use super::{NEAR_BYTES, beginning};

/// How long the quoted string at the beginning is, with its quotes; one that is not closed ends with its line or the text.
pub(super) fn literal_bytes(text: &str, quote: char, spans_lines: bool) -> usize {
    let mut is_escaped = false;
    for (at, character) in text.char_indices().skip(1) {
        match character {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            '\n' if !spans_lines => return at,
            character if character == quote => return at.saturating_add(1),
            _ => {}
        }
    }
    text.len()
}

/// How long the object or list at the beginning is; one that is not closed ends with the text.
pub(super) fn balanced_bytes(text: &str) -> usize {
    let (mut depth, mut in_string, mut is_escaped) = (0_usize, false, false);
    for (at, character) in text.char_indices() {
        match character {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            '"' => in_string = !in_string,
            '{' | '[' if !in_string => depth = depth.saturating_add(1),
            '}' | ']' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 {
            return at.saturating_add(1);
        }
    }
    text.len()
}

/// How long the content of an XML element of this name is whose start tag ends before the text, elements of the same name
/// in it included. `None` if the element is not closed.
pub(super) fn element_bytes(text: &str, name: &str) -> Option<usize> {
    let mut depth = 1_usize;
    for (at, _) in text.match_indices('<') {
        let tag = beginning(text.get(at.saturating_add(1)..).unwrap_or_default(), NEAR_BYTES);
        let (is_end, tag) = tag.strip_prefix('/').map_or((false, tag), |tag| (true, tag));
        let full = tag.split(|c: char| c.is_whitespace() || matches!(c, '>' | '/')).next().unwrap_or_default();
        if full.rsplit(':').next() != Some(name) {
            continue;
        }
        let is_empty = tag.split('>').next().is_some_and(|tag| tag.ends_with('/'));
        depth = if is_end { depth.saturating_sub(1) } else { depth.saturating_add(usize::from(!is_empty)) };
        if depth == 0 {
            return Some(at);
        }
    }
    None
}

/// What a quoted string says (RFC 8259 §7). Half of a pair, or an escape that is none, is read as whatever comes nearest.
pub(super) fn unescaped(raw: &str) -> Cow<'_, str> {
    let inner = raw.strip_prefix('"').unwrap_or(raw);
    let inner = inner.strip_suffix('"').unwrap_or(inner);
    if !inner.contains('\\') {
        return Cow::Borrowed(inner);
    }
    let (mut units, mut characters) = (vec![], inner.chars());
    while let Some(character) = characters.next() {
        let said = if character == '\\' { escape(&mut characters) } else { Ok(character) };
        match said {
            Ok(character) => units.extend_from_slice(character.encode_utf16(&mut [0; 2])),
            Err(unit) => units.push(unit),
        }
    }
    Cow::Owned(String::from_utf16_lossy(&units))
}

/// What stands behind a backslash: a character, or a unit of UTF-16.
fn escape(characters: &mut std::str::Chars<'_>) -> Result<char, u16> {
    match characters.next() {
        Some('n') => Ok('\n'),
        Some('r') => Ok('\r'),
        Some('t') => Ok('\t'),
        Some('u') => {
            let digits = characters.as_str().get(..4).and_then(|digits| u16::from_str_radix(digits, 16).ok());
            let Some(unit) = digits else { return Ok('u') };
            characters.nth(3);
            Err(unit)
        }
        other => Ok(other.unwrap_or('\\')),
    }
}
