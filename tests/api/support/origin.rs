//! An upstream that answers as it is told and remembers what it was asked.

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    net::{Ipv4Addr, SocketAddr},
    rc::Rc,
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::Notify,
};

/// Between two bytes of a body that drips.
const BETWEEN_DRIPS: Duration = Duration::from_millis(50);

/// An HTTP/1.1 server on this thread. Each connection serves one call.
pub struct Origin {
    pub address: SocketAddr,
    inside: Rc<Inside>,
}

#[derive(Default)]
struct Inside {
    script: RefCell<VecDeque<String>>,
    calls: RefCell<Vec<String>>,
    is_held: Cell<bool>,
    drips: Cell<bool>,
    released: Notify,
}

impl Origin {
    pub async fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let inside = Rc::<Inside>::default();
        let serving = Rc::clone(&inside);
        actix_web::rt::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                actix_web::rt::spawn(serve(stream, Rc::clone(&serving)));
            }
        });
        Self { address, inside }
    }

    /// The next call that has no answer yet gets these bytes, and then the connection is closed. Without any left, a call is
    /// answered 200 with its number as the body.
    pub fn answers(&self, bytes: impl Into<String>) {
        self.inside.script.borrow_mut().push_back(bytes.into());
    }

    /// Nothing is prepared for the next call.
    pub fn forget_answers(&self) {
        self.inside.script.borrow_mut().clear();
    }

    /// The heads of all calls, in lower case.
    pub fn calls(&self) -> Vec<String> {
        self.inside.calls.borrow().clone()
    }

    pub fn count(&self) -> usize {
        self.inside.calls.borrow().len()
    }

    /// From here on calls are not answered.
    pub fn hold(&self) {
        self.inside.is_held.set(true);
    }

    /// From here on bodies come a byte at a time.
    pub fn drip(&self) {
        self.inside.drips.set(true);
    }

    /// Those that were held are answered, as far as bodies do not drip.
    pub fn answer_heads(&self) {
        self.inside.is_held.set(false);
        self.inside.released.notify_waiters();
    }

    /// Those that were held are answered, and bodies that drip come whole.
    pub fn release(&self) {
        self.inside.drips.set(false);
        self.answer_heads();
    }
}

/// A whole answer: `status` with its reason, lines of the head, and a body of stated length.
pub fn whole(status: &str, headers: &[(&str, &str)], body: &str) -> String {
    let lines: Vec<String> = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let lines = lines.concat();
    format!("HTTP/1.1 {status}\r\n{lines}content-length: {}\r\n\r\n{body}", body.len())
}

async fn serve(mut stream: TcpStream, inside: Rc<Inside>) {
    let mut call = vec![];
    while !call.windows(4).any(|end| end == b"\r\n\r\n") {
        let mut piece = [0; 4096];
        match stream.read(&mut piece).await {
            Ok(length) if length > 0 => call.extend_from_slice(&piece[..length]),
            _ => return,
        }
    }
    inside.calls.borrow_mut().push(String::from_utf8_lossy(&call).to_lowercase());
    let number = inside.calls.borrow().len();
    let scripted = inside.script.borrow_mut().pop_front();
    while inside.is_held.get() {
        inside.released.notified().await;
    }
    let answer = scripted.unwrap_or_else(|| whole("200 OK", &[], &number.to_string()));
    // So that no other call is sent into a connection that is about to be closed.
    let answer = answer.replacen("\r\n", "\r\nconnection: close\r\n", 1);
    let mut rest = answer.as_bytes();
    if inside.drips.get() {
        let (head, mut body) = rest.split_at(answer.find("\r\n\r\n").map_or(rest.len(), |at| at + 4));
        drop(stream.write_all(head).await);
        while inside.drips.get() && !body.is_empty() {
            tokio::time::sleep(BETWEEN_DRIPS).await;
            let (byte, more) = body.split_at(1);
            drop(stream.write_all(byte).await);
            body = more;
        }
        rest = body;
    }
    drop(stream.write_all(rest).await);
    drop(stream.shutdown().await);
    // The gateway hangs up when it has read all.
    drop(stream.read(&mut [0; 64]).await);
}
