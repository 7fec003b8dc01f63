//! Lists of what something can be grouped by, as queries have them.

/// Reads a list with commas, each word once; `None` where a word is unknown or comes again. An empty text names none.
#[must_use]
pub fn list<D: PartialEq>(text: &str, read: impl Fn(&str) -> Option<D>) -> Option<Vec<D>> {
    let mut found = vec![];
    for word in text.split(',').filter(|_| !text.is_empty()) {
        let dimension = read(word).filter(|dimension| !found.contains(dimension))?;
        found.push(dimension);
    }
    Some(found)
}
