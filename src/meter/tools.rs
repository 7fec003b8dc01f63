//! The tools of a request: which of them the provider runs, so that they may read and bill what no request shows.

use super::{
    json::{Member, Node},
    members::folded,
    plain::is_disabled,
};

/// Tools that providers run, by the beginning of their types: a version may follow.
const RUN_BY_PROVIDERS: [&str; 13] = [
    ADVISOR,
    "web_search",
    "web_fetch",
    "code_interpreter",
    "code_execution",
    "file_search",
    "image_generation",
    "mcp",
    "google_search",
    "google_maps",
    "url_context",
    "x_search",
    "collections_search",
];

/// Another model that the model may ask.
const ADVISOR: &str = "advisor";

/// The same under all names, those of the tools of `OpenRouter` too.
const MODELS: [&str; 3] = [ADVISOR, "subagent", "fusion"];

/// Tools of clouds, and the names under which answers count their calls.
const COUNTED_AS: [(&str, &str); 2] = [("enterprise_web_search", "google_search"), ("nova_grounding", "web_search")];

/// Members of tools that are no tools.
const OF_ANY_TOOL: [&str; 8] =
    ["type", "name", "description", "parameters", "input_schema", "strict", "cache_control", "defer_loading"];

/// How many calls of a tool are held where the request does not bound them.
const CALLS: u64 = 10;

/// A tool that the provider runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ProviderTool {
    /// As a route names it: without a version.
    pub name: String,
    /// As the request names it.
    pub kind: String,
    /// The most calls of it.
    pub calls: u64,
}

impl ProviderTool {
    /// The tool of this kind, as the request declares it.
    pub fn new(kind: &str, tool: &Node<'_>) -> Self {
        let known = RUN_BY_PROVIDERS.iter().find(|known| kind.starts_with(*known));
        Self {
            name: known.map_or_else(|| kind.to_owned(), |known| (*known).to_owned()),
            kind: kind.to_owned(),
            calls: tool.get("max_uses").and_then(Node::whole).filter(|_| is_dated(kind)).unwrap_or(CALLS),
        }
    }

    /// Whether it is another model, which reads what the model has read.
    pub fn is_model(&self) -> bool {
        MODELS.contains(&bare(&self.name))
    }

    /// Why it is refused where the route does not allow it.
    pub fn refusal(&self) -> String {
        let Self { name, kind, .. } = self;
        let is_bare = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte));
        let key = if is_bare { name.clone() } else { format!("{name:?}") };
        format!(
            "has the tool {kind}, which the provider runs and bills by the call. A route allows it with \
             tools = {{ {key} = \"0.01\" }}, the price of a call in USD"
        )
    }
}

/// Whether answers count the calls of a tool under this name. Gateways put their own name before that of a tool, and not
/// before its counts: `openrouter:web_search`.
pub(super) fn is_counted_as(tool: &str, counted: &str) -> bool {
    let bare = bare(tool);
    bare == counted || COUNTED_AS.contains(&(bare, counted))
}

/// The name of a tool without that of the gateway which runs it.
pub(super) fn bare(tool: &str) -> &str {
    tool.rsplit(':').next().unwrap_or(tool)
}

/// The other models that such a tool names: `model`, or `parameters: { model, analysis_models }`.
pub(super) fn models(tool: &Node<'_>) -> impl Iterator<Item = String> {
    let settings = [Some(tool), tool.get("parameters")].into_iter().flatten();
    let named = settings.flat_map(|it| {
        it.get("model").into_iter().chain(it.get("analysis_models").map(Node::items).unwrap_or_default())
    });
    named.filter_map(Node::string)
}

/// Whether a tool of this name is one that providers run.
pub(super) fn is_run_by_provider(kind: &str) -> bool {
    RUN_BY_PROVIDERS.iter().any(|known| snake(kind).starts_with(known))
}

/// The types of a tool that its provider runs; `client` lists those that the client runs.
pub(super) fn kinds(client: &[&str], tool: &Node<'_>) -> Result<Vec<String>, String> {
    let is_client = |kind: &str| client.iter().any(|known| is_version(kind, known));
    let mut kinds = vec![];
    for kind in named(tool, "type").filter(|kind| !kind.is_null()) {
        kinds.push(kind.string().ok_or("must have types in text")?);
    }
    let names: Vec<_> = tool.members().iter().filter(|member| !member.value.is_null()).map(Member::name).collect();
    let has_name = names.iter().any(|name| name == "name" || is_client(name));
    let by_member = kinds.is_empty() && (is_named_by_member(client) || !has_name);
    // Some services take several tools in one object, and a search beside a function.
    let others = names.iter().filter(|name| !OF_ANY_TOOL.contains(&&***name));
    kinds.extend(others.filter(|name| by_member || RUN_BY_PROVIDERS.contains(&&*snake(name))).map(|it| (**it).into()));
    let is_hosted = is_hosted(tool);
    kinds.retain(|kind| (is_hosted || !is_client(kind)) && !is_switched_off(tool, kind));
    let kind_of = |kind: &String| snake(&inner_name(tool, kind).unwrap_or_else(|| kind.clone()));
    Ok(kinds.iter().map(|kind| kind_of(kind).chars().take(64).collect()).collect())
}

/// The values of the members that a parser takes for this one.
fn named<'n, 'j>(object: &'n Node<'j>, name: &'static str) -> impl Iterator<Item = &'n Node<'j>> {
    let members = object.members().iter();
    members.filter(move |member| folded(&member.name()) == name).map(|member| &member.value)
}

/// Whether a tool that clients run elsewhere runs in the provider's container: `environment: { type: "container_auto" }`.
fn is_hosted(tool: &Node<'_>) -> bool {
    let is_local = |kind: &Node<'_>| kind.string().is_some_and(|kind| kind == "local");
    named(tool, "environment").any(|environment| named(environment, "type").any(|kind| !is_local(kind)))
}

/// Whether the settings that bear its type's name say that it is off, as all of them do.
fn is_switched_off(tool: &Node<'_>, kind: &str) -> bool {
    let mut settings = tool.members().iter().filter(|member| member.is(kind)).map(|member| &member.value).peekable();
    settings.peek().is_some() && settings.all(is_disabled)
}

/// The name of one of several tools that a provider has under one type.
fn inner_name(tool: &Node<'_>, kind: &str) -> Option<String> {
    let holder = match kind {
        "systemTool" => "systemTool",
        "builtin_function" => "function",
        _ => return None,
    };
    tool.get(holder)?.get("name")?.string()
}

/// Whether the tools of the format have no type and are named by their members.
fn is_named_by_member(client: &[&str]) -> bool {
    client.contains(&"functionDeclarations") || client.contains(&"toolSpec")
}

/// Whether the kind ends in a date, as those of Anthropic do, which alone bound their calls.
fn is_dated(kind: &str) -> bool {
    let last = kind.rsplit('_').next().unwrap_or_default();
    last.len() == 8 && last.bytes().all(|byte| byte.is_ascii_digit())
}

/// `bash_20250124` of `bash`.
fn is_version(kind: &str, known: &str) -> bool {
    let Some(version) = kind.strip_prefix(known) else {
        return false;
    };
    version.is_empty() || version.strip_prefix('_').is_some_and(|date| date.bytes().all(|b| b.is_ascii_digit()))
}

/// `google_search` of `googleSearch`.
fn snake(kind: &str) -> String {
    let mut name = String::new();
    for character in kind.chars() {
        if character.is_ascii_uppercase() {
            name.push('_');
        }
        name.push(character.to_ascii_lowercase());
    }
    name
}
