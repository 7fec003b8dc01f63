//! The holder's side of a lease: what one shard may use of an account that lives elsewhere.
//!
//! Units of a rate are used up by [`Lease::take`]; a slot that is taken is given free by [`Lease::release`]. The caller
//! carries each [`Ask`] to the account, one at a time, and brings back the answer or says that there was none.

use super::{
    ask::{Answer, Ask, HolderId, Past},
    terms::Terms,
};

/// The most refunds, and the most uses without a grant, in one ask; further ones are joined with others.
const MAX_PAST: usize = 64;

/// The smallest grant of which the next is asked for before it is used up.
const WORTH_ASKING_EARLY: u64 = 8;

/// How a holder leases. Times are in moments.
#[derive(Debug, Clone, Copy)]
pub struct Habits {
    /// For how long units are held.
    pub lease: u64,
    /// By how much the holder stops earlier than the account: more than two clocks drift apart in a lease.
    pub margin: u64,
    /// The largest chunk.
    pub most: u64,
}

/// What one holder has of one account.
#[derive(Debug, Clone)]
pub struct Lease {
    id: HolderId,
    terms: Terms,
    /// Since when these terms are in force, by the holder's clock.
    since: u64,
    habits: Habits,
    seq: u64,
    /// Units that can be taken.
    held: u64,
    /// Slots that are taken; zero for a rate.
    in_use: u64,
    last_use: u64,
    /// By the holder's clock.
    expires: u64,
    chunk: u64,
    /// The units of the last grant.
    granted: u64,
    /// Units taken since the last ask.
    used: u64,
    /// True while the account may hold units for this holder.
    open: bool,
    at_least: u64,
    forced: Vec<Used>,
    refunds: Vec<Used>,
    pending: Option<Pending>,
    /// The account's time in the last answer, and when that answer was read.
    heard: Option<(u64, u64)>,
    /// The window of a calendar that the account counts, and when that was first read. What was used before was of another.
    window: u64,
    window_heard: u64,
}

#[derive(Debug, Clone, Copy)]
struct Used {
    units: u64,
    at: u64,
}

impl Used {
    fn past(&self, now: u64) -> Past {
        Past { units: self.units, ago: now.saturating_sub(self.at) }
    }
}

/// An ask under way.
#[derive(Debug, Clone)]
struct Pending {
    sent: u64,
    forced: Vec<Used>,
    /// Units of a rate that were taken since it was sent.
    taken: u64,
}

impl Lease {
    /// A lease of nothing yet.
    #[must_use]
    pub const fn new(id: HolderId, terms: Terms, since: u64, habits: Habits) -> Self {
        Self {
            id,
            terms,
            since,
            habits,
            seq: 0,
            held: 0,
            in_use: 0,
            last_use: 0,
            expires: 0,
            chunk: 0,
            granted: 0,
            used: 0,
            open: false,
            at_least: 0,
            forced: Vec::new(),
            refunds: Vec::new(),
            pending: None,
            heard: None,
            window: 0,
            window_heard: 0,
        }
    }

    /// Units that can be taken now.
    #[must_use]
    pub const fn held(&self, now: u64) -> u64 {
        if now < self.expires { self.held } else { 0 }
    }

    /// When what is held ends, by the holder's clock. Slots in use are to be renewed by an ask before that.
    pub const fn expires(&self) -> u64 {
        self.expires
    }

    /// Slots that are taken.
    pub const fn in_use(&self) -> u64 {
        self.in_use
    }

    /// True when three quarters of a chunk worth the trouble are used: it is time to ask for the next.
    pub const fn is_low(&self) -> bool {
        self.granted >= WORTH_ASKING_EARLY && self.held <= self.granted / 4
    }

    /// True when the account should hear of something before the lease ends.
    pub const fn has_news(&self) -> bool {
        self.held > 0 || self.in_use > 0 || self.at_least > 0 || !self.forced.is_empty() || !self.refunds.is_empty()
    }

    /// True when the account does not know when units of a rate were used that it granted: it counts them as used when the lease
    /// ends, if it does not hear of them before.
    pub const fn has_uses(&self) -> bool {
        self.used > 0 && self.terms.is_rate()
    }

