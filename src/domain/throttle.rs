//! How often a password may be guessed: a few failures are free, then each further one doubles the wait.
//!
//! Two counters apply to every try: that of the account together with the network it is tried from, and that of the
//! network alone. Because the account is never counted by itself, nobody elsewhere can lock its owner out. A name that
//! no user has is counted like any other, so that the two cannot be distinguished.
//!
//! Below the threshold tries may run side by side; from it on exactly one is admitted each time the wait is over, and
//! it is counted as a failure before it has run. A success forgets the account's counter. It only takes its own charge
//! off the network's: else one right password would buy as many guesses at others.

mod counters;

use std::time::Duration;

use self::counters::{Counter, Counters};
use super::network::Network;

/// The policy that counts the failures of one account, as refusals name it.
pub const ACCOUNT_POLICY: &str = "login-account";
/// The policy that counts the failures from one network.
pub const ADDRESS_POLICY: &str = "login-address";

/// The wait behind the last free failure.
const FIRST_WAIT: Duration = Duration::from_secs(1);
/// How long at least a counter must be quiet to be forgotten.
const QUIET: Duration = Duration::from_hours(1);

/// A name as it was typed, under a keyed hash: names are never kept in clear, and all are of one length.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountDigest(pub u128);

/// Who tries: which account, and from where.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Visitor {
    pub account: AccountDigest,
    pub network: Network,
}

/// What is configured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// Failures of an account from one network that cost nothing.
    pub account_failures: u32,
    /// Failures of a network, whatever the account, that cost nothing.
    pub address_failures: u32,
    /// The longest wait.
    pub max_wait: Duration,
    /// The most counters of each of the two kinds.
    pub max_counters: usize,
}

/// A try that may run. Its end is reported to [`Throttle::report`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Admission {
    visitor: Visitor,
    account: Charge,
    address: Charge,
}

/// What an admission did to one counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Charge {
    /// Nothing: the counter was below its threshold.
    Free,
    /// It was counted as a failure; this is the counter as it was before.
    Counted(Counter),
}

/// Why a try may not run yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Throttled {
    /// The policy that has to be waited for the longest.
    pub policy: &'static str,
    /// Its failures that cost nothing.
    pub limit: u32,
    /// Seconds after which a quiet counter is forgotten.
    pub window_s: u64,
    /// Nanoseconds until one try, alone, is admitted.
    pub retry_after_ns: u64,
}

/// All counters. Times are nanoseconds of one monotonic clock.
pub struct Throttle {
    accounts: Counters<Visitor>,
    addresses: Counters<Network>,
    window_s: u64,
}

impl Throttle {
    /// A throttle that has counted nothing.
    pub fn new(rules: Rules) -> Self {
        let quiet = QUIET.max(rules.max_wait.saturating_mul(2));
        let counters = |free| Scale { free, max_wait_ns: ns(rules.max_wait), quiet_ns: ns(quiet) };
        Self {
            accounts: Counters::new(counters(rules.account_failures), rules.max_counters),
            addresses: Counters::new(counters(rules.address_failures), rules.max_counters),
            window_s: quiet.as_secs(),
        }
    }

    /// Whether a try would be admitted now. Charges nothing.
    pub fn check(&self, visitor: Visitor, now_ns: u64) -> Result<(), Throttled> {
        let account_ns = self.accounts.wait_ns(&visitor, now_ns);
        let address_ns = self.addresses.wait_ns(&visitor.network, now_ns);
        let (policy, limit) = if account_ns >= address_ns {
            (ACCOUNT_POLICY, self.accounts.scale().free)
        } else {
            (ADDRESS_POLICY, self.addresses.scale().free)
        };
        match account_ns.max(address_ns) {
            0 => Ok(()),
            retry_after_ns => Err(Throttled { policy, limit, window_s: self.window_s, retry_after_ns }),
        }
    }

    /// Admits a try, or says when to come back. A refused one is charged to neither counter.
    pub fn admit(&mut self, visitor: Visitor, now_ns: u64) -> Result<Admission, Throttled> {
        self.check(visitor, now_ns)?;
        let account = self.accounts.admit(visitor, now_ns);
        let address = self.addresses.admit(visitor.network, now_ns);
        Ok(Admission { visitor, account, address })
    }

    /// Tells how an admitted try ended: whether the password was right.
    pub fn report(&mut self, admission: Admission, right: bool, now_ns: u64) {
        let Admission { visitor, account, address } = admission;
        if right {
            self.accounts.forget(&visitor);
            self.addresses.give_back(visitor.network, address, now_ns);
        } else {
            self.accounts.fail(visitor, account, now_ns);
            self.addresses.fail(visitor.network, address, now_ns);
        }
    }

    /// How many counters there are.
    pub fn len(&self) -> usize {
        self.accounts.len().saturating_add(self.addresses.len())
    }

    /// True while no try has failed.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// How the waits of one kind of counter grow.
#[derive(Debug, Clone, Copy)]
struct Scale {
    free: u32,
    max_wait_ns: u64,
    quiet_ns: u64,
}

impl Scale {
    /// The wait after this number of failures.
    fn wait_ns(self, failures: u32) -> u64 {
        let Some(doublings) = failures.checked_sub(self.free) else {
            return 0;
        };
        let factor = 1_u64.checked_shl(doublings).unwrap_or(u64::MAX);
        ns(FIRST_WAIT).saturating_mul(factor).min(self.max_wait_ns)
    }

    const fn throttles(self, failures: u32) -> bool {
        failures >= self.free
    }
}

fn ns(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
