//! One recursive reading of what a request has in it, wherever it stands: content, tools, cache rules, names of models.
//!
//! It finds whether bytes bound the tokens, and about how many there are. Bytes do bound them for text, whatever the
//! vocabulary: each token stands for a byte at least. They do not for an image, which has a bound of its own, nor for a
//! file or anything that is only named and kept elsewhere. What is not known to be text is taken for such.

mod data;
mod links;
mod media;
mod switches;

use std::borrow::Cow;

use self::{
    data::{is_data, is_described, is_names, is_schema, numbers},
    media::{is_image, media_type},
};
use super::{
    format::{About, Content, Ttl},
    json::{Kind, Member, Node},
    members::folded,
    text,
    tools::{self, ProviderTool},
    written::json_tokens,
};

/// About the tokens of an image: one of 1,024 pixels a side takes 765 (`OpenAI`) to 1,400 (Anthropic).
const IMAGE_TOKENS: u64 = 1_080;

/// About the tokens of a file without its bytes, and the bytes of base64 that make one token more.
const FILE_TOKENS: u64 = 500;
const FILE_BYTES_A_TOKEN: usize = 48;

/// Members of a part with the bytes of a sound in them.
const SOUND_DATA: [&str; 3] = ["data", "bytes", "source"];

/// How long the shorter of the provider's cache entries live.
const SHORT_SECONDS: u64 = 300;

/// No tool of any format has nearly as many: each may name a kind, which is looked for in all of them.
const MAX_TOOL_MEMBERS: usize = 100;

/// About the tokens of the frame of a message.
const MESSAGE_TOKENS: u64 = 4;

/// Members of a part that is an image by its type which hold it.
const IMAGE_DATA: [&str; 4] = ["source", "file_id", "url", "result"];

/// An image that the provider has made, which may be named without being here.
const MADE_IMAGE: &str = "image_generation_call";

/// Types of a `source` that is a text.
const INLINE: [&str; 2] = ["text", "content"];

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Look {
    /// About its tokens.
    pub tokens: u64,
    pub images: u64,
    /// Of the text that is to be spoken.
    pub characters: u64,
    /// Bytes that bound no tokens: those of images, files and sound.
    pub data_bytes: u64,
    /// Of these, the bytes of sound.
    pub sound_bytes: u64,
    /// A part that may have more tokens than bytes.
    pub without_size: Option<String>,
    /// A part that is sound.
    pub sound: Option<String>,
    /// Whether it has a film, in which there may be sound.
    pub has_video: bool,
    /// What has no price.
    pub unpriced: Option<String>,
    pub has_tools: bool,
    /// Tools that the provider runs.
    pub provider_tools: Vec<ProviderTool>,
    /// Whether cache entries are written that live for an hour.
    pub has_long_cache: bool,
    /// Other models that may serve.
    pub models: Vec<String>,
    /// The longest answer that is allowed under names which are not the format's own, or for these models.
    pub bound_tokens: Option<u64>,
    /// How many answers are asked for outside of the members of the format; 0 where nothing says so.
    pub answers: u64,
    /// Members that ask for a service tier where these models serve, each with its value.
    pub tiers: Vec<(String, String)>,
}

/// What is read of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum As {
    /// A text is one that the model reads.
    Text,
    /// Texts are names and settings.
    Frame,
    /// It is no content: only tools, cache rules and names of models are looked for.
    Setting,
    /// It is a rule of a cache.
    Cache,
}

impl Look {
    /// Files of a form: images, or sound.
    pub fn files(&mut self, about: About, files: u64, bytes: u64) {
        self.data_bytes = self.data_bytes.saturating_add(bytes);
        if about == About::Transcripts {
            self.sound_bytes = self.sound_bytes.saturating_add(bytes);
        } else {
            self.images = self.images.saturating_add(files);
            self.tokens = self.tokens.saturating_add(files.saturating_mul(IMAGE_TOKENS));
        }
    }
}

pub(super) struct Reader<'l> {
    pub content: &'static Content,
    pub look: &'l mut Look,
}

