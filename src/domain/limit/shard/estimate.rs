//! What a keeper knows of a bucket that lives elsewhere: how it was in the last answer, with all that was held counted as
//! used, and what has refilled since. And what is left of a bucket, wherever it lives.

use crate::domain::{
    calendar::Window,
    limit::{Allowance, Policy, bucket::Bucket, rate::Rate},
};

/// What is left, as far as the keeper knows.
pub(super) struct Left {
    pub remaining: u64,
    /// Nanoseconds until the bucket is full; `None` for slots.
    pub full_in_ns: Option<u64>,
    /// The window of the calendar that is counted.
    pub window: Option<Window>,
}

impl Left {
    pub(super) fn of(bucket: Bucket, rate: Rate, now_ns: u64) -> Self {
        Self {
            remaining: bucket.remaining(rate, now_ns),
            full_in_ns: Some(bucket.full_in_ns(rate, now_ns)),
            window: bucket.window(rate, now_ns),
        }
    }

    /// What is left where nothing was ever used.
    pub(super) fn all(policy: &Policy, now_ns: u64) -> Self {
        match policy.allowance {
            Allowance::Rate(rate) => Self::of(Bucket::full(), rate, now_ns),
            Allowance::Concurrent(slots) => Self::slots(slots),
        }
    }

    /// So many slots.
    pub(super) const fn slots(free: u64) -> Self {
        Self { remaining: free, full_in_ns: None, window: None }
    }
}

/// A bucket that lives elsewhere, as far as it is known. Times are those of the keeper.
#[derive(Debug, Clone, Copy)]
pub(super) struct Estimate {
    bucket: Bucket,
    /// Where the windows of a calendar are counted: when the last answer was read, and what time its account had. They turn by
    /// the clock of the account, whatever that of this keeper says.
    account: Option<(u64, u64)>,
}

impl Estimate {
    pub(super) const fn of(bucket: Bucket) -> Self {
        Self { bucket, account: None }
    }

    pub(super) const fn bucket(&self) -> Bucket {
        self.bucket
    }

    fn time(&self, now_ns: u64) -> u64 {
        let Some((read_ns, account_ns)) = self.account else { return now_ns };
        match now_ns.checked_sub(read_ns) {
            Some(since_ns) => account_ns.saturating_add(since_ns),
            None => account_ns.saturating_sub(read_ns.saturating_sub(now_ns)),
        }
    }

    /// Takes in that `free` units are there, and that the bucket is full in `full_in_ns`. `account_ns`: the time of an account
    /// that counts the windows of a calendar.
    pub(super) fn heard(&mut self, rate: Rate, [free, full_in_ns]: [u64; 2], account_ns: Option<u64>, now_ns: u64) {
        self.account = account_ns.map(|account_ns| (now_ns, account_ns));
        self.bucket = Bucket::full_in(rate, free, full_in_ns, self.time(now_ns));
    }

    /// Nanoseconds until `units` may be there; zero if they are.
    pub(super) fn fits_in_ns(&self, rate: Rate, units: u64, now_ns: u64) -> u64 {
        self.bucket.fits_in_ns(rate, units, self.time(now_ns))
    }

    /// Nanoseconds until a quarter of what can be taken at once is back, where all of it was taken.
    pub(super) fn quarter_in_ns(&self, rate: Rate, now_ns: u64) -> u64 {
        let now_ns = self.time(now_ns);
        Bucket::spent(rate, now_ns).fits_in_ns(rate, rate.burst().div_ceil(4), now_ns)
    }

    pub(super) fn left(&self, rate: Rate, now_ns: u64) -> Left {
        Left::of(self.bucket, rate, self.time(now_ns))
    }

    pub(super) fn charge(&mut self, rate: Rate, units: u64, now_ns: u64) {
        let now_ns = self.time(now_ns);
        self.bucket.charge(rate, units, now_ns);
    }

    pub(super) fn refund(&mut self, rate: Rate, units: u64, charged_ns: u64, now_ns: u64) {
        let (charged_ns, now_ns) = (self.time(charged_ns), self.time(now_ns));
        self.bucket.refund(rate, units, charged_ns, now_ns);
    }

    /// Goes by another rate, which holds since then.
    pub(super) fn rerate(&mut self, from: Rate, to: Rate, since_ns: u64) {
        self.bucket = self.bucket.rerated(from, to, self.time(since_ns));
    }
}
