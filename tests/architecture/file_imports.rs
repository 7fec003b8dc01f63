//! Which file imports which, and that no two files import each other, directly or around others.
//!
//! A path (`crate::`, `super::`, `self::`) is followed through re-exports to the file that defines what it names. A module and
//! the modules below it share one vocabulary: what a file takes from a module above it is no import, unless that module only
//! passes it on from elsewhere. What is compiled for tests alone does not count.

#![expect(clippy::string_slice, reason = "source text is cut at ASCII characters")]

use std::collections::{BTreeMap, BTreeSet};

use super::{code, sources};

/// The names on the way to a module, or to an item in one.
type Names = Vec<String>;

/// The text of each file by its module.
type Files = BTreeMap<Names, String>;

/// What each file imports, with a path that it does so by.
type Imports = BTreeMap<Names, BTreeMap<Names, String>>;

/// What the `use` items of each file bring into it, by the names they have there.
type Uses = BTreeMap<Names, BTreeMap<String, Names>>;

/// How many re-exports are followed.
const MAX_STEPS: usize = 8;

#[test]
fn no_two_files_import_each_other() {
    let imports = imports(&files());
    let circles: Vec<String> = circles(&imports).iter().map(|circle| shown(circle, &imports)).collect();
    assert!(circles.is_empty(), "files that import each other:\n{}", circles.join("\n"));
}

fn files() -> Files {
    let root = super::root().join("src");
    let named = sources().into_iter().map(|(_, path, text)| {
        let inside = path.strip_prefix(&root).unwrap().with_extension("");
        (inside.iter().map(|name| name.to_str().unwrap().to_owned()).collect::<Names>(), code(&text))
    });
    let mut files: Files = named.filter(|(module, _)| module != &["main"] && module != &["lib"]).collect();
    let tests: Vec<Names> = files.iter().flat_map(|(module, text)| test_modules(module, text)).collect();
    files.retain(|module, _| !tests.iter().any(|test| module.starts_with(test)));
    for text in files.values_mut() {
        if let Some(at) = inline_tests(text) {
            text.truncate(at);
        }
    }
    files
}

/// The modules that are declared for tests only: `#[cfg(test)] mod tests;`.
fn test_modules(module: &[String], text: &str) -> Vec<Names> {
    let declared = text.split("#[cfg(test)]").skip(1).filter_map(|rest| {
        let name = rest.split(';').next()?.rsplit_once("mod ")?.1.trim();
        name.chars().all(|c| c.is_alphanumeric() || c == '_').then(|| [module, &[name.to_owned()]].concat())
    });
    declared.collect()
}

/// Where `#[cfg(test)] mod tests {` begins; it is the end of its file.
fn inline_tests(text: &str) -> Option<usize> {
    let mut starts = text.match_indices("#[cfg(test)]").map(|(at, _)| at);
    starts.find(|at| {
        let rest = text[*at..].trim_start_matches("#[cfg(test)]").trim_start();
        rest.starts_with("mod ") && rest.find('{').is_some_and(|brace| !rest[..brace].contains(';'))
    })
}

fn imports(files: &Files) -> Imports {
    let uses: Uses = files.iter().map(|(module, text)| (module.clone(), uses(files, module, text))).collect();
    let of = |(module, text): (&Names, &String)| {
        let mut imported = BTreeMap::new();
        for path in paths(text) {
            let target = resolve(files, &uses, absolute(module, &path), 0);
            if files.contains_key(&target) && !module.starts_with(&target) {
                imported.entry(target).or_insert_with(|| path.join("::"));
            }
        }
        (module.clone(), imported)
    };
    files.iter().map(of).collect()
}

/// Every path in a file that begins with `crate`, `super` or `self`.
fn paths(text: &str) -> Vec<Names> {
    let mut found = vec![];
    for root in ["crate", "super", "self"] {
        for (at, _) in text.match_indices(&format!("{root}::")) {
            let before = text[..at].chars().next_back();
            if !before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':') {
                tree(&text[at..], &[], &mut found);
            }
        }
    }
    found
}

/// What the `use` items of a file bring into it.
fn uses(files: &Files, module: &Names, text: &str) -> BTreeMap<String, Names> {
    let mut brought = vec![];
    for (at, item) in text.match_indices("use ") {
        if !text[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_') {
            tree(&text[at + item.len()..], &[], &mut brought);
        }
    }
    let named = |mut path: Names| {
        let alias = path.last()?.strip_prefix("as ").map(str::to_owned);
        path.retain(|name| !name.starts_with("as ") && name != "*");
        if path.last().is_some_and(|name| name == "self") {
            path.pop();
        }
        let is_rooted = ["crate", "super", "self"].contains(&path.first()?.as_str());
        let is_child = || files.contains_key(&[&module[..], &path[..1]].concat());
        if !is_rooted {
            is_child().then(|| path.insert(0, "self".into()))?;
        }
        Some((alias.unwrap_or_else(|| path.last().unwrap().clone()), path))
    };
    brought.into_iter().filter_map(named).collect()
}

