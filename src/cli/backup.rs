//! `tollgate backup` and `tollgate restore`: the store as one file. PostgreSQL has its own tools, which are named.

use std::{
    fs::File,
    io::{self, ErrorKind, Read},
    path::{Path, PathBuf},
};

use clap::Args;
use serde_json::json;

use super::{Failure, consent::Consent, load, print, secrets};
use crate::{
    app::{Standstill, StartError, audit_store, is_shared, opens_store},
    clock::Clock,
    config::Config,
    data_dir::{self, DataDirError},
    store::{
        StoreError,
        backup::{self, Copying, Kind},
        migrations::{self, Found},
    },
};

#[derive(Args)]
pub(super) struct Backup {
    /// A new file, for its owner only.
    file: PathBuf,
}

impl Backup {
    pub(super) fn run(self, config: Option<&Path>) -> Result<(), Failure> {
        let config = load(config)?;
        let url = config.store_url()?;
        let store = match backup::kind(&url).map_err(StartError::from)? {
            Kind::Sqlite(path) => path,
            Kind::Postgres(url) => {
                return Err(others_tool(&format!("pg_dump --format=custom --file={} '{url}'", self.file.display())));
            }
        };
        // In the copy is what was answered before.
        drop(actix::System::new().block_on(audit_store(&config))?);
        let copying = Copying::to(&self.file).map_err(|error| self.cannot_be_made(&error))?;
        let bytes = copying.copy(&store).map_err(|error| self.failed(&error))?;
        print(&format!(
            "{} is copied to {} ({bytes} bytes)\n\
             The master key is not in it. Keep data_dir/master.key, or what TOLLGATE_MASTER_KEY is, in another place: without \
             it no key or secret in the copy can be opened.\n",
            store.display(),
            self.file.display(),
        ));
        Ok(())
    }
}

impl Backup {
    /// The copy is a new file, in a folder that is there.
    fn cannot_be_made(&self, error: &io::Error) -> Failure {
        let why = match error.kind() {
            ErrorKind::AlreadyExists => "there is such a file already".into(),
            ErrorKind::NotFound => "the folder for the copy is not there; make it first".into(),
            _ => format!("the copy cannot be written there: {error}"),
        };
        Failure::Configuration(format!("{}: {why}", self.file.display()))
    }

    fn failed(&self, error: &StoreError) -> Failure {
        let file = self.file.display();
        Failure::Failed(format!(
            "{file}: the copy could not be made, and nothing is left of it: {error}. The store is as it was. Look whether \
             there is room for the copy, and where it is read from"
        ))
    }
}

#[derive(Args)]
pub(super) struct Restore {
    /// What `tollgate backup` has made.
    file: PathBuf,
    #[command(flatten)]
    consent: Consent,
}

impl Restore {
    pub(super) fn run(self, config: Option<&Path>) -> Result<(), Failure> {
        let config = load(config)?;
        let url = config.store_url()?;
        let store = match backup::kind(&url).map_err(StartError::from)? {
            Kind::Sqlite(path) => path,
            Kind::Postgres(url) => {
                let command = format!("pg_restore --clean --if-exists --dbname='{url}' {}", self.file.display());
                return Err(others_tool(&command));
            }
        };
        let copy = check_copy(&self.file)?;
        check_key(&config, &self.file, &copy, &url)?;
        let newer = newer_program(&self.file, &copy)?;
        let author = self.consent.author();
        let still = actix::System::new().block_on(Standstill::of(&config))?;
        let beside = if store.exists() { "; what is there now would be kept beside it" } else { "" };
        let plan = format!("{} would take the place of {}{beside}\n{newer}", self.file.display(), store.display());
        if !self.consent.given(&plan)? {
            return Ok(());
        }
        let now = Clock::system().now();
        let act = json!({
            "time": now,
            "act": "restore",
            "by": author,
            "store": store.display().to_string(),
            "file": self.file.display().to_string(),
        });
        still.note(&act.to_string())?;
        let moment = now.strftime("%Y%m%dT%H%M%SZ").to_string();
        let kept = backup::put_in_place(&self.file, &store, &moment).map_err(StartError::from)?;
        if let Some(like) = kept.as_deref().or_else(|| store.parent()) {
            data_dir::give_to_owner_of(like, &store);
        }
        let kept =
            kept.map(|kept| format!("What was there before is kept as {}.\n", kept.display())).unwrap_or_default();
        let key = if needs_key(&config, &url)? { KEY_FIRST } else { "" };
        print(&format!(
            "{} is restored from {}\n{kept}{key}{newer}\
             Where the audit log has lost records by this, put that on record:\n    \
             tollgate audit accept-restore --reason \"why\"\n",
            store.display(),
            self.file.display()
        ));
        Ok(())
    }
}

