//! How long a worker is kept from others by the reading of the worst inputs:  cargo bench --bench metering [-- SHAPE]
//!
//! Prints for each shape of request and answer the longest step between two turns at which a worker serves others, in
//! processor time, so that other programs do not count, and in which format. The goal is ten milliseconds. A request above
//! what is read on a worker is read elsewhere; of it only what follows counts. Needs a few minutes.

#![expect(clippy::unwrap_used, reason = "a benchmark that cannot start has nothing to measure")]
#![expect(clippy::print_stdout, reason = "it has no other way to say what it found")]

mod shapes;

use std::{collections::BTreeMap, hint::black_box, io::Write, time::Duration};

use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use rustix::time::{ClockId, clock_gettime};
use tollgate::{
    domain::{
        price::{Price, PriceSpec},
        route::Meter,
    },
    meter::{Asked, Bound, MAX_READ_HERE_BYTES, Reading, Ways, format},
};

/// The longest request, and the longest answer that is tried.
const REQUEST_BYTES: usize = 9 << 20;
const ANSWER_BYTES: [usize; 2] = [500 << 10, 2 << 20];

/// An answer comes in turns of this many bytes.
const TURN_BYTES: usize = 64 << 10;

/// The longest step of each shape, and the format.
#[derive(Default)]
struct Longest {
    of: BTreeMap<String, (Duration, String)>,
}

/// What this thread has taken of its processor.
fn processor_time() -> Duration {
    clock_gettime(ClockId::ThreadCPUTime).try_into().unwrap()
}

impl Longest {
    fn step<T>(&mut self, shape: &str, meter: Meter, step: impl FnOnce() -> T) -> T {
        let before = processor_time();
        let out = black_box(step());
        let took = processor_time().saturating_sub(before);
        let longest = self.of.entry(shape.to_owned()).or_default();
        if took > longest.0 {
            *longest = (took, format!("{meter:?}"));
        }
        out
    }

    fn print(&self) {
        let mut all: Vec<_> = self.of.iter().collect();
        all.sort_by_key(|(_, (took, _))| std::cmp::Reverse(*took));
        for (shape, (took, meter)) in all {
            println!("{:>9.3} ms  {shape} ({meter})", took.as_secs_f64() * 1e3);
        }
    }
}

fn price() -> Price {
    let spec = PriceSpec {
        model: "m".into(),
        input_usd: "1".into(),
        output_usd: "10".into(),
        audio_input_usd: Some("4".into()),
        audio_output_usd: Some("40".into()),
        image_output_usd: Some("20".into()),
        max_output_tokens: 1_000,
        max_input_tokens: Some(100_000),
        ..PriceSpec::default()
    };
    spec.price().unwrap()
}

fn request(longest: &mut Longest, shape: &str, meter: Meter, members: &str) {
    let body = Bytes::from(format!(r#"{{"model":"m",{members}}}"#));
    let is_here = body.len() <= MAX_READ_HERE_BYTES;
    let read = || Asked::read(format(meter).unwrap(), "/models/m", body.clone(), &|_| true);
    let asked = if is_here { longest.step(shape, meter, read) } else { read() };
    let Ok(asked) = asked else { return };
    longest.step(shape, meter, || {
        let bound = asked.bound(&[&price()], Ways { model: Some("n"), ..Ways::default() });
        bound.map(|bound| bound.letter.body()).ok()
    });
    longest.step(shape, meter, || drop(asked));
}

fn bound(meter: Meter, renames: bool) -> Bound {
    let body = Bytes::from_static(br#"{"model":"m","stream":true}"#);
    let asked = Asked::read(format(meter).unwrap(), "/models/m", body, &|_| true).ok().unwrap();
    asked.bound(&[&price()], Ways { model: renames.then_some("n"), ..Ways::default() }).ok().unwrap()
}

fn answer(longest: &mut Longest, shape: &str, meter: Meter, (label, coding, body): (&str, Option<&str>, Bytes)) {
    for renames in [false, true] {
        let mut rest = body.clone();
        let mut reading = Reading::new(bound(meter, renames), Some(label), coding);
        while !rest.is_empty() || reading.has_more() {
            let piece = if reading.has_more() { Bytes::new() } else { rest.split_to(rest.len().min(TURN_BYTES)) };
            longest.step(shape, meter, || reading.pass(piece));
        }
        longest.step(shape, meter, || (reading.rest(), reading.taken()));
    }
}

fn gzip(body: &[u8]) -> Bytes {
    let mut encoder = GzEncoder::new(vec![], Compression::best());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap().into()
}

fn main() {
    let wanted = std::env::args().skip(1).find(|argument| !argument.starts_with('-')).unwrap_or_default();
    let mut longest = Longest::default();
    let is_wanted = |name: &str| name.contains(&wanted);
    for bytes in [MAX_READ_HERE_BYTES - 1_000, REQUEST_BYTES] {
        for (name, members) in shapes::requests(bytes) {
            let name = format!("request: {name}");
            for meter in Meter::OF_MODELS.iter().filter(|_| is_wanted(&name)) {
                request(&mut longest, &name, *meter, &members);
            }
        }
    }
    let mut answers: Vec<(String, &str, Option<&str>, Bytes)> = vec![];
    for bytes in ANSWER_BYTES {
        for (name, text) in shapes::texts(bytes) {
            answers.push((format!("answer: {name}"), "application/json", None, text.into()));
        }
        for (name, text) in shapes::events(bytes) {
            answers.push((format!("answer in gzip: {name}"), "text/event-stream", Some("gzip"), gzip(text.as_bytes())));
            answers.push((format!("events: {name}"), "text/event-stream", None, text.into()));
        }
    }
    let members: Vec<u8> = vec![gzip(b"data: {}\n\n"); 20_000].concat();
    answers.push(("many members of gzip".into(), "text/event-stream", Some("gzip"), members.into()));
    answers.push(("blanks in gzip".into(), "text/event-stream", Some("gzip"), gzip(&vec![b' '; 60 << 20])));
    for (name, label, coding, body) in answers.into_iter().filter(|(name, ..)| is_wanted(name)) {
        for meter in Meter::OF_MODELS {
            answer(&mut longest, &name, meter, (label, coding, body.clone()));
        }
    }
    longest.print();
}
