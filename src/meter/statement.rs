//! What an answer, or one event of it, states: its usage, the model that served, an error; and about how much text it has.

use super::{
    counts::{Count, Stated},
    format::Format,
    json::{Kind, Node},
};

/// What one JSON text of an answer says.
#[derive(Debug, Default)]
pub(super) struct Statement {
    pub stated: Stated,
    /// Whether it is the usage of all that was written, and not of what was read before that.
    pub is_final: bool,
    /// The model that serves, as it calls itself.
    pub model: Option<String>,
    /// The service tier that serves.
    pub tier: Option<String>,
    /// Whether it is an error.
    pub is_error: bool,
    /// Whether it says why the model has stopped: nothing but usage follows.
    pub is_finish: bool,
    /// About the tokens of the text in it.
    pub written_tokens: u64,
    /// About those of all that was written until now, where it is said again.
    pub repeated_tokens: u64,
    /// Calls of tools that the provider ran, all up to now.
    pub tools: Vec<(String, u64)>,
    /// One further such call.
    pub tool_done: Option<String>,
}

const MODELS: [&str; 5] = ["model", "message/model", "response/model", "modelVersion", "response/modelVersion"];
const TIERS: [&str; 6] = [
    "service_tier",
    "response/service_tier",
    "usage/service_tier",
    "message/usage/service_tier",
    "usage/speed",
    "message/usage/speed",
];

/// The most tools of which calls are counted: no answer has calls of as many.
pub(super) const MAX_TOOLS: usize = 64;

/// Service tiers that cost no more than the standard one.
pub const STANDARD_TIERS: [&str; 8] =
    ["default", "standard", "standard_only", "flex", "auto", "batch", "on_demand", "scale"];

/// Reads one value.
pub(super) fn read(format: &Format, answer: &Node<'_>) -> Statement {
    let (first, _) = usages(format, answer, format.first_usages);
    let (last, mut tools) = usages(format, answer, format.usages);
    let repeated = answer.at("response/output");
    let output = answer.get("output").or(repeated);
    tools.extend(output.map(called).unwrap_or_default());
    let is_done = text_at(answer, "type").is_some_and(|kind| kind == "response.output_item.done");
    Statement {
        is_final: last.is_some_and(|last| format.output_bound.is_none() || has_output(&last)),
        stated: last.unwrap_or_default().or(first.unwrap_or_default()),
        model: MODELS.iter().find_map(|path| text_at(answer, path)),
        tier: tier(answer),
        is_error: is_error(answer),
        // Some services write an empty one into every chunk.
        is_finish: all_at(answer, "choices/*/finish_reason").iter().any(|reason| !is_empty(reason)),
        written_tokens: format.written.tokens(answer),
        repeated_tokens: repeated.map_or(0, |output| format.written.of(output)),
        tools,
        tool_done: text_at(answer, "item/type").filter(|_| is_done).map(|kind| tool(&kind).to_owned()),
    }
}

fn is_empty(reason: &Node<'_>) -> bool {
    reason.is_null() || reason.text().is_some_and(|text| text.is_empty())
}

/// The service tier, of several the one that may cost more than the standard one.
fn tier(answer: &Node<'_>) -> Option<String> {
    let mut named = TIERS.iter().filter_map(|path| text_at(answer, path));
    let first = named.next()?;
    let is_standard = |tier: &str| STANDARD_TIERS.contains(&tier);
    if is_standard(&first) { named.find(|tier| !is_standard(tier)).or(Some(first)) } else { Some(first) }
}

/// Whether the output is stated, or a total from which it follows.
fn has_output(stated: &Stated) -> bool {
    stated.output != Count::Absent || (stated.total.is_plain() && stated.input.is_plain())
}

/// The usages at these paths, the later after the earlier ones, and how often tools were called.
fn usages(format: &Format, answer: &Node<'_>, paths: &[&str]) -> (Option<Stated>, Vec<(String, u64)>) {
    let found: Vec<&Node<'_>> =
        paths.iter().flat_map(|path| all_at(answer, path)).filter(|at| at.is_object()).collect();
    let stated = found.iter().map(|usage| format.counts.read(usage)).reduce(|earlier, later| later.or(earlier));
    let tools = found.iter().flat_map(|usage| format.counts.tools(usage)).map(|(tool, calls)| (tool.to_owned(), calls));
    (stated, tools.collect())
}

/// The values at a path of names, in which `*` is each item of a list.
fn all_at<'n, 'j>(node: &'n Node<'j>, path: &str) -> Vec<&'n Node<'j>> {
    path.split('/').fold(vec![node], |nodes, name| {
        let step = |node: &'n Node<'j>| match name {
            "*" => node.items().iter().collect::<Vec<_>>(),
            name => node.get(name).into_iter().collect(),
        };
        nodes.into_iter().flat_map(step).collect()
    })
}

fn text_at(node: &Node<'_>, path: &str) -> Option<String> {
    node.at(path).and_then(Node::string).filter(|text| !text.is_empty())
}

fn is_error(answer: &Node<'_>) -> bool {
    let says = |path| match answer.at(path).map(|error| &error.kind) {
        Some(Kind::Object(members)) => !members.is_empty(),
        Some(Kind::Text) => text_at(answer, path).is_some(),
        Some(Kind::Number | Kind::Bool(true)) => true,
        _ => false,
    };
    let is_named = |path| text_at(answer, path).is_some_and(|name| name == "error");
    let has_errors = answer.get("errors").is_some_and(|errors| !errors.items().is_empty());
    says("error") || says("response/error") || has_errors || is_named("type") || is_named("object")
}

/// How often the output has a call of each tool.
fn called(output: &Node<'_>) -> Vec<(String, u64)> {
    let mut calls: Vec<(String, u64)> = vec![];
    for kind in output.items().iter().filter_map(|item| text_at(item, "type")).filter(|kind| kind.ends_with("_call")) {
        let has_room = calls.len() < MAX_TOOLS;
        match calls.iter_mut().find(|(name, _)| *name == tool(&kind)) {
            Some((_, count)) => *count = count.saturating_add(1),
            None if has_room => calls.push((tool(&kind).to_owned(), 1)),
            None => {}
        }
    }
    calls
}

fn tool(kind: &str) -> &str {
    kind.strip_suffix("_call").unwrap_or(kind)
}
