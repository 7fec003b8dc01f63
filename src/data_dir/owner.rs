//! Whose a file is: users of the operating system, by the name that the password file has.

use std::{
    io::ErrorKind,
    os::unix::fs::{MetadataExt, chown},
    path::Path,
};

use super::DataDirError;

/// Refuses a path that the user of this process may not reach. That nothing is there is for others to say.
///
/// # Errors
/// `Denied`, with the user to whom what bars the way belongs.
pub fn check_reach(path: &Path) -> Result<(), DataDirError> {
    let is_denied = path.symlink_metadata().is_err_and(|error| error.kind() == ErrorKind::PermissionDenied)
        || std::fs::File::open(path).is_err_and(|error| error.kind() == ErrorKind::PermissionDenied);
    if !is_denied {
        return Ok(());
    }
    let seen = path.ancestors().find_map(|above| above.symlink_metadata().ok());
    let owner = seen.map_or_else(|| "another user".into(), |about| user_name(about.uid()));
    Err(DataDirError::Denied { path: path.display().to_string(), owner })
}

/// Gives a file that root has made to the owner of another one: root works there for a user, as by `sudo`, whose gateway is to
/// open the file. Where root may not give it away it stays as it is.
pub fn give_to_owner_of(other: &Path, file: &Path) {
    let (Ok(wanted), Ok(own)) = (other.metadata(), file.metadata()) else { return };
    if own.uid() == 0 && wanted.uid() != 0 {
        drop(chown(file, Some(wanted.uid()), Some(wanted.gid())));
    }
}

/// The name of a user, or the number where there is none.
#[must_use]
pub fn user_name(uid: u32) -> String {
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    name_in(&users, uid).unwrap_or_else(|| format!("uid {uid}"))
}

fn name_in(users: &str, uid: u32) -> Option<String> {
    let of_line = |line: &str| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)? == uid.to_string()).then(|| name.to_owned())
    };
    users.lines().find_map(of_line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_named_by_the_password_file() {
        let users = "root:x:0:0:root:/root:/bin/sh\nann:x:1000:1000::/home/ann:/bin/sh\n";
        assert_eq!(name_in(users, 1000).as_deref(), Some("ann"));
        assert_eq!(name_in(users, 7), None);
        assert_eq!(name_in("", 0), None);
    }

    #[test]
    fn what_root_makes_for_another_user_belongs_to_that_user() {
        let folder = tempfile::tempdir().unwrap();
        let (old, new) = (folder.path().join("old"), folder.path().join("new"));
        std::fs::write(&old, "").unwrap();
        std::fs::write(&new, "").unwrap();
        // Only root can give a file away; whoever else runs this has made both.
        drop(chown(&old, Some(1), Some(1)));
        give_to_owner_of(&old, &new);
        let owner = |path: &Path| path.metadata().unwrap().uid();
        assert_eq!(owner(&new), owner(&old));
    }

    #[test]
    fn what_is_not_there_is_not_denied() {
        let folder = tempfile::tempdir().unwrap();
        assert!(check_reach(&folder.path().join("no/such/file")).is_ok());
        assert!(check_reach(folder.path()).is_ok());
    }
}
