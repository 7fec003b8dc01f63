//! One table of counts a family of formats, with every name and place under which providers and gateways are known to state
//! them, and which of them are parts of which.

use super::{
    counts::{Counts, Share},
    path::{Path, paths},
};

/// OpenAI's names in all its formats, and those of the services that are compatible with it: xAI, Gemini, `DeepSeek`,
/// Moonshot, Mistral, Groq, Together, Fireworks, Perplexity, `OpenRouter`, `LiteLLM`, vLLM, llama.cpp.
pub const OPENAI: Counts = Counts {
    input: paths![
        "prompt_tokens",
        "input_tokens",
        "promptTokens",
        "inputTokens",
        "billed_units/input_tokens",
        // This and its like: of Google's interactions, whose thoughts are beside the output.
        "total_input_tokens",
    ],
    // Of Perplexity: what its searches have read. It bills thoughts beside the answer, though its total has neither. Of Mistral:
    // what its connectors have brought, which its total has.
    input_besides: paths!["citation_tokens", "connector_tokens", "total_tool_use_tokens"],
    output: paths![
        "completion_tokens",
        "output_tokens",
        "completionTokens",
        "outputTokens",
        "billed_units/output_tokens",
        "total_output_tokens"
    ],
    total: paths!["total_tokens", "totalTokens"],
    cached: paths![
        "prompt_tokens_details/cached_tokens",
        "prompt_token_details/cached_tokens",
        "input_tokens_details/cached_tokens",
        "prompt_tokens_details/cache_read_tokens",
        "input_tokens_details/cache_read_tokens",
        "prompt_tokens_details/cached_read_tokens",
        "input_tokens_details/cached_read_tokens",
        "prompt_tokens_details/cache_read_input_tokens",
        "input_tokens_details/cache_read_input_tokens",
        "prompt_cache_hit_tokens",
        "cached_tokens",
        "cached_prompt_tokens",
        "cached_prompt_text_tokens",
        "cached_input_tokens",
        "input_token_details/cache_read",
        "input_token_details/cached_tokens",
        "promptTokensDetails/cachedTokens",
        "inputTokensDetails/cachedTokens",
        "inputTokenDetails/cacheReadTokens",
        "num_cached_tokens",
        "cache_read_input_tokens",
        "cache_read_tokens",
        "cacheReadInputTokens",
        "cachedInputTokens",
        "cacheReadTokens",
        "total_cached_tokens",
    ],
    cached_within: &[],
    cache_write: paths![
        "prompt_tokens_details/cached_write_tokens",
        "input_tokens_details/cached_write_tokens",
        "prompt_tokens_details/cached_creation_tokens",
        "input_tokens_details/cached_creation_tokens",
        "prompt_tokens_details/cache_write_tokens",
        "input_tokens_details/cache_write_tokens",
        "prompt_tokens_details/cache_creation_tokens",
        "input_tokens_details/cache_creation_tokens",
        "prompt_tokens_details/cache_creation_input_tokens",
        "input_tokens_details/cache_creation_input_tokens",
        "input_token_details/cache_creation",
        "promptTokensDetails/cacheWriteTokens",
        "inputTokensDetails/cacheWriteTokens",
        "inputTokenDetails/cacheWriteTokens",
        "cache_creation_input_tokens",
        "cache_creation_tokens",
        "cache_write_input_tokens",
        "cache_write_tokens",
        "cacheWriteInputTokens",
        "cacheWriteTokens",
    ],
    short_cache_write: paths![
        "cache_creation/ephemeral_5m_input_tokens",
        "prompt_tokens_details/cache_creation_token_details/ephemeral_5m_input_tokens",
        "prompt_tokens_details/cache_creation/ephemeral_5m_input_tokens",
        "prompt_tokens_details/anthropic_cache_creation/ephemeral_5m_input_tokens",
        "input_tokens_details/cache_creation_token_details/ephemeral_5m_input_tokens",
        "input_tokens_details/cache_creation/ephemeral_5m_input_tokens",
        "input_token_details/ephemeral_5m_input_tokens",
        "claude_cache_creation_5_m_tokens",
    ],
    long_cache_write: paths![
        "cache_creation/ephemeral_1h_input_tokens",
        "prompt_tokens_details/cache_creation_token_details/ephemeral_1h_input_tokens",
        "prompt_tokens_details/cache_creation/ephemeral_1h_input_tokens",
        "prompt_tokens_details/anthropic_cache_creation/ephemeral_1h_input_tokens",
        "input_tokens_details/cache_creation_token_details/ephemeral_1h_input_tokens",
        "input_tokens_details/cache_creation/ephemeral_1h_input_tokens",
        "input_token_details/ephemeral_1h_input_tokens",
        "claude_cache_creation_1_h_tokens",
    ],
    reasoning: paths![
        "completion_tokens_details/reasoning_tokens",
        "output_tokens_details/reasoning_tokens",
        "completion_tokens_details/thinking_tokens",
        "output_tokens_details/thinking_tokens",
        "output_token_details/reasoning",
        "completionTokensDetails/reasoningTokens",
        "outputTokensDetails/reasoningTokens",
        "outputTokenDetails/reasoningTokens",
        "reasoning_tokens",
        "reasoningTokens",
        "total_thought_tokens",
    ],
    audio_input: paths![
        "prompt_tokens_details/audio_tokens",
        "input_tokens_details/audio_tokens",
        "input_token_details/audio_tokens",
        "promptTokensDetails/audioTokens",
    ],
    audio_output: paths![
        "completion_tokens_details/audio_tokens",
        "output_tokens_details/audio_tokens",
        "output_token_details/audio_tokens",
        "completionTokensDetails/audioTokens",
    ],
    image_input: paths![
        "prompt_tokens_details/image_tokens",
        "input_tokens_details/image_tokens",
        "input_token_details/image_tokens",
    ],
    image_output: paths!["completion_tokens_details/image_tokens", "output_tokens_details/image_tokens"],
    cached_audio: paths![
        "prompt_tokens_details/cached_tokens_details/audio_tokens",
        "input_tokens_details/cached_tokens_details/audio_tokens",
        "input_token_details/cached_tokens_details/audio_tokens",
    ],
    cached_images: paths![
        "prompt_tokens_details/cached_tokens_details/image_tokens",
        "input_tokens_details/cached_tokens_details/image_tokens",
        "input_token_details/cached_tokens_details/image_tokens",
    ],
    cache: Share::Within,
    thoughts: Share::Within,
    rest_is_input: false,
    rounds: "iterations",
    tools: &[
        ("web_search", Path::of("server_tool_use/web_search_requests")),
        ("web_search", Path::of("server_tool_use_details/web_search_requests")),
        ("web_search", Path::of("num_search_queries")),
        ("web_search", Path::of("num_sources_used")),
        ("web_search", Path::of("server_side_tool_usage_details/web_search_calls")),
        // Of Perplexity's agents.
        ("web_search", Path::of("tool_calls_details/search_web/invocation")),
        ("fetch_url", Path::of("tool_calls_details/fetch_url/invocation")),
        // Of Gemini and others behind LiteLLM.
        ("web_search", Path::of("prompt_tokens_details/web_search_requests")),
        ("google_maps", Path::of("prompt_tokens_details/google_maps_grounding_requests")),
        ("web_search", Path::of("web_search/num_requests")),
        ("web_search", Path::of("plugins/search/count")),
        // Of Mistral's conversations.
        ("web_search", Path::of("connectors/web_search")),
        ("web_search", Path::of("connectors/web_search_premium")),
        ("code_interpreter", Path::of("connectors/code_interpreter")),
        ("image_generation", Path::of("connectors/image_generation")),
        ("document_library", Path::of("connectors/document_library")),
        ("x_search", Path::of("server_side_tool_usage_details/x_search_calls")),
        ("code_interpreter", Path::of("server_side_tool_usage_details/code_interpreter_calls")),
        ("file_search", Path::of("server_side_tool_usage_details/file_search_calls")),
        ("collections_search", Path::of("server_side_tool_usage_details/document_search_calls")),
        ("mcp", Path::of("server_side_tool_usage_details/mcp_calls")),
    ],
    of_models: &[],
};

