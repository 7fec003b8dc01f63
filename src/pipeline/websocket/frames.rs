//! Where the frames of a WebSocket end (RFC 6455 §5.2): so that a frame of the gateway's own stands between two others and
//! never within one. Nothing is decoded.

/// The most bytes before the content of a frame.
const MAX_HEAD_BYTES: usize = 14;
/// The frame that closes.
const CLOSE: u8 = 0x8;

/// What has passed in one direction.
#[derive(Debug, Default)]
pub(super) struct Frames {
    /// Of the head of a frame that is not whole yet.
    head: [u8; MAX_HEAD_BYTES],
    head_bytes: usize,
    /// Of the content of the frame under way.
    left: u64,
    has_closed: bool,
}

impl Frames {
    /// Notes what passes.
    pub fn pass(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while let Some((first, behind)) = rest.split_first() {
            if self.left > 0 {
                let here = u64::try_from(rest.len()).unwrap_or(u64::MAX).min(self.left);
                self.left = self.left.saturating_sub(here);
                rest = usize::try_from(here).ok().and_then(|here| rest.get(here..)).unwrap_or_default();
                continue;
            }
            if let Some(place) = self.head.get_mut(self.head_bytes) {
                *place = *first;
            }
            self.head_bytes = self.head_bytes.saturating_add(1);
            rest = behind;
            if let Some(left) = self.content() {
                self.has_closed |= self.head.first().is_some_and(|first| first & 0x0f == CLOSE);
                (self.left, self.head_bytes) = (left, 0);
            }
        }
    }

    /// Whether what has passed ends with a frame, so that another may follow.
    pub const fn are_whole(&self) -> bool {
        self.head_bytes == 0 && self.left == 0
    }

    /// Whether a closing frame has begun: none may follow it.
    pub const fn have_closed(&self) -> bool {
        self.has_closed
    }

    /// The length of the content, once the head is whole.
    fn content(&self) -> Option<u64> {
        let head = self.head.get(..self.head_bytes)?;
        let second = *head.get(1)?;
        let mask = if second & 0x80 == 0 { 0 } else { 4 };
        let (size, length) = match second & 0x7f {
            126 => (2, head.get(2..4).and_then(|two| Some(u16::from_be_bytes(two.try_into().ok()?).into()))),
            127 => (8, head.get(2..10).and_then(|eight| Some(u64::from_be_bytes(eight.try_into().ok()?)))),
            short => (0, Some(u64::from(short))),
        };
        let is_whole = head.len() == 2_usize.saturating_add(size).saturating_add(mask);
        length.filter(|_| is_whole)
    }
}

/// A closing frame of a server (RFC 6455 §5.5.1 and §7.4.1).
pub(super) const fn closing(code: u16) -> [u8; 4] {
    let [high, low] = code.to_be_bytes();
    [0x80 | CLOSE, 2, high, low]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(opcode: u8, is_masked: bool, length: usize) -> Vec<u8> {
        let mask = if is_masked { 0x80 } else { 0 };
        let mut frame = vec![0x80 | opcode];
        match length {
            0..126 => frame.push(mask | u8::try_from(length).unwrap()),
            126..65_536 => {
                frame.push(mask | 0x7e);
                frame.extend(u16::try_from(length).unwrap().to_be_bytes());
            }
            _ => {
                frame.push(mask | 0x7f);
                frame.extend(u64::try_from(length).unwrap().to_be_bytes());
            }
        }
        if is_masked {
            frame.extend([1, 2, 3, 4]);
        }
        frame.resize(frame.len() + length, 0x88);
        frame
    }

    #[test]
    fn the_end_of_a_frame_is_found_however_it_is_cut() {
        for (is_masked, length) in
            [0, 1, 125, 126, 127, 65_535, 65_536, 70_000].into_iter().flat_map(|n| [(true, n), (false, n)])
        {
            let bytes = [frame(1, is_masked, length), frame(2, is_masked, 3)].concat();
            let first = bytes.len() - frame(2, is_masked, 3).len();
            for size in [1, 2, 3, 7, 1_000, bytes.len()] {
                let (mut frames, mut passed) = (Frames::default(), 0);
                for piece in bytes.chunks(size) {
                    frames.pass(piece);
                    passed += piece.len();
                    assert_eq!(
                        frames.are_whole(),
                        passed == first || passed == bytes.len(),
                        "{length} {size} at {passed}"
                    );
                    assert!(!frames.have_closed());
                }
            }
        }
    }

    #[test]
    fn a_closing_frame_is_seen_and_made() {
        let mut frames = Frames::default();
        frames.pass(&frame(9, false, 5));
        assert!(!frames.have_closed());
        frames.pass(&closing(1008));
        assert!(frames.have_closed() && frames.are_whole());
        assert_eq!(closing(1008), [0x88, 2, 0x03, 0xf0]);
    }
}
