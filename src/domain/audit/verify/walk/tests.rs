use super::*;
use crate::domain::audit::verify::Custody;

/// The entries that checkpoints vouch for; the chain was dropped up to the last of them.
const VOUCHED: [u64; 2] = [4, 8];

/// Of the chain as it was written.
const TRUE: u8 = 0;
/// Of a chain that somebody has begun anew.
const ANEW: u8 = 100;

/// The link at a place of a chain.
fn link(seq: u64, of: u8) -> Head {
    let byte = u8::try_from(seq).unwrap();
    if seq == 0 { Head::GENESIS } else { Head { seq, hash: [byte + of; 32] } }
}

fn facts(seq: u64, of: u8) -> Facts {
    Facts {
        chain: "c".into(),
        seq,
        prev_hash: link(seq - 1, of).hash,
        hash: link(seq, of).hash,
        request_id: Uuid::nil(),
        stage: Stage::Whole,
        lost: vec![],
        act: None,
    }
}

fn vouched(trail: Trail, seq: u64) -> Vouched {
    let head = link(seq, TRUE);
    let digest = [u8::try_from(trail.number + 1).unwrap(); 32];
    Vouched { statement: trail.next("c", head, Timestamp::UNIX_EPOCH, "k"), head, digest }
}

/// Walks through a chain of these entries with its checkpoints.
fn walked(entries: &[(u64, u8)]) -> Result<Summary, Finding> {
    let mut walk = Walk::new("c", Beginning::Chain);
    let (mut trail, mut vouching) = (Trail::START, VOUCHED.into_iter().peekable());
    for next in entries.iter().copied().map(Some).chain([None]) {
        while let Some(seq) = vouching.next_if(|seq| next.is_none_or(|(next, _)| *seq < next)) {
            let checkpoint = vouched(trail, seq);
            walk.checkpoint(&checkpoint)?;
            trail = checkpoint.trail();
        }
        if let Some((seq, of)) = next {
            walk.entry(facts(seq, of))?;
        }
    }
    walk.end()
}

/// What is found in such a chain, which is on record as dropped up to a place.
fn found(entries: &[(u64, u8)], dropped: u64) -> Result<(), (Position, Fault)> {
    let mut custody = Custody::default();
    custody.note(Act::Drop { chain: "c".into(), through: dropped, by: None });
    let settled = walked(entries).and_then(|summary| summary.losses.settle("c", &custody));
    settled.map_err(|finding| (finding.position, finding.fault))
}

fn torn(first: u64, through: u64) -> Result<(), (Position, Fault)> {
    Err((Position::Record(first), Fault::Torn { through }))
}

#[test]
fn a_chain_whose_beginning_or_all_was_dropped_is_sound() {
    let whole: Vec<(u64, u8)> = (1..=10).map(|seq| (seq, TRUE)).collect();
    // All was dropped, some of it or none is left, or the chain goes on.
    for left in [&[][..], &whole[7..8], &whole[2..8], &whole[..8], &whole[8..], &whole[5..], &whole[..]] {
        assert_eq!(found(left, 8), Ok(()), "{left:?}");
    }
}

#[test]
fn a_chain_that_was_dropped_and_begins_anew_is_found() {
    let anew = [(1, ANEW), (2, ANEW), (3, ANEW)];
    assert_eq!(found(&anew, 8), torn(4, 8));
    assert_eq!(found(&[&anew[..], &[(9, TRUE), (10, TRUE)]].concat(), 8), torn(4, 8));
    assert_eq!(found(&[(9, ANEW)], 8), Err((Position::Record(9), Fault::Link)));
    assert_eq!(
        found(&[&anew[..], &[(4, ANEW)]].concat(), 8),
        Err((Position::Checkpoint(1), Fault::Vouched { seq: 4 }))
    );
    assert_eq!(found(&anew, 0), Err((Position::Record(4), Fault::CutOff { through: 8, checkpoint: 2 })));
}

#[test]
fn records_taken_out_of_what_may_be_dropped_are_found() {
    assert_eq!(found(&[(5, TRUE), (6, TRUE), (8, TRUE), (9, TRUE)], 8), torn(7, 7));
    assert_eq!(found(&[(2, TRUE), (4, TRUE), (8, TRUE)], 8), torn(3, 7));
    assert_eq!(found(&[(6, TRUE), (7, TRUE)], 8), torn(8, 8));
}
