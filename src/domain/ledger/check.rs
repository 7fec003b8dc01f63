//! The rules that the entries of one call keep: `tollgate ledger check` holds every call against them.

use std::fmt;

/// An entry as it is stored, or an open hold; unreadable text is kept as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// `hold`, `settle`, `release`, `forced` or `refund`.
    pub kind: String,
    pub amount_pusd: i64,
    /// The accounts it is counted in.
    pub accounts: String,
}

/// All that is stored of one call.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CallBooks {
    pub entries: Vec<Line>,
    /// Its hold, while the call is under way.
    pub open: Option<Line>,
}

/// A rule that is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    UnknownKind,
    Negative,
    OtherAccounts,
    UnreadableAccounts,
    Twice,
    NoHold,
    HoldWithoutEnd,
    OpenAndEnded,
    OpenOtherAmount,
    TwoEnds,
    ReleasedAmount,
    SettledBeyondHold,
    ForcedAlone,
    ForcedBelowHold,
    ForcedNothing,
    RefundWithoutSettlement,
    RefundBeyondSettlement,
    RefundedAndForced,
    RefundedNothing,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::UnknownKind => "an entry is of no known kind",
            Self::Negative => "an amount is negative",
            Self::OtherAccounts => "its entries do not name the same accounts",
            Self::UnreadableAccounts => "an entry names no readable list of accounts",
            Self::Twice => "there are two entries of one kind",
            Self::NoHold => "nothing was ever held for it",
            Self::HoldWithoutEnd => "its hold neither is open nor has an end",
            Self::OpenAndEnded => "its hold is open although it has an end",
            Self::OpenOtherAmount => "its open hold is of another amount than its entry",
            Self::TwoEnds => "it is both settled and released",
            Self::ReleasedAmount => "its release has an amount",
            Self::SettledBeyondHold => "more was settled than was held",
            Self::ForcedAlone => "money was forced without an end of its hold",
            Self::ForcedBelowHold => "money was forced although its hold was not used up",
            Self::ForcedNothing => "nothing was forced, and yet booked",
            Self::RefundWithoutSettlement => "money was refunded that was never settled",
            Self::RefundBeyondSettlement => "more was refunded than was settled",
            Self::RefundedAndForced => "money was both refunded and forced",
            Self::RefundedNothing => "nothing was refunded, and yet booked",
        })
    }
}

impl CallBooks {
    /// Every rule that is broken; none for a call whose books are right.
    pub fn faults(&self) -> Vec<Fault> {
        let rules = [
            (self.lines().any(|line| !KINDS.contains(&line.kind.as_str())), Fault::UnknownKind),
            (self.lines().any(|line| line.amount_pusd < 0), Fault::Negative),
            (self.names_other_accounts(), Fault::OtherAccounts),
            (self.lines().any(|line| list(&line.accounts).is_none()), Fault::UnreadableAccounts),
            (KINDS.iter().any(|kind| self.entries.iter().filter(|line| line.kind == **kind).count() > 1), Fault::Twice),
        ];
        let broken = rules.into_iter().chain(self.rules_of_the_hold()).chain(self.rules_of_the_end());
        let broken = broken.chain(self.rules_of_the_refund());
        broken.filter_map(|(is_broken, fault)| is_broken.then_some(fault)).collect()
    }

    fn rules_of_the_hold(&self) -> [(bool, Fault); 4] {
        let (hold, open) = (self.amount("hold"), self.open.as_ref().map(|open| open.amount_pusd));
        let has_end = self.has_end();
        [
            (hold.is_none(), Fault::NoHold),
            (hold.is_some() && open.is_none() && !has_end, Fault::HoldWithoutEnd),
            (open.is_some() && has_end, Fault::OpenAndEnded),
            (hold.is_some() && open.is_some() && open != hold, Fault::OpenOtherAmount),
        ]
    }

    fn rules_of_the_end(&self) -> [(bool, Fault); 6] {
        let (hold, settle) = (self.amount("hold").unwrap_or(0), self.amount("settle"));
        let (release, forced) = (self.amount("release"), self.amount("forced"));
        [
            (settle.is_some() && release.is_some(), Fault::TwoEnds),
            (release.is_some_and(|amount| amount != 0), Fault::ReleasedAmount),
            (settle.is_some_and(|amount| amount > hold), Fault::SettledBeyondHold),
            (forced.is_some() && !self.has_end(), Fault::ForcedAlone),
            // A call that was released because its replica was taken for lost may come back and be billed.
            (forced.is_some() && settle.is_some_and(|amount| amount < hold), Fault::ForcedBelowHold),
            (forced == Some(0), Fault::ForcedNothing),
        ]
    }

    fn rules_of_the_refund(&self) -> [(bool, Fault); 4] {
        let (settle, forced, refund) = (self.amount("settle"), self.amount("forced"), self.amount("refund"));
        [
            (refund.is_some() && settle.is_none(), Fault::RefundWithoutSettlement),
            (refund.is_some_and(|refund| settle.is_some_and(|settle| refund > settle)), Fault::RefundBeyondSettlement),
            (refund.is_some() && forced.is_some(), Fault::RefundedAndForced),
            (refund == Some(0), Fault::RefundedNothing),
        ]
    }

