//! Decodes an answer that comes coded although `identity` was asked for (RFC 9110 §8.4.1), so that it can be counted. The
//! client gets the coded bytes, or the decoded ones where the answer must be changed.
//!
//! A few coded bytes may decode to a thousand times as many. So it goes in turns: each gives so much at most.

use bytes::{Buf, Bytes};
use flate2::{Decompress, FlushDecompress, Status};

use super::work;

/// The most that is decoded in one turn.
const TURN_BYTES: usize = 64 << 10;

/// The most members of a gzip text that are begun in one turn.
const TURN_MEMBERS: usize = 64;

/// How a JSON text or events begin.
const PLAIN: [&[u8; 2]; 9] = [b"{\"", b"{ ", b"{\n", b"{\r", b"{}", b"[{", b"da", b"ev", b": "];

/// The most that an answer is decoded to.
const MAX_DECODED_BYTES: usize = 256 << 20;

/// The window of deflate, and of what has it in it: 32 KiB.
const WINDOW_BITS: u8 = 15;

/// The most codings that an answer may have on top of each other.
const MAX_CODINGS: usize = 3;

/// Undoes the codings of an answer, the last one first.
pub(super) struct Decoder {
    layers: Vec<Layer>,
    decoded: usize,
}

/// One of them.
enum Layer {
    /// Its first bytes, which do not yet show whether they have it.
    Opening(Coding, Vec<u8>),
    Coded(Box<Inflate>),
    /// What has come, which does not have the coding.
    Plain(Vec<u8>),
}

struct Inflate {
    inner: Decompress,
    is_gzip: bool,
    /// What has come and is not decoded.
    waiting: Bytes,
    /// Whether the last turn was full, so that more may follow without another byte.
    is_full: bool,
    /// Whether what has come is whole.
    has_ended: bool,
}

/// A coding that an answer states, and its first bytes, which show whether it has it.
pub(super) enum Coded {
    /// Too few of them.
    Opening(Codings, Vec<u8>),
    Known(Box<Decoder>),
}

/// What can be decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Coding {
    Gzip,
    Deflate,
}

/// The codings of an answer, the last one first; nothing where one cannot be decoded here, where there are too many, or where
/// it is none: some services write `none`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Codings(Option<Vec<Coding>>);

/// How an answer is coded by its field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Field {
    Plain,
    Coded(Codings),
}

/// Bytes that cannot be decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not in the content coding that the answer states, or too long")]
pub(super) struct Undecodable;

impl Field {
    /// Reads a `Content-Encoding`: a list, in which nothing and `identity` say nothing.
    pub fn read(codings: &str) -> Self {
        let is = |coding: &str, name: &str| coding.eq_ignore_ascii_case(name);
        let all = codings.split(',').map(str::trim).filter(|coding| !coding.is_empty() && !is(coding, "identity"));
        let known = |coding: &str| match coding {
            _ if is(coding, "gzip") || is(coding, "x-gzip") => Some(Coding::Gzip),
            _ if is(coding, "deflate") => Some(Coding::Deflate),
            _ => None,
        };
        let known: Option<Vec<Coding>> = all.rev().map(known).take(MAX_CODINGS.saturating_add(1)).collect();
        match known {
            Some(none) if none.is_empty() => Self::Plain,
            known => Self::Coded(Codings(known.filter(|known| known.len() <= MAX_CODINGS))),
        }
    }
}

impl Codings {
    /// Whether all can be undone.
    pub const fn are_known(&self) -> bool {
        self.0.is_some()
    }

    /// Whether bytes that begin like this cannot be looked into.
    pub fn hide(&self, text: &[u8]) -> bool {
        !self.are_known() && !text.first_chunk().is_some_and(|first| PLAIN.contains(&first))
    }

    /// The decoder of bytes that begin with these two: some proxies undo codings and leave the field.
    fn decoder(&self, first: u8, second: u8) -> Option<Decoder> {
        let mut codings = self.0.iter().flatten();
        let outer = codings.find_map(|coding| coding.inflate(first, second))?;
        let inner = codings.map(|coding| Layer::Opening(*coding, vec![]));
        Some(Decoder { layers: std::iter::once(Layer::Coded(Box::new(outer))).chain(inner).collect(), decoded: 0 })
    }
}

impl Coding {
    /// The decoder of bytes that begin with these two; nothing where they are plain: some proxies decode an answer and leave
    /// its field. Raw deflate, without the header of zlib, is what many servers call deflate.
    fn inflate(self, first: u8, second: u8) -> Option<Inflate> {
        let header = u16::from(first).saturating_mul(256).saturating_add(u16::from(second));
        let is_zlib = first & 0x0f == 8 && header.is_multiple_of(31);
        let (inner, is_gzip) = match self {
            // What begins so is no deflate, whatever it is called.
            Self::Gzip | Self::Deflate if [first, second] == [0x1f, 0x8b] => (Decompress::new_gzip(WINDOW_BITS), true),
            Self::Gzip => return None,
            Self::Deflate if PLAIN.contains(&&[first, second]) => return None,
            Self::Deflate => (Decompress::new(is_zlib), false),
        };
        Some(Inflate { inner, is_gzip, waiting: Bytes::new(), is_full: false, has_ended: false })
    }
}

impl Coded {
    /// The bytes that have come, once they show what they are: with their decoder, or without if they are plain.
    pub fn open(codings: Codings, mut first: Vec<u8>, piece: &[u8]) -> Result<(Option<Decoder>, Vec<u8>), Self> {
        first.extend_from_slice(piece);
        match first.as_slice() {
            [one, two, ..] => Ok((codings.decoder(*one, *two), first)),
            _ => Err(Self::Opening(codings, first)),
        }
    }
}

