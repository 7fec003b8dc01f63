//! A JSON text (RFC 8259) as a tree of borrowed values: the one reader of requests and answers.
//!
//! Called with the bytes of a request, of a whole answer or of one event. Nothing is copied and no string is decoded until
//! somebody asks for it. Depth and size of the tree are bounded, so the worst text costs a bounded time and memory.
//!
//! The grammar is strict for requests, but for one thing: a string may be any bytes and have half a pair of surrogates. Whether
//! a request is UTF-8 is checked by its reader. Of answers more is read, because such answers exist and are read by clients:
//! what is no value, as `NaN`, and what is nested too deep is nothing, and the rest counts.

mod object;
mod reader;
#[cfg(test)]
mod tests;

use std::{borrow::Cow, ops::Range};

use self::{
    object::Members,
    reader::{Manner, Reader},
};
use super::work;
use crate::domain::money;

/// As deep as `serde_json` goes, so that what can be read here can be read there.
const MAX_DEPTH: u32 = 127;

/// The most members of an object in which one is looked for.
const MAX_MEMBERS: usize = 1_000;

/// The most values of a request, numbers in lists aside. A value is about 64 bytes of memory.
const MAX_VALUES: u32 = 1_000_000;

/// The same of an answer or an event, which is read between two turns of a worker. One of 512 KiB with the probabilities of each
/// token has half as many.
const MAX_ANSWER_VALUES: u32 = 65_536;

/// The bytes of an escaped character: `\u0061`.
const LONGEST_ESCAPE: usize = 6;

/// A value and the text it stands in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node<'j> {
    /// The value as it is written.
    pub raw: &'j [u8],
    pub kind: Kind<'j>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind<'j> {
    Null,
    Bool(bool),
    Number,
    Text,
    /// Without its numbers, which are tokens or vectors and may be many.
    List(Vec<Node<'j>>),
    Object(Members<'j>),
}

/// A member of an object. One name may come more than once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member<'j> {
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
    #[error("it has more than {0} values")]
    Size(u32),
}

/// A parser may ignore one at the beginning (RFC 8259 §8.1).
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Reads a text that is one value.
pub(super) fn read(text: &[u8]) -> Result<Node<'_>, Unreadable> {
    read_all(text, Manner::Strict)
}

/// Reads an answer, or an event of one, that is one value, as clients do.
pub(super) fn read_answer(text: &[u8]) -> Result<Node<'_>, Unreadable> {
    read_all(text, Manner::Lenient)
}

fn read_all(text: &[u8], manner: Manner) -> Result<Node<'_>, Unreadable> {
    let (node, rest) = first(text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text), manner)?;
    // Blanks of JSON (RFC 8259 §2): a form feed is none of them.
    let is_blank = rest.iter().all(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r'));
    if is_blank { Ok(node) } else { Err(Unreadable::Syntax(text.len().saturating_sub(rest.len()))) }
}

/// Reads the value that a text of answers begins with, and gives what follows it. The text may break off.
pub(super) fn read_first(text: &[u8]) -> Result<(Node<'_>, &[u8]), Unreadable> {
    if text.trim_ascii().is_empty() { Err(Unreadable::Syntax(0)) } else { first(text, Manner::Cut) }
}

fn first(text: &[u8], manner: Manner) -> Result<(Node<'_>, &[u8]), Unreadable> {
    let mut reader = Reader::new(text, manner);
    let node = reader.value(0);
    work::count(reader.at);
    Ok((node?, text.get(reader.at..).unwrap_or_default()))
}

impl<'j> Node<'j> {
    /// Whether it is `null`.
    pub const fn is_null(&self) -> bool {
        matches!(self.kind, Kind::Null)
    }

    /// The members of an object, in order; none of anything else.
    pub fn members(&self) -> &[Member<'j>] {
        if let Kind::Object(members) = &self.kind { members } else { &[] }
    }

    /// The items of a list; none of anything else.
    pub fn items(&self) -> &[Node<'j>] {
        if let Kind::List(items) = &self.kind { items } else { &[] }
    }

