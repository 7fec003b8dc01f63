//! A stream of frames (`application/vnd.amazon.eventstream`), as Bedrock has it, cut into its payloads. A frame is its length, that
//! of its headers, a checksum of both, headers, a payload, and a checksum. Checksums of what is labelled are left to the client.

use super::{
    events::{Cut, MAX_BYTES},
    work,
};

/// Lengths and their checksum, and the one at the end.
const PRELUDE_BYTES: usize = 12;
const LENGTHS_BYTES: usize = 8;
const END_BYTES: usize = 4;

/// More than any frame has: an image, or all that a tool was asked, is one.
const MAX_FRAME_BYTES: usize = 32 << 20;

#[derive(Debug, Default)]
pub(super) struct Frames {
    /// What has come of the frame that is not yet whole.
    pending: Vec<u8>,
    /// What is still to come of a frame that is too long to be kept.
    long: Option<Long>,
    /// Whether something came that is no frame.
    is_broken: bool,
}

/// Bytes of a frame that are still to come, part by part.
#[derive(Debug)]
struct Long {
    headers: usize,
    payload: usize,
    end: usize,
}

/// Whether this content type is that of frames.
pub(super) fn are_labelled(content_type: &str) -> bool {
    let kind = content_type.split(';').next().unwrap_or_default();
    kind.trim().eq_ignore_ascii_case("application/vnd.amazon.eventstream")
}

/// Whether a text begins with a frame, by the checksum of its lengths: JSON and events never do.
pub(super) fn begin(text: &[u8]) -> bool {
    let Some((prelude, _)) = text.split_at_checked(PRELUDE_BYTES) else { return false };
    let lengths = prelude.get(..LENGTHS_BYTES).unwrap_or_default();
    let is_frame = number(prelude, 0) <= MAX_FRAME_BYTES;
    is_frame && usize::try_from(crc32(lengths)).is_ok_and(|checksum| checksum == number(prelude, LENGTHS_BYTES))
}

/// Whether it may do so, and too little is here to say it. No text begins with the first byte of such a length.
pub(super) fn may_begin(text: &[u8]) -> bool {
    text.len() < PRELUDE_BYTES && matches!(text.first(), Some(0..=2))
}

/// The checksum of ISO 3309, as zip and PNG have it.
fn crc32(bytes: &[u8]) -> u32 {
    let bit = |crc: u32, _| if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 };
    !bytes.iter().fold(!0, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), bit))
}

impl Frames {
    /// The payloads that a further piece makes whole, and parts of those that are too long to be kept; nothing where it has what
    /// is no frame.
    pub fn add(&mut self, piece: &[u8]) -> Option<Vec<Cut>> {
        if self.is_broken {
            return None;
        }
        let mut cuts = vec![];
        let mut rest = piece;
        if let Some(long) = &mut self.long {
            rest = long.add(rest, &mut cuts);
        }
        self.long = self.long.take().filter(|long| long.end > 0);
        self.pending.extend_from_slice(rest);
        work::count(self.pending.len());
        let mut pending = std::mem::take(&mut self.pending);
        let mut rest = pending.as_slice();
        while let Some(prelude) = rest.get(..PRELUDE_BYTES) {
            let (all, headers) = (number(prelude, 0), number(prelude, 4));
            let begin = PRELUDE_BYTES.saturating_add(headers);
            if all > MAX_FRAME_BYTES || begin.saturating_add(END_BYTES) > all {
                self.is_broken = true;
                return None;
            }
            if all > MAX_BYTES {
                let payload = all.saturating_sub(begin).saturating_sub(END_BYTES);
                let mut long = Long { headers, payload, end: END_BYTES };
                rest = long.add(rest.get(PRELUDE_BYTES..).unwrap_or_default(), &mut cuts);
                self.long = Some(long).filter(|long| long.end > 0);
                continue;
            }
            let Some((frame, behind)) = rest.split_at_checked(all) else { break };
            cuts.push(Cut::Event(frame.get(begin..all.saturating_sub(END_BYTES)).unwrap_or_default().to_vec()));
            rest = behind;
        }
        let used = pending.len().saturating_sub(rest.len());
        pending.drain(..used);
        self.pending = pending;
        Some(cuts)
    }
}

