//! Where a head ends, what of it the HTTP library does not tell, and what the library would not take.

use std::ops::Range;

use super::{
    further::Further,
    noted::{Noted, Said},
    rewrite::Rewrite,
};
use crate::pipeline::connection::{Line, LineVersion};

/// As much of the beginning of a line as is looked at: `transfer-encoding:`.
const START_BYTES: usize = 18;
/// As much of the end of the request line: ` HTTP/1.1`.
const TAIL_BYTES: usize = 9;
/// An offer as the HTTP library knows it.
const WEBSOCKET: &[u8] = b"upgrade: websocket\r\n";

/// Looks for the empty line at the end of a head (RFC 9112 §2.1). Lines end with a line feed, as the HTTP library has it.
#[derive(Debug, Default)]
pub(in crate::app::server::connections) struct HeadEnd {
    part: Part,
    is_line_empty: bool,
    pub line: Line,
    hosts: u8,
    /// The beginning of the present line, and how much of it there is.
    start: [u8; START_BYTES],
    started: usize,
    /// The end of the request line, as far as it has come.
    tail: [u8; TAIL_BYTES],
    has_query: bool,
    further: Further,
    noted: Noted,
    /// What `Origin` says in the lines that have ended; of several, all of them.
    pub origin: Vec<u8>,
}

/// What was found in a piece of a head.
#[derive(Debug)]
pub(in crate::app::server::connections) struct Found {
    /// The number of bytes up to and with the end of the head, if it is here.
    pub end: Option<usize>,
    /// What is handed on in place of these bytes, if it is anything else.
    pub instead: Option<Vec<u8>>,
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
    /// Looks for the end in a piece, and says what of it is handed on.
    pub fn find(&mut self, piece: &[u8]) -> Found {
        let (mut rewrite, mut begins) = (Rewrite::default(), 0);
        for line_feed in memchr::memchr_iter(b'\n', piece) {
            self.read(piece, begins..line_feed, &mut rewrite);
            begins = line_feed.saturating_add(1);
            if self.is_line_empty && self.part == Part::Fields {
                self.line.hosts = Some(self.hosts);
                let instead = rewrite.finish(piece.get(..begins).unwrap_or_default());
                return Found { end: Some(begins), instead };
            }
            if self.holds() {
                rewrite.put(piece, line_feed..begins, b"");
            }
            if let Some(line) = self.end_line() {
                rewrite.put(piece, begins..begins, &line);
            }
        }
        self.read(piece, begins..piece.len(), &mut rewrite);
        Found { end: None, instead: rewrite.finish(piece) }
    }

    /// The lines that were not handed on.
    pub fn into_further(self) -> Vec<u8> {
        self.further.into_kept()
    }

    /// Whether the present line is kept back until it is known what it is.
    const fn holds(&self) -> bool {
        matches!(self.part, Part::Fields) && !self.is_line_empty && self.further.holds()
    }

    /// Takes a part of a line, which has no line feed. One of carriage returns alone leaves the line empty.
    fn read(&mut self, piece: &[u8], range: Range<usize>, rewrite: &mut Rewrite) {
        let text = piece.get(range.clone()).unwrap_or_default();
        let is_text = text.iter().any(|byte| *byte != b'\r');
        if is_text {
            self.begin_line(text);
        }
        if self.holds() {
            let too_long = self.further.hold(text);
            rewrite.put(piece, range, &too_long.unwrap_or_default());
        } else if is_text && self.part == Part::RequestLine {
            self.read_request_line(piece, range, rewrite);
        }
    }

    fn begin_line(&mut self, text: &[u8]) {
        self.is_line_empty = false;
        if self.part == Part::Before {
            self.part = Part::RequestLine;
        }
        for (place, byte) in self.start.iter_mut().skip(self.started).zip(text) {
            *place = *byte;
            self.started = self.started.saturating_add(1);
        }
        if self.part == Part::Fields {
            self.noted.read(self.start.get(..self.started).unwrap_or_default(), text);
        }
    }

