//! Lists of what something can be grouped by, as queries have them.

/// What is named by a word.
pub trait Worded: Copy + PartialEq + 'static {
    /// The word of each.
    const WORDS: &'static [(&'static str, Self)];
}

/// Reads a list with commas, each word once; `None` where a word is unknown or comes again. An empty text names none.
#[must_use]
pub fn list<D: Worded>(text: &str) -> Option<Vec<D>> {
    let read = |word: &str| D::WORDS.iter().find(|(known, _)| *known == word).map(|(_, dimension)| *dimension);
    let mut found = vec![];
    for word in text.split(',').filter(|_| !text.is_empty()) {
        let dimension = read(word).filter(|dimension| !found.contains(dimension))?;
        found.push(dimension);
    }
    Some(found)
}
