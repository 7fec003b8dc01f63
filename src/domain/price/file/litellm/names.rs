//! The fields of a model that LiteLLM's file states costs in.

pub(super) const INPUT: &str = "input_cost_per_token";
pub(super) const OUTPUT: &str = "output_cost_per_token";
pub(super) const CACHED_INPUT: &str = "cache_read_input_token_cost";
/// Another name of `CACHED_INPUT`.
pub(super) const CACHE_HIT: &str = "input_cost_per_token_cache_hit";
pub(super) const CACHE_WRITE: &str = "cache_creation_input_token_cost";
/// Behind `CACHE_WRITE`: of cache entries that live for an hour.
pub(super) const ABOVE_AN_HOUR: &str = "_above_1hr";
pub(super) const AUDIO_INPUT: &str = "input_cost_per_audio_token";
pub(super) const AUDIO_OUTPUT: &str = "output_cost_per_audio_token";
pub(super) const REASONING: &str = "output_cost_per_reasoning_token";
pub(super) const PER_CALL: &str = "input_cost_per_request";
/// A list of costs by the length of the prompt.
pub(super) const RANGES: &str = "tiered_pricing";

/// `200` of `input_cost_per_token_above_200k_tokens`, for the costs that a tier can have.
pub(super) fn thousands_above(name: &str) -> Option<u64> {
    let costs = [INPUT, OUTPUT, CACHED_INPUT, CACHE_WRITE, REASONING];
    let behind = costs.iter().find_map(|cost| name.strip_prefix(cost))?;
    behind.strip_prefix("_above_")?.strip_suffix("k_tokens")?.parse().ok()
}
