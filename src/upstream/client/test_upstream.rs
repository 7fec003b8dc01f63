//! A raw-socket upstream for the client's tests: it says byte for byte what a test wants, however wrong.

use std::{net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use crate::upstream::{InFlight, Target};

/// Longer than any test takes, for those that wait for nothing.
const LONG: Duration = Duration::from_mins(1);

pub(super) struct RawUpstream {
    listener: TcpListener,
}

/// One connection to it.
pub(super) struct Conversation {
    socket: TcpStream,
}

impl RawUpstream {
    pub async fn start() -> Self {
        Self { listener: TcpListener::bind("127.0.0.1:0").await.unwrap() }
    }

    pub fn address(&self) -> SocketAddr {
        self.listener.local_addr().unwrap()
    }

    pub fn target(&self) -> Target {
        self.target_at("http", "")
    }

    pub fn target_at(&self, scheme: &str, base_path: &str) -> Target {
        Target {
            name: "raw".into(),
            kind: format!("{scheme}://{}{base_path}", self.address()).parse().unwrap(),
            secret: None,
            connect_timeout: LONG,
            timeout: LONG,
            in_flight: InFlight::new(10),
            own_tls: None,
        }
    }

    pub async fn accept(&self) -> Conversation {
        Conversation { socket: self.listener.accept().await.unwrap().0 }
    }

    /// Reads one request, answers it and closes the connection.
    pub async fn answer_once(&self, answer: &str) -> String {
        let mut conversation = self.accept().await;
        let request = conversation.head().await;
        conversation.say(answer).await;
        request
    }

    /// Whether a connection waits to be accepted. On loopback a connect has reached the queue when it returns.
    pub async fn has_another_connection(&self) -> bool {
        std::future::poll_fn(|cx| std::task::Poll::Ready(self.listener.poll_accept(cx).is_ready())).await
    }
}

impl Conversation {
    /// Reads up to and with the empty line.
    pub async fn head(&mut self) -> String {
        self.until("\r\n\r\n").await
    }

    /// Reads until what was read ends with `end`, or the client closes.
    pub async fn until(&mut self, end: &str) -> String {
        let mut read = Vec::new();
        while !read.ends_with(end.as_bytes()) {
            match self.socket.read_u8().await {
                Ok(byte) => read.push(byte),
                Err(_closed) => break,
            }
        }
        String::from_utf8(read).unwrap()
    }

    pub async fn say(&mut self, text: &str) {
        self.socket.write_all(text.as_bytes()).await.unwrap();
    }
}
