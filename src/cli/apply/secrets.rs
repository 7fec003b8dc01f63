//! Where the secrets of new API keys go: into a file, or to standard output. None is lost: what cannot be written is printed.
//!
//! Before a key is made its name is written into a file beside, and taken out when its secret is on the disk. Where a run was cut
//! off between the two, the next one finds the name there and gives the key another secret.

use std::{
    ffi::OsString,
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use crate::cli::{Failure, is_output_discarded, print};

/// An open file, or standard output.
pub(super) struct Secrets(Option<Kept>);

struct Kept {
    path: PathBuf,
    file: File,
    /// The keys whose secrets are not on the disk.
    unwritten: Vec<String>,
}

/// Where a secret would be lost as soon as it is made.
const UNSEEN: &str = "the secrets of new API keys are printed, and standard output is closed or /dev/null; nothing was changed. \
                      Leave standard output open, or name a file with --secrets";

/// The keys that may have been made by a run that was cut off before their secrets were in this file.
///
/// # Errors
/// The file that says so cannot be read.
pub(super) fn unwritten(path: Option<&Path>) -> Result<Vec<String>, Failure> {
    let Some(path) = path else { return Ok(vec![]) };
    match fs::read_to_string(beside(path)) {
        Ok(text) => Ok(text.lines().map(str::to_owned).collect()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(vec![]),
        Err(error) => Err(Failure::Configuration(format!("{}: {error}", beside(path).display()))),
    }
}

fn beside(path: &Path) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(".unwritten");
    name.into()
}

impl Secrets {
    /// Opens the file before anything is made.
    ///
    /// # Errors
    /// It cannot be opened, or others may read it; or nobody would see what is printed.
    pub(super) fn open(path: Option<&Path>, is_needed: bool) -> Result<Self, Failure> {
        let Some(path) = path.filter(|_| is_needed) else {
            if is_needed && is_output_discarded() {
                return Err(Failure::Configuration(UNSEEN.into()));
            }
            return Ok(Self(None));
        };
        let file = OpenOptions::new().create(true).append(true).mode(0o600).open(path);
        let bad = |what: String| Failure::Configuration(format!("{}: {what}", path.display()));
        let file = file.map_err(|error| bad(error.to_string()))?;
        let mode = file.metadata().map_err(|error| bad(error.to_string()))?.permissions().mode();
        if mode & 0o077 != 0 {
            return Err(bad("others may read it: give it mode 600, or name a file that is not there".into()));
        }
        Ok(Self(Some(Kept { path: path.to_owned(), file, unwritten: unwritten(Some(path))? })))
    }

    /// Says that a key is about to be made whose secret will be kept.
    ///
    /// # Errors
    /// That cannot be written, so that the key should not be made.
    pub(super) fn expect(&mut self, name: &str) -> Result<(), Failure> {
        let Some(kept) = &mut self.0 else { return Ok(()) };
        if !kept.unwritten.iter().any(|other| other == name) {
            kept.unwritten.push(name.to_owned());
        }
        kept.note().map_err(|error| Failure::Failed(format!("{}: {error}", beside(&kept.path).display())))
    }

    /// Keeps a secret: on the disk, or on standard output, when this returns.
    pub(super) fn keep(&mut self, name: &str, secret: &str) {
        let Some(kept) = &mut self.0 else { return print(&format!("{name} {secret}\n")) };
        if let Err(error) = writeln!(kept.file, "{name} {secret}").and_then(|()| kept.file.sync_data()) {
            print(&format!("{name} {secret}\n"));
            tracing::warn!("{}: {error}; the secret of {name} is on standard output instead", kept.path.display());
        }
        kept.unwritten.retain(|other| other != name);
        if let Err(error) = kept.note() {
            // The next run will give this key another secret.
            tracing::warn!("{}: {error}; take the line {name} out of it", beside(&kept.path).display());
        }
    }
}

impl Kept {
    /// Writes down which secrets are not on the disk; where all are, nothing is left.
    fn note(&self) -> io::Result<()> {
        let path = beside(&self.path);
        if self.unwritten.is_empty() {
            return fs::remove_file(path);
        }
        let text: String = self.unwritten.iter().flat_map(|name| [name, "\n"]).collect();
        let mut next = OsString::from(&path);
        next.push(".next");
        let mut file = OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&next)?;
        file.write_all(text.as_bytes())?;
        file.sync_data()?;
        fs::rename(next, path)
    }
}
