//! An answer of a model is billed alike wherever it is cut into pieces, and passes byte for byte but for the usage that the
//! client had not asked for.

use bytes::Bytes;
use tollgate::{
    domain::route::Meter,
    meter::{Asked, Format, Reading, Taken, Ways, format},
};

use super::{
    choice,
    metering::{meter, price},
};

/// `data` is the format, the content type, the number of cuts, their places, and the answer.
pub fn run(data: &[u8]) {
    let (kind, rest) = choice(data);
    let (label, rest) = choice(rest);
    let (count, rest) = choice(rest);
    let (places, answer) = rest.split_at(rest.len().min(count % 6));
    let meter = meter(kind);
    let Some(format) = format(meter) else { return };
    let label = [None, Some("text/event-stream"), Some("application/json")].get(label % 3).copied().flatten();
    let mut cuts: Vec<usize> = places.iter().map(|place| usize::from(*place) * answer.len() / 255).collect();
    cuts.extend([0, answer.len()]);
    cuts.sort_unstable();
    let pieces: Vec<&[u8]> = cuts.windows(2).filter_map(|pair| answer.get(*pair.first()?..*pair.last()?)).collect();
    let whole = read(format, label, &[answer]);
    let cut = read(format, label, &pieces);
    assert_eq!(cut, whole, "{meter:?} {label:?}: cut at {cuts:?}");
    let strips = matches!(meter, Meter::OpenaiChat | Meter::OpenaiCompletions);
    assert!(strips || cut.0 == answer, "bytes of {meter:?}");
    let usage = whole.1.usage;
    assert!(usage.cached_tokens + usage.cache_write_tokens <= usage.input_tokens);
    assert!(usage.reasoning_tokens <= usage.output_tokens);
}

fn read(format: &'static Format, label: Option<&str>, pieces: &[&[u8]]) -> (Vec<u8>, Taken) {
    let request = Bytes::from_static(br#"{"model":"m","stream":true}"#);
    let asked = Asked::read(format, "/models/m", request, &|_| false).unwrap_or_else(|_| panic!("a plain request"));
    let bound = asked.bound(&[&price("1")], Ways::default()).unwrap_or_else(|_| panic!("a plain request"));
    let mut reading = Reading::new(bound, label, None);
    let mut passed = vec![];
    for piece in pieces {
        passed.extend_from_slice(&reading.pass(Bytes::copy_from_slice(piece)));
    }
    passed.extend_from_slice(&reading.rest());
    (passed, reading.taken())
}
