//! Accounts in the memory of this process.

use std::collections::HashMap;

use crate::domain::{
    lease::{Answer, LeaseAccount, Terms},
    limit::shard::{BucketId, IdleQueue, Loan},
};

/// As long as anything can be held of these accounts; what a lender that died had granted has ended then.
const LONGEST_LEASE_US: u64 = 2_000_000;

/// The accounts, on the monotonic clock in microseconds.
pub(super) struct ProcessAccounts {
    accounts: HashMap<BucketId, LeaseAccount>,
    /// Which of them can be forgotten, and when: each is noted once.
    idle: IdleQueue,
    /// How many there may be.
    max: usize,
    /// When a lender before this one died: what its accounts held is not known and taken as used.
    died_us: Option<u64>,
}

impl ProcessAccounts {
    pub(super) fn new(max: usize, died_us: Option<u64>) -> Self {
        Self { accounts: HashMap::new(), idle: IdleQueue::default(), max, died_us }
    }

    /// The answer to an ask; none where there are too many accounts and no other can be forgotten for a new one.
    pub(super) fn exchange(&mut self, loan: &Loan, now_us: u64) -> Option<Answer> {
        if let Some(account) = self.accounts.get_mut(&loan.bucket) {
            return account.exchange(&loan.ask, now_us).ok();
        }
        while self.accounts.len() >= self.max {
            self.forget_next(now_us)?;
        }
        let mut account = unseen(loan.ask.terms, self.died_us, now_us);
        let answer = account.exchange(&loan.ask, now_us).ok();
        self.idle.note(account.idle_at(), loan.bucket);
        self.accounts.insert(loan.bucket, account);
        answer
    }

    /// Forgets accounts that are as good as new.
    pub(super) fn forget_idle(&mut self, now_us: u64) {
        while self.forget_next(now_us).is_some() {}
    }

    /// Looks at the next account that may be as good as new, and forgets it if it is. `None` if there is none.
    fn forget_next(&mut self, now_us: u64) -> Option<()> {
        let (_, bucket) = self.idle.next(now_us)?;
        match self.accounts.get(&bucket).map(LeaseAccount::idle_at) {
            Some(idle_at) if idle_at > now_us => self.idle.note(idle_at, bucket),
            Some(_) => drop(self.accounts.remove(&bucket)),
            None => {}
        }
        Some(())
    }
}

fn unseen(terms: Terms, died_us: Option<u64>, now_us: u64) -> LeaseAccount {
    match died_us {
        Some(died_us) => LeaseAccount::spent(terms, died_us.saturating_add(LONGEST_LEASE_US)),
        None => LeaseAccount::full(terms, now_us),
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::domain::{
        lease::{Ask, HolderId, Kind},
        limit::Home,
    };

    /// An ask for one unit of an account that is full again after a second.
    fn loan(id: u128, seq: u64) -> Loan {
        let terms = Terms { kind: Kind::Rate { limit: 1, window: 1_000_000, burst: 1 }, version: 1 };
        let ask = Ask {
            holder: HolderId(1),
            terms,
            terms_ago: 0,
            seq,
            keep: 0,
            back: 0,
            used_ago: 0,
            forced: vec![],
            at_least: 0,
            refunds: vec![],
            window: 0,
            sent: None,
            need: 1,
            waiting: 1,
            want: 1,
            lease: 10,
        };
        let bucket = BucketId { series: 0, subject: Uuid::from_u128(id).into() };
        Loan { bucket, name: "a".into(), home: Home::Process, ask, moment_us: 1 }
    }

    #[test]
    fn there_are_so_many_accounts_and_only_those_that_are_as_good_as_new_make_room() {
        let mut accounts = ProcessAccounts::new(2, None);
        let granted = |accounts: &mut ProcessAccounts, id, seq, now_us| {
            accounts.exchange(&loan(id, seq), now_us).map(|answer| answer.granted)
        };
        assert_eq!([1, 2, 3].map(|id| granted(&mut accounts, id, 1, 100)), [Some(1), Some(1), None]);
        // What the first holds counts as used when its lease ends, and is back a second later.
        assert_eq!(granted(&mut accounts, 1, 2, 1_000_109), Some(0));
        assert_eq!(granted(&mut accounts, 3, 1, 1_000_109), None);
        assert_eq!(granted(&mut accounts, 3, 1, 1_000_110), Some(1));
        assert_eq!(granted(&mut accounts, 1, 3, 1_000_110), Some(1));
        accounts.forget_idle(9_000_000);
        assert_eq!(accounts.accounts.len(), 0);
    }
}
