//! A Redis server of a test's own, which it may kill and start again.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU16, Ordering},
};

use tempfile::TempDir;

use super::{PATIENCE, eventually, gateway::signal};

/// Ports are taken from here on: below those of outgoing connections, so that none takes the port of a killed server.
const FIRST_PORT: u16 = 20_000;
const PORTS: u16 = 10_000;

static TAKEN: AtomicU16 = AtomicU16::new(0);

/// A server that writes nothing to disk by itself: killed, it forgets everything since [`RedisServer::save`].
pub struct RedisServer {
    child: Child,
    pub address: SocketAddr,
    folder: TempDir,
    arguments: Vec<String>,
}

impl RedisServer {
    pub fn start() -> Self {
        Self::with(&[])
    }

    /// A server with further arguments.
    pub fn with(arguments: &[&str]) -> Self {
        let none = ["--save", "", "--appendonly", "no"].iter();
        Self::run(TempDir::new().unwrap(), none.chain(arguments).map(ToString::to_string).collect())
    }

    /// A sentinel that watches this server under a name.
    pub fn sentinel(&self, master: &str) -> Self {
        let folder = TempDir::new().unwrap();
        let file = folder.path().join("sentinel.conf");
        let (ip, port) = (self.address.ip(), self.address.port());
        std::fs::write(&file, format!("sentinel monitor {master} {ip} {port} 1\n")).unwrap();
        Self::run(folder, vec![file.to_str().unwrap().into(), "--sentinel".into()])
    }

    /// Sends a command that succeeds.
    pub fn tell(&self, command: &str) {
        let answer = ask(self.address, command);
        assert!(answer.as_ref().is_some_and(|answer| answer.starts_with("+OK")), "{command}: {answer:?}");
    }

    /// What it says to a command.
    pub fn asked(&self, command: &str) -> Option<String> {
        ask(self.address, command)
    }

    fn run(folder: TempDir, arguments: Vec<String>) -> Self {
        // Another process may take the port before the server does.
        let (child, address) = eventually("a Redis server starts", || {
            let address = free_address();
            let mut child = spawn(address, &folder, &arguments);
            serves(&mut child, address).then_some((child, address))
        });
        Self { child, address, folder, arguments }
    }

    pub fn url(&self) -> String {
        format!("redis://{}", self.address)
    }

    /// As `kill -9` does.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Writes a snapshot, with which a killed server starts again.
    pub fn save(&self) {
        assert!(ask(self.address, "SAVE").is_some_and(|answer| answer.starts_with("+OK")));
    }

    /// Deletes the keys of a pattern, as an eviction does.
    pub fn delete(&self, pattern: &str) {
        let script = format!("return redis.call('DEL',unpack(redis.call('KEYS','{pattern}')))");
        assert!(ask(self.address, &format!("EVAL \"{script}\" 0")).is_some());
    }

    /// After `STOP` it keeps its connections and answers nothing, until it is sent `CONT`.
    pub fn signal(&self, name: &str) {
        signal(self.child.id(), name);
    }

    /// Starts a killed server on the port it had, empty or with the snapshot, and waits until it serves.
    pub fn start_again(&mut self) {
        self.child = spawn(self.address, &self.folder, &self.arguments);
        assert!(serves(&mut self.child, self.address), "Redis did not start again at {}", self.address);
    }

    /// How many scripts it was asked to run.
    pub fn script_calls(&self) -> u64 {
        let statistics = ask(self.address, "INFO commandstats").unwrap();
        let calls = |name: &str| {
            let line = statistics.lines().find(|line| line.starts_with(&format!("cmdstat_{name}:")))?;
            line.split("calls=").nth(1)?.split(',').next()?.parse::<u64>().ok()
        };
        ["eval", "evalsha", "fcall"].into_iter().filter_map(calls).sum()
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        // It has ended already where a test killed it.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn spawn(address: SocketAddr, folder: &TempDir, arguments: &[String]) -> Child {
    Command::new("redis-server")
        .args(arguments)
        .args(["--bind", &address.ip().to_string(), "--port", &address.port().to_string(), "--dir"])
        .arg(folder.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .unwrap_or_else(|error| panic!("redis-server, which scripts/test installs: {error}"))
}

/// Waits until the server answers; false if it ends instead.
fn serves(child: &mut Child, address: SocketAddr) -> bool {
    eventually("Redis answers or ends", || {
        let has_ended = child.try_wait().unwrap().is_some();
        (has_ended || ask(address, "PING").is_some()).then_some(!has_ended)
    })
}

/// Another port each time.
pub fn free_address() -> SocketAddr {
    let first = u16::try_from(std::process::id() % u32::from(PORTS)).unwrap();
    eventually("a port is free", || {
        let offset = (first + TAKEN.fetch_add(1, Ordering::Relaxed)) % PORTS;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, FIRST_PORT + offset));
        TcpListener::bind(address).ok().map(|_| address)
    })
}

/// Sends a command and gives the answer, if there is one.
fn ask(address: SocketAddr, command: &str) -> Option<String> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(format!("{command}\r\n").as_bytes()).ok()?;
    let (mut reader, mut first) = (BufReader::new(stream), String::new());
    reader.read_line(&mut first).ok()?;
    let Some(length) = first.strip_prefix('$') else { return first.starts_with(['+', ':']).then_some(first) };
    let mut body = vec![0; length.trim().parse().unwrap()];
    reader.read_exact(&mut body).ok()?;
    Some(String::from_utf8(body).unwrap())
}
