//! A stream of server-sent events (WHATWG HTML, §9.2), cut into its events wherever its pieces are cut. Lines end with LF,
//! CRLF or CR; one byte order mark may stand before the first; no byte is lost or changed. An event that ends with a CR is
//! whole with the next byte, which may be its LF. The work is linear in the bytes.

use std::borrow::Cow;

use super::work;

/// The data of the event that OpenAI's streams end with.
pub(super) const DONE: &[u8] = b"[DONE]";

/// The longest JSON text that is looked into as a whole: of an event, or of an answer. At worst a few ms of a worker.
pub(super) const MAX_BYTES: usize = 512 << 10;

/// A byte order mark in UTF-8.
const BOM: &[u8] = b"\xef\xbb\xbf";

#[derive(Debug, Default)]
pub(super) struct Events {
    /// What has come of the event that is not yet whole.
    pending: Vec<u8>,
    at: At,
    /// Whether a part of the event was given away because it grew too long.
    too_long: bool,
}

/// How far the last line has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum At {
    /// Nothing of it is here.
    #[default]
    Start,
    Within,
    /// It has ended with a CR, to which a LF would belong.
    Cr {
        is_blank: bool,
    },
}

/// Some bytes of the stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Cut {
    /// An event with the blank line that ends it.
    Event(Vec<u8>),
    /// A part of an event that is too long to be looked into as a whole.
    Part(Vec<u8>),
    /// The last part of it.
    LastPart(Vec<u8>),
}

impl Events {
    /// All that a further piece makes whole.
    pub fn add(&mut self, piece: &[u8]) -> Vec<Cut> {
        work::count(piece.len());
        let mut cuts = vec![];
        for line in piece.split_inclusive(|byte| is_line_end(*byte)) {
            if let At::Cr { is_blank } = self.at {
                self.at = At::Start;
                let completes = line == b"\n";
                if completes {
                    self.pending.extend_from_slice(line);
                }
                if is_blank {
                    cuts.extend(self.end());
                }
                if completes {
                    continue;
                }
            }
            cuts.extend(self.read(line));
        }
        cuts
    }

    /// Reads a line, or a piece of one.
    fn read(&mut self, line: &[u8]) -> Option<Cut> {
        self.pending.extend_from_slice(line);
        let is_blank = self.at == At::Start && matches!(line, b"\n" | b"\r");
        self.at = match line.last() {
            Some(b'\n') => At::Start,
            Some(b'\r') => At::Cr { is_blank },
            _ => At::Within,
        };
        if is_blank {
            return if self.at == At::Start { self.end() } else { None };
        }
        if self.pending.len() <= MAX_BYTES {
            return None;
        }
        self.too_long = true;
        Some(Cut::Part(std::mem::take(&mut self.pending)))
    }

    /// What is left at the end of the stream, or the event that a blank line has ended.
    pub fn end(&mut self) -> Option<Cut> {
        let bytes = std::mem::take(&mut self.pending);
        if std::mem::take(&mut self.too_long) {
            return Some(Cut::LastPart(bytes));
        }
        (!bytes.is_empty()).then_some(Cut::Event(bytes))
    }
}

const fn is_line_end(byte: u8) -> bool {
    matches!(byte, b'\n' | b'\r')
}

/// A text without the byte order mark that it may begin with.
pub(super) fn without_bom(text: &[u8]) -> &[u8] {
    text.strip_prefix(BOM).unwrap_or(text)
}

/// The longest comment that is waited for before it is known what follows.
const MAX_COMMENT_BYTES: usize = 1 << 10;

/// Names of the fields of an event.
const FIELDS: [&[u8]; 4] = [b"data", b"event", b"id", b"retry"];

/// Whether a text that begins like this is a stream of events; nothing where more is needed to say so.
pub(super) fn begins_like_events(text: &[u8]) -> Option<bool> {
    if text.is_empty() || (text.len() < BOM.len() && BOM.starts_with(text)) {
        return None;
    }
    let text = without_bom(text).trim_ascii_start();
    let is_open_comment =
        || text.starts_with(b":") && text.len() <= MAX_COMMENT_BYTES && !text.iter().any(|byte| is_line_end(*byte));
    if FIELDS.iter().any(|name| name.starts_with(text)) || is_open_comment() {
        return None;
    }
    Some(is_field(text))
}

