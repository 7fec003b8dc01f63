//! What is at the address of a store: found without making or changing anything.

use std::path::Path;

use diesel::{
    Connection as _, QueryDsl, SqliteConnection, backend::Backend, connection::SimpleConnection as _, dsl::sql,
    migration::MigrationSource, sql_types::Bool,
};
use diesel_migrations::EmbeddedMigrations;
use tokio_postgres::Config;

use super::sources::{POSTGRES, SQLITE, connect, failed, in_runtime, on_thread};
use crate::store::{StoreError, address::Address, file, reseal::Sealed, schema::sealed_secrets};

/// What is at an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// No file, or no database of that name.
    Nowhere,
    /// A database in which no migration was ever applied.
    NoSchema,
    /// A store in which these migrations are missing.
    Behind(Vec<String>),
    /// A store that this program can use.
    Ready,
}

diesel::table! {
    __diesel_schema_migrations (version) {
        version -> Text,
    }
}

/// Looks what is there.
///
/// # Errors
/// `Invalid` for a senseless URL, `Unavailable` if the database cannot be reached.
pub fn look(url: &str) -> Result<Found, StoreError> {
    let (all, applied) = state(url)?;
    let Some(applied) = applied else {
        return Ok(Found::Nowhere);
    };
    if applied.is_empty() {
        return Ok(Found::NoSchema);
    }
    let missing: Vec<_> =
        all.into_iter().filter(|(version, _)| !applied.contains(version)).map(|(_, name)| name).collect();
    Ok(if missing.is_empty() { Found::Ready } else { Found::Behind(missing) })
}

/// The names of what [`run`](super::run) would apply, oldest first.
pub fn pending(url: &str) -> Result<Vec<String>, StoreError> {
    let (all, applied) = state(url)?;
    let applied = applied.unwrap_or_default();
    Ok(all.into_iter().filter(|(version, _)| !applied.contains(version)).map(|(_, name)| name).collect())
}

/// The names of what [`revert_all`](super::revert_all) would revert, oldest first.
pub fn applied(url: &str) -> Result<Vec<String>, StoreError> {
    let (all, applied) = state(url)?;
    let applied = applied.unwrap_or_default();
    Ok(all.into_iter().filter(|(version, _)| applied.contains(version)).map(|(_, name)| name).collect())
}

/// The versions of migrations that were applied and that this program does not know, oldest first: a newer one has used the
/// store.
///
/// # Errors
/// As of [`look`].
pub fn unknown(url: &str) -> Result<Vec<String>, StoreError> {
    let (all, applied) = state(url)?;
    let mut unknown = applied.unwrap_or_default();
    unknown.retain(|version| !all.iter().any(|(known, _)| known == version));
    unknown.sort();
    Ok(unknown)
}

/// Whether something in a SQLite store was sealed with a master key. PostgreSQL is left alone.
///
/// # Errors
/// `Invalid` for a senseless URL, `Unavailable` if the file cannot be read.
pub fn has_sealed(url: &str) -> Result<bool, StoreError> {
    match Address::parse(url)? {
        Address::Sqlite(path) if path.exists() => has_sealed_in(&path),
        Address::Sqlite(_) | Address::Postgres(_) => Ok(false),
    }
}

/// The shared secrets that are sealed in a SQLite store, whichever version it has. PostgreSQL is left alone.
///
/// # Errors
/// As of [`has_sealed`].
pub fn shared_secrets(url: &str) -> Result<Vec<(Sealed, Vec<u8>)>, StoreError> {
    use diesel::RunQueryDsl as _;
    match Address::parse(url)? {
        Address::Sqlite(path) if has_sealed(url)? => {
            let secrets = sealed_secrets::table.select((sealed_secrets::name, sealed_secrets::sealed));
            let secrets: Vec<(String, Vec<u8>)> = secrets.load(&mut open(&path)?)?;
            Ok(secrets.into_iter().map(|(name, sealed)| (Sealed::Secret { name }, sealed)).collect())
        }
        Address::Sqlite(_) | Address::Postgres(_) => Ok(vec![]),
    }
}

