//! Which bytes of a connection are a head and which are its body: what is handed to the HTTP library, and when.
//!
//! The library reads ahead: it would take further requests while one is served, and it drops a connection without an
//! answer when a chunk is broken. So it gets one head at a time; then the body, as the call that has begun says it is
//! delimited; and what is behind that only when the call has ended. Nothing is decided from what is read here but when
//! bytes are passed on: the library parses them all.

mod chunks;

use self::chunks::Chunks;
use crate::pipeline::connection::Expected;

/// Where a connection's next byte belongs.
#[derive(Debug)]
pub(super) enum Framing {
    Head(HeadEnd),
    /// A head was handed on; what follows it depends on the call that it begins.
    AwaitsCall {
        has_fragment: bool,
    },
    Length(u64),
    Chunked(Chunks),
    /// Nobody knows where it ends: it is passed on as it comes.
    Unknown,
    /// The body is complete; what follows is for after the call.
    Complete,
    /// A chunk was not well-formed. Nothing more is passed on.
    Broken,
}

/// Looks for the empty line at the end of a head (RFC 9112 §2.1). Lines end with a line feed, as the HTTP library has it.
#[derive(Debug, Default)]
pub(super) struct HeadEnd {
    part: Part,
    is_line_empty: bool,
    /// Whether the request line has a `#`. A fragment is never sent (RFC 9112 §3.2), and the library would cut it off.
    has_fragment: bool,
}

/// The part of a head that the next byte is in.
#[derive(Debug, Default, PartialEq, Eq)]
enum Part {
    /// Empty lines before the request line (RFC 9112 §2.2).
    #[default]
    Before,
    RequestLine,
    Fields,
}

impl Framing {
    /// The framing of a connection on which nothing has arrived: a head comes first.
    pub fn new() -> Self {
        Self::Head(HeadEnd::default())
    }

    /// The framing of the body that a call expects.
    pub const fn of(expected: Expected) -> Self {
        match expected {
            Expected::None | Expected::Length(0) => Self::Complete,
            Expected::Length(length) => Self::Length(length),
            Expected::Chunked => Self::Chunked(Chunks::new()),
            Expected::Unknown => Self::Unknown,
        }
    }

    /// Whether bytes may be passed on now.
    pub const fn passes(&self) -> bool {
        matches!(self, Self::Head(_) | Self::Length(_) | Self::Chunked(_) | Self::Unknown)
    }

    /// Whether the request line that is being read, or was read last, has a fragment.
    pub const fn has_fragment(&self) -> bool {
        match self {
            Self::Head(HeadEnd { has_fragment, .. }) | Self::AwaitsCall { has_fragment } => *has_fragment,
            _ => false,
        }
    }

    /// Takes what was read, and says how much of it is passed on.
    pub fn pass(&mut self, bytes: &[u8]) -> usize {
        match self {
            Self::Unknown => bytes.len(),
            Self::AwaitsCall { .. } | Self::Complete | Self::Broken => 0,
            Self::Head(head) => match head.find(bytes) {
                None => bytes.len(),
                Some(end) => {
                    *self = Self::AwaitsCall { has_fragment: head.has_fragment };
                    end
                }
            },
            Self::Length(left) => {
                let here = u64::try_from(bytes.len()).unwrap_or(u64::MAX).min(*left);
                *left = left.saturating_sub(here);
                if *left == 0 {
                    *self = Self::Complete;
                }
                usize::try_from(here).unwrap_or(bytes.len())
            }
            Self::Chunked(chunks) => {
                let taken = chunks.take(bytes);
                match chunks {
                    Chunks::Complete => *self = Self::Complete,
                    Chunks::Broken => *self = Self::Broken,
                    _ => {}
                }
                taken
            }
        }
    }
}

