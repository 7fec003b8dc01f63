mod carried;
mod excerpts;

use std::sync::Arc;

use super::*;
use crate::{
    crypto::{self, Ed25519Key},
    domain::{
        audit::{
            Draft, Findings, Head, Link, Outcome, Stage, Subject,
            act::{Act, CUSTODY},
            checkpoint::Trail,
            lines::Exported,
        },
        hex,
        ids::{EntryId, RequestId, UserId},
    },
};
use jiff::Timestamp;
use proptest::prelude::*;
use uuid::Uuid;

const ANN: UserId = UserId(Uuid::from_u128(77));

/// A log that was written as a gateway writes it, and that lies open to be tampered with.
#[derive(Clone)]
struct Log {
    lines: Vec<Line>,
    extents: Vec<Extent>,
    key: PublicKey,
}

struct Writer {
    key: Arc<Ed25519Key>,
    name: &'static str,
    head: Head,
    trail: Trail,
    lines: Vec<Line>,
    extent: Extent,
}

fn public(key: &Ed25519Key) -> PublicKey {
    PublicKey { kid: "test".into(), public_key: hex::encode(&key.public_key()) }
}

fn minute(n: u64) -> Timestamp {
    Timestamp::from_second(i64::try_from(n).unwrap() * 60).unwrap()
}

fn draft(n: u128, stage: Stage, request: u128) -> Draft {
    let subject = Subject {
        user_id: Some(ANN),
        username: Some("ann".into()),
        method: "GET".into(),
        path: "/echo".into(),
        route: Some("echo".into()),
        ..Subject::default()
    };
    Draft {
        id: EntryId(Uuid::from_u128(n)),
        request_id: RequestId(Uuid::from_u128(request)),
        time: Timestamp::UNIX_EPOCH,
        stage,
        subject: (stage != Stage::Outcome).then_some(subject),
        findings: Findings { status: Some(200), outcome: Some(Outcome::Complete), ..Findings::default() },
    }
}

impl Writer {
    fn new(name: &'static str) -> Self {
        let key = Arc::new(Ed25519Key::from_pkcs8(&crypto::new_ed25519().unwrap().0).unwrap());
        let extent = Extent { chain: name.into(), first: 1, last: 0, entries: 0, checkpoints: 0 };
        Self { key, name, head: Head::GENESIS, trail: Trail::START, lines: vec![], extent }
    }

    fn entry(&mut self, draft: &Draft) {
        let Link { entry, personal, change, prev_hash, hash, seq } =
            self.head.link(self.name, draft, [[1; 16], [2; 16]], crypto::sha256).unwrap();
        self.head = Head { seq, hash };
        self.lines.push(Line::Entry(Exported { entry, prev_hash, hash, personal, change }));
        self.extent = Extent { last: seq, entries: seq, ..self.extent.clone() };
    }

    fn checkpoint(&mut self) {
        let statement = self.trail.next(self.name, self.head, minute(self.trail.number + 1), "test");
        let checkpoint = statement.signed(|line| self.key.sign(line)).unwrap();
        self.trail = checkpoint.trail(crypto::sha256).unwrap();
        self.lines.push(Line::Checkpoint(checkpoint));
        self.extent.checkpoints += 1;
    }
}

/// Six entries with a checkpoint behind the second, the fourth and the sixth, one a minute.
fn log() -> Log {
    let mut writer = Writer::new("c");
    for (n, stage) in [Stage::Whole, Stage::Decision, Stage::Outcome, Stage::Whole, Stage::Whole, Stage::Whole]
        .into_iter()
        .enumerate()
    {
        let n = u128::try_from(n).unwrap();
        let request = if stage == Stage::Outcome { 101 } else { 100 + n };
        writer.entry(&draft(n, stage, request));
        if n % 2 == 1 {
            writer.checkpoint();
        }
    }
    Log { key: public(&writer.key), lines: writer.lines, extents: vec![writer.extent] }
}

impl Log {
    fn text(&self) -> String {
        let mut all = vec![Line::Begin { version: VERSION, scope: Scope::Whole }, Line::Key(self.key.clone())];
        all.extend(self.lines.clone());
        all.push(Line::End(self.extents.clone()));
        all.iter().map(|line| line.render().unwrap() + "\n").collect()
    }