/// Anthropic's: the input has nothing of the cache in it.
pub const ANTHROPIC: Counts = Counts {
    // And those of Bedrock, whose own models answer to `invoke` too.
    input: paths!["input_tokens", "prompt_tokens", "inputTokens"],
    output: paths!["output_tokens", "completion_tokens", "outputTokens"],
    cached: paths!["cache_read_input_tokens", "cacheReadInputTokens", "cacheReadInputTokenCount"],
    // Of services that translate: OpenAI's counts, which are within.
    cached_within: paths!["prompt_tokens_details/cached_tokens", "input_tokens_details/cached_tokens"],
    cache_write: paths!["cache_creation_input_tokens", "cacheWriteInputTokens", "cacheWriteInputTokenCount"],
    short_cache_write: paths!["cache_creation/ephemeral_5m_input_tokens"],
    long_cache_write: paths!["cache_creation/ephemeral_1h_input_tokens"],
    reasoning: paths!["output_tokens_details/thinking_tokens", "output_tokens_details/reasoning_tokens"],
    cache: Share::Beside,
    tools: &[
        ("web_search", Path::of("server_tool_use/web_search_requests")),
        ("web_fetch", Path::of("server_tool_use/web_fetch_requests")),
        ("code_execution", Path::of("server_tool_use/code_execution_requests")),
    ],
    ..OPENAI
};

