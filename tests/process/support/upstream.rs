//! An upstream that does exactly what a test says, on a bare socket.

use std::{
    io::ErrorKind,
    net::{SocketAddr, TcpListener},
};

use super::{Message, Wire, eventually};

/// Listens on a free port. Nothing is answered unless a test does.
pub struct Upstream {
    listener: TcpListener,
}

/// One connection that the gateway made, and the request that came over it.
pub struct Exchange {
    pub wire: Wire,
    pub request: Message,
}

impl Upstream {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        Self { listener }
    }

    pub fn address(&self) -> SocketAddr {
        self.listener.local_addr().unwrap()
    }

    /// Waits for the gateway's next connection.
    pub fn accept(&self) -> Wire {
        eventually("the gateway connects to its upstream", || self.try_accept())
    }

    /// Waits for the gateway's next connection and reads the request.
    pub fn exchange(&self) -> Exchange {
        let mut wire = self.accept();
        let request = wire.message();
        Exchange { wire, request }
    }

    /// A connection that the gateway has made already.
    pub fn try_accept(&self) -> Option<Wire> {
        match self.listener.accept() {
            Ok((stream, _)) => {
                stream.set_nonblocking(false).unwrap();
                Some(Wire::new(stream))
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => None,
            Err(error) => panic!("{error}"),
        }
    }
}

impl Exchange {
    /// Answers 200 with a body.
    pub fn answer(&mut self, body: &str) {
        self.wire.say(format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len()));
    }
}
