//! Copies of a SQLite store: made while gateways use it, and put in its place while none does.

use std::{
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use diesel::{Connection as _, QueryableByName, RunQueryDsl as _, SqliteConnection, sql_types::Text};

use super::{StoreError, address::Address, file};

/// Where a store is, for whoever copies it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// The file.
    Sqlite(PathBuf),
    /// The URL without its password.
    Postgres(String),
}

/// Which kind of store a URL leads to.
///
/// # Errors
/// `Invalid` for a senseless URL.
pub fn kind(url: &str) -> Result<Kind, StoreError> {
    let address = Address::parse(url)?;
    Ok(match &address {
        Address::Sqlite(path) => Kind::Sqlite(path.clone()),
        Address::Postgres(_) => Kind::Postgres(address.shown()),
    })
}

#[derive(QueryableByName)]
struct Verdict {
    #[diesel(sql_type = Text)]
    integrity_check: String,
}

/// A copy that is not made yet. It has its name only when it is whole: what an end in the middle leaves has another one.
pub struct Copying {
    to: PathBuf,
    part: PathBuf,
}

impl Copying {
    /// Makes the file for a copy, for its owner only. What an earlier copy of this name has left is given up.
    ///
    /// # Errors
    /// If there is one of this name already, or none can be made there.
    pub fn to(to: &Path) -> io::Result<Self> {
        if to.symlink_metadata().is_ok() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let copying = Self { to: to.to_owned(), part: beside(to, ".part") };
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&copying.part)?;
        Ok(copying)
    }

    /// Copies a store as it is at one moment, and checks the copy; its size in bytes. Whoever uses the store goes on
    /// meanwhile.
    ///
    /// # Errors
    /// `Unavailable` if the copy cannot be made; nothing is left of it then. `Corrupt` if what was copied is damaged.
    pub fn copy(self, from: &Path) -> Result<u64, StoreError> {
        let copied = copy_into(from, &self.part).and_then(|bytes| self.name().map(|()| bytes));
        if copied.is_err() {
            drop(fs::remove_file(&self.part));
        }
        copied
    }

    fn name(&self) -> Result<(), StoreError> {
        fs::rename(&self.part, &self.to)
            .and_then(|()| sync_folder_of(&self.to))
            .map_err(|error| failed(&self.to, &error))
    }
}

fn copy_into(from: &Path, to: &Path) -> Result<u64, StoreError> {
    let mut conn = open(from)?;
    diesel::sql_query("VACUUM INTO ?").bind::<Text, _>(file::text(to)?).execute(&mut conn)?;
    check(to)?;
    let file = File::open(to).map_err(|error| failed(to, &error))?;
    file.sync_all().map_err(|error| failed(to, &error))?;
    file.metadata().map(|about| about.len()).map_err(|error| failed(to, &error))
}

/// Checks that a file is a whole database.
///
/// # Errors
/// `Corrupt` if it is damaged, `Unavailable` if it cannot be read or is none.
pub fn check(path: &Path) -> Result<(), StoreError> {
    let verdicts: Vec<Verdict> = diesel::sql_query("PRAGMA integrity_check(1)").load(&mut open(path)?)?;
    match verdicts.first() {
        Some(Verdict { integrity_check }) if integrity_check == "ok" => Ok(()),
        Some(Verdict { integrity_check }) => Err(StoreError::Corrupt(format!("{}: {integrity_check}", path.display()))),
        None => Err(StoreError::Corrupt(path.display().to_string())),
    }
}

/// Puts a copy in the place of a store that nobody uses. What is there is kept whole beside it, under the name that is
/// returned; nothing if there was none.
///
/// # Errors
/// `Unavailable` if a file cannot be written or moved.
pub fn put_in_place(from: &Path, store: &Path, moment: &str) -> Result<Option<PathBuf>, StoreError> {
    if let Some(folder) = store.parent() {
        fs::create_dir_all(folder).map_err(|error| failed(folder, &error))?;
    }
    let arriving = beside(store, ".restoring");
    let arrive = || {
        fs::copy(from, &arriving)?;
        fs::set_permissions(&arriving, PermissionsExt::from_mode(0o600))?;
        File::open(&arriving)?.sync_all()
    };
    arrive().map_err(|error| {
        drop(fs::remove_file(&arriving));
        failed(&arriving, &error)
    })?;
    let kept = store.exists().then(|| beside(store, &format!(".before-{moment}")));
    if let Some(kept) = &kept {
        // The log that belongs to it first: without it the rest is not whole.
        for log in ["-wal", "-shm", ""] {
            let (old, new) = (beside(store, log), beside(kept, log));
            if old.exists() {
                fs::rename(&old, &new).map_err(|error| failed(&old, &error))?;
            }
        }
    }
    fs::rename(&arriving, store).map_err(|error| failed(store, &error))?;
    sync_folder_of(store).map_err(|error| failed(store, &error))?;
    Ok(kept)
}

/// Makes a name in its folder last. The folder of a bare name is the present one.
fn sync_folder_of(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

fn open(path: &Path) -> Result<SqliteConnection, StoreError> {
    SqliteConnection::establish(file::text(path)?).map_err(|error| StoreError::unavailable(&error))
}

fn failed(path: &Path, error: &io::Error) -> StoreError {
    StoreError::Unavailable(format!("{}: {error}", path.display()))
}