impl HeadEnd {
    /// The number of bytes up to and with the end of the head, if it is here.
    fn find(&mut self, bytes: &[u8]) -> Option<usize> {
        let mut line_begins = 0;
        for line_feed in memchr::memchr_iter(b'\n', bytes) {
            self.read(bytes.get(line_begins..line_feed).unwrap_or_default());
            line_begins = line_feed.saturating_add(1);
            if self.is_line_empty && self.part == Part::Fields {
                return Some(line_begins);
            }
            self.is_line_empty = true;
            if self.part == Part::RequestLine {
                self.part = Part::Fields;
            }
        }
        self.read(bytes.get(line_begins..).unwrap_or_default());
        None
    }

    /// Takes a piece of a line, which has no line feed. One of carriage returns alone leaves the line empty.
    fn read(&mut self, piece: &[u8]) {
        if piece.iter().all(|byte| *byte == b'\r') {
            return;
        }
        self.is_line_empty = false;
        if self.part == Part::Before {
            self.part = Part::RequestLine;
        }
        self.has_fragment |= self.part == Part::RequestLine && memchr::memchr(b'#', piece).is_some();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Passes bytes in pieces of every size, and says how many passed and where that ended.
    fn passed(framing: impl Fn() -> Framing, text: &str) -> (usize, String) {
        let results: Vec<_> = (1..=text.len())
            .map(|size| {
                let (mut framing, mut total) = (framing(), 0);
                for piece in text.as_bytes().chunks(size) {
                    let taken = framing.pass(piece);
                    total += taken;
                    if taken < piece.len() {
                        break;
                    }
                }
                (total, format!("{framing:?}"))
            })
            .collect();
        assert!(results.windows(2).all(|pair| pair[0] == pair[1]), "{text:?}: {results:?}");
        results[0].clone()
    }

    #[test]
    fn a_head_ends_with_its_first_empty_line() {
        for (text, end) in [
            ("GET / HTTP/1.1\r\nhost: a\r\n\r\nrest", 27),
            ("GET / HTTP/1.1\nhost: a\n\nrest", 24),
            ("\r\n\r\nGET / HTTP/1.1\r\n\r\nrest", 22),
            ("\n\nnonsense\r\n\nrest", 13),
        ] {
            assert_eq!(passed(Framing::new, text), (end, "AwaitsCall { has_fragment: false }".into()), "{text:?}");
        }
        assert_eq!(passed(Framing::new, "GET / HTTP/1.1\r\nhost").0, 20);
    }

    #[test]
    fn a_fragment_is_seen_in_the_request_line_only() {
        for (text, has_fragment) in [
            ("GET /a#b HTTP/1.1\r\nhost: a", true),
            ("\r\nGET /a?#b HTTP/1.1\r\n", true),
            ("GET /a HTTP/1.1\r\nx: #", false),
        ] {
            let mut head = HeadEnd::default();
            assert_eq!(head.find(text.as_bytes()), None);
            assert_eq!(head.has_fragment, has_fragment, "{text:?}");
        }
    }

    #[test]
    fn a_body_ends_where_the_call_says() {
        let of = |expected| move || Framing::of(expected);
        assert_eq!(passed(of(Expected::Length(3)), "abcGET"), (3, "Complete".into()));
        assert_eq!(passed(of(Expected::Unknown), "abcGET").0, 6);
        assert_eq!(passed(of(Expected::None), "GET"), (0, "Complete".into()));
        for (text, end) in [
            ("0\r\n\r\nGET", 5),
            ("3\r\nabc\r\n0\r\n\r\nGET", 13),
            ("3;a=b\r\nabc\r\nA \r\n0123456789\r\n000\r\nx: y\r\nz: y\r\n\r\nGET", 47),
        ] {
            assert_eq!(passed(of(Expected::Chunked), text), (end, "Complete".into()), "{text:?}");
        }
        for text in ["zz\r\n", "3\r\nabcd\r\n", "-1\r\n", "1\nx", "fffffffffffffffff\r\n", "1;\u{1}\r\n", "1\r\nx\r0"] {
            assert_eq!(passed(of(Expected::Chunked), text).1, "Broken", "{text:?}");
        }
    }
}
