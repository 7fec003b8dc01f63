//! The counts that answers state: where they stand ([`super::count_tables`]), what is part of what, and how a total settles a
//! doubt.

use super::json::Node;

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
    pub input: &'static [&'static str],
    /// Read besides the prompt: results of tools that the provider ran.
    pub input_besides: &'static [&'static str],
    pub output: &'static [&'static str],
    pub total: &'static [&'static str],
    pub cached: &'static [&'static str],
    pub cache_write: &'static [&'static str],
    /// Of the cache writes, those that live for five minutes.
    pub short_cache_write: &'static [&'static str],
    /// Of the cache writes, those that live for an hour.
    pub long_cache_write: &'static [&'static str],
    pub reasoning: &'static [&'static str],
    pub audio_input: &'static [&'static str],
    pub audio_output: &'static [&'static str],
    pub image_input: &'static [&'static str],
    pub image_output: &'static [&'static str],
    /// What came from a cache and went into one, to the input.
    pub cache: Share,
    /// Thoughts, to the output, where no total says otherwise.
    pub thoughts: Share,
    /// A list of usages whose sum is the usage of the call.
    pub rounds: &'static str,
    /// Calls of tools that the provider ran: the name of the tool, and where they are counted.
    pub tools: &'static [(&'static str, &'static str)],
}

/// A count as it was stated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Count {
    #[default]
    Absent,
    Plain(u64),
    /// It is there and no count: negative, a fraction, a text.
    Absurd,
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

/// The counts of a call: whole prompt and whole answer, and parts of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Settled {
    pub input: Count,
    pub cached: u64,
    pub cache_write: u64,
    pub long_cache_write: u64,
    pub output: Count,
    pub reasoning: u64,
    pub audio_input: u64,
    pub audio_output: u64,
    pub image_input: u64,
    pub image_output: u64,
}

impl Counts {
    /// The counts of a usage object, its rounds added up.
    pub(super) fn read(&self, usage: &Node<'_>) -> Stated {
        let whole = self.read_one(usage);
        let rounds = usage.get(self.rounds).map(Node::items).unwrap_or_default();
        let sum = rounds.iter().map(|round| self.read_one(round)).reduce(Stated::plus);
        sum.map_or(whole, |sum| whole.larger(sum))
    }

    fn read_one(&self, usage: &Node<'_>) -> Stated {
        let count = |places: &[&str]| largest(usage, places);
        Stated {
            input: count(self.input),
            input_besides: count(self.input_besides),
            output: count(self.output),
            total: count(self.total),
            cached: count(self.cached),
            cache_write: count(self.cache_write),
            short_cache_write: count(self.short_cache_write),
            long_cache_write: count(self.long_cache_write),
            reasoning: count(self.reasoning),
            audio_input: count(self.audio_input),
            audio_output: count(self.audio_output),
            image_input: count(self.image_input),
            image_output: count(self.image_output),
        }
    }

    /// How often each tool of the provider was called.
    pub(super) fn tools(&self, usage: &Node<'_>) -> impl Iterator<Item = (&'static str, u64)> {
        self.tools.iter().filter_map(|(tool, place)| Some((*tool, usage.at(place)?.whole()?)))
    }

    /// Adds what stands beside, and lets the total settle what names leave open. `writes` is false where the model gives
    /// numbers and no text, so that a total is its input.
    pub fn settle(&self, stated: &Stated, writes: bool) -> Settled {
        let (cached, reasoning) = (stated.cached.plain(), stated.reasoning.plain());
        let by_time = stated.short_cache_write.plain().saturating_add(stated.long_cache_write.plain());
        let cache_write = stated.cache_write.plain().max(by_time);
        let cache = cached.saturating_add(cache_write);
        let mut input = stated.input.add(stated.input_besides.plain());
        let mut output = stated.output;
        if input.is_plain() && (self.cache == Share::Beside || cache > input.plain()) {
            input = input.add(cache);
        }
        // Some of Gemini's answers have them within all the same.
        let shown = stated.input.add(stated.input_besides.plain()).add(output.plain());
        let is_all = shown.is_plain() && shown == stated.total;
        let besides = (self.thoughts == Share::Beside && !is_all) || reasoning > output.plain();
        if reasoning > 0 && besides && output != Count::Absurd {
            output = Count::Plain(output.plain()).add(reasoning);
        }
        if let Count::Plain(total) = stated.total {
            (input, output) = self.by_total(total, (input, output), (cache, reasoning), writes);
        }
        let broken = [stated.cached, stated.cache_write, stated.input_besides].contains(&Count::Absurd);
        Settled {
            input: if broken { Count::Absurd } else { input },
            cached,
            cache_write,
            long_cache_write: stated.long_cache_write.plain(),
            output,
            reasoning,
            audio_input: stated.audio_input.plain(),
            audio_output: stated.audio_output.plain(),
            image_input: stated.image_input.plain(),
            image_output: stated.image_output.plain(),
        }
    }

