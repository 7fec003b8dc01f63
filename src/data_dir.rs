//! The data directory: made for its owner only, locked by one gateway at a time, home of the master key and of this
//! replica's name. Called by the composition root and the command line.

mod owner;
pub mod spool;

use std::{
    fs::{DirBuilder, File, OpenOptions},
    io::{ErrorKind, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

pub use self::owner::{check_reach, give_to_owner_of, user_name};
use crate::crypto::{self, MasterKey};

/// What is wrong with the directory or with something in it.
#[derive(Debug, thiserror::Error)]
pub enum DataDirError {
    #[error("data_dir {path}: {error}")]
    Io { path: String, error: std::io::Error },
    #[error("{path}: permission denied; the way there belongs to {owner}: run this command as that user")]
    Denied { path: String, owner: String },
    #[error("data_dir {0}: another gateway is using it")]
    InUse(String),
    #[error(
        "data_dir {0}: there is no master.key: put the one that the store was made with there, or set TOLLGATE_MASTER_KEY to what it was; where there is no store yet, the first start makes one"
    )]
    NoKey(String),
    #[error(
        "data_dir {0}: there is no master.key, and what is sealed in the store needs the one that it was made with: put it there, or set TOLLGATE_MASTER_KEY; a new one would open nothing"
    )]
    KeyIsElsewhere(String),
    #[error(
        "data_dir {0}: the master key (its master.key, or TOLLGATE_MASTER_KEY) is another one than what is in the store was sealed with, and opens nothing; nothing was changed. Put that one there, or set TOLLGATE_MASTER_KEY to what it was"
    )]
    KeyIsOfAnother(String),
    #[error(
        "{0} is left of a change that was cut short. Run the command again with the key in it; or, if the gateway starts with the present key, delete it"
    )]
    LeftOver(String),
    #[error("{origin}: {error}")]
    Key { origin: String, error: crypto::CryptoError },
    #[error(
        "TOLLGATE_MASTER_KEY is not set; with PostgreSQL it must be, and the same on every replica (make one: openssl rand -base64 32)"
    )]
    NoSharedKey,
}

/// The variable that gives the master key.
const MASTER_KEY: &str = "TOLLGATE_MASTER_KEY";
const MASTER_KEY_FILE: &str = "master.key";
const AUDIT_CLOSED: &str = "audit-closed";
const RUNNING: &str = "gateway.json";
const ACTS: &str = "acts.jsonl";
const REPLICA: &str = "replica";
const RELOAD: &str = "reload.json";
const AUDIT_SPOOL: &str = "audit-spool";

/// Reads a key that an operator gave; `origin` says where.
pub fn parse_master_key(origin: &str, text: &str) -> Result<MasterKey, DataDirError> {
    MasterKey::from_base64(text).map_err(|error| DataDirError::Key { origin: origin.to_owned(), error })
}

/// The master key that a gateway on this data directory uses, which may be running: nothing is locked, nothing made.
pub fn read_master_key(path: &Path, given: Option<&str>, shared: bool) -> Result<MasterKey, DataDirError> {
    if let Some(text) = given {
        return parse_master_key(MASTER_KEY, text);
    }
    if shared {
        return Err(DataDirError::NoSharedKey);
    }
    let file = path.join(MASTER_KEY_FILE);
    match std::fs::read_to_string(&file) {
        Ok(text) => parse_master_key(&file.display().to_string(), &Zeroizing::new(text)),
        Err(error) if error.kind() == ErrorKind::NotFound => Err(DataDirError::NoKey(path.display().to_string())),
        Err(error) => Err(DataDirError::Io { path: file.display().to_string(), error }),
    }
}

/// The gateway that runs on a data directory: its process, and where it listens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Running {
    pub pid: i32,
    pub address: String,
    pub ops_address: String,
    /// The configuration file that it reads, if it was started with one.
    #[serde(default)]
    pub config: Option<PathBuf>,
}

/// What came of the last time that a gateway read its configuration again.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Reload {
    /// How often this process has read it again.
    pub count: u64,
    /// Every mistake, a line each. The configuration was taken if there is none.
    pub mistakes: Vec<String>,
    /// What has changed by it, a line each.
    pub changes: Vec<String>,
    /// The sections that have changed and need a restart.
    pub need_restart: Vec<String>,
}

/// The gateway that runs on the directory now, if one does.
#[must_use]
pub fn running(path: &Path) -> Option<Running> {
    let text = std::fs::read_to_string(path.join(RUNNING)).ok().filter(|_| is_in_use(path))?;
    serde_json::from_str(&text).ok()
}

