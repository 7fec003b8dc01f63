//! Leases: how several holders draw exactly from one bucket that lives in one place.
//!
//! The place keeps a [`LeaseAccount`]: what was used, and who holds units that may be used. A holder ([`holder::Lease`])
//! asks for a chunk before it uses any of it, serves from the chunk without asking, and reports with its next [`Ask`] what
//! became of it. The rate itself is GCRA (ITU-T I.371), as in [`super::limit::bucket`]; this module adds the units in between.
//!
//! Why no span of length L sees more than `burst + rate × L` uses, whatever message is lost, late or doubled, and
//! whichever holder is killed:
//!
//! - A unit is outstanding from its grant until it is charged or known to be unused, and while it is outstanding it does
//!   not refill. Each grant leaves charged and outstanding units together within the burst.
//! - A use is charged at its own time or later, never earlier: what a holder reports counts as used at its last use, what
//!   it does not report counts as used when its lease ends, and a holder stops by its own clock before that.
//! - So look at the last grant behind the uses of a span. If it lies in the span, all those uses were by then charged
//!   within the span or outstanding: their sum is within the burst and what refilled. If it lies before the span, all of
//!   them were outstanding at once: they are within the burst.
//! - A repeated message is known by its number. A refund is sent at most once and counts by the account's clock
//!   ([`Ask::sent`]), so that one that was under way for long does not give back what has refilled meanwhile.
//!
//! A calendar ([`Kind::Calendar`]) refills at once: when its window turns, the level is zero and what was held is gone. A
//! lease ends with its window, by the clock of the account, so no unit of one window is used in the next. A use that did not
//! happen goes back to the window that it was in, or to none: the holder knows by its own clock which of its uses are older
//! than the window, and the account by [`Ask::window`].
//!
//! A *moment* is the resolution of the account's clock. One tick is `1 / limit` moment and a unit costs `window` ticks, so
//! no division rounds. Nothing here reads a clock.

mod account;
mod ask;
#[cfg(test)]
mod calendar_tests;
#[cfg(test)]
mod cases_tests;
mod exact;
pub mod holder;
#[cfg(test)]
mod model_tests;
mod terms;

pub use account::{Counting, Holding, LeaseAccount};
pub use ask::{Answer, Ask, HolderId, Past, Stale};
pub use exact::{ExactTerms, MAX_LEASE};
pub use terms::{Kind, Terms};