    fn lines(&self) -> impl Iterator<Item = &Line> {
        self.entries.iter().chain(&self.open)
    }

    /// What holds money names the same accounts, and what spends it the same of these.
    fn names_other_accounts(&self) -> bool {
        let differ = |kinds: &[&str]| {
            let mut lists = self.lines().filter(|line| kinds.contains(&line.kind.as_str())).map(|line| &line.accounts);
            lists.next().is_some_and(|first| lists.any(|other| other != first))
        };
        let names = |kind: &str| self.lines().find(|line| line.kind == kind).and_then(|line| list(&line.accounts));
        let is_beyond = names("hold")
            .zip(names("settle"))
            .is_some_and(|(held, spent)| spent.iter().any(|account| !held.contains(account)));
        is_beyond || differ(&["hold", "release"]) || differ(&["settle", "forced", "refund"])
    }

    fn has_end(&self) -> bool {
        self.amount("settle").or(self.amount("release")).is_some()
    }

    fn amount(&self, kind: &str) -> Option<i64> {
        self.entries.iter().find(|line| line.kind == kind).map(|line| line.amount_pusd)
    }
}

const KINDS: [&str; 5] = ["hold", "settle", "release", "forced", "refund"];

fn list(text: &str) -> Option<Vec<String>> {
    serde_json::from_str(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line((kind, amount_pusd): (&str, i64)) -> Line {
        Line { kind: kind.into(), amount_pusd, accounts: "[]".into() }
    }

    fn books(entries: &[(&str, i64)], open: Option<i64>) -> CallBooks {
        let open = open.map(|amount| line(("hold", amount)));
        CallBooks { entries: entries.iter().copied().map(line).collect(), open }
    }

    #[test]
    fn what_a_ledger_books_breaks_no_rule() {
        for (entries, open) in [
            (&[("hold", 5)][..], Some(5)),
            (&[("hold", 5), ("settle", 5)], None),
            (&[("hold", 5), ("settle", 0)], None),
            (&[("hold", 5), ("release", 0)], None),
            (&[("hold", 5), ("settle", 5), ("forced", 9)], None),
            (&[("hold", 5), ("release", 0), ("forced", 3)], None),
            (&[("hold", 5), ("settle", 5), ("refund", 2)], None),
            (&[("hold", 5), ("settle", 5), ("refund", 5)], None),
        ] {
            assert_eq!(books(entries, open).faults(), [], "{entries:?}");
        }
    }

    #[test]
    fn each_broken_rule_is_named() {
        for (entries, open, fault) in [
            (&[("hold", 5), ("spend", 5)][..], Some(5), Fault::UnknownKind),
            (&[("hold", -5)], Some(-5), Fault::Negative),
            (&[("hold", 5), ("hold", 5)], Some(5), Fault::Twice),
            (&[], Some(5), Fault::NoHold),
            (&[("settle", 0)], None, Fault::NoHold),
            (&[("hold", 5)], None, Fault::HoldWithoutEnd),
            (&[("hold", 5), ("settle", 5)], Some(5), Fault::OpenAndEnded),
            (&[("hold", 5)], Some(4), Fault::OpenOtherAmount),
            (&[("hold", 5), ("settle", 5), ("release", 0)], None, Fault::TwoEnds),
            (&[("hold", 5), ("release", 1)], None, Fault::ReleasedAmount),
            (&[("hold", 5), ("settle", 6)], None, Fault::SettledBeyondHold),
            (&[("hold", 5), ("forced", 6)], Some(5), Fault::ForcedAlone),
            (&[("hold", 5), ("settle", 4), ("forced", 6)], None, Fault::ForcedBelowHold),
            (&[("hold", 5), ("settle", 5), ("forced", 0)], None, Fault::ForcedNothing),
            (&[("hold", 5), ("release", 0), ("refund", 1)], None, Fault::RefundWithoutSettlement),
            (&[("hold", 5), ("settle", 5), ("refund", 6)], None, Fault::RefundBeyondSettlement),
            (&[("hold", 5), ("settle", 5), ("forced", 1), ("refund", 1)], None, Fault::RefundedAndForced),
            (&[("hold", 5), ("settle", 5), ("refund", 0)], None, Fault::RefundedNothing),
        ] {
            assert_eq!(books(entries, open).faults(), [fault], "{entries:?}");
        }
    }

    #[test]
    fn the_entries_of_a_call_name_the_same_accounts() {
        let mut call = books(&[("hold", 5), ("settle", 5)], None);
        call.entries[1].accounts = "[\"a\"]".into();
        assert_eq!(call.faults(), [Fault::OtherAccounts]);
        call.entries[0].accounts = "[\"a\",\"b\"]".into();
        assert_eq!(call.faults(), [], "what it is billed in may be some of what it is held in");
        call.entries[0].accounts = "a".into();
        call.entries[1].accounts = "a".into();
        assert_eq!(call.faults(), [Fault::UnreadableAccounts]);
    }
}
