//! Decodes an answer that comes coded although `identity` was asked for (RFC 9110 §8.4.1), so that it can be counted. The
//! client gets the coded bytes.

use std::io::Write;

use flate2::write::{GzDecoder, ZlibDecoder};

/// How much of the coded bytes is decoded at a time: bounds what one step can make of them to about 4 MiB.
const STEP_BYTES: usize = 4 << 10;

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
    Gzip(Box<GzDecoder<Vec<u8>>>),
    Zlib(Box<ZlibDecoder<Vec<u8>>>),
}

/// Bytes that cannot be decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not in the content coding that the answer states, or too long")]
pub(super) struct Undecodable;

impl Decoder {
    /// The decoder of a `Content-Encoding`; `None` for a coding that cannot be decoded here.
    pub fn of(coding: &str) -> Option<Self> {
        let coding = coding.trim();
        let is = |name: &str| coding.eq_ignore_ascii_case(name);
        let inner = if is("gzip") || is("x-gzip") {
            Inner::Gzip(Box::new(GzDecoder::new(vec![])))
        } else if is("deflate") {
            Inner::Zlib(Box::new(ZlibDecoder::new(vec![])))
        } else {
            return None;
        };
        Some(Self { inner, decoded: 0 })
    }

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
        })
    }
}
