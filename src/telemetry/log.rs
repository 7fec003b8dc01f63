//! The log: lines that a thread of its own writes to standard error.
//!
//! Whoever logs puts a line into a bounded queue and goes on; where the queue is full the line is dropped and counted. So a
//! standard error that nobody reads stops nothing but the log.

use std::{
    io::{self, IsTerminal, Write},
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering},
        mpsc::{Receiver, SyncSender, TrySendError, sync_channel},
    },
    time::Duration,
};

use tracing_subscriber::{
    filter::{LevelFilter, Targets},
    fmt::{self, MakeWriter},
    layer::SubscriberExt,
    util::SubscriberInitExt,
};

use crate::config::log::{Log, LogFormat};

/// How many lines may wait; of 300 bytes each, they take 3 MB.
const MAX_WAITING: usize = 10_000;

/// How long the end of the process waits for the lines that are left.
const PATIENCE: Duration = Duration::from_secs(1);

/// Lines of this process that were dropped because standard error did not take them in time.
static DROPPED: AtomicU64 = AtomicU64::new(0);

/// The queue of this process, once there is a log.
static LINES: OnceLock<Lines> = OnceLock::new();

/// How many bytes of waiting lines are written at once.
const MAX_WRITE_BYTES: usize = 64 * 1024;

/// How long the thread rests after a write. Lines come together meanwhile, and whoever logs need not wake it: at a few
/// thousand lines a second, waking it for each is a tenth of what a call costs.
const REST: Duration = Duration::from_millis(5);

/// Puts a whole line into the queue of the log; nowhere if there is no log.
pub(super) fn write_line(line: Vec<u8>) {
    if let Some(lines) = LINES.get() {
        lines.put(line);
    }
}

/// How many lines were dropped since the process began.
#[must_use]
pub fn dropped_lines() -> u64 {
    DROPPED.load(Ordering::Relaxed)
}

/// Sends logs to standard error. A second call changes nothing.
#[must_use = "what waits is written when this is dropped"]
pub fn init_log(log: &Log) -> LogGuard {
    let filter = log.wanted().unwrap_or_else(|_| Targets::new().with_default(LevelFilter::INFO));
    let (lines, guard) = Lines::to(io::stderr());
    LINES.get_or_init(|| lines.clone());
    let (log_lines, filtered) = (fmt::layer().with_writer(lines), tracing_subscriber::registry().with(filter));
    let installed = match log.format {
        LogFormat::Text => filtered.with(log_lines.with_ansi(io::stderr().is_terminal())).try_init(),
        LogFormat::Json => filtered.with(log_lines.with_ansi(false).json()).try_init(),
    };
    if installed.is_err() {
        tracing::debug!("a log subscriber is there already");
    }
    guard
}

enum Message {
    Line(Vec<u8>),
    /// Answered when every line before it is written.
    Flush(SyncSender<()>),
}

/// The queue of lines. Clones share it.
#[derive(Clone)]
struct Lines(SyncSender<Message>);

/// Writes what waits when it is dropped, if standard error takes it within a second.
#[must_use = "lines are written by the thread that ends with the guard"]
pub struct LogGuard(Lines);

impl Lines {
    /// A queue whose lines are written to `to` by a thread of its own.
    fn to(to: impl Write + Send + 'static) -> (Self, LogGuard) {
        let (sender, receiver) = sync_channel(MAX_WAITING);
        // Without the thread every line is dropped, and counted.
        drop(std::thread::Builder::new().name("log".into()).spawn(move || write_all(&receiver, to)));
        let lines = Self(sender);
        (lines.clone(), LogGuard(lines))
    }

