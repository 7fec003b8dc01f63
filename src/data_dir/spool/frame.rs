//! How a frame lies in a file: its length, the number of its last record, a checksum over both and the records, and the
//! records, one a line.

use crc32fast::Hasher;

/// Length of the records (4 bytes), number of the last (8), a CRC-32 (4) over both and the records: it finds what a kill or a
/// disk has left. What somebody has written into a frame is found by the hashes of the chain.
pub(super) const HEAD_BYTES: usize = 16;

/// No frame is longer; a length above it is no length.
const MAX_BYTES: u32 = 1 << 30;

/// A frame that was read.
pub(super) struct Frame {
    pub last: u64,
    pub records: Vec<String>,
}

/// What stands before the records.
pub(super) struct Head {
    /// Of the records.
    pub bytes: u64,
    last: u64,
    checksum: u32,
}

/// The bytes of a frame. No record may contain a line feed.
pub(super) fn encode(last: u64, records: &[String]) -> Vec<u8> {
    let text = records.join("\n");
    let length = u32::try_from(text.len()).unwrap_or(u32::MAX);
    let mut frame = Vec::with_capacity(HEAD_BYTES.saturating_add(text.len()));
    frame.extend_from_slice(&length.to_le_bytes());
    frame.extend_from_slice(&last.to_le_bytes());
    frame.extend_from_slice(&checksum(length, last, text.as_bytes()).to_le_bytes());
    frame.extend_from_slice(text.as_bytes());
    frame
}

impl Head {
    /// Nothing where this cannot be the head of a frame.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let (length, rest) = bytes.split_first_chunk::<4>()?;
        let (last, rest) = rest.split_first_chunk::<8>()?;
        let (checksum, _) = rest.split_first_chunk::<4>()?;
        let length = u32::from_le_bytes(*length);
        let is_length = (1..=MAX_BYTES).contains(&length);
        is_length.then(|| Self {
            bytes: length.into(),
            last: u64::from_le_bytes(*last),
            checksum: u32::from_le_bytes(*checksum),
        })
    }

    /// Nothing where these are not the records that the head was written for.
    pub(super) fn frame(&self, records: Vec<u8>) -> Option<Frame> {
        let length = u32::try_from(records.len()).ok()?;
        if checksum(length, self.last, &records) != self.checksum {
            return None;
        }
        let text = String::from_utf8(records).ok()?;
        Some(Frame { last: self.last, records: text.split('\n').map(str::to_owned).collect() })
    }
}

fn checksum(length: u32, last: u64, records: &[u8]) -> u32 {
    let mut hasher = Hasher::new();
    hasher.update(&length.to_le_bytes());
    hasher.update(&last.to_le_bytes());
    hasher.update(records);
    hasher.finalize()
}
