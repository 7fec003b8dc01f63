//! The counts that answers state: where they stand ([`super::count_tables`]), what is part of what, and how a total settles a
//! doubt.

use super::{
    count::{self, Count},
    json::Node,
    path::{MAX_ITEMS, Path},
};

/// In place of a tool: the calls that a provider bills one call as.
pub const CALLS: &str = "*";

/// The most rounds of a call that are added up.
const MAX_ROUNDS: usize = 1_000;

/// Whether a count is part of another one or stands beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Share {
    Within,
    Beside,
}

/// Where the counts of a usage stand: paths in a usage object. Of several that are there the largest holds, because some
/// gateways write a 0 under the names that they do not use.
#[derive(Debug)]
pub struct Counts {
    pub input: &'static [Path],
    /// Read besides the prompt: results of tools that the provider ran.
    pub input_besides: &'static [Path],
    pub output: &'static [Path],
    pub total: &'static [Path],
    pub cached: &'static [Path],
    /// Of what came from a cache, counts that are in the input, though others are not.
    pub cached_within: &'static [Path],
    pub cache_write: &'static [Path],
    /// Of the cache writes, those that live for five minutes.
    pub short_cache_write: &'static [Path],
    /// Of the cache writes, those that live for an hour.
    pub long_cache_write: &'static [Path],
    pub reasoning: &'static [Path],
    pub audio_input: &'static [Path],
    pub audio_output: &'static [Path],
    pub image_input: &'static [Path],
    pub image_output: &'static [Path],
    /// Of the sound and the images in a prompt, those that came from a cache: they cost what that costs.
    pub cached_audio: &'static [Path],
    pub cached_images: &'static [Path],
    /// What came from a cache and went into one, to the input.
    pub cache: Share,
    /// Thoughts, to the output, where no total says otherwise.
    pub thoughts: Share,
    /// Whether what a total has besides its parts was read, and not written.
    pub rest_is_input: bool,
    /// A list of usages whose sum is the usage of the call.
    pub rounds: &'static str,
    /// Calls of tools that the provider ran, or as [`CALLS`] those that it bills the one call as: the name of the tool, and where they are counted.
    pub tools: &'static [(&'static str, Path)],
    /// Models, by a part of their names, whose counts under the same names are parts of others. A total that such a table does
    /// not read settles nothing.
    pub of_models: &'static [(&'static str, &'static Self)],
}

/// The counts of one usage object, or of several after each other, as they were stated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stated {
    pub input: Count,
    pub input_besides: Count,
    pub output: Count,
    pub total: Count,
    pub cached: Count,
    pub cache_write: Count,
    pub short_cache_write: Count,
    pub long_cache_write: Count,
    pub reasoning: Count,
    pub audio_input: Count,
    pub audio_output: Count,
    pub image_input: Count,
    pub image_output: Count,
}

/// What a usage object says.
pub(super) struct Used {
    pub stated: Stated,
    /// What other models have taken: those that the model has asked, and those that it has taken over from.
    pub of_others: Vec<(String, Stated)>,
    /// The model that has served in the end, where rounds name it.
    pub serves: Option<String>,
}

/// The counts of a call: whole prompt and whole answer, and parts of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Settled {
    pub input: Count,
    pub cached: u64,
    pub cache_write: u64,
    pub long_cache_write: u64,
    pub output: Count,
    pub reasoning: u64,
    /// Input and output together, as stated.
    pub total: Count,
    pub audio_input: u64,
    pub audio_output: u64,
    pub image_input: u64,
    pub image_output: u64,
}