/// Gemini's, in both of its spellings: thoughts and what tools have read stand beside the counts of the prompt and the answer.
pub const GEMINI: Counts = Counts {
    input: paths!["promptTokenCount", "prompt_token_count"],
    input_besides: paths!["toolUsePromptTokenCount", "tool_use_prompt_token_count"],
    output: paths!["candidatesTokenCount", "candidates_token_count", "responseTokenCount", "response_token_count"],
    total: paths!["totalTokenCount", "total_token_count"],
    cached: paths!["cachedContentTokenCount", "cached_content_token_count"],
    cached_within: &[],
    cache_write: &[],
    short_cache_write: &[],
    long_cache_write: &[],
    reasoning: paths!["thoughtsTokenCount", "thoughts_token_count"],
    audio_input: paths!["promptTokensDetails/@AUDIO", "prompt_tokens_details/@AUDIO", "promptTokenDetails/@AUDIO"],
    audio_output: paths![
        "candidatesTokensDetails/@AUDIO",
        "candidates_tokens_details/@AUDIO",
        "responseTokensDetails/@AUDIO",
        "response_tokens_details/@AUDIO"
    ],
    image_input: paths!["promptTokensDetails/@IMAGE", "prompt_tokens_details/@IMAGE", "promptTokenDetails/@IMAGE"],
    image_output: paths![
        "candidatesTokensDetails/@IMAGE",
        "candidates_tokens_details/@IMAGE",
        "responseTokensDetails/@IMAGE",
        "response_tokens_details/@IMAGE"
    ],
    cached_audio: paths!["cacheTokensDetails/@AUDIO", "cache_tokens_details/@AUDIO"],
    cached_images: paths!["cacheTokensDetails/@IMAGE", "cache_tokens_details/@IMAGE"],
    cache: Share::Within,
    thoughts: Share::Beside,
    rest_is_input: false,
    rounds: "",
    tools: &[],
    of_models: &[],
};

/// Bedrock's `converse`: as Anthropic's, in its own spelling.
pub const BEDROCK: Counts = Counts { of_models: &[("openai.", &BEDROCK_OF_OPENAI)], ..BEDROCK_OF_MOST };

const BEDROCK_OF_MOST: Counts = Counts {
    input: paths!["inputTokens"],
    input_besides: &[],
    output: paths!["outputTokens"],
    total: paths!["totalTokens"],
    cached: paths!["cacheReadInputTokens", "cacheReadInputTokenCount"],
    cached_within: &[],
    cache_write: paths!["cacheWriteInputTokens", "cacheWriteInputTokenCount"],
    short_cache_write: paths!["cacheDetails/@5m"],
    long_cache_write: paths!["cacheDetails/@1h"],
    reasoning: &[],
    audio_input: &[],
    audio_output: &[],
    image_input: &[],
    image_output: &[],
    cached_audio: &[],
    cached_images: &[],
    cache: Share::Beside,
    thoughts: Share::Within,
    rest_is_input: false,
    rounds: "",
    tools: &[
        ("web_search", Path::of("serverToolUsage/webSearchRequests")),
        ("web_fetch", Path::of("serverToolUsage/webFetchRequests")),
    ],
    of_models: &[],
};

/// The same of OpenAI's models: what came from a cache or went into one is in `inputTokens`, and `totalTokens` has it twice.
const BEDROCK_OF_OPENAI: Counts = Counts { total: &[], cache: Share::Within, ..BEDROCK_OF_MOST };

/// Of servers on one's own machine, outside any usage: llama.cpp in its `timings`, Ollama beside its answer.
pub const LOCAL: Counts = Counts {
    input: paths!["prompt_n", "prompt_eval_count"],
    output: paths!["predicted_n", "eval_count"],
    cached: paths!["cache_n"],
    ..NONE
};

/// Of Bedrock, beside the last event of a model's own format.
pub const INVOCATION: Counts = Counts {
    input: paths!["inputTokenCount"],
    output: paths!["outputTokenCount"],
    cached: paths!["cacheReadInputTokenCount"],
    cache_write: paths!["cacheWriteInputTokenCount"],
    ..NONE
};

/// Of watsonx, beside each text, and of Titan.
pub const OF_RESULTS: Counts =
    Counts { input: paths!["input_token_count"], output: paths!["generated_token_count", "tokenCount"], ..NONE };

/// Of Llama and Titan at Bedrock, beside the answer.
pub const NATIVE: Counts = Counts {
    input: paths!["prompt_token_count", "inputTextTokenCount"],
    output: paths!["generation_token_count", "totalOutputTextTokenCount"],
    ..NONE
};

const NONE: Counts = Counts {
    input: &[],
    input_besides: &[],
    output: &[],
    total: &[],
    cached: &[],
    cached_within: &[],
    cache_write: &[],
    short_cache_write: &[],
    long_cache_write: &[],
    reasoning: &[],
    audio_input: &[],
    audio_output: &[],
    image_input: &[],
    image_output: &[],
    cached_audio: &[],
    cached_images: &[],
    cache: Share::Within,
    thoughts: Share::Within,
    rest_is_input: false,
    rounds: "",
    tools: &[],
    of_models: &[],
};
