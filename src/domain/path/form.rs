//! The forms in which lenient upstreams may read a path. What decides on a path compares these; none of them is ever forwarded.

use std::{borrow::Cow, collections::BTreeMap, ops::Range};

use percent_encoding::percent_decode_str;
use unicode_normalization::UnicodeNormalization;

/// How many identifiers of ASP.NET, each of which may or may not join the segments around it, are tried in all ways.
const MAX_JOINING: usize = 4;

/// How often escapes are undone that are seen only when others are.
const MAX_ROUNDS: usize = 4;

/// The path as a lenient upstream may read it: every segment without path parameters, escapes, bytes that are no UTF-8, names of
/// NTFS streams, dots and blanks at its ends, distinctions of case and of compatible characters (Unicode Annex #15, NFKC) and
/// characters that are not seen, and no segment of which nothing is left. What ASP.NET keeps in paths, and others in cookies, is left
/// out. An escaped `?` or `#` ends it, as where an upstream unescapes twice. Two paths that such an upstream takes for one have the
/// same form.
#[must_use]
pub fn folded(path: &str) -> Cow<'_, str> {
    if is_plain(path) {
        return Cow::Borrowed(path);
    }
    let text = text_of(path);
    Cow::Owned(form(&without(&text, &identifiers(&text), 0)).unwrap_or_default())
}

/// Whether all forms of a path are such: more than that of [`folded`] where ASP.NET may join the segments around what it leaves out.
/// None is where there are too many, or where a dot segment is seen only in a form: no client needs that one.
pub fn every_form(path: &str, mut is_such: impl FnMut(&str) -> bool) -> bool {
    if is_plain(path) {
        return is_such(path);
    }
    let text = text_of(path);
    let found = identifiers(&text);
    let joining = found.iter().filter(|identifier| identifier.may_join).count();
    let is_read_so = |joined| form(&without(&text, &found, joined)).is_some_and(|form| is_such(&form));
    joining <= MAX_JOINING && (0..1_usize << joining).all(is_read_so)
}

/// Whether a path is its own form.
fn is_plain(path: &str) -> bool {
    let is_plain = |b: u8| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'/' | b'-' | b'_' | b'~');
    path.bytes().all(is_plain) && !path.ends_with('/')
}

/// In compatible characters, without escapes. A percent sign that is there only now, such as a full-width one, begins escapes for an
/// upstream that unescapes what it has so written.
fn text_of(path: &str) -> String {
    let mut text = compatible(decoded(path));
    for _ in 0..MAX_ROUNDS {
        if !text.contains('%') {
            break;
        }
        text = compatible(decoded(&text));
    }
    text
}

/// The character whose compatible form is the longest, 18 characters (Unicode FAQ on normalization). It is left as it is: so no form has
/// more characters than its path has bytes.
const LONGEST: &str = "\u{fdfa}";

/// In compatible characters, and those that are seen.
fn compatible(text: String) -> String {
    if text.is_ascii() {
        return text;
    }
    let parts: Vec<String> = text.split(LONGEST).map(seen).collect();
    // A dot in the names of hosts (RFC 3490 §3.1), and for some in paths.
    parts.join(LONGEST).replace('\u{3002}', ".")
}

fn seen(part: &str) -> String {
    let compatible: String = part.nfkc().collect();
    if !compatible.chars().any(is_unseen) {
        return compatible;
    }
    // Some are not seen only once they are compatible, and what is not seen keeps others apart.
    compatible.chars().filter(|c| !is_unseen(*c)).nfkc().collect()
}

/// What ASP.NET takes for an identifier of its own, such as that of a session, and cuts out of a path: `(S(x))`, `(A(x)S(y))`.
struct Identifier {
    at: Range<usize>,
    /// Whether it stands at the beginning of a longer segment, so that it may be cut out with the slash before it (CVE-2023-36899).
    may_join: bool,
}

fn identifiers(text: &str) -> Vec<Identifier> {
    if !text.contains('(') {
        return vec![];
    }
    let ends = ends_of_letters(text.as_bytes());
    let mut found: Vec<Identifier> = vec![];
    for (start, _) in text.match_indices('(') {
        let Some(end) = ends.get(&start.saturating_add(1)).copied() else { continue };
        if found.last().is_none_or(|last| last.at.end <= start) {
            let (before, behind) = (text.get(..start).unwrap_or_default(), text.get(end..).unwrap_or_default());
            let may_join = before.ends_with(SLASHES) && !behind.is_empty() && !behind.starts_with(SLASHES);
            found.push(Identifier { at: start..end, may_join });
        }
    }
    found
}

