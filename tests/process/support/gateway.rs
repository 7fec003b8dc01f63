//! The `tollgate` process: started by [`Home`](super::Home), and killed when its test ends.

use std::{
    fs::{self, File},
    net::SocketAddr,
    path::PathBuf,
    process::{Child, Command, ExitStatus},
    sync::Arc,
};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::{Message, PASSWORD, Wire, eventually, request};

/// A gateway that serves.
pub struct Gateway {
    child: Child,
    pub address: SocketAddr,
    pub ops: SocketAddr,
    out: PathBuf,
    err: PathBuf,
    /// Kept as long as the gateway runs, which notices when its files are gone.
    _folder: Arc<TempDir>,
}

/// A process that does not serve yet.
pub struct Starting(Gateway);

impl Starting {
    pub fn new(mut command: Command, out: PathBuf, err: PathBuf, folder: Arc<TempDir>) -> Self {
        command.stdout(File::create(&out).unwrap()).stderr(File::create(&err).unwrap());
        let child = command.spawn().unwrap();
        let nowhere = SocketAddr::from(([127, 0, 0, 1], 0));
        Self(Gateway { child, address: nowhere, ops: nowhere, out, err, _folder: folder })
    }

    pub fn serving(mut self) -> Gateway {
        let gateway = &mut self.0;
        (gateway.address, gateway.ops) = eventually("the gateway serves", || {
            if let Some(status) = gateway.child.try_wait().unwrap() {
                panic!("it did not start: {status}\n{}", gateway.log());
            }
            let log = gateway.log();
            let line = log.lines().find(|line| line.contains(" serving ") && line.contains(" ops="))?;
            let after = |key: &str| line.split(key).nth(1)?.split_whitespace().next()?.parse().ok();
            Some((after(" address=")?, after(" ops=")?))
        });
        self.0
    }
}

impl Gateway {
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn output(&self) -> String {
        fs::read_to_string(&self.out).unwrap()
    }

    /// Standard error so far, without colours.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.err).unwrap()
    }

    pub fn connect(&self) -> Wire {
        Wire::connect(self.address)
    }

    /// Sends a request on a connection of its own and reads the answer.
    pub fn send(&self, bytes: impl AsRef<[u8]>) -> Message {
        let mut wire = self.connect();
        wire.say(bytes);
        wire.message()
    }

    pub fn get(&self, path: &str, token: &str) -> Message {
        self.send(request("GET", path, token))
    }

    pub fn json(&self, method: &str, path: &str, token: &str, body: &Value) -> Message {
        let body = body.to_string();
        self.send(format!(
            "{method} {path} HTTP/1.1\r\nhost: gateway.test\r\nauthorization: Bearer {token}\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        ))
    }

    /// Tries to log in.
    pub fn try_login(&self, username: &str, password: &str) -> Message {
        let body = json!({"username": username, "password": password}).to_string();
        let length = body.len();
        self.send(format!(
            "POST /auth/login HTTP/1.1\r\nhost: gateway.test\r\ncontent-type: application/json\r\n\
             content-length: {length}\r\n\r\n{body}"
        ))
    }

    /// Logs in and gives the access token.
    pub fn login(&self, username: &str, password: &str) -> String {
        let answer = self.try_login(username, password);
        assert_eq!(answer.status(), 200, "{}", answer.text());
        answer.json()["access_token"].as_str().unwrap().to_owned()
    }

    pub fn admin(&self) -> String {
        self.login("admin", PASSWORD)
    }

    /// The record of a request, once its outcome is known.
    pub fn record(&self, token: &str, request_id: &str) -> Value {
        eventually("the record has its outcome", || {
            let page = self.get(&format!("/admin/audit?request_id={request_id}"), token).json();
            let items = page["items"].as_array().unwrap_or_else(|| panic!("{page}"));
            assert!(items.len() <= 1, "one record a request: {page}");
            items.first().filter(|record| matches!(record["outcome"].as_str(), Some("complete" | "aborted"))).cloned()
        })
    }

    pub fn signal(&self, name: &str) {
        signal(self.pid(), name);
    }

    /// From here on no file of the process grows beyond so many bytes; `None` lets them grow again.
    pub fn bound_files(&self, bytes: Option<u64>) {
        let bytes = bytes.map_or("unlimited".into(), |bytes| bytes.to_string());
        let arguments = ["--pid", &self.pid().to_string(), &format!("--fsize={bytes}:")];
        assert!(Command::new("prlimit").args(arguments).status().unwrap().success());
    }

    /// Waits for the process to end by itself.
    pub fn wait(&mut self) -> ExitStatus {
        eventually("the gateway ends", || self.child.try_wait().unwrap())
    }

    /// As `kill -9` does.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub fn terminate(mut self) -> ExitStatus {
        self.signal("TERM");
        self.wait()
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        // It has ended already where a test waited for it.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

pub fn signal(pid: u32, name: &str) {
    let status = Command::new("sh").args(["-c", &format!("kill -{name} {pid}")]).status().unwrap();
    assert!(status.success());
}
