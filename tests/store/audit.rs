//! The audit log: appending, the end of a chain, searching, and that nobody changes it.

use std::time::Duration;

use jiff::Timestamp;
use tollgate::{
    domain::{
        audit::{
            Decision, Draft, Findings, Hash, Head, Stage, Subject,
            act::{Act, CUSTODY},
            checkpoint::{Checkpoint, Trail},
        },
        ids::{ApiKeyId, EntryId, RequestId, TeamId, UserId},
        principal::{Credential, CredentialKind, Role},
    },
    store::{
        StoreError,
        administered::Created,
        audit::{AuditFilter, AuditRecordRow, AuditRow},
        users::{NewUser, UserRow},
    },
};

use crate::support::{Database, on_both};

on_both!(
    an_entry_is_read_as_it_was_written_to_the_byte,
    a_chain_ends_with_its_last_link,
    a_place_in_a_chain_is_taken_once,
    a_batch_is_appended_whole_or_not_at_all,
    a_batch_of_any_size_is_appended,
    a_decision_and_its_outcome_are_one_record,
    records_come_newest_first_and_page_by_page,
    each_filter_finds_its_records,
    what_an_entry_says_is_a_filter_too,
    the_outcome_has_the_last_word,
    nobody_changes_or_deletes_an_entry,
    only_what_custody_lets_go_is_erased_or_dropped,
    a_chain_that_was_dropped_whole_ends_where_its_checkpoint_says,
);

/// Something to tell bytes apart by; the store does not mind what it is.
fn fake_hash(parts: &[&[u8]]) -> Hash {
    let mut hash: Hash = [17; 32];
    for (n, byte) in parts.iter().copied().flatten().enumerate() {
        hash[n % 32] = hash[n % 32].wrapping_mul(31).wrapping_add(*byte);
    }
    hash
}

fn subject(user_id: Option<UserId>, route: &str) -> Subject {
    Subject { user_id, method: "GET".into(), path: "/".into(), route: Some(route.into()), ..Subject::default() }
}

fn findings(decision: Decision, status: Option<u16>) -> Findings {
    Findings { decision: Some(decision), status, ..Findings::default() }
}

/// A chain in the making.
struct Chain<'a> {
    db: &'a Database,
    name: &'a str,
    head: Head,
}

impl<'a> Chain<'a> {
    fn new(db: &'a Database, name: &'a str) -> Self {
        Self { db, name, head: Head::GENESIS }
    }

    fn draft(&self, stage: Stage, subject: Option<Subject>, findings: Findings) -> Draft {
        let (id, request_id) = (EntryId(self.db.clock.new_id()), RequestId(self.db.clock.new_id()));
        Draft { id, request_id, time: self.db.clock.now(), stage, subject, findings }
    }

    fn link(&mut self, draft: &Draft) -> AuditRow {
        let link = self.head.link(self.name, draft, [[1; 16], [2; 16]], fake_hash).unwrap();
        self.head = link.head();
        AuditRow::new(draft, link)
    }

    async fn append(&mut self, draft: &Draft) -> AuditRow {
        let row = self.link(draft);
        self.db.store.append_audit(self.name, vec![row.clone()]).await.unwrap();
        row
    }

    /// A checkpoint for the end of the chain, behind this trail.
    fn vouched(&self, trail: &mut Trail) -> Checkpoint {
        let statement = trail.next(self.name, self.head, self.db.clock.now(), "k");
        let checkpoint = statement.signed(|_| vec![0; 64]).unwrap();
        *trail = checkpoint.trail(fake_hash).unwrap();
        checkpoint
    }

    async fn whole(&mut self, user_id: Option<UserId>, route: &str, findings: Findings) -> Draft {
        let draft = self.draft(Stage::Whole, Some(subject(user_id, route)), findings);
        self.append(&draft).await;
        draft
    }
}

async fn page(db: &Database, filter: AuditFilter) -> Vec<EntryId> {
    ids(&db.store.audit_page(&filter, None, 100).await.unwrap())
}

fn ids(records: &[AuditRecordRow]) -> Vec<EntryId> {
    records.iter().map(|record| record.opening.id).collect()
}

