//! Which public keys are trusted, and from where: the master key, a file, or failing both the export itself.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::{Failure, failed};
use crate::{
    app::audit_public_key,
    cli::secrets,
    config::Config,
    domain::audit::{
        checkpoint::Checkpoint,
        lines::{Line, PublicKey},
        verify::CheckpointFile,
    },
    store::Store,
};

/// The key that is sealed in the store. The master key opens it, so the owner of the store cannot put in another.
pub(super) async fn of_store(config: &Config, store: &Store) -> Result<Vec<PublicKey>, Failure> {
    Ok(audit_public_key(config, &secrets(), store).await?.into_iter().collect())
}

/// The keys in a file of JSON Lines: what `audit keys` prints, or a file of checkpoints. An export is none: it brings the
/// keys of whoever made it.
pub(super) fn of_file(path: &Path) -> Result<Vec<PublicKey>, Failure> {
    let bad = |what: &str| Failure::Configuration(format!("{}: {what}", path.display()));
    let mut keys = vec![];
    for line in lines(path)? {
        match line {
            Line::Key(key) => keys.push(key),
            Line::Checkpoint(_) => {}
            Line::Begin { .. } | Line::Entry(_) | Line::End(_) => return Err(bad(EXPORT_FOR_KEYS)),
        }
    }
    if keys.is_empty() { Err(bad("there is no public key in it")) } else { Ok(keys) }
}

/// A forger of an export signs it with a key of his own, and puts that into it.
const EXPORT_FOR_KEYS: &str = "this is an export, whose keys are those of whoever made it. --keys wants what `tollgate audit keys` \
                               printed, from somebody you trust";

/// A file of checkpoints, whatever is in it.
pub(super) fn checkpoint_file(path: &Path) -> Result<CheckpointFile, Failure> {
    let bytes = fs::read(path).map_err(|error| Failure::Configuration(format!("{}: {error}", path.display())))?;
    Ok(CheckpointFile::read(&path.display().to_string(), &String::from_utf8_lossy(&bytes)))
}

/// The checkpoints in files, whether or not they are signed.
pub(super) fn checkpoints(paths: &[PathBuf]) -> Result<Vec<Checkpoint>, Failure> {
    let mut found = vec![];
    for path in paths {
        found.extend(checkpoint_file(path)?.checkpoints().cloned());
    }
    Ok(found)
}

fn lines(path: &Path) -> Result<Vec<Line>, Failure> {
    let text = fs::read_to_string(path);
    let text = text.map_err(|error| Failure::Configuration(format!("{}: {error}", path.display())))?;
    Ok(text.lines().filter_map(Line::parse).collect())
}

/// A key as a line.
pub(super) fn line(key: PublicKey) -> Result<String, Failure> {
    Line::Key(key).render().map(|line| line + "\n").map_err(failed)
}
