//! The files of the console, as they stand in `console/`.

use std::{io::Write, sync::LazyLock};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use flate2::{Compression, write::GzEncoder};

use crate::crypto;

/// A file in the binary.
pub struct File {
    name: &'static str,
    pub media: &'static str,
    pub bytes: &'static [u8],
    packed: LazyLock<Vec<u8>>,
}

const HTML: &str = "text/html; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const IMAGE: &str = "image/svg+xml";

macro_rules! files {
    ($($name:literal $media:ident;)*) => {
        const COUNT: usize = [$($name),*].len();
        static FILES: [File; COUNT] = [$(
            File {
                name: $name,
                media: $media,
                bytes: include_bytes!(concat!("../../../console/", $name)),
                packed: LazyLock::new(|| gzip(include_bytes!(concat!("../../../console/", $name)))),
            },
        )*];
    };
}

files! {
    "index.html"    HTML;
    "console.css"   STYLE;
    "icon.svg"      IMAGE;
    "main.js"       SCRIPT;
    "session.js"    SCRIPT;
    "dom.js"        SCRIPT;
    "lists.js"      SCRIPT;
    "edit.js"       SCRIPT;
    "chart.js"      SCRIPT;
    "overview.js"   SCRIPT;
    "usage.js"      SCRIPT;
    "requests.js"   SCRIPT;
    "story.js"      SCRIPT;
    "proof.js"      SCRIPT;
    "people.js"     SCRIPT;
    "keys.js"       SCRIPT;
    "policies.js"   SCRIPT;
    "traffic.js"    SCRIPT;
    "prices.js"     SCRIPT;
    "sessions.js"   SCRIPT;
    "health.js"     SCRIPT;
    "replay.js"     SCRIPT;
    "fields.js"     SCRIPT;
    "entries.js"    SCRIPT;
    "routing.js"    SCRIPT;
    "playground.js" SCRIPT;
}

impl File {
    /// The file of this name.
    pub fn find(name: &str) -> Option<&'static Self> {
        FILES.iter().find(|file| file.name == name)
    }

    /// Compressed by gzip, once. Empty where that failed.
    pub fn packed(&'static self) -> &'static [u8] {
        &self.packed
    }
}

/// Names bytes by their hash (RFC 9110 §8.8.3).
pub fn tag(bytes: &[u8]) -> String {
    format!("\"{}\"", URL_SAFE_NO_PAD.encode(crypto::sha256(&[bytes])))
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).and_then(|()| encoder.finish()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_of_the_folder_is_in_the_binary() {
        let folder = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/console")).unwrap();
        for name in folder.map(|entry| entry.unwrap().file_name().into_string().unwrap()) {
            assert!(File::find(&name).is_some(), "{name}");
        }
    }

    /// Otherwise a browser learns of a script only when it has read those that import it.
    #[test]
    fn the_page_asks_for_every_script_at_once() {
        let page = std::str::from_utf8(File::find("index.html").unwrap().bytes).unwrap();
        for file in FILES.iter().filter(|file| file.media == SCRIPT && file.name != "main.js") {
            assert!(page.contains(&format!("<link rel=\"modulepreload\" href=\"{}\">", file.name)), "{}", file.name);
        }
    }

    #[test]
    fn all_files_together_are_small_on_the_wire() {
        let sum: usize = FILES.iter().map(|file| file.packed().len()).sum();
        assert!((1..250_000).contains(&sum), "{sum}");
    }

    #[test]
    fn no_file_makes_markup_of_text_or_names_another_origin() {
        for file in &FILES {
            let text = std::str::from_utf8(file.bytes).unwrap();
            for way in ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function"] {
                assert!(!text.contains(way), "{}: {way}", file.name);
            }
            let elsewhere = text.replace("http://www.w3.org/2000/svg", "");
            assert!(!elsewhere.contains("http://") && !elsewhere.contains("src=\"https:"), "{}", file.name);
        }
    }
}
