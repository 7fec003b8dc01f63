//! A store that was set back, from a backup for instance, accepted: the gap is put on record in the chain of custody, and
//! the trail of checkpoints goes on from where the store is.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    path::PathBuf,
};

use super::{Custodian, NotCertified, shipping::Shipping};
use crate::{
    crypto,
    domain::audit::{
        Head,
        act::{Act, CUSTODY, Gap},
        checkpoint::{Checkpoint, Trail},
        verify::{Custody, Keys, Means, check_checkpoint, check_entry},
    },
};

/// Acts and checkpoints that are read at a time.
const PAGE: u32 = 2_000;

const MEANS: Means = Means { sha256: crypto::sha256, is_signed: crypto::is_signed_with_ed25519 };

impl Custodian {
    /// What the store has lost of what these checkpoints vouch for, a gap a chain; what is on record already is left out.
    /// A checkpoint that was not signed by the key of this store counts for nothing.
    pub async fn gaps(&self, shipped: &[Checkpoint]) -> Result<Vec<Gap>, NotCertified> {
        let (custody, at) = (self.custody().await?, self.clock.now());
        let mut gaps: BTreeMap<String, Gap> = BTreeMap::new();
        for lost in self.lost(shipped).await?.into_iter().filter(|lost| !custody.explains(lost)) {
            let chain = lost.chain.clone();
            let gap =
                gaps.entry(chain.clone()).or_insert(Gap { chain, after: u64::MAX, through: 0, through_seq: 0, at });
            gap.after = gap.after.min(lost.number.saturating_sub(1));
            gap.through = gap.through.max(lost.number);
            gap.through_seq = gap.through_seq.max(lost.seq);
        }
        Ok(gaps.into_values().collect())
    }

    /// The chains whose last checkpoint in a file is not in the store: their notaries sign nothing.
    pub async fn stuck(&self, in_file: &[Checkpoint]) -> Result<Vec<String>, NotCertified> {
        let last: BTreeMap<&str, &Checkpoint> = in_file.iter().map(|found| (found.chain.as_str(), found)).collect();
        let last: Vec<Checkpoint> = last.into_values().cloned().collect();
        Ok(self.lost(&last).await?.into_iter().map(|lost| lost.chain.clone()).collect())
    }

    /// Those of the checkpoints, signed by the key of this store, that the store does not have.
    async fn lost<'s>(&self, shipped: &'s [Checkpoint]) -> Result<Vec<&'s Checkpoint>, NotCertified> {
        let keys = Keys::new([self.key.public().clone()]);
        let chains: BTreeSet<&str> = shipped.iter().map(|found| found.chain.as_str()).collect();
        let mut stored: HashMap<(&str, u64), String> = HashMap::new();
        for chain in chains {
            let mut after = 0;
            loop {
                let page = self.store.checkpoints_after(chain, after, PAGE).await?;
                let Some(last) = page.last() else { break };
                after = last.number;
                stored.extend(page.into_iter().map(|kept| ((chain, kept.number), kept.statement)));
            }
        }
        let has = |found: &Checkpoint| stored.get(&(found.chain.as_str(), found.number)) == Some(&found.statement);
        let ours = |found: &Checkpoint| check_checkpoint(found, &keys, MEANS).is_ok();
        Ok(shipped.iter().filter(|found| !has(found) && ours(found)).collect())
    }

    /// Puts gaps on record.
    pub async fn accept(&self, gaps: Vec<Gap>) -> Result<(), NotCertified> {
        for gap in gaps {
            self.record(Act::Restore { gap, by: self.by.clone() }).await?;
        }
        Ok(())
    }

    /// Signs for the present head of a chain and puts the checkpoint into the store and the file, so that its notary finds
    /// the end of the trail in both.
    pub async fn go_on(&self, chain: &str, file: PathBuf) -> Result<(), NotCertified> {
        let last = self.store.last_checkpoint(chain).await?;
        let trail = last.as_ref().map_or(Some(Trail::START), |last| last.trail(crypto::sha256));
        let trail = trail.ok_or(NotCertified::Unreadable)?;
        let head = self.store.audit_head(chain).await?.unwrap_or(Head::GENESIS);
        let statement = trail.next(chain, head, self.clock.now(), &self.key.public().kid);
        let checkpoint = statement.signed(|line| self.key.sign(line)).map_err(|_| NotCertified::Unreadable)?;
        self.store.append_checkpoint(checkpoint.clone()).await?;
        Ok(Shipping::new(file, self.key.public().clone()).append(vec![checkpoint])?)
    }

    async fn custody(&self) -> Result<Custody, NotCertified> {
        let (mut custody, mut after) = (Custody::default(), 0);
        loop {
            let page = self.store.audit_entries_after(CUSTODY, after, u64::MAX >> 1, PAGE).await?;
            let Some((_, columns)) = page.last() else { return Ok(custody) };
            after = columns.seq;
            for (entry, _) in &page {
                let facts = check_entry(entry, None, MEANS);
                if let Some(act) = facts.ok().and_then(|facts| facts.act) {
                    custody.note(act);
                }
            }
        }
    }
}