fn has_sealed_in(path: &Path) -> Result<bool, StoreError> {
    use diesel::RunQueryDsl as _;
    let conn = &mut open(path)?;
    let is_made = "EXISTS (SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'sealed_secrets')";
    if !diesel::select(sql::<Bool>(is_made)).get_result::<bool>(conn)? {
        return Ok(false);
    }
    Ok(diesel::select(sql::<Bool>("EXISTS (SELECT 1 FROM sealed_secrets)")).get_result(conn)?)
}

/// The address as it may be shown: of a server without the password.
///
/// # Errors
/// `Invalid` for a senseless URL.
pub fn shown(url: &str) -> Result<String, StoreError> {
    Ok(Address::parse(url)?.shown())
}

/// Refuses a SQLite file that another process has open. Leaves PostgreSQL alone.
///
/// # Errors
/// `Unavailable` if it is in use.
pub fn check_unused(url: &str) -> Result<(), StoreError> {
    let Address::Sqlite(path) = Address::parse(url)? else { return Ok(()) };
    // To open what is not there would make it.
    if !path.exists() {
        return Ok(());
    }
    let mut conn = open(&path)?;
    // Each connection to a file with a write-ahead log holds a shared lock, and the log is given up under an exclusive one.
    let modes = "PRAGMA busy_timeout = 0; PRAGMA journal_mode = DELETE; PRAGMA journal_mode = WAL;";
    conn.batch_execute(modes).map_err(|_| StoreError::Unavailable("another process has the SQLite file open".into()))
}

/// Versions and names.
type Migrations = Vec<(String, String)>;

/// All migrations, and the versions of those that were applied; `None` if there is no database.
fn state(url: &str) -> Result<(Migrations, Option<Vec<String>>), StoreError> {
    match Address::parse(url)? {
        Address::Sqlite(path) => {
            let all = names::<diesel::sqlite::Sqlite>(SQLITE)?;
            let applied = if path.exists() { Some(applied_on_sqlite(&path)?) } else { None };
            Ok((all, applied))
        }
        Address::Postgres(config) => {
            let all = names::<diesel::pg::Pg>(POSTGRES)?;
            let applied = on_thread(move || in_runtime(applied_on_postgres(*config)));
            match applied {
                Err(StoreError::Unavailable(text)) if is_no_database(&text) => Ok((all, None)),
                applied => Ok((all, Some(applied?))),
            }
        }
    }
}

fn names<DB: Backend>(source: EmbeddedMigrations) -> Result<Migrations, StoreError>
where
    EmbeddedMigrations: MigrationSource<DB>,
{
    let mut all = source.migrations().map_err(failed)?;
    all.sort_by_key(|migration| migration.name().version().as_owned());
    let named = |name: &dyn diesel::migration::MigrationName| (name.version().to_string(), name.to_string());
    Ok(all.iter().map(|migration| named(migration.name())).collect())
}

fn open(path: &Path) -> Result<SqliteConnection, StoreError> {
    let mut conn = SqliteConnection::establish(file::text(path)?).map_err(|error| StoreError::unavailable(&error))?;
    // A command may hold the lock for a moment.
    conn.batch_execute("PRAGMA busy_timeout = 5000;")?;
    Ok(conn)
}

fn applied_on_sqlite(path: &Path) -> Result<Vec<String>, StoreError> {
    use diesel::RunQueryDsl as _;
    let conn = &mut open(path)?;
    let named = "EXISTS (SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = '__diesel_schema_migrations')";
    if !diesel::select(sql::<Bool>(named)).get_result::<bool>(conn)? {
        return Ok(vec![]);
    }
    Ok(__diesel_schema_migrations::table.select(__diesel_schema_migrations::version).load(conn)?)
}

async fn applied_on_postgres(config: Config) -> Result<Vec<String>, StoreError> {
    use diesel_async::RunQueryDsl as _;
    let conn = &mut connect(config).await?;
    let named = "to_regclass('__diesel_schema_migrations') IS NOT NULL";
    if !diesel::select(sql::<Bool>(named)).get_result::<bool>(conn).await? {
        return Ok(vec![]);
    }
    Ok(__diesel_schema_migrations::table.select(__diesel_schema_migrations::version).load(conn).await?)
}

/// In the words of PostgreSQL: `database "x" does not exist`.
fn is_no_database(text: &str) -> bool {
    text.contains("database \"") && text.contains("does not exist")
}
