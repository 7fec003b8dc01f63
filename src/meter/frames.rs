//! A stream of frames (`application/vnd.amazon.eventstream`), as Bedrock has it, cut into its payloads. A frame is its length, that
//! of its headers, a checksum of both, headers, a payload, and a checksum. Checksums are left to the client.

use super::{events::MAX_BYTES, work};

/// Lengths and their checksum, and the one at the end.
const PRELUDE_BYTES: usize = 12;
const END_BYTES: usize = 4;

#[derive(Debug, Default)]
pub(super) struct Frames {
    /// What has come of the frame that is not yet whole.
    pending: Vec<u8>,
    /// Whether something came that is no frame, or too long a one.
    is_broken: bool,
}

/// Whether this content type is that of frames.
pub(super) fn are_labelled(content_type: &str) -> bool {
    let kind = content_type.split(';').next().unwrap_or_default();
    kind.trim().eq_ignore_ascii_case("application/vnd.amazon.eventstream")
}

impl Frames {
    /// The payloads of all frames that a further piece makes whole; nothing where it has what is no frame.
    pub fn add(&mut self, piece: &[u8]) -> Option<Vec<Vec<u8>>> {
        if self.is_broken {
            return None;
        }
        self.pending.extend_from_slice(piece);
        work::count(self.pending.len());
        let mut payloads = vec![];
        let mut rest = self.pending.as_slice();
        while let Some(prelude) = rest.get(..PRELUDE_BYTES) {
            let (all, headers) = (number(prelude, 0), number(prelude, 4));
            let begin = PRELUDE_BYTES.saturating_add(headers);
            if all > MAX_BYTES || begin.saturating_add(END_BYTES) > all {
                self.is_broken = true;
                return None;
            }
            let Some((frame, behind)) = rest.split_at_checked(all) else { break };
            payloads.push(frame.get(begin..all.saturating_sub(END_BYTES)).unwrap_or_default().to_vec());
            rest = behind;
        }
        let used = self.pending.len().saturating_sub(rest.len());
        self.pending.drain(..used);
        Some(payloads)
    }
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
        frame.extend([0; 4]);
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
            assert_eq!(found, [b"{}".to_vec(), vec![], b"{\"a\":1}".to_vec()], "cut at {at}");
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
