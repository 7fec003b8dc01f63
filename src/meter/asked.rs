//! What a request asks for, as far as it says what the call may take. It is read once: what limits take in advance and
//! what is held both come from here.

use std::ops::Range;

use bytes::Bytes;

use super::{
    edit::Edit,
    format::{Format, Member},
    json::{self, Kind, Node},
    members::{self, Found},
    prompt::{Look, Reader},
    stream_options,
    tools::ProviderTool,
};
use crate::domain::{price::spec::is_model_name, refusal::Fault};

/// Tokens that limits take in advance for an answer whose request sets no bound.
const UNBOUNDED_OUTPUT_TOKENS: u64 = 1_024;

/// The longest answer that a request may name: no model writes more at once.
const MAX_TOKENS: u64 = 100_000_000;

/// The most answers to one request.
const MAX_ANSWERS: u64 = 128;

/// A request to a model.
pub struct Asked {
    pub(super) format: &'static Format,
    pub(super) body: Bytes,
    /// Where the object stands in the body.
    pub(super) object: Range<usize>,
    /// Whether the object has no member.
    pub(super) is_empty: bool,
    /// The model that is asked for, and those that may serve in its place.
    models: Vec<String>,
    /// Each bound on the answer that the request has, null or not.
    pub(super) output_bounds: Vec<OutputBound>,
    /// Where the object with the request's settings stands, and whether it has members.
    pub(super) settings: Option<(Range<usize>, bool)>,
    pub(super) answers: u64,
    pub(super) predicted_bytes: u64,
    /// Whether the provider may shorten the conversation by a call of its own.
    pub(super) compacts: bool,
    pub(super) look: Look,
    /// What the bytes of the request do not bound.
    pub(super) without_size: Option<Fault>,
    pub(super) is_stream: bool,
    /// Asks for the usage of a stream, where the client has not.
    pub(super) wish_for_usage: Option<Edit>,
    /// Names the tier that the price is of, where the client leaves it to the provider.
    pub(super) tier: Option<Edit>,
}

/// One member that bounds the answer.
pub(super) struct OutputBound {
    pub name: &'static str,
    pub at: Range<usize>,
    pub tokens: Option<u64>,
}

impl Asked {
    /// Reads a request to `path`, which names the model where the body does not. Of the tools that the provider runs, those
    /// that `allows` are taken. The error names every fault.
    pub fn read(
        format: &'static Format,
        path: &str,
        body: Bytes,
        allows: &dyn Fn(&str) -> bool,
    ) -> Result<Self, Vec<Fault>> {
        let text = body.clone();
        let whole = |what: String| vec![Fault::new("", format!("must be one JSON object in UTF-8: {what}"))];
        std::str::from_utf8(&text).map_err(|error| whole(error.to_string()))?;
        let node = json::read(&text).map_err(|error| whole(error.to_string()))?;
        if !node.is_object() {
            return Err(whole("it is another value".into()));
        }
        let known =
            |name: &str| format.members.iter().map(|(known, _)| *known).find(|known| known.eq_ignore_ascii_case(name));
        let found = members::find(&node, known, "").map_err(|fault| vec![fault])?;
        let asked = Self {
            format,
            object: node.place(&text),
            is_empty: node.members().is_empty(),
            models: vec![],
            output_bounds: vec![],
            settings: None,
            answers: 1,
            predicted_bytes: 0,
            compacts: false,
            look: Look::default(),
            without_size: None,
            is_stream: path.contains("streamGenerateContent") || path.ends_with("/converse-stream"),
            wish_for_usage: None,
            tier: None,
            body,
        };
        Visit { asked, text: &text, faults: vec![] }.read(path, &node, &found, allows)
    }

    /// The model that is asked for, as the request names it.
    #[must_use]
    pub fn model(&self) -> &str {
        self.models.first().map_or("", String::as_str)
    }

    /// That model, and every other one that the request lets serve in its place.
    pub fn models(&self) -> impl Iterator<Item = &str> {
        self.models.iter().map(String::as_str)
    }

    /// Whether the answer is to come as it is made.
    #[must_use]
    pub const fn is_stream(&self) -> bool {
        self.is_stream
    }

    /// About how many tokens the call will take; at least 1.
    #[must_use]
    pub fn estimated_tokens(&self) -> u64 {
        let each = self.output_bounds.iter().filter_map(|bound| bound.tokens).max();
        let each = self.format.output_bound.map_or(0, |_| each.unwrap_or(UNBOUNDED_OUTPUT_TOKENS));
        self.look.tokens.saturating_add(each.saturating_mul(self.answers)).max(1)
    }
}

