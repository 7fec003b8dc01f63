//! What a model costs besides its tokens of text: each field is known to be harmless, or reported, or makes the model
//! be skipped. None is dropped in silence.

use std::collections::BTreeSet;

use super::{
    super::report::shortened,
    Skipped,
    fields::{self, Fields},
    names::{CACHE_WRITE, PER_CALL, RANGES, when},
};
use crate::domain::price::Rates;

/// Dearer use of a model, for which prices have no word. The meters refuse calls that ask for it, but for video in prompts,
/// which is billed as text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub(super) enum Unbilled {
    #[error("a dearer service tier has no price here")]
    ServiceTier,
    #[error("a surcharge for a region or for speed has no price here")]
    Surcharge,
    #[error("a cache that lives for longer than an hour has no price here")]
    LongCache,
    #[error("video, or sound and images from a cache, cost more than the text they are billed as")]
    Media,
    #[error("tools of the provider (search, maps, code, files) have no price here")]
    Tools,
}

/// What a field is.
enum Meaning {
    /// Read elsewhere, no cost, or one that is never more than what is billed.
    Harmless,
    /// Harmless up to this number of pico-USD.
    Unbilled(Unbilled, u64),
    /// As it stands, and the model cannot be billed above this number of pico-USD.
    Unbillable(u64),
}

/// The modifiers of a call that make it cheaper, of costs that are not those of tokens.
const CHEAPER: [&str; 2] = ["_batches", "_flex"];
const EXPLICIT_CACHE: &str = "explicit_cache_read_input_token_cost";
/// What searches have read, which is counted as input.
const CITATIONS: &str = "citation_cost_per_token";
const DEARER: [&str; 4] = ["_priority", "_ultrafast", "_balanced", "_decisions"];
const SURCHARGES: [&str; 2] = ["uplift_multiplier", "provider_specific_entry"];
const LONG_CACHES: [&str; 1] = ["_above_12hr"];
const MEDIA: [&str; 3] = ["audio_token", "image_token", "video_token"];
const TOOLS: [&str; 7] = [
    "search_context_cost_per_query",
    "google_maps_grounding_cost_per_query",
    "code_interpreter_cost_per_session",
    "file_search_cost_per_1k_calls",
    "file_search_cost_per_gb_per_day",
    "computer_use_input_cost_per_1k_tokens",
    "computer_use_output_cost_per_1k_tokens",
];
/// Prices that are read where they are, the same price in the provider's own unit, a cheaper hour, and storage that no
/// call pays.
const KNOWN: [&str; 5] = [
    RANGES,
    "input_dbu_cost_per_token",
    "output_dbu_cost_per_token",
    "off_peak_pricing",
    "vector_store_cost_per_gb_per_day",
];

/// What the gateway does not bill of a model whose text costs `base`; `knows` says of a cost that it is read elsewhere.
pub(super) fn unbilled(
    fields: &Fields,
    base: Rates,
    knows: impl Fn(&str) -> bool,
) -> Result<BTreeSet<Unbilled>, Skipped> {
    let mut found = BTreeSet::new();
    for (name, text) in fields.iter().filter(|(name, text)| !says_nothing(text) && !knows(name)) {
        match meaning(name, base) {
            Meaning::Unbilled(_, pusd) | Meaning::Unbillable(pusd) if is_at_most(text, pusd) => {}
            Meaning::Harmless => {}
            Meaning::Unbilled(what, _) => {
                found.insert(what);
            }
            Meaning::Unbillable(_) => return Err(Skipped::NotUnderstood(shortened(name))),
        }
    }
    Ok(found)
}

fn meaning(name: &str, base: Rates) -> Meaning {
    let ends = |endings: &[&str]| endings.iter().any(|ending| name.ends_with(ending));
    let holds = |parts: &[&str]| parts.iter().any(|part| name.contains(part));
    if name == PER_CALL || when(name).is_some() || KNOWN.contains(&name) || ends(&CHEAPER) {
        Meaning::Harmless
    } else if holds(&SURCHARGES) {
        Meaning::Unbilled(Unbilled::Surcharge, 0)
    } else if TOOLS.contains(&name) {
        Meaning::Unbilled(Unbilled::Tools, 0)
    } else if !is_cost(name) {
        Meaning::Harmless
    } else if name.starts_with(CACHE_WRITE) && holds(&LONG_CACHES) {
        Meaning::Unbilled(Unbilled::LongCache, base.cache_write)
    } else if ends(&DEARER) {
        Meaning::Unbilled(Unbilled::ServiceTier, 0)
    } else if name == EXPLICIT_CACHE {
        Meaning::Unbillable(base.cached_input)
    } else if name == CITATIONS {
        Meaning::Unbillable(base.input)
    } else if holds(&MEDIA) && name.starts_with("output") {
        Meaning::Unbillable(base.output)
    } else if holds(&MEDIA) {
        Meaning::Unbilled(Unbilled::Media, base.input)
    } else {
        Meaning::Unbillable(0)
    }
}

fn is_cost(name: &str) -> bool {
    !name.starts_with("supports_") && ["cost", "pric"].iter().any(|word| name.contains(word))
}

/// Null, zero, and what else has no digit of a number in it.
fn says_nothing(text: &str) -> bool {
    !text.contains(|c: char| ('1'..='9').contains(&c))
}

/// Whether a cost is a number and no more than this.
fn is_at_most(text: &str, pusd: u64) -> bool {
    fields::pusd(text).is_ok_and(|cost| cost <= pusd)
}
