//! The files of the console, as they stand in `console/`.

use actix_web::web::Bytes;

use crate::http::packed::Packed;

/// A file in the binary.
pub struct File {
    name: &'static str,
    pub content: Packed,
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
                content: Packed::new(
                    $media,
                    Bytes::from_static(include_bytes!(concat!("../../../console/", $name))),
                ),
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
}

#[cfg(test)]
mod tests {
    use std::path::Path;

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
        let is_script = |name: &str| Path::new(name).extension().is_some_and(|ending| ending == "js");
        let page = std::str::from_utf8(File::find("index.html").unwrap().content.bytes()).unwrap();
        for file in FILES.iter().filter(|file| is_script(file.name) && file.name != "main.js") {
            assert!(page.contains(&format!("<link rel=\"modulepreload\" href=\"{}\">", file.name)), "{}", file.name);
        }
    }

    #[test]
    fn all_files_together_are_small_on_the_wire() {
        let sum: usize = FILES.iter().map(|file| file.content.packed_len()).sum();
        assert!((1..250_000).contains(&sum), "{sum}");
    }

    #[test]
    fn no_file_makes_markup_of_text_or_names_another_origin() {
        for file in &FILES {
            let text = std::str::from_utf8(file.content.bytes()).unwrap();
            for way in ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function"] {
                assert!(!text.contains(way), "{}: {way}", file.name);
            }
            let elsewhere = text.replace("http://www.w3.org/2000/svg", "");
            assert!(!elsewhere.contains("http://") && !elsewhere.contains("src=\"https:"), "{}", file.name);
        }
    }
}