/// What is to be done before a start.
const KEY_FIRST: &str = "There is no master key here. Put the master.key that belongs to the copy into data_dir first, or set \
                         TOLLGATE_MASTER_KEY to what it was: the gateway does not start on this store without it.\n";

/// Whether the key is not here that opens what is sealed in the store.
fn needs_key(config: &Config, url: &str) -> Result<bool, Failure> {
    let read = data_dir::read_master_key(&config.data_dir, secrets().master_key.as_deref(), is_shared(url));
    Ok(matches!(read, Err(DataDirError::NoKey(_))) && migrations::has_sealed(url).map_err(StartError::from)?)
}

/// Refuses a copy that the master key here does not open. Where there is none here, what is to be done is said at the end.
fn check_key(config: &Config, file: &Path, copy: &str, url: &str) -> Result<(), Failure> {
    let read = data_dir::read_master_key(&config.data_dir, secrets().master_key.as_deref(), is_shared(url));
    let is_right = match read {
        Err(DataDirError::NoKey(_)) => true,
        Err(error) => return Err(StartError::from(error).into()),
        Ok(master) => opens_store(&master, copy).map_err(StartError::from)?,
    };
    if is_right { Ok(()) } else { Err(Failure::Configuration(format!("{}: {OTHER_KEY}", file.display()))) }
}

/// What is wrong with such a copy, and what to do.
const OTHER_KEY: &str = "it was made under another master key than the one here (data_dir/master.key, or TOLLGATE_MASTER_KEY), which \
                         opens nothing in it; nothing was changed. Put the master.key that belongs to the copy into data_dir, \
                         and keep the present one with the present store; or set TOLLGATE_MASTER_KEY to what it was. Then \
                         restore again";

/// The URL of a copy that is a whole store.
fn check_copy(file: &Path) -> Result<String, Failure> {
    let bad = |reason: String| Failure::Configuration(format!("{}: {reason}", file.display()));
    let path = std::path::absolute(file).map_err(|error| bad(error.to_string()))?;
    if is_foreign(&path) {
        return Err(bad("it is no store of Tollgate, nor any file of SQLite".into()));
    }
    let url = format!("sqlite://{}", path.display());
    match migrations::look(&url) {
        Ok(Found::Ready | Found::Behind(_)) => {
            backup::check(&path).map_err(|error| bad(error.to_string()))?;
            Ok(url)
        }
        Ok(Found::Nowhere) => Err(bad("there is no such file".into())),
        Ok(Found::NoSchema) => Err(bad("it is no store of Tollgate".into())),
        Err(error) => Err(bad(error.to_string())),
    }
}

/// Whether a file begins as none of SQLite does (its file format, 1.3.1).
fn is_foreign(path: &Path) -> bool {
    let mut begin = vec![];
    let read = File::open(path).and_then(|file| file.take(16).read_to_end(&mut begin));
    read.is_ok() && !begin.is_empty() && begin != b"SQLite format 3\0"
}

/// What is said of a copy that a newer program has made: nothing of any other.
fn newer_program(file: &Path, copy: &str) -> Result<String, Failure> {
    let unknown = migrations::unknown(copy).map_err(StartError::from)?;
    Ok(if unknown.is_empty() {
        String::new()
    } else {
        format!(
            "{} was made by a newer program, whose schema this one does not know (migrations {}): start that program on \
             it, not this one.\n",
            file.display(),
            unknown.join(", ")
        )
    })
}

fn others_tool(command: &str) -> Failure {
    Failure::Configuration(format!(
        "the store is PostgreSQL, which has its own tools; nothing was done. Run:\n    {command}"
    ))
}
