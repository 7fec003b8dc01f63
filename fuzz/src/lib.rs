//! What holds for every input, one property a file: what cargo-fuzz tries (`scripts/fuzz`), and what `tests/fuzz.rs` tries with few
//! inputs in every run of the tests. A property reads bytes of any kind and panics where it does not hold.

pub mod admin_body;
pub mod canonical_path;
pub mod compact_jwt;
pub mod cursor;
pub mod forwarded;
pub mod header_hygiene;
pub mod key_set;
pub mod meter_request;
pub mod meter_stream;
pub mod meter_usage;
mod metering;
pub mod problem_body;

/// A property by the name of its target.
pub type Target = (&'static str, fn(&[u8]));

/// Every property. `fuzz_targets` has a file of each name.
pub const TARGETS: [Target; 11] = [
    ("admin_body", admin_body::run),
    ("canonical_path", canonical_path::run),
    ("compact_jwt", compact_jwt::run),
    ("cursor", cursor::run),
    ("forwarded", forwarded::run),
    ("header_hygiene", header_hygiene::run),
    ("key_set", key_set::run),
    ("meter_request", meter_request::run),
    ("meter_stream", meter_stream::run),
    ("meter_usage", meter_usage::run),
    ("problem_body", problem_body::run),
];

/// The first byte, which chooses, and the rest; zero where there is none.
pub(crate) fn choice(data: &[u8]) -> (usize, &[u8]) {
    data.split_first().map_or((0, data), |(first, rest)| (usize::from(*first), rest))
}
