//! Where the secrets of new API keys go: into a file, or to standard output. None is lost: what cannot be written is printed.

use std::{
    fs::{File, OpenOptions},
    io::Write,
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use crate::cli::{Failure, print};

/// An open file, or standard output.
pub(super) struct Secrets(Option<(PathBuf, File)>);

impl Secrets {
    /// Opens the file before anything is made.
    ///
    /// # Errors
    /// It cannot be opened, or others may read it.
    pub(super) fn open(path: Option<&Path>, is_needed: bool) -> Result<Self, Failure> {
        let Some(path) = path.filter(|_| is_needed) else { return Ok(Self(None)) };
        let file = OpenOptions::new().create(true).append(true).mode(0o600).open(path);
        let bad = |what: String| Failure::Configuration(format!("{}: {what}", path.display()));
        let file = file.map_err(|error| bad(error.to_string()))?;
        let mode = file.metadata().map_err(|error| bad(error.to_string()))?.permissions().mode();
        if mode & 0o077 != 0 {
            return Err(bad("others may read it: give it mode 600, or name a file that is not there".into()));
        }
        Ok(Self(Some((path.to_owned(), file))))
    }

    /// Keeps a secret: on the disk, or on standard output, when this returns.
    pub(super) fn keep(&mut self, name: &str, secret: &str) {
        let Some((path, file)) = &mut self.0 else { return print(&format!("{name} {secret}\n")) };
        if let Err(error) = writeln!(file, "{name} {secret}").and_then(|()| file.sync_data()) {
            print(&format!("{name} {secret}\n"));
            tracing::warn!("{}: {error}; the secret of {name} is on standard output instead", path.display());
        }
    }
}
