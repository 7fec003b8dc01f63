//! The schema's history, and that both databases end with the same schema.

use std::thread;

use tempfile::TempDir;
use tollgate::store::migrations;

use crate::support::{Database, Server, on_both, sqlite_url};

on_both!(
    the_schema_goes_up_and_down_to_nothing_and_up_again,
    the_counters_of_changes_begin_at_zero,
    replicas_that_start_at_once_migrate_once,
);

const ALL: [&str; 21] = [
    "2026-11-23-000001_identity",
    "2026-11-23-000002_audit",
    "2026-11-23-000003_credentials",
    "2026-11-24-000004_limits",
    "2026-11-24-000005_quota_accounts",
    "2026-11-24-000006_ledger",
    "2026-11-26-000008_prices",
    "2026-11-26-000009_ledger_watch",
    "2026-11-26-000011_audit_integrity",
    "2026-11-28-000012_ledger_refunds",
    "2026-11-28-000021_stamps",
    "2026-11-29-000031_cache_purges",
    "2026-11-29-000041_permissions",
    "2026-11-29-000051_unshown_passwords",
    "2026-11-29-000061_served",
    "2026-11-29-000071_names",
    "2026-11-29-000072_traffic",
    "2026-11-29-000081_list_entries",
    "2026-11-30-000091_calendar_windows",
    "2026-11-30-000101_redeemed_sign_ins",
    "2026-11-30-000111_lean_holds",
];

async fn the_schema_goes_up_and_down_to_nothing_and_up_again(db: Database) {
    let names = if db.url.starts_with("sqlite:") { SQLITE_NAMES } else { POSTGRES_NAMES };
    let tables = || {
        let mut tables = db.texts(names);
        tables.retain(|name| !name.contains("schema_migrations"));
        tables
    };
    let up = tables();
    assert_eq!(migrations::pending(&db.url), Ok(vec![]));
    assert_eq!(migrations::run(&db.url), Ok(vec![]));
    assert_eq!(migrations::revert_all(&db.url).unwrap(), ALL);
    assert_eq!(tables(), Vec::<String>::new());
    assert_eq!(migrations::pending(&db.url).unwrap(), ALL);
    assert_eq!(migrations::run(&db.url).unwrap(), ALL);
    assert_eq!(tables(), up);
    assert!(up.contains(&"audit_entries".to_owned()), "{up:?}");
}

async fn the_counters_of_changes_begin_at_zero(db: Database) {
    let counters = db.texts("SELECT CAST(name || '=' || value AS TEXT) AS text FROM revisions ORDER BY name");
    assert_eq!(counters, ["budgets=0", "cache=0", "identity=0", "keys=0", "limits=0", "prices=0", "routing=0"]);
    assert_eq!(db.store.identity_revision().await, Ok(0));
}

async fn replicas_that_start_at_once_migrate_once(db: Database) {
    migrations::revert_all(&db.url).unwrap();
    let replicas: Vec<_> = (0..4)
        .map(|_| {
            let url = db.url.clone();
            thread::spawn(move || migrations::run(&url).unwrap())
        })
        .collect();
    let applied: Vec<_> = replicas.into_iter().flat_map(|replica| replica.join().unwrap()).collect();
    assert_eq!(applied, ALL);
}

#[test]
fn a_new_sqlite_file_is_migrated_by_whoever_comes_first() {
    let folder = TempDir::new().unwrap();
    let url = sqlite_url(&folder);
    let replicas: Vec<_> = (0..4)
        .map(|_| {
            let url = url.clone();
            thread::spawn(move || migrations::run(&url).unwrap())
        })
        .collect();
    let applied: Vec<_> = replicas.into_iter().flat_map(|replica| replica.join().unwrap()).collect();
    assert_eq!(applied, ALL);
}

#[cfg(unix)]
#[test]
fn the_files_of_sqlite_are_for_the_owner_only() {
    use std::os::unix::fs::PermissionsExt;

    let folder = TempDir::new().unwrap();
    migrations::run(&sqlite_url(&folder)).unwrap();
    let store = crate::support::open(&sqlite_url(&folder));
    crate::support::block_on(store.identity_revision()).unwrap();
    let files: Vec<_> = std::fs::read_dir(folder.path().join("data")).unwrap().map(Result::unwrap).collect();
    assert_eq!(files.len(), 3, "{files:?}");
    for file in files {
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{file:?}");
    }
}

