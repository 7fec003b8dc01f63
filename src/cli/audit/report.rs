//! What was found: the first thing that is wrong, or how much was checked.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use jiff::{SignedDuration, Timestamp};

use super::{
    Failure,
    part::{Part, Reach},
};
use crate::{
    crypto,
    domain::{
        audit::{
            act::CUSTODY,
            checkpoint::Checkpoint,
            verify::{Custody, Facts, Fault, Finding, Keys, Means, Position, Summary, Vouched, Walk},
        },
        hex,
    },
};

/// The computations behind every check.
pub(super) const MEANS: Means = Means { sha256: crypto::sha256, is_signed: crypto::is_signed_with_ed25519 };

impl From<Finding> for Failure {
    fn from(finding: Finding) -> Self {
        Self::Failed(format!("the audit log is not sound: {finding}"))
    }
}

/// Takes the walks through all chains, and judges them together.
pub(super) struct Inspector {
    pub keys: Keys,
    /// Checkpoints that lie in another place, by chain and number; taken out when they are found here.
    shipped: HashMap<(String, u64), Vec<Arc<Checkpoint>>>,
    /// The same by chain and the place that they vouch for.
    vouching: HashMap<String, HashMap<u64, Vec<Arc<Checkpoint>>>>,
    /// Shipped checkpoints in whose place another one was found.
    replaced: Vec<Arc<Checkpoint>>,
    /// Shipped checkpoints that vouch for another record than the one that was found.
    contradicted: Vec<Arc<Checkpoint>>,
    summaries: Vec<Summary>,
    notes: Vec<String>,
    /// How much of what there is was looked at.
    pub part: Part,
    /// It is an export, which ends when it was made; what was shipped may go on.
    pub is_export: bool,
    /// When the export was made, if that was said.
    pub made_at: Option<Timestamp>,
}

impl Inspector {
    /// The checkpoints that were shipped are signed by keys that are trusted.
    pub(super) fn new(keys: Keys, shipped: Vec<Checkpoint>) -> Self {
        let mut by_number = HashMap::<_, Vec<Arc<Checkpoint>>>::new();
        let mut vouching = HashMap::<String, HashMap<u64, Vec<Arc<Checkpoint>>>>::new();
        for found in shipped.into_iter().map(Arc::new) {
            let of_number = by_number.entry((found.chain.clone(), found.number)).or_default();
            // In `data_dir` and in a copy of that it is the same one.
            if !of_number.contains(&found) {
                vouching.entry(found.chain.clone()).or_default().entry(found.seq).or_default().push(Arc::clone(&found));
                of_number.push(found);
            }
        }
        Self {
            keys,
            shipped: by_number,
            vouching,
            replaced: vec![],
            contradicted: vec![],
            summaries: vec![],
            notes: vec![],
            part: Part::Whole,
            is_export: false,
            made_at: None,
        }
    }

    /// Whether there are shipped checkpoints to compare with.
    pub(super) fn compares(&self) -> bool {
        !self.shipped.is_empty()
    }

    pub(super) fn notes(&mut self, notes: &mut Vec<String>) {
        self.notes.append(notes);
    }

    pub(super) fn note(&mut self, note: String) {
        self.notes.push(note);
    }

    /// An entry on the way through a chain: what was shipped vouches for this one and no other.
    pub(super) fn entry(&mut self, walk: &mut Walk, facts: Facts) -> Result<(), Finding> {
        let vouching = self.vouching.get(&facts.chain).and_then(|chain| chain.get(&facts.seq));
        for shipped in vouching.into_iter().flatten() {
            let hash = shipped.read().ok().and_then(|statement| hex::decode(&statement.hash));
            if hash != Some(facts.hash) {
                self.contradicted.push(Arc::clone(shipped));
            }
        }
        walk.entry(facts)
    }

