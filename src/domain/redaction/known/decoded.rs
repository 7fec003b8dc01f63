//! A text as it reads once the escapes of JSON, HTML and URLs in it are undone, all of them at once, and where each of its
//! bytes stood.

use std::ops::Range;

/// Escapes of HTML by name that encoders write, and two that only HTML 5 has.
const ENTITIES: [(&[u8], u8); 8] = [
    (b"amp", b'&'),
    (b"lt", b'<'),
    (b"gt", b'>'),
    (b"quot", b'"'),
    (b"apos", b'\''),
    (b"plus", b'+'),
    (b"equals", b'='),
    (b"sol", b'/'),
];

/// The longest escape of HTML, without its `&`.
const ENTITY_BYTES: usize = 10;

/// A text that was decoded once or more.
pub(super) struct Decoded {
    bytes: Vec<u8>,
    /// For each byte where it began in the text before it was decoded, and at the end where that ended.
    places: Vec<usize>,
}

impl Decoded {
    /// The text decoded; `None` if it has nothing that is.
    pub fn of(text: &str) -> Option<Self> {
        Self::decode(text.as_bytes(), |at| at)
    }

    /// Decoded once more.
    pub fn again(&self) -> Option<Self> {
        Self::decode(&self.bytes, |at| self.place(at))
    }

    /// The text, as far as it is decoded.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Where in the first text these bytes stood.
    pub fn range(&self, at: usize, bytes: usize) -> Option<Range<usize>> {
        Some(*self.places.get(at)?..*self.places.get(at.checked_add(bytes)?)?)
    }

    fn place(&self, at: usize) -> usize {
        self.places.get(at).copied().unwrap_or_default()
    }

    fn decode(text: &[u8], place: impl Fn(usize) -> usize) -> Option<Self> {
        memchr::memchr3(b'\\', b'%', b'&', text)?;
        let mut decoded = Self { bytes: Vec::with_capacity(text.len()), places: Vec::with_capacity(text.len()) };
        let (mut at, mut has_changed) = (0, false);
        while let Some((first, rest)) = text.get(at..).and_then(<[u8]>::split_first) {
            let escape = match first {
                b'\\' => of_json(rest),
                b'%' => hexadecimal(rest, 2).and_then(|code| Some((2, u8::try_from(code).ok()?))),
                b'&' => of_html(rest),
                _ => None,
            };
            has_changed |= escape.is_some();
            let (length, byte) = escape.unwrap_or((0, *first));
            decoded.bytes.push(byte);
            decoded.places.push(place(at));
            at = at.saturating_add(1).saturating_add(length);
        }
        decoded.places.push(place(text.len()));
        has_changed.then_some(decoded)
    }
}

/// The length of an escape behind its backslash, and what it stands for.
fn of_json(rest: &[u8]) -> Option<(usize, u8)> {
    match rest.first()? {
        byte @ (b'"' | b'\\' | b'/' | b'\'') => Some((1, *byte)),
        b'u' => Some((5, ascii(hexadecimal(rest.get(1..)?, 4)?)?)),
        b'x' => Some((3, ascii(hexadecimal(rest.get(1..)?, 2)?)?)),
        _ => None,
    }
}

/// The length of an escape behind its `&`, and what it stands for.
fn of_html(rest: &[u8]) -> Option<(usize, u8)> {
    let end = rest.iter().take(ENTITY_BYTES).position(|byte| *byte == b';')?;
    let length = end.saturating_add(1);
    let byte = match rest.get(..end)? {
        [b'#', b'x' | b'X', digits @ ..] => ascii(hexadecimal(digits, digits.len())?)?,
        [b'#', digits @ ..] => ascii(std::str::from_utf8(digits).ok()?.parse().ok()?)?,
        name => ENTITIES.iter().find(|(known, _)| *known == name)?.1,
    };
    Some((length, byte))
}

/// Secrets are sent in headers, so they have no other characters.
fn ascii(code: u32) -> Option<u8> {
    u8::try_from(code).ok().filter(u8::is_ascii)
}

fn hexadecimal(digits: &[u8], length: usize) -> Option<u32> {
    let digits = digits.get(..length).filter(|digits| digits.iter().all(u8::is_ascii_hexdigit))?;
    u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}
