//! Databases that are slow, locked, silent or gone, and addresses with secrets in them.

use std::{
    io::{Read, Write},
    net::TcpListener,
    sync::mpsc,
    time::Duration,
};

use diesel::connection::SimpleConnection;
use futures_util::FutureExt;
use tempfile::TempDir;
use tokio_postgres::NoTls;
use tollgate::{
    domain::principal::Role,
    store::{Settings, Store, StoreError, migrations, users::UserRow},
};

use crate::support::{Database, block_on, on_both, settings, sqlite, sqlite_url};

on_both!(a_database_that_answers_is_alive, an_operation_goes_on_when_its_caller_is_gone);

const SHORT: Duration = Duration::from_secs(1);

fn impatient(url: &str) -> Store {
    Store::open(&Settings { acquire_timeout: SHORT, statement_timeout: SHORT, ..settings(url) }).unwrap()
}

fn is_unavailable<T>(result: &Result<T, StoreError>) -> bool {
    matches!(result, Err(StoreError::Unavailable(_)))
}

async fn a_database_that_answers_is_alive(db: Database) {
    assert_eq!(db.store.ping().await, Ok(()));
}

/// Polled once, the operation is on the store's own threads, and does not need this one any more.
async fn an_operation_goes_on_when_its_caller_is_gone(db: Database) {
    let user = db.new_user("ada", Role::User);
    let store = db.replica();
    let mut creation = Box::pin(store.create::<UserRow>(user.clone(), None));
    assert_eq!((&mut creation).now_or_never(), None);
    drop(creation);
    drop(store);
    while db.store.user(user.id).await.unwrap().is_none() {}
}

#[test]
fn a_postgresql_that_is_not_there_is_unavailable_in_time() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = format!("postgres://u:hunter2@{}/d", listener.local_addr().unwrap());
    for url in ["postgres://u:hunter2@127.0.0.1:1/d", silent.as_str()] {
        let store = impatient(url);
        let answer = block_on(async { tokio::time::timeout(SHORT * 5, store.ping()).await.unwrap() });
        assert!(is_unavailable(&answer), "{answer:?}");
        assert!(!format!("{answer:?} {store:?}").contains("hunter2"));
    }
    let migrated = migrations::run("postgres://u:hunter2@127.0.0.1:1/d");
    assert!(is_unavailable(&migrated) && !format!("{migrated:?}").contains("hunter2"), "{migrated:?}");
}

/// A server that refuses every connection with these words, and what each connection begins with.
fn refusing(words: &str) -> (String, mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("postgres://u:hunter2@{}/d?sslmode=disable", listener.local_addr().unwrap());
    let (sender, begun) = mpsc::channel();
    let fields = format!("SFATAL\0VFATAL\0C0A000\0M{words}\0\0");
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            let (mut connection, mut length) = (connection.unwrap(), [0; 4]);
            connection.read_exact(&mut length).unwrap();
            let mut startup = vec![0; usize::try_from(u32::from_be_bytes(length)).unwrap() - length.len()];
            connection.read_exact(&mut startup).unwrap();
            let length = u32::try_from(fields.len() + length.len()).unwrap().to_be_bytes();
            connection.write_all(&[&b"E"[..], &length, fields.as_bytes()].concat()).unwrap();
            if sender.send(String::from_utf8_lossy(&startup).into_owned()).is_err() {
                break;
            }
        }
    });
    (url, begun)
}

#[test]
fn a_pooler_that_takes_no_options_is_connected_to_without_them() {
    for words in [
        "unsupported startup parameter in options: statement_timeout",
        "Feature not supported: RDS Proxy currently doesn\u{2019}t support command-line options.",
    ] {
        let (url, begun) = refusing(words);
        assert!(is_unavailable(&block_on(impatient(&url).ping())), "{words}");
        let next = || begun.recv_timeout(SHORT).unwrap_or_else(|_| panic!("no connection: {words}"));
        let (with, without) = (next(), next());
        assert!(with.contains("statement_timeout") && !without.contains("statement_timeout"), "{with} {without}");
    }
}

#[test]
fn a_pooler_that_has_no_room_is_waited_for() {
    for words in [
        "no more connections allowed (max_client_conn)",
        "Max client connections reached",
        "MaxClientsInSessionMode: max clients reached - in Session mode max clients are limited to pool_size",
    ] {
        let (url, _begun) = refusing(words);
        let refused = block_on(impatient(&url).ping());
        assert_eq!(refused, Err(StoreError::Unavailable("no connection within 1000 ms".into())), "{words}");
    }
}

#[test]
fn a_host_that_takes_a_connection_and_says_nothing_is_passed_over() {
    crate::support::on_postgres(async |db: Database| {
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        let (user, rest) = db.url.split_once('@').unwrap();
        let store = Store::open(&settings(&format!("{user}@{},{rest}", silent.local_addr().unwrap()))).unwrap();
        assert_eq!(store.ping().await, Ok(()));
    });
}

#[test]
fn an_address_is_never_shown() {
    let settings = settings("postgres://u:hunter2@localhost/d?sslmode=hunter2");
    assert!(!format!("{settings:?}").contains("hunter2"));
    let refused = Store::open(&settings);
    assert!(matches!(&refused, Err(StoreError::Invalid(text)) if !text.contains("hunter2")), "{refused:?}");
}

#[test]
fn a_database_without_tables_is_unavailable() {
    let folder = TempDir::new().unwrap();
    let store = crate::support::open(&sqlite_url(&folder));
    assert!(is_unavailable(&block_on(store.identity_revision())));
    migrations::run(&sqlite_url(&folder)).unwrap();
    assert_eq!(block_on(store.identity_revision()), Ok(0));
}

