//! Accounts of leases in Redis: the exchange of [`crate::domain::lease`] as one Lua script.
//!
//! Accounts lie in 64 hash slots, each with a history: the generation that it is in, and the accounts in use. A slot
//! without a generation that holds grants nothing: Redis is new, or has forgotten something. Then
//! [`Redis::begin_generation`] says from when on it may grant again, and everything counts as used at that moment.

use std::{
    array,
    sync::{
        Arc, LazyLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use deadpool_redis::redis::{self, Script};
use siphasher::sip::SipHasher13;

use super::{Redis, command, script};
use crate::{
    domain::lease::{Answer, Ask, Kind},
    store::StoreError,
};

/// How many hash slots the accounts lie in.
const SLOTS: usize = 64;
/// How many bits the count of exchanges has in a mark; the number of the generation has the others.
const COUNT_BITS: u32 = 44;

static EXCHANGE: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("leases.lua")));
const BEGIN_GENERATION: &str = include_str!("generation.lua");

/// What Redis says to an ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exchanged {
    Answered(Answer),
    /// As [`crate::domain::lease::Stale`].
    Stale,
    /// Redis does not know what was used before, and grants nothing.
    Forgotten,
}

/// What was used of the accounts before a generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PriorUse {
    /// Nothing: the very first start.
    None,
    /// It is not known: everything counts as used when the leases that may still be held have ended.
    Unknown { lease: Duration },
}

/// How far this process has seen the history of each slot: the number of the generation and, below it, the count of
/// exchanges in it. A Redis that is behind has gone back to an earlier state.
#[derive(Debug, Clone)]
pub(super) struct Seen(Arc<[AtomicU64; SLOTS]>);

impl Default for Seen {
    fn default() -> Self {
        Self(Arc::new(array::from_fn(|_| AtomicU64::new(0))))
    }
}

impl Seen {
    /// The generation and the count.
    fn of(&self, slot: usize) -> [u64; 2] {
        let mark = self.0.get(slot).map_or(0, |mark| mark.load(Ordering::Relaxed));
        [mark >> COUNT_BITS, mark & Self::most_exchanges()]
    }

    /// Answers may come in another order than that in which Redis gave them.
    fn note(&self, slot: usize, generation: u64, count: u64) {
        if let Some(mark) = self.0.get(slot) {
            mark.fetch_max((generation << COUNT_BITS) | count.min(Self::most_exchanges()), Ordering::Relaxed);
        }
    }

    const fn most_exchanges() -> u64 {
        (1 << COUNT_BITS) - 1
    }
}

impl Redis {
    /// Brings an ask to the account of that name. `moment_us` is that of the terms in the ask.
    ///
    /// # Errors
    /// `Unavailable` if there is no answer in time, or one that means nothing; whether the ask was heard is not known.
    pub async fn exchange(&self, account: &str, ask: &Ask, moment_us: u64) -> Result<Exchanged, StoreError> {
        let slot = slot(account);
        let mut call = EXCHANGE.prepare_invoke();
        call.key(account_key(account)).key(history_key(slot));
        for word in words(ask, moment_us, self.seen.of(slot)) {
            call.arg(word);
        }
        let answer: Vec<i64> = self
            .perform(script("leases"), async move |mut connection| call.invoke_async(&mut connection).await)
            .await?;
        let corrupt = || StoreError::Corrupt(format!("an answer of Redis: {answer:?}"));
        let (exchanged, seen) = read(&answer, ask.seq).ok_or_else(corrupt)?;
        if let Some([generation, count]) = seen {
            self.seen.note(slot, generation, count);
        }
        Ok(exchanged)
    }

    /// Lets the slots that grant nothing grant again, and returns whether there were any. Slots that know what was used are
    /// left alone.
    ///
    /// # Errors
    /// `Unavailable` if there is no answer in time; some slots may grant already, and it is right to ask again.
    pub async fn begin_generation(&self, prior: PriorUse) -> Result<bool, StoreError> {
        let (lease, is_first) = match prior {
            PriorUse::None => (Duration::ZERO, 1),
            PriorUse::Unknown { lease } => (lease, 0),
        };
        let lease_us = u64::try_from(lease.as_micros()).unwrap_or(u64::MAX);
        let of_slot = |slot| {
            let [generation, count] = self.seen.of(slot);
            let mut command = redis::cmd("EVAL");
            command.arg(BEGIN_GENERATION).arg(1).arg(history_key(slot));
            command.arg(lease_us).arg(is_first).arg(generation).arg(count);
            command
        };
        let commands = (0..SLOTS).map(of_slot).collect();
        let begun: Vec<u64> = self.perform(command("EVAL"), |link| link.all(commands)).await?;
        Ok(begun.contains(&1))
    }
}

fn slot(account: &str) -> usize {
    let slots = u64::try_from(SLOTS).unwrap_or(u64::MAX);
    usize::try_from(SipHasher13::new().hash(account.as_bytes()) % slots).unwrap_or(0)
}

/// Where an account lies.
#[must_use]
pub fn account_key(account: &str) -> String {
    format!("tollgate:{{{:02}}}:account:{account}", slot(account))
}

/// Where the history of a slot lies.
fn history_key(slot: usize) -> String {
    format!("tollgate:{{{slot:02}}}:history")
}

/// Where the history of an account's slot lies.
#[must_use]
pub fn history_key_of(account: &str) -> String {
    history_key(slot(account))
}

/// ARGV of the script.
fn words(ask: &Ask, moment_us: u64, [generation, count]: [u64; 2]) -> Vec<String> {
    let (refill, unit, burst) = match ask.terms.kind {
        Kind::Rate { limit, window, burst } => (limit, window, burst),
        // What counts windows of a calendar is kept in the store, and never here.
        Kind::Calendar { limit, .. } | Kind::Concurrent { limit } => (0, 1, limit),
    };
    let mut words = vec![ask.terms.version.to_string()];
    words.extend([refill, unit, burst, moment_us].map(|n| n.to_string()));
    words.push(format!("{:032x}", ask.holder.0));
    let forced = u64::try_from(ask.forced.len()).unwrap_or(0);
    words.extend([ask.seq, ask.keep, ask.back, ask.used_ago, forced].map(|n| n.to_string()));
    words.push(ask.sent.map_or_else(|| "-1".to_owned(), |sent| sent.to_string()));
    let wanted = [ask.need, ask.waiting, ask.want, ask.lease, ask.at_least, ask.terms_ago, generation, count];
    words.extend(wanted.map(|n| n.to_string()));
    let past = ask.forced.iter().chain(&ask.refunds);
    words.extend(past.flat_map(|past| [past.units, past.ago]).map(|n| n.to_string()));
    words
}

/// The answer, and how far the history of the slot has come.
fn read(answer: &[i64], seq: u64) -> Option<(Exchanged, Option<[u64; 2]>)> {
    let number = |n: i64| u64::try_from(n).ok();
    match *answer {
        [0] => Some((Exchanged::Forgotten, None)),
        [1] => Some((Exchanged::Stale, None)),
        [2, at, kept, granted, free, full_in, fits_in, holders, generation, count] => {
            let answer = Answer {
                seq,
                at: number(at)?,
                kept: number(kept)?,
                granted: number(granted)?,
                free: number(free)?,
                window: 0,
                full_in: number(full_in)?,
                fits_in: number(fits_in),
                holders: number(holders)?,
            };
            Some((Exchanged::Answered(answer), Some([number(generation)?, number(count)?])))
        }
        _ => None,
    }
}