    /// True when others may be waiting for what the account has not heard.
    pub fn is_urgent(&self) -> bool {
        !self.forced.is_empty() || !self.refunds.is_empty() || (!self.terms.is_rate() && self.held > 0)
    }

    /// True when forgetting the lease loses nothing: the account closes it by itself.
    pub const fn is_idle(&self) -> bool {
        self.pending.is_none() && !self.has_news()
    }

    /// True while an ask is under way.
    pub const fn is_asking(&self) -> bool {
        self.pending.is_some()
    }

    /// True once the account has answered.
    pub const fn has_heard(&self) -> bool {
        self.heard.is_some()
    }

    /// Goes by other terms, in force since then, from the next ask on.
    pub const fn adopt(&mut self, terms: Terms, since: u64) {
        (self.terms, self.since) = (terms, since);
    }

    /// Takes units, all or none.
    pub fn take(&mut self, units: u64, now: u64) -> bool {
        if self.held(now) < units {
            return false;
        }
        self.held = self.held.saturating_sub(units);
        self.last_use = self.last_use.max(now);
        self.used = self.used.saturating_add(units);
        if !self.terms.is_rate() {
            self.in_use = self.in_use.saturating_add(units);
        } else if let Some(pending) = &mut self.pending {
            pending.taken = pending.taken.saturating_add(units);
        }
        true
    }

    /// Slots that were taken are free again.
    pub fn release(&mut self, slots: u64) {
        let freed = slots.min(self.in_use);
        self.in_use = self.in_use.saturating_sub(freed);
        self.held = self.held.saturating_add(freed);
    }

    /// `units` were used where they were counted before; each ask reports them until the account has answered.
    pub const fn claim(&mut self, units: u64) {
        self.at_least = units;
    }

    /// Uses units that nobody granted; the account hears of them with the next ask.
    pub fn force(&mut self, units: u64, now: u64) {
        if self.forced.len() >= MAX_PAST {
            self.forced = self.forced.chunks(2).map(join).collect();
        }
        self.forced.push(Used { units, at: now });
    }

    /// Slots are in use that nobody granted; the account hears of them with the next ask.
    pub fn occupy(&mut self, slots: u64, now: u64) {
        self.in_use = self.in_use.saturating_add(slots);
        self.force(slots, now);
    }

    /// Units taken at `used_at` were not used after all; the account hears of them with the next ask, unless they are of a
    /// window that is over.
    pub fn refund(&mut self, units: u64, used_at: u64) {
        if used_at < self.window_heard {
            return;
        }
        let full = self.refunds.len() >= MAX_PAST;
        match self.refunds.last_mut() {
            Some(last) if full => {
                *last = Used { units: last.units.saturating_add(units), at: last.at.min(used_at) };
            }
            _ => self.refunds.push(Used { units, at: used_at }),
        }
    }

    /// Asks for units: `need` or none, `waiting` if they are there, a chunk while there is plenty. An ask that is still
    /// under way counts as lost.
    pub fn ask(&mut self, need: u64, waiting: u64, now: u64) -> Ask {
        self.lost();
        self.size_chunk(now);
        let want = self.chunk.max(waiting).max(need);
        let keep = if now < self.expires { self.held } else { self.held.min(want) };
        Ask { need, waiting: waiting.max(need), want, ..self.report(keep, now) }
    }

    /// Asks how the account stands, and keeps what is held.
    pub fn inquire(&mut self, now: u64) -> Ask {
        self.lost();
        self.report(self.held(now), now)
    }

    /// Before a lease ends: keeps about as much as was used since the last ask, and gives back the rest. Nothing while an
    /// ask is under way, or when there is nothing to say.
    pub fn renew(&mut self, now: u64) -> Option<Ask> {
        if self.used == 0 || !self.terms.is_rate() || self.pending.is_some() {
            return self.give_back(now);
        }
        self.chunk = self.used.saturating_add(self.used / 4).clamp(1, self.habits.most.max(1));
        let keep = self.held.min(self.chunk);
        // What is refunded is for the holder that asks first.
        let want = if self.refunds.is_empty() { self.chunk.saturating_sub(keep) } else { 0 };
        Some(Ask { want, ..self.report(keep, now) })
    }

