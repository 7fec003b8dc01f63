//! Calls at a fixed rate, whatever becomes of them: an open loop over connections that are kept alive, all on one thread.

use std::{
    cell::Cell,
    net::{Ipv4Addr, SocketAddr},
    sync::atomic::{AtomicBool, AtomicU16, Ordering},
    thread,
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    runtime,
    time::{sleep, timeout},
};

use super::{PATIENCE, now, request};

/// The most calls under way on one gateway.
const CONNECTIONS: u64 = 32;
/// Calls that are late by more are left out, so that a pause is not made up for.
const MOST_LATE_US: u64 = 100_000;

/// Where a share of the calls goes; another address after a gateway was started again.
pub struct Target {
    /// 0: nowhere.
    port: AtomicU16,
    /// Calls in a thousand seconds.
    rate: u64,
}

/// One call and what became of it. Times are in microseconds since the load began.
pub struct Call {
    /// Which of the targets.
    pub target: usize,
    /// Just before the first byte was written.
    pub sent: u64,
    /// When the last byte was read.
    pub completed: u64,
    /// 0: there was no whole answer.
    pub status: u16,
    /// Empty for 200 and 429.
    pub body: String,
}

/// The time since the load began.
#[derive(Clone, Copy)]
pub struct Stopwatch(Instant);

/// Which calls are next.
struct Slots {
    next: Cell<u64>,
    rate: u64,
}

impl Target {
    pub fn new(address: SocketAddr, calls_in_1000_s: u64) -> Self {
        Self { port: AtomicU16::new(address.port()), rate: calls_in_1000_s }
    }

    pub fn moves_to(&self, address: SocketAddr) {
        self.port.store(address.port(), Ordering::Relaxed);
    }

    /// No call is sent until it has another address.
    pub fn is_gone(&self) {
        self.port.store(0, Ordering::Relaxed);
    }
}

impl Call {
    pub fn latency(&self) -> u64 {
        self.completed - self.sent
    }
}

impl Stopwatch {
    pub fn us(self) -> u64 {
        u64::try_from(self.0.elapsed().as_micros()).unwrap()
    }

    /// Lets the load go on until then.
    pub fn wait_until(self, us: u64) {
        thread::sleep(Duration::from_micros(us.saturating_sub(self.us())));
    }
}

/// Calls all targets while `meanwhile` runs, and gives all calls and how long that was, in microseconds.
pub fn under_load(targets: &[Target], token: &str, meanwhile: impl FnOnce(Stopwatch)) -> (Vec<Call>, u64) {
    let (watch, is_over) = (Stopwatch(now()), AtomicBool::new(false));
    let request = request("GET", "/echo", token);
    thread::scope(|scope| {
        let calling = scope.spawn(|| {
            let runtime = runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(join_all(targets.iter().enumerate().map(|(number, target)| {
                let caller = Caller { number, target, request: &request, watch, is_over: &is_over };
                caller.call_all()
            })))
        });
        let calls = {
            // Also when a check in it fails: the scope waits for the load.
            let ended = EndsLoad(&is_over);
            meanwhile(watch);
            drop(ended);
            calling.join().unwrap()
        };
        (calls.into_iter().flatten().collect(), watch.us())
    })
}

struct EndsLoad<'a>(&'a AtomicBool);

impl Drop for EndsLoad<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Slots {
    /// When the next call is due, in microseconds.
    fn take(&self, now: u64) -> u64 {
        let earliest = now.saturating_sub(MOST_LATE_US) * self.rate / 1_000_000_000;
        let slot = self.next.get().max(earliest);
        self.next.set(slot + 1);
        slot * 1_000_000_000 / self.rate
    }
}

struct Caller<'a> {
    number: usize,
    target: &'a Target,
    request: &'a str,
    watch: Stopwatch,
    is_over: &'a AtomicBool,
}

impl Caller<'_> {
    async fn call_all(self) -> Vec<Call> {
        let slots = Slots { next: Cell::new(0), rate: self.target.rate };
        let calls = join_all((0..CONNECTIONS).map(|_| self.call_on_one_connection(&slots))).await;
        calls.into_iter().flatten().collect()
    }

    async fn call_on_one_connection(&self, slots: &Slots) -> Vec<Call> {
        let (mut calls, mut connection) = (vec![], None);
        loop {
            let due = slots.take(self.watch.us());
            // In short pieces, because the next call of a small share may be due long after the end.
            while self.watch.us() < due && !self.is_over.load(Ordering::Relaxed) {
                sleep(Duration::from_micros((due - self.watch.us().min(due)).min(MOST_LATE_US))).await;
            }
            if self.is_over.load(Ordering::Relaxed) {
                return calls;
            }
            let port = self.target.port.load(Ordering::Relaxed);
            if port != 0 {
                let (call, kept) = self.call(port, connection.take()).await;
                connection = kept;
                calls.push(call);
            }
        }
    }

    /// On the connection that is left from the call before, if it leads there.
    async fn call(&self, port: u16, connection: Option<(u16, TcpStream)>) -> (Call, Option<(u16, TcpStream)>) {
        let connected = match connection.filter(|(to, _)| *to == port) {
            Some((_, stream)) => Ok(stream),
            None => TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await,
        };
        let sent = self.watch.us();
        let (answer, kept) = match connected {
            Ok(mut stream) => {
                (timeout(PATIENCE, exchange(&mut stream, self.request)).await.ok().flatten(), Some(stream))
            }
            Err(_) => (None, None),
        };
        let completed = self.watch.us();
        let kept = kept.filter(|_| answer.is_some()).map(|stream| (port, stream));
        let (status, body) = answer.unwrap_or_default();
        (Call { target: self.number, sent, completed, status, body }, kept)
    }
}

/// Sends the request and reads the whole answer; `None` if the connection ends before.
async fn exchange(stream: &mut TcpStream, request: &str) -> Option<(u16, String)> {
    stream.write_all(request.as_bytes()).await.ok()?;
    let mut received = Vec::with_capacity(2048);
    loop {
        if stream.read_buf(&mut received).await.ok()? == 0 {
            return None;
        }
        let Some(head) = received.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
        let text = std::str::from_utf8(&received[..head]).unwrap();
        let status = text.split(' ').nth(1).unwrap().parse().unwrap();
        let length = text.lines().find_map(|line| line.strip_prefix("content-length: "));
        let end = head + 4 + length.unwrap_or_else(|| panic!("no length: {text}")).parse::<usize>().unwrap();
        if received.len() >= end {
            let is_usual = matches!(status, 200 | 429);
            let body =
                if is_usual { String::new() } else { String::from_utf8_lossy(&received[head + 4..]).into_owned() };
            return Some((status, body));
        }
    }
}
