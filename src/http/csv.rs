//! Lists as CSV (RFC 4180), for whoever asks for `text/csv` by `Accept`: a line of names, then a line an item.
//!
//! Which columns there are says the question and never the answer: programs read them by their places. What is null is
//! empty, what has parts is JSON. The next page stands in `Link` (RFC 8288).

use actix_web::{
    HttpRequest, HttpResponse, Responder,
    body::BoxBody,
    http::header::{ACCEPT, Accept, CONTENT_TYPE, LINK, Quality, VARY},
};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

use super::{
    openapi::operation::{Answer, Draft},
    problem::{self, documented::Success},
};
use crate::{
    domain::csv::{guarded, line},
    pipeline::fields::members,
};

const CSV: &str = "text/csv";

/// A list that has columns.
pub trait Table: Serialize + JsonSchema {
    type Row: Serialize;

    /// The fields of an item in the order of the columns.
    const COLUMNS: &'static [&'static str];

    /// Those of the columns that were asked for.
    fn columns(&self) -> Vec<&'static str> {
        Self::COLUMNS.to_vec()
    }

    /// The items.
    fn rows(&self) -> &[Self::Row];

    /// Where the next page begins.
    fn next_cursor(&self) -> Option<&str> {
        None
    }
}

/// A list in the form that is asked for: JSON, or CSV.
pub struct Tabular<T>(pub T);

impl<T: Table> Responder for Tabular<T> {
    type Body = BoxBody;

    fn respond_to(self, request: &HttpRequest) -> HttpResponse {
        let mut answer = problem::ok();
        answer.insert_header((VARY, "Accept"));
        if !wants_csv(request) {
            return answer.json(self.0);
        }
        answer.insert_header((CONTENT_TYPE, "text/csv; charset=utf-8; header=present"));
        if let Some(cursor) = self.0.next_cursor() {
            answer.insert_header((LINK, format!("<{}>; rel=\"next\"", next_page(request, cursor))));
        }
        answer.body(text(&self.0))
    }
}

impl<T: Table> Answer for Tabular<T> {
    fn describe(draft: &mut Draft<'_>) {
        draft.answers::<T>(Success::Ok);
        draft.answers_also(Success::Ok, CSV);
    }
}

fn wants_csv(request: &HttpRequest) -> bool {
    wants(request, CSV, |usual| matches!(usual, ("*", _) | ("application", "json" | "*")))
}

/// Whether a form is asked for before the usual one (RFC 9110 §12.5.1), which `is_usual` knows. A form of no weight is one that
/// the client does not take (§12.4.2).
pub fn wants(request: &HttpRequest, form: &str, is_usual: impl Fn((&str, &str)) -> bool) -> bool {
    let asked = members(request.headers(), ACCEPT).filter_map(|member| std::str::from_utf8(member).ok()?.parse().ok());
    let mut asked = Accept(asked.collect());
    asked.0.retain(|media| media.quality > Quality::ZERO);
    let known = asked
        .ranked()
        .into_iter()
        .find(|media| media.essence_str() == form || is_usual((media.type_().as_str(), media.subtype().as_str())));
    known.is_some_and(|media| media.essence_str() == form)
}

fn next_page(request: &HttpRequest, cursor: &str) -> String {
    let given = form_urlencoded::parse(request.query_string().as_bytes()).filter(|(name, _)| name != "cursor");
    let mut query = form_urlencoded::Serializer::new(String::new());
    let query = query.extend_pairs(given).append_pair("cursor", cursor).finish();
    format!("{}?{query}", request.path())
}

fn text<T: Table>(table: &T) -> String {
    let columns = table.columns();
    let mut text = line(columns.iter().map(|name| (*name).to_owned()));
    for row in table.rows().iter().filter_map(fields) {
        text.push_str(&line(columns.iter().map(|name| row.get(*name).map(cell).unwrap_or_default())));
    }
    text
}

fn fields(row: &impl Serialize) -> Option<Map<String, Value>> {
    if let Ok(Value::Object(fields)) = serde_json::to_value(row) { Some(fields) } else { None }
}

/// A value as the text of a cell. A number is no formula.
fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => guarded(text),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;
    use serde_json::json;

    use super::*;

    #[derive(Serialize, JsonSchema)]
    struct List(Vec<Value>);

    impl Table for List {
        type Row = Value;

        const COLUMNS: &'static [&'static str] = &["a", "b", "c"];

        fn rows(&self) -> &[Value] {
            &self.0
        }
    }

    #[test]
    fn a_value_is_a_cell_and_no_formula() {
        for (value, expected) in [
            (json!(null), ""),
            (json!(1.5), "1.5"),
            (json!(-3), "-3"),
            (json!("plain"), "plain"),
            (json!("=1+2"), "'=1+2"),
            (json!({"k": "v"}), "{\"k\":\"v\"}"),
        ] {
            assert_eq!(cell(&value), expected, "{value}");
        }
    }

    #[test]
    fn columns_are_the_same_whatever_the_items_have() {
        let list = |items: &[Value]| text(&List(items.to_vec()));
        assert_eq!(list(&[]), "a,b,c\r\n");
        assert_eq!(list(&[json!({"c": 1, "a": null}), json!({"a": 2})]), "a,b,c\r\n,,1\r\n2,,\r\n");
    }

    #[test]
    fn csv_is_given_to_those_who_ask_for_it_before_json() {
        for (accept, expected) in [
            (None, false),
            (Some("*/*"), false),
            (Some("application/json"), false),
            (Some("text/csv"), true),
            (Some("text/csv; charset=utf-8"), true),
            (Some("text/csv;q=0.5, application/json"), false),
            (Some("text/csv, */*;q=0.1"), true),
            (Some("text/csv;q=0"), false),
            (Some("text/csv;q=0.0, */*;q=0.1"), false),
            (Some("application/json;q=0, text/csv;q=0.1"), true),
            (Some("text/html"), false),
            (Some("text/csv, x/é"), true),
            (Some("text/csv, nonsense"), true),
            (Some("é"), false),
        ] {
            let mut request = TestRequest::default();
            if let Some(accept) = accept {
                request = request.insert_header(("accept", accept));
            }
            assert_eq!(wants_csv(&request.to_http_request()), expected, "{accept:?}");
        }
    }

    #[test]
    fn the_next_page_is_asked_for_as_this_one_was() {
        let request = TestRequest::with_uri("/admin/audit?status=4xx&cursor=a&route=a%26b").to_http_request();
        assert_eq!(next_page(&request, "b/c"), "/admin/audit?status=4xx&route=a%26b&cursor=b%2Fc");
    }
}
