//! Traffic counted from the entries of the audit log, each entry once.
//!
//! A record is counted when its first entry comes, as what that says. When its outcome comes, that is taken away again
//! and the whole record is counted in the same span. So at every moment the sums are those of the records as the log shows
//! them then, and nothing has to be remembered but how far a chain was counted.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::Timestamp;
use serde::Deserialize;

use super::{
    Group, Tally,
    spans::{LENGTHS_S, begin},
};
use crate::domain::{
    audit::{Draft, Stage},
    ids::RequestId,
    money::Money,
};

/// The method of what the gateway says itself: it is on record, and no request.
pub const ALERT: &str = "ALERT";
/// How the reason of such a record begins.
pub const ALERT_REASON: &str = "budget-alert";

/// An entry of a chain, as far as it is counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub request_id: RequestId,
    pub stage: Stage,
    pub time: Timestamp,
    pub said: Said,
}

/// A span of time, and what the requests in it have in common.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    pub length_s: i64,
    pub begin_s: i64,
    pub group: Group,
}

/// By how much the sums change.
pub type Sums = BTreeMap<Place, Tally>;

/// What an entry says that is counted.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct Said {
    method: Option<String>,
    route: Option<String>,
    decision: Option<String>,
    reason: Option<String>,
    status: Option<u16>,
    upstream: Option<String>,
    model: Option<String>,
    duration_us: Option<u64>,
    cost_usd: Option<Money>,
}

/// One record, and what it counts as; `None` if it is of no request.
#[must_use]
pub fn record(opening: &Said, outcome: Option<&Said>) -> Option<(Group, Tally)> {
    outcome.map_or_else(|| opening.clone(), |outcome| opening.with(outcome)).counted()
}

/// What the next entries of a chain add to its sums. `earlier` has the decisions that came before them, by request, of
/// those outcomes whose decision is not among them.
#[must_use]
pub fn sums(entries: &[Entry], earlier: &BTreeMap<RequestId, Entry>) -> Sums {
    let mut minutes: BTreeMap<(i64, Group), Tally> = BTreeMap::new();
    let mut decisions: HashMap<RequestId, &Entry> = HashMap::new();
    for entry in entries {
        if entry.stage != Stage::Outcome {
            decisions.insert(entry.request_id, entry);
            if let Some((group, tally)) = record(&entry.said, None) {
                minutes.entry((minute(entry.time), group)).or_default().add(&tally);
            }
            continue;
        }
        let opening = decisions.get(&entry.request_id).copied().or_else(|| earlier.get(&entry.request_id));
        // A decision that is no longer there was dropped, and its record with it.
        let Some(opening) = opening else { continue };
        let minute = minute(opening.time);
        if let Some((group, tally)) = record(&opening.said, None) {
            minutes.entry((minute, group)).or_default().take_away(&tally);
        }
        if let Some((group, tally)) = record(&opening.said, Some(&entry.said)) {
            minutes.entry((minute, group)).or_default().add(&tally);
        }
    }
    in_all_lengths(minutes)
}

/// The requests whose outcome is among the entries, and whose decision is not.
#[must_use]
pub fn without_decision(entries: &[Entry]) -> BTreeSet<RequestId> {
    let of = |is_outcome: bool| {
        let found = entries.iter().filter(move |entry| (entry.stage == Stage::Outcome) == is_outcome);
        found.map(|entry| entry.request_id).collect::<BTreeSet<_>>()
    };
    &of(true) - &of(false)
}

fn in_all_lengths(minutes: BTreeMap<(i64, Group), Tally>) -> Sums {
    let mut sums = Sums::new();
    for ((minute, group), tally) in minutes.into_iter().filter(|(_, tally)| !tally.is_nothing()) {
        for length_s in LENGTHS_S {
            let place = Place { length_s, begin_s: begin(minute, length_s), group: group.clone() };
            sums.entry(place).or_default().add(&tally);
        }
    }
    sums
}

fn minute(time: Timestamp) -> i64 {
    begin(time.as_second(), super::spans::SHORTEST_S)
}

impl From<&Draft> for Entry {
    fn from(draft: &Draft) -> Self {
        Self { request_id: draft.request_id, stage: draft.stage, time: draft.time, said: draft.into() }
    }
}

/// As the line of the entry says it.
impl From<&Draft> for Said {
    fn from(Draft { subject, findings, .. }: &Draft) -> Self {
        Self {
            method: subject.as_ref().map(|subject| subject.method.clone()),
            route: subject.as_ref().and_then(|subject| subject.route.clone()),
            decision: findings.decision.map(|decision| decision.as_str().to_owned()),
            reason: findings.reason.clone(),
            status: findings.status,
            upstream: findings.upstream.clone(),
            model: findings.model.clone(),
            duration_us: findings.duration_us,
            cost_usd: findings.cost_usd,
        }
    }
}

impl Said {
    /// Reads the line that was hashed.
    ///
    /// # Errors
    /// It is no JSON, or not that of an entry.
    pub fn read(line: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(line)
    }

    /// This with its outcome laid over it, as the list of records shows them.
    fn with(&self, later: &Self) -> Self {
        let either = |later: Option<&String>, earlier: Option<&String>| later.or(earlier).cloned();
        Self {
            method: either(later.method.as_ref(), self.method.as_ref()),
            route: either(later.route.as_ref(), self.route.as_ref()),
            decision: either(later.decision.as_ref(), self.decision.as_ref()),
            reason: either(later.reason.as_ref(), self.reason.as_ref()),
            status: later.status.or(self.status),
            upstream: either(later.upstream.as_ref(), self.upstream.as_ref()),
            model: either(later.model.as_ref(), self.model.as_ref()),
            duration_us: later.duration_us.or(self.duration_us),
            cost_usd: later.cost_usd.or(self.cost_usd),
        }
    }

