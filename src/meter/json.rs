//! A JSON text (RFC 8259) as a tree of borrowed values: the one reader of requests and answers.
//!
//! Called with the bytes of a request, of a whole answer or of one event. Nothing is copied and no string is decoded until
//! somebody asks for it. Depth and size of the tree are bounded, so the worst text costs a bounded time and memory.
//!
//! The grammar is strict, but for one thing: a string may be any bytes and have half a pair of surrogates, because such
//! answers exist and their text counts. Whether a request is UTF-8 is checked by its reader.

use std::{borrow::Cow, ops::Range};

/// As deep as `serde_json` goes, so that what can be read here can be read there.
const MAX_DEPTH: u32 = 127;

/// The most values of a text, numbers in lists aside. A value is about 64 bytes of memory.
const MAX_VALUES: u32 = 1_000_000;

/// A value and the text it stands in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Node<'j> {
    /// The value as it is written.
    pub raw: &'j [u8],
    pub kind: Kind<'j>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind<'j> {
    Null,
    Bool(bool),
    Number,
    Text,
    /// Without its numbers, which are tokens or vectors and may be many.
    List(Vec<Node<'j>>),
    Object(Vec<Member<'j>>),
}

/// A member of an object. One name may come more than once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Member<'j> {
    /// The name as it is written, between its quotes.
    name: &'j [u8],
    pub value: Node<'j>,
}

/// Why a text cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unreadable {
    #[error("it is no JSON at byte {0}")]
    Syntax(usize),
    #[error("it is nested deeper than {MAX_DEPTH} levels")]
    Depth,
    #[error("it has more than {MAX_VALUES} values")]
    Size,
}

/// Reads a text that is one value.
pub(super) fn read(text: &[u8]) -> Result<Node<'_>, Unreadable> {
    let (node, rest) = read_first(text)?;
    if rest.trim_ascii().is_empty() { Ok(node) } else { Err(Unreadable::Syntax(text.len().saturating_sub(rest.len()))) }
}

/// Reads the value that a text begins with, and gives what follows it.
pub(super) fn read_first(text: &[u8]) -> Result<(Node<'_>, &[u8]), Unreadable> {
    let mut reader = Reader { text, at: 0, values: 0 };
    let node = reader.value(0)?;
    Ok((node, text.get(reader.at..).unwrap_or_default()))
}

impl<'j> Node<'j> {
    pub const fn is_null(&self) -> bool {
        matches!(self.kind, Kind::Null)
    }

    pub fn members(&self) -> &[Member<'j>] {
        if let Kind::Object(members) = &self.kind { members } else { &[] }
    }

    pub fn items(&self) -> &[Node<'j>] {
        if let Kind::List(items) = &self.kind { items } else { &[] }
    }

    pub const fn is_object(&self) -> bool {
        matches!(self.kind, Kind::Object(_))
    }

    pub const fn is_list(&self) -> bool {
        matches!(self.kind, Kind::List(_))
    }

    /// The last member of this name, which is the one that most parsers take.
    pub fn get(&self, name: &str) -> Option<&Node<'j>> {
        self.members().iter().rev().find(|member| member.is(name)).map(|member| &member.value)
    }

    /// The value at a path of names, `a/b`.
    pub fn at(&self, path: &str) -> Option<&Node<'j>> {
        path.split('/').try_fold(self, |node, name| node.get(name))
    }

    /// The text, without its escapes; nothing where it is no text.
    pub fn text(&self) -> Option<Cow<'j, [u8]>> {
        matches!(self.kind, Kind::Text).then(|| decoded(inner(self.raw)))
    }

    /// The same as UTF-8; what is none becomes U+FFFD.
    pub fn string(&self) -> Option<String> {
        self.text().map(|text| String::from_utf8_lossy(&text).into_owned())
    }

    pub const fn bool(&self) -> Option<bool> {
        if let Kind::Bool(value) = self.kind { Some(value) } else { None }
    }

    /// A number without a sign and an exponent, whose decimal places are all 0: `512`, `512.0`.
    pub fn whole(&self) -> Option<u64> {
        if !matches!(self.kind, Kind::Number) {
            return None;
        }
        let text = std::str::from_utf8(self.raw).ok()?;
        let (number, places) = text.split_once('.').unwrap_or((text, ""));
        places.bytes().all(|digit| digit == b'0').then(|| number.parse().ok()).flatten()
    }

    /// Where the value stands in the text it was read from.
    pub fn place(&self, text: &[u8]) -> Range<usize> {
        place(self.raw, text)
    }
}

