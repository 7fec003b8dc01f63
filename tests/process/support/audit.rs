//! The audit log as it lies in the database: read without the gateway, its chains computed anew.

use std::{
    collections::{BTreeMap, HashSet},
    path::Path,
};

use aws_lc_rs::digest::{SHA256, digest};
use diesel::{
    Connection, QueryableByName, RunQueryDsl, SqliteConnection, sql_query,
    sql_types::{BigInt, Binary, Text},
};

use super::{Database, PostgresServer};

const ENTRIES: &str = "SELECT chain, seq, request_id, entry, prev_hash, hash FROM audit_entries ORDER BY chain, seq";

/// A row of `audit_entries`.
#[derive(QueryableByName)]
pub struct Entry {
    #[diesel(sql_type = Text)]
    pub chain: String,
    #[diesel(sql_type = BigInt)]
    pub seq: i64,
    #[diesel(sql_type = Text)]
    pub request_id: String,
    /// One line of JSON, as it was hashed.
    #[diesel(sql_type = Text, column_name = entry)]
    pub json: String,
    #[diesel(sql_type = Binary)]
    pub prev_hash: Vec<u8>,
    #[diesel(sql_type = Binary)]
    pub hash: Vec<u8>,
}

impl Entry {
    pub fn all_in_file(path: &Path) -> Vec<Self> {
        let mut connection = SqliteConnection::establish(path.to_str().unwrap()).unwrap();
        sql_query(ENTRIES).load(&mut connection).unwrap()
    }

    pub fn all_in(database: &Database) -> Vec<Self> {
        Self::of(&database.query(ENTRIES))
    }

    pub fn all_on(server: &PostgresServer) -> Vec<Self> {
        Self::of(&server.query(ENTRIES))
    }

    fn of(rows: &[tokio_postgres::Row]) -> Vec<Self> {
        let entry = |row: &tokio_postgres::Row| Self {
            chain: row.get(0),
            seq: row.get(1),
            request_id: row.get(2),
            json: row.get(3),
            prev_hash: row.get(4),
            hash: row.get(5),
        };
        rows.iter().map(entry).collect()
    }
}

/// Checks every chain from its first entry on: no gap, every hash over the one before it and the entry. Gives the ids of
/// the requests that are on record, and how many chains there are.
pub fn check_chains(entries: &[Entry]) -> (HashSet<&str>, usize) {
    let mut heads: BTreeMap<&str, (i64, Vec<u8>)> = BTreeMap::new();
    for entry in entries {
        let head = heads.entry(&entry.chain).or_insert((0, vec![0; 32]));
        let place = format!("{} {}", entry.chain, entry.seq);
        assert_eq!(entry.seq, head.0 + 1, "a gap before {place}");
        assert_eq!(entry.prev_hash, head.1, "{place} does not follow the one before it");
        let hashed = digest(&SHA256, &[head.1.as_slice(), entry.json.as_bytes()].concat());
        assert_eq!(entry.hash, hashed.as_ref(), "{place} has another hash");
        *head = (entry.seq, entry.hash.clone());
    }
    (entries.iter().map(|entry| entry.request_id.as_str()).collect(), heads.len())
}
