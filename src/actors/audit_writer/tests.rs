use super::*;
use crate::{
    actors::{roster::Roster, supervisor::Starts, traffic_counter::Stored},
    domain::{
        audit::{Findings, Stage as Part},
        ids::{EntryId, RequestId},
    },
    store::{Settings, Store, migrations, test_lock::Lock},
};
use tempfile::TempDir;
use uuid::Uuid;

const LONG: Duration = Duration::from_secs(30);

const PLENTY: u64 = 1 << 30;

/// A writer on SQLite, whose database another process can lock.
struct Stage {
    folder: TempDir,
    store: Store,
    store_timeout: Duration,
    commits_in_spool: bool,
    spool_max_bytes: u64,
}

impl Stage {
    /// One whose writer waits for the store however slow the machine is.
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let url = format!("sqlite:{}", folder.path().join("a.db").display());
        migrations::run(&url).unwrap();
        let settings = Settings { url, pool_size: 2, acquire_timeout: LONG, statement_timeout: LONG };
        Self {
            store: Store::open(&settings).unwrap(),
            folder,
            store_timeout: LONG,
            commits_in_spool: false,
            spool_max_bytes: PLENTY,
        }
    }

    /// One whose writer soon gives a store up that is locked.
    fn impatient() -> Self {
        Self { store_timeout: Duration::from_millis(500), ..Self::new() }
    }

    /// One whose writer commits in the spool.
    fn beside_a_file() -> Self {
        Self { commits_in_spool: true, ..Self::impatient() }
    }

    fn blueprint(&self) -> Blueprint {
        Blueprint {
            store: self.store.clone(),
            chain: "c".into(),
            max_batch: 64,
            store_timeout: self.store_timeout,
            commits_in_spool: self.commits_in_spool,
            spool: self.folder.path().join("spool"),
            spool_max_bytes: self.spool_max_bytes,
            stored: Stored::to_nobody(),
        }
    }

    async fn writer(&self) -> Audit {
        let audit = Audit::new(1_000, 1_000, LONG);
        audit.start_here(&Roster::default(), self.blueprint()).await.unwrap();
        audit
    }

    /// Nobody else writes to the store while this lives.
    fn lock(&self) -> Lock {
        Lock::on(&self.folder.path().join("a.db"))
    }

    fn spooled_bytes(&self) -> u64 {
        let files = std::fs::read_dir(self.folder.path().join("spool")).unwrap();
        files.map(|file| file.unwrap().metadata().unwrap().len()).sum()
    }

    async fn seq(&self) -> u64 {
        self.store.audit_head("c").await.unwrap().map_or(0, |head| head.seq)
    }
}

async fn until(mut holds: impl FnMut() -> bool) {
    let waiting = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(LONG, waiting).await.unwrap();
}

async fn append(audit: &Audit, ids: impl IntoIterator<Item = u128>) -> Vec<Result<(), NotRecorded>> {
    let appends = ids.into_iter().map(|id| audit.append(audit.slot().unwrap(), draft(id)));
    futures_util::future::join_all(appends).await
}

async fn buffer(audit: &Audit, ids: impl IntoIterator<Item = u128>) {
    for id in ids {
        assert_eq!(audit.write(audit.slot().unwrap(), draft(id), Durability::Buffered).await, Ok(()));
    }
}

fn draft(id: u128) -> Draft {
    Draft {
        id: EntryId(Uuid::from_u128(id)),
        request_id: RequestId(Uuid::from_u128(id)),
        time: jiff::Timestamp::UNIX_EPOCH,
        stage: Part::Whole,
        subject: None,
        findings: Findings::default(),
    }
}

#[actix::test]
async fn many_entries_at_once_are_one_chain_without_a_gap() {
    let stage = Stage::new();
    let audit = stage.writer().await;
    let answers = append(&audit, 1..=300).await;
    assert!(answers.iter().all(Result::is_ok));
    assert_eq!(stage.seq().await, 300);
}

#[actix::test]
async fn an_entry_that_cannot_stand_takes_no_other_with_it() {
    let stage = Stage::new();
    let audit = stage.writer().await;
    audit.append(audit.slot().unwrap(), draft(7)).await.unwrap();
    let answers = append(&audit, [1, 7, 2, 7, 3]).await;
    let written: Vec<bool> = answers.iter().map(Result::is_ok).collect();
    assert_eq!(written, [true, false, true, false, true]);
    assert_eq!(stage.seq().await, 4);
}

