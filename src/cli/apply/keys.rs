//! The file that gets the secrets of new API keys.

use std::{
    fs::{File, OpenOptions},
    io::Write,
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use crate::cli::Failure;

/// An open file, or none where no key is made.
pub(super) struct Keys(Option<(PathBuf, File)>);

impl Keys {
    /// Opens the file before anything is made, so that no secret is lost because there is no place for it.
    ///
    /// # Errors
    /// None is given and one is needed, it cannot be opened, or others may read it.
    pub(super) fn open(path: Option<&Path>, is_needed: bool) -> Result<Self, Failure> {
        if !is_needed {
            return Ok(Self(None));
        }
        let Some(path) = path else {
            let what = "new API keys are made: say with --keys FILE where their secrets are written";
            return Err(Failure::Configuration(what.into()));
        };
        let file = OpenOptions::new().create(true).append(true).mode(0o600).open(path);
        let bad = |what: String| Failure::Configuration(format!("{}: {what}", path.display()));
        let file = file.map_err(|error| bad(error.to_string()))?;
        let mode = file.metadata().map_err(|error| bad(error.to_string()))?.permissions().mode();
        if mode & 0o077 != 0 {
            return Err(bad("others may read it: give it mode 600, or name a file that is not there".into()));
        }
        Ok(Self(Some((path.to_owned(), file))))
    }

    /// Writes a secret, on the disk when this returns.
    ///
    /// # Errors
    /// It cannot be written: then the key has to be rotated.
    pub(super) fn write(&mut self, name: &str, secret: &str) -> Result<(), Failure> {
        let Some((path, file)) = &mut self.0 else { return Ok(()) };
        let written = writeln!(file, "{name} {secret}").and_then(|()| file.sync_data());
        written.map_err(|error| {
            let what =
                format!("{}: {error}; the API key {name} was made: rotate it for another secret", path.display());
            Failure::Failed(what)
        })
    }
}