#[test]
fn a_sqlite_that_another_process_writes_to_is_unavailable_in_time_and_then_serves_again() {
    crate::support::on_sqlite(async |db: Database| {
        let store = impatient(&db.url);
        let mut other = sqlite(db.url.strip_prefix("sqlite:").unwrap());
        other.batch_execute("BEGIN IMMEDIATE").unwrap();
        let user = db.new_user("ada", Role::User);
        assert!(is_unavailable(&store.create::<UserRow>(user.clone(), None).await));
        assert_eq!(store.user(user.id).await, Ok(None), "readers do not wait");
        other.batch_execute("ROLLBACK").unwrap();
        store.create::<UserRow>(user, None).await.unwrap();
    });
}

#[test]
fn a_statement_that_waits_too_long_on_postgresql_is_ended_and_then_the_store_serves_again() {
    crate::support::on_postgres(async |db: Database| {
        let store = impatient(&db.url);
        let (client, connection) = tokio_postgres::connect(&db.url, NoTls).await.unwrap();
        let connection = tokio::spawn(connection);
        client.batch_execute("BEGIN; UPDATE revisions SET value = value").await.unwrap();
        let user = db.new_user("ada", Role::User);
        assert!(is_unavailable(&store.create::<UserRow>(user.clone(), None).await));
        assert_eq!(store.user(user.id).await, Ok(None), "readers do not wait");
        client.batch_execute("ROLLBACK").await.unwrap();
        store.create::<UserRow>(user, None).await.unwrap();
        drop(client);
        connection.await.unwrap().unwrap();
    });
}

#[test]
fn a_store_whose_connections_were_cut_connects_again() {
    crate::support::on_postgres(async |db: Database| {
        for _ in 0..3 {
            db.store.ping().await.unwrap();
            // Not a worker that vacuums: it is here now and then.
            let others = "WHERE datname = current_database() AND pid <> pg_backend_pid() \
                          AND backend_type = 'client backend'";
            let cut = "SELECT pg_terminate_backend(pid, 10000)::text AS text FROM pg_stat_activity";
            assert_eq!(db.texts(&format!("{cut} {others}")), ["true"]);
            // The first may find the line cut under it; that line is not used again.
            assert!(db.store.ping().await.is_ok() || db.store.ping().await.is_ok());
        }
    });
}

#[test]
fn a_pool_that_is_used_up_is_waited_for_and_then_reported() {
    crate::support::on_postgres(async |db: Database| {
        let settings = Settings { pool_size: 1, acquire_timeout: SHORT, ..settings(&db.url) };
        let store = Store::open(&settings).unwrap();
        let (client, connection) = tokio_postgres::connect(&db.url, NoTls).await.unwrap();
        let connection = tokio::spawn(connection);
        client.batch_execute("BEGIN; UPDATE revisions SET value = value").await.unwrap();

        let mut creation = Box::pin(store.create::<UserRow>(db.new_user("ada", Role::User), None));
        assert!((&mut creation).now_or_never().is_none());
        let waiting =
            "SELECT 'yes' FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
        assert!((0..1_000).any(|_| !db.texts(waiting).is_empty()), "it never waited");
        let refused = store.ping().await;
        client.batch_execute("ROLLBACK").await.unwrap();

        assert_eq!(refused, Err(StoreError::Unavailable("no connection within 1000 ms".into())));
        creation.await.unwrap();
        drop(client);
        connection.await.unwrap().unwrap();
    });
}

#[test]
fn a_server_that_takes_fewer_connections_than_the_pool_has_is_waited_for() {
    crate::support::on_postgres(async |db: Database| {
        let role = format!("tollgate_few_{}", db.clock.new_id().simple());
        crate::support::execute(
            &db.url,
            &format!("CREATE ROLE {role} LOGIN PASSWORD 'few' CONNECTION LIMIT 3 IN ROLE pg_read_all_data"),
        )
        .unwrap();
        let (_, host) = db.url.split_once('@').unwrap();
        let few =
            Store::open(&Settings { pool_size: 8, ..settings(&format!("postgres://{role}:few@{host}")) }).unwrap();
        for _ in 0..5 {
            let reads = (0..40).map(|_| few.ping());
            assert!(futures_util::future::join_all(reads).await.iter().all(Result::is_ok));
            assert_eq!(few.identity_revision().await, Ok(0));
        }
        drop(few);
        crate::support::execute(&db.url, &format!("DROP ROLE {role}")).unwrap();
    });
}

#[test]
fn a_sqlite_file_that_was_replaced_or_deleted_under_the_store_is_noticed() {
    let folder = TempDir::new().unwrap();
    let url = sqlite_url(&folder);
    migrations::run(&url).unwrap();
    let store = crate::support::open(&url);
    assert_eq!(block_on(store.ping()), Ok(()));
    let file = folder.path().join("data/tollgate.db");
    let aside = folder.path().join("aside.db");
    std::fs::rename(&file, &aside).unwrap();
    assert!(is_unavailable(&block_on(store.ping())), "it is gone");
    assert!(is_unavailable(&block_on(store.identity_revision())), "nothing is read from what lies elsewhere");
    std::fs::copy(&aside, &file).unwrap();
    assert!(is_unavailable(&block_on(store.ping())), "it is another");
    std::fs::rename(&aside, &file).unwrap();
    assert_eq!(block_on(store.ping()), Ok(()));
    assert_eq!(block_on(store.identity_revision()), Ok(0));
}
