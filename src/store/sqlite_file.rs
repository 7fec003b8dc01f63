//! Which file a SQLite store has open, so that one that was moved, replaced or deleted under it is noticed.

use std::{
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::OnceLock,
};

use super::StoreError;

/// A file by its path and, once it was looked at, by its device and inode.
pub(super) struct OpenedFile {
    path: PathBuf,
    identity: OnceLock<(u64, u64)>,
}

impl OpenedFile {
    /// The file as it is now; one that is not there yet is known from the first check on.
    pub(super) fn at(path: impl AsRef<Path>) -> Self {
        let opened = Self { path: path.as_ref().to_owned(), identity: OnceLock::new() };
        drop(opened.check());
        opened
    }

    /// # Errors
    /// `Unavailable` if another file, or none, lies where the store was opened: what is written to the open one is lost to
    /// the next start.
    pub(super) fn check(&self) -> Result<(), StoreError> {
        let file = std::fs::metadata(&self.path);
        let file = file.map_err(|error| StoreError::Unavailable(format!("the SQLite file is gone: {error}")))?;
        let found = (file.dev(), file.ino());
        if *self.identity.get_or_init(|| found) == found {
            return Ok(());
        }
        let text = "another file lies where the SQLite store was opened; restart the gateway to use it";
        Err(StoreError::Unavailable(text.into()))
    }
}
