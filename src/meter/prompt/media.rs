//! What the data of an image says that it is.

use super::{
    super::json::{Kind, Node},
    IMAGE_TOKENS, Reader,
};

/// A longer URL has its bytes in it.
const MAX_URL_BYTES: usize = 4 << 10;

/// Files that are no images, by the ends of their names.
const NO_IMAGES: [(&str, &[&str]); 3] = [
    ("video/", &["mp4", "mov", "webm", "avi", "mkv", "mpeg", "mpg", "m4v", "flv", "wmv", "3gp"]),
    ("audio/", &["mp3", "wav", "ogg", "flac", "m4a", "aac", "opus"]),
    ("application/", &["pdf"]),
];

/// The same of images.
const IMAGES: [&str; 11] = ["png", "jpg", "jpeg", "webp", "gif", "bmp", "tif", "tiff", "avif", "heic", "svg"];

/// Members with the URL of a part.
const URLS: [&str; 3] = ["url", "fileUri", "file_uri"];

/// The media type that a part of content states, as a member or in its URL.
pub(super) fn media_type(value: &Node<'_>) -> Option<String> {
    let stated = ["mimeType", "mime_type", "media_type"].iter().find_map(|name| value.get(name)).and_then(Node::string);
    stated.or_else(|| {
        let url = URLS.iter().find_map(|name| value.get(name)).unwrap_or(value).text()?;
        let url = String::from_utf8_lossy(url.get(..url.len().min(MAX_URL_BYTES)).unwrap_or_default());
        if let Some(data) = url.strip_prefix("data:") {
            return data.split([';', ',']).next().filter(|kind| !kind.is_empty()).map(str::to_ascii_lowercase);
        }
        let ending = ending(&url)?;
        NO_IMAGES.iter().find(|(_, endings)| endings.contains(&&*ending)).map(|(kind, _)| (*kind).to_owned())
    })
}

/// How the name of a file in a URL ends.
fn ending(url: &str) -> Option<String> {
    let path = url.split(['?', '#']).next().unwrap_or_default();
    path.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase())
}

/// Whether a text is the URL of an image, or an image in one, and nothing else.
fn is_link(value: &Node<'_>) -> bool {
    let text = value.text().unwrap_or_default();
    let text = String::from_utf8_lossy(text.get(..text.len().min(MAX_URL_BYTES)).unwrap_or_default());
    let is_url = ["http://", "https://", "s3://", "gs://"].iter().any(|scheme| text.starts_with(scheme));
    let names_image = || ending(&text).is_some_and(|ending| IMAGES.contains(&&*ending));
    text.starts_with("data:image/") || (is_url && !text.contains(char::is_whitespace) && names_image())
}

impl Reader<'_> {
    /// Texts that are URLs of images, alone or in a list: models that only read take these for the images.
    pub fn links(&mut self, value: &Node<'_>) {
        let texts = if matches!(value.kind, Kind::Text) { std::slice::from_ref(value) } else { value.items() };
        let links = u64::try_from(texts.iter().filter(|text| is_link(text)).count()).unwrap_or(u64::MAX);
        self.look.images = self.look.images.saturating_add(links);
        self.add(IMAGE_TOKENS.saturating_mul(links));
    }
}

/// Whether the data of an image is one, as far as it says.
pub(super) fn is_image(value: &Node<'_>) -> bool {
    media_type(value).is_none_or(|kind| kind.starts_with("image/"))
}
