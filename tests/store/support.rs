//! A database for one test alone, and short ways to say what is put into it.

mod server;

use std::{future::Future, time::Duration};

use diesel::{Connection, QueryableByName, SqliteConnection, connection::SimpleConnection, sql_types::Text};
use tempfile::TempDir;
use tollgate::{
    clock::Clock,
    domain::{
        allowed::Allowed,
        ids::{SessionId, TeamId, UserId},
        principal::{Role, UserStatus},
    },
    store::{
        Settings, Store, StoreError,
        administered::{Changed, ChangedRow, Created},
        migrations,
        sessions::NewSession,
        teams::{NewTeam, TeamRow},
        users::{NewUser, UserChange, UserRow},
    },
};

pub use server::{Server, execute};

/// Runs each function named as two tests.
macro_rules! on_both {
    ($($test:ident),+ $(,)?) => {
        mod on_sqlite {
            $(#[test] fn $test() { $crate::support::on_sqlite(super::$test) })+
        }
        mod on_postgres {
            $(#[test] fn $test() { $crate::support::on_postgres(super::$test) })+
        }
    };
}
pub(crate) use on_both;

/// A test that takes longer waits for something that will not happen.
const PATIENCE: Duration = Duration::from_mins(1);

/// A migrated database, a store that is open on it, and a clock that stands still.
pub struct Database {
    pub url: String,
    pub store: Store,
    pub clock: Clock,
}

pub fn on_sqlite<F: Future<Output = ()>>(test: impl FnOnce(Database) -> F) {
    let folder = TempDir::new().unwrap();
    run(test, sqlite_url(&folder));
}

pub fn on_postgres<F: Future<Output = ()>>(test: impl FnOnce(Database) -> F) {
    let server = Server::new_database();
    run(test, server.url.clone());
}

pub fn sqlite_url(folder: &TempDir) -> String {
    format!("sqlite:{}", folder.path().join("data/tollgate.db").display())
}

/// On a single-threaded runtime, as an actix thread has.
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

fn run<F: Future<Output = ()>>(test: impl FnOnce(Database) -> F, url: String) {
    migrations::run(&url).unwrap();
    let store = open(&url);
    let test = test(Database { url, store, clock: Clock::manual(1_800_000_000) });
    block_on(async { tokio::time::timeout(PATIENCE, test).await.unwrap() });
}

pub fn settings(url: &str) -> Settings {
    Settings {
        url: url.to_owned(),
        pool_size: 4,
        acquire_timeout: Duration::from_secs(10),
        statement_timeout: Duration::from_secs(10),
    }
}

pub fn open(url: &str) -> Store {
    Store::open(&settings(url)).unwrap()
}

impl Database {
    /// Another process on the same database, as far as the store can tell.
    pub fn replica(&self) -> Store {
        open(&self.url)
    }

    pub fn new_user(&self, name: &str, role: Role) -> NewUser {
        NewUser {
            id: UserId(self.clock.new_id()),
            username: name.parse().unwrap(),
            password_hash: Some(format!("$argon2id$of-{name}")),
            role,
            status: UserStatus::Active,
            team_id: None,
            models: Allowed::default(),
            created_at: self.clock.now(),
        }
    }

    /// A user that is in the store.
    pub async fn user(&self, name: &str, role: Role) -> UserRow {
        match self.store.create::<UserRow>(self.new_user(name, role), None).await.unwrap() {
            Created::New(user) => user,
            other => panic!("{other:?}"),
        }
    }

    /// A team that is in the store.
    pub async fn team(&self, name: &str) -> TeamRow {
        let (id, name) = (TeamId(self.clock.new_id()), name.parse().unwrap());
        let new = NewTeam { id, name, models: Allowed::default(), created_at: self.clock.now() };
        match self.store.create::<TeamRow>(new, None).await.unwrap() {
            Created::New(team) => team,
            other => panic!("{other:?}"),
        }
    }

    /// A session, for an hour, that is not in the store.
    pub fn new_session(&self, user: &UserRow) -> NewSession {
        let now = self.clock.now();
        let id = SessionId(self.clock.new_id());
        NewSession { id, user_id: user.id, created_at: now, expires_at: now + Duration::from_hours(1) }
    }

    /// A session, for an hour, that is in the store.
    pub async fn session(&self, user: &UserRow) -> SessionId {
        let session = self.new_session(user);
        assert!(self.store.open_session(session, user.revision).await.unwrap());
        session.id
    }

    pub async fn is_live(&self, session: SessionId) -> bool {
        self.store.session(session).await.unwrap().is_some_and(|row| row.revoked_at.is_none())
    }

    /// Runs SQL behind the store's back.
    pub fn execute(&self, sql: &str) -> Result<(), String> {
        match self.url.strip_prefix("sqlite:") {
            Some(path) => sqlite(path).batch_execute(sql).map_err(|error| error.to_string()),
            None => server::execute(&self.url, sql).map(drop),
        }
    }

    /// The texts that a query of one column finds, which must be called `text`.
    pub fn texts(&self, sql: &str) -> Vec<String> {
        match self.url.strip_prefix("sqlite:") {
            Some(path) => {
                let rows: Vec<Found> = diesel::RunQueryDsl::load(diesel::sql_query(sql), &mut sqlite(path)).unwrap();
                rows.into_iter().map(|row| row.text).collect()
            }
            None => server::execute(&self.url, sql).unwrap(),
        }
    }
}

#[derive(QueryableByName)]
struct Found {
    #[diesel(sql_type = Text)]
    text: String,
}

pub fn sqlite(path: &str) -> SqliteConnection {
    let mut conn = SqliteConnection::establish(path).unwrap();
    conn.batch_execute("PRAGMA busy_timeout = 10000; PRAGMA foreign_keys = ON;").unwrap();
    conn
}

/// A change that was done, before and after.
pub fn done(changed: Result<ChangedRow<UserRow>, StoreError>) -> (UserRow, UserRow) {
    match changed.unwrap() {
        Changed::Done { before, after } => (before, after),
        other => panic!("{other:?}"),
    }
}

pub fn to_role(role: Role) -> UserChange {
    UserChange { role: Some(role), ..UserChange::default() }
}

pub fn to_status(status: UserStatus) -> UserChange {
    UserChange { status: Some(status), ..UserChange::default() }
}
