//! Which losses are explained: what the chain of custody has on record, and what the walks have missed.

use std::collections::{BTreeMap, HashMap};

use super::{Fault, Finding, Position};
use crate::domain::{
    audit::{
        act::{Act, Gap},
        checkpoint::Checkpoint,
    },
    ids::UserId,
};

/// The acts on record.
#[derive(Debug, Default)]
pub struct Custody {
    /// Up to where a chain was dropped.
    dropped: HashMap<String, u64>,
    /// Up to where the parts of a user were erased in a chain.
    erased: HashMap<(UserId, String), u64>,
    /// What was lost when a store was set back.
    gaps: Vec<Gap>,
}

impl Custody {
    /// Takes note of an act.
    pub fn note(&mut self, act: Act) {
        match act {
            Act::Drop { chain, through, .. } => raise(self.dropped.entry(chain).or_default(), through),
            Act::Erase { user_id, through, .. } => {
                for (chain, through) in through {
                    raise(self.erased.entry((user_id, chain)).or_default(), through);
                }
            }
            Act::Restore { gap, .. } => self.gaps.push(gap),
            Act::Command { .. } => {}
        }
    }
}

impl Custody {
    /// Whether it is on record that this checkpoint was lost with a store that was set back.
    #[must_use]
    pub fn explains(&self, lost: &Checkpoint) -> bool {
        let covers = |gap: &&Gap| gap.chain == lost.chain && gap.after < lost.number && lost.number <= gap.through;
        self.gaps.iter().filter(covers).any(|gap| lost.time <= gap.at)
    }

    /// Whether it is on record that a chain was dropped up to this place or further.
    #[must_use]
    pub fn has_dropped(&self, chain: &str, seq: u64) -> bool {
        self.dropped.get(chain).is_some_and(|through| seq <= *through)
    }
}

fn raise(value: &mut u64, to: u64) {
    *value = to.max(*value);
}

/// What is missing behind entries that are there. No drop leaves that: it takes the beginning of a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Torn {
    /// The first and the last entry that is missing so.
    pub first: u64,
    pub last: u64,
    /// The last entry that is there and has missing ones behind it.
    pub behind: u64,
}

/// What a walk through a chain has not found.
#[derive(Debug, Clone, Default)]
pub struct Losses {
    /// The first and the last entry that is missing.
    pub missing: Option<(u64, u64)>,
    /// What of that is missing behind entries that are there.
    pub torn: Option<Torn>,
    /// The number of the checkpoint that vouches for entries behind the last one that is there.
    pub cut_off: Option<u64>,
    /// The first and last entry whose part is gone, for each user.
    pub erased: BTreeMap<UserId, (u64, u64)>,
}

impl Losses {
    /// Notes that these entries are not there, and behind which one that is.
    pub(super) fn miss(&mut self, first: u64, last: u64, behind: Option<u64>) {
        let missing = self.missing.get_or_insert((first, last));
        raise(&mut missing.1, last);
        if let Some(behind) = behind {
            let first = self.torn.map_or(first, |torn| torn.first);
            self.torn = Some(Torn { first, last, behind });
        }
    }

    /// Notes that an entry has lost a user's part.
    pub(super) fn erase(&mut self, user: UserId, seq: u64) {
        raise(&mut self.erased.entry(user).or_insert((seq, seq)).1, seq);
    }

    /// The first loss that no act explains.
    pub fn settle(&self, chain: &str, custody: &Custody) -> Result<(), Finding> {
        let finding = |seq, fault| Err(Finding { chain: chain.to_owned(), position: Position::Record(seq), fault });
        let dropped = custody.dropped.get(chain).copied().unwrap_or_default();
        if let Some((first, through)) = self.missing.filter(|(_, last)| *last > dropped) {
            let first = first.max(dropped.saturating_add(1));
            return finding(
                first,
                match self.cut_off {
                    Some(checkpoint) => Fault::CutOff { through, checkpoint },
                    None => Fault::Missing { through },
                },
            );
        }
        if let Some(Torn { first, last, .. }) = self.torn {
            return finding(first, Fault::Torn { through: last });
        }
        for (user, (first, last)) in &self.erased {
            let erased = custody.erased.get(&(*user, chain.to_owned())).copied().unwrap_or_default();
            if *last > erased {
                return finding(if *first > erased { *first } else { *last }, Fault::NotErased);
            }
        }
        Ok(())
    }
}
