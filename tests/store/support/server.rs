//! A database of its own on the PostgreSQL that tests are given.

use std::thread;

use tokio_postgres::{NoTls, SimpleQueryMessage};
use tollgate::clock::Clock;

use super::block_on;

/// A new, empty database, dropped with this value.
pub struct Server {
    pub url: String,
    name: String,
}

impl Server {
    pub fn new_database() -> Self {
        let name = format!("tollgate_test_{}", Clock::system().new_id().simple());
        execute(&server_url(), &format!("CREATE DATABASE {name}")).unwrap();
        Self { url: with_database(&server_url(), &name), name }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let dropped = execute(&server_url(), &format!("DROP DATABASE {} WITH (FORCE)", self.name));
        if !std::thread::panicking() {
            dropped.unwrap();
        }
    }
}

fn server_url() -> String {
    std::env::var("TOLLGATE_TEST_POSTGRES")
        .unwrap_or_else(|_| panic!("TOLLGATE_TEST_POSTGRES is not set; run the tests with scripts/test"))
}

fn with_database(url: &str, name: &str) -> String {
    let (base, options) = url.split_once('?').unwrap_or((url, ""));
    let (_, authority) = base.split_once("://").unwrap();
    let authority = authority.split('/').next().unwrap();
    format!("postgres://{authority}/{name}?{options}")
}

/// Runs SQL and returns the first column of what it finds.
pub fn execute(url: &str, sql: &str) -> Result<Vec<String>, String> {
    // On a thread of its own, because a test that calls this is itself a future being polled.
    thread::scope(|scope| scope.spawn(|| block_on(ask(url, sql))).join().unwrap())
}

async fn ask(url: &str, sql: &str) -> Result<Vec<String>, String> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.map_err(|error| format!("{error:?}"))?;
    let connection = tokio::spawn(connection);
    let messages = client.simple_query(sql).await.map_err(|error| format!("{error:?}"));
    drop(client);
    connection.await.unwrap().map_err(|error| error.to_string())?;
    Ok(messages?.iter().filter_map(first_column).collect())
}

fn first_column(message: &SimpleQueryMessage) -> Option<String> {
    match message {
        SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
        _ => None,
    }
}
