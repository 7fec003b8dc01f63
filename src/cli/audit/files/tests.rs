use super::*;
use crate::{
    crypto::{self, Ed25519Key},
    domain::{
        audit::{
            Head,
            checkpoint::Trail,
            lines::{Line, PublicKey},
        },
        hex,
    },
};

/// The lines of a file of eight checkpoints, one a minute, and the keys they are signed with.
struct Written {
    lines: Vec<String>,
    keys: Keys,
    newest: Checkpoint,
}

fn minute(n: u64) -> Timestamp {
    Timestamp::from_second(i64::try_from(n).unwrap() * 60).unwrap()
}

fn written() -> Written {
    let key = Ed25519Key::from_pkcs8(&crypto::new_ed25519().unwrap().0).unwrap();
    let public = PublicKey { kid: "test".into(), public_key: hex::encode(&key.public_key()) };
    let mut lines = vec![Line::Key(public.clone()).render().unwrap()];
    let (mut trail, mut newest) = (Trail::START, None);
    for n in 1..=8 {
        let statement = trail.next("c", Head { seq: n, hash: [1; 32] }, minute(n), "test");
        let checkpoint = statement.signed(|line| key.sign(line)).unwrap();
        trail = checkpoint.trail(crypto::sha256).unwrap();
        lines.push(Line::Checkpoint(checkpoint.clone()).render().unwrap());
        newest = Some(checkpoint);
    }
    Written { lines, keys: Keys::new([public]), newest: newest.unwrap() }
}

impl Written {
    /// What is said of a file with this text, in `data_dir` and, with `is_copy`, elsewhere.
    fn said(&self, text: &str, is_copy: bool) -> Result<Option<u64>, String> {
        let file = CheckpointFile::read("FILE", text);
        let judged = if is_copy { file.judge_copy(&self.keys, MEANS) } else { file.judge(&self.keys, MEANS, true) };
        if let Some(finding) = judged.finding {
            return Err(finding.to_string());
        }
        let home = Home { chain: "c", stored: Some(&self.newest), begins_later: false, modified: Some(minute(9)) };
        if is_copy { Ok(None) } else { file.judge_home(&judged.good, &home).map_err(|finding| finding.to_string()) }
    }
}

fn text(lines: &[String]) -> String {
    lines.iter().map(|line| line.clone() + "\n").collect()
}

