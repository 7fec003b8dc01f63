//! `/docs/problems`: what each code of a refusal means and what to do, as `docs/errors.md` has it.

use std::sync::LazyLock;

use actix_web::{HttpRequest, HttpResponse, Responder, body::BoxBody};

use super::HTML;
use crate::http::{
    openapi::operation::{Answer, Draft},
    packed::{self, Packed},
    problem::{Problem, documented::Success},
};

/// The page of the documentation, whose table is shown.
const PAGE: &str = include_str!("../../../docs/errors.md");

/// It loads nothing and runs nothing.
const POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:75rem;padding:0 1rem;color-scheme:light dark}\
     table{border-collapse:collapse;width:100%}th,td{border:1px solid #8888;padding:.4rem .6rem;text-align:left;vertical-align:top}\
     tr:target{outline:3px solid #d80}code{font-size:.9em}";

static DOCUMENT: LazyLock<Packed> = LazyLock::new(|| Packed::new(HTML, html().into()));

/// The page as it is answered.
pub struct ProblemsAnswer(&'static Packed);

impl Responder for ProblemsAnswer {
    type Body = BoxBody;

    fn respond_to(self, request: &HttpRequest) -> HttpResponse {
        self.0.answer(request, &[("content-security-policy", POLICY), ("referrer-policy", "no-referrer")])
    }
}

impl Answer for ProblemsAnswer {
    fn describe(draft: &mut Draft<'_>) {
        draft.answers_untyped(Success::Ok, "text/html");
        draft.answers_nothing(Success::NotModified);
    }
}

/// `GET /docs/problems`.
pub async fn problems() -> Result<ProblemsAnswer, Problem> {
    let document: &'static Packed = &DOCUMENT;
    Ok(ProblemsAnswer(packed::ready(document).await?))
}

fn html() -> String {
    let rows = PAGE.lines().filter_map(cells).filter(|cells| cells.len() == 5);
    // The line below the names of the columns has nothing but signs.
    let rows = rows.filter(|cells| !cells.iter().all(|cell| cell.chars().all(|c| c == '-')));
    let rows: String = rows.enumerate().map(|(at, cells)| row(&cells, if at == 0 { "th" } else { "td" })).collect();
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>Problems</title>\
         <meta name=\"viewport\" content=\"width=device-width\"><style>{STYLE}</style></head><body><main><h1>Problems</h1>\
         <p>The last part of <code>type</code> in a refusal (RFC 9457) is one of these codes; \
         <code>instance</code> is the request id, by which an administrator finds the record of the call.</p>\
         <table>{rows}</table></main></body></html>"
    )
}

/// The cells of a line of a table.
fn cells(line: &str) -> Option<Vec<&str>> {
    let line = line.trim().strip_prefix('|')?.strip_suffix('|')?;
    Some(line.split('|').map(str::trim).collect())
}

/// A row, which the first code in it leads to; further codes of the row have a place within it.
fn row(cells: &[&str], element: &str) -> String {
    let codes: Vec<&str> = cells.get(1).map(|codes| codes.split('`').skip(1).step_by(2).collect()).unwrap_or_default();
    let (first, further) = codes.split_first().map_or(("", &[][..]), |(first, further)| (*first, further));
    let places: Vec<String> = further.iter().map(|code| format!("<a id=\"{}\"></a>", escaped(code))).collect();
    let cells: Vec<String> = cells.iter().map(|cell| format!("<{element}>{}</{element}>", text(cell))).collect();
    let cells = cells.concat().replacen(&format!("</{element}>"), &format!("{}</{element}>", places.concat()), 1);
    if first.is_empty() { format!("<tr>{cells}</tr>") } else { format!("<tr id=\"{}\">{cells}</tr>", escaped(first)) }
}

/// A cell in HTML: code in backticks, of links the text, all else as it is.
fn text(cell: &str) -> String {
    let parts = cell.split('`').enumerate();
    let parts = parts.map(|(at, part)| match at % 2 {
        0 => without_stars(&without_links(&escaped(part))),
        _ => format!("<code>{}</code>", escaped(part)),
    });
    parts.collect()
}

/// Emphasis is `*one word*` or `**several**`.
fn without_stars(text: &str) -> String {
    text.replace('*', "")
}

fn without_links(text: &str) -> String {
    let mut parts = text.split('[');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| match part.split_once("](") {
        Some((words, rest)) => text + words + rest.split_once(')').map_or(rest, |(_, behind)| behind),
        None => text + "[" + part,
    })
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_a_place_that_a_link_leads_to() {
        let html = html();
        for code in ["invalid-request", "quota-exceeded", "unsupported-grant-type", "not-cached"] {
            assert_eq!(html.matches(&format!("id=\"{code}\"")).count(), 1, "{code}");
        }
        assert!(html.contains("<tr><th>status</th>") && !html.contains("begin in") && !html.contains("---"));
    }

    #[test]
    fn a_cell_is_text_and_no_markup() {
        assert_eq!(text("`a <b>` & [c](d.md) e"), "<code>a &lt;b&gt;</code> &amp; c e");
        assert_eq!(text("[a"), "[a");
        assert_eq!(text("in *Budgets*, `*`"), "in Budgets, <code>*</code>");
    }
}
