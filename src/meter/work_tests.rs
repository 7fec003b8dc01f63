//! The work of reading is linear in the bytes, whatever they are, and bounded between two turns of a worker.

use bytes::Bytes;
use proptest::prelude::*;

use super::{Asked, Bound, Reading, Ways, format, test_price, work};
use crate::domain::route::Meter;

#[path = "../../benches/metering/shapes.rs"]
mod shapes;

/// The most looks at a byte of a request or an answer: at each of its members every table of its format looks once.
const MOST_A_BYTE: u64 = 100;

/// What a short text costs besides.
const MOST_BESIDES: u64 = 100_000;

/// The most in one turn: as many as a worker makes in a few milliseconds.
const MOST_A_TURN: u64 = 12_000_000;

/// Pieces of an answer as the upstream's connection gives them in turns.
const TURN_BYTES: usize = 64 << 10;

fn request(meter: Meter, members: &str) -> (u64, usize) {
    let body = Bytes::from(format!(r#"{{"model":"m",{members}}}"#));
    let length = body.len();
    let (work, _) = work::of(|| {
        let asked = Asked::read(format(meter).unwrap(), "/models/m", body, &|_| true).ok()?;
        let bound = asked.bound(&[&test_price::price(100_000, 1_000)], Ways::default()).ok()?;
        Some(bound.letter.body())
    });
    (work, length)
}

fn bound(meter: Meter, renames: bool) -> Bound {
    let body = Bytes::from_static(br#"{"model":"m","stream":true}"#);
    let asked = Asked::read(format(meter).unwrap(), "/models/m", body, &|_| true).ok().unwrap();
    asked
        .bound(&[&test_price::price(100_000, 1_000)], Ways { model: renames.then_some("n"), ..Ways::default() })
        .unwrap()
}

/// The work of all of an answer, and the most of one turn.
fn answer(meter: Meter, label: &str, body: &str, piece_bytes: usize) -> (u64, u64) {
    let mut reading = Reading::new(bound(meter, piece_bytes.is_multiple_of(2)), Some(label), None);
    let (mut sum, mut most) = (0, 0);
    for piece in body.as_bytes().chunks(piece_bytes) {
        let (work, _) = work::of(|| reading.pass(Bytes::copy_from_slice(piece)));
        sum += work;
        most = most.max(work);
    }
    let (work, _) = work::of(|| (reading.rest(), reading.taken()));
    (sum + work, most.max(work))
}

fn is_linear(work: u64, bytes: usize) -> bool {
    work <= u64::try_from(bytes).unwrap() * MOST_A_BYTE + MOST_BESIDES
}

fn any_meter() -> impl Strategy<Value = Meter> {
    proptest::sample::select(Meter::OF_MODELS.to_vec())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_reading_of_a_request_is_linear_in_its_bytes(
        meter in any_meter(), shape in 0..shapes::requests(1).len(), bytes in 1..60_000_usize,
    ) {
        let (name, members) = shapes::requests(bytes).swap_remove(shape);
        let (work, length) = request(meter, &members);
        prop_assert!(is_linear(work, length), "{meter:?} {name}: {work} for {length}");
    }

    #[test]
    fn the_reading_of_an_answer_is_linear_in_its_bytes(
        meter in any_meter(), shape in 0..shapes::events(1).len(), bytes in 1..60_000_usize, piece in 1..9_000_usize,
    ) {
        let (name, body) = shapes::events(bytes).swap_remove(shape);
        let (work, _) = answer(meter, "text/event-stream", &body, piece);
        prop_assert!(is_linear(work, body.len()), "{meter:?} {name}: {work} for {}", body.len());
        let (name, body) = shapes::texts(bytes).swap_remove(shape % shapes::texts(1).len());
        let (work, _) = answer(meter, "application/json", &body, piece);
        prop_assert!(is_linear(work, body.len()), "{meter:?} {name}: {work} for {}", body.len());
    }
}

#[test]
fn no_turn_is_longer_than_a_worker_can_be_kept_from_others() {
    for (name, body) in shapes::events(530 << 10) {
        let (_, most) = answer(Meter::OpenaiChat, "text/event-stream", &body, TURN_BYTES);
        assert!(most <= MOST_A_TURN, "{name}: {most}");
    }
    for (name, body) in shapes::texts(500 << 10) {
        let (_, most) = answer(Meter::AnthropicMessages, "application/json", &body, TURN_BYTES);
        assert!(most <= MOST_A_TURN, "{name}: {most}");
    }
    for (name, members) in shapes::requests(super::MAX_READ_HERE_BYTES) {
        let (work, _) = request(Meter::OpenaiChat, &members);
        assert!(work <= MOST_A_TURN, "{name}: {work}");
    }
}
