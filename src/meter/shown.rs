//! What of an answer is images and sound: about their tokens, where the answer ends before it states them.

use super::{
    format::{About, Format},
    json::Node,
    path::{Path, paths},
    sound,
};

/// About the tokens of an image that a model draws beside its text: Gemini's 1,290
/// (<https://ai.google.dev/gemini-api/docs/pricing>).
const DRAWN_TOKENS: u64 = 1_290;

/// The same of an endpoint of images: gpt-image-1's 4,160 of a square one in high quality
/// (<https://platform.openai.com/docs/guides/image-generation>).
const DRAWN_ALONE_TOKENS: u64 = 4_160;

/// Where Gemini has data of some media type.
const DATA: &[Path] = paths![
    "candidates/*/content/parts/*/inlineData",
    "candidates/*/content/parts/*/inline_data",
    "response/candidates/*/content/parts/*/inlineData",
];

/// Where an answer has an image, of `OpenRouter` and Bedrock.
const IMAGES: &[Path] =
    paths!["choices/*/delta/images/*", "choices/*/message/images/*", "output/message/content/*/image", "delta/image"];

/// Parts of content that are images by their types.
const PARTS: &[Path] = paths!["choices/*/delta/content/*", "choices/*/message/content/*"];
const IMAGE_TYPES: [&[u8]; 3] = [b"\"image\"", b"\"image_url\"", b"\"output_image\""];

/// Where a stream has sound, which is never compressed there, and where a whole answer has.
const STREAMED_SOUND: Path = Path::of("choices/*/delta/audio/data");
const SOUND: Path = Path::of("choices/*/message/audio/data");

/// Events whose `delta` is sound.
const SOUND_EVENTS: [&[u8]; 2] = [b"\"response.audio.delta\"", b"\"response.output_audio.delta\""];

/// How the types of events end that show an image before it is done.
const PREVIEW: &[u8] = b".partial_image\"";

/// Members with the data of an image or a sound.
const DATA_MEMBERS: [&[u8]; 4] = [b"b64_json", b"data", b"image", b"url"];

/// The images and the sound of an answer, or of a part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Shown {
    images: u64,
    /// Whether an image was shown before it was done.
    has_preview: bool,
    /// The bytes of the sound, as if it were not compressed.
    sound_bytes: u64,
}

impl Shown {
    /// What an answer, or an event of one, has.
    pub fn of(answer: &Node<'_>) -> Self {
        let mut shown = Self::default();
        for data in DATA.iter().flat_map(|path| path.values(answer)) {
            let kind = data.get("mimeType").or_else(|| data.get("mime_type")).and_then(Node::string);
            match kind.filter(|kind| kind.starts_with("audio/")) {
                Some(kind) => shown.add_sound(data.get("data"), is_plain(&kind)),
                None => shown.add_images(1),
            }
        }
        shown.add_images(IMAGES.iter().map(|path| path.values(answer).len()).sum());
        let parts = PARTS.iter().flat_map(|path| path.values(answer));
        let is_image = |part: &&Node<'_>| part.get("type").is_some_and(|kind| IMAGE_TYPES.contains(&kind.raw));
        shown.add_images(parts.filter(is_image).count());
        STREAMED_SOUND.values(answer).into_iter().for_each(|data| shown.add_sound(Some(data), true));
        SOUND.values(answer).into_iter().for_each(|data| shown.add_sound(Some(data), false));
        let kind = answer.get("type").map(|kind| kind.raw).unwrap_or_default();
        if SOUND_EVENTS.contains(&kind) {
            shown.add_sound(answer.get("delta"), true);
        }
        shown.has_preview = kind.ends_with(PREVIEW);
        shown
    }

    /// What the data is that stands in an answer which is too long to be kept; `speaks` where its request asks for sound.
    pub fn of_data((texts, bytes): (u64, u64), speaks: bool) -> Self {
        if texts == 0 {
            Self::default()
        } else if speaks {
            Self { sound_bytes: bytes, ..Self::default() }
        } else {
            Self { images: texts, ..Self::default() }
        }
    }

    /// Whether a member of this name may have such data in an answer of the format. Elsewhere `data` is a thought that is sealed.
    pub fn may_be_in(format: &Format, name: &[u8]) -> bool {
        let has_media = format.about == About::Images
            || format.written.roots.iter().any(|root| matches!(*root, "choices" | "candidates"));
        has_media && DATA_MEMBERS.contains(&name)
    }

    /// Whether there is nothing of either.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }

