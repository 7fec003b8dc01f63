//! What an answer, or one event of it, states: its usage, the model that served, an error; and about how much text it has.

use std::collections::BTreeSet;

use super::{
    count::Count,
    count_tables::LOCAL,
    counts::{Share, Stated},
    delivered, errors,
    format::{Calls, Format},
    json::Node,
    path::{Path, paths},
    shown::Shown,
    tools, usage_elsewhere,
};

/// Whether there is anything to pay for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Says {
    /// There is nothing where answers have it.
    #[default]
    Nothing,
    Answer,
    Error,
}

/// What one JSON text of an answer says.
#[derive(Debug, Default)]
pub(super) struct Statement {
    pub stated: Stated,
    /// The usage of each choice, by its index, where it is not stated for all of them.
    pub of_choices: Vec<(u64, Stated)>,
    /// Usage that holds where nothing else states any.
    pub aside: Stated,
    /// What other models have taken that the model has asked.
    pub of_others: Vec<(String, Stated)>,
    /// Whether it is the usage of all that was written, and not of what was read before that.
    pub is_final: bool,
    /// The model that serves, as it calls itself.
    pub model: Option<String>,
    /// The one that has taken over from it.
    pub successor: Option<String>,
    /// Whether it says with its usage that the model has refused.
    pub is_refusal: bool,
    /// The service tier that serves.
    pub tier: Option<String>,
    pub says: Says,
    /// Whether it says why the model has stopped: nothing but usage follows.
    pub is_finish: bool,
    /// About the tokens of the text in it.
    pub written_tokens: u64,
    /// About those of an answer in another dialect than the format's.
    pub foreign_tokens: u64,
    /// The images and the sound in it.
    pub shown: Shown,
    /// About those of all that was written until now, where it is said again.
    pub repeated_tokens: u64,
    /// About those of one item of it that is whole now.
    pub item_tokens: u64,
    /// Calls of tools that the provider ran, all up to now.
    pub tools: Vec<(String, u64)>,
    /// The same as it is stated.
    pub tools_stated: Vec<(String, u64)>,
    /// One further such call.
    pub tool_done: Option<String>,
}

const MODELS: &[Path] = paths![
    "model",
    "message/model",
    "response/model",
    "modelVersion",
    "model_version",
    "response/modelVersion",
    "response/model_version",
];
const TIERS: &[Path] = paths![
    "service_tier",
    "serviceTier/type",
    "performanceConfig/latency",
    "usageMetadata/serviceTier",
    "usageMetadata/trafficType",
    "usage_metadata/service_tier",
    "usage_metadata/traffic_type",
    "response/service_tier",
    "usage/service_tier",
    "message/usage/service_tier",
    "usage/speed",
    // Of Vertex.
    "usage/extra_properties/google/traffic_type",
    "message/usage/speed",
];

/// The most tools of which calls are counted: no answer has calls of as many.
pub(super) const MAX_TOOLS: usize = 64;

/// Of Cerebras: the tier that has served, where `service_tier` is the one that was asked for.
const TIER_USED: Path = Path::of("service_tier_used");

const OUTPUT_OF_RESPONSE: Path = Path::of("response/output");
/// Beside the usage, how often tools were called.
const TOOL_USAGES: &[Path] = paths!["tool_usage", "response/tool_usage"];

/// What a call of the search did. To open a page is not billed.
const ACTION: Path = Path::of("action/type");
const SEARCH: &[u8] = b"\"search\"";
/// Where an answer says why it has ended.
const FINISHES: &[Path] = paths![
    "choices/*/finish_reason",
    "candidates/*/finishReason",
    "candidates/*/finish_reason",
    "response/candidates/*/finishReason",
    "stopReason",
    "delta/stop_reason",
];

/// Where a message says the same, and that it was refused.
const STOPS: &[Path] = paths!["stop_reason", "delta/stop_reason"];
const REFUSAL: &[u8] = b"\"refusal\"";

/// In the place of a block: a model that takes over, `{ type: "fallback", to: { model } }`.
const FALLBACK: &[u8] = b"\"fallback\"";
const TO_MODEL: Path = Path::of("to/model");