impl<'j> Member<'j> {
    pub fn name(&self) -> Cow<'j, str> {
        match decoded(self.name) {
            Cow::Borrowed(name) => String::from_utf8_lossy(name),
            Cow::Owned(name) => Cow::Owned(String::from_utf8_lossy(&name).into_owned()),
        }
    }

    pub fn is(&self, name: &str) -> bool {
        self.name == name.as_bytes() || (self.name.contains(&b'\\') && *decoded(self.name) == *name.as_bytes())
    }

    /// Where the member stands in the text it was read from: from its name's quote to the end of its value.
    pub fn place(&self, text: &[u8]) -> Range<usize> {
        place(self.name, text).start.saturating_sub(1)..self.value.place(text).end
    }
}

fn place(part: &[u8], text: &[u8]) -> Range<usize> {
    let start = part.as_ptr().addr().saturating_sub(text.as_ptr().addr());
    start..start.saturating_add(part.len())
}

/// What stands between the quotes.
fn inner(raw: &[u8]) -> &[u8] {
    raw.get(1..raw.len().saturating_sub(1)).unwrap_or_default()
}

/// A string without its escapes. Half a pair of surrogates becomes U+FFFD.
fn decoded(text: &[u8]) -> Cow<'_, [u8]> {
    if !text.contains(&b'\\') {
        return Cow::Borrowed(text);
    }
    let mut plain = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.iter().position(|byte| *byte == b'\\') {
        let (before, escape) = rest.split_at(at);
        plain.extend_from_slice(before);
        rest = unescape(escape.get(1..).unwrap_or_default(), &mut plain);
    }
    plain.extend_from_slice(rest);
    Cow::Owned(plain)
}

/// Takes the escape that `rest` begins with, behind its backslash.
fn unescape<'t>(rest: &'t [u8], plain: &mut Vec<u8>) -> &'t [u8] {
    let Some((kind, rest)) = rest.split_first() else {
        return rest;
    };
    let single = match kind {
        b'n' => b'\n',
        b't' => b'\t',
        b'r' => b'\r',
        b'b' => 0x08,
        b'f' => 0x0c,
        b'u' => {
            let (character, rest) = unicode(rest);
            plain.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
            return rest;
        }
        other => *other,
    };
    plain.push(single);
    rest
}

/// The character of `XXXX`, or of a pair `XXXX\uYYYY`.
fn unicode(rest: &[u8]) -> (char, &[u8]) {
    const LOST: char = char::REPLACEMENT_CHARACTER;
    let Some((first, behind)) = unit(rest) else {
        return (LOST, rest);
    };
    if let Some(character) = char::from_u32(first) {
        return (character, behind);
    }
    let second = behind.strip_prefix(b"\\u").and_then(unit);
    match second {
        Some((second, after)) if (0xd800..0xdc00).contains(&first) && (0xdc00..0xe000).contains(&second) => {
            let high = first.saturating_sub(0xd800).saturating_mul(0x400);
            let low = second.saturating_sub(0xdc00);
            (char::from_u32(high.saturating_add(low).saturating_add(0x1_0000)).unwrap_or(LOST), after)
        }
        _ => (LOST, behind),
    }
}

/// The number of four hexadecimal digits.
fn unit(rest: &[u8]) -> Option<(u32, &[u8])> {
    let (digits, behind) = rest.split_at_checked(4)?;
    let number = std::str::from_utf8(digits).ok().and_then(|digits| u32::from_str_radix(digits, 16).ok())?;
    Some((number, behind))
}

struct Reader<'j> {
    text: &'j [u8],
    at: usize,
    values: u32,
}

