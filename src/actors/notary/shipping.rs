//! The file of checkpoints in `data_dir`: a second place, and the one to be shipped to a third.
//!
//! JSON Lines, appended to only. When it has grown to its bound it becomes the older of two files and a new one is begun,
//! so that a shipper has months to read a line. What the store has and the file has not is added at the next occasion.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, ErrorKind, Read, Seek, SeekFrom, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use crate::domain::audit::{
    checkpoint::Checkpoint,
    lines::{Line, PublicKey},
};

/// How large the file grows: some four months of minutes.
pub const MAX_BYTES: u64 = 64 << 20;

/// How far from its end the last checkpoint of a chain is looked for.
const TAIL_BYTES: u64 = 1 << 20;

/// The file, and the number of this chain's last checkpoint in it.
pub(super) struct Shipping {
    path: PathBuf,
    key: PublicKey,
    /// The last checkpoint of this chain in the file; found when it is first asked for.
    last: Option<Option<Checkpoint>>,
}

impl Shipping {
    pub(super) const fn new(path: PathBuf, key: PublicKey) -> Self {
        Self { path, key, last: None }
    }

    /// The last checkpoint of a chain that the file, or the older one, holds.
    pub(super) fn last(&mut self, chain: &str) -> io::Result<Option<&Checkpoint>> {
        if self.last.is_none() {
            let last = match last_in(&self.path, chain)? {
                None => last_in(&older(&self.path), chain)?,
                last => last,
            };
            self.last = Some(last);
        }
        Ok(self.last.as_ref().and_then(Option::as_ref))
    }

    /// Reads the file again at the next occasion: another process may have appended to it.
    pub(super) fn forget(&mut self) {
        self.last = None;
    }

    /// Makes the file, with the key alone, if there is none: what the store has a checkpoint of must have a file, or that was
    /// deleted.
    pub(super) fn begin(&mut self) -> io::Result<()> {
        if self.path.try_exists()? { Ok(()) } else { self.append(vec![]) }
    }

    /// Appends checkpoints; they are on the disk when this returns.
    pub(super) fn append(&mut self, checkpoints: Vec<Checkpoint>) -> io::Result<()> {
        let mut text = match self.make_room()? {
            Beginning::New => line(Line::Key(self.key.clone()))?,
            Beginning::Line => String::new(),
            Beginning::HalfALine => "\n".into(),
        };
        let last = checkpoints.last().cloned();
        for checkpoint in checkpoints {
            text.push_str(&line(Line::Checkpoint(checkpoint))?);
        }
        let mut file = OpenOptions::new().create(true).append(true).mode(0o600).open(&self.path)?;
        file.write_all(text.as_bytes()).and_then(|()| file.sync_data())?;
        if last.is_some() {
            self.last = Some(last);
        }
        Ok(())
    }

    /// Where the next line goes; a full file is moved aside first.
    fn make_room(&self) -> io::Result<Beginning> {
        let end = tail(&self.path, 1)?;
        match end.as_deref() {
            None | Some([]) => Ok(Beginning::New),
            Some(_) if fs::metadata(&self.path)?.len() >= MAX_BYTES => {
                fs::rename(&self.path, older(&self.path)).map(|()| Beginning::New)
            }
            Some(b"\n") => Ok(Beginning::Line),
            Some(_) => Ok(Beginning::HalfALine),
        }
    }
}

/// What the next line follows.
enum Beginning {
    New,
    Line,
    /// What a kill has left.
    HalfALine,
}

/// Where a full file goes.
pub fn older(path: &Path) -> PathBuf {
    path.with_extension("older.jsonl")
}

fn line(line: Line) -> io::Result<String> {
    line.render().map(|text| text + "\n").map_err(io::Error::other)
}

/// The last bytes of a file, if there is one.
fn tail(path: &Path, bytes: u64) -> io::Result<Option<Vec<u8>>> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let length = file.seek(SeekFrom::End(0))?;
    file.seek(SeekFrom::Start(length.saturating_sub(bytes)))?;
    let mut tail = vec![];
    file.read_to_end(&mut tail)?;
    Ok(Some(tail))
}

/// Lines that do not read are left to the verifier: half a line is what a kill leaves.
fn last_in(path: &Path, chain: &str) -> io::Result<Option<Checkpoint>> {
    let tail = tail(path, TAIL_BYTES)?.unwrap_or_default();
    let ours = |line: Line| match line {
        Line::Checkpoint(checkpoint) if checkpoint.chain == chain => Some(checkpoint),
        _ => None,
    };
    Ok(String::from_utf8_lossy(&tail).lines().rev().filter_map(Line::parse).find_map(ours))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::audit::{Head, checkpoint::Trail};

    fn shipping(folder: &tempfile::TempDir) -> Shipping {
        let key = PublicKey { kid: "k".into(), public_key: "00".into() };
        Shipping::new(folder.path().join("audit-checkpoints.jsonl"), key)
    }

    fn checkpoint(chain: &str, number: u64) -> Checkpoint {
        let trail = Trail { number: number - 1, ..Trail::START };
        let head = Head { seq: number, hash: [1; 32] };
        trail.next(chain, head, jiff::Timestamp::UNIX_EPOCH, "k").signed(|_| vec![1; 64]).unwrap()
    }

    #[test]
    fn the_last_checkpoint_of_a_chain_is_found_again() {
        let folder = tempfile::tempdir().unwrap();
        let mut first = shipping(&folder);
        assert_eq!(first.last("c").unwrap(), None);
        first.append(vec![checkpoint("c", 1), checkpoint("c", 2)]).unwrap();
        assert_eq!(shipping(&folder).last("c").unwrap(), Some(&checkpoint("c", 2)));
        assert_eq!(shipping(&folder).last("d").unwrap(), None);
    }

    #[test]
    fn a_file_is_begun_once_and_goes_on_behind_its_key() {
        let folder = tempfile::tempdir().unwrap();
        let mut shipping = shipping(&folder);
        let text = || fs::read_to_string(folder.path().join("audit-checkpoints.jsonl")).unwrap();
        shipping.begin().unwrap();
        shipping.begin().unwrap();
        assert_eq!(text().lines().count(), 1, "{}", text());
        shipping.append(vec![checkpoint("c", 1)]).unwrap();
        shipping.begin().unwrap();
        assert_eq!(text().lines().count(), 2, "{}", text());
        assert_eq!(shipping.last("c").unwrap(), Some(&checkpoint("c", 1)));
    }

    #[test]
    fn half_a_line_spoils_no_other() {
        let folder = tempfile::tempdir().unwrap();
        shipping(&folder).append(vec![checkpoint("c", 1)]).unwrap();
        let path = folder.path().join("audit-checkpoints.jsonl");
        let whole = fs::read_to_string(&path).unwrap();
        fs::write(&path, format!("{whole}{{\"checkpoint\":{{\"cha")).unwrap();
        let mut again = shipping(&folder);
        assert_eq!(again.last("c").unwrap(), Some(&checkpoint("c", 1)));
        again.append(vec![checkpoint("c", 2)]).unwrap();
        assert_eq!(shipping(&folder).last("c").unwrap(), Some(&checkpoint("c", 2)));
    }
}
