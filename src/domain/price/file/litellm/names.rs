//! The fields of a model that LiteLLM's file states costs in: what is paid for, then perhaps the length of the prompt above
//! which it holds, then perhaps the service tier: `input_cost_per_token_above_200k_tokens_priority`.

pub(super) const INPUT: &str = "input_cost_per_token";
pub(super) const OUTPUT: &str = "output_cost_per_token";
pub(super) const CACHED_INPUT: &str = "cache_read_input_token_cost";
/// Another name of `CACHED_INPUT`.
pub(super) const CACHE_HIT: &str = "input_cost_per_token_cache_hit";
pub(super) const CACHE_WRITE: &str = "cache_creation_input_token_cost";
/// Of cache entries that live for an hour.
pub(super) const LONG_CACHE_WRITE: &str = "cache_creation_input_token_cost_above_1hr";
pub(super) const AUDIO_INPUT: &str = "input_cost_per_audio_token";
pub(super) const AUDIO_OUTPUT: &str = "output_cost_per_audio_token";
pub(super) const IMAGE_INPUT: &str = "input_cost_per_image_token";
pub(super) const IMAGE_OUTPUT: &str = "output_cost_per_image_token";
pub(super) const REASONING: &str = "output_cost_per_reasoning_token";
pub(super) const PER_CALL: &str = "input_cost_per_request";
/// A list of costs by the length of the prompt.
pub(super) const RANGES: &str = "tiered_pricing";

/// All of those that are costs of tokens. A name that begins with another one stands before it.
const COSTS: [&str; 11] = [
    CACHE_HIT,
    INPUT,
    OUTPUT,
    CACHED_INPUT,
    LONG_CACHE_WRITE,
    CACHE_WRITE,
    AUDIO_INPUT,
    AUDIO_OUTPUT,
    IMAGE_INPUT,
    IMAGE_OUTPUT,
    REASONING,
];

/// Service tiers: as fields end, and as requests and answers name them.
pub(super) const SERVICE_TIERS: [(&str, &str); 6] = [
    ("_priority", "priority"),
    ("_flex", "flex"),
    ("_batches", "batch"),
    ("_ultrafast", "ultrafast"),
    ("_fast", "fast"),
    ("_balanced", "balanced"),
];

/// When the cost of a field holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct When {
    /// For prompts above this number of thousands of tokens.
    pub thousands: Option<u64>,
    /// At this service tier, as the field ends.
    pub service: &'static str,
}

/// When the cost of tokens holds that a field states; nothing where it states none.
pub(super) fn when(name: &str) -> Option<When> {
    let behind = COSTS.iter().find_map(|cost| name.strip_prefix(cost))?;
    let tier = SERVICE_TIERS.iter().find_map(|(end, _)| Some((behind.strip_suffix(end)?, *end)));
    let (length, service) = tier.unwrap_or((behind, ""));
    if length.is_empty() {
        return Some(When { thousands: None, service });
    }
    let thousands = length.strip_prefix("_above_")?.strip_suffix("k_tokens")?.parse().ok()?;
    Some(When { thousands: Some(thousands), service })
}
