//! The tools of a request: which of them the provider runs, so that they may read and bill what no request shows.

use super::{json::Node, members::folded};

/// Tools that providers run, by the beginning of their types: a version may follow.
const RUN_BY_PROVIDERS: [&str; 12] = [
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

/// Members of a tool besides the one that names it.
const BESIDES: [&str; 6] = ["name", "description", "input_schema", "inputSchema", "strict", "cache_control"];

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
            calls: tool.get("max_uses").and_then(Node::whole).unwrap_or(CALLS),
        }
    }

    /// Why it is refused where the route does not allow it.
    pub fn refusal(&self) -> String {
        let Self { name, kind, .. } = self;
        let is_bare = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte));
        let name = if is_bare { name.clone() } else { format!("{name:?}") };
        format!(
            "has the tool {kind}, which the provider runs and bills by the call. A route allows it with \
             tools = {{ {name} = \"0.01\" }}, the price of a call in USD"
        )
    }
}

/// The types of a tool that its provider runs; `client` lists those that the client runs. Some services know a tool by the name
/// of its member, whatever else it has.
pub(super) fn kinds(client: &[&str], tool: &Node<'_>) -> Result<Vec<String>, String> {
    let mut kinds = vec![];
    for member in tool.members().iter().filter(|member| folded(&member.name()) == "type") {
        let kind = member.value.string().ok_or("must have types in text")?;
        kinds.push(kind.chars().take(64).collect::<String>());
    }
    let is_typed = !kinds.is_empty() || tool.get("name").is_some() || tool.get("function").is_some();
    let is_hosted =
        tool.at("environment/type").and_then(Node::string).is_some_and(|kind| kind.starts_with("container"));
    kinds.retain(|kind| is_hosted || !is_one(client, kind));
    for member in tool.members().iter().filter(|member| !member.value.is_null()) {
        let name = member.name();
        let is_known = RUN_BY_PROVIDERS.iter().any(|known| snake(&name).starts_with(known));
        let is_other = (!is_typed || is_named_by_member(client)) && !BESIDES.contains(&&*name) && name != "type";
        if is_known || (is_other && !is_one(client, &name)) {
            kinds.push(name.chars().take(64).collect());
        }
    }
    Ok(kinds.iter().map(|kind| snake(kind)).collect())
}

/// Whether the tools of the format have no type and are named by their one member.
fn is_named_by_member(client: &[&str]) -> bool {
    client.contains(&"functionDeclarations") || client.contains(&"toolSpec")
}

fn is_one(client: &[&str], kind: &str) -> bool {
    client.iter().any(|known| is_version(kind, known))
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