/// Events behind which there is nothing but usage, or a further part of the answer.
const ENDS: [&[u8]; 3] = [b"\"content_block_stop\"", b"\"response.content_part.done\"", ITEM_DONE];
const ITEM_DONE: &[u8] = b"\"response.output_item.done\"";

/// Service tiers that cost no more than the standard one.
pub const STANDARD_TIERS: [&str; 13] = [
    "default",
    "standard",
    "standard_only",
    "flex",
    "auto",
    "batch",
    "on_demand",
    "scale",
    "reserved",
    "provisioned_throughput",
    "unspecified",
    // Of places.
    "global",
    "not_available",
];

/// Reads one value.
pub(super) fn read(format: &Format, answer: &Node<'_>) -> Statement {
    let first = usages(format, answer, format.first_usages);
    let Usages { stated: last, tools: mut tools_stated, of_others, serves, place } =
        usages(format, answer, format.usages);
    let last = match last {
        Some(stated) => Some(with_local_cache(format, answer, stated)),
        None => of_local_server(format, answer),
    };
    // Some services write an empty usage, or one of zeros, beside the true one.
    let is_unsaid = last.is_none_or(|last| last.says_nothing());
    let of_choices = if is_unsaid { usage_elsewhere::of_choices(format, answer) } else { vec![] };
    let aside = if is_unsaid { usage_elsewhere::aside(format, answer) } else { None };
    if last.is_some() {
        let beside = TOOL_USAGES.iter().filter_map(|path| path.value(answer));
        let stated = beside.flat_map(|usage| format.counts.tools(usage));
        tools_stated.extend(stated.map(|(tool, calls)| (tool.to_owned(), calls)));
    }
    let output = answer.get("output").or_else(|| OUTPUT_OF_RESPONSE.value(answer));
    let mut tools = output.map(called).unwrap_or_default();
    tools.extend(answer.get("content").map(run_by_provider).unwrap_or_default());
    tools.extend(format.calls.iter().filter_map(|call| counted(answer, call)));
    tools.extend(summed(format.calls.iter().flat_map(|call| asked_for(answer, call))));
    let again = format.written.again.iter().flat_map(|path| path.values(answer));
    let block = answer.get("content_block");
    let begun = || block.and_then(tool_of_block).map(str::to_owned);
    let is_done = answer.get("type").is_some_and(|kind| kind.raw == ITEM_DONE);
    let items = format.written.items.iter().filter(|_| is_done).flat_map(|path| path.values(answer));
    let words = Words {
        written: format.written.tokens(answer),
        repeated: again.map(|said| format.written.of(said)).fold(0, u64::saturating_add),
        foreign: delivered::foreign_tokens(format, answer),
    };
    let says = says(format, answer, &words);
    // What is said again is no other text, and what a failure says is none of an answer.
    let is_own = words.written > 0 || words.repeated > 0;
    Statement {
        is_final: last.is_some_and(|last| format.output_bound.is_none() || has_output(&last))
            || of_choices.iter().any(|(_, stated)| has_output(stated)),
        of_choices,
        aside: aside.unwrap_or_default(),
        stated: last.unwrap_or_default().or(first.stated.unwrap_or_default()),
        of_others,
        successor: serves.or_else(|| block.and_then(successor)),
        is_refusal: last.is_some() && STOPS.iter().any(|path| path.value(answer).is_some_and(|why| why.raw == REFUSAL)),
        model: MODELS.iter().find_map(|path| text(path.value(answer))),
        tier: tier(answer, place.or(first.place)),
        says,
        is_finish: is_finish(answer),
        written_tokens: words.written,
        foreign_tokens: if is_own || says == Says::Error { 0 } else { words.foreign },
        shown: Shown::of(answer),
        repeated_tokens: words.repeated,
        item_tokens: items.map(|said| format.written.of(said)).fold(0, u64::saturating_add),
        tools,
        tools_stated,
        tool_done: answer.get("item").filter(|_| is_done).and_then(kind_of_item).or_else(begun),
    }
}

/// Some services write an empty reason into every chunk.
fn is_finish(answer: &Node<'_>) -> bool {
    FINISHES.iter().flat_map(|path| path.values(answer)).any(|reason| !errors::is_nothing(reason))
        || answer.get("type").is_some_and(|kind| ENDS.contains(&kind.raw))
}