impl Reader<'_> {
    /// Reads content that the model reads.
    pub fn content(&mut self, value: &Node<'_>) {
        self.value(value, As::Text);
    }

    /// Reads what is no content.
    pub fn setting(&mut self, name: &str, value: &Node<'_>) {
        self.member(name, value, As::Setting);
    }

    /// Reads a list of tools; the error is what is wrong with it.
    pub fn tools(&mut self, list: &Node<'_>) -> Result<(), String> {
        // One that stands alone is a list of one (ProtoJSON).
        let is_one = !list.members().is_empty();
        let tools = if is_one { std::slice::from_ref(list) } else { list.items() };
        if !list.is_list() && !is_one {
            return Err("must be a list".into());
        }
        self.look.has_tools = true;
        self.add(json_tokens(list));
        tools.iter().try_for_each(|tool| self.tool(tool))
    }

    /// A tool without a type is `custom`, or is named by its one member.
    fn tool(&mut self, tool: &Node<'_>) -> Result<(), String> {
        if !tool.is_object() {
            return Err("must have objects".into());
        }
        if tool.members().len() > MAX_TOOL_MEMBERS {
            return Err(format!("has a tool with more than {MAX_TOOL_MEMBERS} members"));
        }
        for kind in tools::kinds(self.content.tools, tool)? {
            let asked = ProviderTool::new(&kind, tool);
            if asked.is_model() {
                self.look.models.extend(tools::models(tool));
            }
            self.provider_tool(asked);
        }
        for Found { name, value } in members(tool) {
            match &*name {
                "tools" => value.items().iter().try_for_each(|tool| self.tool(tool))?,
                name if is_one(self.content.json, name) => {}
                name => self.member(name, value, As::Setting),
            }
        }
        Ok(())
    }

    fn add(&mut self, tokens: u64) {
        self.look.tokens = self.look.tokens.saturating_add(tokens);
    }

    fn value(&mut self, value: &Node<'_>, read: As) {
        match &value.kind {
            Kind::Text if read == As::Text => self.add(value.text().map_or(0, |text| text::tokens(&text))),
            Kind::List(items) => {
                if read == As::Text {
                    self.add(numbers(value.raw, items));
                }
                for item in items {
                    self.value(item, read);
                }
            }
            Kind::Object(_) => self.object(value, read),
            Kind::Text | Kind::Null | Kind::Bool(_) | Kind::Number => {}
        }
    }

    fn object(&mut self, object: &Node<'_>, read: As) {
        let is_content = matches!(read, As::Text | As::Frame);
        let is_image = is_content && self.judge(object);
        let is_schema = read == As::Setting && is_schema(object);
        let mut is_said = false;
        for Found { name, value } in members(object) {
            if is_image && self.holds_image(&name) {
                self.data(value);
            } else if is_schema && is_described(&name) {
                // It is as good as absent.
            } else if is_content && is_said && is_one(self.content.same, &name) {
                // One text under a second name.
                self.value(value, As::Frame);
            } else if is_content && is_one(self.content.same, &name) {
                let before = self.look.tokens;
                self.member(&name, value, read);
                is_said = self.look.tokens > before;
            } else {
                self.member(&name, value, read);
            }
        }
    }

    fn holds_image(&self, name: &str) -> bool {
        is_one(self.content.images, name) || is_one(&IMAGE_DATA, name)
    }

    /// Judges a part by its type, and says whether it is an image.
    fn judge(&mut self, part: &Node<'_>) -> bool {
        let mut types = members(part).filter(|found| found.name == "type").peekable();
        let mut images = 0_u64;
        if types.peek().is_some() {
            let data = || members(part).filter(|found| self.holds_image(&found.name) && !found.value.is_null());
            let (has_data, is_other) = (data().next().is_some(), data().any(|found| !is_image(found.value)));
            let is_inline = part.get("source").is_some_and(is_inline);
            let is_named = !members(part).any(|found| found.name == "result");
            for Found { value, .. } in types {
                let kind = value.string().unwrap_or_else(|| "unknown".into());
                let kind = kind.as_str();
                if self.content.sounds.contains(&kind) {
                    self.look.sound.get_or_insert_with(|| shortened(kind));
                } else if self.content.images.contains(&kind)
                    && (has_data || (is_named && kind == MADE_IMAGE))
                    && !is_other
                {
                    images = 1;
                } else if !self.content.sized.contains(&kind) && !is_inline {
                    self.without_size(kind);
                }
            }
        }
        if members(part).any(|found| found.name == "role" && !found.value.is_null()) {
            self.add(MESSAGE_TOKENS);
        }
        self.look.images = self.look.images.saturating_add(images);
        self.add(IMAGE_TOKENS.saturating_mul(images));
        images > 0
    }

    fn member(&mut self, name: &str, value: &Node<'_>, read: As) {
        let is = |names: &[&str]| is_one(names, name);
        match name {
            _ if value.is_null() => {}
            "type" => {}
            _ if read == As::Setting && is_data(name) => {}
            "ttl" if read == As::Cache => self.ttl(value),
            _ if read == As::Cache || is_cache_rule(name) => self.value(value, As::Cache),
            "tools" if is_names(value) => self.named_tools(value),
            "tools" if value.is_list() => {
                if let Err(fault) = self.tools(value) {
                    self.unpriced(&format!("tools that cannot be read ({fault})"));
                }
            }
            _ if read == As::Setting && self.switch(name, value) => {}
            _ if is(self.content.own) => {}
            _ if is(self.content.json) && read == As::Setting => {}
            _ if is(self.content.json) => self.add(json_tokens(value)),
            _ if read == As::Setting => self.value(value, As::Setting),
            _ if is(self.content.sounds) => self.sound(name, value),
            _ if is(self.content.images) && value.is_list() => {
                value.items().iter().for_each(|image| self.image(name, image));
            }
            _ if is(self.content.images) => self.image(name, value),
            "source" | "data" if is_inline(value) => self.inline(value),
            "source" if value.is_object() => self.reference(name, value),
            _ if is(self.content.references) => self.reference(name, value),
            _ if is(self.content.texts) => self.value(value, As::Text),
            _ => self.value(value, As::Frame),
        }
    }

    /// A source that has its text in it.
    fn inline(&mut self, source: &Node<'_>) {
        for Found { name, value } in members(source) {
            if name == "data" { self.value(value, As::Text) } else { self.member(&name, value, As::Text) }
        }
    }

    /// The data of an image. Where no type says that it is one, its name does.
    pub fn image(&mut self, name: &str, value: &Node<'_>) {
        match media_type(value).as_deref() {
            Some(kind) if kind.starts_with("audio/") => return self.sound(name, value),
            Some(kind) if !kind.starts_with("image/") => return self.reference(name, value),
            _ => {}
        }
        self.look.images = self.look.images.saturating_add(1);
        self.data(value);
        self.add(IMAGE_TOKENS);
    }

    /// A sound, where its bytes are here, in base64, and not only named.
    fn sound(&mut self, name: &str, value: &Node<'_>) {
        self.look.sound.get_or_insert_with(|| shortened(name));
        let has_bytes = |value: &Node<'_>| members(value).any(|found| is_one(&SOUND_DATA, &found.name));
        let url = value.get("url").unwrap_or(value).string();
        if has_bytes(value) || url.is_some_and(|url| url.starts_with("data:")) {
            self.data(value);
            let bytes = u64::try_from(value.raw.len()).unwrap_or(u64::MAX) / 4 * 3;
            self.look.sound_bytes = self.look.sound_bytes.saturating_add(bytes);
        } else {
            self.reference(name, value);
        }
        if value.get("source").is_some_and(|source| source.get("s3Location").is_some()) {
            self.without_size("s3Location");
        }
    }

    /// A file, or what is kept elsewhere.
    fn reference(&mut self, name: &str, value: &Node<'_>) {
        let kind = media_type(value).unwrap_or_default();
        if kind.starts_with("audio/") {
            self.look.sound.get_or_insert_with(|| shortened(name));
        }
        // Gemini takes a film by its mere address: `https://www.youtube.com/watch?v=ID`.
        let may_be_film = kind.is_empty() && matches!(name, "filedata" | "file_data");
        self.look.has_video |= may_be_film || kind.starts_with("video/");
        self.without_size(name);
        self.data(value);
        self.add(FILE_TOKENS.saturating_add(u64::try_from(value.raw.len() / FILE_BYTES_A_TOKEN).unwrap_or(u64::MAX)));
    }

    fn data(&mut self, value: &Node<'_>) {
        let bytes = u64::try_from(value.raw.len()).unwrap_or(u64::MAX);
        self.look.data_bytes = self.look.data_bytes.saturating_add(bytes);
    }

    fn ttl(&mut self, ttl: &Node<'_>) {
        // A number of seconds is of a cache before the provider's; one of these may ask for the provider's longest.
        if let Some(seconds) = ttl.whole() {
            self.look.has_long_cache |= seconds > SHORT_SECONDS;
            return;
        }
        let ttl = ttl.string().unwrap_or_else(|| "an unknown time".into());
        match self.content.ttls.iter().find(|(known, _)| *known == ttl) {
            Some((_, Ttl::Short)) => {}
            Some((_, Ttl::Long)) => self.look.has_long_cache = true,
            None => self.unpriced(&format!("a cache entry that lives for {ttl}")),
        }
    }

    fn without_size(&mut self, what: &str) {
        self.look.without_size.get_or_insert_with(|| shortened(what));
    }

    fn unpriced(&mut self, what: &str) {
        self.look.unpriced.get_or_insert_with(|| shortened(what));
    }
}

