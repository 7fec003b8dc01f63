//! Accounts of leases in Redis: the exchange of [`crate::domain::lease`] as one Lua script.
//!
//! Accounts lie in 64 hash slots, each with a generation key. A slot without one grants nothing: Redis is new or has lost
//! what it knew. Then [`Redis::bear`] says from when on it may grant again.

use std::{sync::LazyLock, time::Duration};

use deadpool_redis::redis::{self, Script};
use siphasher::sip::SipHasher13;

use super::Redis;
use crate::{
    domain::lease::{Answer, Ask, Kind},
    store::StoreError,
};

/// How many hash slots the accounts lie in.
const SLOTS: u64 = 64;

static EXCHANGE: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("leases.lua")));

/// What Redis says to an ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exchanged {
    Answered(Answer),
    /// As [`crate::domain::lease::Stale`].
    Stale,
    /// Redis does not know what was used before, and grants nothing.
    Unborn,
}

/// What was used before Redis knew anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Birth {
    /// Nothing: the very first start.
    Full,
    /// It is not known: everything counts as used when the leases that may still be held have ended.
    Spent { lease: Duration },
}

impl Redis {
    /// Brings an ask to the account of that name. `moment_us` is that of the terms in the ask.
    ///
    /// # Errors
    /// `Unavailable` if there is no answer in time, or one that means nothing; whether the ask was heard is not known.
    pub async fn exchange(&self, account: &str, ask: &Ask, moment_us: u64) -> Result<Exchanged, StoreError> {
        let mut call = EXCHANGE.prepare_invoke();
        call.key(account_key(account)).key(generation_key(slot(account)));
        for word in words(ask, moment_us) {
            call.arg(word);
        }
        let answer: Vec<i64> =
            self.perform(async move |mut connection| call.invoke_async(&mut connection).await).await?;
        read(&answer, ask.seq).ok_or_else(|| StoreError::Corrupt(format!("an answer of Redis: {answer:?}")))
    }

    /// Lets the slots that grant nothing grant again, and tells whether there were any. Slots that know what was used are
    /// left alone.
    ///
    /// # Errors
    /// `Unavailable` if there is no answer in time; some slots may grant already, and it is right to ask again.
    pub async fn bear(&self, birth: Birth) -> Result<bool, StoreError> {
        self.perform(async move |mut connection| {
            let (s, us): (u64, u64) = redis::cmd("TIME").query_async(&mut connection).await?;
            let born = born_at(birth, s.saturating_mul(1_000_000).saturating_add(us));
            let mut pipe = redis::pipe();
            for slot in 0..SLOTS {
                pipe.cmd("SET").arg(generation_key(slot)).arg(born).arg("NX");
            }
            let set: Vec<Option<String>> = pipe.query_async(&mut connection).await?;
            Ok(set.iter().any(Option::is_some))
        })
        .await
    }
}

fn born_at(birth: Birth, now_us: u64) -> u64 {
    match birth {
        Birth::Full => 0,
        Birth::Spent { lease } => now_us.saturating_add(u64::try_from(lease.as_micros()).unwrap_or(u64::MAX)),
    }
}

fn slot(account: &str) -> u64 {
    SipHasher13::new().hash(account.as_bytes()) % SLOTS
}

/// Where an account lies.
#[must_use]
pub fn account_key(account: &str) -> String {
    format!("tollgate:{{{:02}}}:account:{account}", slot(account))
}

fn generation_key(slot: u64) -> String {
    format!("tollgate:{{{slot:02}}}:generation")
}

/// ARGV of the script.
fn words(ask: &Ask, moment_us: u64) -> Vec<String> {
    let (refill, unit, burst) = match ask.terms.kind {
        Kind::Rate { limit, window, burst } => (limit, window, burst),
        Kind::Places { limit } => (0, 1, limit),
    };
    let mut words = vec![ask.terms.version.to_string()];
    words.extend([refill, unit, burst, moment_us].map(|n| n.to_string()));
    words.push(format!("{:032x}", ask.holder.0));
    let forced = u64::try_from(ask.forced.len()).unwrap_or(0);
    words.extend([ask.seq, ask.keep, ask.back, ask.used_ago, forced].map(|n| n.to_string()));
    words.push(ask.sent.map_or_else(|| "-1".to_owned(), |sent| sent.to_string()));
    words.extend([ask.need, ask.waiting, ask.want, ask.lease, ask.at_least, ask.terms_ago].map(|n| n.to_string()));
    let past = ask.forced.iter().chain(&ask.refunds);
    words.extend(past.flat_map(|past| [past.units, past.ago]).map(|n| n.to_string()));
    words
}

fn read(answer: &[i64], seq: u64) -> Option<Exchanged> {
    let number = |n: i64| u64::try_from(n).ok();
    match *answer {
        [0] => Some(Exchanged::Unborn),
        [1] => Some(Exchanged::Stale),
        [2, at, kept, granted, free, full_in, fits_in, holders] => Some(Exchanged::Answered(Answer {
            seq,
            at: number(at)?,
            kept: number(kept)?,
            granted: number(granted)?,
            free: number(free)?,
            full_in: number(full_in)?,
            fits_in: number(fits_in),
            holders: number(holders)?,
        })),
        _ => None,
    }
}
