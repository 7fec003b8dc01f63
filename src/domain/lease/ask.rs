//! What a holder asks of an account, and what the account answers.

use super::terms::Terms;

/// The name of a holder for its life; one that starts again takes another name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HolderId(pub u128);

/// What a holder reports and wants. Times are in moments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    pub holder: HolderId,
    pub terms: Terms,
    /// For how long these terms have been in force. Newer ones hold from then on, not from when the account hears of them.
    pub terms_ago: u64,
    /// Larger than that of any ask before.
    pub seq: u64,
    /// Of the units granted before, those that the holder keeps.
    pub keep: u64,
    /// Of them, those that it gives back unused. The rest has been used.
    pub back: u64,
    /// How long before the ask was sent the last use was.
    pub used_ago: u64,
    /// Units used without having been granted, the earliest first: charged whether they fit or not. Slots that are in
    /// use though the account has given them up.
    pub forced: Vec<Past>,
    /// The units that are known to be used at least, by any holder: what was counted elsewhere before.
    pub at_least: u64,
    /// Uses that did not happen after all, all of them of one window of a calendar where there is one.
    pub refunds: Vec<Past>,
    /// When that window began, by the account's last answer.
    pub window: u64,
    /// The account's time when this was sent, or earlier. Unknown before the first answer; refunds are not heard then.
    pub sent: Option<u64>,
    /// Grant this many units or none.
    pub need: u64,
    /// Units that calls wait for, the needed ones among them.
    pub waiting: u64,
    /// The number of units that the holder would like.
    pub want: u64,
    /// For how long the units are held.
    pub lease: u64,
}

/// Units, and how long before the ask was sent they were used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Past {
    pub units: u64,
    pub ago: u64,
}

/// What an account answers. Times are in moments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer {
    /// The number of the ask.
    pub seq: u64,
    /// The account's time.
    pub at: u64,
    /// Of the units that the holder keeps, those that are still its own.
    pub kept: u64,
    /// Further units.
    pub granted: u64,
    /// Whole units that nobody holds.
    pub free: u64,
    /// When the window of the calendar began that is counted now; zero where there is none.
    pub window: u64,
    /// Until the bucket is full, if all that is held is used at once. For slots: until every lease has ended. For a calendar:
    /// until the window ends, and with it all that is held.
    pub full_in: u64,
    /// Until `need` units would be granted to a lone ask, even if all that is held is used. `None`: never.
    pub fits_in: Option<u64>,
    /// How many hold something.
    pub holders: u64,
}

/// The ask is not newer than one that was heard; nothing has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the ask is not newer than one that was heard")]
pub struct Stale;
