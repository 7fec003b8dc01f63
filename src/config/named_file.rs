//! A file that the configuration names. Nothing is read here: who uses it does.

use std::path::{Path, PathBuf};

/// A file, and the key of the configuration that names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedFile {
    pub key: String,
    pub path: PathBuf,
}

impl NamedFile {
    pub(super) fn new(key: impl Into<String>, path: &Path) -> Self {
        Self { key: key.into(), path: path.to_owned() }
    }
}
