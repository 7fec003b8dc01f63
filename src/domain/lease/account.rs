//! The account: what was used of a bucket, and who holds units of it.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{
    ask::{Answer, Ask, HolderId, Stale},
    terms::{Kind, Terms},
};
use crate::domain::calendar::Calendar;

/// How deep the level may fall in any case: what a Lua number holds exactly, and half of it again.
const LOWEST: i128 = 1 << 52;

/// For how long the count of a calendar window that is over is kept, in moments: a day, so that it is still there where the
/// clock is set back over the end of the window.
const REMEMBERED: u64 = 86_400_000_000;

/// One bucket and its holders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaseAccount {
    /// The newest terms seen.
    pub terms: Terms,
    /// The last moment heard of; time never goes back.
    pub at: u64,
    /// Ticks from `at` until what was charged has refilled; negative if it had refilled before. Zero for slots.
    pub level: i128,
    /// What was used before this moment is not known, and was all charged then.
    pub since: u64,
    /// The window of a calendar that is counted.
    pub window: Counting,
    pub holders: BTreeMap<HolderId, Holding>,
}

/// A window of a calendar, in moments; nothing where there is no calendar, or nothing was counted yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counting {
    pub since: u64,
    /// When the next one begins.
    pub until: u64,
}

/// What one holder has. An entry without units still knows messages that come twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Holding {
    pub units: u64,
    pub seq: u64,
    /// The moment from which the units count as used.
    pub until: u64,
}

impl Counting {
    /// The window that a moment is in.
    fn at(calendar: Calendar, moment: u64) -> Self {
        let us = |time: Timestamp| u64::try_from(time.as_microsecond()).unwrap_or(0);
        let now = i64::try_from(moment).ok().and_then(|us| Timestamp::from_microsecond(us).ok());
        let window = calendar.at(now.unwrap_or(Timestamp::MAX));
        Self { since: us(window.since), until: window.until.map_or(u64::MAX, us) }
    }
}

impl LeaseAccount {
    /// An account from which nothing was taken yet.
    #[must_use]
    pub const fn full(terms: Terms, now: u64) -> Self {
        Self { terms, at: now, level: 0, since: 0, window: Counting { since: 0, until: 0 }, holders: BTreeMap::new() }
    }

    /// An account whose whole burst was taken at `since`: the safe guess when what was used before is not known.
    #[must_use]
    pub fn spent(terms: Terms, since: u64) -> Self {
        let level = if terms.is_rate() { terms.ticks(terms.burst()) } else { 0 };
        Self { level, since, ..Self::full(terms, since) }
    }

    /// Hears an ask and answers it.
    ///
    /// # Errors
    /// `Stale` if an ask as new was heard before and its lease has not ended.
    pub fn exchange(&mut self, ask: &Ask, now: u64) -> Result<Answer, Stale> {
        let now = now.max(self.at);
        if self.holders.get(&ask.holder).is_some_and(|own| own.until > now && own.seq >= ask.seq) {
            return Err(Stale);
        }
        self.adopt(ask, now);
        self.pass_to(now, ask.lease);
        self.close_ended();
        self.learn(ask);
        self.settle(ask);
        self.refund(ask);
        self.force(ask);
        let kept = self.holders.get(&ask.holder).map_or(0, |own| own.units);
        let (granted, fits_in) = self.grant(ask);
        Ok(Answer { kept, granted, fits_in, ..self.answer(ask.seq) })
    }

    /// From when on forgetting the account changes nothing: every lease has ended, and all that was charged or held has
    /// refilled.
    pub fn idle_at(&self) -> u64 {
        let ended = self.holders.values().map(|holding| holding.until).max().unwrap_or(0).max(self.at);
        if self.terms.calendar().is_some() {
            return self.window.until.saturating_add(REMEMBERED).max(ended);
        }
        let used = self.level.max(0).saturating_add(self.terms.ticks(self.outstanding()));
        if self.terms.is_rate() { ended.saturating_add(self.terms.moments(used)) } else { ended }
    }

