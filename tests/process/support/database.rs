//! A PostgreSQL database of a test's own, dropped with it.

use std::{
    future::Future,
    sync::atomic::{AtomicU32, Ordering},
};

use tokio_postgres::NoTls;

use super::Home;

/// The variable that names the server.
const SERVER: &str = "TOLLGATE_TEST_POSTGRES";
/// 32 bytes in base64; the same for all replicas of a test.
pub const MASTER_KEY: &str = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=";

static MADE: AtomicU32 = AtomicU32::new(0);

pub struct Database {
    name: String,
    server: String,
}

impl Database {
    pub fn create() -> Self {
        let server = std::env::var(SERVER)
            .unwrap_or_else(|_| panic!("{SERVER} is not set; scripts/test starts a server and sets it"));
        let name = format!("tollgate_process_{}_{}", std::process::id(), MADE.fetch_add(1, Ordering::Relaxed));
        let database = Self { name, server };
        database.on_server(&format!("CREATE DATABASE {}", database.name));
        database
    }

    pub fn url(&self) -> String {
        let (address, options) = match self.server.split_once('?') {
            Some((address, options)) => (address, format!("?{options}")),
            None => (self.server.as_str(), String::new()),
        };
        let parts: Vec<&str> = address.splitn(4, '/').take(3).collect();
        format!("{}/{}{options}", parts.join("/"), self.name)
    }

    /// A folder for a replica on this database.
    pub fn home(&self) -> Home {
        self.configure(Home::new())
    }

    pub fn configure(&self, home: Home) -> Home {
        home.env("TOLLGATE__STORE__URL", &self.url()).env("TOLLGATE_MASTER_KEY", MASTER_KEY)
    }

    /// Runs a query in the database.
    pub fn query(&self, sql: &str) -> Vec<tokio_postgres::Row> {
        query(&self.url(), sql)
    }

    /// Runs statements in the database.
    pub fn execute(&self, sql: &str) {
        in_runtime(async { connect(&self.url()).await.batch_execute(sql).await.unwrap() });
    }

    fn on_server(&self, sql: &str) {
        in_runtime(async { connect(&self.server).await.batch_execute(sql).await.unwrap() });
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.on_server(&format!("DROP DATABASE {} WITH (FORCE)", self.name));
        }
    }
}

/// Runs a query in a database.
pub fn query(url: &str, sql: &str) -> Vec<tokio_postgres::Row> {
    in_runtime(async { connect(url).await.query(sql, &[]).await.unwrap() })
}

/// Whether a server is there and answers.
pub fn answers(url: &str) -> bool {
    in_runtime(async {
        let Ok((client, connection)) = tokio_postgres::connect(url, NoTls).await else { return false };
        tokio::spawn(connection);
        client.simple_query("SELECT 1").await.is_ok()
    })
}

/// Keeps a transaction open that has run these statements.
pub fn hold(url: &str, sql: &str) -> Held {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let client = runtime.block_on(async {
        let client = connect(url).await;
        client.batch_execute(&format!("BEGIN; {sql}")).await.unwrap();
        client
    });
    Held { _client: client, _runtime: runtime }
}

/// An open transaction; it ends with this.
pub struct Held {
    _client: tokio_postgres::Client,
    _runtime: tokio::runtime::Runtime,
}

async fn connect(url: &str) -> tokio_postgres::Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

fn in_runtime<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}
