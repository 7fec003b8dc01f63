//! OpenAI embeddings: <https://platform.openai.com/docs/api-reference/embeddings>. Only what is read is billed. Texts given as
//! numbers of tokens have more bytes than tokens as well.

use serde_json::Value;

use super::{
    Content, Format, Member,
    statement::{Count, Stated},
};

pub(super) struct OpenaiEmbeddings;

const MEMBERS: &[(&str, Member)] = &[("model", Member::Model), ("input", Member::Prompt)];

const CONTENT: Content = Content { sized: &["text"], priceless: &["input_audio", "audio_url"], own: &[] };

impl Format for OpenaiEmbeddings {
    fn members(&self) -> &'static [(&'static str, Member)] {
        MEMBERS
    }

    fn content(&self) -> &'static Content {
        &CONTENT
    }

    fn output_bound(&self) -> Option<&'static str> {
        None
    }

    fn written(&self) -> &'static [&'static str] {
        &[]
    }

    fn stated(&self, usage: &Value) -> Stated {
        Stated { input: Count::at(usage, "/prompt_tokens"), ..Stated::default() }
    }
}