    /// A checkpoint on the way through a chain.
    pub(super) fn checkpoint(
        &mut self,
        walk: &mut Walk,
        checkpoint: &Checkpoint,
        checked: Result<Vouched, Fault>,
    ) -> Result<(), Finding> {
        let (chain, number) = (checkpoint.chain.clone(), checkpoint.number);
        let finding = |fault| Finding { chain: chain.clone(), position: Position::Checkpoint(number), fault };
        let shipped = self.shipped.remove(&(chain.clone(), number)).unwrap_or_default();
        self.replaced.extend(shipped.into_iter().filter(|shipped| shipped.statement != checkpoint.statement));
        walk.checkpoint(&checked.map_err(finding)?)
    }

    /// The end of a chain.
    pub(super) fn close(&mut self, summary: Summary) {
        self.summaries.push(summary);
    }

    pub(super) fn summaries(&self) -> &[Summary] {
        &self.summaries
    }

    /// Judges what the walks have missed by what is on record in the chain of custody, and by what was shipped. With
    /// `max_age` is the greatest age of the newest checkpoint, in seconds.
    pub(super) fn verdict(mut self, max_age: Option<(Timestamp, u64)>) -> Result<String, Finding> {
        let custody = self.settle()?;
        let lost = self.replaced.iter().chain(self.shipped.values().flatten()).filter(|lost| custody.explains(lost));
        let lost = lost.count();
        if lost > 0 {
            self.notes
                .push(format!("{lost} shipped checkpoints were lost with a store that was set back, as is on record"));
        }
        first(&self.replaced, &custody, |_| Fault::Replaced)?;
        first(&self.contradicted, &custody, |lost| Fault::Vouched { seq: lost.seq })?;
        self.miss(&custody)?;
        self.part.judge_beginnings(&self.summaries, &custody)?;
        if let Some((now, max_s)) = max_age {
            self.summaries.iter().filter(|summary| summary.chain != CUSTODY).try_for_each(|s| fresh(s, now, max_s))?;
        }
        Ok(self.text())
    }

    /// Judges what is missing in the chains that were walked through by what is on record in the chain of custody, and gives that.
    pub(super) fn settle(&mut self) -> Result<Custody, Finding> {
        let mut custody = Custody::default();
        for summary in self.summaries.iter_mut().filter(|summary| summary.chain == CUSTODY) {
            for act in std::mem::take(&mut summary.acts) {
                custody.note(act);
            }
        }
        for summary in &self.summaries {
            summary.losses.settle(&summary.chain, &custody)?;
        }
        Ok(custody)
    }

    /// Judges the shipped checkpoints that were not found, as far as what was looked at reaches.
    fn miss(&mut self, custody: &Custody) -> Result<(), Finding> {
        let (mut gone, mut beyond, mut unseen) = (vec![], vec![], vec![]);
        for lost in self.shipped.values().flatten() {
            let seen = self.summaries.iter().find(|summary| summary.chain == lost.chain);
            match self.part.reach(lost, seen, custody) {
                Reach::Outside => {}
                Reach::Within | Reach::Unseen if self.is_beyond(lost) => beyond.push(Arc::clone(lost)),
                Reach::Within => gone.push(Arc::clone(lost)),
                Reach::Unseen => unseen.push(Arc::clone(lost)),
            }
        }
        first(&gone, custody, |lost| Fault::Gone { seq: lost.seq })?;
        let as_of = self.as_of();
        self.notes.extend(beyond_told(&beyond, as_of));
        self.notes.extend(unseen_told(&unseen));
        Ok(())
    }

    /// When an export was made at the latest, as far as its checkpoints and its maker say.
    fn as_of(&self) -> Option<Timestamp> {
        self.summaries.iter().filter_map(|summary| summary.trail_time).chain(self.made_at).max()
    }

    /// Whether it was signed after an export was made, and so cannot be in it.
    fn is_beyond(&self, shipped: &Checkpoint) -> bool {
        self.is_export && self.as_of().is_none_or(|made| shipped.time > made)
    }