const SLASHES: [char; 2] = ['/', '\\'];

/// Of each place where letters with values begin that a bracket closes (`S(x))`, `A(x)S(y))`): the place behind that bracket. Found
/// from the right, so that the work grows with the length alone.
fn ends_of_letters(text: &[u8]) -> BTreeMap<usize, usize> {
    let mut ends = BTreeMap::new();
    let mut behind_value = None;
    for (at, pair) in text.windows(2).enumerate().rev() {
        match (pair, behind_value) {
            ([_, b')'], _) => behind_value = Some(at.saturating_add(2)),
            ([letter, b'('], Some(next)) if letter.is_ascii_alphabetic() => {
                let is_last = text.get(next) == Some(&b')');
                let end = if is_last { Some(next.saturating_add(1)) } else { ends.get(&next).copied() };
                ends.extend(end.map(|end| (at, end)));
            }
            _ => {}
        }
    }
    ends
}

/// The text without identifiers. Those that may be cut out with the slash before them are, where their bit of `joined` is set.
fn without<'t>(text: &'t str, identifiers: &[Identifier], mut joined: usize) -> Cow<'t, str> {
    if identifiers.is_empty() {
        return Cow::Borrowed(text);
    }
    let (mut left, mut from) = (String::with_capacity(text.len()), 0);
    for Identifier { at, may_join } in identifiers {
        let slash = if *may_join { joined & 1 } else { 0 };
        joined >>= usize::from(*may_join);
        left.push_str(text.get(from..at.start.saturating_sub(slash)).unwrap_or_default());
        from = at.end;
    }
    left.push_str(text.get(from..).unwrap_or_default());
    Cow::Owned(left)
}

/// The form of a text; nothing where a segment of it is read as `..`.
fn form(text: &str) -> Option<String> {
    let mut form = String::with_capacity(text.len());
    for part in text.split(SLASHES) {
        let (before, is_last) = before_query(part);
        let name = plain(before);
        if is_up(name, part) {
            return None;
        }
        let segment = fold(name);
        if !segment.is_empty() {
            form.extend(["/", &segment]);
        }
        if is_last {
            break;
        }
    }
    Some(form)
}

/// Two dots, also with more dots and blanks about them where something is cut from them; by themselves, longer rows of dots are names.
fn is_up(name: &str, part: &str) -> bool {
    let is_dots = name.contains("..") && name.chars().all(|c| c == '.' || c.is_whitespace());
    let is_name = name == part && name.len() > 2 && !name.contains(char::is_whitespace);
    is_dots && !is_name
}

/// What stands before an unescaped `?` or `#`, and whether there is one. Path parameters are cut before they are unescaped.
fn before_query(part: &str) -> (&str, bool) {
    without_parameters(part).split_once(['?', '#']).map_or((part, false), |(before, _)| (before, true))
}

/// Without path parameters, the name of a stream of a file (NTFS: `name::$DATA`), and blanks around.
fn plain(part: &str) -> &str {
    let name = without_parameters(part);
    name.find(":$").and_then(|end| name.get(..end)).unwrap_or(name).trim_end_matches(':').trim()
}

pub(super) fn without_parameters(decoded: &str) -> &str {
    decoded.split(';').next().unwrap_or_default()
}

fn fold(plain: &str) -> String {
    let is_cut = |c: char| c.is_whitespace() || c == '.';
    // The small letter of this one is `i` where letters are taken one by one, as Java does.
    let one_by_one = plain.trim_end_matches(is_cut).chars().map(|c| if c == 'İ' { 'I' } else { c });
    // By way of capitals, because some letters (RFC 3986 has none of them unescaped) meet another only there.
    one_by_one.flat_map(char::to_uppercase).flat_map(char::to_lowercase).collect()
}

/// Whether a character is left out where it is shown, and by some where it is compared (Unicode,
/// `Default_Ignorable_Code_Point`); or stands for bytes that are no UTF-8, which some leave out.
const fn is_unseen(c: char) -> bool {
    matches!(
        c,
        char::REPLACEMENT_CHARACTER
            | '\u{ad}'
            | '\u{34f}'
            | '\u{61c}'
            | '\u{115f}'..='\u{1160}'
            | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}'
            | '\u{ffa0}'
            | '\u{fff0}'..='\u{fff8}'
            | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}'
    )
}

/// Without escapes. Bytes that are no UTF-8 are all alike.
pub(super) fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}
