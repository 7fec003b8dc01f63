//! One table of counts a family of formats, with every name and place under which providers and gateways are known to state
//! them, and which of them are parts of which.

use super::counts::{Counts, Share};

/// OpenAI's names in all its formats, and those of the services that are compatible with it: xAI, Gemini, `DeepSeek`,
/// Moonshot, Mistral, Groq, Together, Fireworks, Perplexity, `OpenRouter`, `LiteLLM`, vLLM, llama.cpp.
pub const OPENAI: Counts = Counts {
    input: &["prompt_tokens", "input_tokens", "promptTokens", "inputTokens", "billed_units/input_tokens"],
    input_besides: &[],
    output: &["completion_tokens", "output_tokens", "completionTokens", "outputTokens", "billed_units/output_tokens"],
    total: &["total_tokens", "totalTokens"],
    cached: &[
        "prompt_tokens_details/cached_tokens",
        "prompt_token_details/cached_tokens",
        "input_tokens_details/cached_tokens",
        "prompt_tokens_details/cache_read_tokens",
        "input_tokens_details/cache_read_tokens",
        "prompt_tokens_details/cache_read_input_tokens",
        "prompt_cache_hit_tokens",
        "cached_tokens",
        "cached_prompt_tokens",
        "num_cached_tokens",
        "cache_read_input_tokens",
        "cache_read_tokens",
        "cacheReadInputTokens",
    ],
    cache_write: &[
        "prompt_tokens_details/cache_write_tokens",
        "input_tokens_details/cache_write_tokens",
        "prompt_tokens_details/cache_creation_tokens",
        "input_tokens_details/cache_creation_tokens",
        "prompt_tokens_details/cache_creation_input_tokens",
        "cache_creation_input_tokens",
        "cache_creation_tokens",
        "cache_write_input_tokens",
        "cache_write_tokens",
        "cacheWriteInputTokens",
    ],
    short_cache_write: &[
        "cache_creation/ephemeral_5m_input_tokens",
        "prompt_tokens_details/cache_creation_token_details/ephemeral_5m_input_tokens",
        "prompt_tokens_details/cache_creation/ephemeral_5m_input_tokens",
        "claude_cache_creation_5_m_tokens",
    ],
    long_cache_write: &[
        "cache_creation/ephemeral_1h_input_tokens",
        "prompt_tokens_details/cache_creation_token_details/ephemeral_1h_input_tokens",
        "prompt_tokens_details/cache_creation/ephemeral_1h_input_tokens",
        "claude_cache_creation_1_h_tokens",
    ],
    reasoning: &[
        "completion_tokens_details/reasoning_tokens",
        "output_tokens_details/reasoning_tokens",
        "completion_tokens_details/thinking_tokens",
        "output_tokens_details/thinking_tokens",
        "reasoning_tokens",
    ],
    audio_input: &[
        "prompt_tokens_details/audio_tokens",
        "input_tokens_details/audio_tokens",
        "input_token_details/audio_tokens",
    ],
    audio_output: &[
        "completion_tokens_details/audio_tokens",
        "output_tokens_details/audio_tokens",
        "output_token_details/audio_tokens",
    ],
    image_input: &["prompt_tokens_details/image_tokens", "input_tokens_details/image_tokens"],
    image_output: &["completion_tokens_details/image_tokens", "output_tokens_details/image_tokens"],
    cached_audio: &[
        "prompt_tokens_details/cached_tokens_details/audio_tokens",
        "input_tokens_details/cached_tokens_details/audio_tokens",
        "input_token_details/cached_tokens_details/audio_tokens",
    ],
    cached_images: &[
        "prompt_tokens_details/cached_tokens_details/image_tokens",
        "input_tokens_details/cached_tokens_details/image_tokens",
    ],
    cache: Share::Within,
    thoughts: Share::Within,
    rest_is_input: false,
    rounds: "iterations",
    tools: &[
        ("web_search", "server_tool_use/web_search_requests"),
        ("web_search", "server_tool_use_details/web_search_requests"),
        ("web_search", "num_search_queries"),
        ("web_search", "num_sources_used"),
        ("web_search", "server_side_tool_usage_details/web_search_calls"),
        ("x_search", "server_side_tool_usage_details/x_search_calls"),
        ("code_interpreter", "server_side_tool_usage_details/code_interpreter_calls"),
        ("file_search", "server_side_tool_usage_details/file_search_calls"),
        ("collections_search", "server_side_tool_usage_details/document_search_calls"),
        ("mcp", "server_side_tool_usage_details/mcp_calls"),
    ],
};

/// Anthropic's: the input has nothing of the cache in it.
pub const ANTHROPIC: Counts = Counts {
    input: &["input_tokens", "prompt_tokens"],
    output: &["output_tokens", "completion_tokens"],
    cached: &["cache_read_input_tokens"],
    cache_write: &["cache_creation_input_tokens"],
    short_cache_write: &["cache_creation/ephemeral_5m_input_tokens"],
    long_cache_write: &["cache_creation/ephemeral_1h_input_tokens"],
    reasoning: &["output_tokens_details/thinking_tokens", "output_tokens_details/reasoning_tokens"],
    cache: Share::Beside,
    tools: &[
        ("web_search", "server_tool_use/web_search_requests"),
        ("web_fetch", "server_tool_use/web_fetch_requests"),
        ("code_execution", "server_tool_use/code_execution_requests"),
    ],
    ..OPENAI
};

/// Gemini's: thoughts and what tools have read stand beside the counts of the prompt and the answer.
pub const GEMINI: Counts = Counts {
    input: &["promptTokenCount"],
    input_besides: &["toolUsePromptTokenCount"],
    output: &["candidatesTokenCount", "responseTokenCount"],
    total: &["totalTokenCount"],
    cached: &["cachedContentTokenCount"],
    cache_write: &[],
    short_cache_write: &[],
    long_cache_write: &[],
    reasoning: &["thoughtsTokenCount"],
    audio_input: &["promptTokensDetails/@AUDIO"],
    audio_output: &["candidatesTokensDetails/@AUDIO", "responseTokensDetails/@AUDIO"],
    image_input: &["promptTokensDetails/@IMAGE"],
    image_output: &["candidatesTokensDetails/@IMAGE", "responseTokensDetails/@IMAGE"],
    cached_audio: &["cacheTokensDetails/@AUDIO"],
    cached_images: &["cacheTokensDetails/@IMAGE"],
    cache: Share::Within,
    thoughts: Share::Beside,
    rest_is_input: false,
    rounds: "",
    tools: &[],
};

/// Bedrock's `converse`: as Anthropic's, in its own spelling.
pub const BEDROCK: Counts = Counts {
    input: &["inputTokens"],
    input_besides: &[],
    output: &["outputTokens"],
    total: &["totalTokens"],
    cached: &["cacheReadInputTokens", "cacheReadInputTokenCount"],
    cache_write: &["cacheWriteInputTokens", "cacheWriteInputTokenCount"],
    short_cache_write: &["cacheDetails/@5m"],
    long_cache_write: &["cacheDetails/@1h"],
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
    tools: &[],
};