    /// Lets time pass, and the window of a calendar turn. The level stops falling where hardly any report is so late that it would make a difference; a
    /// higher level is always safe.
    fn pass_to(&mut self, now: u64, lease: u64) {
        let lowest = self.terms.ticks(self.terms.burst()).max(self.terms.refilled(lease)).max(LOWEST).saturating_neg();
        let refilled = self.terms.refilled(now.saturating_sub(self.at));
        self.level = self.level.saturating_sub(refilled).max(lowest);
        self.at = now;
        if let Some(calendar) = self.terms.calendar().filter(|_| now >= self.window.until) {
            self.turn(calendar);
        }
    }

    /// Begins the next window, with nothing used. What was held is of the window before, and can no longer be used; but for
    /// leases that are longer: those were granted before there was a calendar, and count in this window.
    fn turn(&mut self, calendar: Calendar) {
        self.window = Counting::at(calendar, self.at);
        self.level = 0;
        let since = self.window.since;
        self.holders.values_mut().filter(|holding| holding.until <= since).for_each(|holding| holding.units = 0);
    }

    /// Newer terms find the same units used, rounded up to whole ones, and hold since they came into force: until then
    /// the account refilled by those before.
    fn adopt(&mut self, ask: &Ask, now: u64) {
        let terms = ask.terms;
        if terms.version <= self.terms.version {
            return;
        }
        self.pass_to(now.saturating_sub(ask.terms_ago).max(self.at), ask.lease);
        let used = self.terms.units(self.level.saturating_add(self.terms.unit()).saturating_sub(1));
        self.level = if self.terms.is_rate() && terms.is_rate() { terms.ticks(used) } else { 0 };
        if terms.calendar() != self.terms.calendar() {
            self.window = terms.calendar().map(|calendar| Counting::at(calendar, self.at)).unwrap_or_default();
        }
        self.terms = terms;
    }

    /// What is held beyond the end of its lease was used at its end; a slot is free again.
    fn close_ended(&mut self) {
        let now = self.at;
        let mut ended: Vec<_> =
            self.holders.extract_if(.., |_, holding| holding.until <= now).map(|(_, ended)| ended).collect();
        // In the order of time, which charges the least. Equals may stand in any order.
        ended.sort_by_key(|holding| holding.until);
        for holding in ended {
            self.charge(holding.units, now.saturating_sub(holding.until));
        }
    }

    /// What was counted elsewhere before is reported by each holder, and counts once.
    fn learn(&mut self, ask: &Ask) {
        if self.terms.is_rate() && ask.at_least > 0 {
            self.level = self.level.max(self.terms.ticks(ask.at_least));
        }
    }

    /// Charges what the holder has used of its earlier units, and leaves it what it keeps.
    fn settle(&mut self, ask: &Ask) {
        let own = self.holders.remove(&ask.holder);
        let units = own.map_or(0, |own| own.units);
        let kept = ask.keep.min(units);
        let rest = units.saturating_sub(kept);
        self.charge(rest.saturating_sub(ask.back), ask.used_ago);
        let ends = if self.terms.calendar().is_some() { self.window.until } else { u64::MAX };
        let until = self.at.saturating_add(ask.lease).min(ends).max(own.map_or(0, |own| own.until));
        self.holders.insert(ask.holder, Holding { units: kept, seq: ask.seq, until });
    }

    /// Charges units at a time in the past. One that is charged out of order counts as later, never as earlier.
    fn charge(&mut self, units: u64, ago: u64) {
        if units > 0 && self.terms.is_rate() {
            let since = self.terms.refilled(ago).saturating_neg();
            self.level = self.level.max(since).saturating_add(self.terms.ticks(units));
        }
    }

    /// Charges what was used without a grant, but for what was charged before anything was known. Slots that are in use
    /// without a grant are held, though there may be too many. What was used in a window that is over counts no more.
    fn force(&mut self, ask: &Ask) {
        for past in &ask.forced {
            if !self.terms.is_rate() {
                if let Some(own) = self.holders.get_mut(&ask.holder) {
                    own.units = own.units.saturating_add(past.units);
                }
            } else if self.at.saturating_sub(past.ago) >= self.since.max(self.window.since) {
                self.charge(past.units, past.ago);
            }
        }
    }

