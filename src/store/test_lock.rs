//! For tests of writers to the store: another writer on a SQLite file, that keeps the lock while it lives.

use std::path::Path;

use diesel::{Connection, SqliteConnection, connection::SimpleConnection};

pub struct Lock(#[expect(dead_code, reason = "its drop is what ends the lock")] SqliteConnection);

impl Lock {
    pub fn on(path: &Path) -> Self {
        let mut other = SqliteConnection::establish(path.to_str().unwrap()).unwrap();
        other.batch_execute("BEGIN IMMEDIATE").unwrap();
        Self(other)
    }
}
