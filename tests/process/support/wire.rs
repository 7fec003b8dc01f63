//! HTTP/1.1 on a bare socket, for both ends: what is sent is exactly what a test says, what comes is told apart into
//! whole and cut messages.

use std::{
    io::{ErrorKind, Read, Write},
    net::{SocketAddr, TcpStream},
};

use serde_json::Value;

use super::PATIENCE;

/// What a connection is carried by.
pub trait Channel: Read + Write + Send + Sync {
    /// The socket under it.
    fn socket(&self) -> &TcpStream;
}

impl Channel for TcpStream {
    fn socket(&self) -> &TcpStream {
        self
    }
}

/// One end of a connection.
pub struct Wire {
    stream: Box<dyn Channel>,
    received: Vec<u8>,
}

/// A request or an answer.
#[derive(Debug, Clone, Default)]
pub struct Message {
    /// The first line.
    pub start: String,
    /// In the order they came, names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// False where the connection ended before the message did.
    pub complete: bool,
}

/// A request with a token and without a body.
pub fn request(method: &str, path: &str, token: &str) -> String {
    format!("{method} {path} HTTP/1.1\r\nhost: gateway.test\r\nauthorization: Bearer {token}\r\n\r\n")
}

/// `body` as one chunk, and the last chunk.
pub fn chunked(body: &str) -> String {
    format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len())
}

impl Wire {
    pub fn connect(address: SocketAddr) -> Self {
        Self::new(TcpStream::connect(address).unwrap())
    }

    pub fn new(stream: TcpStream) -> Self {
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        Self::over(stream)
    }

    /// On a channel that is ready.
    pub fn over(channel: impl Channel + 'static) -> Self {
        Self { stream: Box::new(channel), received: vec![] }
    }

    pub fn stream(&self) -> &TcpStream {
        self.stream.socket()
    }

