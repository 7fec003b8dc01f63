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

/// The checkpoints in files that were shipped. Half a line, which a kill leaves, is skipped: its number comes again.
pub(super) fn shipped(paths: &[PathBuf]) -> Result<Vec<Checkpoint>, Failure> {
    let mut shipped = vec![];
    for path in paths {
        let found = lines(path)?.into_iter();
        shipped.extend(found.filter_map(|line| if let Line::Checkpoint(found) = line { Some(found) } else { None }));
    }
    Ok(shipped)
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