async fn an_entry_is_read_as_it_was_written_to_the_byte(db: Database) {
    let mut chain = Chain::new(&db, "replica 'α' \"1\"; DROP TABLE users --");
    let reason = "Zoë 'q' \"qq\" \\ \u{0}\u{1f} \u{2028} 😀 % _ ; -- $1 ?".to_owned();
    let draft = chain.draft(
        Stage::Whole,
        Some(subject(None, "röute '")),
        Findings {
            reason: Some(reason.clone()),
            change: Some(serde_json::json!({"a": "\u{0}"})),
            ..Findings::default()
        },
    );
    let row = chain.append(&draft).await;
    assert!(row.entry.contains("\\u0000"), "{}", row.entry);

    let record = db.store.audit_record(draft.id).await.unwrap().unwrap();
    assert_eq!(record.opening.entry.as_bytes(), row.entry.as_bytes());
    assert_eq!((record.opening.prev_hash, record.opening.hash), (row.prev_hash, row.hash));
    assert_eq!(record.outcome, None);
    let read: serde_json::Value = serde_json::from_str(&record.opening.entry).unwrap();
    assert_eq!(read["reason"], reason);
    assert_eq!(page(&db, AuditFilter { route: Some("röute '".into()), ..AuditFilter::default() }).await, [draft.id]);
}

async fn a_chain_ends_with_its_last_link(db: Database) {
    assert_eq!(db.store.audit_head("a").await, Ok(None));
    let (mut a, mut b) = (Chain::new(&db, "a"), Chain::new(&db, "b"));
    for _ in 0..11 {
        a.whole(None, "echo", Findings::default()).await;
    }
    b.whole(None, "echo", Findings::default()).await;
    assert_eq!(db.store.audit_head("a").await, Ok(Some(a.head)));
    assert_eq!(db.store.audit_head("b").await, Ok(Some(b.head)));
    assert_eq!((a.head.seq, b.head.seq), (11, 1));
}

async fn a_place_in_a_chain_is_taken_once(db: Database) {
    let mut chain = Chain::new(&db, "a");
    let first = chain.append(&chain.draft(Stage::Whole, None, Findings::default())).await;
    let same_place = AuditRow { id: EntryId(db.clock.new_id()), ..first.clone() };
    let same_id = AuditRow { seq: 2, ..first };
    for row in [same_place, same_id] {
        assert_eq!(db.store.append_audit("a", vec![row]).await, Err(StoreError::Conflict("audit_entries")));
    }
    assert_eq!(db.store.audit_head("a").await, Ok(Some(chain.head)));
}

async fn a_batch_is_appended_whole_or_not_at_all(db: Database) {
    let mut chain = Chain::new(&db, "a");
    let drafts: Vec<_> = (0..3).map(|_| chain.draft(Stage::Whole, None, Findings::default())).collect();
    let mut rows: Vec<_> = drafts.iter().map(|draft| chain.link(draft)).collect();
    rows[2].seq = 1;
    assert_eq!(db.store.append_audit("a", rows).await, Err(StoreError::Conflict("audit_entries")));
    assert_eq!(db.store.audit_head("a").await, Ok(None));
}

async fn a_batch_of_any_size_is_appended(db: Database) {
    let mut chain = Chain::new(&db, "a");
    for size in [0, 1, 64, 6_000] {
        let drafts: Vec<_> = (0..size).map(|_| chain.draft(Stage::Whole, None, Findings::default())).collect();
        let rows: Vec<_> = drafts.iter().map(|draft| chain.link(draft)).collect();
        assert_eq!(db.store.append_audit("a", rows).await, Ok(()), "{size}");
    }
    assert_eq!(db.store.audit_head("a").await, Ok(Some(chain.head)));
    assert_eq!(db.texts("SELECT CAST(count(*) AS TEXT) AS text FROM audit_entries"), ["6065"]);

    let mut rows: Vec<_> =
        (0..6_000).map(|_| chain.link(&chain.draft(Stage::Whole, None, Findings::default()))).collect();
    rows[5_999].seq = 1;
    assert_eq!(db.store.append_audit("a", rows).await, Err(StoreError::Conflict("audit_entries")));
    assert_eq!(db.texts("SELECT CAST(count(*) AS TEXT) AS text FROM audit_entries"), ["6065"]);
}

