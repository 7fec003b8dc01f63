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

pub(super) struct Decoder {
    inner: Decompress,
    is_gzip: bool,
    /// What has come and is not decoded.
    waiting: Bytes,
    /// Whether the last turn was full, so that more may follow without another byte.
    is_full: bool,
    /// Whether what has come is whole.
    has_ended: bool,
    decoded: usize,
}

/// A coding that an answer states, and its first bytes, which show whether it has it.
pub(super) enum Coded {
    /// Too few of them.
    Opening(Coding, Vec<u8>),
    Known(Box<Decoder>),
}

/// What can be decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Coding {
    Gzip,
    Deflate,
    /// One that cannot be decoded here, or several, or none: some services write `none`.
    Other,
}

/// How an answer is coded by its field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Field {
    Plain,
    Coded(Coding),
}

/// Bytes that cannot be decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not in the content coding that the answer states, or too long")]
pub(super) struct Undecodable;

impl Field {
    /// Reads a `Content-Encoding`: a list, in which nothing and `identity` say nothing.
    pub fn read(codings: &str) -> Self {
        let is = |coding: &str, name: &str| coding.eq_ignore_ascii_case(name);
        let mut all = codings.split(',').map(str::trim).filter(|coding| !coding.is_empty() && !is(coding, "identity"));
        match (all.next(), all.next()) {
            (None, _) => Self::Plain,
            (Some(one), None) if is(one, "gzip") || is(one, "x-gzip") => Self::Coded(Coding::Gzip),
            (Some(one), None) if is(one, "deflate") => Self::Coded(Coding::Deflate),
            _ => Self::Coded(Coding::Other),
        }
    }
}

impl Coding {
    /// The decoder of bytes that begin with these two; nothing where they are plain: some proxies decode an answer and leave
    /// its field. Raw deflate, without the header of zlib, is what many servers call deflate.
    fn decoder(self, first: u8, second: u8) -> Option<Decoder> {
        let header = u16::from(first).saturating_mul(256).saturating_add(u16::from(second));
        let is_zlib = first & 0x0f == 8 && header.is_multiple_of(31);
        let (inner, is_gzip) = match self {
            Self::Gzip if [first, second] == [0x1f, 0x8b] => (Decompress::new_gzip(WINDOW_BITS), true),
            Self::Gzip | Self::Other => return None,
            Self::Deflate if PLAIN.contains(&&[first, second]) => return None,
            Self::Deflate => (Decompress::new(is_zlib), false),
        };
        Some(Decoder { inner, is_gzip, waiting: Bytes::new(), is_full: false, has_ended: false, decoded: 0 })
    }

    /// Whether bytes that begin like this cannot be looked into.
    pub fn hides(self, text: &[u8]) -> bool {
        self == Self::Other && !text.first_chunk().is_some_and(|first| PLAIN.contains(&first))
    }
}

impl Coded {
    /// The bytes that have come, once they show what they are: with their decoder, or without if they are plain.
    pub fn open(coding: Coding, mut first: Vec<u8>, piece: &[u8]) -> Result<(Option<Decoder>, Vec<u8>), Self> {
        first.extend_from_slice(piece);
        match first.as_slice() {
            [one, two, ..] => Ok((coding.decoder(*one, *two), first)),
            _ => Err(Self::Opening(coding, first)),
        }
    }
}

impl Decoder {
    /// A further piece has come.
    pub fn add(&mut self, piece: Bytes) {
        match (self.waiting.is_empty(), piece.is_empty()) {
            (true, _) => self.waiting = piece,
            (false, true) => {}
            (false, false) => self.waiting = [&*self.waiting, &*piece].concat().into(),
        }
    }

    /// Whether there is more to decode of what has come.
    pub const fn has_more(&self) -> bool {
        self.is_full || !self.waiting.is_empty()
    }

    /// Whether what has come ends where a coded text does.
    pub const fn is_whole(&self) -> bool {
        self.has_ended && !self.has_more()
    }

    /// What has come and is not decoded.
    pub fn rest(self) -> Bytes {
        self.waiting
    }

    /// The next part of what has come.
    pub fn turn(&mut self) -> Result<Vec<u8>, Undecodable> {
        let mut plain = Vec::with_capacity(TURN_BYTES);
        for _ in 0..TURN_MEMBERS {
            if !self.step(&mut plain)? {
                break;
            }
        }
        work::count(plain.len());
        self.decoded = self.decoded.saturating_add(plain.len());
        if self.decoded > MAX_DECODED_BYTES { Err(Undecodable) } else { Ok(plain) }
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