/// What the gateway that runs on the directory said when it last read its configuration again.
#[must_use]
pub fn last_reload(path: &Path) -> Option<Reload> {
    serde_json::from_str(&std::fs::read_to_string(path.join(RELOAD)).ok()?).ok()
}

/// The name of the replica whose directory it is, if a gateway was ever started on it. Nothing is made.
#[must_use]
pub fn replica(path: &Path) -> Option<String> {
    let name = std::fs::read_to_string(path.join(REPLICA)).ok()?;
    Some(name.trim().to_owned()).filter(|name| !name.is_empty())
}

/// Whether audit entries wait there for the store. Nothing is made.
#[must_use]
pub fn has_spooled(path: &Path) -> bool {
    let files = std::fs::read_dir(path.join(AUDIT_SPOOL)).into_iter().flatten();
    files.flatten().any(|file| file.metadata().is_ok_and(|file| file.len() > 0))
}

/// Whether a gateway uses the directory now. Nothing is made.
#[must_use]
pub fn is_in_use(path: &Path) -> bool {
    let lock = File::open(path.join("lock"));
    lock.is_ok_and(|lock| matches!(lock.try_lock(), Err(std::fs::TryLockError::WouldBlock)))
}

/// A second master key, next to the present one.
pub struct Replacement {
    beside: PathBuf,
    path: PathBuf,
}

impl Replacement {
    /// Makes it the master key.
    pub fn put_in_place(self) -> Result<(), DataDirError> {
        let sync = |folder: &Path| File::open(folder).and_then(|folder| folder.sync_all());
        std::fs::rename(&self.beside, &self.path)
            .and_then(|()| self.path.parent().map_or(Ok(()), sync))
            .map_err(|error| DataDirError::Io { path: self.path.display().to_string(), error })
    }
}

/// An open data directory. As long as it lives no other gateway can open it.
pub struct DataDir {
    path: PathBuf,
    _lock: File,
}

impl DataDir {
    /// Makes the directory (0700) if need be, and locks it.
    pub fn open(path: &Path) -> Result<Self, DataDirError> {
        let io = |error| DataDirError::Io { path: path.display().to_string(), error };
        DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(io)?;
        std::fs::set_permissions(path, PermissionsExt::from_mode(0o700)).map_err(io)?;
        let lock = OpenOptions::new().create(true).write(true).truncate(false).mode(0o600).open(path.join("lock"));
        let lock = lock.map_err(io)?;
        give_to_owner_of(path, &path.join("lock"));
        match lock.try_lock() {
            Ok(()) => Ok(Self { path: path.to_owned(), _lock: lock }),
            Err(std::fs::TryLockError::WouldBlock) => Err(DataDirError::InUse(path.display().to_string())),
            Err(std::fs::TryLockError::Error(error)) => Err(io(error)),
        }
    }

    /// The name of this replica, made at the first start and kept: its audit chain is called by it.
    pub fn replica(&self, fresh: impl Fn() -> String) -> Result<String, DataDirError> {
        let name = self.read_or_make(REPLICA, || Ok(Zeroizing::new(fresh())))?;
        Ok(name.trim().to_owned())
    }

    /// Where the audit log waits for the store.
    pub fn audit_spool(&self) -> PathBuf {
        self.path.join(AUDIT_SPOOL)
    }

    /// Up to which place of its audit chain this replica has closed what was open; 0 if it is not known.
    pub fn audit_closed_through(&self) -> u64 {
        let text = std::fs::read_to_string(self.path.join(AUDIT_CLOSED));
        text.ok().and_then(|text| text.trim().parse().ok()).unwrap_or(0)
    }

    /// Keeps it, so that the next start need not look further back.
    pub fn set_audit_closed_through(&self, seq: u64) -> Result<(), DataDirError> {
        let path = self.path.join(AUDIT_CLOSED);
        let io = |error| DataDirError::Io { path: path.display().to_string(), error };
        std::fs::rename(self.write_beside(AUDIT_CLOSED, &seq.to_string())?, &path).map_err(io)
    }

    /// Says which gateway runs here, for commands that speak to it.
    pub fn note_running(&self, running: &Running) -> Result<(), DataDirError> {
        self.note_reload(&Reload::default())?;
        self.note(RUNNING, running)
    }

    /// Says what came of reading the configuration again, for the command that asked for it.
    pub fn note_reload(&self, reload: &Reload) -> Result<(), DataDirError> {
        self.note(RELOAD, reload)
    }