#[actix::test]
async fn an_entry_that_nobody_waits_for_is_written() {
    let stage = Stage::new();
    let audit = stage.writer().await;
    audit.leave(audit.slot().unwrap(), draft(1), Durability::Committed);
    while audit.handle().in_flight() > 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(stage.seq().await, 1);
}

#[actix::test]
async fn what_arrives_while_the_store_hangs_is_spooled_and_stored_once_when_it_is_back() {
    let stage = Stage::impatient();
    let audit = stage.writer().await;
    assert_eq!(append(&audit, 1..=10).await, [Ok(()); 10]);
    let lock = stage.lock();
    for round in 1..=5 {
        let ids = round * 100..round * 100 + 20;
        assert_eq!(append(&audit, ids).await, [Ok(()); 20]);
    }
    assert_eq!((audit.condition(), audit.backlog(), stage.seq().await), (Condition::Spooling, 100, 10));
    // The commits that were given up wait for the lock as well: they are done after all, or refused as done twice.
    drop(lock);
    until(|| audit.condition() == Condition::Storing && audit.backlog() == 0).await;
    assert_eq!(append(&audit, [9_000]).await, [Ok(())]);
    assert_eq!(stage.seq().await, 111);
    assert_eq!(stage.spooled_bytes(), 0);
}

#[actix::test]
async fn what_a_killed_process_has_spooled_is_stored_by_the_next_one_before_anything_else() {
    let stage = Stage::impatient();
    let audit = stage.writer().await;
    assert_eq!(append(&audit, 1..=3).await, [Ok(()); 3]);
    let lock = stage.lock();
    assert_eq!(append(&audit, 4..=6).await, [Ok(()); 3]);
    // A second gateway takes over the folder, as after a kill; the first is never heard of again.
    drop(lock);
    let mut found = stage.blueprint().replay().await;
    while found.is_err() {
        // The commit that was given up was done in that very moment.
        found = stage.blueprint().replay().await;
    }
    assert_eq!((found.unwrap(), stage.seq().await), (3, 6));
    assert_eq!(stage.blueprint().replay().await.unwrap(), 0);
}

#[actix::test]
async fn when_neither_takes_an_entry_nobody_is_let_in_until_there_is_room_and_nothing_accepted_is_lost() {
    let stage = Stage { spool_max_bytes: 2_000, ..Stage::impatient() };
    let audit = stage.writer().await;
    let lock = stage.lock();
    let left = audit.slot().unwrap();
    let mut accepted = 0;
    let refused = loop {
        let Ok(slot) = audit.slot() else { panic!("the log refused before it was asked") };
        match audit.append(slot, draft(100 + accepted)).await {
            Ok(()) => accepted += 1,
            Err(error) => break error,
        }
    };
    assert_eq!((refused, audit.condition()), (NotRecorded::Refused, Condition::Refusing));
    assert!(audit.slot().is_err());
    // The end of a call that was let in before.
    audit.leave(left, draft(1), Durability::Buffered);
    drop(lock);
    until(|| audit.condition() == Condition::Storing && audit.backlog() == 0).await;
    assert_eq!(u128::from(stage.seq().await), accepted + 1);
    assert_eq!(append(&audit, [2]).await, [Ok(())]);
}

#[actix::test]
async fn what_nobody_waits_for_is_written_all_the_same() {
    let stage = Stage::new();
    let audit = stage.writer().await;
    buffer(&audit, 1..=500).await;
    until(|| audit.backlog() == 0).await;
    assert_eq!(stage.seq().await, 500);
}

#[actix::test]
async fn an_entry_that_is_waited_for_takes_along_what_was_buffered_before_it() {
    let stage = Stage::new();
    let audit = stage.writer().await;
    buffer(&audit, 1..=10).await;
    assert_eq!(append(&audit, [11]).await, [Ok(())]);
    assert_eq!((audit.backlog(), stage.seq().await), (0, 11));
}

#[actix::test]
async fn an_outcome_that_was_waited_for_and_found_no_room_is_on_record_when_there_is_room() {
    let stage = Stage { spool_max_bytes: 0, ..Stage::impatient() };
    let audit = stage.writer().await;
    let lock = stage.lock();
    let outcome = |id| Draft { stage: Part::Outcome, ..draft(id) };
    // The first may be in the store, and those behind it find no room.
    let slots: Vec<Slot> = (0..3).map(|_| audit.slot().unwrap()).collect();
    for (slot, id) in slots.into_iter().zip(1..) {
        assert_eq!(audit.append(slot, outcome(id)).await, Err(NotRecorded::Unknown));
        assert_eq!(audit.condition(), Condition::Refusing);
    }
    drop(lock);
    until(|| audit.condition() == Condition::Storing && audit.backlog() == 0).await;
    assert_eq!(stage.seq().await, 3);
}

