//! The import table of `docs/architecture.md`, held against the code; and who may name which library.

#[cfg(test)]
mod architecture {
    use std::{
        collections::{BTreeMap, BTreeSet},
        fs,
        path::{Path, PathBuf},
    };

    mod deployed;
    mod file_imports;
    mod prose;

    type Imports = BTreeMap<String, BTreeSet<String>>;

    fn root() -> PathBuf {
        PathBuf::from(env!("CARGO_MANIFEST_DIR"))
    }

    /// Every source file with the module of `src/` it belongs to.
    fn sources() -> Vec<(String, PathBuf, String)> {
        let mut found = vec![];
        let mut folders = vec![root().join("src")];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
                if entry.is_dir() {
                    folders.push(entry);
                } else if entry.extension().is_some_and(|ending| ending == "rs") {
                    let text = fs::read_to_string(&entry).unwrap();
                    found.push((module_of(&entry), entry, text));
                }
            }
        }
        found
    }

    fn module_of(file: &Path) -> String {
        let inside = file.strip_prefix(root().join("src")).unwrap();
        let first = inside.components().next().unwrap().as_os_str().to_str().unwrap();
        first.trim_end_matches(".rs").to_owned()
    }

    /// The text without line comments, so that a doc link is no import.
    fn code(text: &str) -> String {
        text.lines().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n")
    }

    fn identifier(text: &str) -> String {
        text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
    }

    /// The first names behind each `crate::`, also in a group.
    fn imported(text: &str) -> BTreeSet<String> {
        let code = code(text);
        let behind = code.split("crate::").skip(1);
        behind.flat_map(|rest| if rest.starts_with('{') { group(rest) } else { vec![identifier(rest)] }).collect()
    }

    /// `{a::b, c::{d, e}}`: the names that begin an item of the outer braces.
    fn group(text: &str) -> Vec<String> {
        let (mut depth, mut begins, mut names) = (0, false, vec![]);
        for (at, character) in text.char_indices() {
            match character {
                '{' => depth += 1,
                '}' => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                break;
            }
            if depth == 1 && begins && character.is_alphabetic() {
                names.push(identifier(text.get(at..).unwrap()));
            }
            begins = depth == 1 && (matches!(character, '{' | ',') || (begins && character.is_whitespace()));
        }
        names
    }

    fn actual() -> Imports {
        let mut imports = Imports::new();
        for (module, _, text) in sources() {
            if module != "main" && module != "lib" {
                imports.entry(module).or_default().extend(imported(&text));
            }
        }
        for (module, names) in &mut imports {
            names.remove(module);
        }
        imports
    }

    /// The table: a row a module, a tick where it may import the column's.
    fn allowed() -> Imports {
        let page = fs::read_to_string(root().join("docs/architecture.md")).unwrap();
        let cells =
            |line: &str| line.trim().trim_matches('|').split('|').map(|c| c.trim().to_owned()).collect::<Vec<_>>();
        let mut lines = page.lines().skip_while(|line| !line.starts_with("| may import"));
        let columns = cells(lines.next().expect("the import table"));
        let rows = lines.skip(1).take_while(|line| line.starts_with('|')).map(cells);
        let ticked = |row: Vec<String>| {
            let names = columns.iter().zip(&row).skip(1).filter(|(_, cell)| *cell == "✓").map(|(name, _)| name.clone());
            (row[0].clone(), names.collect())
        };
        rows.map(ticked).collect()
    }

    #[test]
    fn every_import_is_in_the_table_and_every_tick_is_used() {
        let (actual, allowed) = (actual(), allowed());
        assert_eq!(actual.keys().collect::<Vec<_>>(), allowed.keys().collect::<Vec<_>>(), "modules");
        for (module, names) in &actual {
            let missing: Vec<_> = names.difference(&allowed[module]).collect();
            assert!(missing.is_empty(), "{module} imports {missing:?}, which docs/architecture.md does not allow");
            let unused: Vec<_> = allowed[module].difference(names).collect();
            assert!(unused.is_empty(), "docs/architecture.md lets {module} import {unused:?}, which it does not");
        }
    }

    #[test]
    fn a_library_is_named_only_where_it_belongs() {
        for (library, homes) in [
            ("jsonwebtoken", &["credentials"][..]),
            ("aws_lc_rs::", &["app", "crypto", "store"]),
            ("diesel", &["store"]),
            ("deadpool", &["store"]),
            ("actix::", &["actors", "app", "cli", "http"]),
            ("hyper", &["upstream"]),
            ("actix_web", &["answer", "http", "pipeline", "app", "telemetry"]),
            ("argon2::", &["credentials"]),
            ("prometheus", &["telemetry", "app"]),
            ("opentelemetry", &["telemetry"]),
        ] {
            for (module, file, text) in sources() {
                let named = code(&text).contains(library);
                assert!(!named || homes.contains(&module.as_str()), "{} names {library}", file.display());
            }
        }
    }

    #[test]
    fn only_problem_rs_decides_a_status() {
        for (module, file, text) in sources() {
            let is_problem =
                file.ends_with("answer/problem.rs") || file.parent().is_some_and(|at| at.ends_with("answer/problem"));
            let names = code(&text).contains("StatusCode");
            assert!(
                is_problem || !matches!(&*module, "http" | "answer") || !names,
                "{} names a status",
                file.display()
            );
        }
    }

    /// Where lines of a header field that is a list are read as text, a byte that is not ASCII in one member would hide all others.
    #[test]
    fn a_list_of_a_header_is_read_byte_by_byte() {
        let dropped = |text: &str| {
            let text: String = code(text).split("#[cfg(test)]").take(1).flat_map(str::split_whitespace).collect();
            let mut reads = text.split("get_all(").skip(1).filter_map(|rest| rest.split(';').next().map(str::to_owned));
            reads.any(|read| read.contains("to_str().ok()"))
        };
        assert!(dropped("let a = headers\n  .get_all(COOKIE)\n  .filter_map(|line| line.to_str().ok());"));
        assert!(!dropped("let a = headers.get_all(COOKIE); let b = c.to_str().ok();"));
        for (_, file, text) in sources() {
            // A structured field is whole or none (RFC 9651 §4.2).
            let is_structured = file.ends_with("answer/rate_limit.rs");
            assert!(is_structured || !dropped(&text), "{} reads a list as text", file.display());
        }
    }

    #[test]
    fn imports_are_found_alone_and_in_groups() {
        let text =
            "use crate::a::b;\nuse crate::{\n    c::{d, e::f},\n    g,\n};\nlet x = crate::h::i(); // crate::comment";
        assert_eq!(imported(text).into_iter().collect::<Vec<_>>(), ["a", "c", "g", "h"]);
    }
}