async fn a_decision_and_its_outcome_are_one_record(db: Database) {
    let (mut chain, mut other) = (Chain::new(&db, "a"), Chain::new(&db, "b"));
    let open = chain.draft(Stage::Decision, Some(subject(None, "echo")), findings(Decision::Allowed, None));
    let decision = chain.append(&open).await;
    let alone = db.store.audit_record(open.id).await.unwrap().unwrap();
    assert_eq!(alone.outcome, None);

    let end = Draft { request_id: open.request_id, ..chain.draft(Stage::Outcome, None, Findings::default()) };
    let outcome = chain.append(&end).await;
    // Neither another request's outcome nor one of another chain belongs to it.
    other.append(&Draft { id: EntryId(db.clock.new_id()), ..end.clone() }).await;
    chain.append(&chain.draft(Stage::Outcome, None, Findings::default())).await;

    let record = db.store.audit_record(open.id).await.unwrap().unwrap();
    assert_eq!((record.opening.hash, record.opening.entry.as_str()), (decision.hash, decision.entry.as_str()));
    let last = record.outcome.as_ref().unwrap();
    assert_eq!((last.id, last.prev_hash, last.hash), (end.id, outcome.prev_hash, outcome.hash));
    assert_eq!(db.store.audit_page(&AuditFilter::default(), None, 10).await, Ok(vec![record]));
    assert_eq!(db.store.audit_record(end.id).await, Ok(None), "a record is found by its opening");
}

async fn records_come_newest_first_and_page_by_page(db: Database) {
    let mut chain = Chain::new(&db, "a");
    let mut written = vec![];
    for _ in 0..7 {
        written.insert(0, chain.whole(None, "echo", Findings::default()).await.id);
    }
    let (mut seen, mut before) = (vec![], None);
    loop {
        let page = ids(&db.store.audit_page(&AuditFilter::default(), before, 3).await.unwrap());
        let Some(last) = page.last() else { break };
        before = Some(*last);
        seen.extend(page);
    }
    assert_eq!(seen, written);
}

async fn each_filter_finds_its_records(db: Database) {
    let mut chain = Chain::new(&db, "a");
    let (ada, bob) = (UserId(db.clock.new_id()), UserId(db.clock.new_id()));
    let start = db.clock.now();
    let first = chain.whole(Some(ada), "echo", findings(Decision::Allowed, Some(200))).await;
    db.clock.advance(Duration::from_secs(1));
    let second = chain.whole(Some(bob), "chat", findings(Decision::Refused, Some(429))).await;
    db.clock.advance(Duration::from_secs(1));
    let third = chain.whole(None, "echo", findings(Decision::Refused, Some(401))).await;
    let second_later = start + Duration::from_secs(1);

    let all = AuditFilter::default;
    for (filter, expected) in [
        (all(), vec![third.id, second.id, first.id]),
        (AuditFilter { from: Some(second_later), ..all() }, vec![third.id, second.id]),
        (AuditFilter { to: Some(second_later), ..all() }, vec![first.id]),
        (AuditFilter { from: Some(second_later), to: Some(third.time), ..all() }, vec![second.id]),
        (AuditFilter { from: Some(Timestamp::MAX), ..all() }, vec![]),
        (AuditFilter { user_id: Some(ada), ..all() }, vec![first.id]),
        (AuditFilter { route: Some("echo".into()), ..all() }, vec![third.id, first.id]),
        (AuditFilter { route: Some("ECHO".into()), ..all() }, vec![]),
        (AuditFilter { status: Some(429..=429), ..all() }, vec![second.id]),
        (AuditFilter { status: Some(400..=499), ..all() }, vec![third.id, second.id]),
        (AuditFilter { status: Some(500..=599), ..all() }, vec![]),
        (AuditFilter { decision: Some(Decision::Refused), ..all() }, vec![third.id, second.id]),
        (AuditFilter { request_id: Some(second.request_id), ..all() }, vec![second.id]),
        (AuditFilter { decision: Some(Decision::Refused), route: Some("echo".into()), ..all() }, vec![third.id]),
    ] {
        assert_eq!(page(&db, filter.clone()).await, expected, "{filter:?}");
    }
}

