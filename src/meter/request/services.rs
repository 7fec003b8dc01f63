//! Members of a request by which its provider does more than answer: containers, plug-ins, rules that shorten the conversation.

use super::{
    super::{
        json::{Kind, Node},
        tools::ProviderTool,
    },
    Visit,
};

impl Visit<'_> {
    /// A container from an answer before is of the tool that runs code, whose calls are counted where it is declared.
    pub(super) fn container(&mut self, value: &Node<'_>) -> Result<(), String> {
        if !matches!(value.kind, Kind::Text) {
            return Err("has skills of a container, which have no price here".into());
        }
        self.reader().provider_tool(ProviderTool { calls: 0, ..ProviderTool::new("code_execution", value) });
        Ok(())
    }

    /// Plug-ins of a gateway, of which the known ones take nothing but text.
    pub(super) fn plugins(&mut self, list: &Node<'_>, known: &[&str]) -> Result<(), String> {
        for plugin in list.items() {
            let id = plugin.get("id").and_then(Node::string).ok_or("must have objects with an id")?;
            if known.contains(&id.as_str()) || plugin.get("enabled").and_then(Node::bool) == Some(false) {
                continue;
            }
            let name = if id == "web" { "web_search" } else { &id };
            self.reader().provider_tool(ProviderTool::new(name, plugin));
        }
        Ok(())
    }

    /// Rules that clear are free. One that compacts is a further call, which reads the prompt and writes an answer.
    pub(super) fn context(&mut self, value: &Node<'_>) -> Result<(), String> {
        let list = value.get("edits").unwrap_or(value);
        let rules: Vec<&Node<'_>> = if list.is_list() { list.items().iter().collect() } else { vec![list] };
        for rule in rules {
            match (&rule.kind, rule.get("type").and_then(Node::string)) {
                (Kind::Bool(false), _) => {}
                (Kind::Object(_), Some(kind)) if kind.starts_with("clear_") => {}
                (Kind::Object(members), None) if members.is_empty() => {}
                (Kind::Bool(true) | Kind::Object(_), None) => self.asked.compacts = true,
                (Kind::Object(_), Some(kind)) if kind.starts_with("compact") => self.asked.compacts = true,
                _ => {
                    return Err("has a rule that is not known here, so that what it takes has no bound".into());
                }
            }
        }
        Ok(())
    }
}
