//! Reads a request: what each of its members means, by the table of its format, and what is found in all others.

mod lists;
mod services;
mod wrapped;

use bytes::Bytes;

use self::lists::Lists;
use super::{
    asked::{Asked, Naming, Need, OPEN, OutputBound, Place, Settings},
    form::{self, Field, Form},
    format::{Format, Member},
    json::{self, Node},
    members::{self, Found},
    plain::{is_deployment, is_empty, is_off, model, model_in, names_what_serves, texts, whole, whole_from},
    prompt::{Look, Reader},
    stream_options,
    tools::ProviderTool,
};
use crate::domain::refusal::Fault;

/// No model writes more at once: a longer bound, such as the largest number of a client's language, is taken for this one.
const MAX_TOKENS: u64 = 100_000_000;

/// Ends of paths whose answers are streams.
const STREAMS: [&str; 3] = ["/converse-stream", "/invoke-with-response-stream", ":streamRawPredict"];

/// The most answers to one request.
const MAX_ANSWERS: u64 = 128;

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
        let not_utf8 = |error: std::str::Utf8Error| whole(format!("it is not from byte {} on", error.valid_up_to()));
        std::str::from_utf8(&text).map_err(not_utf8)?;
        let node = json::read(&text).map_err(|error| whole(error.to_string()))?;
        if !node.is_object() {
            return Err(whole("it is another value".into()));
        }
        let (node, around) = wrapped::open(path, &node).map_err(|fault| vec![fault])?;
        let known =
            |name: &str| format.members.iter().map(|(known, _)| *known).find(|known| known.eq_ignore_ascii_case(name));
        let found = members::find(node, known, "").map_err(|fault| vec![fault])?;
        let asked = Self {
            format,
            object: node.place(&text),
            is_empty: node.members().is_empty(),
            model_at: Place::Path,
            naming: if names_what_serves(path) { Naming::Path } else { Naming::Answer },
            models: vec![],
            output_bounds: vec![],
            settings: None,
            // What is filled in is as long as the model can.
            usual_tokens: format.usual_tokens().filter(|_| !path.contains("/fim/")),
            answers: 1,
            thinking_tokens: 0,
            predicted_bytes: 0,
            repeated_bytes: 0,
            units: 1,
            bound_as: format.output_bound.filter(|_| !path.ends_with("/compact")),
            compacts: false,
            look: Look::default(),
            without_size: None,
            needs: vec![],
            modalities: 0,
            service_tiers: vec![],
            is_stream: path.contains("streamGenerateContent") || STREAMS.iter().any(|end| path.ends_with(end)),
            wish_for_usage: None,
            body,
        };
        let mut visit = Visit { asked, text: &text, lists: Lists::default(), faults: vec![] };
        if let Some(around) = around {
            visit.around(around, allows);
        }
        visit.read(path, node, &found, allows)
    }

    /// The same of a form, whose parts between the `boundary` are the members.
    pub fn read_form(format: &'static Format, path: &str, body: Bytes, boundary: &str) -> Result<Self, Vec<Fault>> {
        let field = |name: &str| match format.members.iter().find(|(known, _)| *known == name) {
            Some((_, Member::Stream)) => Field::Truth,
            Some((_, Member::Answers)) => Field::Number,
            Some(_) => Field::Text,
            None => Field::Other,
        };
        let Form { fields, files, file_bytes, model_at } =
            form::read(&body, boundary, field).map_err(|fault| vec![fault])?;
        let mut asked = Self::read(format, path, fields.into(), &|_| false)?;
        asked.body = body;
        if asked.model_at != Place::Path {
            asked.model_at = model_at.map_or(Place::Path, Place::Form);
        }
        asked.look.files(format.about, files, file_bytes);
        Ok(asked)
    }
}

