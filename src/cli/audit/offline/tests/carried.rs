//! What may become of an export as a file, on its way to who reads it.

use super::*;

#[test]
fn what_the_last_line_says_otherwise_is_told() {
    let mut log = log();
    log.extents[0].entries = 7;
    let told = "chain c has 7 records (1 to 6) and 3 checkpoints, and 6 records (1 to 6) and 3 checkpoints of it is in";
    assert_found(&log, &[told]);
    log.extents.clear();
    assert_found(&log, &["does not name all the chains"]);
}

#[test]
fn what_became_of_a_file_on_its_way_is_told() {
    let sound = log();
    let text = sound.text();
    let told = |text: &str| verify(text.as_bytes(), &sound.key, vec![], None).unwrap_err();
    assert!(told("").contains("empty"));
    let recoded = told(&text.replace('\n', "\r\n"));
    assert!(recoded.contains("CR LF"), "{recoded}");
    let cut = told(&(text.lines().take(3).collect::<Vec<_>>().join("\n") + "\n"));
    assert!(cut.contains("line 3"), "{cut}");
    let compressed = keys_in(&[0x1f, 0x8b, 8, 0, 0xff][..]).unwrap_err();
    assert!(compressed.to_string().contains("uncompress"), "{compressed}");
}
