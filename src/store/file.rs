//! The file of a SQLite database: made before SQLite makes it, so that nobody else on the machine can read it.

use std::{
    fs::{DirBuilder, OpenOptions},
    io,
    path::Path,
};

use super::StoreError;

/// Makes the file, and the folders above it, if they are missing: 0600 and 0700 where the system has such modes. SQLite
/// gives the files that belong to it the same mode. What is there already is left as it is.
pub(super) fn prepare(path: &Path) -> Result<(), StoreError> {
    if let Some(folder) = path.parent() {
        private_folders().create(folder).map_err(|error| failed(folder, &error))?;
    }
    private_file().open(path).map(drop).map_err(|error| failed(path, &error))
}

/// The path as SQLite takes it.
///
/// # Errors
/// `Invalid` if it is not UTF-8.
pub(super) fn text(path: &Path) -> Result<&str, StoreError> {
    path.to_str().ok_or_else(|| StoreError::Invalid("sqlite: the path is not UTF-8".into()))
}

fn failed(path: &Path, error: &io::Error) -> StoreError {
    StoreError::Unavailable(format!("{}: {error}", path.display()))
}

fn private_folders() -> DirBuilder {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder
}

fn private_file() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_new_file_and_its_new_folder_are_for_the_owner_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data/deep/tollgate.db");
        prepare(&path).unwrap();
        prepare(&path).unwrap();
        let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
    }
}
