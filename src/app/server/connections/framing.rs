//! Which bytes of a connection are a head and which are its body: what is handed to the HTTP library, and when.
//!
//! The library reads ahead: it would take further requests while one is served, and it drops a connection without an
//! answer when a chunk is broken. So it gets one head at a time; then the body, as the call that has begun says it is
//! delimited; and what is behind that only when the call has ended. Nothing is decided from what is read here but when
//! bytes are passed on, and where a chunked body is broken: the library parses them all.

mod chunks;
mod further;
mod head;
mod noted;
mod rewrite;

pub(super) use self::further::fields;
use self::{
    chunks::{Chunks, Part},
    head::{Found, HeadEnd},
};
use crate::pipeline::connection::{Expected, Line};

/// Where a connection's next byte belongs.
#[derive(Debug)]
pub(super) enum Framing {
    Head(HeadEnd),
    /// A head was handed on; what follows it depends on the call that it begins.
    AwaitsCall(Line),
    Length(u64),
    Chunked(Chunks),
    /// Nobody knows where it ends: it is passed on as it comes.
    Unknown,
    /// The body is complete; what follows is for after the call.
    Complete,
    /// A chunk was not well-formed. Nothing more is passed on.
    Broken,
}

/// What is passed on of the bytes that were read.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Passed {
    pub bytes: usize,
    /// What the HTTP library gets in their place, if it is anything else.
    pub instead: Option<Vec<u8>>,
    /// The lines of a head that has ended which the library does not get, to be added to the request.
    pub further: Vec<u8>,
    /// What `Origin` says in a line that has ended here.
    pub origin: Vec<u8>,
}

impl Framing {
    /// The framing of a connection on which nothing has arrived: a head comes first.
    pub fn new() -> Self {
        Self::Head(HeadEnd::default())
    }

    /// The framing of the body that a call expects, whose trailer section may have `max_trailer_bytes`.
    pub const fn of(expected: Expected, max_trailer_bytes: u64) -> Self {
        match expected {
            Expected::None | Expected::Length(0) => Self::Complete,
            Expected::Length(length) => Self::Length(length),
            Expected::Chunked => Self::Chunked(Chunks::new(max_trailer_bytes)),
            Expected::Unknown => Self::Unknown,
        }
    }

    /// Whether bytes may be passed on now.
    pub const fn passes(&self) -> bool {
        matches!(self, Self::Head(_) | Self::Length(_) | Self::Chunked(_) | Self::Unknown)
    }

    /// What is noted of the head that is being read, or was read last.
    pub fn line(&self) -> Line {
        match self {
            Self::Head(HeadEnd { line, .. }) | Self::AwaitsCall(line) => *line,
            _ => Line::default(),
        }
    }

    /// Takes what was read, and says how much of it is passed on.
    pub fn pass(&mut self, bytes: &[u8]) -> Passed {
        if let Self::Head(head) = self {
            let Found { end, instead } = head.find(bytes);
            let origin = std::mem::take(&mut head.origin);
            let further = if end.is_some() { self.end_head() } else { vec![] };
            return Passed { bytes: end.unwrap_or(bytes.len()), instead, further, origin };
        }
        Passed { bytes: self.pass_body(bytes), ..Passed::default() }
    }

    fn end_head(&mut self) -> Vec<u8> {
        let awaits_call = Self::AwaitsCall(self.line());
        match std::mem::replace(self, awaits_call) {
            Self::Head(head) => head.into_further(),
            _ => vec![],
        }
    }

    fn pass_body(&mut self, bytes: &[u8]) -> usize {
        match self {
            Self::Unknown => bytes.len(),
            Self::Head(_) | Self::AwaitsCall(_) | Self::Complete | Self::Broken => 0,
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
                match chunks.part() {
                    Part::Complete => *self = Self::Complete,
                    Part::Broken => *self = Self::Broken,
                    _ => {}
                }
                taken
            }
        }
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
                    let taken = framing.pass(piece).bytes;
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
            for size in 1..=text.len() {
                let (mut framing, mut total) = (Framing::new(), 0);
                for piece in text.as_bytes().chunks(size) {
                    total += framing.pass(piece).bytes;
                }
                assert!(total == end && matches!(framing, Framing::AwaitsCall(_)), "{text:?} in {size}s: {total}");
            }
        }
        assert_eq!(Framing::new().pass(b"GET / HTTP/1.1\r\nhost").bytes, 20);
    }

    #[test]
    fn a_body_ends_where_the_call_says() {
        let of = |expected| move || Framing::of(expected, 40);
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

    #[test]
    fn a_trailer_section_has_field_lines_and_nothing_else() {
        let of = || Framing::of(Expected::Chunked, 40);
        for lines in ["x:\r\n", "X-1: y\t\u{e9} \r\n", "!#$%&'*+-.^_`|~: y\r\n", "a: b\r\nc: d\r\n"] {
            let text = format!("0\r\n{lines}\r\n");
            assert_eq!(passed(of, &format!("{text}GET")), (text.len(), "Complete".into()), "{text:?}");
        }
        for lines in [
            "GET /u/admin HTTP/1.1\r\n",
            "x\r\n",
            " x: y\r\n",
            "\tx: y\r\n",
            "x: y\r\n z\r\n",
            ": y\r\n",
            "x : y\r\n",
            "x y: z\r\n",
            "x\u{e9}: y\r\n",
            "x: y\0\r\n",
            "x: y\u{7f}\r\n",
            "x: y\n",
            "x\n",
            "\n",
            "x: y\r\r\n",
            "x: y\rz\r\n",
            "x\r: y\r\n",
            &format!("x: {}\r\n", "y".repeat(37)),
            &"x: y\r\n".repeat(9),
        ] {
            assert_eq!(passed(of, &format!("0\r\n{lines}\r\nGET")).1, "Broken", "{lines:?}");
        }
    }

    #[test]
    fn what_is_no_data_in_a_chunked_body_is_bounded() {
        let most = "a".repeat(16_000);
        let ended = |text: &str| {
            let mut framing = Framing::of(Expected::Chunked, 40);
            framing.pass(text.as_bytes());
            format!("{framing:?}")
        };
        assert_eq!(ended(&format!("1;{most}\r\nx\r\n{}0\r\n\r\n", "1\r\nx\r\n".repeat(1_000))), "Complete");
        let (lines, data) = (format!("1;{}\r\nx\r\n", "a".repeat(1_000)), "x".repeat(0x1000));
        assert_eq!(ended(&format!("{}0\r\n\r\n", lines.repeat(10))), "Complete");
        assert_eq!(ended(&format!("{}0\r\n\r\n", format!("1000;{most}\r\n{data}\r\n").repeat(2))), "Broken");
        assert_eq!(
            ended(&format!("{}0\r\n\r\n", format!("1000;{}\r\n{data}\r\n", "a".repeat(8_000)).repeat(9))),
            "Complete"
        );
        for text in
            [format!("1;{most}{most}"), "0".repeat(20_000), format!("1{}", " ".repeat(20_000)), lines.repeat(20)]
        {
            assert_eq!(ended(&text), "Broken", "{text:.20}");
        }
    }
}
