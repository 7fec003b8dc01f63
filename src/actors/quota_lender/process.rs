//! Accounts in the memory of this process.

use std::collections::HashMap;

use super::{BucketId, Loan};
use crate::domain::lease::{Account, Answer, Terms};

/// As long as anything can be held of these accounts; what a lender that died had granted has ended then.
const LONGEST_LEASE_US: u64 = 2_000_000;

/// The accounts, on the monotonic clock in microseconds.
pub(super) struct ProcessAccounts {
    accounts: HashMap<BucketId, Account>,
    /// When a lender before this one died: what its accounts held is not known and taken as used.
    died_us: Option<u64>,
}

impl ProcessAccounts {
    pub(super) fn new(died_us: Option<u64>) -> Self {
        Self { accounts: HashMap::new(), died_us }
    }

    pub(super) fn exchange(&mut self, loan: &Loan, now_us: u64) -> Option<Answer> {
        let died_us = self.died_us;
        let account = self.accounts.entry(loan.bucket).or_insert_with(|| unseen(loan.ask.terms, died_us, now_us));
        account.exchange(&loan.ask, now_us).ok()
    }

    /// Forgets accounts that are as good as new.
    pub(super) fn forget_idle(&mut self, now_us: u64) {
        self.accounts.retain(|_, account| account.idle_at() > now_us);
    }
}

fn unseen(terms: Terms, died_us: Option<u64>, now_us: u64) -> Account {
    match died_us {
        Some(died_us) => Account::spent(terms, died_us.saturating_add(LONGEST_LEASE_US)),
        None => Account::full(terms, now_us),
    }
}
