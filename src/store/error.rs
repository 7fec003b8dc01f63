//! What can go wrong in a store, sorted by what a caller can do about it.

use std::error::Error;

use diesel::result::{DatabaseErrorKind, Error as DieselError};

/// Why an operation failed. No text in it holds a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The database is out of reach, overloaded, full, shutting down or not migrated; the same call may succeed later.
    /// After a write it is not known whether the write was done: read before writing again.
    #[error("the store is not available: {0}")]
    Unavailable(String),
    /// A value that must be unique is already taken in the table named.
    #[error("already taken in {0}")]
    Conflict(&'static str),
    /// A row that does not mean anything; somebody else has written to the database.
    #[error("the store holds an unreadable value: {0}")]
    Corrupt(String),
    /// The address of the store makes no sense.
    #[error("invalid store address: {0}")]
    Invalid(String),
    /// A fault of the program.
    #[error("the store failed: {0}")]
    Other(String),
}

impl StoreError {
    /// How the store failed, in one word; nothing where it gave an answer, which a conflict is.
    pub(super) const fn failure(&self) -> Option<&'static str> {
        match self {
            Self::Conflict(_) => None,
            Self::Unavailable(_) => Some("unavailable"),
            Self::Corrupt(_) => Some("corrupt"),
            Self::Invalid(_) | Self::Other(_) => Some("other"),
        }
    }

    pub(super) fn unavailable(error: &dyn Error) -> Self {
        Self::Unavailable(with_causes(error))
    }
}

/// The whole chain of causes in one line.
pub(super) fn with_causes(error: &dyn Error) -> String {
    let causes = std::iter::successors(error.source(), |&cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

impl From<DieselError> for StoreError {
    fn from(error: DieselError) -> Self {
        match error {
            DieselError::DatabaseError(kind, information) => refused(kind, information.message()),
            DieselError::DeserializationError(cause) => Self::Corrupt(cause.to_string()),
            DieselError::RollbackErrorOnCommit { .. } | DieselError::BrokenTransactionManager => {
                Self::Unavailable(error.to_string())
            }
            other => Self::Other(other.to_string()),
        }
    }
}

/// Diesel names the broken constraints; whatever it has no name for is the database itself: a lock or statement that
/// took too long, a full disk, a shutdown, a table that is not there yet.
fn refused(kind: DatabaseErrorKind, message: &str) -> StoreError {
    match kind {
        DatabaseErrorKind::UniqueViolation => StoreError::Conflict(table_in(message)),
        DatabaseErrorKind::ForeignKeyViolation
        | DatabaseErrorKind::NotNullViolation
        | DatabaseErrorKind::CheckViolation
        | DatabaseErrorKind::RestrictViolation
        | DatabaseErrorKind::ExclusionViolation => StoreError::Other(message.into()),
        _ => StoreError::Unavailable(message.into()),
    }
}

/// SQLite names `table.column`, PostgreSQL a constraint whose name begins with the table's.
fn table_in(message: &str) -> &'static str {
    const TABLES: [&str; 14] = [
        "api_keys",
        "audit_checkpoints",
        "audit_entries",
        "idempotency_keys",
        "limits",
        "list_entries",
        "price_versions",
        "prices",
        "revisions",
        "sealed_secrets",
        "sessions",
        "signing_keys",
        "teams",
        "users",
    ];
    TABLES.into_iter().find(|table| message.contains(table)).unwrap_or("the store")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unique_violation_names_its_table_in_the_words_of_either_database() {
        for message in [
            "UNIQUE constraint failed: users.username",
            "duplicate key value violates unique constraint \"users_username\"",
        ] {
            assert_eq!(refused(DatabaseErrorKind::UniqueViolation, message), StoreError::Conflict("users"));
        }
    }

    #[test]
    fn the_causes_of_a_lost_connection_are_told_in_order() {
        #[derive(Debug, thiserror::Error)]
        #[error("cannot connect")]
        struct Outer(#[source] std::io::Error);

        let error = Outer(std::io::Error::other("refused"));
        assert_eq!(StoreError::unavailable(&error), StoreError::Unavailable("cannot connect: refused".into()));
    }
}