    fn text(&self) -> String {
        let some = |summary: &&Summary| summary.entries > 0 || summary.checkpoints > 0;
        let part = self.part.told(&self.summaries);
        let notes = part.iter().chain(&self.notes).map(|note| format!("note: {note}\n"));
        let chains = self.summaries.iter().filter(some).map(chain_told);
        let total = |count: fn(&Summary) -> u64| self.summaries.iter().map(count).sum::<u64>();
        let (records, checkpoints) = (total(|summary| summary.entries), total(|summary| summary.checkpoints));
        let of_what = self.part.name();
        let total = format!("sound: {records} records and {checkpoints} checkpoints{of_what} were checked\n");
        notes.chain(chains).chain([total]).collect()
    }
}

/// The first checkpoint whose loss is not on record.
fn first(lost: &[Arc<Checkpoint>], custody: &Custody, fault: fn(&Checkpoint) -> Fault) -> Result<(), Finding> {
    let unexplained = lost.iter().filter(|lost| !custody.explains(lost));
    let first = unexplained.min_by_key(|lost| (&lost.chain, lost.number));
    first.map_or(Ok(()), |lost| {
        Err(Finding { chain: lost.chain.clone(), position: Position::Checkpoint(lost.number), fault: fault(lost) })
    })
}

/// By their chains.
fn by_chain(shipped: &[Arc<Checkpoint>]) -> BTreeMap<&str, Vec<&Checkpoint>> {
    let mut chains = BTreeMap::<&str, Vec<&Checkpoint>>::new();
    for shipped in shipped {
        chains.entry(&shipped.chain).or_default().push(shipped);
    }
    chains
}

/// What was shipped of each chain that an excerpt has nothing of.
fn unseen_told(unseen: &[Arc<Checkpoint>]) -> Vec<String> {
    let told = |(chain, shipped): (&str, Vec<&Checkpoint>)| {
        let count = shipped.len();
        format!(
            "WARNING: chain {chain}: nothing of it is in this excerpt, though {count} shipped checkpoints were signed in its span; either it was not written to then, or it was left out"
        )
    };
    by_chain(unseen).into_iter().map(told).collect()
}

/// What was shipped of each chain behind the end of an export.
fn beyond_told(beyond: &[Arc<Checkpoint>], as_of: Option<Timestamp>) -> Vec<String> {
    let newest = as_of.map_or_else(|| "which has no checkpoint".to_owned(), |time| format!("which ends at {time}"));
    let told = |(chain, shipped): (&str, Vec<&Checkpoint>)| {
        let last = shipped.iter().max_by_key(|found| found.number)?;
        let count = shipped.len();
        let (seq, time) = (last.seq, last.time);
        Some(format!(
            "chain {chain}: {count} shipped checkpoints (the last of {time}, for record {seq}) are beyond the end of this export, {newest}; if it was made later than that, its end was cut off: --made-at TIME fails then"
        ))
    };
    by_chain(beyond).into_iter().filter_map(told).collect()
}

fn chain_told(summary: &Summary) -> String {
    let Summary { chain, first_seq, last_seq, entries, checkpoints, unvouched, .. } = summary;
    let first = first_seq.unwrap_or_default();
    format!(
        "chain {chain}: {entries} records ({first} to {last_seq}), {checkpoints} checkpoints, {unvouched} records since the last\n"
    )
}

fn fresh(summary: &Summary, now: Timestamp, max_s: u64) -> Result<(), Finding> {
    let age = summary.trail_time.map_or(SignedDuration::MAX, |time| now.duration_since(time));
    // A part of a second counts as one: what is half a second old is older than none.
    let age_s = age.as_secs().saturating_add(i64::from(age.subsec_nanos() > 0));
    let age_s = u64::try_from(age_s).unwrap_or_default();
    if age_s <= max_s {
        return Ok(());
    }
    Err(Finding { chain: summary.chain.clone(), position: Position::Chain, fault: Fault::Stale { age_s, max_s } })
}
