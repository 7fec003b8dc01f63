//! A gateway before one upstream, with an administrator's token: what most tests of forwarding need.

use serde_json::Value;

use super::{Exchange, Gateway, Home, Message, Upstream, Wire, request};

pub struct Stage {
    pub upstream: Upstream,
    pub gateway: Gateway,
    pub token: String,
    /// Kept as long as the gateway runs in it.
    home: Home,
}

impl Stage {
    pub fn new() -> Self {
        Self::with("", "")
    }

    /// `settings` go into the upstream's entry, `sections` stand by themselves.
    pub fn with(settings: &str, sections: &str) -> Self {
        let upstream = Upstream::start();
        let home = Home::forwarding_to(upstream.address(), settings, sections).env("RAW_SECRET", "sk-upstream");
        Self::of(upstream, home)
    }

    /// In a folder that is set up.
    pub fn of(upstream: Upstream, home: Home) -> Self {
        let gateway = home.start();
        let token = gateway.admin();
        Self { upstream, gateway, token, home }
    }

    /// Sends a call and waits until the upstream has it.
    pub fn call(&self, bytes: impl AsRef<[u8]>) -> (Wire, Exchange) {
        let mut client = self.gateway.connect();
        client.say(bytes);
        (client, self.upstream.exchange())
    }

    /// Gives what the upstream got and what the client got for `answer`, after which the upstream closes.
    pub fn carry(&self, bytes: impl AsRef<[u8]>, answer: &str) -> (Message, Message) {
        let (mut client, Exchange { mut wire, request }) = self.call(bytes);
        wire.say(answer);
        drop(wire);
        (request, client.message())
    }

    /// What the client gets when its GET is answered with `answer` and a close.
    pub fn answered(&self, answer: &str) -> Message {
        self.carry(self.get("/up"), answer).1
    }

    pub fn get(&self, path: &str) -> String {
        request("GET", path, &self.token)
    }

    /// A request with more header lines, each with its line end, and what follows the head.
    pub fn request(&self, method: &str, path: &str, lines: &str, body: &str) -> String {
        let head = request(method, path, &self.token);
        format!("{}{lines}\r\n{body}", head.strip_suffix("\r\n").unwrap())
    }

    /// Kills the gateway as `kill -9` does, and gives the folder to start another in.
    pub fn kill(self) -> Home {
        self.gateway.kill();
        self.home
    }

    pub fn record(&self, request_id: &str) -> Value {
        self.gateway.record(&self.token, request_id)
    }
}
