//! Texts that are URLs of images: models that only read take these for the images.

use super::{
    super::json::{Kind, Node},
    IMAGE_TOKENS, Reader,
    media::{MAX_URL_BYTES, ending},
};

/// Files that are images, by the ends of their names.
const IMAGES: [&str; 11] = ["png", "jpg", "jpeg", "webp", "gif", "bmp", "tif", "tiff", "avif", "heic", "svg"];

/// Whether a text is the URL of an image, or an image in one, and nothing else.
fn is_link(value: &Node<'_>) -> bool {
    let text = value.text().unwrap_or_default();
    let text = String::from_utf8_lossy(text.get(..text.len().min(MAX_URL_BYTES)).unwrap_or_default());
    let is_url = ["http://", "https://", "s3://", "gs://"].iter().any(|scheme| text.starts_with(scheme));
    let names_image = || ending(&text).is_some_and(|ending| IMAGES.contains(&&*ending));
    text.starts_with("data:image/") || (is_url && !text.contains(char::is_whitespace) && names_image())
}

impl Reader<'_> {
    /// Counts such texts, alone or in a list.
    pub fn links(&mut self, value: &Node<'_>) {
        let texts = if matches!(value.kind, Kind::Text) { std::slice::from_ref(value) } else { value.items() };
        let links = u64::try_from(texts.iter().filter(|text| is_link(text)).count()).unwrap_or(u64::MAX);
        self.look.images = self.look.images.saturating_add(links);
        self.add(IMAGE_TOKENS.saturating_mul(links));
    }
}
