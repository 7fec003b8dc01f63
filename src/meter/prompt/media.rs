//! What the data of an image says that it is.

use super::super::json::Node;

/// A longer URL has its bytes in it.
pub(super) const MAX_URL_BYTES: usize = 4 << 10;

/// Files that are no images, by the ends of their names.
const NO_IMAGES: [(&str, &[&str]); 3] = [
    ("video/", &["mp4", "mov", "webm", "avi", "mkv", "mpeg", "mpg", "m4v", "flv", "wmv", "3gp"]),
    ("audio/", &["mp3", "wav", "ogg", "flac", "m4a", "aac", "opus"]),
    ("application/", &["pdf"]),
];

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
pub(super) fn ending(url: &str) -> Option<String> {
    let path = url.split(['?', '#']).next().unwrap_or_default();
    path.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase())
}

/// Whether the data of an image is one, as far as it says.
pub(super) fn is_image(value: &Node<'_>) -> bool {
    media_type(value).is_none_or(|kind| kind.starts_with("image/"))
}