impl Long {
    /// Takes what is its own of these bytes, and gives what follows.
    fn add<'p>(&mut self, bytes: &'p [u8], cuts: &mut Vec<Cut>) -> &'p [u8] {
        let (_, bytes) = taken(&mut self.headers, bytes);
        let was_open = self.payload > 0;
        let (part, bytes) = taken(&mut self.payload, bytes);
        if was_open {
            cuts.push(if self.payload > 0 { Cut::Part(part.to_vec()) } else { Cut::LastPart(part.to_vec()) });
        }
        if self.payload > 0 {
            return bytes;
        }
        taken(&mut self.end, bytes).1
    }
}

/// As many of these bytes as are still to come, and the others.
fn taken<'p>(to_come: &mut usize, bytes: &'p [u8]) -> (&'p [u8], &'p [u8]) {
    let (own, others) = bytes.split_at(bytes.len().min(*to_come));
    *to_come = to_come.saturating_sub(own.len());
    (own, others)
}

fn number(prelude: &[u8], at: usize) -> usize {
    let bytes = prelude.get(at..at.saturating_add(4)).unwrap_or_default();
    bytes.iter().fold(0, |number, byte| number.saturating_mul(256).saturating_add(usize::from(*byte)))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A frame with a header, as far as it is looked at.
    pub(in super::super) fn frame(payload: &str) -> Vec<u8> {
        let headers = b"\x0b:event-type\x07\x00\x08metadata";
        let all = PRELUDE_BYTES + headers.len() + payload.len() + END_BYTES;
        let mut frame = u32::try_from(all).unwrap().to_be_bytes().to_vec();
        frame.extend(u32::try_from(headers.len()).unwrap().to_be_bytes());
        frame.extend(crc32(&frame).to_be_bytes());
        frame.extend(headers);
        frame.extend(payload.as_bytes());
        frame.extend([0; 4]);
        frame
    }

    #[test]
    fn frames_are_cut_wherever_their_pieces_are() {
        let text = [frame("{}"), frame(""), frame("{\"a\":1}")].concat();
        for at in 0..=text.len() {
            let (head, tail) = text.split_at(at);
            let mut frames = Frames::default();
            let found = [frames.add(head).unwrap(), frames.add(tail).unwrap()].concat();
            assert_eq!(found, ["{}", "", "{\"a\":1}"].map(|payload| Cut::Event(payload.into())), "cut at {at}");
        }
    }

    #[test]
    fn a_frame_that_is_too_long_to_be_kept_passes_in_parts_and_the_next_is_whole() {
        let long = "x".repeat(MAX_BYTES);
        let text = [frame(&long), frame("{}")].concat();
        for size in [text.len(), 70_001, 1] {
            let mut frames = Frames::default();
            let cuts = text.chunks(size).flat_map(|piece| frames.add(piece).unwrap());
            let (mut parts, mut wholes) = (vec![], vec![]);
            for cut in cuts {
                match cut {
                    Cut::Part(part) | Cut::LastPart(part) => parts.extend(part),
                    Cut::Event(payload) => wholes.push(payload),
                }
            }
            assert!(parts == long.as_bytes() && wholes == [b"{}"], "in pieces of {size}");
        }
    }

    #[test]
    fn frames_are_known_by_their_first_checksum() {
        let text = frame("{}");
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
        assert!(begin(&text) && begin(&text[..PRELUDE_BYTES]));
        assert!((1..PRELUDE_BYTES).all(|bytes| may_begin(&text[..bytes]) && !begin(&text[..bytes])));
        for other in [&[0; 12][..], b"{\"a\":1234567890}", b"data: {\"a\":1}\n\n", b""] {
            assert!(!begin(other) && !may_begin(other), "{other:?}");
        }
    }

    #[test]
    fn what_is_no_frame_is_known_for_good() {
        for text in [&[0xff_u8; 12][..], &[0; 12], b"data: {\"a\":1}\n\n"] {
            let mut frames = Frames::default();
            assert_eq!(frames.add(text), None);
            assert_eq!(frames.add(&frame("{}")), None);
        }
    }
}
