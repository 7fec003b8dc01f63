//! A stream of server-sent events (WHATWG HTML, §9.2), cut into its events wherever its pieces are cut. Lines end with LF,
//! CRLF or CR; no byte is lost or changed. An event that ends with a CR is whole with the next byte, which may be its LF.

use std::borrow::Cow;

/// The data of the event that OpenAI's streams end with.
pub(super) const DONE: &[u8] = b"[DONE]";

/// The longest JSON text that is looked into: of an event, or of a whole answer.
pub const MAX_BYTES: usize = 4 << 20;

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
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Cut {
    /// An event with the blank line that ends it.
    Event(Vec<u8>),
    /// A part of an event that is too long to be looked into.
    Part(Vec<u8>),
}

impl Events {
    /// All that a further piece makes whole.
    pub fn add(&mut self, piece: &[u8]) -> Vec<Cut> {
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
        self.cut()
    }

    /// The event that a blank line has ended.
    fn end(&mut self) -> Option<Cut> {
        let cut = self.cut();
        self.too_long = false;
        cut
    }

    /// What is left at the end of the stream.
    pub fn rest(&mut self) -> Option<Cut> {
        self.cut()
    }

    fn cut(&mut self) -> Option<Cut> {
        let bytes = std::mem::take(&mut self.pending);
        let as_cut = if self.too_long { Cut::Part } else { Cut::Event };
        (!bytes.is_empty()).then(|| as_cut(bytes))
    }
}

const fn is_line_end(byte: u8) -> bool {
    matches!(byte, b'\n' | b'\r')
}

/// The data of an event: that of all its `data` lines, with a line feed between two.
pub(super) fn data(event: &[u8]) -> Cow<'_, [u8]> {
    // Between a CR and its LF there is nothing.
    let mut lines = event.split(|byte| is_line_end(*byte)).filter_map(|line| {
        let value = line.strip_prefix(b"data:")?;
        Some(value.strip_prefix(b" ").unwrap_or(value))
    });
    let Some(first) = lines.next() else { return Cow::default() };
    lines.fold(Cow::Borrowed(first), |data, line| Cow::Owned([&*data, b"\n", line].concat()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cuts(pieces: &[&[u8]]) -> Vec<Vec<u8>> {
        let mut events = Events::default();
        let mut cuts: Vec<Cut> = pieces.iter().flat_map(|piece| events.add(piece)).collect();
        cuts.extend(events.rest());
        let bytes = |cut| match cut {
            Cut::Event(bytes) | Cut::Part(bytes) => bytes,
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
        assert_eq!(events.add(b"\n\ndata: 1\n\n"), [Cut::Part(b"\n\n".to_vec()), Cut::Event(b"data: 1\n\n".to_vec())]);
    }

    #[test]
    fn the_data_of_an_event_is_that_of_its_data_lines() {
        for (event, expected) in [
            ("event: x\ndata: {\"a\":1}\n\n", "{\"a\":1}"),
            ("data:1\r\nid: 7\r\ndata: 2\r\n\r\n", "1\n2"),
            ("data:1\rid: 7\rdata: 2\r\r", "1\n2"),
            (": comment\n\n", ""),
            ("data\n\n", ""),
        ] {
            assert_eq!(data(event.as_bytes()), expected.as_bytes());
        }
    }
}
