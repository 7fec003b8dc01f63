//! Settings by which others may serve a request, or its provider does more than answer what is in it.

use super::{
    super::{
        json::{Kind, Member, Node},
        plain::{is_disabled, is_empty},
        tools::{ProviderTool, is_run_by_provider},
    },
    As, Reader, members, shortened,
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

/// Bounds on the answer, under their names in all formats and of several servers.
const BOUNDS: [&str; 9] = [
    "max_tokens",
    "max_completion_tokens",
    "max_output_tokens",
    "max_new_tokens",
    "max_tokens_to_sample",
    "maxtokens",
    "maxoutputtokens",
    "n_predict",
    "num_predict",
];

/// Numbers of answers, in a body that is added to the request's own.
const ANSWERS: [&str; 3] = ["n", "best_of", "num_return_sequences"];

/// Members that ask for a service tier.
const TIERS: [&str; 3] = ["speed", "service_tier", "servicetier"];

/// The most other models, and tools of the provider: no request names nearly as many.
const MAX_NAMES: usize = 64;

impl Reader<'_> {
    /// Settings that let others serve, or have the provider read more than is here; whether this is one.
    pub(super) fn switch(&mut self, name: &str, value: &Node<'_>) -> bool {
        match name {
            _ if BOUNDS.contains(&name) && !value.is_object() => self.bound(value),
            _ if name == "models" || name.contains("fallback") => {
                // `default`, `none` and keys are words of the service.
                if !matches!(value.kind, Kind::Text) || name.contains("model") {
                    self.names(value, 0);
                }
                self.tiers(value);
                self.value(value, As::Setting);
            }
            "extra_body" => {
                self.look.models.extend(value.get("model").and_then(Node::string));
                let answers = ANSWERS.iter().filter_map(|name| value.get(name)?.whole());
                self.look.answers = answers.fold(self.look.answers, u64::max);
                self.tiers(value);
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

    /// Names of tools, of which the caller's own are nothing to the provider.
    pub(super) fn named_tools(&mut self, names: &Node<'_>) {
        let kinds = names.items().iter().filter_map(Node::string);
        kinds
            .filter(|kind| is_run_by_provider(kind))
            .for_each(|kind| self.provider_tool(ProviderTool::new(&shortened(&kind), names)));
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

    /// A bound on the answer. A negative one is none.
    fn bound(&mut self, value: &Node<'_>) {
        let tokens = value.whole().unwrap_or(u64::MAX);
        self.look.bound_tokens = Some(self.look.bound_tokens.map_or(tokens, |known| known.max(tokens)));
    }

    /// Service tiers that an object, or those of a list, asks for.
    fn tiers(&mut self, value: &Node<'_>) {
        let objects = if value.is_list() { value.items() } else { std::slice::from_ref(value) };
        let tiers = objects.iter().flat_map(members).filter(|found| TIERS.contains(&&*found.name));
        let tiers = tiers.filter_map(|found| Some((found.name.into_owned(), found.value.string()?)));
        let room = MAX_NAMES.saturating_sub(self.look.tiers.len());
        self.look.tiers.extend(tiers.take(room));
    }

    /// Names of models, objects with one, or with lists of those that may serve in place of each.
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