    fn read_request_line(&mut self, piece: &[u8], range: Range<usize>, rewrite: &mut Rewrite) {
        let line = piece.get(range.clone()).unwrap_or_default();
        self.line.has_fragment |= memchr::memchr(b'#', line).is_some();
        let length = line.iter().rposition(|byte| *byte != b'\r').map_or(0, |last| last.saturating_add(1));
        self.line.bytes = self.line.bytes.saturating_add(u64::try_from(length).unwrap_or(u64::MAX));
        let text = line.get(..length).unwrap_or_default();
        self.encode_query(piece, (range.start, text), rewrite);
        self.tail.rotate_left(length.min(TAIL_BYTES));
        for (place, byte) in self.tail.iter_mut().rev().zip(text.iter().rev()) {
            *place = *byte;
        }
        // A later minor version is served as the one that is known (RFC 9110 §2.5); the HTTP library would refuse it.
        if let [b' ', b'H', b'T', b'T', b'P', b'/', b'1', b'.', minor @ b'2'..=b'9'] = &mut self.tail {
            *minor = b'1';
            let end = range.start.saturating_add(length);
            rewrite.put(piece, end.saturating_sub(1)..end, b"1");
        }
    }

    /// Percent-encodes in a query what clients send there as it is and RFC 3986 §3.4 does not allow. The HTTP library would
    /// refuse the whole request for it.
    fn encode_query(&mut self, piece: &[u8], (at, text): (usize, &[u8]), rewrite: &mut Rewrite) {
        let from = if self.has_query { Some(0) } else { memchr::memchr(b'?', text) };
        self.has_query = from.is_some();
        for (place, byte) in text.iter().enumerate().skip(from.unwrap_or(text.len())) {
            if matches!(byte, b'"' | b'<' | b'>' | 0x80..) {
                let place = at.saturating_add(place);
                rewrite.put(piece, place..place.saturating_add(1), format!("%{byte:02X}").as_bytes());
            }
        }
    }

