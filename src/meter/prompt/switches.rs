//! Settings by which others may serve a request, or its provider does more than answer what is in it.

use super::{
    super::{
        json::{Kind, Member, Node},
        plain::{is_disabled, is_empty},
        tools::ProviderTool,
    },
    As, Reader, shortened,
};

/// Settings by which a service searches the web, outside the list of tools.
const SEARCHES: [&str; 8] = [
    "web_search",
    "web_search_options",
    "search_parameters",
    "enable_search",
    "enable_web_search",
    "use_search",
    "enable_enhancement",
    "connectors",
];

/// Settings that name a prompt which is kept elsewhere.
const ELSEWHERE: [&str; 5] = ["cached_content", "cachedcontent", "data_sources", "datasources", "previous_response_id"];

/// The most other models, and tools of the provider: no request names nearly as many.
const MAX_NAMES: usize = 64;

impl Reader<'_> {
    /// Settings that let others serve, or have the provider read more than is here; whether this is one.
    pub(super) fn switch(&mut self, name: &str, value: &Node<'_>) -> bool {
        match name {
            _ if name == "models" || name.contains("fallback") => {
                self.models(value);
                self.value(value, As::Setting);
            }
            "extra_body" => {
                self.look.models.extend(value.get("model").and_then(Node::string));
                self.value(value, As::Setting);
            }
            "enabled_tools" => {
                let kinds = value.items().iter().filter_map(Node::string);
                kinds.for_each(|kind| self.provider_tool(ProviderTool::new(&shortened(&kind), value)));
            }
            _ if SEARCHES.contains(&name) && is_disabled(value) => {}
            _ if SEARCHES.contains(&name) => self.provider_tool(ProviderTool::new("web_search", value)),
            _ if ELSEWHERE.contains(&name) && is_empty(value) => {}
            _ if ELSEWHERE.contains(&name) => self.without_size(name),
            _ => return false,
        }
        true
    }

    /// A tool that the provider runs. Calls of one that is named more than once add up.
    pub fn provider_tool(&mut self, tool: ProviderTool) {
        let tools = &mut self.look.provider_tools;
        let has_room = tools.len() < MAX_NAMES;
        match tools.iter_mut().find(|known| known.kind == tool.kind) {
            Some(known) => known.calls = known.calls.saturating_add(tool.calls),
            None if has_room => tools.push(tool),
            None => self.unpriced("more tools of the provider than any request has"),
        }
    }

    /// Names of models, objects with one, or with lists of those that may serve in place of each.
    pub fn models(&mut self, value: &Node<'_>) {
        self.names(value, 0);
    }

    fn names(&mut self, value: &Node<'_>, depth: u8) {
        if value.is_crowded() || self.look.models.len() >= MAX_NAMES || depth > 4 {
            return self.unpriced("more than 64 models");
        }
        match &value.kind {
            Kind::Text => self.look.models.extend(value.string()),
            Kind::List(items) => items.iter().for_each(|item| self.names(item, depth.saturating_add(1))),
            Kind::Object(members) => {
                let is_alone = value.get("model").is_none();
                let is_named = |member: &&Member<'_>| {
                    if is_alone { depth == 0 || member.value.is_list() } else { member.is("model") }
                };
                members.iter().filter(is_named).for_each(|it| self.names(&it.value, depth.saturating_add(1)));
            }
            Kind::Null | Kind::Bool(_) | Kind::Number => {}
        }
    }
}
