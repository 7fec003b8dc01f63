//! Which file a SQLite store has open, so that one that was moved, replaced or deleted under it is noticed.

use std::{
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{
        OnceLock,
        atomic::{AtomicBool, Ordering},
    },
};

use super::StoreError;

/// The size from which a write-ahead log counts as growing without bound, in bytes: it is cut to 64 MiB whenever nobody reads
/// what is in it, see `pools`.
const MAX_LOG_BYTES: u64 = 256 << 20;

/// A file by its path and, once it was looked at, by its device and inode.
pub(super) struct OpenedFile {
    path: PathBuf,
    identity: OnceLock<(u64, u64)>,
    /// What the last look has found: another file, or none.
    is_displaced: AtomicBool,
}

impl OpenedFile {
    /// The file as it is now; one that is not there yet is known from the first check on.
    pub(super) fn at(path: impl AsRef<Path>) -> Self {
        let opened =
            Self { path: path.as_ref().to_owned(), identity: OnceLock::new(), is_displaced: AtomicBool::new(false) };
        drop(opened.check());
        opened
    }

    /// # Errors
    /// `Unavailable` if another file, or none, lies where the store was opened: what is written to the open one is lost to
    /// the next start.
    pub(super) fn check(&self) -> Result<(), StoreError> {
        let looked = self.look();
        self.is_displaced.store(looked.is_err(), Ordering::Relaxed);
        looked
    }

    /// What the last [`OpenedFile::check`] has found, without a look at the disk.
    ///
    /// # Errors
    /// `Unavailable`, as then.
    pub(super) fn as_last_seen(&self) -> Result<(), StoreError> {
        if self.is_displaced.load(Ordering::Relaxed) {
            let text = "the SQLite file was moved, deleted or replaced while it was open";
            return Err(StoreError::Unavailable(text.into()));
        }
        Ok(())
    }

    fn look(&self) -> Result<(), StoreError> {
        let file = std::fs::metadata(&self.path);
        let file = file.map_err(|error| {
            let text = format!("the SQLite file is gone: {error}; put it back, or restart the gateway for a new one");
            StoreError::Unavailable(text)
        })?;
        let found = (file.dev(), file.ino());
        if *self.identity.get_or_init(|| found) == found {
            return Ok(());
        }
        let text = "another file lies where the SQLite store was opened; put the right one back, or restart the gateway to use this one";
        Err(StoreError::Unavailable(text.into()))
    }

    /// # Errors
    /// `Unavailable` if the write-ahead log has outgrown its bound: somebody reads the store without an end, so that nothing
    /// can be moved out of the log.
    pub(super) fn check_log(&self) -> Result<(), StoreError> {
        let mut log = self.path.as_os_str().to_owned();
        log.push("-wal");
        let bytes = std::fs::metadata(log).map_or(0, |log| log.len());
        if bytes <= MAX_LOG_BYTES {
            return Ok(());
        }
        let mib = bytes >> 20;
        let text = format!(
            "the write-ahead log of SQLite has grown to {mib} MiB: another program reads the store without an end"
        );
        Err(StoreError::Unavailable(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_that_outgrows_its_bound_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let opened = OpenedFile::at(folder.path().join("s.db"));
        assert_eq!(opened.check_log(), Ok(()), "there is none");
        let log = std::fs::File::create(folder.path().join("s.db-wal")).unwrap();
        log.set_len(MAX_LOG_BYTES).unwrap();
        assert_eq!(opened.check_log(), Ok(()));
        log.set_len(MAX_LOG_BYTES + 1).unwrap();
        assert!(matches!(opened.check_log(), Err(StoreError::Unavailable(text)) if text.contains("256 MiB")));
    }
}