    fn entry(&mut self, n: usize) -> &mut Exported {
        let entries =
            self.lines.iter_mut().filter_map(|line| if let Line::Entry(entry) = line { Some(entry) } else { None });
        entries.into_iter().nth(n).unwrap()
    }

    /// Where the n-th entry stands.
    fn at(&self, n: usize) -> usize {
        let entries = self.lines.iter().enumerate().filter(|(_, line)| matches!(line, Line::Entry(_)));
        entries.map(|(at, _)| at).nth(n).unwrap()
    }

    /// With a last line that says what is in it.
    fn recounted(mut self) -> Self {
        let mut extents: Vec<Extent> = vec![];
        for line in &self.lines {
            let (chain, seq) = match line {
                Line::Entry(entry) => said_place(&entry.entry).unwrap(),
                Line::Checkpoint(found) => (found.chain.clone(), 0),
                _ => continue,
            };
            if extents.last().is_none_or(|extent| extent.chain != chain) {
                extents.push(Extent { chain, first: seq, last: 0, entries: 0, checkpoints: 0 });
            }
            let extent = extents.last_mut().unwrap();
            extent.last = extent.last.max(seq);
            *(if seq > 0 { &mut extent.entries } else { &mut extent.checkpoints }) += 1;
        }
        self.extents = extents;
        self
    }

    fn verify(&self) -> Result<String, String> {
        verify(self.text().as_bytes(), &self.key, vec![], None)
    }

    /// With checkpoints that were shipped elsewhere, and the minute in which the export was made, if that is said.
    fn verify_with(&self, shipped: &[Checkpoint], made_at: Option<u64>) -> Result<String, String> {
        verify(self.text().as_bytes(), &self.key, shipped.to_vec(), made_at.map(minute))
    }

    fn checkpoints(&self) -> Vec<Checkpoint> {
        let checkpoint = |line: &Line| if let Line::Checkpoint(found) = line { Some(found.clone()) } else { None };
        self.lines.iter().filter_map(checkpoint).collect()
    }
}

fn verify(
    text: &[u8],
    key: &PublicKey,
    shipped: Vec<Checkpoint>,
    made_at: Option<Timestamp>,
) -> Result<String, String> {
    let mut inspector = Inspector::new(Keys::new([key.clone()]), shipped);
    (inspector.is_export, inspector.made_at) = (true, made_at);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let walked = runtime.block_on(walk(text, &mut inspector, &mut Progress::new(0)));
    walked.and_then(|()| Ok(inspector.verdict(None)?)).map_err(|failure| failure.to_string())
}

#[track_caller]
fn assert_found(log: &Log, words: &[&str]) {
    let found = log.verify().unwrap_err();
    assert!(words.iter().all(|word| found.contains(word)), "{found}");
}

#[test]
fn a_log_that_nobody_touched_is_sound() {
    let text = log().verify().unwrap();
    assert!(text.contains("6 records and 3 checkpoints"), "{text}");
}

#[test]
fn an_edited_field_is_found_and_named() {
    let mut log = log();
    let entry = &mut log.entry(3).entry;
    *entry = entry.replace("\"status\":200", "\"status\":201");
    assert_found(&log, &["record 4", "changed"]);
}

#[test]
fn an_edited_personal_part_is_found_and_named() {
    let mut log = log();
    let part = &mut log.entry(3).personal;
    *part = part.take().map(|part| part.replace("ann", "bob"));
    assert_found(&log, &["record 4", "personal part is not the one"]);
    log.entry(3).personal = None;
    assert_found(&log, &["record 4", "removed, and no erasure"]);
}

#[test]
fn a_deleted_record_is_found_and_named() {
    for n in 0..6 {
        let mut log = log();
        log.lines.remove(log.at(n));
        assert_found(&log, &[&format!("record {}:", n + 1), "missing"]);
        assert_found(&log.recounted(), &[&format!("record {}:", n + 1), "missing"]);
    }
}