async fn what_an_entry_says_is_a_filter_too(db: Database) {
    let mut chain = Chain::new(&db, "a");
    let (team, key) = (db.team("research").await.id, ApiKeyId(db.clock.new_id()));
    let ada = NewUser { team_id: Some(team), ..db.new_user("ada", Role::User) };
    let Created::New(ada) = db.store.create::<UserRow>(ada, None).await.unwrap() else { panic!("not made") };
    let by_key = Subject {
        username: Some("ada".into()),
        credential: Some(Credential { kind: CredentialKind::ApiKey, id: key.to_string() }),
        ..subject(Some(ada.id), "chat")
    };
    let refused =
        Findings { reason: Some("quota-exceeded: per_minute".into()), ..findings(Decision::Refused, Some(429)) };
    let first = chain.draft(Stage::Whole, Some(by_key), refused);
    chain.append(&first).await;
    let asked = Findings { model: Some("fast".into()), ..findings(Decision::Allowed, None) };
    let second = chain.draft(Stage::Decision, Some(subject(None, "chat")), asked);
    chain.append(&second).await;
    let ended =
        Findings { upstream: Some("openai".into()), reason: Some("upstream-failed".into()), ..Findings::default() };
    let end = Draft { request_id: second.request_id, ..chain.draft(Stage::Outcome, None, ended) };
    chain.append(&end).await;

    let all = AuditFilter::default;
    let by_reason = |reason: &str| AuditFilter { reason: Some(reason.into()), ..all() };
    for (filter, expected) in [
        (AuditFilter { username: Some("ada".into()), ..all() }, vec![first.id]),
        (AuditFilter { username: Some("ad".into()), ..all() }, vec![]),
        (AuditFilter { team_id: Some(team), ..all() }, vec![first.id]),
        (AuditFilter { team_id: Some(TeamId(db.clock.new_id())), ..all() }, vec![]),
        (AuditFilter { key_id: Some(key), ..all() }, vec![first.id]),
        (AuditFilter { model: Some("fast".into()), ..all() }, vec![second.id]),
        (AuditFilter { upstream: Some("openai".into()), ..all() }, vec![second.id]),
        (AuditFilter { upstream: Some("o'".into()), ..all() }, vec![]),
        (by_reason("quota-exceeded"), vec![first.id]),
        (by_reason("quota-exceeded: per_minute"), vec![first.id]),
        (by_reason("quota-exceeded: perxminute"), vec![]),
        (by_reason("quota"), vec![]),
        (by_reason("%"), vec![]),
        (by_reason("upstream-failed"), vec![second.id]),
        (AuditFilter { model: Some("fast".into()), ..by_reason("quota-exceeded") }, vec![]),
    ] {
        assert_eq!(page(&db, filter.clone()).await, expected, "{filter:?}");
    }
}

async fn the_outcome_has_the_last_word(db: Database) {
    let mut chain = Chain::new(&db, "a");
    let open = chain.draft(Stage::Decision, Some(subject(None, "echo")), findings(Decision::Allowed, Some(200)));
    chain.append(&open).await;
    let by_status = |status| AuditFilter { status: Some(status..=status), ..AuditFilter::default() };
    let by_decision = |decision| AuditFilter { decision: Some(decision), ..AuditFilter::default() };
    assert_eq!(page(&db, by_status(200)).await, [open.id]);
    assert_eq!(page(&db, by_decision(Decision::Allowed)).await, [open.id]);

    let failed = Findings { decision: Some(Decision::Failed), ..Findings::default() };
    let end = Draft { request_id: open.request_id, ..chain.draft(Stage::Outcome, None, failed) };
    chain.append(&end).await;
    assert_eq!(page(&db, by_decision(Decision::Failed)).await, [open.id]);
    assert!(page(&db, by_decision(Decision::Allowed)).await.is_empty());
    assert_eq!(page(&db, by_status(200)).await, [open.id], "the outcome says nothing of the status");
}

async fn nobody_changes_or_deletes_an_entry(db: Database) {
    let mut chain = Chain::new(&db, "a");
    let row = chain.append(&chain.draft(Stage::Whole, None, Findings::default())).await;
    let mut forbidden = vec![
        "UPDATE audit_entries SET entry = '{}'",
        "UPDATE audit_entries SET seq = seq WHERE seq = 1",
        "DELETE FROM audit_entries",
        "DELETE FROM audit_entries WHERE chain = 'a'",
    ];
    if db.url.starts_with("postgres") {
        forbidden.push("TRUNCATE audit_entries");
    }
    for sql in forbidden {
        let refused = db.execute(sql).unwrap_err();
        assert!(refused.contains("the audit log is append-only"), "{sql}: {refused}");
    }
    let record = db.store.audit_record(row.id).await.unwrap().unwrap();
    assert_eq!(record.opening.entry, row.entry);
}