#[test]
fn the_columns_of_postgresql_are_those_of_sqlite() {
    let folder = TempDir::new().unwrap();
    let server = Server::new_database();
    migrations::run(&sqlite_url(&folder)).unwrap();
    migrations::run(&server.url).unwrap();

    let sqlite = columns(&sqlite_url(&folder), SQLITE_COLUMNS);
    let postgres = columns(&server.url, POSTGRES_COLUMNS);
    assert!(sqlite.len() > 40, "{sqlite:?}");
    assert_eq!(sqlite, postgres);
}

/// The indexes too: they hold the rules of uniqueness, and are what the queries count on.
#[test]
fn the_indexes_of_postgresql_are_those_of_sqlite() {
    let folder = TempDir::new().unwrap();
    let server = Server::new_database();
    migrations::run(&sqlite_url(&folder)).unwrap();
    migrations::run(&server.url).unwrap();

    let sqlite = columns(&sqlite_url(&folder), SQLITE_INDEXES);
    let postgres = columns(&server.url, POSTGRES_INDEXES);
    assert!(sqlite.len() > 10, "{sqlite:?}");
    assert_eq!(sqlite, postgres);
}

fn columns(url: &str, sql: &str) -> Vec<String> {
    let database =
        Database { url: url.to_owned(), store: crate::support::open(url), clock: tollgate::clock::Clock::manual(0) };
    database.texts(sql)
}

/// Tables, indexes and triggers.
const SQLITE_NAMES: &str = "SELECT name AS text FROM sqlite_master WHERE name NOT LIKE 'sqlite_%' ORDER BY name";

/// Tables, indexes and functions.
const POSTGRES_NAMES: &str = "
    SELECT relname AS text FROM pg_class WHERE relnamespace = 'public'::regnamespace
    UNION SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace
    ORDER BY 1";

const SQLITE_COLUMNS: &str = "
    SELECT t.name || '.' || c.cid || ' ' || c.name || ' ' || c.type || CASE WHEN c.\"notnull\" THEN ' NOT NULL' ELSE '' END AS text
    FROM sqlite_master t, pragma_table_info(t.name) c
    WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite_%' AND t.name NOT LIKE '\\_\\_diesel%' ESCAPE '\\'
    ORDER BY t.name, c.cid";

const POSTGRES_COLUMNS: &str = "
    SELECT table_name || '.' || ordinal_position - 1 || ' ' || column_name || ' '
        || CASE data_type WHEN 'bytea' THEN 'BLOB' ELSE upper(data_type) END
        || CASE is_nullable WHEN 'NO' THEN ' NOT NULL' ELSE '' END AS text
    FROM information_schema.columns
    WHERE table_schema = 'public' AND table_name NOT LIKE '\\_\\_diesel%'
    ORDER BY table_name COLLATE \"C\", ordinal_position";

const SQLITE_INDEXES: &str = "
    SELECT t.name || CASE WHEN i.\"unique\" THEN ' UNIQUE' ELSE '' END || CASE WHEN i.partial THEN ' PARTIAL' ELSE '' END
        || ' (' || (SELECT group_concat(COALESCE(c.name, 'expression'), ', ') FROM pragma_index_info(i.name) c) || ')' AS text
    FROM sqlite_master t, pragma_index_list(t.name) i
    WHERE t.type = 'table' AND t.name NOT LIKE '\\_\\_diesel%' ESCAPE '\\'
    ORDER BY 1";

const POSTGRES_INDEXES: &str = "
    SELECT text FROM (SELECT t.relname || CASE WHEN i.indisunique THEN ' UNIQUE' ELSE '' END
        || CASE WHEN i.indpred IS NOT NULL THEN ' PARTIAL' ELSE '' END || ' (' || (
            SELECT string_agg(COALESCE(a.attname, 'expression'), ', ' ORDER BY k.place)
            FROM unnest(i.indkey::int2[]) WITH ORDINALITY k(number, place)
            LEFT JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = k.number
        ) || ')' AS text
    FROM pg_index i JOIN pg_class t ON t.oid = i.indrelid JOIN pg_namespace n ON n.oid = t.relnamespace
    WHERE n.nspname = 'public' AND t.relname NOT LIKE '\\_\\_diesel%'
    ) found ORDER BY text COLLATE \"C\"";
