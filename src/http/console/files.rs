//! The files of the console, as they stand in `console/`.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use crate::crypto;

/// A file in the binary.
pub struct File {
    name: &'static str,
    pub media: &'static str,
    pub bytes: &'static [u8],
}

const HTML: &str = "text/html; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const IMAGE: &str = "image/svg+xml";

macro_rules! files {
    ($($name:literal $media:ident;)*) => {
        const FILES: &[File] = &[$(
            File { name: $name, media: $media, bytes: include_bytes!(concat!("../../../console/", $name)) },
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
    "overview.js"   SCRIPT;
    "requests.js"   SCRIPT;
    "manage.js"     SCRIPT;
    "playground.js" SCRIPT;
}

impl File {
    /// The file of this name.
    pub fn find(name: &str) -> Option<&'static Self> {
        FILES.iter().find(|file| file.name == name)
    }

    /// Names the bytes by their hash (RFC 9110 §8.8.3).
    pub fn tag(&self) -> String {
        format!("\"{}\"", URL_SAFE_NO_PAD.encode(crypto::sha256(&[self.bytes])))
    }
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

    #[test]
    fn no_file_makes_markup_of_text_or_names_another_origin() {
        for file in FILES {
            let text = std::str::from_utf8(file.bytes).unwrap();
            for way in ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function"] {
                assert!(!text.contains(way), "{}: {way}", file.name);
            }
            let elsewhere = text.replace("http://www.w3.org/2000/svg", "");
            assert!(!elsewhere.contains("http://") && !elsewhere.contains("src=\"https:"), "{}", file.name);
        }
    }
}