    /// This, and what came before.
    pub const fn and(self, before: Self) -> Self {
        Self {
            images: self.images.saturating_add(before.images),
            has_preview: self.has_preview || before.has_preview,
            sound_bytes: self.sound_bytes.saturating_add(before.sound_bytes),
        }
    }

    /// About the tokens of its images. An endpoint of images has made as many as are counted there, of which some were perhaps
    /// shown before they were done.
    pub fn image_tokens(&self, about: About, made: u64) -> u64 {
        let drawn = self.images.max(u64::from(self.has_preview));
        match about {
            About::Images => drawn.min(1).max(made).saturating_mul(DRAWN_ALONE_TOKENS),
            About::Text | About::Transcripts | About::Speech => drawn.saturating_mul(DRAWN_TOKENS),
        }
    }

    /// About the tokens of its sound.
    pub const fn sound_tokens(&self) -> u64 {
        sound::spoken(self.sound_bytes)
    }

    fn add_images(&mut self, images: usize) {
        self.images = self.images.saturating_add(u64::try_from(images).unwrap_or(u64::MAX));
    }

    /// Sound in base64, four letters for three bytes.
    fn add_sound(&mut self, data: Option<&Node<'_>>, is_plain: bool) {
        let letters = u64::try_from(data.map_or(0, |data| data.raw.len())).unwrap_or(u64::MAX);
        let bytes = letters / 4 * 3;
        let bytes = if is_plain { bytes } else { bytes.saturating_mul(sound::COMPRESSION) };
        self.sound_bytes = self.sound_bytes.saturating_add(bytes);
    }
}

/// Whether sound of this media type is not compressed.
fn is_plain(kind: &str) -> bool {
    let kind = kind.to_ascii_lowercase();
    ["l16", "pcm", "wav"].iter().any(|plain| kind.contains(plain))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::meter::json;

    #[test]
    fn images_and_sound_are_found_where_answers_have_them() {
        let sound = "A".repeat(64_000);
        let image = |images| Shown { images, ..Shown::default() };
        let spoken = |sound_bytes| Shown { sound_bytes, ..Shown::default() };
        let preview = Shown { has_preview: true, ..Shown::default() };
        let gemini = |kind: &str, data: &str| {
            format!(
                r#"{{"candidates":[{{"content":{{"parts":[{{"inlineData":{{"mimeType":"{kind}","data":"{data}"}}}}]}}}}]}}"#
            )
        };
        let chat = |place: &str, members: &str| format!(r#"{{"choices":[{{"{place}":{{{members}}}}}]}}"#);
        for (answer, expected) in [
            (gemini("image/png", "AA"), image(1)),
            (gemini("audio/L16;rate=24000", &sound), spoken(48_000)),
            (gemini("audio/mp3", &sound), spoken(288_000)),
            (gemini("image/png", "AA").replace("inlineData", "inline_data"), image(1)),
            (chat("delta", r#""images":[{"image_url":{"url":"data:image/png;base64,AA"}},{}]"#), image(2)),
            (chat("message", r#""images":[{}]"#), image(1)),
            (chat("message", r#""content":[{"type":"image_url"},{"type":"text","text":"a"}]"#), image(1)),
            (chat("delta", &format!(r#""audio":{{"data":"{sound}"}}"#)), spoken(48_000)),
            (chat("message", &format!(r#""audio":{{"data":"{sound}"}}"#)), spoken(288_000)),
            (r#"{"output":{"message":{"content":[{"image":{"format":"png"}}]}}}"#.into(), image(1)),
            (format!(r#"{{"type":"response.output_audio.delta","delta":"{sound}"}}"#), spoken(48_000)),
            (r#"{"type":"image_edit.partial_image","b64_json":"AA"}"#.into(), preview),
            (chat("delta", r#""content":"word","audio":{"transcript":"word"}"#), Shown::default()),
        ] {
            let found = Shown::of(&json::read(answer.as_bytes()).unwrap());
            assert_eq!(found, expected, "{}", answer.chars().take(200).collect::<String>());
        }
        assert_eq!((spoken(48_000).sound_tokens(), spoken(288_000).sound_tokens()), (25, 150));
    }

    #[test]
    fn sound_in_small_pieces_adds_up() {
        let piece = r#"{"type":"response.audio.delta","delta":"AAAAAAAAAAAAAAAA"}"#;
        let piece = Shown::of(&json::read(piece.as_bytes()).unwrap());
        let all = (0..1_000).fold(Shown::default(), |all, _| piece.and(all));
        assert_eq!((piece.sound_tokens(), all.sound_tokens()), (0, 6));
    }
}
