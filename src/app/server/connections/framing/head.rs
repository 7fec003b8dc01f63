//! Where a head ends, and what of it the HTTP library does not tell.

use crate::pipeline::connection::{Line, LineVersion};

/// As much of the beginning of a line as is looked at: `transfer-encoding:`.
const START_BYTES: usize = 18;
/// As much of the end of the request line: ` HTTP/1.1`.
const TAIL_BYTES: usize = 9;

/// Looks for the empty line at the end of a head (RFC 9112 §2.1). Lines end with a line feed, as the HTTP library has it.
#[derive(Debug, Default)]
pub(in crate::app::server::connections) struct HeadEnd {
    part: Part,
    is_line_empty: bool,
    pub line: Line,
    /// The beginning of the present line, and how much of it there is.
    start: [u8; START_BYTES],
    started: usize,
    /// The end of the request line, as far as it has come.
    tail: [u8; TAIL_BYTES],
    /// Where in the bytes that were read last the minor version stands, if it is one above 1.
    pub minor: Option<usize>,
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

impl HeadEnd {
    /// The number of bytes up to and with the end of the head, if it is here.
    pub fn find(&mut self, bytes: &[u8]) -> Option<usize> {
        self.minor = None;
        let mut line_begins = 0;
        for line_feed in memchr::memchr_iter(b'\n', bytes) {
            self.read(bytes.get(line_begins..line_feed).unwrap_or_default(), line_begins);
            line_begins = line_feed.saturating_add(1);
            if self.is_line_empty && self.part == Part::Fields {
                return Some(line_begins);
            }
            self.end_line();
        }
        self.read(bytes.get(line_begins..).unwrap_or_default(), line_begins);
        None
    }

    /// Takes a piece of a line, which has no line feed and begins at a place of what was read. One of carriage returns alone
    /// leaves the line empty.
    fn read(&mut self, piece: &[u8], at: usize) {
        if piece.iter().all(|byte| *byte == b'\r') {
            return;
        }
        self.is_line_empty = false;
        if self.part == Part::Before {
            self.part = Part::RequestLine;
        }
        for (place, byte) in self.start.iter_mut().skip(self.started).zip(piece) {
            *place = *byte;
            self.started = self.started.saturating_add(1);
        }
        if self.part == Part::RequestLine {
            self.read_request_line(piece, at);
        }
    }

    fn read_request_line(&mut self, piece: &[u8], at: usize) {
        self.line.has_fragment |= memchr::memchr(b'#', piece).is_some();
        let length = piece.iter().rposition(|byte| *byte != b'\r').map_or(0, |last| last.saturating_add(1));
        self.line.bytes = self.line.bytes.saturating_add(u64::try_from(length).unwrap_or(u64::MAX));
        let text = piece.get(..length).unwrap_or_default();
        self.tail.rotate_left(length.min(TAIL_BYTES));
        for (place, byte) in self.tail.iter_mut().rev().zip(text.iter().rev()) {
            *place = *byte;
        }
        if let [b' ', b'H', b'T', b'T', b'P', b'/', b'1', b'.', minor @ b'2'..=b'9'] = &mut self.tail {
            *minor = b'1';
            self.minor = Some(at.saturating_add(length).saturating_sub(1));
        }
    }

    fn end_line(&mut self) {
        let start = self.start.get(..self.started).unwrap_or_default();
        let begins_with = |name: &[u8]| start.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name));
        match self.part {
            Part::Before => {}
            Part::RequestLine => {
                self.line.is_post = begins_with(b"POST ");
                self.line.version = version(self.tail);
                self.part = Part::Fields;
            }
            Part::Fields => {
                self.line.states_length |= begins_with(b"content-length:") || begins_with(b"transfer-encoding:");
            }
        }
        self.is_line_empty = true;
        self.started = 0;
    }
}

const fn version(tail: [u8; TAIL_BYTES]) -> LineVersion {
    match tail {
        [b' ', b'H', b'T', b'T', b'P', b'/', b'1', b'.', b'0'] => LineVersion::Old,
        [b' ', b'H', b'T', b'T', b'P', b'/', b'1', b'.', b'1'] => LineVersion::Current,
        [b' ', b'H', b'T', b'T', b'P', b'/', b'0'..=b'9', b'.', b'0'..=b'9'] => LineVersion::Other,
        _ => LineVersion::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is noted of a head that comes in pieces of this size, with the version as it is passed on.
    fn noted(head: &str, size: usize) -> (Line, String) {
        let (mut end, mut passed) = (HeadEnd::default(), vec![]);
        for piece in head.as_bytes().chunks(size) {
            let mut piece = piece.to_vec();
            let found = end.find(&piece);
            if let Some(minor) = end.minor {
                piece[minor] = b'1';
            }
            passed.extend(piece);
            if found.is_some() {
                break;
            }
        }
        (end.line, String::from_utf8(passed).unwrap())
    }

    #[test]
    fn what_a_head_says_is_noted_however_it_is_cut() {
        for (head, version, has_fragment, is_post, states_length) in [
            ("GET /a#b HTTP/1.1\r\nhost: a\r\n\r\n", LineVersion::Current, true, false, false),
            ("\r\nGET /a?#b HTTP/1.0\r\n\r\n", LineVersion::Old, true, false, false),
            ("GET /a HTTP/1.1\r\nx: #\r\n\r\n", LineVersion::Current, false, false, false),
            ("POST /a HTTP/1.0\nContent-Length: 2\n\n", LineVersion::Old, false, true, true),
            ("POST /a HTTP/1.0\r\nTRANSFER-ENCODING: chunked\r\n\r\n", LineVersion::Old, false, true, true),
            ("POST /a HTTP/1.0\r\nx-content-length: 2\r\n\r\n", LineVersion::Old, false, true, false),
            ("PRI * HTTP/2.0\r\n\r\n", LineVersion::Other, false, false, false),
            ("GET /a HTTP/3.7\r\n\r\n", LineVersion::Other, false, false, false),
            ("GET /a http/1.1\r\n\r\n", LineVersion::Unknown, false, false, false),
            ("nonsense\r\n\r\n", LineVersion::Unknown, false, false, false),
        ] {
            let bytes = u64::try_from(head.trim_start().split(['\r', '\n']).next().unwrap().len()).unwrap();
            for size in 1..=head.len() {
                let (line, passed) = noted(head, size);
                let expected = Line { bytes, has_fragment, version, is_post, states_length };
                assert_eq!(line, expected, "{head:?} in {size}s");
                assert_eq!(passed, head, "{head:?} in {size}s");
            }
        }
    }

    #[test]
    fn a_later_minor_version_is_passed_on_as_the_one_that_is_known() {
        let head = "GET /a HTTP/1.2\r\nx: HTTP/1.9\r\n\r\n";
        for size in 1..=head.len() {
            let (line, passed) = noted(head, size);
            assert_eq!(passed, head.replace("1.2", "1.1"), "in {size}s");
            assert_eq!(line.version, LineVersion::Current);
        }
    }
}
