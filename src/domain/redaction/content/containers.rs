//! Values that are no single word: what stands below a name that means a credential, in each form that nests.

use super::{
    NEAR_BYTES, REDACTED, Reader, beginning, ending,
    quoted::{element_bytes, literal_bytes},
    words::Kind,
};

impl Reader<'_> {
    /// Begins an object whose name only contains "token": counts stay, and so do members that say nothing. Strings go.
    pub(super) fn counted_object(&mut self) {
        self.counted = self.counted.saturating_add(1);
        self.pass(1);
    }

    /// Whether the value behind the name of a member is lines of YAML, and not what JSON has on a line of its own.
    pub(super) fn lines_follow(&self) -> bool {
        if !self.rest.starts_with(['\n', '\r']) {
            return false;
        }
        let line = self.rest.trim_start().lines().next().unwrap_or_default();
        !line.starts_with(['"', '\'', '{', '[']) && (line.starts_with("- ") || line.contains(':'))
    }

    /// The lines below an empty value that stand further in than its name, or are the items of its list (YAML 1.2 §8.2).
    pub(super) fn lines_below(&mut self, kind: Kind) {
        let line = ending(&self.out, NEAR_BYTES).rsplit('\n').next().unwrap_or_default();
        let own = indent(line, true);
        let mut bytes = 0_usize;
        for line in self.rest.split_inclusive('\n').skip(1) {
            let text = line.trim_start();
            let is_below = indent(line, false) > own || (indent(line, false) == own && text.starts_with("- "));
            if !text.is_empty() && !is_below {
                break;
            }
            bytes = bytes.saturating_add(line.len());
        }
        let first = self.rest.find('\n').map_or(0, |at| at.saturating_add(1));
        let below = self.rest.get(first..first.saturating_add(bytes)).unwrap_or_default();
        let text = below.trim();
        if text.is_empty() || (kind == Kind::Soft && below.lines().all(says_a_number)) {
            return;
        }
        self.take(first.saturating_add(below.trim_end().len()));
        self.redacted_string();
    }

    /// A section of settings: from a line of nothing but its name in brackets up to the next such line (TOML 1.0). Says
    /// whether it is one; `name` is the word that is read.
    pub(super) fn section(&mut self, name: &str) -> bool {
        let (near, behind) = (ending(&self.out, NEAR_BYTES), beginning(self.rest, NEAR_BYTES));
        let before = near.rsplit('\n').next().unwrap_or_default();
        if before.len() == self.out.len().min(NEAR_BYTES) && before.len() < self.out.len() {
            return false;
        }
        let before = before.trim_start();
        let line = behind.split('\n').next().unwrap_or_default();
        let behind = line.trim_end();
        let is_header = before.starts_with('[')
            && before.chars().chain(behind.trim_end_matches(']').chars()).all(is_part_of_header)
            && behind.ends_with(']')
            && self.rest.len() > line.len();
        if !is_header {
            return false;
        }
        self.out.push_str(name);
        self.pass(line.len().saturating_add(1));
        let end = self.rest.starts_with('[').then_some(0);
        let end = end.or_else(|| self.rest.find("\n[").map(|at| at.saturating_add(1)));
        if !self.take(end.unwrap_or(self.rest.len())).trim().is_empty() {
            self.out.push_str(REDACTED);
            self.out.push('\n');
        }
        true
    }

    /// The indexes behind the name of a field, up to the sign that ends them: `[db][]=`.
    pub(super) fn indexes(&self) -> usize {
        let mut bytes = 0_usize;
        let near = beginning(self.rest, NEAR_BYTES);
        while let Some(index) = near.get(bytes..).filter(|rest| rest.starts_with('[')) {
            let Some(end) = index.find(']').filter(|end| !index.get(..*end).unwrap_or_default().contains('\n')) else {
                return 0;
            };
            bytes = bytes.saturating_add(end).saturating_add(1);
        }
        let behind = self.rest.get(bytes..).unwrap_or_default().trim_start_matches([' ', '\t']);
        if behind.starts_with(['=', ':']) { bytes } else { 0 }
    }

    /// What is in an element of XML, whose start tag ends here. One that is not closed ends with the text. Where a
    /// name only contains "token", what is in it up to the next tag goes.
    pub(super) fn element(&mut self, name: &str, kind: Kind) {
        if self.out.ends_with("/>") {
            return;
        }
        let bytes = match kind {
            Kind::Hard => element_bytes(self.rest, name),
            Kind::Soft => self.rest.find('<'),
        };
        self.take(bytes.unwrap_or(self.rest.len()));
        self.out.push_str(REDACTED);
    }

    /// The second of a list of two strings, whose first is a name: so are headers written by some.
    pub(super) fn pair(&mut self) {
        let Some(gap) = self
            .rest
            .find('"')
            .filter(|_| self.out.rsplit('"').nth(2).is_some_and(|text| text.trim_end().ends_with('[')))
        else {
            return;
        };
        let second = self.rest.get(gap..).unwrap_or_default();
        let behind = second.get(literal_bytes(second, '"', true)..).unwrap_or_default();
        if self.rest.get(..gap).unwrap_or_default().trim() == "," && behind.trim_start().starts_with(']') {
            self.pass(gap);
            self.take(literal_bytes(self.rest, '"', true));
            self.redacted_string();
        }
    }
}

/// How far in a line begins. Of the line of a name the signs of the lists around it count as well.
fn indent(line: &str, with_signs: bool) -> usize {
    let belongs = |c: &char| matches!(c, ' ' | '\t') || (with_signs && matches!(c, '-' | '?'));
    line.chars().take_while(belongs).count()
}

/// Whether a line of YAML has a number as its value, or none.
fn says_a_number(line: &str) -> bool {
    let value = line.rsplit(": ").next().unwrap_or_default().trim();
    value.is_empty() || value.ends_with(':') || value.parse::<f64>().is_ok()
}

fn is_part_of_header(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '[' | '.' | '_' | '-' | '"' | '\'' | ':' | '/')
}