/// About the tokens of the text in an answer.
struct Words {
    written: u64,
    repeated: u64,
    foreign: u64,
}

/// An error beside words does not take them back.
fn says(format: &Format, answer: &Node<'_>, words: &Words) -> Says {
    let has_words = words.written > 0
        || words.repeated > 0
        || (words.foreign >= delivered::FEW_TOKENS && delivered::has_answer(answer));
    if errors::is_error(answer) && !has_words {
        Says::Error
    } else if has_words || delivered::is_delivered(format, answer, words.foreign) {
        Says::Answer
    } else {
        Says::Nothing
    }
}

/// How often a tool was called by what is in its list.
fn counted(answer: &Node<'_>, (tool, path, calls): &(&str, Path, Calls)) -> Option<(String, u64)> {
    let found = path.values(answer);
    let items = found.iter().flat_map(|list| if list.is_list() { list.items() } else { std::slice::from_ref(*list) });
    let is_done = |item: &&Node<'_>| item.get("error").is_none_or(Node::is_null);
    let is_of =
        |item: &Node<'_>, kind: &str| item.get("type").and_then(Node::text).is_none_or(|it| *it == *kind.as_bytes());
    let times = match calls {
        Calls::Each => u64::try_from(items.filter(is_done).count()).unwrap_or(u64::MAX),
        Calls::EachText => 0,
        Calls::EachOf(kind) => {
            let is_it =
                |item: &&Node<'_>| item.get("type").and_then(Node::text).is_some_and(|it| *it == *kind.as_bytes());
            u64::try_from(items.filter(is_done).filter(is_it).count()).unwrap_or(u64::MAX)
        }
        Calls::OnceOf(kind) => items.into_iter().any(|item| is_of(item, kind)).into(),
        Calls::OnceIfUsed => items.into_iter().any(|tokens| tokens.whole().is_some_and(|tokens| tokens > 0)).into(),
    };
    (times > 0).then(|| ((*tool).to_owned(), times))
}

/// The tool once for each text of its list.
fn asked_for(answer: &Node<'_>, (tool, path, calls): &(&str, Path, Calls)) -> Vec<String> {
    if *calls != Calls::EachText {
        return vec![];
    }
    let texts: BTreeSet<_> = path.values(answer).iter().flat_map(|list| list.items()).filter_map(Node::text).collect();
    texts.iter().filter(|text| !text.trim_ascii().is_empty()).map(|_| (*tool).to_owned()).collect()
}

/// The service tier, or the `place` that served, of several the one that may cost more than the standard one. Vertex has it as
/// a kind of traffic.
fn tier(answer: &Node<'_>, place: Option<String>) -> Option<String> {
    let lower_case = |path: &Path| {
        let name = text(path.value(answer))?.to_ascii_lowercase();
        Some(name.strip_prefix("on_demand_").unwrap_or(&name).to_owned())
    };
    if let Some(used) = lower_case(&TIER_USED) {
        return Some(used);
    }
    let is_standard = |tier: &str| STANDARD_TIERS.contains(&tier);
    let mut named = TIERS.iter().filter_map(lower_case).chain(place.filter(|place| !is_standard(place)));
    let first = named.next()?;
    if is_standard(&first) { named.find(|tier| !is_standard(tier)).or(Some(first)) } else { Some(first) }
}

/// Whether the output is stated, or a total from which it follows.
fn has_output(stated: &Stated) -> bool {
    stated.output != Count::Absent || (stated.total.is_plain() && stated.input.is_plain())
}

/// What the usages of an answer say.
struct Usages {
    stated: Option<Stated>,
    tools: Vec<(String, u64)>,
    of_others: Vec<(String, Stated)>,
    serves: Option<String>,
    /// Where the call was served, which may cost more than elsewhere.
    place: Option<String>,
}

