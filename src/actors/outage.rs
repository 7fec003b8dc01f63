//! An outage in the log: said when it begins, counted while it lasts, and said with the count when it is over.

use std::{cell::Cell, fmt::Display};

/// Whether what an actor does again and again fails now, and how often it has since it last went well.
#[derive(Debug, Default)]
pub(super) struct Outage(Cell<u64>);

impl Outage {
    /// Counts a failure. True for the first one, which is to be logged.
    pub(super) fn begins(&self) -> bool {
        let before = self.0.get();
        self.0.set(before.saturating_add(1));
        before == 0
    }

    /// How many failures there were, if there were any; none from now on.
    pub(super) fn ends(&self) -> Option<u64> {
        Some(self.0.take()).filter(|failures| *failures > 0)
    }

    /// Notes how a try went: a line for the first failure, and one for the first success after it.
    pub(super) fn note<T, E: Display>(&self, actor: &'static str, consequence: &'static str, result: &Result<T, E>) {
        match result {
            Ok(_) => {
                if let Some(failures) = self.ends() {
                    tracing::info!(actor, failures, "it works again");
                }
            }
            Err(error) if self.begins() => tracing::warn!(%error, actor, "{consequence}"),
            Err(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outage_is_said_once_and_then_counted() {
        let outage = Outage::default();
        assert_eq!(outage.ends(), None);
        assert_eq!((0..5).map(|_| outage.begins()).collect::<Vec<_>>(), [true, false, false, false, false]);
        assert_eq!((outage.ends(), outage.ends()), (Some(5), None));
        assert!(outage.begins());
    }
}
