//! What was found: the first thing that is wrong, or how much was checked.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};

use super::Failure;
use crate::{
    crypto,
    domain::audit::{
        act::CUSTODY,
        checkpoint::Checkpoint,
        verify::{Custody, Fault, Finding, Keys, Means, Position, Summary, Vouched, Walk, check_checkpoint},
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
    shipped: HashMap<(String, u64), Vec<Checkpoint>>,
    /// Shipped checkpoints in whose place another one was found.
    replaced: Vec<Checkpoint>,
    summaries: Vec<Summary>,
    notes: Vec<String>,
    /// Only a part of what there is was looked at.
    pub is_part: bool,
}

impl Inspector {
    /// Of what was shipped only that counts whose signature is good.
    pub(super) fn new(keys: Keys, shipped: Vec<Checkpoint>) -> Self {
        let all = shipped.len();
        let good = shipped.into_iter().filter(|checkpoint| check_checkpoint(checkpoint, &keys, MEANS).is_ok());
        let (mut shipped, mut count) = (HashMap::<_, Vec<Checkpoint>>::new(), 0_usize);
        for found in good {
            let of_number = shipped.entry((found.chain.clone(), found.number)).or_default();
            if !of_number.contains(&found) {
                of_number.push(found);
                count = count.saturating_add(1);
            }
        }
        let mut notes = vec![];
        if count < all {
            notes.push(format!(
                "{} shipped checkpoints are signed by nobody who is trusted, or come twice",
                all.saturating_sub(count)
            ));
        }
        Self { keys, shipped, replaced: vec![], summaries: vec![], notes, is_part: false }
    }

    pub(super) fn note(&mut self, note: String) {
        self.notes.push(note);
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
    pub(super) fn close(&mut self, walk: Walk) -> Result<(), Finding> {
        self.summaries.push(walk.end()?);
        Ok(())
    }

    pub(super) fn summaries(&self) -> &[Summary] {
        &self.summaries
    }

    /// Judges what the walks have missed by what is on record in the chain of custody, and by what was shipped. With
    /// `max_age` is the greatest age of the newest checkpoint, in seconds.
    pub(super) fn verdict(mut self, max_age: Option<(Timestamp, u64)>) -> Result<String, Finding> {
        let mut custody = Custody::default();
        for summary in self.summaries.iter_mut().filter(|summary| summary.chain == CUSTODY) {
            for act in std::mem::take(&mut summary.acts) {
                custody.note(act);
            }
        }
        for summary in &self.summaries {
            summary.losses.settle(&summary.chain, &custody)?;
        }
        let lost = self.replaced.iter().chain(self.shipped.values().flatten()).filter(|lost| custody.explains(lost));
        let lost = lost.count();
        if lost > 0 {
            self.notes
                .push(format!("{lost} shipped checkpoints were lost with a store that was set back, as is on record"));
        }
        self.changed(&custody)?;
        if !self.is_part {
            self.gone(&custody)?;
        }
        if let Some((now, max_s)) = max_age {
            self.summaries.iter().filter(|summary| summary.chain != CUSTODY).try_for_each(|s| fresh(s, now, max_s))?;
        }
        Ok(self.text())
    }

    /// What was shipped and is another one here.
    fn changed(&self, custody: &Custody) -> Result<(), Finding> {
        let replaced = self.replaced.iter().filter(|lost| !custody.explains(lost));
        let first = replaced.min_by_key(|checkpoint| (&checkpoint.chain, checkpoint.number));
        first.map_or(Ok(()), |lost| {
            let position = Position::Checkpoint(lost.number);
            Err(Finding { chain: lost.chain.clone(), position, fault: Fault::Replaced })
        })
    }

    /// What was shipped and not found.
    fn gone(&self, custody: &Custody) -> Result<(), Finding> {
        let gone = self.shipped.values().flatten().filter(|lost| !custody.explains(lost));
        let first = gone.min_by_key(|checkpoint| (&checkpoint.chain, checkpoint.number));
        first.map_or(Ok(()), |gone| {
            let fault = Fault::Gone { seq: gone.seq };
            Err(Finding { chain: gone.chain.clone(), position: Position::Checkpoint(gone.number), fault })
        })
    }

    fn text(&self) -> String {
        let some = |summary: &&Summary| summary.entries > 0 || summary.checkpoints > 0;
        let notes = self.notes.iter().map(|note| format!("note: {note}\n"));
        let chains = self.summaries.iter().filter(some).map(chain_told);
        let total = |count: fn(&Summary) -> u64| self.summaries.iter().map(count).sum::<u64>();
        let (records, checkpoints) = (total(|summary| summary.entries), total(|summary| summary.checkpoints));
        let total = format!("sound: {records} records and {checkpoints} checkpoints were checked\n");
        notes.chain(chains).chain([total]).collect()
    }
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