struct Visit<'t> {
    asked: Asked,
    text: &'t [u8],
    lists: Lists,
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
        let (is_deployed, is_named) = (is_deployment(path), model_in(path).is_some());
        let is_idle = |found: &Found<'_, '_>| is_deployed || (is_named && found.value.is_null());
        let format = self.asked.format;
        for found in found {
            let meaning = format.members.iter().find(|(name, _)| *name == found.name);
            // Where the path says what is deployed, the name in the body decides nothing.
            if let Some((_, member)) = meaning.filter(|(_, member)| *member != Member::Model || !is_idle(found)) {
                let read = self.member(*member, found).and_then(|()| self.judge(found.name, allows));
                read.unwrap_or_else(|what| self.fault(found.name, what));
            }
        }
        // What is free is the same whatever it asks for.
        let others = if format.is_free { &[] } else { node.members() };
        for member in others.iter().filter(|member| found.iter().all(|found| !member.is(found.name))) {
            let name = member.name();
            self.reader().setting(&members::folded(&name), &member.value);
            self.judge(&name, allows).unwrap_or_else(|what| self.fault(&members::escaped(&name), what));
        }
        self.asked.answers = self.asked.answers.max(self.asked.look.answers);
        self.lists.multiply(&mut self.asked);
        self.name_models(path);
        self.unasked_tiers(found);
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
        let needs_one = self.asked.models.is_empty() && !self.asked.format.is_free;
        if needs_one && self.faults.iter().all(|fault| fault.pointer != "/model") {
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
        if let Some(what) = look.sound.take() {
            self.need(Need::SoundIn, name, &format!("has sound ({what})"));
        }
        let look = &mut self.asked.look;
        if let Some(what) = look.without_size.take() {
            let fault = || Fault::new(format!("/{}", members::escaped(name)), format!("has a part of type {what}"));
            self.asked.without_size.get_or_insert_with(fault);
        }
        if let Some(what) = look.unpriced.take() {
            return Err(format!("has what no price applies to: {what}"));
        }
        for (member, tier) in std::mem::take(&mut look.tiers) {
            let is_it = |(known, _): &&(&str, Member)| known.eq_ignore_ascii_case(&member);
            if let Some((_, Member::Tier { standard, .. })) = self.asked.format.members.iter().find(is_it) {
                let pointer = format!("/{}", members::escaped(name));
                self.asked.ask_for_tier(&tier.to_ascii_lowercase(), standard, pointer);
            }
        }
        let look = &mut self.asked.look;
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
            Member::Model => {
                self.asked.models.insert(0, model(value)?);
                self.asked.model_at = Place::Json(value.place(self.text));
            }
            Member::OutputBound => self.output_bound(found.name, value, 1)?,
            Member::OutputBoundOrNone | Member::OutputBoundOr(_) => self.output_bound(found.name, value, 0)?,
            Member::Settings if value.is_null() => {
                self.asked.settings.get_or_insert_with(|| Settings::Null(value.place(self.text)));
            }
            _ if value.is_null() => {}
            Member::OtherModels => self.reader().setting(found.name, value),
            Member::Prompt if found.name.contains("cache") => self.reader().setting(found.name, value),
            Member::Images if value.is_list() => {
                value.items().iter().for_each(|image| self.reader().image(found.name, image));
            }
            Member::Images => self.reader().image(found.name, value),
            Member::Spoken => {
                let text = value.string().ok_or("must be a text")?;
                let characters = u64::try_from(text.chars().count()).unwrap_or(u64::MAX);
                self.asked.look.characters = self.asked.look.characters.max(characters);
                self.reader().content(value);
            }
            Member::Words if value.is_object() => self.reader().setting(found.name, value),
            Member::Prompt | Member::Words => {
                self.reader().content(value);
                // What only reads takes an image by its mere URL.
                if !self.asked.format.writes() {
                    self.reader().links(value);
                }
            }
            Member::Prompts | Member::Query | Member::Documents => self.list(member, value),
            Member::Tools => self.reader().tools(value)?,
            Member::Settings => self.settings(value)?,
            Member::Answers => self.asked.answers = self.asked.answers.max(whole(value, MAX_ANSWERS)?),
            Member::Stream => self.asked.is_stream = value.bool().ok_or("must be true or false")?,
            Member::Thinking => {
                self.asked.thinking_tokens = value.get("budget_tokens").and_then(Node::whole).unwrap_or(0);
                self.reader().setting(found.name, value);
            }
            Member::Predicted => {
                self.reader().content(value);
                self.asked.predicted_bytes = u64::try_from(value.raw.len()).unwrap_or(u64::MAX);
            }
            Member::Elsewhere if is_empty(value) => {}
            Member::Elsewhere => {
                let fault = || Fault::new(format!("/{}", found.name), "names a prompt that is kept elsewhere");
                self.asked.without_size.get_or_insert_with(fault);
            }
            Member::Tier { standard, .. } => self.service_tier(found.name, value, standard)?,
            Member::Modalities => self.modalities(found.name, value)?,
            Member::Sound => self.need(Need::SoundOut, found.name, "asks for sound"),
            Member::Tool(_) if is_off(value) => {}
            Member::Tool(name) => self.reader().provider_tool(ProviderTool::new(name, value)),
            Member::Plugins(known) => self.plugins(value, known)?,
            Member::Context => self.context(value)?,
            Member::Container => self.container(value)?,
            Member::NeverTrue(why) if value.bool().ok_or("must be true or false")? => {
                return Err(why.into());
            }
            // The options are read at the end, when it is known whether there is a stream.
            Member::NeverTrue(_) | Member::StreamOptions | Member::Own => {}
        }
        Ok(())
    }

    fn list(&mut self, member: Member, value: &Node<'_>) {
        let before = self.asked.look.tokens;
        self.reader().content(value);
        self.lists.add(member, value, self.asked.look.tokens.saturating_sub(before));
    }

    fn output_bound(&mut self, name: &'static str, value: &Node<'_>, least: u64) -> Result<(), String> {
        // Of local servers -1 is no bound.
        let is_open = value.is_null() || value.raw == OPEN;
        let tokens = if is_open { None } else { Some(whole_from(least, value, u64::MAX)?.min(MAX_TOKENS)) };
        self.asked.output_bounds.push(OutputBound { name, at: value.place(self.text), tokens });
        Ok(())
    }

    /// An object with the bound and the number of answers in it.
    fn settings(&mut self, settings: &Node<'_>) -> Result<(), String> {
        if !settings.is_object() {
            return Err("must be an object".into());
        }
        if matches!(self.asked.settings, Some(Settings::Object { .. })) {
            return Err("is there under two names".into());
        }
        self.asked.settings =
            Some(Settings::Object { at: settings.place(self.text), is_empty: settings.members().is_empty() });
        let bound = self.asked.format.output_bound.unwrap_or_default();
        for member in settings.members() {
            // Each field has two names (ProtoJSON): `maxOutputTokens` and `max_output_tokens`.
            let plain = |name: &str| members::folded(name).replace('_', "");
            let (name, value) = (member.name(), &member.value);
            match plain(&name) {
                same if same == plain(bound) => self.output_bound(bound, value, 1)?,
                _ if value.is_null() => {}
                same if same == "candidatecount" => {
                    self.asked.answers = self.asked.answers.max(whole(value, MAX_ANSWERS)?);
                }
                same if same == "responsemodalities" => self.modalities(&name, value)?,
                _ => {}
            }
        }
        Ok(())
    }

    /// A use that the price must have a rate for.
    fn need(&mut self, need: Need, name: &str, what: &str) {
        self.asked.needs.push((need, Fault::new(format!("/{}", members::escaped(name)), what)));
    }

    fn modalities(&mut self, name: &str, list: &Node<'_>) -> Result<(), String> {
        let kinds = texts(list)?;
        self.asked.modalities = self.asked.modalities.max(kinds.len());
        for kind in kinds {
            match kind.to_ascii_lowercase().as_str() {
                "text" => {}
                "audio" => self.need(Need::SoundOut, name, "asks for sound"),
                "image" => self.need(Need::ImagesOut, name, "asks for images"),
                _ => return Err("must be some of text, audio and image: nothing else has a price here".into()),
            }
        }
        Ok(())
    }

    /// A service tier besides the standard ones must have a price. `auto` leaves the choice to the provider, as none does.
    /// Bedrock has its tiers in objects.
    fn service_tier(&mut self, name: &str, value: &Node<'_>, standard: &[&str]) -> Result<(), String> {
        let value = ["type", "latency"].iter().find_map(|name| value.get(name)).unwrap_or(value);
        let given = value.string().ok_or("must be a text")?.to_ascii_lowercase();
        let given = given.strip_prefix("service_tier_").unwrap_or(&given);
        self.asked.ask_for_tier(given, standard, format!("/{}", members::escaped(name)));
        Ok(())
    }

    /// What a provider may choose where the request leaves it the choice.
    fn unasked_tiers(&mut self, found: &[Found<'_, '_>]) {
        for (name, member) in self.asked.format.members {
            let leaves_it = |value: &Node<'_>| value.is_null() || value.string().is_some_and(|tier| tier == "auto");
            let is_given = found.iter().any(|found| found.name == *name && !leaves_it(found.value));
            if let Member::Tier { unasked, .. } = member
                && !is_given
            {
                self.asked.service_tiers.extend(unasked.iter().map(|tier| (*tier).to_owned()));
            }
        }
    }
}