/// Whether what begins with this line is a field of an event, or a comment (WHATWG HTML, §9.2.6): a name, and a colon or the
/// end of the line. `identity` is none.
pub(super) fn is_field(line: &[u8]) -> bool {
    let ends = |rest: &[u8]| rest.first().is_none_or(|byte| *byte == b':' || is_line_end(*byte));
    line.starts_with(b":") || FIELDS.iter().any(|name| line.strip_prefix(*name).is_some_and(ends))
}

/// The bytes of the whole comments that a text begins with, and of the blank lines among them: a proxy keeps a connection open
/// with these until the answer begins.
pub(super) fn comments(text: &[u8]) -> usize {
    let (mut comments, mut rest) = (0, without_bom(text));
    loop {
        let line = rest.trim_ascii_start();
        let end = line.iter().position(|byte| is_line_end(*byte));
        let Some(end) = end.filter(|end| line.starts_with(b":") && *end <= MAX_COMMENT_BYTES) else { return comments };
        rest = line.get(end..).unwrap_or_default();
        comments = text.len().saturating_sub(rest.len());
    }
}

/// The lines of an event.
pub(super) fn lines(event: &[u8]) -> impl Iterator<Item = &[u8]> {
    // Between a CR and its LF there is nothing.
    event.split(|byte| is_line_end(*byte)).filter(|line| !line.is_empty())
}

/// A line with data of its event, cut where the data begins.
pub(super) fn cut_at_data(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let data = without_bom(line).strip_prefix(b"data:")?;
    line.split_at_checked(line.len().saturating_sub(data.len()))
}

/// The data of an event: that of all its `data` lines, with a line feed between two.
pub(super) fn data(event: &[u8]) -> Cow<'_, [u8]> {
    work::count(event.len());
    let mut lines = lines(event).filter_map(|line| {
        let value = line.strip_prefix(b"data:")?;
        Some(value.strip_prefix(b" ").unwrap_or(value))
    });
    let Some(first) = lines.next() else {
        return Cow::default();
    };
    let Some(second) = lines.next() else {
        return Cow::Borrowed(first);
    };
    let mut data = first.to_vec();
    for line in std::iter::once(second).chain(lines) {
        data.push(b'\n');
        data.extend_from_slice(line);
    }
    Cow::Owned(data)
}

/// Takes the name of their field off the lines with the data of an event that comes in parts.
#[derive(Debug, Default)]
pub(super) struct DataLines {
    /// How many bytes of the name have come at the start of the line.
    name_bytes: usize,
    /// Whether the line has come further than that.
    is_behind: bool,
}

impl DataLines {
    /// The next part, without the names in it.
    pub fn add(&mut self, part: &[u8]) -> Vec<u8> {
        const NAME: &[u8] = b"data:";
        work::count(part.len());
        let mut rest = Vec::with_capacity(part.len());
        for byte in part {
            if !self.is_behind && NAME.get(self.name_bytes) == Some(byte) {
                self.name_bytes = self.name_bytes.saturating_add(1);
                self.is_behind = self.name_bytes == NAME.len();
                continue;
            }
            if !self.is_behind {
                rest.extend_from_slice(NAME.get(..self.name_bytes).unwrap_or_default());
            }
            rest.push(*byte);
            self.is_behind = !is_line_end(*byte);
            self.name_bytes = 0;
        }
        rest
    }
}

/// The event with other data in place of its own; its other lines stay before it.
pub(super) fn with_data(event: &[u8], data: &[u8]) -> Vec<u8> {
    let mut changed = vec![];
    for line in lines(event).filter(|line| !line.starts_with(b"data:")) {
        changed.extend_from_slice(line);
        changed.push(b'\n');
    }
    for line in data.split(|byte| is_line_end(*byte)) {
        changed.extend_from_slice(b"data: ");
        changed.extend_from_slice(line);
        changed.push(b'\n');
    }
    changed.push(b'\n');
    changed
}

