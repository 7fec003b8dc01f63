//! One file of the spool: frames behind each other.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read, Seek, SeekFrom, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use super::{
    FrameSpan, SpoolError,
    frame::{Frame, HEAD_BYTES, Head},
    io_error,
};

const ENDING: &str = "spool";

/// A file that is appended to.
pub(super) struct Segment {
    number: u64,
    path: PathBuf,
    file: File,
    /// Up to here the file is good.
    bytes: u64,
    /// There may be more behind the good part.
    is_unclean: bool,
}

pub(super) fn path(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("{number:012}.{ENDING}"))
}

/// The number in a file's name.
pub(super) fn number_of(name: &str) -> Option<u64> {
    name.strip_suffix(ENDING)?.strip_suffix('.')?.parse().ok()
}

impl Segment {
    pub(super) fn create(folder: &Path, number: u64) -> Result<Self, SpoolError> {
        let path = path(folder, number);
        let made = OpenOptions::new().create_new(true).write(true).mode(0o600).open(&path);
        // The folder too, or a power loss could take the file with all that was synchronised in it.
        let made = made.and_then(|file| File::open(folder)?.sync_all().map(|()| file));
        let file = made.map_err(|error| io_error(&path, error))?;
        Ok(Self { number, path, file, bytes: 0, is_unclean: false })
    }

    /// Appends a frame and synchronises it; its offset.
    pub(super) fn append(&mut self, frame: &[u8]) -> Result<u64, SpoolError> {
        self.clean()?;
        let offset = self.bytes;
        self.is_unclean = true;
        if let Err(error) = self.file.write_all(frame).and_then(|()| self.file.sync_data()) {
            // If it cannot be cut off now, then before the next append.
            drop(self.clean());
            return Err(io_error(&self.path, error));
        }
        self.is_unclean = false;
        self.bytes = self.bytes.saturating_add(u64::try_from(frame.len()).unwrap_or(u64::MAX));
        Ok(offset)
    }

    /// Empties the file. After a power loss what was in it may come again.
    pub(super) fn empty(&mut self) -> Result<(), SpoolError> {
        shorten(&mut self.file, 0).map_err(|error| io_error(&self.path, error))?;
        self.bytes = 0;
        Ok(())
    }

    /// Leaves the file as one that is only read.
    pub(super) fn close(mut self) -> Result<(), SpoolError> {
        self.clean()
    }

    pub(super) const fn number(&self) -> u64 {
        self.number
    }

    pub(super) const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Cuts off what an append that failed has left.
    fn clean(&mut self) -> Result<(), SpoolError> {
        if self.is_unclean {
            cut(&mut self.file, self.bytes).map_err(|error| io_error(&self.path, error))?;
            self.is_unclean = false;
        }
        Ok(())
    }
}

/// The frames of a file that an earlier process wrote. What a kill cut short stands at the end of the last file, and is
/// cut off.
pub(super) fn recover(folder: &Path, number: u64, is_last: bool) -> Result<Vec<FrameSpan>, SpoolError> {
    let mut reader = Reader::open(folder, number)?;
    let (mut offsets, mut offset) = (vec![], 0);
    while offset < reader.bytes {
        match reader.next(offset)? {
            Found::Frame { frame, bytes } => {
                let records = u64::try_from(frame.records.len()).unwrap_or(u64::MAX);
                offsets.push(FrameSpan { segment: number, offset, bytes, last: frame.last, records });
                offset = offset.saturating_add(bytes);
            }
            Found::Torn if is_last => {
                tracing::warn!(path = %reader.path.display(), offset, "what a kill cut short is cut off");
                reader.cut(offset)?;
                break;
            }
            Found::Torn | Found::Damage => return Err(reader.damage(offset)),
        }
    }
    Ok(offsets)
}

enum Found {
    Frame {
        frame: Frame,
        bytes: u64,
    },
    /// The last append did not end.
    Torn,
    /// Not whole, although a later append was made, which is only done when the one before it was on the disk.
    Damage,
}

/// A file that is read.
pub(super) struct Reader {
    number: u64,
    path: PathBuf,
    file: File,
    bytes: u64,
}

impl Reader {
    pub(super) fn open(folder: &Path, number: u64) -> Result<Self, SpoolError> {
        let path = path(folder, number);
        let opened = OpenOptions::new().read(true).write(true).open(&path);
        let opened = opened.and_then(|file| Ok((file.metadata()?.len(), file)));
        let (bytes, file) = opened.map_err(|error| io_error(&path, error))?;
        Ok(Self { number, path, file, bytes })
    }

    pub(super) const fn number(&self) -> u64 {
        self.number
    }

    /// The records of a frame that is known to be there.
    pub(super) fn frame(&mut self, at: &FrameSpan) -> Result<Vec<String>, SpoolError> {
        match self.next(at.offset)? {
            Found::Frame { frame, .. } => Ok(frame.records),
            Found::Torn | Found::Damage => Err(self.damage(at.offset)),
        }
    }

    fn damage(&self, offset: u64) -> SpoolError {
        SpoolError::Damaged { path: self.path.display().to_string(), offset }
    }

    fn next(&mut self, offset: u64) -> Result<Found, SpoolError> {
        let head = self.read(offset, HEAD_BYTES)?;
        let Some(head) = Head::decode(&head) else {
            return Ok(Found::Torn);
        };
        let head_bytes = u64::try_from(HEAD_BYTES).unwrap_or(u64::MAX);
        let bytes = head_bytes.saturating_add(head.bytes);
        let end = offset.saturating_add(bytes);
        if end > self.bytes {
            return Ok(Found::Torn);
        }
        let records =
            self.read(offset.saturating_add(head_bytes), usize::try_from(head.bytes).unwrap_or(usize::MAX))?;
        Ok(match head.frame(records) {
            Some(frame) => Found::Frame { frame, bytes },
            None if end == self.bytes => Found::Torn,
            None => Found::Damage,
        })
    }

    /// Up to `bytes` bytes; fewer at the end of the file.
    fn read(&mut self, offset: u64, bytes: usize) -> Result<Vec<u8>, SpoolError> {
        let mut found = Vec::with_capacity(bytes);
        let limit = u64::try_from(bytes).unwrap_or(u64::MAX);
        let read = self.file.seek(SeekFrom::Start(offset));
        let read = read.and_then(|_| Read::by_ref(&mut self.file).take(limit).read_to_end(&mut found));
        read.map_err(|error| io_error(&self.path, error))?;
        Ok(found)
    }

    fn cut(&mut self, bytes: u64) -> Result<(), SpoolError> {
        cut(&mut self.file, bytes).map_err(|error| io_error(&self.path, error))
    }
}

fn cut(file: &mut File, bytes: u64) -> io::Result<()> {
    shorten(file, bytes)?;
    file.sync_all()
}

fn shorten(file: &mut File, bytes: u64) -> io::Result<()> {
    file.set_len(bytes)?;
    file.seek(SeekFrom::Start(bytes)).map(drop)
}