    fn put(&self, line: Vec<u8>) {
        if self.0.try_send(Message::Line(line)).is_err() {
            DROPPED.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Writes lines within [`REST`]; those that wait together are one write.
fn write_all(messages: &Receiver<Message>, mut to: impl Write) {
    let mut text = vec![];
    while let Ok(message) = messages.recv() {
        text.clear();
        let (mut lines, mut next) = (0, Some(message));
        while let Some(Message::Line(line)) = next {
            text.extend_from_slice(&line);
            lines += 1;
            next = if text.len() < MAX_WRITE_BYTES { messages.try_recv().ok() } else { None };
        }
        if write_out(&mut to, &text).is_err() {
            DROPPED.fetch_add(lines, Ordering::Relaxed);
        }
        match next {
            Some(Message::Flush(done)) => drop((to.flush(), done.send(()))),
            _ if text.len() < MAX_WRITE_BYTES => std::thread::sleep(REST),
            _ => {}
        }
    }
}

/// Writes all of a text. A standard error that does not block, as whoever started the process may have made it, is waited for as one
/// that does: lines wait in the queue meanwhile, and none is cut.
fn write_out(to: &mut impl Write, mut text: &[u8]) -> io::Result<()> {
    while !text.is_empty() {
        match to.write(text) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => text = text.get(written..).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => std::thread::sleep(REST),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

impl Write for Lines {
    /// The subscriber writes each line whole.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.put(line.to_vec());
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

impl Drop for LogGuard {
    fn drop(&mut self) {
        let (done, written) = sync_channel(1);
        let mut flush = Message::Flush(done);
        let mut waited = Duration::ZERO;
        // The queue may be full of lines that nobody takes.
        while let Err(TrySendError::Full(back)) = self.0.0.try_send(flush) {
            if waited >= PATIENCE {
                return;
            }
            std::thread::sleep(STEP);
            waited = waited.saturating_add(STEP);
            flush = back;
        }
        written.recv_timeout(PATIENCE.saturating_sub(waited)).ok();
    }
}

const STEP: Duration = Duration::from_millis(10);

#[cfg(test)]
mod tests {
    use std::sync::{Arc, mpsc};

    use super::*;

    /// Says when it is written to, and takes nothing before it may.
    struct Blocked {
        wrote: mpsc::Sender<Vec<u8>>,
        may: Receiver<()>,
    }

    impl Write for Blocked {
        fn write(&mut self, line: &[u8]) -> io::Result<usize> {
            self.wrote.send(line.to_vec()).unwrap();
            self.may.recv().ok();
            Ok(line.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// Counts the lines that it is given.
    struct Count(Arc<AtomicU64>);

    impl Write for Count {
        fn write(&mut self, line: &[u8]) -> io::Result<usize> {
            let lines = line.split(|byte| *byte == b'\n').count() - 1;
            self.0.fetch_add(u64::try_from(lines).unwrap(), Ordering::SeqCst);
            Ok(line.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_standard_error_that_takes_nothing_blocks_nobody_and_what_is_dropped_is_counted() {
        let ((wrote, seen), (allow, may)) = (mpsc::channel(), mpsc::channel());
        let (mut lines, guard) = Lines::to(Blocked { wrote, may });
        lines.write_all(b"first\n").unwrap();
        assert_eq!(seen.recv().unwrap(), b"first\n");
        // The writer is inside its first line now, so exactly the queue's room is left.
        let before = dropped_lines();
        for _ in 0..MAX_WAITING + 7 {
            lines.write_all(b"next\n").unwrap();
        }
        assert_eq!(dropped_lines() - before, 7);
        drop(allow);
        drop((guard, lines));
        let written = seen.iter().map(|text| text.split(|byte| *byte == b'\n').count() - 1);
        assert_eq!(written.sum::<usize>(), MAX_WAITING);
    }

    /// Takes a few bytes at every other time, and is full at the others.
    struct Full {
        taken: Vec<u8>,
        is_full: bool,
    }

    impl Write for Full {
        fn write(&mut self, line: &[u8]) -> io::Result<usize> {
            self.is_full = !self.is_full;
            if self.is_full {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            let some = &line[..line.len().min(5)];
            self.taken.extend_from_slice(some);
            Ok(some.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_standard_error_that_is_full_and_does_not_block_is_waited_for() {
        let mut to = Full { taken: vec![], is_full: false };
        write_out(&mut to, b"first line\nsecond line\n").unwrap();
        assert_eq!(to.taken, b"first line\nsecond line\n");
    }

    #[test]
    fn what_waits_is_written_at_the_end() {
        let written = Arc::new(AtomicU64::new(0));
        let (mut lines, guard) = Lines::to(Count(Arc::clone(&written)));
        for _ in 0..1_000 {
            lines.write_all(b"line\n").unwrap();
        }
        drop(guard);
        assert_eq!(written.load(Ordering::SeqCst), 1_000);
    }
}
