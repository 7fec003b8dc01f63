//! An upstream made of a bare socket.

use std::net::{Ipv4Addr, SocketAddr};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

/// A socket that takes the gateway's calls, one at a time, when the test says so.
pub struct RawUpstream {
    listener: TcpListener,
    pub address: SocketAddr,
}

impl RawUpstream {
    pub async fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        Self { listener, address }
    }

    /// An address where nothing listens: every call is refused.
    pub async fn nowhere() -> SocketAddr {
        Self::start().await.address
    }

    /// TOML of an upstream at `address` and a route `/up` to it for everybody.
    pub fn route_to(address: SocketAddr) -> String {
        format!(
            r#"
            [[upstreams]]
            name = "raw"
            url = "http://{address}"
            [[routes]]
            name = "up"
            path = "/up"
            match = "prefix"
            methods = ["GET", "POST"]
            roles = ["admin", "user"]
            upstream = "raw"
            "#
        )
    }

    /// Takes one call, reads its head and answers these bytes. The connection stays open with what is returned.
    pub async fn take(&self, answer: &str) -> TcpStream {
        let (mut stream, _) = self.listener.accept().await.unwrap();
        let mut head = vec![];
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
        stream.write_all(answer.as_bytes()).await.unwrap();
        stream
    }

    /// Takes one call, reads all of it and answers these bytes. Gives the open connection and the call.
    pub async fn serve(&self, answer: &str) -> (TcpStream, String) {
        let (mut stream, _) = self.listener.accept().await.unwrap();
        let mut request = String::new();
        while !is_whole(&request) {
            let mut piece = [0; 4096];
            let length = stream.read(&mut piece).await.unwrap();
            assert!(length > 0, "the gateway hung up within its request");
            request.push_str(std::str::from_utf8(&piece[..length]).unwrap());
        }
        stream.write_all(answer.as_bytes()).await.unwrap();
        (stream, request)
    }
}

/// Whether a request with a stated length, or without a body, is complete.
fn is_whole(request: &str) -> bool {
    let Some((head, body)) = request.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    let is_chunked = head.contains("transfer-encoding:");
    length.map_or(!is_chunked, |length| length.parse::<usize>().unwrap() <= body.len())
}
