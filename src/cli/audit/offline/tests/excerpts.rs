//! What an export that says that it is an excerpt must have, and what is said of it.

use super::*;

/// As an excerpt with these bounds, next to the checkpoints of the whole log.
fn excerpt(log: &Log, bounds: &str, shipped: Vec<Checkpoint>, made_at: Option<u64>) -> Result<String, String> {
    let text = log.text().replacen("\"excerpt\":false", &format!("\"excerpt\":true{bounds}"), 1);
    verify(text.as_bytes(), &log.key, shipped, made_at.map(minute))
}

/// Without its last two entries and their checkpoint, which is of the third minute.
fn cut() -> (Log, Vec<Checkpoint>) {
    let mut log = log();
    let shipped = log.checkpoints();
    log.lines.truncate(log.lines.len() - 3);
    (log.recounted(), shipped)
}

#[test]
fn an_excerpt_that_states_no_bounds_is_never_held_against_shipped_checkpoints() {
    let (cut, shipped) = cut();
    let found = excerpt(&cut, "", shipped, Some(3)).unwrap_err();
    assert!(found.contains("not of which span"), "{found}");
    let text = excerpt(&cut, "", vec![], None).unwrap();
    assert!(text.contains("no whole log") && text.contains("does not say of which span"), "{text}");
    assert!(text.contains("sound: 4 records and 2 checkpoints of an excerpt"), "{text}");
}

#[test]
fn an_excerpt_whose_end_was_cut_off_is_found_by_what_was_shipped() {
    let (cut, shipped) = cut();
    for bounds in [
        r#","bounds":{"from":"1970-01-01T00:00:00Z"}"#,
        r#","bounds":{"chain":"c"}"#,
        r#","bounds":{"to":"1970-01-01T00:04:00Z"}"#,
    ] {
        let found = excerpt(&cut, bounds, shipped.clone(), Some(3)).unwrap_err();
        assert!(found.contains("checkpoint 3") && found.contains("gone here"), "{bounds}: {found}");
        let told = excerpt(&cut, bounds, shipped.clone(), None).unwrap();
        assert!(told.contains("beyond the end of this export"), "{bounds}: {told}");
    }
}

#[test]
fn what_lies_outside_of_an_excerpt_is_no_finding_and_is_said() {
    let (cut, shipped) = cut();
    let ends = r#","bounds":{"to":"1970-01-01T00:02:30Z"}"#;
    let text = excerpt(&cut, ends, shipped.clone(), Some(3)).unwrap();
    assert!(text.contains("(all chains, from the beginning, up to 1970-01-01T00:02:30Z, as its"), "{text}");
    assert!(text.contains("nothing is said of what lies outside") && !text.contains("beyond"), "{text}");
    let other = excerpt(&cut, r#","bounds":{"chain":"d"}"#, shipped, Some(3)).unwrap();
    assert!(other.contains("chain d, from the beginning, up to when it was made"), "{other}");
}

#[test]
fn an_excerpt_without_a_lower_bound_begins_with_the_first_record() {
    let mut later = log();
    let shipped = later.checkpoints();
    later.lines.drain(..3);
    let later = later.recounted();
    let found = excerpt(&later, r#","bounds":{"to":"1970-01-01T00:10:00Z"}"#, vec![], None).unwrap_err();
    assert!(found.contains("missing"), "{found}");
    let from = r#","bounds":{"from":"1970-01-01T00:01:00Z"}"#;
    assert!(excerpt(&later, from, shipped, Some(3)).unwrap().contains("sound: 4 records and 2"));
}