#[test]
fn an_inserted_a_swapped_and_a_doubled_record_are_found() {
    let sound = log();
    let mut doubled = sound.clone();
    doubled.lines.insert(sound.at(3), sound.lines[sound.at(3)].clone());
    assert_found(&doubled, &["record 4", "twice"]);
    let mut swapped = sound.clone();
    swapped.lines.swap(sound.at(2), sound.at(3));
    assert_found(&swapped, &["record 3", "out of its order"]);
    let mut inserted = sound.clone();
    let forged =
        Head { seq: 3, hash: [0; 32] }.link("c", &draft(9, Stage::Whole, 9), [[1; 16]; 2], crypto::sha256).unwrap();
    let Link { entry, personal, change, prev_hash, hash, .. } = forged;
    inserted.lines.insert(sound.at(3), Line::Entry(Exported { entry, prev_hash, hash, personal, change }));
    assert_found(&inserted, &["record 4", "does not follow"]);
}

#[test]
fn a_truncated_tail_is_found_by_its_checkpoint_or_by_those_that_were_shipped() {
    let mut cut = log();
    let shipped = cut.checkpoints();
    cut.lines.remove(cut.at(5));
    cut = cut.recounted();
    assert_found(&cut, &["record 6", "checkpoint 3 vouches"]);
    cut.lines.pop();
    cut = cut.recounted();
    assert!(cut.verify().is_ok(), "by itself nothing shows");
    let found = cut.verify_with(&shipped, Some(3)).unwrap_err();
    assert!(found.contains("checkpoint 3") && found.contains("record 6"), "{found}");
}

#[test]
fn checkpoints_that_are_later_than_an_export_are_told_and_no_finding() {
    let mut earlier = log();
    let shipped = earlier.checkpoints();
    // As the export was two minutes into the log.
    earlier.lines.truncate(earlier.lines.len() - 3);
    earlier = earlier.recounted();
    for made_at in [None, Some(2)] {
        let text = earlier.verify_with(&shipped, made_at).unwrap();
        let told =
            "1 shipped checkpoints (the last of 1970-01-01T00:03:00Z, for record 6) are beyond the end of this export";
        assert!(text.contains(told) && text.contains("sound: 4 records and 2"), "{text}");
    }
    assert!(!log().verify_with(&shipped, None).unwrap().contains("beyond"));
}

#[test]
fn a_chain_that_goes_on_longer_shows_that_another_was_cut_off() {
    let (mut writer, mut cut) = (Writer::new("c"), log());
    (0..6).for_each(|n| {
        writer.entry(&draft(n, Stage::Whole, n));
        writer.checkpoint();
    });
    let mut other = Writer { key: Arc::clone(&writer.key), ..Writer::new("d") };
    (0..6).for_each(|n| {
        other.entry(&draft(40 + n, Stage::Whole, 40 + n));
        other.checkpoint();
    });
    (cut.key, cut.lines) = (public(&writer.key), writer.lines);
    let shipped = cut.checkpoints();
    cut.lines.truncate(8);
    assert!(cut.clone().recounted().verify_with(&shipped, None).unwrap().contains("beyond"));
    cut.lines.extend(other.lines);
    let found = cut.recounted().verify_with(&shipped, None).unwrap_err();
    assert!(found.contains("chain c, checkpoint 5") && found.contains("gone"), "{found}");
}

#[test]
fn a_tail_that_was_computed_anew_is_found_by_checkpoints_that_were_shipped() {
    let mut forged = log();
    let shipped = forged.checkpoints();
    forged.lines.truncate(forged.lines.len() - 3);
    let Some(Line::Entry(last)) = forged.lines.iter().rfind(|line| matches!(line, Line::Entry(_))).cloned() else {
        panic!()
    };
    let mut head = Head { seq: 4, hash: last.hash };
    for n in 60..62 {
        let link = head.link("c", &draft(n, Stage::Whole, n), [[1; 16]; 2], crypto::sha256).unwrap();
        head = link.head();
        let Link { entry, personal, change, prev_hash, hash, .. } = link;
        forged.lines.push(Line::Entry(Exported { entry, prev_hash, hash, personal, change }));
    }
    let forged = forged.recounted();
    assert!(forged.verify().is_ok(), "by itself nothing shows");
    let found = forged.verify_with(&shipped, None).unwrap_err();
    assert!(found.contains("checkpoint 3") && found.contains("another record 6"), "{found}");
}

