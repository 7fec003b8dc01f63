//! A PostgreSQL behind `PgBouncer` in transaction mode, where no two transactions need meet the same server.
//!
//! Run where `pgbouncer` is installed.

use std::{
    net::{TcpListener, TcpStream},
    os::unix::fs::{MetadataExt, PermissionsExt},
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use futures_util::future::join_all;
use tempfile::TempDir;
use tollgate::{
    domain::principal::Role,
    store::{administered::Created, migrations, users::UserRow},
};

use crate::support::{Database, Server, execute, open};

/// In this database alone: other tests migrate theirs on the same server at the same time.
const ADVISORY_LOCKS: &str = "SELECT count(*)::text FROM pg_locks WHERE locktype = 'advisory' \
     AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";

struct PgBouncer {
    child: Child,
    port: u16,
    _folder: TempDir,
}

impl PgBouncer {
    /// With more clients than servers. `None` where it is not installed.
    fn start(server: &tokio_postgres::Config, settings: &str) -> Option<Self> {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let tokio_postgres::config::Host::Tcp(host) = &server.get_hosts()[0] else { panic!("no address") };
        let (to, user) = (server.get_ports()[0], server.get_user().unwrap());
        let password = server.get_password().map(|password| String::from_utf8_lossy(password).into_owned());
        let password = password.map(|password| format!(" password={password}")).unwrap_or_default();
        let folder = TempDir::new().unwrap();
        std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o755)).unwrap();
        let file = folder.path().join("pgbouncer.ini");
        let config = format!(
            "[databases]\n* = host={host} port={to} user={user}{password}\n[pgbouncer]\nlisten_addr = 127.0.0.1\n\
             listen_port = {port}\nunix_socket_dir =\nauth_type = any\npool_mode = transaction\n\
             default_pool_size = 3\nmax_client_conn = 200\n{settings}\n"
        );
        std::fs::write(&file, config).unwrap();
        let mut command = Command::new("pgbouncer");
        if folder.path().metadata().unwrap().uid() == 0 {
            // It does not run as root.
            command.args(["-u", "nobody"]);
        }
        let child = command.arg(&file).stdout(Stdio::null()).stderr(Stdio::null()).spawn().ok()?;
        let bouncer = Self { child, port, _folder: folder };
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            thread::sleep(Duration::from_millis(10));
        }
        Some(bouncer)
    }

    fn url(&self, database: &str) -> String {
        format!("postgres://anybody@127.0.0.1:{}/{database}", self.port)
    }
}

impl Drop for PgBouncer {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[test]
fn gateways_behind_a_pooler_migrate_and_read_and_write_at_once() {
    for settings in ["", "ignore_startup_parameters = options"] {
        let server = Server::new_database();
        let config: tokio_postgres::Config = server.url.parse().unwrap();
        let Some(bouncer) = PgBouncer::start(&config, settings) else {
            println!("skipped: pgbouncer is not installed");
            return;
        };
        let url = bouncer.url(config.get_dbname().unwrap());
        thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| migrations::run(&url).unwrap());
            }
        });
        let db = Database { url: url.clone(), store: open(&url), clock: tollgate::clock::Clock::manual(1_800_000_000) };
        crate::support::block_on(gateways_at_work(&db));
        assert_eq!(execute(&server.url, ADVISORY_LOCKS).unwrap(), ["0"], "{settings}");
    }
}

async fn gateways_at_work(db: &Database) {
    let stores: Vec<_> = (0..4).map(|_| db.replica()).collect();
    let calls = (0..20).flat_map(|round| stores.iter().map(move |store| (round, store)));
    let done = calls.enumerate().map(async |(number, (round, store))| {
        store.ping().await.unwrap();
        let user = db.new_user(&format!("user{number}"), Role::User);
        assert!(matches!(store.create::<UserRow>(user.clone(), None).await.unwrap(), Created::New(_)));
        assert_eq!(store.user(user.id).await.unwrap().unwrap().id, user.id, "round {round}");
        store.beat("here").await.unwrap();
        assert!(store.identity_revision().await.unwrap() > 0);
    });
    join_all(done).await;
}
