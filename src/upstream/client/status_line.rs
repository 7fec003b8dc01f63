//! The version in the status line of an answer (RFC 9112 §4).
//!
//! An upstream may answer with a later minor version of HTTP/1, which is to be read as the one that is known (RFC 9110
//! §2.5), where the HTTP library would refuse it.

/// What a status line begins with.
const NAME: &[u8] = b"HTTP/1.";

/// `HTTP/1.1 200`.
const START_BYTES: usize = 12;

/// The most bytes that wait for those behind them.
pub(super) const MAX_HELD_BYTES: usize = START_BYTES;

/// The bytes of an answer up to and with the start of its status line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StatusLine {
    /// Within that start: what came of it, and how much of that was passed on.
    Start { seen: [u8; START_BYTES], length: usize, passed: usize },
    /// Within an interim answer, behind which another status line comes (RFC 9110 §15.2).
    Interim { is_line_empty: bool },
    /// Behind it, or in what is none.
    Passed,
}

impl StatusLine {
    /// No byte has come.
    pub const fn new() -> Self {
        Self::Start { seen: [0; START_BYTES], length: 0, passed: 0 }
    }

    /// What comes when something was written: a status line, unless one is under way.
    pub const fn awaited(self) -> Self {
        match self {
            Self::Passed => Self::new(),
            under_way => under_way,
        }
    }

    /// Whether a piece changes nothing and needs not be read byte by byte: the whole start of a final answer of a version
    /// that is known.
    pub fn passes_whole(&mut self, piece: &[u8]) -> bool {
        if let ([b'H', b'T', b'T', b'P', b'/', b'1', b'.', b'0' | b'1', b' ', b'2'..=b'9', ..], true) =
            (piece, *self == Self::new())
        {
            *self = Self::Passed;
        }
        *self == Self::Passed
    }

    /// Adds to `out` what is passed on when a piece came.
    pub fn pass(&mut self, piece: &[u8], out: &mut Vec<u8>) {
        for (place, byte) in piece.iter().enumerate() {
            match self {
                Self::Start { .. } => self.take(*byte, out),
                Self::Interim { is_line_empty } => {
                    out.push(*byte);
                    match (*byte, *is_line_empty) {
                        (b'\n', true) => *self = Self::new(),
                        (b'\r', _) => {}
                        (byte, _) => *is_line_empty = byte == b'\n',
                    }
                }
                Self::Passed => return out.extend_from_slice(piece.get(place..).unwrap_or_default()),
            }
        }
    }

    /// Adds to `out` what waited, because nothing comes behind it.
    pub fn end(&mut self, out: &mut Vec<u8>) {
        if let Self::Start { seen, length, passed } = self {
            out.extend_from_slice(seen.get(*passed..*length).unwrap_or_default());
        }
        *self = Self::Passed;
    }

    /// Takes the next byte of the start. From a later minor version on, bytes wait until it is known that they are one: a
    /// body that is read while its request is still written begins with anything.
    fn take(&mut self, byte: u8, out: &mut Vec<u8>) {
        let Self::Start { seen, length, passed } = self else { return };
        let is_next = match NAME.get(*length) {
            Some(expected) => byte == *expected,
            None if *length == NAME.len().saturating_add(1) => byte == b' ',
            None => byte.is_ascii_digit(),
        };
        if let Some(place) = seen.get_mut(*length) {
            *place = byte;
        }
        *length = length.saturating_add(1);
        let is_whole = *length == START_BYTES;
        if let (true, true, Some(minor @ b'2'..=b'9')) = (is_next, is_whole, seen.get_mut(NAME.len())) {
            *minor = b'1';
        }
        let waits = is_next && matches!(seen.get(NAME.len()), Some(b'2'..=b'9'));
        if !waits {
            out.extend_from_slice(seen.get(*passed..*length).unwrap_or_default());
            *passed = *length;
        }
        if !is_next {
            *self = Self::Passed;
        } else if is_whole {
            // 101 is no interim answer to a client that has asked for it: what follows is another protocol.
            let is_interim = matches!(seen, [.., b'1', b'0', b'0' | b'2'..=b'9'] | [.., b'1', b'1'..=b'9', _]);
            *self = if is_interim { Self::Interim { is_line_empty: false } } else { Self::Passed };
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn passed(answer: &[u8], size: usize) -> Vec<u8> {
        let (mut line, mut out) = (StatusLine::new(), vec![]);
        for piece in answer.chunks(size) {
            if line.passes_whole(piece) {
                out.extend_from_slice(piece);
            } else {
                line.pass(piece, &mut out);
            }
        }
        line.end(&mut out);
        out
    }

    #[test]
    fn a_later_minor_version_is_read_as_the_one_that_is_known_however_it_is_cut() {
        for (answer, expected) in [
            ("HTTP/1.2 200 OK\r\nx: HTTP/1.2 200\r\n\r\n", "HTTP/1.1 200 OK\r\nx: HTTP/1.2 200\r\n\r\n"),
            ("HTTP/1.9 404\r\n\r\nHTTP/1.2 200", "HTTP/1.1 404\r\n\r\nHTTP/1.2 200"),
            (
                "HTTP/1.2 100 Continue\r\n\r\nHTTP/1.2 103 x\r\nlink: y\r\n\r\nHTTP/1.3 200 OK\r\n\r\n",
                "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 x\r\nlink: y\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
            ),
            ("HTTP/1.1 102 x\n\nHTTP/1.2 204 y\n\n", "HTTP/1.1 102 x\n\nHTTP/1.1 204 y\n\n"),
            ("HTTP/1.2 101 x\r\n\r\nHTTP/1.2 200", "HTTP/1.1 101 x\r\n\r\nHTTP/1.2 200"),
        ] {
            for size in 1..=answer.len() {
                let passed = String::from_utf8(passed(answer.as_bytes(), size)).unwrap();
                assert_eq!(passed, expected, "in {size}s");
            }
        }
    }

    #[test]
    fn what_is_no_such_status_line_passes_as_it_is() {
        for bytes in
            ["HTTP/1.1 200 OK", "HTTP/1.2", "HTTP/1.2 20", "HTTP/1.2 2x0", "HTTP/1.22 200", "HTTP/2.2 200", "HTT", ""]
        {
            for size in 1..=bytes.len().max(1) {
                assert_eq!(passed(bytes.as_bytes(), size), bytes.as_bytes(), "in {size}s");
            }
        }
    }

    #[test]
    fn no_more_waits_than_is_said() {
        let (mut line, mut out) = (StatusLine::new(), vec![]);
        for (came, byte) in (1..).zip(b"HTTP/1.2 20") {
            line.pass(&[*byte], &mut out);
            assert!(came - out.len() <= MAX_HELD_BYTES && (out.len() == came || came > 7), "{came}");
        }
    }

    proptest! {
        #[test]
        fn nothing_is_lost_or_added(bytes in "(HTTP/1[.]?[0-9]? ?[0-9]{0,3}\r?\n?){0,4}[a-z]{0,4}", size in 1_usize..20) {
            let passed = passed(bytes.as_bytes(), size);
            prop_assert_eq!(passed.len(), bytes.len());
            for (before, after) in bytes.bytes().zip(passed) {
                prop_assert!(before == after || (after == b'1' && (b'2'..=b'9').contains(&before)));
            }
        }
    }
}