/// The paths of a tree such as `a::{b, c::{self, d as e}}`, and how much of the text it takes.
fn tree(text: &str, before: &[String], found: &mut Vec<Names>) -> usize {
    let mut names = before.to_vec();
    let mut at = 0;
    loop {
        at += text[at..].len() - text[at..].trim_start().len();
        if text[at..].starts_with('{') {
            return at + 1 + group(&text[at + 1..], &names, found);
        }
        let name: String = match text[at..].chars().next() {
            Some('*') => "*".into(),
            _ => text[at..].chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect(),
        };
        at += name.len();
        if !name.is_empty() {
            names.push(name);
        }
        let goes_on = text[at..].strip_prefix("::").and_then(|rest| rest.chars().next());
        if goes_on.is_none_or(|c| !(c.is_alphabetic() || "_{*".contains(c))) {
            break;
        }
        at += 2;
    }
    if let Some(alias) = text[at..].strip_prefix(" as ") {
        let alias: String = alias.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
        at += " as ".len() + alias.len();
        names.push(format!("as {alias}"));
    }
    found.push(names);
    at
}

/// What is between braces, and how much of the text it takes with the last one.
fn group(text: &str, before: &[String], found: &mut Vec<Names>) -> usize {
    let mut at = 0;
    loop {
        at += text[at..].len() - text[at..].trim_start_matches([' ', '\n', ',']).len();
        if text[at..].is_empty() || text[at..].starts_with('}') {
            return (at + 1).min(text.len());
        }
        let taken = tree(&text[at..], before, found);
        if taken == 0 {
            return at;
        }
        at += taken;
    }
}

/// A path from the root of the crate.
fn absolute(module: &[String], path: &[String]) -> Names {
    match path.first().map(String::as_str) {
        Some("crate") => path[1..].to_vec(),
        Some("self") => [module, &path[1..]].concat(),
        _ => {
            let ups = path.iter().take_while(|name| *name == "super").count();
            [&module[..module.len().saturating_sub(ups)], &path[ups..]].concat()
        }
    }
}

/// The file that defines what is at an absolute path.
fn resolve(files: &Files, uses: &Uses, path: Names, steps: usize) -> Names {
    let mut module = vec![];
    for (at, name) in path.iter().enumerate() {
        let inner = [&module[..], std::slice::from_ref(name)].concat();
        if files.contains_key(&inner) {
            module = inner;
            continue;
        }
        if let Some(brought) = uses.get(&module).and_then(|uses| uses.get(name)).filter(|_| steps < MAX_STEPS) {
            let there = [absolute(&module, brought), path[at + 1..].to_vec()].concat();
            if there != path {
                return resolve(files, uses, there, steps + 1);
            }
        }
        break;
    }
    module
}

/// The groups of files of which each imports every other, around others too.
fn circles(imports: &Imports) -> Vec<BTreeSet<Names>> {
    let reached = |from: &Names| {
        let (mut seen, mut open) = (BTreeSet::new(), vec![from.clone()]);
        while let Some(module) = open.pop() {
            let next = imports.get(&module).into_iter().flat_map(BTreeMap::keys);
            open.extend(next.filter(|module| seen.insert((*module).clone())).cloned());
        }
        seen
    };
    let reach: BTreeMap<&Names, BTreeSet<Names>> = imports.keys().map(|module| (module, reached(module))).collect();
    let circle = |module: &Names| {
        let back = reach[module].iter().filter(|other| reach.get(other).is_some_and(|far| far.contains(module)));
        back.cloned().collect::<BTreeSet<Names>>()
    };
    let all: BTreeSet<BTreeSet<Names>> = imports.keys().map(circle).filter(|circle| circle.len() > 1).collect();
    all.into_iter().collect()
}

fn shown(circle: &BTreeSet<Names>, imports: &Imports) -> String {
    let lines = circle.iter().flat_map(|module| {
        let inside = imports[module].iter().filter(|(target, _)| circle.contains(*target));
        inside.map(move |(target, path)| format!("  {} → {} by {path}", module.join("/"), target.join("/")))
    });
    lines.collect::<Vec<_>>().join("\n") + "\n"
}

fn made(files: &[(&str, &str)]) -> Files {
    let names = |path: &str| path.split('/').map(str::to_owned).collect::<Names>();
    files.iter().map(|(path, text)| (names(path), (*text).to_owned())).collect()
}

#[test]
fn circles_of_files_are_found_and_a_module_with_its_children_is_none() {
    for (files, expected) in [
        // A child takes its parent's vocabulary, and the parent passes the child's on.
        (&[("a", "pub use self::b::B;\nstruct A;"), ("a/b", "use super::A;")][..], 0),
        // Two children of one parent, by way of what it passes on.
        (&[("a", "pub use self::{b::B, c::C};"), ("a/b", "use super::C;"), ("a/c", "use super::b::B;")][..], 1),
        (&[("a", "use crate::b::B;"), ("b", "fn f() -> crate::a::A {}")][..], 1),
        (&[("a", "use crate::b::{self, B};"), ("b", "use crate::c as d;"), ("c", "use super::a;")][..], 1),
        (&[("a", "use crate::b::B;"), ("b", "use crate::c::C;"), ("c", "")][..], 0),
        // A path is followed through a re-export to the file that defines what it names.
        (&[("a", "pub use b::B;"), ("a/b", ""), ("c", "use crate::a::B;"), ("a/d", "use crate::c::C;")][..], 0),
    ] {
        assert_eq!(circles(&imports(&made(files))).len(), expected, "{files:?}");
    }
}

#[test]
fn what_is_compiled_for_tests_alone_is_left_out() {
    let text = "use a;\n#[cfg(test)]\nmod tests;\nstruct A;\n#[cfg(test)]\nmod inside {\n    use super::*;\n}\n";
    assert_eq!(test_modules(&["m".to_owned()], text), [["m".to_owned(), "tests".to_owned()]]);
    assert_eq!(inline_tests(text), text.rfind("#[cfg(test)]"));
}
