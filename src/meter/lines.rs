//! JSON texts of which each is a line (NDJSON): an answer is that where its first line is an object by itself and there is
//! another one. Each is read as it comes, as the events of a stream are, however many there are.

use super::{
    events::{self, Cut, MAX_BYTES},
    json, work,
};

/// What has come of an answer that is no stream of events.
#[derive(Debug, Default)]
pub(super) struct Whole {
    pub text: Vec<u8>,
    /// How far its first line was looked for, and where that begins and ends.
    looked_at: usize,
    begins_at: Option<usize>,
    ends_at: Option<usize>,
    /// Whether its first line is no object by itself.
    is_one: bool,
}

impl Whole {
    /// Of an answer that is one text, whatever is in it.
    pub fn one() -> Self {
        Self { is_one: true, ..Self::default() }
    }

    /// Takes a further piece; whether it shows that each line is a text of its own.
    pub fn add(&mut self, piece: &[u8]) -> bool {
        self.text.extend_from_slice(piece);
        for byte in piece {
            if self.is_one {
                return false;
            }
            let at = self.looked_at;
            self.looked_at = at.saturating_add(1);
            match (self.begins_at, self.ends_at, byte.is_ascii_whitespace()) {
                (None, _, false) => self.begins_at = Some(at),
                (Some(_), None, _) if *byte == b'\n' => self.ends_at = Some(at),
                (Some(begin), Some(end), false) => {
                    self.is_one = at >= MAX_BYTES || !is_object(self.text.get(begin..end).unwrap_or_default());
                    return !self.is_one;
                }
                _ => {}
            }
        }
        work::count(piece.len());
        false
    }

    /// Whether it is too long to be kept.
    pub const fn is_too_long(&self) -> bool {
        self.text.len() > MAX_BYTES
    }
}

fn is_object(line: &[u8]) -> bool {
    events::without_bom(line).starts_with(b"{") && json::read_answer(line).is_ok()
}

/// Cuts an answer into its lines wherever its pieces are cut.
#[derive(Debug, Default)]
pub(super) struct Lines {
    /// What has come of the line that is not yet whole.
    pending: Vec<u8>,
    /// Whether a part of the line was given away because it grew too long.
    is_too_long: bool,
}

impl Lines {
    /// All that a further piece makes whole: in place of events, lines.
    pub fn add(&mut self, piece: &[u8]) -> Vec<Cut> {
        work::count(piece.len());
        let mut cuts = vec![];
        for line in piece.split_inclusive(|byte| *byte == b'\n') {
            self.pending.extend_from_slice(line);
            if self.pending.len() > MAX_BYTES {
                self.is_too_long = true;
                cuts.push(Cut::Part(std::mem::take(&mut self.pending)));
            }
            if line.ends_with(b"\n") {
                cuts.extend(self.end());
            }
        }
        cuts
    }

    /// What is left at the end of the answer, or the line that has ended.
    pub fn end(&mut self) -> Option<Cut> {
        let bytes = std::mem::take(&mut self.pending);
        if std::mem::take(&mut self.is_too_long) {
            return Some(Cut::LastPart(bytes));
        }
        (!bytes.is_empty()).then_some(Cut::Event(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_has_lines_where_its_first_is_an_object_by_itself_and_another_one_follows() {
        for (text, expected) in [
            ("{\"a\":1}\n{\"b\":2}", true),
            ("\n \u{feff}{}\r\n\r\nword", true),
            ("{\"a\":1}\n\n ", false),
            ("{\"a\":1}{\"b\":2}\n{\"c\":3}", false),
            ("{\n\"a\":1}\n{\"b\":2}", false),
            ("[1]\n[2]", false),
            ("word\n{\"a\":1}", false),
            ("", false),
        ] {
            for at in 0..=text.len() {
                let (head, tail) = text.as_bytes().split_at(at);
                let mut whole = Whole::default();
                assert_eq!(whole.add(head) | whole.add(tail), expected, "{text} cut at {at}");
            }
            assert!(!Whole::one().add(text.as_bytes()));
        }
    }

    #[test]
    fn lines_are_cut_wherever_their_pieces_are() {
        let text = b"{\"a\":1}\n\n{\"b\":2}\r\n{";
        for at in 0..=text.len() {
            let (head, tail) = text.split_at(at);
            let mut lines = Lines::default();
            let mut cuts = [lines.add(head), lines.add(tail)].concat();
            cuts.extend(lines.end());
            let expected = ["{\"a\":1}\n", "\n", "{\"b\":2}\r\n", "{"].map(|line| Cut::Event(line.into()));
            assert_eq!(cuts, expected, "cut at {at}");
        }
    }
}