#[actix::test]
async fn beside_a_file_an_entry_is_on_disk_when_the_spool_has_it_and_soon_in_the_store() {
    let stage = Stage::beside_a_file();
    let audit = stage.writer().await;
    for round in 0..20 {
        assert_eq!(append(&audit, round * 100..round * 100 + 50).await, [Ok(()); 50]);
    }
    assert_eq!(audit.condition(), Condition::Storing);
    audit.settle().await;
    assert_eq!((stage.seq().await, audit.backlog()), (1_000, 0));
    assert_eq!(append(&audit, [9_999]).await, [Ok(())]);
    until(|| audit.backlog() == 0).await;
    assert_eq!((stage.seq().await, stage.spooled_bytes()), (1_001, 0));
}

#[actix::test]
async fn beside_a_file_what_was_buffered_is_in_the_store_for_who_waits_for_that() {
    let stage = Stage::beside_a_file();
    let audit = stage.writer().await;
    buffer(&audit, 1..=500).await;
    audit.settle().await;
    assert_eq!((stage.seq().await, audit.backlog()), (500, 0));
}

#[actix::test]
async fn beside_a_file_that_is_locked_entries_are_taken_and_who_waits_for_the_store_is_not_kept() {
    let stage = Stage::beside_a_file();
    let audit = stage.writer().await;
    assert_eq!(append(&audit, 1..=3).await, [Ok(()); 3]);
    audit.settle().await;
    let lock = stage.lock();
    assert_eq!(append(&audit, 4..=6).await, [Ok(()); 3]);
    audit.settle().await;
    assert_eq!((stage.seq().await, audit.backlog()), (3, 3));
    assert_eq!(append(&audit, 7..=9).await, [Ok(()); 3]);
    assert_eq!(audit.condition(), Condition::Spooling);
    drop(lock);
    until(|| audit.condition() == Condition::Storing && audit.backlog() == 0).await;
    assert_eq!(stage.seq().await, 9);
}

#[actix::test]
async fn beside_a_file_what_a_killed_process_has_spooled_is_stored_once_by_the_next_one() {
    let stage = Stage::beside_a_file();
    let audit = stage.writer().await;
    let lock = stage.lock();
    assert_eq!(append(&audit, 1..=100).await, [Ok(()); 100]);
    // As a kill leaves it. The writer goes on here, so that both put the same into the store.
    let left = stage.folder.path().join("left");
    std::fs::create_dir(&left).unwrap();
    for file in std::fs::read_dir(stage.folder.path().join("spool")).unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), left.join(file.file_name())).unwrap();
    }
    drop(lock);
    let next = || Blueprint { spool: left.clone(), ..stage.blueprint() };
    let mut found = next().replay().await;
    while found.is_err() {
        found = next().replay().await;
    }
    assert_eq!((found.unwrap(), stage.seq().await), (100, 100));
    audit.settle().await;
    assert_eq!((stage.seq().await, stage.spooled_bytes()), (100, 0));
}

#[actix::test]
async fn beside_a_file_a_spool_that_fails_costs_nobody_an_answer_as_long_as_the_store_works() {
    let stage = Stage::beside_a_file();
    let audit = stage.writer().await;
    let spool = stage.folder.path().join("spool");
    std::fs::remove_dir(&spool).unwrap();
    for id in 1..=20 {
        assert_eq!(append(&audit, [id]).await, [Ok(())]);
        assert_eq!((audit.condition(), u128::from(stage.seq().await)), (Condition::Storing, id));
    }
    std::fs::create_dir(&spool).unwrap();
    let mut id = 20;
    while std::fs::read_dir(&spool).unwrap().all(|file| file.unwrap().path().extension().is_none()) {
        id += 1;
        assert_eq!(append(&audit, [id]).await, [Ok(())]);
    }
    audit.settle().await;
    assert_eq!(u128::from(stage.seq().await), id);
}

#[actix::test]
async fn beside_a_file_rows_that_are_too_many_to_be_kept_in_memory_come_from_the_spool() {
    let stage = Stage::beside_a_file();
    let audit = stage.writer().await;
    let lock = stage.lock();
    // 1 KiB each at the least, of 16 MiB.
    for round in 0..22 {
        assert_eq!(append(&audit, round * 900..round * 900 + 900).await, [Ok(()); 900]);
    }
    assert_eq!(audit.backlog(), 19_800);
    drop(lock);
    until(|| audit.backlog() == 0).await;
    assert_eq!(stage.seq().await, 19_800);
}