impl Decoder {
    /// A further piece has come.
    pub fn add(&mut self, piece: Bytes) {
        if let Some(outer) = self.layers.first_mut() {
            outer.add(piece);
        }
    }

    /// Whether there is more to decode of what has come.
    pub fn has_more(&self) -> bool {
        self.layers.iter().any(Layer::has_more)
    }

    /// Whether what has come ends where a coded text does.
    pub fn is_whole(&self) -> bool {
        self.layers.iter().all(Layer::is_whole)
    }

    /// What has come and is not decoded.
    pub fn rest(self) -> Bytes {
        let rest = self.layers.into_iter().map(Layer::rest);
        rest.reduce(|longest, rest| if rest.len() > longest.len() { rest } else { longest }).unwrap_or_default()
    }

    /// The next part of what has come: what waits furthest within goes first, so that no layer has more than one part.
    pub fn turn(&mut self) -> Result<Vec<u8>, Undecodable> {
        let from = self.layers.iter().rposition(Layer::has_more).unwrap_or(0);
        let mut plain: Option<Vec<u8>> = None;
        for layer in self.layers.iter_mut().skip(from) {
            if let Some(coded) = plain {
                layer.add(coded.into());
            }
            plain = Some(layer.turn()?);
        }
        let plain = plain.unwrap_or_default();
        self.decoded = self.decoded.saturating_add(plain.len());
        if self.decoded > MAX_DECODED_BYTES { Err(Undecodable) } else { Ok(plain) }
    }
}

impl Layer {
    fn add(&mut self, piece: Bytes) {
        match self {
            Self::Coded(inflate) => inflate.add(piece),
            Self::Plain(waiting) => waiting.extend_from_slice(&piece),
            Self::Opening(coding, first) => {
                first.extend_from_slice(&piece);
                let [one, two, ..] = first.as_slice() else { return };
                let opened = coding.inflate(*one, *two);
                let first = std::mem::take(first);
                *self = match opened {
                    Some(mut inflate) => {
                        inflate.add(first.into());
                        Self::Coded(Box::new(inflate))
                    }
                    None => Self::Plain(first),
                };
            }
        }
    }

    fn has_more(&self) -> bool {
        match self {
            Self::Coded(inflate) => inflate.has_more(),
            Self::Plain(waiting) => !waiting.is_empty(),
            Self::Opening(..) => false,
        }
    }

    fn is_whole(&self) -> bool {
        match self {
            Self::Coded(inflate) => inflate.has_ended && !inflate.has_more(),
            Self::Plain(waiting) => waiting.is_empty(),
            Self::Opening(_, first) => first.is_empty(),
        }
    }

    fn rest(self) -> Bytes {
        match self {
            Self::Coded(inflate) => inflate.waiting,
            Self::Plain(rest) | Self::Opening(_, rest) => rest.into(),
        }
    }

    fn turn(&mut self) -> Result<Vec<u8>, Undecodable> {
        match self {
            Self::Coded(inflate) => inflate.turn(),
            Self::Plain(waiting) => Ok(std::mem::take(waiting)),
            Self::Opening(..) => Ok(vec![]),
        }
    }
}

impl Inflate {
    /// A further piece has come.
    fn add(&mut self, piece: Bytes) {
        match (self.waiting.is_empty(), piece.is_empty()) {
            (true, _) => self.waiting = piece,
            (false, true) => {}
            (false, false) => self.waiting = [&*self.waiting, &*piece].concat().into(),
        }
    }

    /// Whether there is more to decode of what has come.
    const fn has_more(&self) -> bool {
        self.is_full || !self.waiting.is_empty()
    }

    /// The next part of what has come.
    fn turn(&mut self) -> Result<Vec<u8>, Undecodable> {
        let mut plain = Vec::with_capacity(TURN_BYTES);
        for _ in 0..TURN_MEMBERS {
            if !self.step(&mut plain)? {
                break;
            }
        }
        work::count(plain.len());
        Ok(plain)
    }

    /// Decodes to the end of what has come, of a coded text or of the room in `plain`; whether another text may follow.
    fn step(&mut self, plain: &mut Vec<u8>) -> Result<bool, Undecodable> {
        if self.has_ended && !self.begin_next() {
            return Ok(false);
        }
        let before = self.inner.total_in();
        let status = self.inner.decompress_vec(&self.waiting, plain, FlushDecompress::None).map_err(|_| Undecodable)?;
        let (used, has_ended) = (self.inner.total_in().saturating_sub(before), matches!(status, Status::StreamEnd));
        self.waiting.advance(usize::try_from(used).unwrap_or(usize::MAX).min(self.waiting.len()));
        self.has_ended = has_ended;
        let is_room_left = plain.len() < plain.capacity();
        self.is_full = !has_ended && !is_room_left;
        // A decoder that takes nothing though there is room is at its end.
        if !has_ended && is_room_left && !self.waiting.is_empty() { Err(Undecodable) } else { Ok(has_ended) }
    }

    /// A gzip text may be followed by another one (RFC 1952 §2.2); what else follows a coded text says nothing.
    fn begin_next(&mut self) -> bool {
        let is_next = self.is_gzip && self.waiting.first() == Some(&0x1f);
        if is_next {
            self.inner = Decompress::new_gzip(WINDOW_BITS);
            self.has_ended = false;
        } else {
            self.waiting.clear();
        }
        is_next
    }
}