/// The lines that are no field of an event (WHATWG HTML, §9.2.6): a client reads nothing in them.
pub(super) fn stray(event: &[u8]) -> impl Iterator<Item = &[u8]> {
    work::count(event.len());
    lines(event).filter(|line| !is_field(line))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cuts(pieces: &[&[u8]]) -> Vec<Vec<u8>> {
        let mut events = Events::default();
        let mut cuts: Vec<Cut> = pieces.iter().flat_map(|piece| events.add(piece)).collect();
        cuts.extend(events.end());
        let bytes = |cut| match cut {
            Cut::Event(bytes) | Cut::Part(bytes) | Cut::LastPart(bytes) => bytes,
        };
        cuts.into_iter().map(bytes).collect()
    }

    #[test]
    fn a_stream_is_cut_at_its_blank_lines_wherever_its_pieces_are() {
        for (text, events) in [
            ("data: 1\n\ndata: 2\n\n", vec!["data: 1\n\n", "data: 2\n\n"]),
            ("event: a\r\ndata: 1\r\n\r\n: ping\r\n\r\n", vec!["event: a\r\ndata: 1\r\n\r\n", ": ping\r\n\r\n"]),
            ("data: 1\n\n\ndata: 2", vec!["data: 1\n\n", "\n", "data: 2"]),
            ("data: 1\r\n\n", vec!["data: 1\r\n\n"]),
            ("data: 1\r\rdata: 2\r\r", vec!["data: 1\r\r", "data: 2\r\r"]),
            ("data: 1\n\r\ndata: 2\r\n\r", vec!["data: 1\n\r\n", "data: 2\r\n\r"]),
            ("\r\r\n\rdata: 1\r", vec!["\r", "\r\n", "\r", "data: 1\r"]),
            ("", vec![]),
        ] {
            let text = text.as_bytes();
            assert_eq!(cuts(&[text]), events.iter().map(|event| event.as_bytes()).collect::<Vec<_>>());
            for at in 0..=text.len() {
                let (head, tail) = text.split_at(at);
                assert_eq!(cuts(&[head, tail]), cuts(&[text]), "cut at {at}");
            }
            assert_eq!(cuts(&text.chunks(1).collect::<Vec<_>>()), cuts(&[text]));
        }
    }

    #[test]
    fn an_event_that_is_too_long_passes_in_parts_and_the_next_is_whole() {
        let mut events = Events::default();
        let long = vec![b'x'; MAX_BYTES + 1];
        assert_eq!(events.add(&long), [Cut::Part(long.clone())]);
        assert_eq!(
            events.add(b"\n\ndata: 1\n\n"),
            [Cut::LastPart(b"\n\n".to_vec()), Cut::Event(b"data: 1\n\n".to_vec())]
        );
    }

    #[test]
    fn the_data_of_an_event_is_that_of_its_data_lines() {
        for (event, expected) in [
            ("event: x\ndata: {\"a\":1}\n\n", "{\"a\":1}"),
            ("data:1\r\nid: 7\r\ndata: 2\r\n\r\n", "1\n2"),
            ("data:1\rid: 7\rdata: 2\rdata: 3\r\r", "1\n2\n3"),
            (": comment\n\n", ""),
            ("data\n\n", ""),
        ] {
            assert_eq!(data(event.as_bytes()), expected.as_bytes());
        }
        assert_eq!(with_data(b"id: 7\ndata: 1\ndata: 2\n\n", b"{\n}"), b"id: 7\ndata: {\ndata: }\n\n");
    }

    #[test]
    fn the_first_bytes_say_whether_there_are_events() {
        for (text, expected) in [
            ("data: 1", Some(true)),
            (": ping\n", Some(true)),
            (": pi", None),
            ("\u{feff}event: x", Some(true)),
            ("\n\nid: 7", Some(true)),
            ("{\"a\":1}", Some(false)),
            (" [", Some(false)),
            ("dat", None),
            ("data", None),
            ("data\n", Some(true)),
            ("data is", Some(false)),
            ("ideas", Some(false)),
            ("date", Some(false)),
            ("\n", None),
            ("", None),
            ("no", Some(false)),
        ] {
            assert_eq!(begins_like_events(text.as_bytes()), expected, "{text}");
        }
        assert_eq!(begins_like_events(b"\xef\xbb"), None);
    }

    #[test]
    fn comments_before_an_answer_are_told_from_it() {
        for (text, comments) in [
            (": ping\n\n{}", ": ping"),
            ("\u{feff}: a\r\n\r\n: b\rdata: 1", "\u{feff}: a\r\n\r\n: b"),
            ("\n: a", ""),
            ("\u{feff}\u{feff}: a\n", ""),
            ("data: 1\n: a\n", ""),
            ("", ""),
        ] {
            assert_eq!(super::comments(text.as_bytes()), comments.len(), "{text}");
        }
    }
}
