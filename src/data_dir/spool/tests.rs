use std::os::unix::fs::PermissionsExt;

use tempfile::TempDir;

use super::*;

const PLENTY: u64 = 1 << 30;

fn open(folder: &TempDir) -> Spool {
    Spool::open(&folder.path().join("spool"), PLENTY).unwrap()
}

fn texts(of: &[&str]) -> Vec<String> {
    of.iter().map(|text| (*text).to_owned()).collect()
}

fn only_file(folder: &TempDir) -> PathBuf {
    let mut files: Vec<_> = fs::read_dir(folder.path().join("spool")).unwrap().map(|f| f.unwrap().path()).collect();
    assert_eq!(files.len(), 1, "{files:?}");
    files.pop().unwrap()
}

#[test]
fn what_was_appended_comes_again_in_order_also_after_a_restart() {
    let folder = TempDir::new().unwrap();
    let mut spool = open(&folder);
    spool.append(2, &texts(&["a", "b"])).unwrap();
    spool.append(3, &texts(&["c\u{0}é"])).unwrap();
    for spool in [spool, open(&folder)] {
        assert_eq!(spool.records(), 3);
        assert_eq!(spool.front(100).unwrap(), texts(&["a", "b", "c\u{0}é"]));
        assert_eq!(spool.front(1).unwrap(), texts(&["a", "b"]), "a frame comes whole");
        assert_eq!(spool.last_record().unwrap().as_deref(), Some("c\u{0}é"));
    }
}

#[test]
fn what_is_forgotten_is_gone_and_its_file_is_empty_with_the_last_of_it() {
    let folder = TempDir::new().unwrap();
    let mut spool = open(&folder);
    spool.append(2, &texts(&["a", "b"])).unwrap();
    spool.append(3, &texts(&["c"])).unwrap();
    spool.forget(1);
    assert_eq!(spool.records(), 3, "half a frame is not forgotten");
    spool.forget(2);
    assert_eq!(spool.front(100).unwrap(), texts(&["c"]));
    spool.append(4, &texts(&["d"])).unwrap();
    spool.forget(4);
    assert!(spool.is_empty() && spool.first().is_none());
    assert_eq!(fs::read(only_file(&folder)).unwrap(), b"");
    spool.append(5, &texts(&["e"])).unwrap();
    assert_eq!((open(&folder).front(9).unwrap(), spool.first()), (texts(&["e"]), Some(5)));
    spool.forget(5);
    assert!(open(&folder).is_empty());
    assert_eq!(fs::read_dir(folder.path().join("spool")).unwrap().count(), 0, "an empty file is of no use");
}

#[test]
fn a_file_that_is_long_enough_is_deleted_when_the_last_of_it_is_forgotten() {
    let folder = TempDir::new().unwrap();
    let mut spool = open(&folder);
    let long = vec!["x".repeat(1 << 20)];
    for number in 1..=20 {
        spool.append(number, &long).unwrap();
    }
    let files = || fs::read_dir(folder.path().join("spool")).unwrap().count();
    assert_eq!(files(), 3);
    spool.forget(15);
    assert_eq!((files(), spool.first()), (2, Some(16)));
    spool.forget(20);
    assert_eq!(files(), 1);
}

#[test]
fn files_are_for_the_owner_only() {
    let folder = TempDir::new().unwrap();
    let mut spool = open(&folder);
    spool.append(1, &texts(&["a"])).unwrap();
    assert_eq!(fs::metadata(only_file(&folder)).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::metadata(folder.path().join("spool")).unwrap().permissions().mode() & 0o777, 0o700);
}

/// A kill can cut an append at any byte, and a power loss can leave bytes of it that were never written.
#[test]
fn whatever_a_kill_leaves_of_the_last_append_no_earlier_record_is_lost() {
    let folder = TempDir::new().unwrap();
    let mut spool = open(&folder);
    spool.append(1, &texts(&["first"])).unwrap();
    let file = only_file(&folder);
    let good = fs::read(&file).unwrap().len();
    spool.append(2, &texts(&["second"])).unwrap();
    let whole = fs::read(&file).unwrap();
    for cut in good..whole.len() {
        for rest in [vec![], vec![0; whole.len() - cut]] {
            fs::write(&file, [&whole[..cut], &rest].concat()).unwrap();
            let mut spool = open(&folder);
            assert_eq!(spool.front(9).unwrap(), texts(&["first"]), "cut at {cut}");
            spool.append(2, &texts(&["again"])).unwrap();
            assert_eq!(open(&folder).front(9).unwrap(), texts(&["first", "again"]));
            fs::remove_file(folder.path().join("spool").join("000000000002.spool")).unwrap();
        }
    }
}

#[test]
fn a_frame_that_was_changed_with_others_behind_it_is_damage_and_not_a_torn_end() {
    let folder = TempDir::new().unwrap();
    let mut spool = open(&folder);
    spool.append(1, &texts(&["first"])).unwrap();
    spool.append(2, &texts(&["second"])).unwrap();
    let file = only_file(&folder);
    let mut bytes = fs::read(&file).unwrap();
    bytes[frame::HEAD_BYTES] ^= 1;
    fs::write(&file, bytes).unwrap();
    assert!(matches!(Spool::open(&folder.path().join("spool"), PLENTY), Err(SpoolError::Damaged { offset: 0, .. })));
    assert!(matches!(spool.front(9), Err(SpoolError::Damaged { offset: 0, .. })));
}

#[test]
fn a_full_spool_takes_nothing_more_until_something_is_forgotten() {
    let folder = TempDir::new().unwrap();
    let mut spool = Spool::open(folder.path(), 100).unwrap();
    let long = texts(&["a record of forty-five characters, more or so"]);
    spool.append(1, &long).unwrap();
    assert!(matches!(spool.append(2, &long), Err(SpoolError::Full { .. })));
    spool.forget(1);
    spool.append(2, &long).unwrap();
    assert_eq!(Spool::open(folder.path(), 100).unwrap().records(), 1);
}

#[test]
fn an_append_that_fails_leaves_nothing_behind_and_the_next_one_works() {
    let folder = TempDir::new().unwrap();
    let mut spool = open(&folder);
    spool.append(1, &texts(&["a"])).unwrap();
    let path = folder.path().join("spool");
    spool.tail = None;
    fs::rename(&path, folder.path().join("away")).unwrap();
    assert!(matches!(spool.append(2, &texts(&["b"])), Err(SpoolError::Io { .. })));
    fs::rename(folder.path().join("away"), &path).unwrap();
    spool.append(2, &texts(&["b"])).unwrap();
    assert_eq!(open(&folder).front(9).unwrap(), texts(&["a", "b"]));
}