impl Counts {
    /// What the counts of this model are.
    pub fn of_model(&'static self, model: &str) -> &'static Self {
        self.of_models.iter().find(|(part, _)| model.contains(part)).map_or(self, |(_, counts)| counts)
    }

    /// The counts of a usage object, its rounds added up. The rounds of a model that another one has taken over from are that
    /// one's, and free where it has refused before a word.
    pub(super) fn read(&self, usage: &Node<'_>) -> Used {
        let whole = self.read_one(usage);
        let rounds = usage.get(self.rounds).map(Node::items).unwrap_or_default();
        let rounds = || rounds.iter().take(MAX_ROUNDS);
        let is_advice = |round: &Node<'_>| round.get("type").is_some_and(|kind| kind.raw == ADVISED);
        let model = |round: &Node<'_>| round.get("model").and_then(Node::string);
        let serves = rounds().rev().filter(|round| !is_advice(round)).find_map(model);
        let (mut own, mut of_others, mut has_passed_on) = (None::<Stated>, vec![], false);
        for round in rounds() {
            let stated = self.read_one(round);
            match model(round) {
                Some(model) if is_advice(round) => of_others.push((model, stated)),
                Some(model) if serves.as_ref().is_some_and(|serves| *serves != model) => {
                    has_passed_on = true;
                    if stated.output.plain() > 0 {
                        of_others.push((model, stated));
                    }
                }
                _ => own = Some(own.map_or(stated, |sum| sum.plus(stated))),
            }
        }
        let stated = own.map_or(whole, |own| if has_passed_on { own.or(whole) } else { whole.larger(own) });
        Used { stated, of_others, serves }
    }

    fn read_one(&self, usage: &Node<'_>) -> Stated {
        let count = |places: &[Path]| largest(usage, places);
        let fresh = |all: &[Path], cached: &[Path]| match count(all) {
            Count::Plain(all) if all > 0 => Count::Plain(all.saturating_sub(count(cached).plain())),
            other => other,
        };
        let stated = Stated {
            input: count(self.input),
            input_besides: count(self.input_besides),
            output: count(self.output),
            total: count(self.total),
            cached: count(self.cached),
            cache_write: count(self.cache_write),
            short_cache_write: count(self.short_cache_write),
            long_cache_write: count(self.long_cache_write),
            reasoning: count(self.reasoning),
            audio_input: fresh(self.audio_input, self.cached_audio),
            audio_output: count(self.audio_output),
            image_input: fresh(self.image_input, self.cached_images),
            image_output: count(self.image_output),
        };
        let stated =
            if self.is_all_cached(usage, &stated) { Stated { input: Count::Plain(0), ..stated } } else { stated };
        let is_heard = usage.get(HEARD).and_then(Node::rounded_up).is_some_and(|seconds| seconds > 0);
        let within = count(self.cached_within).plain();
        match stated.cached {
            _ if is_heard => stated.with_sound(),
            // Cohere bills nothing of what came from a cache, and states that it did beside what it bills.
            _ if usage.get(BILLED).is_some_and(Node::is_object) => Stated { cached: Count::Absent, ..stated },
            Count::Absent | Count::Plain(0) if within > 0 => stated.with_cache_within(within),
            _ => stated,
        }
    }

    /// Whether -1, which is no count, says that the cache had the whole prompt, as Moonshot states it beside what came from there.
    fn is_all_cached(&self, usage: &Node<'_>, stated: &Stated) -> bool {
        let is_minus_one = |place: &Path| place.value(usage).is_some_and(|value| value.raw == MINUS_ONE);
        let may_be = self.cache == Share::Beside && stated.cached.plain() > 0 && stated.input == Count::Absurd;
        may_be && self.input.iter().any(is_minus_one)
    }

    /// How often each tool of the provider was called.
    pub(super) fn tools(&self, usage: &Node<'_>) -> impl Iterator<Item = (&'static str, u64)> {
        self.tools.iter().filter_map(|(tool, place)| Some((*tool, place.value(usage)?.whole()?)))
    }

    /// Adds what stands beside, and lets the total settle what names leave open. `writes` is false where the model gives
    /// numbers and no text, so that a total is its input.
    pub fn settle(&self, stated: &Stated, writes: bool) -> Settled {
        let stated = &if self.total.is_empty() { Stated { total: Count::Absent, ..*stated } } else { *stated };
        let (cached, reasoning) = (stated.cached.plain(), stated.reasoning.plain());
        let by_time = stated.short_cache_write.plain().saturating_add(stated.long_cache_write.plain());
        // By their time they are parts of all of them, where all are stated.
        let cache_write = if stated.cache_write.plain() > 0 { stated.cache_write.plain() } else { by_time };
        let input = stated.input.add(stated.input_besides.plain());
        let (cache, thoughts) = self.besides(stated, input, (cached, cache_write, reasoning));
        let output = if thoughts > 0 { stated.output.or_none().add(thoughts) } else { stated.output };
        let (input, output) = self.by_total(stated.total, (input.add(cache), output), writes);
        let beside = [stated.cached, stated.cache_write];
        let broken =
            stated.input_besides == Count::Absurd || (self.cache == Share::Beside && beside.contains(&Count::Absurd));
        Settled {
            input: if broken { Count::Absurd } else { input },
            cached,
            cache_write,
            long_cache_write: stated.long_cache_write.plain().min(cache_write),
            output,
            reasoning,
            total: stated.total,
            audio_input: stated.audio_input.plain(),
            audio_output: stated.audio_output.plain(),
            image_input: stated.image_input.plain(),
            image_output: stated.image_output.plain(),
        }
    }

    /// What of the cache and of the thoughts is to be added to the input and the output. Of what is possible that holds which
    /// the total confirms; else parts are within, as far as they fit, and what went into a cache is the first not to.
    fn besides(&self, stated: &Stated, input: Count, (reads, writes, thoughts): (u64, u64, u64)) -> (u64, u64) {
        let (read, written) = (input.plain(), stated.output.plain());
        let cache = reads.saturating_add(writes);
        let caches = match self.cache {
            _ if !input.is_plain() => [0; 4],
            // Some services have it within.
            Share::Beside => [cache, cache, cache, 0],
            Share::Within => [0, writes, cache, reads],
        };
        let thinking = match self.thoughts {
            Share::Within if stated.input_besides.is_plain() => [thoughts; 2],
            Share::Beside => [thoughts, 0],
            Share::Within => [0, thoughts],
        };
        let can_be = |(more_read, more_written): &(u64, u64)| {
            let fits = !input.is_plain() || cache.saturating_sub(*more_read) <= read;
            fits && (*more_written == thoughts || thoughts <= written)
        };
        let all = || caches.into_iter().flat_map(|cache| thinking.map(|thoughts| (cache, thoughts))).filter(can_be);
        let sum = |(more_read, more_written): &(u64, u64)| {
            [*more_read, written, *more_written].into_iter().fold(read, u64::saturating_add)
        };
        let confirmed = if stated.total.is_plain() { all().find(|it| sum(it) == stated.total.plain()) } else { None };
        confirmed.or_else(|| all().next()).unwrap_or((cache, thoughts))
    }

    /// A total that is more than its parts has thoughts in it that the output has not, or sound that the input has not.
    fn by_total(&self, total: Count, (input, output): (Count, Count), writes: bool) -> (Count, Count) {
        let Count::Plain(total) = total else { return (input, output) };
        match (input, output) {
            (Count::Absent | Count::Plain(0), _) if !writes => (Count::Plain(total), output),
            _ if !writes => (input, output),
            (Count::Absent, Count::Plain(written)) if total > written => {
                (Count::Plain(total.saturating_sub(written)), output)
            }
            (Count::Plain(read), Count::Absent | Count::Plain(_)) => {
                let missing = total.saturating_sub(read).saturating_sub(output.plain());
                match missing {
                    0 => (input, output.or_none()),
                    _ if self.rest_is_input => (input.add(missing), output),
                    _ => (input, output.or_none().add(missing)),
                }
            }
            _ => (input, output),
        }
    }
}

const MINUS_ONE: &[u8] = b"-1";

/// The type of a round in which a model asks another one.
const ADVISED: &[u8] = b"\"advisor_message\"";

/// The largest plain count at these places; where there is none, whether one is no count.
fn largest(usage: &Node<'_>, places: &[Path]) -> Count {
    places.iter().map(|place| count_at(usage, place)).fold(Count::Absent, Count::larger)
}

/// The count at a place: a number, or the sum of the items of a list which are of this modality, or live for this time.
fn count_at(usage: &Node<'_>, place: &Path) -> Count {
    let Some(value) = place.value(usage) else { return Count::Absent };
    let Some(about) = place.about() else {
        // A second that has begun is a whole one.
        return if SECONDS.iter().any(|name| place.is(name)) { Count::seconds(value) } else { Count::of(value) };
    };
    let items = value.items().iter().take(MAX_ITEMS).filter(|item| count::is_about(item, about));
    let count =
        |item: &Node<'_>| COUNTS_OF_ITEMS.iter().find_map(|name| item.get(name)).map_or(Count::Absent, Count::of);
    items.map(count).fold(Count::Absent, Count::plus)
}

/// How many tokens an item of a list stands for.
const COUNTS_OF_ITEMS: [&str; 3] = ["tokenCount", "token_count", "inputTokens"];

/// What is billed of a usage.
const BILLED: &str = "billed_units";

/// The length of a sound whose tokens are in the total alone.
const HEARD: &str = "prompt_audio_seconds";

/// The length of a sound.
const SECONDS: [&str; 2] = ["seconds", "duration"];

impl Stated {
    fn map(self, other: Self, each: impl Fn(Count, Count) -> Count) -> Self {
        Self {
            input: each(self.input, other.input),
            input_besides: each(self.input_besides, other.input_besides),
            output: each(self.output, other.output),
            total: each(self.total, other.total),
            cached: each(self.cached, other.cached),
            cache_write: each(self.cache_write, other.cache_write),
            short_cache_write: each(self.short_cache_write, other.short_cache_write),
            long_cache_write: each(self.long_cache_write, other.long_cache_write),
            reasoning: each(self.reasoning, other.reasoning),
            audio_input: each(self.audio_input, other.audio_input),
            audio_output: each(self.audio_output, other.audio_output),
            image_input: each(self.image_input, other.image_input),
            image_output: each(self.image_output, other.image_output),
        }
    }