    /// A total that is more than its parts has thoughts in it that the output has not, unless the difference is just what
    /// came from the cache and went into it.
    fn by_total(
        &self,
        total: u64,
        (input, output): (Count, Count),
        (cache, thoughts): (u64, u64),
        writes: bool,
    ) -> (Count, Count) {
        match (input, output) {
            (Count::Absent, _) if !writes => (Count::Plain(total), output),
            _ if !writes => (input, output),
            (Count::Absent, Count::Plain(written)) if total > written => {
                (Count::Plain(total.saturating_sub(written)), output)
            }
            (Count::Plain(read), Count::Absent | Count::Plain(_)) => {
                let missing = total.saturating_sub(read).saturating_sub(output.plain());
                let is_cache = self.cache == Share::Within && missing == cache && missing != thoughts;
                match missing {
                    0 => (input, output),
                    _ if is_cache => (input.add(cache), output),
                    _ => (input, Count::Plain(output.plain()).add(missing)),
                }
            }
            _ => (input, output),
        }
    }
}

/// The largest plain count at these places; where there is none, whether one is no count.
fn largest(usage: &Node<'_>, places: &[&str]) -> Count {
    places.iter().map(|place| count_at(usage, place)).fold(Count::Absent, Count::larger)
}

/// The count at a path. `list/@KIND` is that of the items of a list which are of this modality.
fn count_at(usage: &Node<'_>, place: &str) -> Count {
    // A character is looked for, not a text: the search for a text is set up anew at each place.
    let Some((list, kind)) = place.split_once('@') else {
        let value = usage.at(place);
        // A second that has begun is a whole one.
        return if place == SECONDS { Count::seconds(value) } else { Count::of(value) };
    };
    let is_kind = |item: &&Node<'_>| item.get("modality").and_then(Node::string).is_some_and(|name| name == kind);
    let list = list.strip_suffix('/').unwrap_or(list);
    let items = usage.at(list).map(Node::items).unwrap_or_default().iter().filter(is_kind);
    items.map(|item| Count::of(item.get("tokenCount"))).fold(Count::Absent, Count::plus)
}

/// The length of a sound.
const SECONDS: &str = "seconds";

impl Count {
    fn of(value: Option<&Node<'_>>) -> Self {
        match value {
            None => Self::Absent,
            Some(value) if value.is_null() => Self::Absent,
            Some(value) => value.whole().map_or(Self::Absurd, Self::Plain),
        }
    }

    fn seconds(value: Option<&Node<'_>>) -> Self {
        match value {
            None => Self::Absent,
            Some(value) if value.is_null() => Self::Absent,
            Some(value) => value.rounded_up().map_or(Self::Absurd, Self::Plain),
        }
    }

    /// The count; 0 where it is none.
    pub const fn plain(self) -> u64 {
        if let Self::Plain(count) = self { count } else { 0 }
    }

    /// Whether a sane count was stated.
    pub const fn is_plain(self) -> bool {
        matches!(self, Self::Plain(_))
    }

    const fn add(self, more: u64) -> Self {
        match self {
            Self::Plain(count) => Self::Plain(count.saturating_add(more)),
            other => other,
        }
    }

    fn larger(self, other: Self) -> Self {
        match (self, other) {
            (Self::Plain(one), Self::Plain(other)) => Self::Plain(one.max(other)),
            (Self::Plain(_), _) | (_, Self::Absent) => self,
            _ => other,
        }
    }

    fn plus(self, other: Self) -> Self {
        match (self, other) {
            (Self::Plain(one), Self::Plain(other)) => Self::Plain(one.saturating_add(other)),
            _ => self.larger(other),
        }
    }

    /// A later count in place of an earlier one. A 0 takes nothing back: counts of a stream only grow.
    const fn or(self, earlier: Self) -> Self {
        match (self, earlier) {
            (Self::Absent, _) | (Self::Plain(0), Self::Plain(_)) => earlier,
            _ => self,
        }
    }
}

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

    fn plus(self, other: Self) -> Self {
        self.map(other, Count::plus)
    }

    fn larger(self, other: Self) -> Self {
        self.map(other, Count::larger)
    }

    /// Whether it says anything of a prompt or an answer.
    pub fn says_nothing(&self) -> bool {
        [self.input, self.output, self.total].iter().all(|count| count.plain() == 0)
    }
}