async fn only_what_custody_lets_go_is_erased_or_dropped(db: Database) {
    let mut chain = Chain::new(&db, "a");
    let (ada, bob) = (UserId(db.clock.new_id()), UserId(db.clock.new_id()));
    for user in [ada, bob, ada, ada] {
        chain.whole(Some(user), "echo", Findings::default()).await;
    }
    db.execute("INSERT INTO audit_drops (chain, through_seq) VALUES ('a', 1)").unwrap();
    let erasure = format!("INSERT INTO audit_erasures (user_id, chain, through_seq) VALUES ('{ada}', 'a', 3)");
    db.execute(&erasure).unwrap();
    for sql in [
        "UPDATE audit_entries SET personal = NULL WHERE seq = 2",
        "UPDATE audit_entries SET personal = NULL WHERE seq = 4",
        "UPDATE audit_entries SET personal = NULL",
        "UPDATE audit_entries SET personal = '{}' WHERE seq = 3",
        "UPDATE audit_entries SET change = '{}' WHERE seq = 3",
        "UPDATE audit_entries SET personal = NULL, entry = '{}' WHERE seq = 3",
        "DELETE FROM audit_entries WHERE seq = 2",
        "DELETE FROM audit_entries WHERE seq <= 2",
        "DELETE FROM audit_entries",
    ] {
        let refused = db.execute(sql).unwrap_err();
        assert!(refused.contains("the audit log is append-only"), "{sql}: {refused}");
    }
    db.execute("UPDATE audit_entries SET personal = NULL WHERE seq = 3").unwrap();
    db.execute("DELETE FROM audit_entries WHERE seq = 1").unwrap();
    let left = db.store.audit_entries_after("a", 0, 9, 9).await.unwrap();
    let left: Vec<_> = left.iter().map(|(entry, columns)| (columns.seq, entry.personal.is_some())).collect();
    assert_eq!(left, [(2, true), (3, false), (4, true)]);
}

async fn a_chain_that_was_dropped_whole_ends_where_its_checkpoint_says(db: Database) {
    let (mut a, mut b, mut custody) = (Chain::new(&db, "a"), Chain::new(&db, "b"), Chain::new(&db, CUSTODY));
    let (mut trail, mut custody_trail) = (Trail::START, Trail::START);
    for _ in 0..3 {
        a.whole(None, "echo", Findings::default()).await;
        b.whole(None, "echo", Findings::default()).await;
        db.store.append_checkpoint(a.vouched(&mut trail)).await.unwrap();
    }
    let act = Act::Drop { chain: "a".into(), through: 3, by: None };
    let draft = custody.draft(Stage::Whole, None, Findings { act: Some(act.clone()), ..Findings::default() });
    let row = custody.link(&draft);
    db.store.keep_custody(act, row, custody.vouched(&mut custody_trail)).await.unwrap();
    assert_eq!(db.store.audit_head("a").await, Ok(Some(a.head)));
    for (through, dropped) in [(2, 2), (3, 1), (3, 0)] {
        assert_eq!(db.store.drop_entries("a", through).await, Ok(dropped));
        assert_eq!(db.store.audit_head("a").await, Ok(Some(a.head)), "{through}");
    }
    assert!(db.store.audit_entries_after("a", 0, 9, 9).await.unwrap().is_empty());
    assert_eq!(db.store.audit_head("b").await, Ok(Some(b.head)));
    assert_eq!(db.store.audit_head(CUSTODY).await, Ok(Some(custody.head)));
    // What was put below the drop, as by a gateway that began the chain anew, is not its end.
    Chain::new(&db, "a").whole(None, "echo", Findings::default()).await;
    assert_eq!(db.store.audit_head("a").await, Ok(Some(a.head)));
    a.whole(None, "echo", Findings::default()).await;
    assert_eq!((db.store.audit_head("a").await, a.head.seq), (Ok(Some(a.head)), 4));
    // Without a checkpoint nothing says where a chain was.
    db.execute("INSERT INTO audit_drops (chain, through_seq) VALUES ('c', 5), ('b', 5)").unwrap();
    assert_eq!(db.store.audit_head("c").await, Ok(None));
    assert_eq!(db.store.audit_head("b").await, Ok(Some(b.head)));
}
