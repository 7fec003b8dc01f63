//! Where a chunked body ends (RFC 9112 §7.1). The HTTP library takes anything for a trailer, and as many bytes that are no
//! body as a client sends; here both have their bounds, so that nobody before or behind the gateway sees another end.

use crate::domain::token::is_token_byte;

/// The most that size lines may have beyond what the data behind them explains: in one of them, or gathered over many.
const MAX_OVERHEAD_BYTES: u64 = 16 * 1024;

/// What a size line may have whatever its data.
const USUAL_LINE_BYTES: u64 = 16;

/// A chunked body that is being read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::app::server::connections) struct Chunks {
    part: Part,
    /// Bytes of size lines that were not made good by data.
    overhead: u64,
    /// What the trailer section may still have.
    trailer_left: u64,
}

/// Where in a chunked body the next byte is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::app::server::connections) enum Part {
    /// The first digit of a size.
    Begin,
    /// A further digit, or what ends the size.
    Size(u64),
    /// Blanks after a size.
    Blank(u64),
    Extension(u64),
    SizeEnd(u64),
    Data(u64),
    DataCr,
    DataLf,
    /// A trailer line, or the empty line at the end.
    Line,
    TrailerName,
    TrailerValue,
    TrailerLf,
    EndLf,
    Complete,
    Broken,
}

impl Chunks {
    /// Before the first chunk of a body whose trailer section may have `max_trailer_bytes`.
    pub const fn new(max_trailer_bytes: u64) -> Self {
        Self { part: Part::Begin, overhead: 0, trailer_left: max_trailer_bytes }
    }

    /// Where the next byte is.
    pub const fn part(&self) -> Part {
        self.part
    }

    /// Takes bytes up to the end of the body, or to the one that breaks it.
    pub fn take(&mut self, bytes: &[u8]) -> usize {
        let mut at = 0;
        while let Some(byte) = bytes.get(at) {
            if let Part::Data(left) = self.part {
                let rest = u64::try_from(bytes.len().saturating_sub(at)).unwrap_or(u64::MAX);
                let here = rest.min(left);
                self.part = if here == left { Part::DataCr } else { Part::Data(left.saturating_sub(here)) };
                at = at.saturating_add(usize::try_from(here).unwrap_or(usize::MAX));
                continue;
            }
            self.part = self.next(*byte);
            if self.part == Part::Broken {
                return at;
            }
            at = at.saturating_add(1);
            if self.part == Part::Complete {
                return at;
            }
        }
        at
    }

    fn next(&mut self, byte: u8) -> Part {
        let next = self.part.next(byte);
        match next {
            Part::Size(_) | Part::Blank(_) | Part::Extension(_) | Part::SizeEnd(_) => {
                self.overhead = self.overhead.saturating_add(1);
                if self.overhead > MAX_OVERHEAD_BYTES {
                    return Part::Broken;
                }
            }
            Part::Data(size) => {
                let explained = size.saturating_mul(2).saturating_add(USUAL_LINE_BYTES);
                self.overhead = self.overhead.saturating_sub(explained);
            }
            Part::TrailerName | Part::TrailerValue | Part::TrailerLf => {
                let Some(left) = self.trailer_left.checked_sub(1) else { return Part::Broken };
                self.trailer_left = left;
            }
            _ => {}
        }
        next
    }
}

impl Part {
    fn next(self, byte: u8) -> Self {
        let digit = char::from(byte).to_digit(16).map(u64::from);
        match (self, byte) {
            (Self::Begin, _) => digit.map_or(Self::Broken, Self::Size),
            (Self::Size(size) | Self::Blank(size), b' ' | b'\t') => Self::Blank(size),
            (Self::Size(size) | Self::Blank(size), b';') | (Self::Extension(size), b'\t' | b' '..=b'~' | 0x80..) => {
                Self::Extension(size)
            }
            (Self::Size(size) | Self::Blank(size) | Self::Extension(size), b'\r') => Self::SizeEnd(size),
            (Self::Size(size), _) => {
                let longer = digit.and_then(|digit| size.checked_mul(16)?.checked_add(digit));
                longer.map_or(Self::Broken, Self::Size)
            }
            (Self::SizeEnd(0) | Self::TrailerLf, b'\n') => Self::Line,
            (Self::SizeEnd(size), b'\n') => Self::Data(size),
            (Self::DataCr, b'\r') => Self::DataLf,
            (Self::DataLf, b'\n') => Self::Begin,
            (Self::Line, b'\r') => Self::EndLf,
            (Self::EndLf, b'\n') => Self::Complete,
            (Self::Line | Self::TrailerName, _) if is_token_byte(byte) => Self::TrailerName,
            (Self::TrailerName, b':') | (Self::TrailerValue, b'\t' | b' '..=b'~' | 0x80..) => Self::TrailerValue,
            (Self::TrailerValue, b'\r') => Self::TrailerLf,
            _ => Self::Broken,
        }
    }
}