    /// Whether it is an object with more members than any format has.
    pub fn is_crowded(&self) -> bool {
        self.members().len() > MAX_MEMBERS
    }

    /// Whether it is an object.
    pub const fn is_object(&self) -> bool {
        matches!(self.kind, Kind::Object(_))
    }

    /// Whether it is a list.
    pub const fn is_list(&self) -> bool {
        matches!(self.kind, Kind::List(_))
    }

    /// The last member of this name, which is the one that most parsers take. Of an object with more members than any format
    /// has only the first and the last are looked at: looking for each known name in all would be too much work.
    pub fn get<'n>(&'n self, name: &str) -> Option<&'n Node<'j>> {
        let Kind::Object(members) = &self.kind else { return None };
        if !members.may_have(name) {
            return None;
        }
        let (before, last) = members.split_at(members.len().saturating_sub(MAX_MEMBERS));
        let first = before.get(..MAX_MEMBERS).unwrap_or(before);
        let in_part = |part: &'n [Member<'j>]| part.iter().rev().find(|member| member.is(name));
        in_part(last).or_else(|| in_part(first)).map(|member| &member.value)
    }

    /// The text, without its escapes; nothing where it is no text.
    pub fn text(&self) -> Option<Cow<'j, [u8]>> {
        matches!(self.kind, Kind::Text).then(|| decoded(inner(self.raw)))
    }

    /// The same as UTF-8; what is none becomes U+FFFD.
    pub fn string(&self) -> Option<String> {
        self.text().map(|text| String::from_utf8_lossy(&text).into_owned())
    }

    /// The truth value, if it is one.
    pub const fn bool(&self) -> Option<bool> {
        if let Kind::Bool(value) = self.kind { Some(value) } else { None }
    }

    /// A whole number that is not negative, however it is written: `512`, `512.0`, `5.12e2`.
    pub fn whole(&self) -> Option<u64> {
        let text = std::str::from_utf8(self.raw).ok().filter(|_| matches!(self.kind, Kind::Number))?;
        text.parse().ok().or_else(|| money::whole(text, 0).ok())
    }

    /// A number without a sign and an exponent, rounded up.
    pub fn rounded_up(&self) -> Option<u64> {
        let text = std::str::from_utf8(self.raw).ok().filter(|_| matches!(self.kind, Kind::Number))?;
        rounded_up(text)
    }

    /// Where the value stands in the text it was read from.
    pub fn place(&self, text: &[u8]) -> Range<usize> {
        place(self.raw, text)
    }
}

/// The number that a text is, without a sign and an exponent, rounded up.
pub(super) fn rounded_up(text: &str) -> Option<u64> {
    let (number, places) = text.split_once('.').unwrap_or((text, ""));
    let is_more = places.bytes().any(|digit| digit != b'0');
    let plain = places.bytes().all(|digit| digit.is_ascii_digit());
    number.parse::<u64>().ok().filter(|_| plain)?.checked_add(u64::from(is_more))
}

impl<'j> Member<'j> {
    /// The name without escapes.
    pub fn name(&self) -> Cow<'j, str> {
        match decoded(self.name) {
            Cow::Borrowed(name) => String::from_utf8_lossy(name),
            Cow::Owned(name) => Cow::Owned(String::from_utf8_lossy(&name).into_owned()),
        }
    }

    /// Whether the decoded name is this one. An escape is longer than what it stands for, and it is the first difference.
    pub fn is(&self, name: &str) -> bool {
        work::count(1);
        let name = name.as_bytes();
        // Two to six bytes stand for one to three.
        if self.name.len() <= name.len() || self.name.len() > name.len().saturating_mul(LONGEST_ESCAPE) {
            return self.name == name;
        }
        let difference = self.name.iter().zip(name).find(|(written, wanted)| written != wanted);
        difference.is_some_and(|(written, _)| *written == b'\\') && *decoded(self.name) == *name
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
    work::count(text.len());
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
