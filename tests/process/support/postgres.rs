//! A PostgreSQL server of a test's own, which it may stop, pause and start again.

use std::{
    fs,
    net::SocketAddr,
    os::unix::{fs::chown, process::CommandExt},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use tempfile::TempDir;

use super::{Home, MASTER_KEY, database, eventually, gateway::signal, redis::free_address};

pub struct PostgresServer {
    child: Child,
    address: SocketAddr,
    folder: TempDir,
    /// PostgreSQL does not run as root.
    user: Option<(u32, u32)>,
}

impl PostgresServer {
    pub fn start() -> Self {
        let (folder, user) = (TempDir::new().unwrap(), server_user());
        if let Some((user, group)) = user {
            chown(folder.path(), Some(user), Some(group)).unwrap();
        }
        let data = folder.path().join("data");
        let mut initdb = program("initdb", user);
        initdb.arg("--pgdata").arg(&data).args([
            "--username=postgres",
            "--auth=trust",
            "--encoding=UTF8",
            "--no-locale",
        ]);
        let made = initdb.current_dir(folder.path()).output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let (child, address) = eventually("a PostgreSQL server starts", || {
            let address = free_address();
            let mut child = spawn(address, folder.path(), user);
            serves(&mut child, address).then_some((child, address))
        });
        Self { child, address, folder, user }
    }

    pub fn url(&self) -> String {
        url(self.address)
    }

    pub fn home(&self, config: &str) -> Home {
        let home = Home::new().env("TOLLGATE__STORE__URL", &self.url()).env("TOLLGATE_MASTER_KEY", MASTER_KEY);
        home.config(config)
    }

    pub fn query(&self, sql: &str) -> Vec<tokio_postgres::Row> {
        database::query(&self.url(), sql)
    }

    /// Ends it at once, as for a crash of the machine; connections are cut.
    pub fn stop(&mut self) {
        self.signal("QUIT");
        self.child.wait().unwrap();
    }

    pub fn start_again(&mut self) {
        self.child = spawn(self.address, self.folder.path(), self.user);
        assert!(serves(&mut self.child, self.address), "PostgreSQL did not start again at {}", self.address);
    }

    pub fn signal(&self, name: &str) {
        signal(self.child.id(), name);
    }

    /// Sends a signal to every process of the server. After `STOP` connections stand and nothing is answered.
    pub fn signal_all(&self, name: &str) {
        let children = format!("/proc/{0}/task/{0}/children", self.child.id());
        let children = fs::read_to_string(children).unwrap();
        for child in children.split_whitespace() {
            signal(child.parse().unwrap(), name);
        }
        self.signal(name);
    }
}

impl Drop for PostgresServer {
    fn drop(&mut self) {
        // One that a test has paused would never end by itself.
        drop(Command::new("sh").args(["-c", &format!("kill -CONT {0}; kill -QUIT {0}", self.child.id())]).status());
        drop(self.child.wait());
    }
}

fn url(address: SocketAddr) -> String {
    format!("postgres://postgres@{address}/postgres")
}

fn spawn(address: SocketAddr, folder: &Path, user: Option<(u32, u32)>) -> Child {
    let mut command = program("postgres", user);
    command.arg("-D").arg(folder.join("data")).args(["-p", &address.port().to_string()]);
    command.args(["-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="]);
    command.current_dir(folder).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().unwrap()
}

/// Waits until the server answers; false if it ends instead.
fn serves(child: &mut Child, address: SocketAddr) -> bool {
    eventually("PostgreSQL answers or ends", || {
        let has_ended = child.try_wait().unwrap().is_some();
        (has_ended || database::answers(&url(address))).then_some(!has_ended)
    })
}

fn program(name: &str, user: Option<(u32, u32)>) -> Command {
    let mut command = Command::new(folder_of_programs().join(name));
    if let Some((user, group)) = user {
        command.uid(user).gid(group);
    }
    command
}

/// Where Debian puts them, or wherever the path says.
fn folder_of_programs() -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
    let mut folders: Vec<_> = versions.map(|version| version.unwrap().path().join("bin")).collect();
    folders.retain(|folder| folder.join("initdb").exists());
    folders.sort();
    folders.pop().unwrap_or_default()
}

/// Somebody else than root, if that is who runs the tests.
fn server_user() -> Option<(u32, u32)> {
    let id = |arguments: &[&str]| {
        let output = Command::new("id").args(arguments).output().unwrap();
        String::from_utf8(output.stdout).unwrap().trim().parse::<u32>().ok()
    };
    if id(&["-u"]) != Some(0) {
        return None;
    }
    let of = |user: &str| Some((id(&["-u", user])?, id(&["-g", user])?));
    of("postgres").or_else(|| of("nobody"))
}
