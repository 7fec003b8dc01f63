//! How long the verifier takes:  cargo bench --bench audit   (or scripts/verify-speed [RECORDS])
//!
//! Writes a log of a million entries (`TOLLGATE_AUDIT_RECORDS` of them) with a checkpoint at every 10,000th into a SQLite
//! store, as a gateway would, runs `tollgate audit verify` on it, on an export of it, and prints the times and the bytes a
//! record takes.

#![expect(clippy::unwrap_used, reason = "a benchmark that cannot start has nothing to measure")]
#![expect(clippy::print_stdout, reason = "there is nothing but the time to tell")]
#![expect(clippy::disallowed_methods, reason = "the time of a process is measured from outside")]

use std::{
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use jiff::Timestamp;
use tollgate::{
    actors::notary::CheckpointKey,
    clock::Clock,
    crypto,
    data_dir::DataDir,
    domain::{
        audit::{
            Decision, Draft, Findings, Head, Outcome, Stage, Subject,
            checkpoint::{EVERY_ENTRIES, Trail},
        },
        ids::{EntryId, RequestId, UserId},
        principal::Role,
    },
    store::{Settings, Store, audit::AuditRow, migrations},
};

const CHAIN: &str = "01890a5d-ac96-774b-bcce-b302099a8057";
const LONG: Duration = Duration::from_mins(1);

fn main() {
    let records = std::env::var("TOLLGATE_AUDIT_RECORDS").ok().and_then(|text| text.parse().ok()).unwrap_or(1_000_000);
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("data/tollgate.db").display());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let bytes = runtime.block_on(write(folder.path(), &url, records));
    println!("{records} records, {} bytes each in the store", bytes / records);
    run(folder.path(), &["verify"]);
    run(folder.path(), &["export", "--output", "export.jsonl"]);
    run(folder.path(), &["verify", "--export", "export.jsonl"]);
}

fn run(folder: &Path, arguments: &[&str]) {
    let began = Instant::now();
    let output = Command::new(env!("CARGO_BIN_EXE_tollgate")).arg("audit").args(arguments).current_dir(folder).output();
    let output = output.unwrap();
    let took = began.elapsed();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    println!("tollgate audit {}: {:.2} s", arguments.join(" "), took.as_secs_f64());
}

/// Writes the log; how many bytes the store has then.
async fn write(folder: &Path, url: &str, records: u64) -> u64 {
    let master = DataDir::open(&folder.join("data")).unwrap().master_key(None, false).unwrap();
    migrations::run(url).unwrap();
    let settings = Settings { url: url.to_owned(), pool_size: 1, acquire_timeout: LONG, statement_timeout: LONG };
    let store = Store::open(&settings).unwrap();
    let key = CheckpointKey::open(&store, &master).await.unwrap();
    let (clock, mut head, mut trail) = (Clock::system(), Head::GENESIS, Trail::START);
    let users: Vec<_> = (0..100).map(|_| UserId(clock.new_id())).collect();
    while head.seq < records {
        let mut rows = vec![];
        for user in users.iter().cycle().take(2_000) {
            let draft = draft(&clock, *user);
            let salts = [crypto::random().unwrap(), crypto::random().unwrap()];
            let link = head.link(CHAIN, &draft, salts, crypto::sha256).unwrap();
            head = link.head();
            rows.push(AuditRow::new(&draft, link));
        }
        store.append_audit(CHAIN, rows).await.unwrap();
        if head.seq.is_multiple_of(EVERY_ENTRIES) || head.seq >= records {
            let statement = trail.next(CHAIN, head, clock.now(), &key.public().kid);
            let checkpoint = statement.signed(|line| key.sign(line)).unwrap();
            trail = checkpoint.trail(crypto::sha256).unwrap();
            store.append_checkpoint(checkpoint).await.unwrap();
        }
    }
    std::fs::metadata(folder.join("data/tollgate.db")).unwrap().len()
}

/// What a usual call leaves.
fn draft(clock: &Clock, user: UserId) -> Draft {
    let time: Timestamp = clock.now();
    Draft {
        id: EntryId(clock.new_id()),
        request_id: RequestId(clock.new_id()),
        time,
        stage: Stage::Whole,
        subject: Some(Subject {
            trace_id: Some("4bf92f3577b34da6a3ce929d0e0e4736".into()),
            user_id: Some(user),
            username: Some("somebody".into()),
            role: Some(Role::User),
            peer: Some([203, 0, 113, 7].into()),
            method: "GET".into(),
            path: "/echo/somewhere".into(),
            route: Some("echo".into()),
            ..Subject::default()
        }),
        findings: Findings {
            decision: Some(Decision::Allowed),
            status: Some(200),
            upstream: Some("builtin:echo".into()),
            upstream_status: Some(200),
            request_bytes: Some(0),
            response_bytes: Some(337),
            duration_us: Some(412),
            outcome: Some(Outcome::Complete),
            ..Findings::default()
        },
    }
}
