//! The folder that a test's gateways run in, with their configuration and environment.

use std::{
    cell::Cell,
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    sync::Arc,
    thread,
};

use tempfile::TempDir;

use super::{
    Gateway,
    gateway::{Starting, signal},
    has_come,
};

/// The password of `admin` where a test does not want it made up.
pub const PASSWORD: &str = "a password for the tests of the process";

/// Limits far above what a test sends, and the built-in echo service.
const BASE: &str = r#"
[edge]
requests_per_s = 1000000
burst = 1000000
[[limits]]
name = "per-user"
routes = ["*"]
per = "user"
unit = "requests"
limit = 1000000
window_s = 1
[[routes]]
name = "echo"
path = "/echo"
match = "prefix"
methods = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]
roles = ["admin", "user", "readonly"]
upstream = "builtin:echo"
"#;

/// A folder that gateways run in, one after the other, with a configuration and an environment.
pub struct Home {
    folder: Arc<TempDir>,
    environment: Vec<(String, String)>,
    has_config: bool,
    starts: Cell<u32>,
}

impl Home {
    /// With only the ports set.
    pub fn bare() -> Self {
        let home = Self {
            folder: Arc::new(TempDir::new().unwrap()),
            environment: vec![],
            has_config: false,
            starts: Cell::new(0),
        };
        home.env("TOLLGATE__SERVER__PORT", "0").env("TOLLGATE__OPS__PORT", "0")
    }

    /// With a known password and limits that are never met.
    pub fn new() -> Self {
        Self::bare().env("TOLLGATE_ADMIN_PASSWORD", PASSWORD).config("")
    }

    /// Forwards `/up` to `upstream`; `settings` go into the upstream's entry, `sections` stand by themselves.
    pub fn forwarding_to(upstream: SocketAddr, settings: &str, sections: &str) -> Self {
        Self::new().config(&with_upstream(upstream, settings, sections))
    }

    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }

    /// Sets the configuration: the base of all tests, and `text`.
    pub fn config(mut self, text: &str) -> Self {
        self.write_config(&format!("{BASE}{text}"));
        self.has_config = true;
        self
    }

    pub fn write_config(&self, text: &str) {
        fs::write(self.config_file(), text).unwrap();
    }

    /// Changes the configuration as `config` does, for a gateway to read again.
    pub fn rewrite_config(&self, text: &str) {
        self.write_config(&format!("{BASE}{text}"));
    }

    pub fn config_file(&self) -> PathBuf {
        self.path().join("tollgate.toml")
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    pub fn database(&self) -> PathBuf {
        self.path().join("data/tollgate.db")
    }

    /// The program with its arguments; of the environment only what the test set, and the path.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tollgate"));
        command.args(arguments).current_dir(self.path()).stdin(Stdio::null()).env_clear();
        command.env("PATH", std::env::var_os("PATH").unwrap()).envs(self.environment.iter().cloned());
        if self.has_config {
            command.arg("--config").arg(self.config_file());
        }
        command
    }

    /// Runs the program to its end.
    pub fn run(&self, arguments: &[&str]) -> Output {
        run(self.command(arguments))
    }

    /// Starts a gateway and waits until it serves.
    pub fn start(&self) -> Gateway {
        self.spawn().serving()
    }

    /// Starts a gateway that is told of a file that may not grow, as of a full disk, and not killed for it. Which size is too
    /// large, [`Gateway::bound_files`] says.
    pub fn start_with_bounds(&self) -> Gateway {
        let command = self.command(&[]);
        let mut shell = Command::new("sh");
        shell.args(["-c", "trap '' XFSZ; exec \"$@\"", "sh"]).arg(command.get_program()).args(command.get_args());
        shell.current_dir(self.path()).stdin(Stdio::null()).env_clear();
        shell.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        self.spawn_as(shell).serving()
    }

    /// Starts a gateway and waits for nothing.
    pub fn spawn(&self) -> Starting {
        self.spawn_as(self.command(&[]))
    }

    /// Starts what leads to a gateway, with the environment of this home.
    pub fn spawn_in(&self, mut command: Command) -> Starting {
        command.current_dir(self.path()).stdin(Stdio::null()).env_clear();
        command.env("PATH", std::env::var_os("PATH").unwrap()).envs(self.environment.iter().cloned());
        self.spawn_as(command)
    }

    fn spawn_as(&self, command: Command) -> Starting {
        self.starts.set(self.starts.get() + 1);
        let file = |name: &str| self.path().join(format!("{name}.{}", self.starts.get()));
        let (out, err) = (file("out"), file("err"));
        Starting::new(command, out, err, Arc::clone(&self.folder))
    }
}

/// The configuration's part for one upstream behind `/up`.
pub fn with_upstream(upstream: SocketAddr, settings: &str, sections: &str) -> String {
    format!(
        r#"
{sections}
[[upstreams]]
name = "raw"
url = "http://{upstream}"
{settings}
[[routes]]
name = "up"
path = "/up"
match = "prefix"
methods = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]
roles = ["admin", "user", "readonly"]
upstream = "raw"
"#
    )
}

/// Runs a program to its end, which must come by itself.
pub fn run(mut command: Command) -> Output {
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let pid = child.id();
    let waiting = thread::spawn(|| child.wait_with_output().unwrap());
    if !has_come(|| waiting.is_finished()) {
        signal(pid, "KILL");
    }
    let output = waiting.join().unwrap();
    assert!(output.status.code().is_some(), "it did not end by itself: {}", String::from_utf8_lossy(&output.stderr));
    output
}