    /// Gives back what is not used; nothing while an ask is under way, or when there is nothing to say.
    pub fn give_back(&mut self, now: u64) -> Option<Ask> {
        let silent = !self.open && self.at_least == 0 && self.forced.is_empty() && self.refunds.is_empty();
        if self.pending.is_some() || silent {
            return None;
        }
        if self.held > 0 {
            self.chunk = (self.chunk / 2).max(1);
        }
        Some(self.report(0, now))
    }

    /// Reads an answer. One that is not to the ask under way is ignored.
    pub fn answered(&mut self, answer: &Answer, now: u64) {
        if answer.seq != self.seq {
            return;
        }
        let Some(pending) = self.pending.take() else { return };
        let own = answer.kept.saturating_sub(pending.taken).saturating_add(answer.granted);
        self.held = own.saturating_sub(self.in_use);
        let given_up = self.in_use.saturating_sub(own);
        if given_up > 0 {
            self.force(given_up, now);
        }
        self.expires = pending.sent.saturating_add(self.usable(answer));
        if answer.window != self.window {
            (self.window, self.window_heard) = (answer.window, now);
            self.refunds.clear();
        }
        self.at_least = 0;
        self.granted = answer.granted;
        self.open = answer.kept.saturating_add(answer.granted) > 0;
        self.heard = Some((answer.at, now));
    }

    /// For how long what was granted can be used: until the lease ends, or the window of a calendar, less the margin.
    fn usable(&self, answer: &Answer) -> u64 {
        let Habits { lease, margin, .. } = self.habits;
        if answer.window == 0 || answer.full_in >= lease {
            return lease.saturating_sub(margin);
        }
        let margin = margin.saturating_mul(answer.full_in).checked_div(lease).unwrap_or(0);
        answer.full_in.saturating_sub(margin)
    }

    /// No answer came. What it would have granted is not used; what was forced is reported again, what was refunded is not.
    pub fn lost(&mut self) {
        if let Some(pending) = self.pending.take() {
            let since = std::mem::replace(&mut self.forced, pending.forced);
            for used in since {
                self.force(used.units, used.at);
            }
        }
    }

    /// A chunk that was used up was too small, one that outlived its lease too large.
    fn size_chunk(&mut self, now: u64) {
        let sized = if self.held > 0 && now >= self.expires { self.chunk / 2 } else { self.chunk.saturating_mul(4) };
        self.chunk = sized.clamp(1, self.habits.most.max(1));
    }

    /// An ask for nothing that keeps `keep` of the units that are not in use.
    fn report(&mut self, keep: u64, now: u64) -> Ask {
        let back = self.held.saturating_sub(keep);
        self.held = keep;
        self.used = 0;
        self.seq = self.seq.saturating_add(1);
        self.open = true;
        let forced = std::mem::take(&mut self.forced);
        let past = forced.iter().map(|used| used.past(now)).collect();
        self.pending = Some(Pending { sent: now, forced, taken: 0 });
        Ask {
            holder: self.id,
            terms: self.terms,
            terms_ago: now.saturating_sub(self.since),
            seq: self.seq,
            keep: keep.saturating_add(self.in_use),
            back,
            used_ago: now.saturating_sub(self.last_use),
            forced: past,
            at_least: self.at_least,
            refunds: self.tell_refunds(now),
            window: self.window,
            sent: self.account_time(now),
            need: 0,
            waiting: 0,
            want: 0,
            lease: self.habits.lease,
        }
    }

    /// Each refund is reported once, and not before the account's time is known.
    fn tell_refunds(&mut self, now: u64) -> Vec<Past> {
        if self.heard.is_none() {
            return vec![];
        }
        self.refunds.drain(..).map(|used| used.past(now)).collect()
    }

    /// The account's time now, or earlier: its last answer took a while to come.
    fn account_time(&self, now: u64) -> Option<u64> {
        self.heard.map(|(at, read)| at.saturating_add(now.saturating_sub(read)))
    }
}

/// Uses that follow each other, as one at the time of the last.
fn join(uses: &[Used]) -> Used {
    let units = uses.iter().fold(0u64, |sum, used| sum.saturating_add(used.units));
    Used { units, at: uses.iter().map(|used| used.at).max().unwrap_or(0) }
}