    pub fn say(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).unwrap();
        self.stream.flush().unwrap();
    }

    /// False if the other end is gone.
    pub fn try_say(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.stream.write_all(bytes.as_ref()).is_ok()
    }

    /// Reads a request or an answer with its body.
    pub fn message(&mut self) -> Message {
        let mut message = self.head();
        (message.body, message.complete) = self.body(&message);
        message
    }

    /// Reads up to the empty line. At the end of the connection: a message that is not complete.
    pub fn head(&mut self) -> Message {
        match self.line() {
            None => Message::default(),
            Some(start) => {
                let headers = std::iter::from_fn(|| self.line().filter(|line| !line.is_empty())).map(|line| {
                    let (name, value) = line.split_once(':').unwrap();
                    (name.to_lowercase(), value.trim().to_owned())
                });
                Message { start, headers: headers.collect(), body: vec![], complete: true }
            }
        }
    }

    /// Reads one chunk of a chunked body; `None` at the last one, or where it is cut.
    pub fn chunk(&mut self) -> Option<Vec<u8>> {
        let length = usize::from_str_radix(self.line()?.split(';').next()?, 16).unwrap();
        let data = self.exactly(length)?;
        self.line()?;
        (length > 0).then_some(data)
    }

    /// Reads `length` bytes, or fewer where the connection ends before.
    pub fn bytes(&mut self, length: usize) -> Vec<u8> {
        self.exactly(length).unwrap_or_else(|| std::mem::take(&mut self.received))
    }

    /// Reads up to `length` bytes, keeping none, and counts them.
    pub fn count(&mut self, length: usize) -> usize {
        let mut total = self.received.len();
        while total < length && self.fill_anew() > 0 {
            total += self.received.len();
        }
        self.received.clear();
        total
    }

    /// True once the other end has closed or reset the connection and nothing is left to read.
    pub fn is_closed(&mut self) -> bool {
        self.received.is_empty() && self.fill() == 0
    }

    /// True if something has come, or the other end has closed.
    pub fn has_something(&self) -> bool {
        if !self.received.is_empty() {
            return true;
        }
        self.stream().set_nonblocking(true).unwrap();
        let peeked = self.stream().peek(&mut [0]);
        self.stream().set_nonblocking(false).unwrap();
        peeked.is_ok()
    }

    /// Drops what comes until the other end closes.
    pub fn drain(&mut self) {
        while self.fill_anew() > 0 {}
    }

    fn body(&mut self, head: &Message) -> (Vec<u8>, bool) {
        if head.start.is_empty() {
            return (vec![], false);
        }
        if head.is_answer() && matches!(head.status(), 100..=199 | 204 | 304) {
            return (vec![], true);
        }
        if head.header("transfer-encoding").is_some_and(|coding| coding.ends_with("chunked")) {
            return self.chunks();
        }
        match head.header("content-length") {
            Some(length) => match self.exactly(length.parse().unwrap()) {
                Some(body) => (body, true),
                None => (std::mem::take(&mut self.received), false),
            },
            None if head.is_answer() => (self.rest(), true),
            None => (vec![], true),
        }
    }

    fn chunks(&mut self) -> (Vec<u8>, bool) {
        let mut body = vec![];
        loop {
            let Some(length) = self.line() else { return (body, false) };
            let length = usize::from_str_radix(&length, 16).unwrap();
            let Some(data) = self.exactly(length) else { return (body, false) };
            body.extend(data);
            if self.line().is_none() {
                return (body, false);
            }
            if length == 0 {
                return (body, true);
            }
        }
    }

    fn rest(&mut self) -> Vec<u8> {
        while self.fill() > 0 {}
        std::mem::take(&mut self.received)
    }

    fn line(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.received.windows(2).position(|pair| pair == b"\r\n") {
                let line: Vec<u8> = self.received.drain(..end + 2).collect();
                return Some(String::from_utf8_lossy(&line[..end]).into_owned());
            }
            if self.fill() == 0 {
                return None;
            }
        }
    }

    fn exactly(&mut self, length: usize) -> Option<Vec<u8>> {
        while self.received.len() < length {
            if self.fill() == 0 {
                return None;
            }
        }
        Some(self.received.drain(..length).collect())
    }

    fn fill_anew(&mut self) -> usize {
        self.received.clear();
        self.fill()
    }

    fn fill(&mut self) -> usize {
        let mut buffer = [0; 16 * 1024];
        match self.stream.read(&mut buffer) {
            Ok(length) => {
                self.received.extend_from_slice(&buffer[..length]);
                length
            }
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::ConnectionReset | ErrorKind::BrokenPipe | ErrorKind::UnexpectedEof
                ) =>
            {
                0
            }
            // A child was stopped or went on, which says nothing of this connection.
            Err(error) if error.kind() == ErrorKind::Interrupted => self.fill(),
            Err(error) => panic!("nothing came: {error}; so far: {:?}", String::from_utf8_lossy(&self.received)),
        }
    }
}

impl Message {
    pub fn status(&self) -> u16 {
        self.start.split(' ').nth(1).unwrap_or_else(|| panic!("no answer: {self:?}")).parse().unwrap()
    }

    /// The request target.
    pub fn target(&self) -> &str {
        self.start.split(' ').nth(1).unwrap()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.all(name).first().copied()
    }

    pub fn all(&self, name: &str) -> Vec<&str> {
        self.headers.iter().filter(|(n, _)| n == name).map(|(_, value)| value.as_str()).collect()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn request_id(&self) -> String {
        self.header("x-request-id").unwrap_or_else(|| panic!("no request id: {self:?}")).to_owned()
    }

    /// Checks the status and the code of a refusal.
    pub fn assert_problem(&self, status: u16, code: &str) {
        assert_eq!(self.status(), status, "{}", self.text());
        assert_eq!(self.header("content-type"), Some("application/problem+json"));
        let problem = self.json();
        assert!(problem["type"].as_str().unwrap().ends_with(code), "{problem}");
        assert_eq!(problem["instance"].as_str(), self.header("x-request-id"), "{problem}");
    }

    fn is_answer(&self) -> bool {
        self.start.starts_with("HTTP/")
    }
}
