//! Where a chunked body ends (RFC 9112 §7.1), by the grammar that the HTTP library parses: what is broken for one is broken
//! for the other.

/// Where in a chunked body the next byte is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::app::server::connections) enum Chunks {
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
    Trailer,
    TrailerLf,
    EndLf,
    Complete,
    Broken,
}

impl Chunks {
    /// Before the first chunk.
    pub const fn new() -> Self {
        Self::Begin
    }

    /// Takes bytes up to the end of the body, or to the one that breaks it.
    pub fn take(&mut self, bytes: &[u8]) -> usize {
        let mut at = 0;
        while let Some(byte) = bytes.get(at) {
            if let Self::Data(left) = self {
                let rest = u64::try_from(bytes.len().saturating_sub(at)).unwrap_or(u64::MAX);
                let here = rest.min(*left);
                *self = if here == *left { Self::DataCr } else { Self::Data(left.saturating_sub(here)) };
                at = at.saturating_add(usize::try_from(here).unwrap_or(usize::MAX));
                continue;
            }
            *self = self.next(*byte);
            if *self == Self::Broken {
                return at;
            }
            at = at.saturating_add(1);
            if *self == Self::Complete {
                return at;
            }
        }
        at
    }

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
            (Self::Trailer, b'\r') => Self::TrailerLf,
            (Self::Line | Self::Trailer, _) => Self::Trailer,
            (Self::EndLf, b'\n') => Self::Complete,
            _ => Self::Broken,
        }
    }
}