    fn note(&self, name: &str, what: &impl Serialize) -> Result<(), DataDirError> {
        let path = self.path.join(name);
        let io = |error: std::io::Error| DataDirError::Io { path: path.display().to_string(), error };
        let text = serde_json::to_string(what).map_err(|error| io(error.into()))?;
        std::fs::rename(self.write_beside(name, &text)?, &path).map_err(io)
    }

    /// Appends a line to the record of acts that leave no audit log behind.
    pub fn note_act(&self, line: &str) -> Result<(), DataDirError> {
        let path = self.path.join(ACTS);
        let io = |error| DataDirError::Io { path: path.display().to_string(), error };
        let file = OpenOptions::new().create(true).append(true).mode(0o600).open(&path);
        let mut file = file.map_err(io)?;
        give_to_owner_of(&self.path, &path);
        file.write_all(format!("{line}\n").as_bytes()).and_then(|()| file.sync_all()).map_err(io)
    }

    /// The master key: `given`, or the one in `master.key`, made (0600) if there is none. `shared` stores need a given
    /// one, because a file here is not on the other replicas.
    pub fn master_key(&self, given: Option<&str>, shared: bool) -> Result<MasterKey, DataDirError> {
        if given.is_none() && !shared {
            self.read_or_make(MASTER_KEY_FILE, crypto::new_master_key)?;
        }
        read_master_key(&self.path, given, shared)
    }

    /// Writes a second master key next to the present one.
    ///
    /// # Errors
    /// `LeftOver` if a different one lies there: a change was cut short, and what lies there may be the only key to the
    /// store.
    pub fn prepare_master_key(&self, text: &str) -> Result<Replacement, DataDirError> {
        let beside = self.path.join(format!("{MASTER_KEY_FILE}.new"));
        let left = std::fs::read_to_string(&beside).map(Zeroizing::new);
        if left.is_ok_and(|left| left.trim() != text.trim()) {
            return Err(DataDirError::LeftOver(beside.display().to_string()));
        }
        Ok(Replacement { beside: self.write_beside(MASTER_KEY_FILE, text)?, path: self.path.join(MASTER_KEY_FILE) })
    }

    fn read_or_make(
        &self,
        name: &str,
        make: impl FnOnce() -> Result<Zeroizing<String>, crypto::CryptoError>,
    ) -> Result<Zeroizing<String>, DataDirError> {
        let path = self.path.join(name);
        let io = |error| DataDirError::Io { path: path.display().to_string(), error };
        match std::fs::read_to_string(&path) {
            Ok(text) => return Ok(Zeroizing::new(text)),
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(io(error)),
        }
        let text = make().map_err(|error| DataDirError::Key { origin: path.display().to_string(), error })?;
        // Written to a file of its own and renamed, so that a kill leaves no half a key.
        std::fs::rename(self.write_beside(name, &text)?, &path).map_err(io)?;
        Ok(text)
    }

    fn write_beside(&self, name: &str, text: &str) -> Result<PathBuf, DataDirError> {
        let beside = self.path.join(format!("{name}.new"));
        let io = |error| DataDirError::Io { path: beside.display().to_string(), error };
        let file = OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(&beside);
        let mut file = file.map_err(io)?;
        give_to_owner_of(&self.path, &beside);
        file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(io)?;
        Ok(beside)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_private_and_one_gateways_alone() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("a/b");
        let first = DataDir::open(&path).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
        assert!(matches!(DataDir::open(&path), Err(DataDirError::InUse(_))));
        drop(first);
        assert!(DataDir::open(&path).is_ok());
    }

    #[test]
    fn the_key_and_the_name_are_made_once_and_kept() {
        let parent = tempfile::tempdir().unwrap();
        let dir = DataDir::open(parent.path()).unwrap();
        let sealed = dir.master_key(None, false).unwrap().seal("p", b"x").unwrap();
        assert_eq!(dir.master_key(None, false).unwrap().open("p", &sealed).unwrap().as_slice(), b"x");
        let mode = std::fs::metadata(parent.path().join("master.key")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(dir.replica(|| "one".into()).unwrap(), "one");
        assert_eq!(dir.replica(|| "two".into()).unwrap(), "one");
    }

    #[test]
    fn a_shared_store_needs_a_key_that_is_given() {
        let parent = tempfile::tempdir().unwrap();
        let dir = DataDir::open(parent.path()).unwrap();
        assert!(matches!(dir.master_key(None, true), Err(DataDirError::NoSharedKey)));
        assert!(matches!(dir.master_key(Some("short"), true), Err(DataDirError::Key { .. })));
    }
}
