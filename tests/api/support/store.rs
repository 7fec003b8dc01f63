//! An empty store for one test.

use jiff::Timestamp;
use tempfile::TempDir;
use tokio_postgres::{Client, NoTls};
use tollgate::clock::Clock;

const VARIABLE: &str = "TOLLGATE_TEST_POSTGRES";

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Sqlite,
    Postgres,
}

/// A store that no other test sees.
pub struct TestStore {
    pub url: String,
    /// Where the SQLite file is.
    directory: TempDir,
    database: Option<Database>,
}

struct Database {
    server: Client,
    name: String,
}

impl TestStore {
    pub async fn create(kind: Kind) -> Self {
        let directory = tempfile::tempdir().unwrap();
        match kind {
            Kind::Sqlite => {
                let url = format!("sqlite:{}", directory.path().join("tollgate.db").display());
                Self { url, directory, database: None }
            }
            Kind::Postgres => {
                let server_url = server_url();
                let database = Database::create(&server_url).await;
                let url = on_server(&server_url, &database.name);
                Self { url, directory, database: Some(database) }
            }
        }
    }

    /// All that is stored: every file of SQLite as text, or every row of every table of PostgreSQL.
    pub async fn everything(&self) -> Vec<String> {
        match &self.database {
            None => {
                let files = std::fs::read_dir(self.directory.path()).unwrap();
                let bytes = files.map(|file| std::fs::read(file.unwrap().path()).unwrap());
                bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).collect()
            }
            Some(_) => rows_of_every_table(&self.url).await,
        }
    }

    /// Holds the time of the database, where it has one of its own: for gateways that start from now on.
    pub async fn set_time(&self, time: Timestamp) {
        let Some(database) = &self.database else { return };
        let (client, connection) = tokio_postgres::connect(&self.url, NoTls).await.unwrap();
        actix_web::rt::spawn(connection);
        // A function that is found before the one of PostgreSQL.
        let hold = format!(
            "CREATE TABLE IF NOT EXISTS held_time (at TIMESTAMPTZ NOT NULL);
             DELETE FROM held_time;
             INSERT INTO held_time VALUES ('{time}');
             CREATE OR REPLACE FUNCTION public.clock_timestamp() RETURNS TIMESTAMPTZ LANGUAGE sql
                 AS 'SELECT at FROM public.held_time';
             ALTER DATABASE {} SET search_path = public, pg_catalog;",
            database.name
        );
        client.batch_execute(&hold).await.unwrap();
    }

    /// Drops the database, and with it whatever a test that failed left in it.
    pub async fn discard(self) {
        if let Some(database) = self.database {
            let drop = format!("DROP DATABASE {} WITH (FORCE)", database.name);
            database.server.batch_execute(&drop).await.unwrap();
        }
    }
}

async fn rows_of_every_table(url: &str) -> Vec<String> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    actix_web::rt::spawn(connection);
    let tables = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'";
    let mut texts = vec![];
    for table in client.query(tables, &[]).await.unwrap() {
        let rows = format!("SELECT t::text FROM {} t", table.get::<_, String>(0));
        texts.extend(client.query(&rows, &[]).await.unwrap().iter().map(|row| row.get::<_, String>(0)));
    }
    assert!(texts.len() > 5);
    texts
}

impl Database {
    async fn create(server_url: &str) -> Self {
        let (server, connection) = tokio_postgres::connect(server_url, NoTls).await.unwrap();
        actix_web::rt::spawn(connection);
        let name = format!("tollgate_api_{}", Clock::system().new_id().simple());
        server.batch_execute(&format!("CREATE DATABASE {name}")).await.unwrap();
        Self { server, name }
    }
}

fn server_url() -> String {
    std::env::var(VARIABLE).unwrap_or_else(|_| {
        panic!("{VARIABLE} is not set: scripts/test starts a PostgreSQL and sets it, or give the URL of one")
    })
}

/// The URL of another database on the same server.
fn on_server(server_url: &str, database: &str) -> String {
    let (address, options) =
        server_url.split_once('?').map_or((server_url, ""), |(address, options)| (address, options));
    let authority = address.split_once("://").unwrap().1.split('/').next().unwrap();
    let url = format!("postgres://{authority}/{database}");
    if options.is_empty() { url } else { format!("{url}?{options}") }
}
