//! What entries and checkpoints must be one after the other.

use std::collections::HashSet;

use jiff::Timestamp;
use uuid::Uuid;

use super::{Facts, Fault, Finding, Losses, Position, Vouched};
use crate::domain::{
    audit::{
        Head, Stage,
        act::{Act, CUSTODY},
        checkpoint::{EVERY_ENTRIES, Trail},
    },
    hex,
};

/// Where a walk begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Beginning {
    /// With the first entry there ever was.
    Chain,
    /// Somewhere: what lies before is not looked at.
    Excerpt,
}

/// A walk through one chain: entries by `seq`, each checkpoint behind the entry it vouches for.
pub struct Walk {
    chain: String,
    beginning: Beginning,
    last: Option<Head>,
    first_seq: Option<u64>,
    trail: Option<Trail>,
    trail_time: Option<Timestamp>,
    /// Requests that are decided and have no outcome yet.
    open: HashSet<Uuid>,
    losses: Losses,
    acts: Vec<Act>,
    entries: u64,
    checkpoints: u64,
}

/// What a walk has seen.
#[derive(Debug, Clone)]
pub struct Summary {
    pub chain: String,
    pub first_seq: Option<u64>,
    pub last_seq: u64,
    pub entries: u64,
    pub checkpoints: u64,
    /// How many of the last entries no checkpoint vouches for.
    pub unvouched: u64,
    /// The newest checkpoint.
    pub trail: Option<Trail>,
    pub trail_time: Option<Timestamp>,
    pub losses: Losses,
    pub acts: Vec<Act>,
}

impl Walk {
    /// Before the first entry of `chain`.
    #[must_use]
    pub fn new(chain: &str, beginning: Beginning) -> Self {
        Self {
            chain: chain.to_owned(),
            beginning,
            last: None,
            first_seq: None,
            trail: None,
            trail_time: None,
            open: HashSet::new(),
            losses: Losses::default(),
            acts: vec![],
            entries: 0,
            checkpoints: 0,
        }
    }

    /// The next entry, which is sound by itself.
    pub fn entry(&mut self, facts: Facts) -> Result<(), Finding> {
        let seq = facts.seq;
        let judged = self.follow(&facts).and_then(|()| self.pair(&facts)).and_then(|()| self.note_losses(&facts));
        judged.map_err(|fault| self.finding(Position::Record(seq), fault))?;
        self.entries = self.entries.saturating_add(1);
        self.first_seq.get_or_insert(seq);
        self.last = Some(Head { seq, hash: facts.hash });
        self.acts.extend(facts.act);
        Ok(())
    }

    fn follow(&mut self, facts: &Facts) -> Result<(), Fault> {
        if facts.chain != self.chain {
            return Err(Fault::Elsewhere { chain: facts.chain.clone(), seq: facts.seq });
        }
        let before = match (self.last, self.beginning) {
            (Some(last), _) => last,
            (None, Beginning::Chain) => Head::GENESIS,
            (None, Beginning::Excerpt) => Head { seq: facts.seq.saturating_sub(1), hash: facts.prev_hash },
        };
        let next = before.seq.saturating_add(1);
        if facts.seq < next {
            return Err(Fault::Order);
        }
        if facts.seq > next {
            self.losses.miss(next, facts.seq.saturating_sub(1), self.last.map(|last| last.seq));
            return self.follow_vouched(facts);
        }
        if facts.prev_hash == before.hash { Ok(()) } else { Err(Fault::Link) }
    }

    /// Behind entries that are missing, the checkpoint of the last of them says what must be followed.
    fn follow_vouched(&self, facts: &Facts) -> Result<(), Fault> {
        let vouched = self.trail.filter(|trail| trail.head.seq.saturating_add(1) == facts.seq);
        if vouched.is_none_or(|trail| trail.head.hash == facts.prev_hash) { Ok(()) } else { Err(Fault::Link) }
    }

    /// An outcome comes after its decision, once. Where the walk does not see the beginning, the decision may lie before.
    fn pair(&mut self, facts: &Facts) -> Result<(), Fault> {
        let sees_all = self.beginning == Beginning::Chain && self.losses.missing.is_none();
        match facts.stage {
            Stage::Whole => {}
            Stage::Decision => drop(self.open.insert(facts.request_id)),
            Stage::Outcome if self.open.remove(&facts.request_id) || !sees_all => {}
            Stage::Outcome => return Err(Fault::NoDecision),
        }
        Ok(())
    }

