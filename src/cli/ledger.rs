//! `tollgate ledger`: the books of money, straight from the store, also while gateways book.

use std::{path::Path, time::Duration};

use clap::Subcommand;

use super::{Failure, load, print};
use crate::{
    app::{StartError, existing_store},
    domain::money::Money,
    store::ledger::{AccountFinding, CallFinding, LedgerReport},
};

/// How long one statement may take: all entries are added up in one.
const STATEMENT_TIMEOUT: Duration = Duration::from_hours(6);

/// The most calls and balances that are named.
const MAX_FINDINGS: usize = 100;

#[derive(Subcommand)]
pub(super) enum Ledger {
    /// Check every call's entries against the rules, and every balance against what the entries add up to.
    Check,
}

impl Ledger {
    pub(super) fn run(self, file: Option<&Path>) -> Result<(), Failure> {
        let Self::Check = self;
        let store = existing_store(&load(file)?, STATEMENT_TIMEOUT)?;
        let report = actix::System::new().block_on(store.check_ledger(MAX_FINDINGS)).map_err(StartError::from)?;
        print(&words(&report));
        if report.is_right() { Ok(()) } else { Err(Failure::Failed("the ledger is wrong".into())) }
    }
}

fn words(report: &LedgerReport) -> String {
    let LedgerReport { calls, entries, open, balances, .. } = report;
    let mut text = format!("checked {calls} calls with {entries} entries, {open} open holds, {balances} balances\n");
    report.wrong_calls.iter().for_each(|call| add(&mut text, &of_call(call)));
    report.wrong_accounts.iter().for_each(|account| add(&mut text, &of_account(account)));
    if report.more {
        add(&mut text, "there is more; it is shown when this is mended");
    }
    if !report.balances_checked {
        add(&mut text, "balances were not checked: some entries cannot be added up");
    }
    if report.is_right() {
        add(&mut text, "the ledger is right");
    }
    text
}

fn add(text: &mut String, line: &str) {
    text.push_str(line);
    text.push('\n');
}

fn of_call(call: &CallFinding) -> String {
    let faults: Vec<String> = call.faults.iter().map(ToString::to_string).collect();
    format!("call {}: {}", call.request, faults.join("; "))
}

fn of_account(account: &AccountFinding) -> String {
    let AccountFinding { account, spent, spent_by_entries, held, held_by_holds } = account;
    let (spent, by_entries, held, by_holds) = (usd(*spent), usd(*spent_by_entries), usd(*held), usd(*held_by_holds));
    format!(
        "account {account}: the balance has {spent} USD spent and {held} held; \
         its entries add up to {by_entries} spent, its open holds to {by_holds} held"
    )
}

/// Sums of many amounts may be more than an amount can be.
fn usd(pusd: i128) -> String {
    i64::try_from(pusd).map_or_else(|_| format!("{pusd} pico"), |pusd| Money::from_pusd(pusd).to_string())
}
