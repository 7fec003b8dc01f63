//! A line on the terminal that says how far a long command has come. Where standard error is no terminal it says nothing.

use std::io::{IsTerminal, Write};

const WIDTH: u64 = 30;

/// How far it has come.
pub(super) struct Progress {
    shown: bool,
    total: u64,
    done: u64,
    percent: Option<u64>,
}

impl Progress {
    pub(super) fn new(total: u64) -> Self {
        Self { shown: std::io::stderr().is_terminal(), total, done: 0, percent: None }
    }

    /// So much more is done.
    pub(super) fn add(&mut self, done: u64) {
        self.done = self.done.saturating_add(done);
        let percent = self.done.saturating_mul(100).checked_div(self.total).unwrap_or(100).min(100);
        if self.shown && self.percent != Some(percent) {
            self.percent = Some(percent);
            say(&bar(percent));
        }
    }

    /// Takes the line away.
    pub(super) fn end(&self) {
        if self.percent.is_some() {
            say("\r\u{1b}[K");
        }
    }
}

fn say(text: &str) {
    let mut out = std::io::stderr().lock();
    // Nothing is left to do if standard error is closed.
    drop(out.write_all(text.as_bytes()).and_then(|()| out.flush()));
}

fn bar(percent: u64) -> String {
    let full = percent.saturating_mul(WIDTH) / 100;
    let cells = (0..WIDTH).map(|cell| if cell < full { '#' } else { '.' });
    format!("\r[{}] {percent:>3} %", cells.collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_grows_from_nothing_to_full() {
        assert_eq!(bar(0), "\r[..............................]   0 %");
        assert_eq!(bar(50), "\r[###############...............]  50 %");
        assert_eq!(bar(100), "\r[##############################] 100 %");
    }
}