impl<'j> Reader<'j> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    const fn step(&mut self) {
        self.at = self.at.saturating_add(1);
    }

    const fn fault<T>(&self) -> Result<T, Unreadable> {
        Err(Unreadable::Syntax(self.at))
    }

    fn blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.step();
        }
    }

    fn value(&mut self, depth: u32) -> Result<Node<'j>, Unreadable> {
        self.blanks();
        self.values = self.values.saturating_add(1);
        if self.values > MAX_VALUES {
            return Err(Unreadable::Size);
        }
        let start = self.at;
        let kind = match self.peek() {
            Some(b'{') => self.object(depth)?,
            Some(b'[') => self.list(depth)?,
            Some(b'"') => {
                self.string()?;
                Kind::Text
            }
            Some(b't') => self.word(b"true", Kind::Bool(true))?,
            Some(b'f') => self.word(b"false", Kind::Bool(false))?,
            Some(b'n') => self.word(b"null", Kind::Null)?,
            _ => {
                self.number()?;
                Kind::Number
            }
        };
        Ok(Node { raw: self.text.get(start..self.at).unwrap_or_default(), kind })
    }

    fn word(&mut self, word: &[u8], kind: Kind<'j>) -> Result<Kind<'j>, Unreadable> {
        let rest = self.text.get(self.at..).unwrap_or_default();
        if !rest.starts_with(word) {
            return self.fault();
        }
        self.at = self.at.saturating_add(word.len());
        Ok(kind)
    }

    /// Goes behind the closing quote, and gives what is between the two.
    fn string(&mut self) -> Result<&'j [u8], Unreadable> {
        self.step();
        let start = self.at;
        loop {
            let rest = self.text.get(self.at..).unwrap_or_default();
            let Some(plain) = rest.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..=0x1f)) else {
                self.at = self.text.len();
                return self.fault();
            };
            self.at = self.at.saturating_add(plain);
            match self.peek() {
                Some(b'"') => break,
                Some(b'\\') => self.escape()?,
                _ => return self.fault(),
            }
        }
        let inside = self.text.get(start..self.at).unwrap_or_default();
        self.step();
        Ok(inside)
    }

    fn escape(&mut self) -> Result<(), Unreadable> {
        self.step();
        match self.peek() {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.step(),
            Some(b'u') => {
                let digits = self.text.get(self.at.saturating_add(1)..self.at.saturating_add(5)).unwrap_or_default();
                if digits.len() != 4 || !digits.iter().all(u8::is_ascii_hexdigit) {
                    return self.fault();
                }
                self.at = self.at.saturating_add(5);
            }
            _ => return self.fault(),
        }
        Ok(())
    }

    fn digits(&mut self) -> Result<(), Unreadable> {
        if !self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            return self.fault();
        }
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.step();
        }
        Ok(())
    }

    fn number(&mut self) -> Result<(), Unreadable> {
        if self.peek() == Some(b'-') {
            self.step();
        }
        if self.peek() == Some(b'0') {
            self.step();
        } else {
            self.digits()?;
        }
        if self.peek() == Some(b'.') {
            self.step();
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.step();
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.step();
            }
            self.digits()?;
        }
        Ok(())
    }

    fn list(&mut self, depth: u32) -> Result<Kind<'j>, Unreadable> {
        let mut items = vec![];
        self.open(depth)?;
        if self.closes(b']') {
            return Ok(Kind::List(items));
        }
        loop {
            self.blanks();
            if matches!(self.peek(), Some(b'-' | b'0'..=b'9')) {
                self.number()?;
            } else {
                items.push(self.value(depth.saturating_add(1))?);
            }
            if self.ends(b']')? {
                return Ok(Kind::List(items));
            }
        }
    }

    fn object(&mut self, depth: u32) -> Result<Kind<'j>, Unreadable> {
        let mut members = vec![];
        self.open(depth)?;
        if self.closes(b'}') {
            return Ok(Kind::Object(members));
        }
        loop {
            self.blanks();
            if self.peek() != Some(b'"') {
                return self.fault();
            }
            let name = self.string()?;
            self.blanks();
            if self.peek() != Some(b':') {
                return self.fault();
            }
            self.step();
            let value = self.value(depth.saturating_add(1))?;
            members.push(Member { name, value });
            if self.ends(b'}')? {
                return Ok(Kind::Object(members));
            }
        }
    }

    fn open(&mut self, depth: u32) -> Result<(), Unreadable> {
        if depth >= MAX_DEPTH {
            return Err(Unreadable::Depth);
        }
        self.step();
        Ok(())
    }

    fn closes(&mut self, bracket: u8) -> bool {
        self.blanks();
        let closes = self.peek() == Some(bracket);
        if closes {
            self.step();
        }
        closes
    }

    /// Whether the list or object ends here; a comma says that it goes on.
    fn ends(&mut self, bracket: u8) -> Result<bool, Unreadable> {
        if self.closes(bracket) {
            return Ok(true);
        }
        if self.peek() != Some(b',') {
            return self.fault();
        }
        self.step();
        Ok(false)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn values_are_found_with_their_places() {
        let text = br#" { "a" : [1, "}", -2.5e+3, null], "b":{"c\u0064":512.0}, "a":true} "#;
        let node = read(text).unwrap();
        assert_eq!(node.get("a").and_then(Node::bool), Some(true), "the last one");
        assert_eq!(node.members()[0].value.items().len(), 2, "without its numbers");
        let inner = node.at("b/cd").unwrap();
        assert_eq!((inner.whole(), &text[inner.place(text)]), (Some(512), &b"512.0"[..]));
        assert_eq!(&text[node.members()[1].place(text)], br#""b":{"c\u0064":512.0}"#);
    }

    #[test]
    fn texts_are_decoded() {
        for (json, text) in [
            (r#""a\"\\\/\n""#, "a\"\\/\n"),
            (r#""\u00e9\u4f60""#, "é你"),
            (r#""\ud83e\udd80""#, "🦀"),
            (r#""\ud83dx""#, "\u{fffd}x"),
            (r#""\ud83d\ud83d\n""#, "\u{fffd}\u{fffd}\n"),
        ] {
            assert_eq!(read(json.as_bytes()).unwrap().string().as_deref(), Some(text), "{json}");
        }
        assert_eq!(read(b"\"\xff\"").unwrap().text().as_deref(), Some(&b"\xff"[..]));
    }

    #[test]
    fn only_plain_whole_numbers_are_counts() {
        for (json, count) in [
            ("0", Some(0)),
            ("512.0", Some(512)),
            ("18446744073709551615", Some(u64::MAX)),
            ("18446744073709551616", None),
            ("-1", None),
            ("1.5", None),
            ("1e3", None),
            ("\"7\"", None),
            ("true", None),
        ] {
            assert_eq!(read(json.as_bytes()).unwrap().whole(), count, "{json}");
        }
    }

    #[test]
    fn what_follows_the_first_value_is_given_back() {
        let (node, rest) = read_first(b"{}\n\ndata: [DONE]").unwrap();
        assert_eq!((node.is_object(), rest), (true, &b"\n\ndata: [DONE]"[..]));
    }

    #[test]
    fn a_text_that_is_too_deep_is_an_error_and_no_overflow() {
        for open in ["[", "{\"a\":", "[{\"a\":"] {
            assert_eq!(read(open.repeat(1_000_000).as_bytes()), Err(Unreadable::Depth));
        }
    }

    proptest! {
        /// What `serde_json` takes is read, and what it does not is not.
        #[test]
        fn the_grammar_is_that_of_serde_json(text in "[\\[\\]{}:,\"\\\\a-eu0-3.+ -]{0,24}|(true|null|[0-9.eE+-]{1,6})") {
            let known: Result<&serde_json::value::RawValue, _> = serde_json::from_str(&text);
            prop_assert_eq!(read(text.as_bytes()).is_ok(), known.is_ok(), "{}", text);
        }

        #[test]
        fn any_value_is_read(value in "[a-zé\"\\\\\n\u{1f980}]{0,20}", key in "[a-z\"é]{0,8}") {
            let json = serde_json::json!({ &key: [value, 1, { "x": null }] }).to_string();
            let node = read(json.as_bytes()).unwrap();
            prop_assert_eq!(node.get(&key).unwrap().items()[0].string(), Some(value));
        }

        #[test]
        fn no_bytes_are_a_panic(text in any::<Vec<u8>>()) {
            drop(read(&text));
        }
    }
}
