//! A search by the sums of traffic finds, page by page, what a search through the log finds.

use jiff::{SignedDuration, Timestamp};
use tollgate::{
    domain::{
        audit::{Decision, Draft, Findings, Head, Stage, Subject},
        ids::{EntryId, RequestId},
        traffic::count::sums,
    },
    store::audit::{AuditFilter, AuditRow},
};
use uuid::{Builder, Uuid};

use crate::support::{Database, on_both};

on_both!(what_is_found_by_minutes_is_what_is_found_in_the_log,);

const CHAINS: [&str; 2] = ["one", "other"];

/// An id of this time, as ids are: no two are the same.
fn id(at: Timestamp, number: u32) -> Uuid {
    let [a, b, c, d] = number.to_be_bytes();
    let ms = u64::try_from(at.as_millisecond()).unwrap();
    Builder::from_unix_timestamp_millis(ms, &[0, 0, 0, 0, 0, 0, a, b, c, d]).into_uuid()
}

/// Always the same numbers, none of them to be guessed.
struct Dice(u32);

impl Dice {
    fn roll(&mut self, sides: u32) -> u32 {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (self.0 >> 8) % sides
    }
}

/// What became of a call: most are served, some are rare.
fn became(dice: &mut Dice) -> Findings {
    let (decision, status, reason) = match dice.roll(40) {
        0 => (Decision::Failed, 504, Some("upstream-timeout")),
        1 | 2 => (Decision::Refused, 429, Some("quota-exceeded: per-minute")),
        3 => (Decision::Refused, 429, Some("quota-exceeded")),
        4 => (Decision::Refused, 403, Some("quota")),
        _ => (Decision::Allowed, 200, None),
    };
    let (upstream, model) = (dice.roll(3), dice.roll(30));
    Findings {
        decision: Some(decision),
        status: Some(status),
        reason: reason.map(str::to_owned),
        upstream: (upstream > 0).then(|| format!("upstream-{upstream}")),
        model: (model < 2).then(|| format!("model-{model}")),
        ..Findings::default()
    }
}

/// Four days with gaps, on two chains, with calls whose outcome comes later; up to `until`.
async fn fill(db: &Database, until: Timestamp) {
    let (mut dice, mut number) = (Dice(7), 0);
    let mut new = |at: Timestamp| {
        number += 1;
        id(at, number)
    };
    for chain in CHAINS {
        let (mut head, mut rows) = (Head::GENESIS, vec![]);
        let mut append = |draft: &Draft| {
            let link = head.link(chain, draft, [[1; 16], [2; 16]], |_: &[&[u8]]| [7; 32]).unwrap();
            head = link.head();
            rows.push(AuditRow::new(draft, link));
        };
        let mut at = until - SignedDuration::from_hours(100);
        while at < until {
            let request_id = RequestId(new(at));
            let route = ["echo", "echo", "chat", "rare"][usize::try_from(dice.roll(3) + dice.roll(50) / 49).unwrap()];
            let subject =
                Subject { method: "GET".into(), path: "/".into(), route: Some(route.into()), ..Subject::default() };
            let is_whole = dice.roll(2) == 0;
            let (stage, first) = if is_whole {
                (Stage::Whole, became(&mut dice))
            } else {
                (Stage::Decision, Findings { decision: Some(Decision::Allowed), ..Findings::default() })
            };
            append(&Draft {
                id: EntryId(new(at)),
                request_id,
                time: at,
                stage,
                subject: Some(subject),
                findings: first,
            });
            // Some have no outcome yet.
            if !is_whole && dice.roll(20) > 0 {
                let (time, findings) = (at + SignedDuration::from_secs(2), became(&mut dice));
                append(&Draft {
                    id: EntryId(new(time)),
                    request_id,
                    time,
                    stage: Stage::Outcome,
                    subject: None,
                    findings,
                });
            }
            // Some at one moment, some hours apart.
            let gaps_s = [0, 1, 30, 59, 60, 61, 300, 900, 3_600, 20_000];
            at += SignedDuration::from_secs(gaps_s[usize::try_from(dice.roll(10)).unwrap()]);
        }
        for batch in rows.chunks(200) {
            db.store.append_audit(chain, batch.to_vec()).await.unwrap();
        }
    }
}

async fn count(db: &Database) {
    for chain in CHAINS {
        loop {
            let backlog = db.store.traffic_backlog(chain, 50).await.unwrap();
            if backlog.entries.is_empty() {
                break;
            }
            let sums = sums(&backlog.entries, &backlog.earlier);
            db.store.add_traffic(chain, (backlog.after, backlog.through), sums).await.unwrap();
        }
    }
}

async fn pages(db: &Database, filter: &AuditFilter, counted: Option<Timestamp>) -> Vec<EntryId> {
    let mut found: Vec<EntryId> = vec![];
    loop {
        let before = found.last().copied();
        let page = match counted {
            Some(counted) => db.store.audit_page_of_counted(filter, before, 7, counted).await,
            None => db.store.audit_page(filter, before, 7).await,
        };
        let page = page.unwrap();
        found.extend(page.iter().map(|record| record.opening.id));
        if page.len() < 7 {
            return found;
        }
    }
}

async fn what_is_found_by_minutes_is_what_is_found_in_the_log(db: Database) {
    let until: Timestamp = "2026-11-24T12:34:56Z".parse().unwrap();
    fill(&db, until).await;
    count(&db).await;
    let any = AuditFilter::default;
    let text = |text: &str| Some(text.to_owned());
    let filters = [
        AuditFilter { route: text("rare"), ..any() },
        AuditFilter { route: text("echo"), ..any() },
        AuditFilter { route: text("none"), ..any() },
        AuditFilter { model: text("model-1"), ..any() },
        AuditFilter { model: text("model-1"), route: text("chat"), ..any() },
        AuditFilter { upstream: text("upstream-2"), status: Some(500..=599), ..any() },
        AuditFilter { status: Some(429..=429), ..any() },
        AuditFilter { status: Some(418..=418), ..any() },
        AuditFilter { decision: Some(Decision::Failed), ..any() },
        AuditFilter { decision: Some(Decision::Refused), ..any() },
        AuditFilter { reason: text("quota-exceeded"), ..any() },
        AuditFilter { reason: text("quota-exceeded: per-minute"), ..any() },
        AuditFilter { reason: text("quota"), ..any() },
        AuditFilter {
            reason: text("quota-exceeded"),
            from: Some(until - SignedDuration::from_hours(30)),
            to: Some(until - SignedDuration::from_mins(1_111)),
            ..any()
        },
    ];
    let mut found = 0;
    for filter in filters {
        assert!(filter.is_counted(), "{filter:?}");
        let expected = pages(&db, &filter, None).await;
        found += expected.len();
        // Counted when the last call came, a while after, and long after.
        for after_s in [0, 200, 100_000] {
            let counted = until + SignedDuration::from_secs(after_s);
            assert_eq!(pages(&db, &filter, Some(counted)).await, expected, "{filter:?} {after_s}");
        }
    }
    assert!(found > 200, "{found}");
}