/// The usages at these paths, the later after the earlier ones, and how often tools were called.
fn usages(format: &Format, answer: &Node<'_>, paths: &[Path]) -> Usages {
    let found: Vec<&Node<'_>> = paths.iter().flat_map(|path| path.values(answer)).filter(|at| at.is_object()).collect();
    let (mut stated, mut of_others, mut serves) = (None::<Stated>, vec![], None);
    for used in found.iter().map(|usage| format.counts.read(usage)) {
        stated = Some(stated.map_or(used.stated, |earlier| used.stated.or(earlier)));
        of_others.extend(used.of_others);
        serves = used.serves.or(serves);
    }
    let tools = found.iter().flat_map(|usage| format.counts.tools(usage)).map(|(tool, calls)| (tool.to_owned(), calls));
    let place = found.iter().find_map(|usage| text(usage.get("inference_geo")));
    Usages { stated, tools: tools.collect(), of_others, serves, place }
}

/// What llama.cpp and Ollama state where they state no usage. What came from a cache they leave out.
fn of_local_server(format: &Format, answer: &Node<'_>) -> Option<Stated> {
    let count = if format.output_bound.is_some() { "eval_count" } else { "prompt_eval_count" };
    let place = answer.get("timings").or_else(|| answer.get(count).map(|_| answer))?;
    let stated = LOCAL.read(place).stated;
    Some(Stated { input: stated.input.add(stated.cached.plain()), ..stated })
}

/// What came from a cache, where llama.cpp says so beside its usage and not in it.
fn with_local_cache(format: &Format, answer: &Node<'_>, stated: Stated) -> Stated {
    if stated.cached != Count::Absent || format.counts.cache != Share::Within {
        return stated;
    }
    let cached = answer.get("timings").map_or(Count::Absent, |timings| LOCAL.read(timings).stated.cached);
    Stated { cached, ..stated }
}

fn text(value: Option<&Node<'_>>) -> Option<String> {
    value.and_then(Node::string).filter(|text| !text.is_empty())
}

/// How often the output has a call of each tool.
fn called(output: &Node<'_>) -> Vec<(String, u64)> {
    let calls = |item: &&Node<'_>| {
        text(item.get("type")).is_some_and(|kind| kind.ends_with(CALL) || tools::bare(&kind) != kind)
    };
    summed(output.items().iter().filter(calls).filter_map(kind_of_item))
}

/// What an item of the output is a call of, where that is billed.
fn kind_of_item(item: &Node<'_>) -> Option<String> {
    let kind = text(item.get("type"))?;
    let is_free = kind == SEARCHES && ACTION.value(item).is_some_and(|action| action.raw != SEARCH);
    (!is_free).then(|| tool(&kind).to_owned())
}

/// How the types of calls end, and that of searches.
const CALL: &str = "_call";
const SEARCHES: &str = "web_search_call";

/// The same of the types of calls.
pub(super) fn called_by_type(kinds: &[String]) -> Vec<(String, u64)> {
    summed(kinds.iter().map(|kind| tool(kind).to_owned()))
}

/// The same of the blocks of a message.
fn run_by_provider(content: &Node<'_>) -> Vec<(String, u64)> {
    summed(content.items().iter().filter_map(tool_of_block).map(str::to_owned))
}

/// The tool that a block of a message calls, if the provider runs it.
fn tool_of_block(block: &Node<'_>) -> Option<&'static str> {
    match text(block.get("type"))?.as_str() {
        "mcp_tool_use" => Some("mcp"),
        "server_tool_use" => match text(block.get("name"))?.as_str() {
            "web_search" => Some("web_search"),
            "web_fetch" => Some("web_fetch"),
            name if name.ends_with("code_execution") => Some("code_execution"),
            _ => None,
        },
        _ => None,
    }
}

/// The model that takes over with this block.
fn successor(block: &Node<'_>) -> Option<String> {
    block.get("type").filter(|kind| kind.raw == FALLBACK)?;
    text(TO_MODEL.value(block))
}

fn summed(calls: impl Iterator<Item = String>) -> Vec<(String, u64)> {
    let mut sums: Vec<(String, u64)> = vec![];
    for call in calls {
        let has_room = sums.len() < MAX_TOOLS;
        match sums.iter_mut().find(|(name, _)| *name == call) {
            Some((_, count)) => *count = count.saturating_add(1),
            None if has_room => sums.push((call, 1)),
            None => {}
        }
    }
    sums
}

/// `OpenRouter` has the tools that it runs itself as items of their own types: `openrouter:web_search`.
fn tool(kind: &str) -> &str {
    tools::bare(kind.strip_suffix(CALL).unwrap_or(kind))
}
