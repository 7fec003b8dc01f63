//! Decodes an answer that comes coded although `identity` was asked for (RFC 9110 §8.4.1), so that it can be counted. The
//! client gets the coded bytes.

use std::io::Write;

use flate2::write::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};

/// How much of the coded bytes is decoded at a time: bounds what one step can make of them to about 4 MiB.
const STEP_BYTES: usize = 4 << 10;

/// How a JSON text or events begin.
const PLAIN: [&[u8; 2]; 9] = [b"{\"", b"{ ", b"{\n", b"{\r", b"{}", b"[{", b"da", b"ev", b": "];

/// The most that an answer is decoded to.
const MAX_DECODED_BYTES: usize = 256 << 20;

/// How much more than its coded bytes a piece may decode to, and how much in any case: reading what was decoded is work for
/// the worker, which has other calls as well. Text is a tenth of its length at best, but where it repeats itself.
const MAX_RATIO: usize = 32;
const FREE_BYTES: usize = 64 << 10;

pub(super) struct Decoder {
    inner: Inner,
    decoded: usize,
}

enum Inner {
    Gzip(Box<MultiGzDecoder<Vec<u8>>>),
    Zlib(Box<ZlibDecoder<Vec<u8>>>),
    Deflate(Box<DeflateDecoder<Vec<u8>>>),
}

/// A coding that an answer states, and its first bytes, which show whether it has it.
pub(super) enum Coded {
    /// Too few of them.
    Opening(Coding, Vec<u8>),
    Known(Decoder),
}

/// What can be decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Coding {
    Gzip,
    Deflate,
}

/// How an answer is coded by its field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Field {
    Plain,
    Coded(Coding),
    /// In a coding that cannot be decoded here, or in several.
    Unknown,
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
            _ => Self::Unknown,
        }
    }
}

impl Coding {
    /// The decoder of bytes that begin with these two; nothing where they are plain: some proxies decode an answer and leave
    /// its field. Raw deflate, without the header of zlib, is what many servers call deflate.
    fn decoder(self, first: u8, second: u8) -> Option<Decoder> {
        let header = u16::from(first).saturating_mul(256).saturating_add(u16::from(second));
        let is_zlib = first & 0x0f == 8 && header.is_multiple_of(31);
        let inner = match self {
            Self::Gzip if [first, second] == [0x1f, 0x8b] => Inner::Gzip(Box::new(MultiGzDecoder::new(vec![]))),
            Self::Gzip => return None,
            Self::Deflate if PLAIN.contains(&&[first, second]) => return None,
            Self::Deflate if is_zlib => Inner::Zlib(Box::new(ZlibDecoder::new(vec![]))),
            Self::Deflate => Inner::Deflate(Box::new(DeflateDecoder::new(vec![]))),
        };
        Some(Decoder { inner, decoded: 0 })
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
    /// What a further piece decodes to, in steps.
    pub fn add(&mut self, piece: &[u8], mut with: impl FnMut(&[u8])) -> Result<(), Undecodable> {
        let most = piece.len().saturating_mul(MAX_RATIO).saturating_add(FREE_BYTES);
        let mut of_piece = 0_usize;
        for step in piece.chunks(STEP_BYTES) {
            let decoded = self.step(step).map_err(|_| Undecodable)?;
            of_piece = of_piece.saturating_add(decoded.len());
            if of_piece > most {
                return Err(Undecodable);
            }
            self.decoded = self.decoded.saturating_add(decoded.len());
            if self.decoded > MAX_DECODED_BYTES {
                return Err(Undecodable);
            }
            with(&decoded);
        }
        Ok(())
    }

    fn step(&mut self, step: &[u8]) -> std::io::Result<Vec<u8>> {
        Ok(match &mut self.inner {
            Inner::Gzip(decoder) => {
                decoder.write_all(step)?;
                decoder.flush()?;
                std::mem::take(decoder.get_mut())
            }
            Inner::Zlib(decoder) => {
                decoder.write_all(step)?;
                decoder.flush()?;
                std::mem::take(decoder.get_mut())
            }
            Inner::Deflate(decoder) => {
                decoder.write_all(step)?;
                decoder.flush()?;
                std::mem::take(decoder.get_mut())
            }
        })
    }
}
