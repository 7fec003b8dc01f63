//! What an answer, or one event of it, states: its usage, the model that served, an error; and about how much text it has.

use super::{
    count_tables::LOCAL,
    counts::{Count, Stated},
    delivered,
    format::{Calls, Format},
    json::{Kind, Node},
    path::{MAX_ITEMS, Path, paths},
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
    /// What other models have taken that the model has asked.
    pub of_others: Vec<(String, Stated)>,
    /// Whether it is the usage of all that was written, and not of what was read before that.
    pub is_final: bool,
    /// The model that serves, as it calls itself.
    pub model: Option<String>,
    /// The service tier that serves.
    pub tier: Option<String>,
    pub says: Says,
    /// Whether it says why the model has stopped: nothing but usage follows.
    pub is_finish: bool,
    /// About the tokens of the text in it.
    pub written_tokens: u64,
    /// About those of an answer in another dialect than the format's.
    pub foreign_tokens: u64,
    /// About those of all that was written until now, where it is said again.
    pub repeated_tokens: u64,
    /// Calls of tools that the provider ran, all up to now.
    pub tools: Vec<(String, u64)>,
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
    "message/usage/speed",
];

/// The most tools of which calls are counted: no answer has calls of as many.
pub(super) const MAX_TOOLS: usize = 64;

const OUTPUT_OF_RESPONSE: Path = Path::of("response/output");
const ITEM_TYPE: Path = Path::of("item/type");
const ERRORS: &[Path] = paths!["error", "response/error"];
const ERROR_CODE: Path = Path::of("base_resp/status_code");

/// Where an answer says why it has ended.
const FINISHES: &[Path] = paths![
    "choices/*/finish_reason",
    "candidates/*/finishReason",
    "candidates/*/finish_reason",
    "stopReason",
    "delta/stop_reason",
];

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
    let Usages { stated: last, mut tools, of_others, place } = usages(format, answer, format.usages);
    let last = last.or_else(|| of_local_server(answer));
    let output = answer.get("output").or_else(|| OUTPUT_OF_RESPONSE.value(answer));
    tools.extend(output.map(called).unwrap_or_default());
    tools.extend(answer.get("content").map(run_by_provider).unwrap_or_default());
    tools.extend(format.calls.iter().filter_map(|call| counted(answer, call)));
    let again = format.written.again.iter().flat_map(|path| path.values(answer));
    let begun = || answer.get("content_block").and_then(tool_of_block).map(str::to_owned);
    let is_done = answer.get("type").is_some_and(|kind| kind.raw == ITEM_DONE);
    Statement {
        is_final: last.is_some_and(|last| format.output_bound.is_none() || has_output(&last)),
        stated: last.unwrap_or_default().or(first.stated.unwrap_or_default()),
        of_others,
        model: MODELS.iter().find_map(|path| text(path.value(answer))),
        tier: tier(answer, place.or(first.place)),
        says: says(answer),
        is_finish: is_finish(answer),
        written_tokens: format.written.tokens(answer),
        foreign_tokens: delivered::foreign_tokens(format, answer),
        repeated_tokens: again.map(|said| format.written.of(said)).fold(0, u64::saturating_add),
        tools,
        tool_done: text(ITEM_TYPE.value(answer)).filter(|_| is_done).map(|kind| tool(&kind).to_owned()).or_else(begun),
    }
}

/// Some services write an empty reason into every chunk.
fn is_finish(answer: &Node<'_>) -> bool {
    FINISHES.iter().flat_map(|path| path.values(answer)).any(|reason| !is_empty(reason))
        || answer.get("type").is_some_and(|kind| ENDS.contains(&kind.raw))
}

fn is_empty(reason: &Node<'_>) -> bool {
    reason.is_null() || reason.text().is_some_and(|text| text.is_empty())
}

fn says(answer: &Node<'_>) -> Says {
    if is_error(answer) {
        Says::Error
    } else if delivered::is_delivered(answer) {
        Says::Answer
    } else {
        Says::Nothing
    }
}

