//! HTTP/1.1 over a socket, written out by hand so that a test can send what no client library would.

use std::net::SocketAddr;

use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
    time::timeout,
};

use super::{Answer, PATIENCE, TestGateway};

/// A request to be sent, well-formed unless a test makes it otherwise.
#[derive(Clone)]
pub struct Request<'g> {
    gateway: &'g TestGateway,
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    body: Option<Vec<u8>>,
}

impl<'g> Request<'g> {
    pub fn new(gateway: &'g TestGateway, method: &str, target: &str) -> Self {
        Self { gateway, method: method.into(), target: target.into(), headers: vec![], body: None }
    }

    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    pub fn token(self, token: &str) -> Self {
        self.header("authorization", format!("Bearer {token}"))
    }

    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = Some(body.into());
        self
    }

    pub fn json(self, body: &Value) -> Self {
        self.json_text(body.to_string())
    }

    pub fn json_text(self, body: impl Into<Vec<u8>>) -> Self {
        self.header("content-type", "application/json").body(body)
    }

    /// A form, encoded already.
    pub fn form(self, body: &str) -> Self {
        self.header("content-type", "application/x-www-form-urlencoded").body(body)
    }

    pub async fn send(self) -> Answer {
        self.gateway.raw(self.bytes()).await
    }

    /// The request as it goes over the wire.
    pub fn bytes(&self) -> Vec<u8> {
        let mut head = vec![format!("{} {} HTTP/1.1", self.method, self.target), "host: gateway.test".into()];
        head.extend(self.headers.iter().map(|(name, value)| format!("{name}: {value}")));
        head.extend(self.body.as_ref().map(|body| format!("content-length: {}", body.len())));
        let head = head.join("\r\n") + "\r\n\r\n";
        [head.as_bytes(), self.body.as_deref().unwrap_or_default()].concat()
    }
}

/// A connection to the gateway.
pub struct Connection {
    stream: BufReader<TcpStream>,
}

impl Connection {
    pub async fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream: BufReader::new(stream) }
    }

    /// Sends bytes. That the gateway has hung up meanwhile shows in the answer.
    pub async fn send(&mut self, bytes: &[u8]) {
        drop(self.stream.get_mut().write_all(bytes).await);
    }

    /// Sends while it reads, so that an early answer is not lost.
    pub async fn exchange(&mut self, bytes: &[u8]) -> Answer {
        let without_body = bytes.starts_with(b"HEAD ");
        let (mut reader, mut writer) = self.stream.get_mut().split();
        let mut reader = BufReader::new(&mut reader);
        let sending = async { drop(writer.write_all(bytes).await) };
        let (answer, ()) = tokio::join!(in_time(read_answer(&mut reader, without_body)), sending);
        answer
    }

    pub async fn answer(&mut self) -> Answer {
        in_time(read_answer(&mut self.stream, false)).await
    }

    /// The head of an answer, and its body from here on unread.
    pub async fn head(&mut self) -> Answer {
        in_time(read_head(&mut self.stream)).await
    }

    /// One chunk of a body; empty at its end.
    pub async fn chunk(&mut self) -> Vec<u8> {
        in_time(read_chunk(&mut self.stream)).await
    }

    /// Hangs up with a reset, as a process that is killed does.
    pub fn reset(self) {
        self.stream.get_ref().set_zero_linger().unwrap();
    }

    /// Hangs up in this direction and reads all that still comes.
    pub async fn rest(mut self) -> Vec<u8> {
        drop(self.stream.get_mut().shutdown().await);
        let mut rest = vec![];
        drop(in_time(self.stream.read_to_end(&mut rest)).await);
        rest
    }
}

async fn in_time<T>(reading: impl Future<Output = T>) -> T {
    timeout(PATIENCE, reading).await.expect("the gateway gave no answer")
}

type Reader<'r, R> = &'r mut BufReader<R>;

async fn read_answer<R: AsyncReadExt + Unpin>(reader: Reader<'_, R>, without_body: bool) -> Answer {
    let mut answer = read_head(reader).await;
    if without_body || matches!(answer.status, 204 | 304) {
        return answer;
    }
    if answer.header("transfer-encoding") == Some("chunked") {
        while let chunk @ [_, ..] = read_chunk(reader).await.as_slice() {
            answer.body.extend_from_slice(chunk);
        }
    } else if let Some(length) = answer.header("content-length") {
        answer.body = vec![0; length.parse().unwrap()];
        reader.read_exact(&mut answer.body).await.unwrap();
    } else {
        reader.read_to_end(&mut answer.body).await.unwrap();
    }
    answer
}

async fn read_head<R: AsyncReadExt + Unpin>(reader: Reader<'_, R>) -> Answer {
    let status_line = read_line(reader).await;
    let status = status_line.split(' ').nth(1).and_then(|status| status.parse().ok());
    let status = status.unwrap_or_else(|| panic!("not a status line: {status_line:?}"));
    let mut headers = vec![];
    loop {
        let line = read_line(reader).await;
        let Some((name, value)) = line.split_once(':') else {
            return Answer { status, headers, body: vec![] };
        };
        headers.push((name.to_lowercase(), value.trim().to_owned()));
    }
}

async fn read_chunk<R: AsyncReadExt + Unpin>(reader: Reader<'_, R>) -> Vec<u8> {
    let size = read_line(reader).await;
    let mut chunk = vec![0; usize::from_str_radix(&size, 16).unwrap()];
    reader.read_exact(&mut chunk).await.unwrap();
    assert_eq!(read_line(reader).await, "");
    chunk
}

async fn read_line<R: AsyncReadExt + Unpin>(reader: Reader<'_, R>) -> String {
    let mut line = vec![];
    reader.read_until(b'\n', &mut line).await.expect("the connection was reset");
    String::from_utf8(line).unwrap().trim_end().to_owned()
}