    fn counted(self) -> Option<(Group, Tally)> {
        self.method.filter(|method| method != ALERT)?;
        let mut tally = Tally { requests: 1, cost: self.cost_usd.unwrap_or(Money::ZERO), ..Tally::default() };
        if let Some(duration_us) = self.duration_us {
            tally.durations.record(duration_us);
        }
        let Self { route, decision, reason, status, upstream, model, .. } = self;
        Some((Group { route, decision, reason, status, upstream, model }, tally))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{
        audit::{Decision, Findings, Head, Subject},
        ids::EntryId,
    };
    use proptest::prelude::*;
    use uuid::Uuid;

    fn entry(request: usize, stage: Stage, second: i64, line: &str) -> Entry {
        let time = Timestamp::from_second(second).unwrap();
        let request_id = RequestId(Uuid::from_u128(u128::try_from(request).unwrap()));
        Entry { request_id, stage, time, said: Said::read(line).unwrap() }
    }

    const DECISION: &str = r#"{"method":"POST","route":"chat","decision":"allowed"}"#;
    const OUTCOME: &str = r#"{"status":200,"duration_us":1500,"cost_usd":"0.5","upstream":"u"}"#;
    const WHOLE: &str = r#"{"method":"GET","decision":"refused","reason":"forbidden","status":403,"duration_us":9}"#;

    /// Some requests in an order of their own, of which the last have no outcome yet.
    fn log(kinds: &[bool]) -> Vec<Entry> {
        let (mut entries, mut outcomes) = (vec![], vec![]);
        for (request, is_whole) in kinds.iter().enumerate() {
            let second = i64::try_from(request).unwrap() * 40;
            if *is_whole {
                entries.push(entry(request, Stage::Whole, second, WHOLE));
            } else {
                entries.push(entry(request, Stage::Decision, second, DECISION));
                outcomes.push(entry(request, Stage::Outcome, second + 7_000, OUTCOME));
            }
            if request % 3 == 2 {
                entries.append(&mut outcomes);
            }
        }
        entries
    }

    fn total(parts: impl IntoIterator<Item = Sums>) -> Sums {
        let mut all = Sums::new();
        for (place, tally) in parts.into_iter().flatten() {
            all.entry(place).or_default().add(&tally);
        }
        all.retain(|_, tally| !tally.is_nothing());
        all
    }

    #[test]
    fn a_record_of_two_entries_is_counted_once_where_it_began() {
        let entries = log(&[false, false, false]);
        let sums = sums(&entries, &BTreeMap::new());
        let of = |length_s, begin_s| {
            sums.iter()
                .filter(move |(place, _)| (place.length_s, place.begin_s) == (length_s, begin_s))
                .map(|(place, tally)| (place.group.status, tally.requests, tally.cost.to_string()))
                .collect::<Vec<_>>()
        };
        assert_eq!(of(60, 0), [(Some(200), 2, "1".into())]);
        assert_eq!(of(60, 60), [(Some(200), 1, "0.5".into())]);
        assert_eq!(of(86_400, 0), [(Some(200), 3, "1.5".into())]);
    }

    #[test]
    fn what_is_no_request_is_not_counted() {
        for line in [r#"{"act":{},"decision":"allowed"}"#, r#"{"method":"ALERT","reason":"budget-alert: x"}"#] {
            assert_eq!(record(&Said::read(line).unwrap(), None), None);
        }
        assert!(Said::read("no line").is_err());
    }

    #[test]
    fn a_draft_says_what_its_line_says() {
        let subject =
            Subject { method: "POST".into(), path: "/v1/x".into(), route: Some("x".into()), ..Subject::default() };
        let findings = Findings {
            decision: Some(Decision::Failed),
            reason: Some("upstream-timeout".into()),
            status: Some(504),
            upstream: Some("u".into()),
            model: Some("m".into()),
            duration_us: Some(7),
            cost_usd: Some(Money::from_pusd(5)),
            ..Findings::default()
        };
        for (stage, subject, findings) in [
            (Stage::Whole, Some(subject.clone()), findings.clone()),
            (Stage::Decision, Some(subject), Findings::default()),
            (Stage::Outcome, None, findings),
        ] {
            let (id, request_id) = (EntryId(Uuid::nil()), RequestId(Uuid::nil()));
            let draft = Draft { id, request_id, time: Timestamp::UNIX_EPOCH, stage, subject, findings };
            let link = Head::GENESIS.link("chain", &draft, [[0; 16]; 2], |_| [0; 32]).unwrap();
            assert_eq!(Said::from(&draft), Said::read(&link.entry).unwrap());
        }
    }

    proptest! {
        #[test]
        fn however_a_chain_is_cut_its_sums_are_the_same(
            kinds in prop::collection::vec(any::<bool>(), 0..40),
            cut in 1_usize..10,
        ) {
            let entries = log(&kinds);
            let earlier: BTreeMap<RequestId, Entry> = entries
                .iter()
                .filter(|entry| entry.stage == Stage::Decision)
                .map(|entry| (entry.request_id, entry.clone()))
                .collect();
            let whole = total([sums(&entries, &BTreeMap::new())]);
            let parts = total(entries.chunks(cut).map(|part| sums(part, &earlier)));
            prop_assert_eq!(&whole, &parts);
            let requests: i64 = whole.iter().filter(|(place, _)| place.length_s == 60).map(|(_, t)| t.requests).sum();
            prop_assert_eq!(usize::try_from(requests).unwrap(), kinds.len());
        }
    }
}