    fn note_losses(&mut self, facts: &Facts) -> Result<(), Fault> {
        for whose in &facts.lost {
            let user = whose.ok_or(Fault::NotErased)?;
            self.losses.erase(user, facts.seq);
        }
        Ok(())
    }

    /// The next checkpoint, which is sound by itself.
    pub fn checkpoint(&mut self, vouched: &Vouched) -> Result<(), Finding> {
        let number = vouched.statement.number;
        let next = self.trail.map_or(1, |trail| trail.number.saturating_add(1));
        if number > next && (self.trail.is_some() || self.beginning == Beginning::Chain) {
            return Err(self.finding(Position::Checkpoint(next), Fault::MissingCheckpoint));
        }
        self.follow_trail(vouched)
            .and_then(|()| self.vouch(vouched))
            .map_err(|fault| self.finding(Position::Checkpoint(number), fault))?;
        self.checkpoints = self.checkpoints.saturating_add(1);
        self.trail = Some(vouched.trail());
        self.trail_time = Some(vouched.statement.time);
        Ok(())
    }

    fn follow_trail(&self, vouched: &Vouched) -> Result<(), Fault> {
        let statement = &vouched.statement;
        if statement.chain != self.chain {
            return Err(Fault::Elsewhere { chain: statement.chain.clone(), seq: statement.seq });
        }
        let before = match (self.trail, self.beginning) {
            (Some(trail), _) => trail,
            (None, Beginning::Chain) => Trail::START,
            (None, Beginning::Excerpt) => return Ok(()),
        };
        if statement.number <= before.number || hex::encode(&before.digest) != statement.previous {
            return Err(Fault::Trail);
        }
        if statement.seq < before.head.seq || self.trail_time.is_some_and(|time| statement.time < time) {
            return Err(Fault::Backwards);
        }
        let entries = statement.seq.saturating_sub(before.head.seq);
        if entries > EVERY_ENTRIES { Err(Fault::Apart { entries }) } else { Ok(()) }
    }

    fn vouch(&mut self, vouched: &Vouched) -> Result<(), Fault> {
        let seq = vouched.head.seq;
        let last = match (self.last, self.beginning) {
            (Some(last), _) => last,
            (None, Beginning::Chain) => Head::GENESIS,
            // It vouches for what lies before the excerpt.
            (None, Beginning::Excerpt) => return Ok(()),
        };
        if seq > last.seq {
            // Whether that was dropped, or is there, shows later.
            return Ok(());
        }
        if vouched.head == last { Ok(()) } else { Err(Fault::Vouched { seq }) }
    }

    /// The end of what there is of the chain.
    pub fn end(mut self) -> Result<Summary, Finding> {
        let last_seq = self.last.map_or(0, |last| last.seq);
        let vouched_seq = self.trail.map_or(0, |trail| trail.head.seq);
        if let Some(trail) = self.trail.filter(|trail| trail.head.seq > last_seq) {
            self.losses.miss(last_seq.saturating_add(1), trail.head.seq, self.last.map(|last| last.seq));
            self.losses.cut_off = Some(trail.number);
        }
        let unvouched = last_seq.saturating_sub(vouched_seq);
        if self.entries > 0 && self.trail.is_none() && self.beginning == Beginning::Chain {
            return Err(self.finding(Position::Chain, Fault::NoCheckpoint));
        }
        let most = if self.chain == CUSTODY { 0 } else { EVERY_ENTRIES };
        if self.beginning == Beginning::Chain && unvouched > most {
            return Err(self.finding(Position::Chain, Fault::Unvouched(unvouched)));
        }
        Ok(Summary {
            chain: self.chain,
            first_seq: self.first_seq,
            last_seq,
            entries: self.entries,
            checkpoints: self.checkpoints,
            unvouched,
            trail: self.trail,
            trail_time: self.trail_time,
            losses: self.losses,
            acts: self.acts,
        })
    }

    fn finding(&self, position: Position, fault: Fault) -> Finding {
        Finding { chain: self.chain.clone(), position, fault }
    }
}

#[cfg(test)]
mod tests;