/// A member by the name that a parser without regard to case sees.
struct Found<'n, 'j> {
    name: Cow<'j, str>,
    value: &'n Node<'j>,
}

fn members<'n, 'j>(object: &'n Node<'j>) -> impl Iterator<Item = Found<'n, 'j>> {
    object.members().iter().map(|member: &Member<'j>| {
        let name = match member.name() {
            Cow::Borrowed(name) => folded(name),
            Cow::Owned(name) => Cow::Owned(folded(&name).into_owned()),
        };
        Found { name, value: &member.value }
    })
}

/// Whether a member with this name is a rule of the provider's cache. `cache` alone is one of the caller's own gateway, and
/// content that is cached is no rule.
fn is_cache_rule(name: &str) -> bool {
    name.contains("cache") && !matches!(name, "cache" | "cached_content" | "cachedcontent")
}

/// Whether a source has its text in it.
fn is_inline(source: &Node<'_>) -> bool {
    let mut kinds = members(source).filter(|found| found.name == "type").peekable();
    kinds.peek().is_some() && kinds.all(|kind| kind.value.string().is_some_and(|kind| INLINE.contains(&kind.as_str())))
}

/// Whether a folded name is one of these.
fn is_one(names: &[&str], name: &str) -> bool {
    names.iter().any(|known| known.eq_ignore_ascii_case(name))
}

fn shortened(what: &str) -> String {
    what.chars().take(64).collect()
}