#[test]
fn a_chain_that_was_computed_anew_is_found() {
    let (sound, mut rebuilt) = (log(), log());
    // Somebody else's key under the same name.
    rebuilt.key = sound.key.clone();
    assert_found(&rebuilt, &["checkpoint 1", "signature"]);
    // With the true checkpoints, and entries computed anew.
    let mut stranger = Writer::new("c");
    (0..6).for_each(|n| stranger.entry(&draft(50 + n, Stage::Whole, 50 + n)));
    let mut replaced = sound.clone();
    for (n, line) in stranger.lines.into_iter().enumerate() {
        let at = sound.at(n);
        replaced.lines[at] = line;
    }
    assert_found(&replaced, &["checkpoint 1", "changed after it was signed"]);
    replaced.lines.retain(|line| matches!(line, Line::Entry(_)));
    assert_found(&replaced.recounted(), &["no checkpoint vouches"]);
}

#[test]
fn a_missing_and_a_replaced_checkpoint_are_found() {
    let sound = log();
    let is_checkpoint = |line: &Line| matches!(line, Line::Checkpoint(_));
    let at = sound.lines.iter().rposition(is_checkpoint).unwrap();
    let middle = sound.lines[..at].iter().rposition(is_checkpoint).unwrap();
    let mut missing = sound.clone();
    missing.lines.remove(middle);
    assert_found(&missing, &["checkpoint 2", "missing"]);
    let mut replaced = sound.clone();
    let Line::Checkpoint(checkpoint) = &mut replaced.lines[middle] else { panic!() };
    checkpoint.statement = checkpoint.statement.replace("1970", "1971");
    *checkpoint = Checkpoint::of(&checkpoint.statement, checkpoint.signature.clone()).unwrap();
    assert_found(&replaced, &["checkpoint 2", "signature"]);
}

#[test]
fn an_outcome_without_a_decision_is_found() {
    let mut writer = Writer::new("c");
    writer.entry(&draft(1, Stage::Outcome, 1));
    writer.checkpoint();
    let log = Log { key: public(&writer.key), lines: writer.lines, extents: vec![writer.extent] };
    assert_found(&log, &["record 1", "without a decision"]);
}

#[test]
fn what_the_chain_of_custody_explains_is_sound() {
    let mut writer = Writer::new("c");
    (0..6).for_each(|n| writer.entry(&draft(n, Stage::Whole, n)));
    writer.checkpoint();
    let key = Arc::clone(&writer.key);
    let mut log = Log { key: public(&key), lines: writer.lines, extents: vec![] };
    log.lines.drain(..2);
    (0..3).for_each(|n| log.entry(n).personal = None);
    let with = |erased: u64, dropped: u64| {
        let mut custody = Writer { key: Arc::clone(&key), ..Writer::new(CUSTODY) };
        let erase = Act::Erase { user_id: ANN, through: [("c".to_owned(), erased)].into(), by: None };
        for (n, act) in [erase, Act::Drop { chain: "c".into(), through: dropped, by: None }].into_iter().enumerate() {
            let mut draft = draft(u128::try_from(n).unwrap(), Stage::Whole, 1);
            (draft.subject, draft.findings.act) = (None, Some(act));
            custody.entry(&draft);
            custody.checkpoint();
        }
        let mut log = log.clone();
        log.lines.extend(custody.lines);
        log.recounted()
    };
    let text = with(5, 2).verify().unwrap();
    assert!(text.contains("6 records and 3 checkpoints"), "{text}");
    assert_found(&log.clone().recounted(), &["record 1", "missing"]);
    assert_found(&with(5, 1), &["record 2", "missing"]);
    assert_found(&with(4, 2), &["record 5", "no erasure"]);
    let mut unsigned = with(5, 2);
    unsigned.lines.pop();
    assert_found(&unsigned.recounted(), &["custody", "no checkpoint"]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn a_change_of_any_byte_is_found(at in any::<proptest::sample::Index>(), to in any::<u8>()) {
        thread_local!(static LOG: Log = log());
        let log = LOG.with(Clone::clone);
        let mut bytes = log.text().into_bytes();
        let at = at.index(bytes.len());
        prop_assume!(bytes[at] != to);
        bytes[at] = to;
        // With the key it brings itself, as a verifier without another would take it.
        let brought = keys_in(bytes.as_slice()).unwrap_or_default();
        let key = brought.first().cloned().unwrap_or_else(|| log.key.clone());
        prop_assert!(verify(&bytes, &key, vec![], None).is_err(), "byte {}", at);
        prop_assert!(verify(&bytes, &log.key, vec![], None).is_err(), "byte {}", at);
    }
}
