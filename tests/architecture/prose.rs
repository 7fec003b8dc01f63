//! What is written about the code: every public item has a doc, and the picture of `docs/architecture.md` shows files and
//! actors that there are.

use std::{collections::BTreeSet, fs};

use super::{root, sources};

/// What a public item begins with, behind `pub`.
const KINDS: [&str; 8] = ["fn", "struct", "enum", "trait", "type", "const", "static", "mod"];

#[test]
fn every_public_item_has_a_doc() {
    let mut bare = vec![];
    for (_, path, text) in sources() {
        if path.file_stem().is_some_and(|name| name.to_str().unwrap().contains("test")) {
            continue;
        }
        let lines: Vec<&str> = text.lines().collect();
        let end = lines.iter().position(|line| *line == "#[cfg(test)]").unwrap_or(lines.len());
        let bare_here = (0..end).filter(|at| is_public_item(lines[*at]) && !has_doc(&lines[..*at]));
        bare.extend(bare_here.map(|at| format!("{}:{}: {}", path.display(), at + 1, lines[at].trim())));
    }
    assert!(bare.is_empty(), "public items without a doc:\n{}", bare.join("\n"));
}

/// A `pub mod name;` has its doc in its own file.
fn is_public_item(line: &str) -> bool {
    let Some(rest) = line.trim_start().strip_prefix("pub ") else { return false };
    let words: Vec<&str> = rest.split_whitespace().collect();
    let kind = words.iter().position(|word| !["async", "unsafe"].contains(word)).unwrap_or(0);
    let kind = if words[kind..].starts_with(&["const", "fn"]) { kind + 1 } else { kind };
    KINDS.contains(&words[kind]) && words[kind] != "mod"
}

/// Whether the lines before an item end with a doc, attributes aside.
fn has_doc(before: &[&str]) -> bool {
    let mut rest = before;
    loop {
        match rest.last().map(|line| line.trim()) {
            // In a macro the doc is an argument of it.
            Some(line) if line.starts_with("///") || line == "$(#[$doc])*" => return true,
            Some(line) if line.starts_with("#[") => rest = &rest[..rest.len() - 1],
            // The last line of an attribute of several lines.
            Some(")]") => {
                let begin = rest.iter().rposition(|line| line.trim().starts_with("#["));
                rest = &rest[..begin.unwrap_or(0)];
            }
            _ => return false,
        }
    }
}

#[test]
fn docs_are_found_over_attributes_of_one_line_and_of_several() {
    let lines = ["/// A doc.", "#[must_use]", "#[serde(", "    untagged", ")]", "pub enum A {"];
    assert!(is_public_item(lines[5]) && has_doc(&lines[..5]));
    assert!(!has_doc(&lines[1..5]));
    assert!(is_public_item("    pub const fn of() {") && is_public_item("pub async fn of() {"));
    assert!(!is_public_item("pub mod a;") && !is_public_item("    pub name: u64,") && !is_public_item("pub use a::b;"));
}

#[test]
fn the_picture_shows_steps_and_actors_that_there_are() {
    let page = fs::read_to_string(root().join("docs/architecture.md")).unwrap();
    let picture = page.split("```mermaid").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let steps = fs::read_to_string(root().join("src/pipeline.rs")).unwrap();
    let ways: Vec<&str> = picture.lines().filter(|line| line.contains("-->")).collect();
    for step in ["edge", "authenticate", "authorize", "limit", "reserve", "forward", "settle", "audit"] {
        assert!(ways.iter().any(|way| way.contains(step)), "{step} is missing in the picture");
        assert!(steps.contains(&format!("mod {step};")), "{step} is no step of src/pipeline.rs");
    }
    let drawn: BTreeSet<&str> = ways.iter().flat_map(|way| names(way)).collect();
    for name in drawn.into_iter().filter(|name| name.chars().all(|c| c.is_ascii_lowercase())) {
        let file = root().join(format!("src/pipeline/{name}.rs"));
        assert!(
            file.exists() || ["client", "entry", "handler", "upstream"].contains(&name),
            "{name} is drawn and is no file"
        );
    }
    let table = page.split("## The actors").nth(1).unwrap();
    for actor in picture.split("[(").skip(1).filter_map(|rest| rest.split(")]").next()) {
        assert!(table.contains(&format!("| `{actor}` |")), "{actor} is drawn and not in the table of actors");
    }
}

#[test]
fn every_code_of_a_refusal_is_explained() {
    let refusals = fs::read_to_string(root().join("src/domain/refusal.rs")).unwrap();
    let page = fs::read_to_string(root().join("docs/errors.md")).unwrap();
    let codes = refusals.split("const fn code(").skip(1).flat_map(|rest| {
        let body = rest.split("\n    }\n").next().unwrap();
        body.split("=> \"").skip(1).filter_map(|arm| arm.split('"').next())
    });
    let codes: BTreeSet<&str> = codes.collect();
    assert!(codes.len() > 25, "{codes:?}");
    let missing: Vec<&&str> = codes.iter().filter(|code| !page.contains(&format!("`{code}`"))).collect();
    assert!(missing.is_empty(), "docs/errors.md does not explain {missing:?}");
}

/// The names of the nodes of one way: `limit -.-> QuotaKeeper[(QuotaKeeper)]` has two. What stands on the arrow, in
/// quotes, is none, nor is the text of a node, in brackets.
fn names(way: &str) -> impl Iterator<Item = &str> {
    let unquoted = way.split('"').step_by(2);
    let nodes = unquoted.flat_map(|part| part.split([' ', '-', '>', '<', '.']));
    nodes.filter_map(|node| node.split(|c: char| !c.is_ascii_alphanumeric()).next().filter(|name| !name.is_empty()))
}
