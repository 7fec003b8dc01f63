//! How much of a log was looked at, and which shipped checkpoints must be in that.

use crate::domain::audit::{
    act::CUSTODY,
    checkpoint::Checkpoint,
    lines::{Bounds, Scope},
    verify::{Custody, Fault, Finding, Position, Summary},
};

/// What was looked at. The chain of custody always is, as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Part {
    Whole,
    /// From this record of each chain on.
    From(u64),
    /// An excerpt, with the bounds that its first line states, if it does.
    Excerpt(Option<Bounds>),
}

/// Where a shipped checkpoint belongs that was not found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// In what was looked at: it is gone.
    Within,
    /// Outside of that, or it vouches for nothing that is not there.
    Outside,
    /// Its chain is not in the excerpt, and may not have been written to in its span.
    Unseen,
}

impl Part {
    /// What an export is looked at as.
    pub(super) fn of(scope: &Scope) -> Self {
        match scope {
            Scope::Whole => Self::Whole,
            Scope::Excerpt(bounds) => Self::Excerpt(bounds.clone()),
        }
    }

    /// Whether chains begin with the first record there ever was.
    pub(super) const fn begins_with_the_first(&self) -> bool {
        match self {
            Self::Whole => true,
            Self::From(_) | Self::Excerpt(None) => false,
            Self::Excerpt(Some(bounds)) => bounds.from.is_none(),
        }
    }

    /// Where a shipped checkpoint belongs that was not found, with what was seen of its chain.
    pub(super) fn reach(&self, lost: &Checkpoint, seen: Option<&Summary>, custody: &Custody) -> Reach {
        let is_within = match self {
            Self::Whole => true,
            _ if lost.chain == CUSTODY => true,
            Self::From(from) => lost.seq >= *from,
            Self::Excerpt(None) => false,
            Self::Excerpt(Some(bounds)) => return reach_of_excerpt(bounds, lost, seen, custody),
        };
        if is_within { Reach::Within } else { Reach::Outside }
    }

    /// Each chain must begin with the record that was asked for, or with the first that was not dropped.
    pub(super) fn judge_beginnings(&self, summaries: &[Summary], custody: &Custody) -> Result<(), Finding> {
        let Self::From(from) = self else { return Ok(()) };
        for Summary { chain, first_seq, .. } in summaries.iter().filter(|summary| summary.chain != CUSTODY) {
            let through = first_seq.map_or(0, |first| first.saturating_sub(1));
            if through >= *from && !custody.has_dropped(chain, through) {
                let (position, fault) = (Position::Record(*from), Fault::Missing { through });
                return Err(Finding { chain: chain.clone(), position, fault });
            }
        }
        Ok(())
    }

    /// What is said of a part before all else.
    pub(super) fn told(&self, summaries: &[Summary]) -> Option<String> {
        const OUTSIDE: &str = "nothing is said of what lies outside";
        match self {
            Self::Whole => None,
            Self::From(from) => {
                let is_some = summaries.iter().any(|summary| summary.chain != CUSTODY && summary.entries > 0);
                let none = if is_some { "" } else { "; no chain has such a record" };
                Some(format!("only records from {from} on of each chain were looked at: {OUTSIDE}{none}"))
            }
            Self::Excerpt(Some(bounds)) => {
                Some(format!("this is an excerpt and no whole log ({bounds}, as its first line says): {OUTSIDE}"))
            }
            Self::Excerpt(None) => Some(format!(
                "this is an excerpt and no whole log, and its first line does not say of which span: {OUTSIDE} the records below"
            )),
        }
    }

    /// What the sum of what was checked is of.
    pub(super) fn name(&self) -> String {
        match self {
            Self::Whole => String::new(),
            Self::From(from) => format!(" of the log from record {from} on"),
            Self::Excerpt(_) => " of an excerpt".into(),
        }
    }
}

/// An excerpt has of each chain the checkpoints up to the first one that vouches for its last record; later ones that
/// vouch for the same record are not in it.
fn reach_of_excerpt(bounds: &Bounds, lost: &Checkpoint, seen: Option<&Summary>, custody: &Custody) -> Reach {
    let is_behind = bounds.to.is_some_and(|to| lost.time >= to);
    let is_before = bounds.from.is_some_and(|from| lost.time < from);
    if bounds.chain.as_ref().is_some_and(|chain| *chain != lost.chain) {
        return Reach::Outside;
    }
    let Some((begin, end)) = seen.and_then(|summary| Some((summary.first_seq?, summary.last_seq))) else {
        return if lost.seq == 0 || is_behind || is_before || custody.has_dropped(&lost.chain, lost.seq) {
            Reach::Outside
        } else if bounds.from.is_some() {
            Reach::Unseen
        } else {
            Reach::Within
        };
    };
    let is_inside = begin <= lost.seq && lost.seq < end;
    let is_cut_off = lost.seq > end && !is_behind;
    if is_inside || is_cut_off { Reach::Within } else { Reach::Outside }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::domain::audit::act::Act;

    fn lost(chain: &str, seq: u64) -> Checkpoint {
        let time = Timestamp::from_second(60).unwrap();
        Checkpoint { chain: chain.into(), number: 1, seq, time, statement: String::new(), signature: vec![] }
    }

    fn bounds(from_s: Option<i64>, to_s: Option<i64>) -> Part {
        let time = |second| Timestamp::from_second(second).unwrap();
        Part::Excerpt(Some(Bounds { chain: None, from: from_s.map(time), to: to_s.map(time) }))
    }

    #[test]
    fn what_lies_before_the_record_that_was_asked_for_is_outside() {
        let reach = |chain, seq| Part::From(5).reach(&lost(chain, seq), None, &Custody::default());
        assert_eq!((reach("c", 4), reach("c", 5), reach("c", 6)), (Reach::Outside, Reach::Within, Reach::Within));
        assert_eq!(reach(CUSTODY, 1), Reach::Within, "that chain is looked at as a whole");
    }

    #[test]
    fn a_chain_that_is_not_in_an_excerpt_is_missed_unless_it_need_not_be_there() {
        let mut custody = Custody::default();
        let reach = |part: &Part, seq, custody: &Custody| part.reach(&lost("c", seq), None, custody);
        assert_eq!(reach(&bounds(None, Some(61)), 3, &custody), Reach::Within);
        assert_eq!(reach(&bounds(None, Some(60)), 3, &custody), Reach::Outside, "it was signed later");
        assert_eq!(reach(&bounds(None, Some(61)), 0, &custody), Reach::Outside, "there was no record yet");
        assert_eq!(reach(&bounds(Some(60), None), 3, &custody), Reach::Unseen);
        assert_eq!(reach(&bounds(Some(61), None), 3, &custody), Reach::Outside, "it was signed before");
        custody.note(Act::Drop { chain: "c".into(), through: 3, by: None });
        assert_eq!(reach(&bounds(None, Some(61)), 3, &custody), Reach::Outside, "it was dropped");
        assert_eq!(reach(&bounds(None, Some(61)), 4, &custody), Reach::Within);
    }
}