    /// Gives back what has not refilled since, nor was used in a window that is over. An ask older than its own lease may be a repetition of one forgotten.
    fn refund(&mut self, ask: &Ask) {
        let Some(sent) = ask.sent.filter(|sent| sent.saturating_add(ask.lease) > self.at) else { return };
        if ask.window != self.window.since {
            return;
        }
        let late = self.at.saturating_sub(sent);
        for refund in &ask.refunds {
            let refilled = self.terms.refilled(refund.ago.saturating_add(late));
            let given = self.terms.ticks(refund.units).saturating_sub(refilled).max(0);
            self.level = self.level.saturating_sub(given).max(self.level.min(0));
        }
    }

    /// Grants a chunk: what is needed at least, what calls wait for if it is there, more while plenty is left.
    fn grant(&mut self, ask: &Ask) -> (u64, Option<u64>) {
        let free_ticks = self.free_ticks();
        let free = self.terms.units(free_ticks);
        if free < ask.need {
            return (0, self.fits_in(self.terms.ticks(ask.need).saturating_sub(free_ticks), ask.need));
        }
        let waiting = ask.waiting.max(ask.need);
        let share = free.checked_div(self.others(ask.holder).saturating_add(1).saturating_mul(2)).unwrap_or(0);
        let granted = free.min(waiting.max(share.min(ask.want)));
        if let Some(own) = self.holders.get_mut(&ask.holder) {
            own.units = own.units.saturating_add(granted);
        }
        (granted, Some(0))
    }

    /// Moments until `missing` more ticks are free. If charged units cover them, they refill in any case; else all that is held may
    /// be used as late as its lease ends, and refills only then.
    fn fits_in(&self, missing: i128, need: u64) -> Option<u64> {
        if need > self.terms.burst() {
            return None;
        }
        if self.terms.calendar().is_some() {
            return Some(self.turns_in());
        }
        let refill = if self.terms.is_rate() { self.terms.moments(missing) } else { 0 };
        Some(if missing <= self.level.max(0) { refill } else { self.ended_in().saturating_add(refill) })
    }

    fn answer(&self, seq: u64) -> Answer {
        let used = self.level.max(0).saturating_add(self.terms.ticks(self.outstanding()));
        Answer {
            seq,
            at: self.at,
            kept: 0,
            granted: 0,
            free: self.terms.units(self.free_ticks()),
            window: self.window.since,
            full_in: match self.terms.kind {
                Kind::Rate { .. } => self.terms.moments(used),
                Kind::Calendar { .. } => self.turns_in(),
                Kind::Concurrent { .. } => self.ended_in(),
            },
            fits_in: None,
            holders: u64::try_from(self.holding().count()).unwrap_or(u64::MAX),
        }
    }

    fn holding(&self) -> impl Iterator<Item = (&HolderId, &Holding)> {
        self.holders.iter().filter(|(_, holding)| holding.units > 0)
    }

    fn others(&self, holder: HolderId) -> u64 {
        u64::try_from(self.holding().filter(|(id, _)| **id != holder).count()).unwrap_or(u64::MAX)
    }

    fn outstanding(&self) -> u64 {
        self.holding().fold(0, |sum, (_, holding)| sum.saturating_add(holding.units))
    }

    fn free_ticks(&self) -> i128 {
        let held = self.terms.ticks(self.outstanding());
        self.terms.ticks(self.terms.burst()).saturating_sub(self.level.max(0)).saturating_sub(held)
    }

    /// Until the window of the calendar ends.
    const fn turns_in(&self) -> u64 {
        self.window.until.saturating_sub(self.at)
    }

    /// Until the last lease ends that holds something.
    fn ended_in(&self) -> u64 {
        let last = self.holding().map(|(_, holding)| holding.until).max();
        last.map_or(0, |until| until.saturating_sub(self.at))
    }
}