/// What was done to the lines, and what is said of the file in `data_dir` and of a copy elsewhere; nothing where it is sound.
type Case = (&'static str, fn(&[String]) -> String, Option<&'static str>, Option<&'static str>);

const CASES: [Case; 12] = [
    ("nothing", text, None, None),
    (
        "emptied",
        |_| String::new(),
        Some("FILE: chain c: checkpoints 1 to 8 are missing in it (from the first on)"),
        Some("FILE: there is no checkpoint"),
    ),
    ("only the key", |lines| text(&lines[..1]), Some("checkpoints 1 to 8 are missing"), Some("there is no checkpoint")),
    (
        "the end cut off",
        |lines| text(&lines[..6]),
        Some("checkpoints 6 to 8 are missing in it (signed after 1970-01-01T00:05:00Z)"),
        None,
    ),
    (
        "the last line cut off",
        |lines| text(&lines[..8]),
        Some("checkpoint 8 is missing in it (signed after 1970-01-01T00:07:00Z)"),
        None,
    ),
    (
        "the beginning cut off",
        |lines| text(&lines[3..]),
        Some("checkpoints 1 to 2 are missing in it (from the first on)"),
        None,
    ),
    (
        "a line removed",
        |lines| text(&[&lines[..4], &lines[5..]].concat()),
        Some("checkpoint 4 is missing in it (signed after 1970-01-01T00:03:00Z)"),
        Some("checkpoint 4 is missing"),
    ),
    (
        "a statement altered",
        |lines| text(lines).replace("\"number\":4,\"seq\":4", "\"number\":4,\"seq\":5"),
        Some("FILE:5: chain c, checkpoint 4: its signature is not good"),
        Some("FILE:5: chain c, checkpoint 4: its signature"),
    ),
    (
        "a line that is none",
        |lines| text(lines).replace("\"number\":4", "\"nunber\":4"),
        Some("FILE:5: the line is none"),
        Some("FILE:5: the line is none"),
    ),
    (
        "the name of a key altered",
        |lines| text(lines).replacen("\"kid\":\"test\"", "\"kid\":\"tost\"", 1),
        Some("FILE:1: the key tost is not among"),
        None,
    ),
    (
        "another name of the key that signed",
        |lines| text(lines).replacen("\"kid\":\"test\"}", "\"kid\":\"tost\"}", 1),
        Some("FILE:2: chain c, checkpoint 1: it is signed with the key tost"),
        None,
    ),
    (
        "half a line that comes again",
        |lines| text(lines).replace(&lines[4], &format!("{}\n{}", lines[4].get(..40).unwrap(), lines[4])),
        None,
        None,
    ),
];

#[test]
fn what_was_done_to_a_file_of_checkpoints_is_said() {
    let written = written();
    for (done, how, at_home, elsewhere) in CASES {
        for (is_copy, expected) in [(false, at_home), (true, elsewhere)] {
            let said = written.said(&how(&written.lines), is_copy);
            match expected {
                None => assert_eq!(said, Ok(None), "{done}, a copy: {is_copy}"),
                Some(words) => {
                    let found = said.unwrap_err();
                    assert!(found.contains(words), "{done}, a copy: {is_copy}: {found}");
                }
            }
        }
    }
}

#[test]
fn every_removed_line_of_a_checkpoint_is_missed() {
    let written = written();
    for at in 1..written.lines.len() {
        let mut lines = written.lines.clone();
        lines.remove(at);
        let found = written.said(&text(&lines), false).unwrap_err();
        assert!(found.contains(&format!("checkpoint {at} is missing")), "{found}");
    }
}

#[test]
fn a_change_of_any_byte_of_a_file_of_checkpoints_is_found() {
    let written = written();
    let whole = text(&written.lines);
    for at in 0..whole.len() {
        let mut bytes = whole.clone().into_bytes();
        bytes[at] ^= 1;
        let said = written.said(&String::from_utf8_lossy(&bytes), false);
        // Without its end the last line is one that a kill has cut.
        let is_end = at + 1 == whole.len();
        assert!(if is_end { said == Ok(Some(8)) } else { said.is_err() }, "byte {at}: {said:?}");
    }
}

#[test]
fn the_newest_may_be_missing_where_a_kill_came_before_the_file_was_written() {
    let written = written();
    let (good, half) = (text(&written.lines[..8]), written.lines[8].get(..50).unwrap());
    let said = |text: &str, modified, begins_later| {
        let file = CheckpointFile::read("FILE", text);
        let judged = file.judge(&written.keys, MEANS, true);
        assert_eq!(judged.finding, None);
        file.judge_home(&judged.good, &Home { chain: "c", stored: Some(&written.newest), begins_later, modified })
    };
    assert_eq!(said(&good, Some(minute(7)), false), Ok(Some(8)));
    assert_eq!(said(&format!("{good}{half}"), Some(minute(9)), false), Ok(Some(8)), "it was killed while it wrote");
    assert!(said(&good, Some(minute(9)), false).is_err(), "it was written after that");
    assert!(said(&text(&written.lines[..7]), Some(minute(6)), false).is_err(), "two cannot be missing");
    assert!(said(&text(&written.lines[3..]), Some(minute(8)), false).is_err());
    assert_eq!(
        said(&text(&written.lines[3..]), Some(minute(8)), true),
        Ok(None),
        "the older ones left with their file"
    );
}

#[test]
fn a_file_that_is_not_there_is_a_finding_also_where_the_store_has_one_checkpoint() {
    let written = written();
    let Some(Line::Checkpoint(first)) = Line::parse(&written.lines[1]) else { panic!() };
    let said = |text: &str, modified| {
        let file = CheckpointFile::read("FILE", text);
        let home = Home { chain: "c", stored: Some(&first), begins_later: false, modified };
        file.judge_home(&[], &home).map_err(|finding| finding.to_string())
    };
    let found = said("", None).unwrap_err();
    assert!(
        found.contains("checkpoint 1 is missing in it (from the first on)") && found.contains("deleted"),
        "{found}"
    );
    // A gateway begins its file before its first checkpoint is in the store.
    assert_eq!(said(&text(&written.lines[..1]), Some(minute(1))), Ok(Some(1)));
    assert!(said(&text(&written.lines[..1]), Some(minute(2))).is_err(), "it was written after that");
}