/// How often a tool was called by what is in its list.
fn counted(answer: &Node<'_>, (tool, path, calls): &(&str, Path, Calls)) -> Option<(String, u64)> {
    let found = path.values(answer);
    let items = found.iter().map(|list| if list.is_list() { list.items().len() } else { 1 }).sum::<usize>();
    let times = match calls {
        Calls::Each => u64::try_from(items).unwrap_or(u64::MAX),
        Calls::Once => 1,
    };
    (items > 0).then(|| ((*tool).to_owned(), times))
}

/// The service tier, or the `place` that served, of several the one that may cost more than the standard one. Vertex has it as
/// a kind of traffic.
fn tier(answer: &Node<'_>, place: Option<String>) -> Option<String> {
    let lower_case = |path: &Path| {
        let name = text(path.value(answer))?.to_ascii_lowercase();
        Some(name.strip_prefix("on_demand_").unwrap_or(&name).to_owned())
    };
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
    /// Where the call was served, which may cost more than elsewhere.
    place: Option<String>,
}

/// The usages at these paths, the later after the earlier ones, and how often tools were called.
fn usages(format: &Format, answer: &Node<'_>, paths: &[Path]) -> Usages {
    let found: Vec<&Node<'_>> = paths.iter().flat_map(|path| path.values(answer)).filter(|at| at.is_object()).collect();
    let stated = found.iter().map(|usage| format.counts.read(usage)).reduce(|earlier, later| later.or(earlier));
    let tools = found.iter().flat_map(|usage| format.counts.tools(usage)).map(|(tool, calls)| (tool.to_owned(), calls));
    let of_others = found.iter().flat_map(|usage| format.counts.of_others(usage));
    let place = found.iter().find_map(|usage| text(usage.get("inference_geo")));
    Usages { stated, tools: tools.collect(), of_others: of_others.collect(), place }
}

/// What llama.cpp and Ollama state where they state no usage. What came from a cache they leave out.
fn of_local_server(answer: &Node<'_>) -> Option<Stated> {
    let is_there = |name| answer.get(name).is_some();
    let place = answer.get("timings").or_else(|| Some(answer).filter(|_| is_there("eval_count")))?;
    let stated = LOCAL.read(place);
    Some(Stated { input: stated.input.add(stated.cached.plain()), ..stated })
}

fn text(value: Option<&Node<'_>>) -> Option<String> {
    value.and_then(Node::string).filter(|text| !text.is_empty())
}

fn is_error(answer: &Node<'_>) -> bool {
    let is_told = |error: &Node<'_>| match &error.kind {
        Kind::Object(members) => !members.is_empty(),
        Kind::Text => !is_empty(error),
        Kind::Number | Kind::Bool(true) => true,
        _ => false,
    };
    let is_named = |name| answer.get(name).and_then(Node::text).is_some_and(|name| *name == *b"error");
    let has_errors = answer.get("errors").is_some_and(|errors| !errors.items().is_empty());
    let is_code = ERROR_CODE.value(answer).and_then(Node::whole).is_some_and(|code| code > 0);
    let in_choice = answer.get("choices").map(Node::items).unwrap_or_default().iter().take(MAX_ITEMS);
    let in_choice = in_choice.filter_map(|choice| choice.get("error")).any(|error| !is_empty(error));
    ERRORS.iter().filter_map(|path| path.value(answer)).any(is_told)
        || has_errors
        || is_named("type")
        || is_named("object")
        || is_code
        || in_choice
}

/// How often the output has a call of each tool.
fn called(output: &Node<'_>) -> Vec<(String, u64)> {
    let kinds = output.items().iter().filter_map(|item| text(item.get("type"))).filter(|kind| kind.ends_with("_call"));
    summed(kinds.map(|kind| tool(&kind).to_owned()))
}

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

fn tool(kind: &str) -> &str {
    kind.strip_suffix("_call").unwrap_or(kind)
}
