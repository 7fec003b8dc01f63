//! A queue on the disk, for what must not be lost while its true home is away: bounded, checksummed, in order.
//!
//! What is appended is on the disk when [`Spool::append`] returns. The records of one append are one frame, written and
//! synchronised as a whole; a frame that a kill or a power loss cut short stands last in its file, was never reported
//! as written, and is cut off when the spool is opened. Each frame carries the number of its last record. The owner
//! says up to which number it has found a home for them ([`Spool::forget`]); that is not written down, so after a
//! restart what is left of a file comes again, and the owner recognises by the numbers what it has seen. Used by the
//! audit writer alone.

mod frame;
mod segment;

use std::{
    collections::VecDeque,
    fs::{self, DirBuilder, File},
    io::{self, Write},
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};

use self::segment::{Reader, Segment};

/// What is wrong with the spool.
#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    #[error("the spool {path} holds {bytes} bytes and may hold {max_bytes}")]
    Full { path: String, bytes: u64, max_bytes: u64 },
    #[error("{path}: {error}")]
    Io { path: String, error: io::Error },
    /// Not what a kill leaves behind: something else has written to the file.
    #[error(
        "{path} is damaged at byte {offset}, with more behind it. Keep a copy of it; without the file the gateway \
         starts, and what is in it is not recorded"
    )]
    Damaged { path: String, offset: u64 },
}

/// When a file is this long, the next frame begins another, so that files can be deleted one by one.
const SEGMENT_BYTES: u64 = 8 << 20;

/// What is written to see whether the disk has room.
const PROBE_BYTES: u64 = 64 << 10;

/// Where a frame lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct FrameSpan {
    segment: u64,
    offset: u64,
    bytes: u64,
    /// The number of its last record.
    last: u64,
    records: u64,
}

/// An open spool.
pub struct Spool {
    folder: PathBuf,
    max_bytes: u64,
    frames: VecDeque<FrameSpan>,
    /// Of all frames that are not forgotten.
    bytes: u64,
    records: u64,
    /// The file that is appended to; the ones before it are only read.
    tail: Option<Segment>,
    /// The number of the next file.
    next: u64,
}

impl Spool {
    /// Opens the folder, and makes it (0700) if need be. `max_bytes` bounds what is not forgotten
    /// yet; the files may be longer by one.
    ///
    /// # Errors
    /// `Damaged` if a file holds something that no kill leaves behind.
    pub fn open(folder: &Path, max_bytes: u64) -> Result<Self, SpoolError> {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
        made.map_err(|error| io_error(folder, error))?;
        let mut spool = Self {
            folder: folder.to_owned(),
            max_bytes,
            frames: VecDeque::new(),
            bytes: 0,
            records: 0,
            tail: None,
            next: 1,
        };
        let numbers = numbers(folder)?;
        for number in &numbers {
            let found = segment::recover(folder, *number, numbers.last() == Some(number))?;
            if found.is_empty() {
                fs::remove_file(segment::path(folder, *number)).map_err(|error| io_error(folder, error))?;
            }
            for frame in found {
                spool.keep(frame);
            }
            spool.next = number.saturating_add(1);
        }
        Ok(spool)
    }

    /// Appends records as one frame, whose last has the number `last`. They are on the disk when this returns; after an
    /// error none of them is.
    pub fn append(&mut self, last: u64, records: &[String]) -> Result<(), SpoolError> {
        let frame = frame::encode(last, records);
        let bytes = u64::try_from(frame.len()).unwrap_or(u64::MAX);
        self.make_room(bytes)?;
        let mut tail = match self.tail.take() {
            Some(tail) => tail,
            None => self.new_segment()?,
        };
        let written = tail.append(&frame);
        let (segment, records) = (tail.number(), u64::try_from(records.len()).unwrap_or(u64::MAX));
        self.tail = Some(tail);
        let offset = written?;
        self.keep(FrameSpan { segment, offset, bytes, last, records });
        Ok(())
    }

    /// The records of the first frames, as many as fit into `at_most` records but those of one frame at least.
    pub fn front(&self, at_most: u64) -> Result<Vec<String>, SpoolError> {
        let (mut found, mut count) = (vec![], 0_u64);
        let mut reader: Option<Reader> = None;
        for frame in &self.frames {
            count = count.saturating_add(frame.records);
            if count > at_most && !found.is_empty() {
                break;
            }
            let mut open = match reader.take() {
                Some(reader) if reader.number() == frame.segment => reader,
                _ => Reader::open(&self.folder, frame.segment)?,
            };
            found.extend(open.frame(frame)?);
            reader = Some(open);
        }
        Ok(found)
    }

