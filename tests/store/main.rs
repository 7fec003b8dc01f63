//! The contract of the store: the same tests, on SQLite and on PostgreSQL.
//!
//! `TOLLGATE_TEST_POSTGRES` and `TOLLGATE_TEST_REDIS` name the servers; `scripts/test` starts them and sets both.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    reason = "these are tests, helpers included"
)]

mod api_keys;
mod audit;
mod audit_search;
mod idempotency;
mod keys;
mod leases;
mod ledger;
mod ledger_check;
mod limits;
mod migrations;
mod pooler;
mod prices;
mod quota_accounts;
mod redis;
mod replay;
mod revisions;
mod sessions;
mod sign_ins;
mod support;
mod teams;
mod traffic;
mod trouble;
mod users;