    /// These counts, and the earlier ones of those that are not among them.
    #[must_use]
    pub fn or(self, earlier: Self) -> Self {
        self.map(earlier, Count::or)
    }

    pub(super) fn plus(self, other: Self) -> Self {
        self.map(other, Count::plus)
    }

    /// The counts of one more answer to the same prompt.
    #[must_use]
    pub(super) fn with_choice(self, other: Self) -> Self {
        let read = self.input.plain().min(other.input.plain());
        let total = match (self.total, other.total) {
            (Count::Plain(one), Count::Plain(other)) => Count::Plain(one.saturating_add(other).saturating_sub(read)),
            _ => Count::Absent,
        };
        Self {
            output: self.output.plus(other.output),
            total,
            reasoning: self.reasoning.plus(other.reasoning),
            audio_output: self.audio_output.plus(other.audio_output),
            image_output: self.image_output.plus(other.image_output),
            ..self.larger(other)
        }
    }

    /// What the total has besides the prompt and the answer was heard.
    fn with_sound(self) -> Self {
        let rest = self.total.plain().saturating_sub(self.input.plain()).saturating_sub(self.output.plain());
        Self { input_besides: Count::Plain(rest), ..self }
    }

    /// So much of the input came from a cache.
    fn with_cache_within(self, cached: u64) -> Self {
        let input = match self.input {
            Count::Plain(input) => Count::Plain(input.saturating_sub(cached)),
            other => other,
        };
        Self { input, cached: Count::Plain(cached), ..self }
    }

    fn larger(self, other: Self) -> Self {
        self.map(other, Count::larger)
    }

    /// Without parts and a total that are more than there can be: these say nothing.
    #[must_use]
    pub fn within(self, most_input: u64, most_output: u64) -> Self {
        let up_to = |count: Count, most: u64| if count.plain() > most { Count::Absurd } else { count };
        Self {
            total: up_to(self.total, most_input.saturating_add(most_output)),
            cached: up_to(self.cached, most_input),
            cache_write: up_to(self.cache_write, most_input),
            reasoning: up_to(self.reasoning, most_output),
            ..self
        }
    }

    /// Whether it says anything of a prompt or an answer.
    pub fn says_nothing(&self) -> bool {
        [self.input, self.output, self.total].iter().all(|count| count.plain() == 0)
    }
}
