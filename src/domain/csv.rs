//! Lines of CSV (RFC 4180).

/// A line of these cells, each quoted where it must be.
#[must_use]
pub fn line(cells: impl Iterator<Item = String>) -> String {
    let cells: Vec<String> = cells.map(quoted).collect();
    cells.join(",") + "\r\n"
}

/// A text as a cell. One that a spreadsheet would take for a formula has an apostrophe before it.
#[must_use]
pub fn guarded(text: &str) -> String {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{text}") } else { text.to_owned() }
}

fn quoted(cell: String) -> String {
    if cell.contains([',', '"', '\r', '\n']) { format!("\"{}\"", cell.replace('"', "\"\"")) } else { cell }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_quoted_where_they_must_be_and_are_no_formulas() {
        for (text, expected) in [
            ("plain", "plain"),
            ("a,b", "\"a,b\""),
            ("say \"a\"", "\"say \"\"a\"\"\""),
            ("two\r\nlines", "\"two\r\nlines\""),
            ("=1+2", "'=1+2"),
            ("@x, y", "\"'@x, y\""),
            ("-1", "'-1"),
        ] {
            assert_eq!(line([guarded(text)].into_iter()), format!("{expected}\r\n"), "{text}");
        }
    }
}