    /// Ends a line. Gives it back where it was held and is for the HTTP library, and what the library is told besides.
    fn end_line(&mut self) -> Option<Vec<u8>> {
        let start = self.start.get(..self.started).unwrap_or_default();
        let begins_with = |name: &[u8]| start.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name));
        let mut released = None;
        match self.part {
            Part::Before => {}
            Part::RequestLine => {
                self.line.is_post = begins_with(b"POST ");
                self.line.version = version(self.tail);
                self.part = Part::Fields;
            }
            Part::Fields => {
                self.line.states_length |= begins_with(b"content-length:") || begins_with(b"transfer-encoding:");
                self.hosts = self.hosts.saturating_add(u8::from(begins_with(b"host:")));
                released = self.further.end_line();
                match self.noted.end_line() {
                    Some(Said::WebSocketAmongOthers) => released.get_or_insert_default().extend_from_slice(WEBSOCKET),
                    Some(Said::Origin(origin)) if self.origin.is_empty() => self.origin = origin,
                    Some(Said::Origin(origin)) => self.origin.extend([b", ".as_slice(), &origin].concat()),
                    None => {}
                }
            }
        }
        self.is_line_empty = true;
        self.started = 0;
        released
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
    use super::{super::further::fields, *};

    /// What is noted of a head that comes in pieces of this size, what is handed on, and what is kept.
    fn passed(head: &[u8], size: usize) -> (Line, String, Vec<String>) {
        let (mut end, mut passed) = (HeadEnd::default(), vec![]);
        for piece in head.chunks(size) {
            let found = end.find(piece);
            passed.extend(found.instead.unwrap_or_else(|| piece[..found.end.unwrap_or(piece.len())].to_vec()));
            if found.end.is_some() {
                break;
            }
        }
        let (line, kept) = (end.line, end.into_further());
        let kept = fields(&kept).map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()));
        (line, String::from_utf8(passed).unwrap(), kept.collect())
    }

    /// What is noted of a head that comes in pieces of this size, with the version as it is passed on.
    fn noted(head: &str, size: usize) -> (Line, String) {
        let (line, passed, _) = passed(head.as_bytes(), size);
        (line, passed)
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
                let hosts = Some(u8::from(head.contains("\nhost:")));
                let expected = Line { bytes, has_fragment, version, is_post, states_length, hosts };
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

    #[test]
    fn what_may_not_stand_in_a_query_is_percent_encoded_however_it_is_cut() {
        for (head, expected) in [
            ("GET /a?q=ä HTTP/1.1", "GET /a?q=%C3%A4 HTTP/1.1"),
            ("GET /a?q=\"x\"&r=<y> HTTP/1.3", "GET /a?q=%22x%22&r=%3Cy%3E HTTP/1.1"),
            ("GET http://h?é HTTP/1.0", "GET http://h?%C3%A9 HTTP/1.0"),
            ("GET /a?b=|^`{}\\[]%zz HTTP/1.1", "GET /a?b=|^`{}\\[]%zz HTTP/1.1"),
            ("GET /ä HTTP/1.1", "GET /ä HTTP/1.1"),
            ("GET /<a> HTTP/1.1", "GET /<a> HTTP/1.1"),
        ] {
            let rest = "\r\nx: \"?<ä>\"\r\n\r\n";
            let head = format!("{head}{rest}");
            for size in 1..=head.len() {
                assert_eq!(passed(head.as_bytes(), size).1, format!("{expected}{rest}"), "in {size}s");
            }
        }
    }

    #[test]
    fn an_offer_of_websocket_among_others_is_passed_on_in_a_line_of_its_own_too() {
        for before in [String::new(), "a: b\r\n".repeat(80)] {
            for (line, has_own) in [
                ("Upgrade: h2c, WebSocket\r\n", true),
                ("upgrade: websocket,x\n", true),
                ("upgrade: websocket\r\n", false),
                ("upgrade: h2c\r\n", false),
            ] {
                let begin = format!("GET / HTTP/1.1\r\n{before}{line}");
                let (head, own) = (format!("{begin}\r\n"), if has_own { "upgrade: websocket\r\n" } else { "" });
                for size in (1..40).chain([head.len()]) {
                    let (_, passed, kept) = passed(head.as_bytes(), size);
                    assert_eq!((passed, kept), (format!("{begin}{own}\r\n"), vec![]), "{line:?} in {size}s");
                }
            }
        }
    }

    /// Behind 80 lines.
    #[test]
    fn further_lines_are_kept_unless_the_library_decides_by_them() {
        let begin = format!("GET / HTTP/1.1\r\n{}", "a: b\r\n".repeat(80));
        for (lines, handed_on, kept) in [
            ("", "", vec![]),
            ("c: d\r\n", "", vec!["c: d"]),
            ("C:d\nE: \r\n", "", vec!["c: d", "e: "]),
            ("c: d\r\nHost: h\r\ne: f\r\n", "Host: h\r\n", vec!["c: d", "e: f"]),
            (
                "c: d\r\nCONTENT-length:5\r\ntransfer-encoding: x\r\nupgrade: y\r\nConnection: z\r\nexpect: w\r\n",
                "CONTENT-length:5\r\ntransfer-encoding: x\r\nupgrade: y\r\nConnection: z\r\nexpect: w\r\n",
                vec!["c: d"],
            ),
            ("c: d\r\nbad line\r\n", "bad line\r\n", vec!["c: d"]),
            ("c: d\r\n folded\r\n", " folded\r\n", vec!["c: d"]),
            ("content-length : 5\r\n", "content-length : 5\r\n", vec![]),
            ("\rcontent-length: 5\r\n", "\rcontent-length: 5\r\n", vec![]),
            ("x: a\rb\r\n", "x: a\rb\r\n", vec![]),
            ("x: y\r\r\n", "x: y\r\r\n", vec![]),
        ] {
            let head = format!("{begin}{lines}\r\nrest");
            for size in (1..40).chain([head.len()]) {
                let (_, passed, is_kept) = passed(head.as_bytes(), size);
                assert_eq!(passed, format!("{begin}{handed_on}\r\n"), "{lines:?} in {size}s");
                assert_eq!(is_kept, kept, "{lines:?} in {size}s");
            }
        }
    }

    #[test]
    fn more_than_is_kept_is_for_the_library_to_refuse() {
        let begin = format!("GET / HTTP/1.1\r\n{}", "a: b\r\n".repeat(80));
        for line in [format!("x: {}\r\n", "y".repeat(100_000)), "x: yyyyyyyyyyyyyyy\r\n".repeat(6_000)] {
            let head = format!("{begin}{line}\r\n");
            for size in [100, 4_096, head.len()] {
                let (_, passed, kept) = passed(head.as_bytes(), size);
                let kept_bytes: usize = kept.iter().map(|line| line.len() + 2).sum();
                assert_eq!(passed.len() + kept_bytes, head.len());
                assert!(passed.len() > begin.len() + 2 && kept_bytes <= 96 * 1024);
            }
        }
    }
}
