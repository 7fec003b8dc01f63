//! What a call took, by all that its answer has said.

use bytes::Bytes;

use super::{
    super::{bound::Bound, counts::CALLS, format::About, tools},
    Reading, believed,
    seen::Seen,
};
use crate::domain::usage::{Extras, Usage};

/// How much of what is still coded is looked into where nobody waits for it any more.
const LAST_TURNS: usize = 4;

/// The part of the longest prompt that is billed to a client which has left, where the prompt is kept elsewhere and its upstream
/// went on writing for longer than it was listened to.
const UNSEEN_PART: u64 = 4;

/// What one call took.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    pub usage: Usage,
    pub extras: Extras,
    /// Calls of tools that the provider ran, by the tool's name.
    pub tools: Vec<(String, u64)>,
    /// What other models took that the model has asked, by their names.
    pub of_others: Vec<(String, Usage)>,
    /// Whether no answer has said so in a way that can be believed.
    pub estimated: bool,
    /// Whether the answer is an error, or empty, though its status is a success: it costs nothing.
    pub failed: bool,
    /// The model that served, as it calls itself.
    pub model: Option<String>,
    /// The service tier that served, as the answer names it.
    pub tier: Option<String>,
    /// The one that was asked for, where it is not a standard one.
    pub asked_tier: Option<String>,
}

impl Taken {
    /// The model has refused before a word: only what others took is left to pay for.
    fn refused(self) -> Self {
        let (usage, extras) = (Usage::default(), Extras::default());
        Self { usage, extras, failed: self.failed || self.of_others.is_empty(), ..self }
    }
}

impl Reading {
    /// What the call took, by what has passed.
    #[must_use]
    pub fn taken(mut self) -> Taken {
        for _ in 0..LAST_TURNS {
            if self.has_more() {
                drop(self.pass(Bytes::new()));
            }
        }
        drop(self.finish());
        self.seen.state_aside();
        let states_calls = self.seen.states_calls();
        let Self { bound, mut seen, is_over, has_left, .. } = self;
        let mut tools = as_asked(&bound, seen.called());
        let calls = made(&bound, &mut tools);
        let drawn = seen.shown.image_tokens(bound.format.about, if seen.came.content { calls } else { 0 });
        let spoken = seen.shown.sound_tokens();
        let shown = drawn.saturating_add(spoken);
        let stated = seen.stated.within(bound.sane_input_tokens, bound.sane_output_tokens);
        let settled = bound.counts.settle(&stated, bound.format.writes());
        let input = believed::input(&bound, &settled);
        let output = believed::output(&bound, &settled, seen.written_tokens.saturating_add(shown));
        let unseen = if seen.came.content { bound.estimated_output_tokens } else { 0 };
        let said = seen.written_tokens.saturating_add(seen.foreign()).max(unseen);
        let delivered = said.saturating_add(shown).min(bound.output_tokens);
        let final_output = output.filter(|_| seen.is_final || bound.output_tokens == 0);
        let whole = believed::total(&bound, &settled);
        let is_unseen = has_left && !is_over && bound.kept.is_elsewhere;
        let unseen = if is_unseen { bound.input_tokens / UNSEEN_PART } else { 0 };
        let estimate = seen.seconds.unwrap_or(bound.estimated_input_tokens).max(unseen);
        let input_tokens = input.unwrap_or_else(|| whole.map_or(estimate, |whole| estimate.min(whole)));
        let rest = whole.map_or(0, |whole| whole.saturating_sub(input_tokens));
        let output_tokens = final_output.unwrap_or(delivered.max(output.unwrap_or(0)).max(rest));
        let cached_tokens = settled.cached.min(input_tokens);
        let cache_write_tokens = settled.cache_write.min(input_tokens.saturating_sub(cached_tokens));
        let reasoning_tokens = settled.reasoning.min(output_tokens);
        // What endpoints of images write is images, and what those of speech write is sound, though few say so.
        let part = |about: About, stated: u64, shown: u64| match stated {
            0 if bound.format.about == about => output_tokens,
            0 if final_output.is_none() => shown,
            stated => stated,
        };
        let is_unsaid = seen.foreign() == 0 && seen.stated.says_nothing();
        let is_empty = (is_over || seen.came.is_page()) && !seen.came.content && is_unsaid && !states_calls;
        let is_error = is_error(&bound, &seen);
        let are_calls_sane = believed::is_sane(calls, bound.units);
        let are_sane = believed::calls(&bound, &mut tools) && are_calls_sane;
        let (of_others, are_others_sane) = believed::of_others(&bound, &seen.of_others);
        // Whatever was read, nothing was written by the model that has refused; what one before it wrote is its own.
        let is_refused =
            seen.came.refusal && settled.output.plain() == 0 && (seen.written_tokens == 0 || !of_others.is_empty());
        let taken = Taken {
            of_others,
            usage: Usage { input_tokens, cached_tokens, cache_write_tokens, output_tokens, reasoning_tokens },
            extras: Extras {
                long_cache_write_tokens: settled.long_cache_write.min(cache_write_tokens),
                audio_input_tokens: settled.audio_input.min(input_tokens.saturating_sub(cached_tokens)),
                audio_output_tokens: part(About::Speech, settled.audio_output, spoken)
                    .min(output_tokens.saturating_sub(reasoning_tokens)),
                image_input_tokens: settled.image_input.min(input_tokens.saturating_sub(cached_tokens)),
                image_output_tokens: part(About::Images, settled.image_output, drawn)
                    .min(output_tokens.saturating_sub(reasoning_tokens)),
                calls: if are_calls_sane { calls } else { bound.units },
            },
            asked_tier: bound.asked_tier().map(str::to_owned),
            tools,
            estimated: input.is_none() || final_output.is_none() || !are_sane || !are_others_sane,
            failed: is_error || is_empty || bound.format.is_free,
            model: seen.model,
            tier: seen.tier,
        };
        if is_refused { taken.refused() } else { taken }
    }
}

/// Whether an error came in place of an answer. The prompt that was stated was not yet taken then: of a model that writes,
/// where nothing is stated of its output, or only at the begin of a stream.
fn is_error(bound: &Bound, seen: &Seen) -> bool {
    let is_said = seen.written_tokens > 0 || !seen.shown.is_none() || seen.foreign() > 0;
    let has_output = seen.stated.output.plain() > 0 || seen.stated.reasoning.plain() > 0;
    let is_begun = seen.is_final && (has_output || !bound.writes_text());
    seen.came.error && !is_said && (seen.stated.says_nothing() || !is_begun)
}

/// The calls of tools that the provider ran, under the names that the request has for these, by which they are priced.
fn as_asked(bound: &Bound, mut called: Vec<(String, u64)>) -> Vec<(String, u64)> {
    for (name, _) in &mut called {
        let held = || bound.tools.iter().map(|(held, _)| held);
        if held().all(|held| *held != *name)
            && let Some(held) = held().find(|held| tools::is_counted_as(held, name))
        {
            name.clone_from(held);
        }
    }
    let is_held = |name: &String| bound.tools.iter().any(|(held, _)| held == name);
    called.retain(|(name, _)| is_held(name) || !bound.format.content.tools.contains(&name.as_str()));
    called
}

/// Takes from the counts of tools what the call itself is billed as. Of a long answer with images in it nobody knows how many
/// they are but who asked for them.
fn made(bound: &Bound, tools: &mut Vec<(String, u64)>) -> u64 {
    let calls = tools.iter().position(|(name, _)| name == CALLS).map_or(0, |at| tools.swap_remove(at).1);
    if calls == 0 && bound.format.about == About::Images { bound.units } else { calls }
}
