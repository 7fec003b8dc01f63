//! What a request asks for, as far as it says what the call may take. It is read once: what limits take in advance and
//! what is held both come from here.

use std::ops::Range;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{
    Format, MAX_TOKENS, Member,
    edit::Edit,
    members::{self, Found},
    prompt::{self, Look},
    text,
};
use crate::domain::{price::spec::MAX_MODEL_BYTES, refusal::Fault};

/// Tokens that limits take in advance for an answer whose request sets no bound.
const UNBOUNDED_OUTPUT_TOKENS: u64 = 1_024;

/// The most answers to one request.
const MAX_ANSWERS: u64 = 128;

const STREAM_OPTIONS: &str = "stream_options";
const INCLUDE_USAGE: &str = "include_usage";

/// A request to a model.
pub struct Asked {
    pub(super) format: &'static dyn Format,
    pub(super) body: Bytes,
    /// Where the object stands in the body.
    pub(super) object: Range<usize>,
    model: String,
    /// Each bound on the answer that the request has, null or not.
    pub(super) output_bounds: Vec<OutputBound>,
    pub(super) answers: u64,
    pub(super) has_tools: bool,
    pub(super) predicted_bytes: u64,
    /// What the bytes of the request do not bound.
    pub(super) without_size: Option<Fault>,
    pub(super) estimated_input_tokens: u64,
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
    /// Reads a request; the error names every fault.
    pub fn read(format: &'static dyn Format, body: Bytes) -> Result<Self, Vec<Fault>> {
        let text = body.clone();
        let known = |name: &str| format.members().iter().map(|(known, _)| *known).find(|known| *known == name);
        let members = members::find(&text, known, "").map_err(|fault| vec![fault])?;
        let start = text.len().saturating_sub(text.trim_ascii_start().len());
        let asked = Self {
            format,
            object: start..text.trim_ascii_end().len(),
            model: String::new(),
            output_bounds: vec![],
            answers: 1,
            has_tools: false,
            predicted_bytes: 0,
            without_size: None,
            estimated_input_tokens: text::tokens(&text),
            wish_for_usage: None,
            tier: None,
            body,
        };
        Reader { asked, is_stream: false, faults: vec![] }.read(&members)
    }

    /// As the request names it.
    #[must_use]
    pub fn model(&self) -> &str {
        &self.model
    }

    /// About how many tokens the call will take; at least 1.
    #[must_use]
    pub fn estimated_tokens(&self) -> u64 {
        let each = self.output_bounds.iter().filter_map(|bound| bound.tokens).max();
        let each = self.format.output_bound().map_or(0, |_| each.unwrap_or(UNBOUNDED_OUTPUT_TOKENS));
        self.estimated_input_tokens.saturating_add(each.saturating_mul(self.answers)).max(1)
    }
}

struct Reader {
    asked: Asked,
    is_stream: bool,
    faults: Vec<Fault>,
}

