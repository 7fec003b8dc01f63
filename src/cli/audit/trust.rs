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

/// The keys in a file of JSON Lines: what `audit keys` prints, or a file of checkpoints.
pub(super) fn of_file(path: &Path) -> Result<Vec<PublicKey>, Failure> {
    let keys: Vec<_> =
        lines(path)?.into_iter().filter_map(|line| if let Line::Key(key) = line { Some(key) } else { None }).collect();
    if keys.is_empty() {
        return Err(Failure::Configuration(format!("{}: there is no public key in it", path.display())));
    }
    Ok(keys)
}

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