    /// The last record of all.
    pub fn last_record(&self) -> Result<Option<String>, SpoolError> {
        let Some(frame) = self.frames.back() else {
            return Ok(None);
        };
        Ok(Reader::open(&self.folder, frame.segment)?.frame(frame)?.pop())
    }

    /// The number of the first record, where numbers have no gap.
    pub fn first(&self) -> Option<u64> {
        self.frames.front().map(|frame| frame.last.saturating_sub(frame.records).saturating_add(1))
    }

    /// Forgets all frames whose records have numbers up to `through`, deletes the files that are done with, and empties the
    /// one that is appended to.
    pub fn forget(&mut self, through: u64) {
        while let Some(done) = self.frames.pop_front_if(|frame| frame.last <= through) {
            self.bytes = self.bytes.saturating_sub(done.bytes);
            self.records = self.records.saturating_sub(done.records);
            if self.frames.front().is_none_or(|next| next.segment != done.segment) {
                self.release(done.segment);
            }
        }
    }

    /// Whether an append would work: whether there is some room, here and on the disk.
    pub fn check(&self) -> Result<(), SpoolError> {
        self.has_room(PROBE_BYTES.min(self.max_bytes / 4))?;
        let path = self.folder.join("probe");
        let probe = vec![0; usize::try_from(PROBE_BYTES).unwrap_or_default()];
        let written = File::create(&path).and_then(|mut file| file.write_all(&probe).and_then(|()| file.sync_all()));
        // Whatever is left of it is written over by the next.
        drop(fs::remove_file(&path));
        written.map_err(|error| io_error(&path, error))
    }

    /// Whether it has no record.
    pub fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    /// How many records it holds.
    pub const fn records(&self) -> u64 {
        self.records
    }

    fn keep(&mut self, frame: FrameSpan) {
        self.bytes = self.bytes.saturating_add(frame.bytes);
        self.records = self.records.saturating_add(frame.records);
        self.frames.push_back(frame);
    }

    /// A file that cannot be deleted does no harm: its entries are recognised by their numbers when they come again.
    fn release(&mut self, number: u64) {
        if let Some(mut tail) = self.tail.take_if(|tail| tail.number() == number)
            && tail.empty().is_ok()
        {
            self.tail = Some(tail);
            return;
        }
        let path = segment::path(&self.folder, number);
        if let Err(error) = fs::remove_file(&path) {
            tracing::warn!(path = %path.display(), %error, "a file of the audit spool was not deleted");
        }
    }

    fn make_room(&mut self, more: u64) -> Result<(), SpoolError> {
        self.has_room(more)?;
        // The next frame begins a new file; the present one stays as it is, unless its end is still unclean.
        if let Some(tail) = self.tail.take_if(|tail| tail.bytes() >= SEGMENT_BYTES) {
            tail.close()?;
        }
        Ok(())
    }

    fn has_room(&self, more: u64) -> Result<(), SpoolError> {
        if self.bytes.saturating_add(more) <= self.max_bytes {
            return Ok(());
        }
        let path = self.folder.display().to_string();
        Err(SpoolError::Full { path, bytes: self.bytes, max_bytes: self.max_bytes })
    }

    fn new_segment(&mut self) -> Result<Segment, SpoolError> {
        let segment = Segment::create(&self.folder, self.next)?;
        self.next = self.next.saturating_add(1);
        Ok(segment)
    }
}

/// The numbers of the files that are there, in order.
fn numbers(folder: &Path) -> Result<Vec<u64>, SpoolError> {
    let entries = fs::read_dir(folder).map_err(|error| io_error(folder, error))?;
    let mut numbers = vec![];
    for entry in entries {
        let name = entry.map_err(|error| io_error(folder, error))?.file_name();
        numbers.extend(name.to_str().and_then(segment::number_of));
    }
    numbers.sort_unstable();
    Ok(numbers)
}

fn io_error(path: &Path, error: io::Error) -> SpoolError {
    SpoolError::Io { path: path.display().to_string(), error }
}

#[cfg(test)]
mod tests;