struct Visit<'t> {
    asked: Asked,
    text: &'t [u8],
    faults: Vec<Fault>,
}

impl Visit<'_> {
    fn read(
        mut self,
        path: &str,
        node: &Node<'_>,
        found: &[Found<'_, '_>],
        allows: &dyn Fn(&str) -> bool,
    ) -> Result<Asked, Vec<Fault>> {
        let format = self.asked.format;
        for found in found {
            let meaning = format.members.iter().find(|(name, _)| *name == found.name);
            if let Some((_, member)) = meaning {
                let read = self.member(*member, found).and_then(|()| self.judge(found.name, allows));
                read.unwrap_or_else(|what| self.fault(found.name, what));
            }
        }
        for member in node.members().iter().filter(|member| found.iter().all(|found| !member.is(found.name))) {
            let name = member.name();
            self.reader().setting(&members::folded(&name), &member.value);
            self.judge(&name, allows).unwrap_or_else(|what| self.fault(&members::escaped(&name), what));
        }
        self.name_models(path);
        let options = found.iter().find(|found| found.name == stream_options::NAME);
        if self.asked.is_stream && format.members.iter().any(|(_, member)| *member == Member::StreamOptions) {
            match stream_options::wish(options, self.text, &self.asked.object) {
                Ok(edit) => self.asked.wish_for_usage = edit,
                Err(fault) => self.faults.push(fault),
            }
        }
        if self.faults.is_empty() { Ok(self.asked) } else { Err(self.faults) }
    }

    fn fault(&mut self, name: &str, what: String) {
        self.faults.push(Fault::new(format!("/{name}"), what));
    }

    fn reader(&mut self) -> Reader<'_> {
        Reader { content: &self.asked.format.content, look: &mut self.asked.look }
    }

    /// The model stands in the body, or in the path: `/models/NAME:generateContent`, `/model/NAME/converse`.
    fn name_models(&mut self, path: &str) {
        let others = std::mem::take(&mut self.asked.look.models);
        if self.asked.models.is_empty() {
            self.asked.models.extend(model_in(path));
        }
        if self.asked.models.is_empty() && self.faults.iter().all(|fault| fault.pointer != "/model") {
            self.faults.push(Fault::new("/model", "must be there"));
        }
        for model in others {
            if !self.asked.models.contains(&model) {
                self.asked.models.push(model);
            }
        }
    }

    /// What was found in a member that decides whether the call can be served.
    fn judge(&mut self, name: &str, allows: &dyn Fn(&str) -> bool) -> Result<(), String> {
        let look = &mut self.asked.look;
        if let Some(what) = look.without_size.take() {
            let fault = || Fault::new(format!("/{}", members::escaped(name)), format!("has a part of type {what}"));
            self.asked.without_size.get_or_insert_with(fault);
        }
        if let Some(what) = look.unpriced.take() {
            return Err(format!("has what no price applies to: {what}"));
        }
        match look.provider_tools.iter().find(|tool| !allows(&tool.name)) {
            Some(tool) => {
                let refusal = tool.refusal();
                look.provider_tools.clear();
                Err(refusal)
            }
            None => Ok(()),
        }
    }

    /// The error is what is wrong with the member.
    fn member(&mut self, member: Member, found: &Found<'_, '_>) -> Result<(), String> {
        let value = found.value;
        match member {
            Member::Model => self.asked.models.insert(0, model(value)?),
            Member::OutputBound => self.output_bound(found.name, value)?,
            _ if value.is_null() => {}
            Member::OtherModels => self.reader().models(value),
            Member::Prompt if found.name.contains("cache") => self.reader().setting(found.name, value),
            Member::Prompt => self.reader().content(value),
            Member::Tools => self.reader().tools(value)?,
            Member::Settings => self.settings(value)?,
            Member::Answers => self.asked.answers = self.asked.answers.max(whole(value, MAX_ANSWERS)?),
            Member::Stream => self.asked.is_stream = value.bool().ok_or("must be true or false")?,
            Member::Predicted => {
                self.reader().content(value);
                self.asked.predicted_bytes = u64::try_from(value.raw.len()).unwrap_or(u64::MAX);
            }
            Member::Elsewhere => {
                let fault = || Fault::new(format!("/{}", found.name), "names a prompt that is kept elsewhere");
                self.asked.without_size.get_or_insert_with(fault);
            }
            Member::OneOf(words) => one_of(&value.string().ok_or("must be a text")?, words)?,
            Member::Tier(words) => self.asked.tier = tier(value, self.text, words)?,
            Member::EachOf(words) => each_of(value, words)?,
            Member::Tool(_) if is_off(value) => {}
            Member::Tool(name) => self.asked.look.provider_tools.push(ProviderTool::new(name, value)),
            Member::Plugins(known) => self.plugins(value, known)?,
            Member::Context => self.context(value)?,
            Member::Never(why) => return Err(why.into()),
            Member::NeverTrue(why) if value.bool().ok_or("must be true or false")? => {
                return Err(why.into());
            }
            // The options are read at the end, when it is known whether there is a stream.
            Member::NeverTrue(_) | Member::StreamOptions | Member::Own => {}
        }
        Ok(())
    }

    fn output_bound(&mut self, name: &'static str, value: &Node<'_>) -> Result<(), String> {
        let tokens = if value.is_null() { None } else { Some(whole(value, MAX_TOKENS)?) };
        self.asked.output_bounds.push(OutputBound { name, at: value.place(self.text), tokens });
        Ok(())
    }

    /// An object with the bound and the number of answers in it.
    fn settings(&mut self, settings: &Node<'_>) -> Result<(), String> {
        if !settings.is_object() {
            return Err("must be an object".into());
        }
        self.asked.settings = Some((settings.place(self.text), !settings.members().is_empty()));
        let bound = self.asked.format.output_bound.unwrap_or_default();
        for member in settings.members() {
            match &*member.name() {
                name if name == bound || name == "max_output_tokens" => self.output_bound(bound, &member.value)?,
                "candidateCount" => self.asked.answers = self.asked.answers.max(whole(&member.value, MAX_ANSWERS)?),
                "responseModalities" => each_of(&member.value, &["TEXT", "text"])?,
                _ => {}
            }
        }
        Ok(())
    }

    fn plugins(&mut self, list: &Node<'_>, known: &[&str]) -> Result<(), String> {
        for plugin in list.items() {
            let id = plugin.get("id").and_then(Node::string).ok_or("must have objects with an id")?;
            if known.contains(&id.as_str()) || plugin.get("enabled").and_then(Node::bool) == Some(false) {
                continue;
            }
            let name = if id == "web" { "web_search" } else { &id };
            self.asked.look.provider_tools.push(ProviderTool::new(name, plugin));
        }
        Ok(())
    }

    /// Rules that clear are free. One that compacts is a further call, which reads the prompt and writes an answer.
    fn context(&mut self, value: &Node<'_>) -> Result<(), String> {
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

fn model_in(path: &str) -> Option<String> {
    let mut parts = path.split('/').skip_while(|part| !matches!(*part, "models" | "model" | "tunedModels")).skip(1);
    let named = parts.next()?.split(':').next()?;
    // A name of Bedrock has colons: `anthropic.claude-sonnet-4-5-20250929-v1:0`.
    let named = if path.contains("/model/") { path.split("/model/").nth(1)?.split('/').next()? } else { named };
    let model = named.replace("%3A", ":").replace("%3a", ":");
    is_model_name(&model).then_some(model)
}

/// A plain number from 1.
fn whole(value: &Node<'_>, max: u64) -> Result<u64, String> {
    let number = value.whole().filter(|_| !value.raw.contains(&b'.'));
    number.filter(|number| (1..=max).contains(number)).ok_or_else(|| format!("must be a whole number from 1 to {max}"))
}

fn model(value: &Node<'_>) -> Result<String, String> {
    let model = value.string().filter(|model| is_model_name(model));
    model.ok_or_else(|| "must be a text of 1 to 256 bytes without control characters".into())
}

fn one_of(word: &str, words: &[&str]) -> Result<(), String> {
    let known = words.contains(&word);
    if known { Ok(()) } else { Err(format!("must be {}: nothing else has a price here", words.join(" or "))) }
}

fn each_of(list: &Node<'_>, words: &[&str]) -> Result<(), String> {
    let texts: Option<Vec<String>> = list.items().iter().map(Node::string).collect();
    let texts = texts.filter(|_| list.is_list()).ok_or("must be a list of texts")?;
    texts.iter().try_for_each(|word| one_of(word, words))
}

/// Whether the settings of a tool switch it off, or are an empty list of servers.
fn is_off(value: &Node<'_>) -> bool {
    let mode = value.get("mode").and_then(Node::string);
    mode.is_some_and(|mode| mode == "off") || value.bool() == Some(false) || matches!(value.raw, b"[]")
}

/// What has to be written so that the tier is one of `words`.
fn tier(value: &Node<'_>, text: &[u8], words: &[&str]) -> Result<Option<Edit>, String> {
    let given = value.string().ok_or("must be a text")?;
    if given != "auto" {
        return one_of(&given, words).map(|()| None);
    }
    Ok(words.first().map(|word| Edit { at: value.place(text), text: format!("\"{word}\"") }))
}