impl Reader {
    fn read(mut self, members: &[Found<'_>]) -> Result<Asked, Vec<Fault>> {
        let format = self.asked.format;
        for found in members {
            let meaning = format.members().iter().find(|(name, _)| *name == found.name);
            if let Some((_, member)) = meaning
                && let Err(what) = self.member(*member, found)
            {
                self.fault(found, what);
            }
        }
        if !members.iter().any(|found| found.name == "model") {
            self.faults.push(Fault::new("/model", "must be there"));
        }
        self.ask_for_usage(members.iter().find(|found| found.name == STREAM_OPTIONS));
        if self.faults.is_empty() { Ok(self.asked) } else { Err(self.faults) }
    }

    fn fault(&mut self, found: &Found<'_>, what: String) {
        self.faults.push(Fault::new(format!("/{}", found.name), what));
    }

    /// The error is what is wrong with the member.
    fn member(&mut self, member: Member, found: &Found<'_>) -> Result<(), String> {
        let asked = &mut self.asked;
        match member {
            Member::Model => asked.model = model(found)?,
            Member::OutputBound => {
                let tokens = if found.is_null() { None } else { Some(whole(found, MAX_TOKENS)?) };
                asked.output_bounds.push(OutputBound { name: found.name, at: found.at.clone(), tokens });
            }
            _ if found.is_null() => {}
            Member::Prompt => self.prompt(found)?,
            Member::Tools(kinds) => {
                asked.has_tools = true;
                tools(found, kinds)?;
                self.look(found)?;
            }
            Member::Answers => asked.answers = asked.answers.max(whole(found, MAX_ANSWERS)?),
            Member::Stream => self.is_stream = of_type::<bool>(found, "must be true or false")?,
            Member::Predicted => {
                self.prompt(found)?;
                self.asked.predicted_bytes = u64::try_from(found.value.get().len()).unwrap_or(u64::MAX);
            }
            Member::Elsewhere => self.without_size(found, "names a prompt that is kept elsewhere".into()),
            Member::OneOf(words) => one_of(&of_type::<String>(found, "must be a text")?, words)?,
            Member::Tier(words) => asked.tier = tier(found, words)?,
            Member::EachOf(words) => {
                let given = of_type::<Vec<String>>(found, "must be a list of texts")?;
                given.iter().try_for_each(|word| one_of(word, words))?;
            }
            Member::Never(why) => return Err(why.into()),
            Member::NeverTrue(why) if of_type(found, "must be true or false")? => return Err(why.into()),
            // The options are read at the end, when it is known whether there is a stream.
            Member::NeverTrue(_) | Member::StreamOptions => {}
        }
        Ok(())
    }

    fn prompt(&mut self, found: &Found<'_>) -> Result<(), String> {
        if let Some(what) = self.look(found)? {
            self.without_size(found, format!("has a part of type {what}"));
        }
        Ok(())
    }

    /// The first part that may have more tokens than bytes.
    fn look(&self, found: &Found<'_>) -> Result<Option<String>, String> {
        let look = prompt::look(found.value.get(), self.asked.format.content());
        let Look { without_size, priceless } = look.map_err(|error| format!("cannot be read: {error}"))?;
        match priceless {
            None => Ok(without_size),
            Some(what) => Err(format!("has a part that no price speaks of: {what}")),
        }
    }

    fn without_size(&mut self, found: &Found<'_>, what: String) {
        self.asked.without_size.get_or_insert_with(|| Fault::new(format!("/{}", found.name), what));
    }

    /// A stream of OpenAI chat completions states its usage only where the request asks for it.
    fn ask_for_usage(&mut self, options: Option<&Found<'_>>) {
        let format = self.asked.format;
        let may_ask = format.members().iter().any(|(_, member)| *member == Member::StreamOptions);
        if !self.is_stream || !may_ask {
            return;
        }
        match wish(options, &self.asked.object) {
            Ok(edit) => self.asked.wish_for_usage = edit,
            Err(fault) => self.faults.push(fault),
        }
    }
}

/// What has to be written into a request so that it asks for usage; nothing where it does.
fn wish(options: Option<&Found<'_>>, object: &Range<usize>) -> Result<Option<Edit>, Fault> {
    let whole = || format!("{{\"{INCLUDE_USAGE}\":true}}");
    let Some(options) = options else {
        return Ok(Some(Edit::append(object, STREAM_OPTIONS, &whole())));
    };
    if options.is_null() {
        return Ok(Some(Edit { at: options.at.clone(), text: whole() }));
    }
    let json = options.value.get();
    let pointer = format!("/{STREAM_OPTIONS}");
    let known = |name: &str| (name == INCLUDE_USAGE).then_some(INCLUDE_USAGE);
    let found = members::find(json.as_bytes(), known, &pointer)?;
    let is_empty = json.bytes().filter(|byte| !byte.is_ascii_whitespace()).count() == 2;
    Ok(match found.first() {
        None if is_empty => Some(Edit { at: options.at.clone(), text: whole() }),
        None => Some(Edit::append(&options.at, INCLUDE_USAGE, "true")),
        Some(given) => match given.value.get() {
            "true" => None,
            "false" | "null" => {
                let start = options.at.start;
                let at = start.saturating_add(given.at.start)..start.saturating_add(given.at.end);
                Some(Edit { at, text: "true".into() })
            }
            _ => return Err(Fault::new(format!("{pointer}/{INCLUDE_USAGE}"), "must be true or false")),
        },
    })
}

fn of_type<'j, T: Deserialize<'j>>(found: &Found<'j>, otherwise: &str) -> Result<T, String> {
    serde_json::from_str(found.value.get()).map_err(|_| otherwise.to_owned())
}

/// A plain number from 1.
fn whole(found: &Found<'_>, max: u64) -> Result<u64, String> {
    let otherwise = format!("must be a whole number from 1 to {max}");
    let number = of_type::<u64>(found, &otherwise)?;
    if (1..=max).contains(&number) { Ok(number) } else { Err(otherwise) }
}

fn model(found: &Found<'_>) -> Result<String, String> {
    let otherwise = format!("must be a text of 1 to {MAX_MODEL_BYTES} bytes without control characters");
    let model = of_type::<String>(found, &otherwise)?;
    let is_name = (1..=MAX_MODEL_BYTES).contains(&model.len()) && !model.chars().any(char::is_control);
    if is_name { Ok(model) } else { Err(otherwise) }
}

fn one_of(word: &str, words: &[&str]) -> Result<(), String> {
    let known = words.contains(&word);
    if known { Ok(()) } else { Err(format!("must be {}: nothing else has a price here", words.join(" or "))) }
}

/// What has to be written so that the tier is one of `words`.
fn tier(found: &Found<'_>, words: &[&str]) -> Result<Option<Edit>, String> {
    let given = of_type::<String>(found, "must be a text")?;
    if given != "auto" {
        return one_of(&given, words).map(|()| None);
    }
    Ok(words.first().map(|word| Edit { at: found.at.clone(), text: format!("\"{word}\"") }))
}

/// A tool that its provider runs may read and bill what no request shows. One without a type is `custom`.
fn tools(found: &Found<'_>, kinds: &[&str]) -> Result<(), String> {
    for tool in of_type::<Vec<&RawValue>>(found, "must be a list")? {
        let known = |name: &str| (name == "type").then_some("type");
        let members = members::find(tool.get().as_bytes(), known, "").map_err(|fault| fault.detail)?;
        let kind =
            members.first().map_or(Ok("custom".into()), |kind| of_type::<String>(kind, "must have types in text"))?;
        if !kinds.contains(&&*kind) {
            let kinds = kinds.join(" or ");
            return Err(format!("may only have tools of type {kinds}: what others take has no price here"));
        }
    }
    Ok(())
}
