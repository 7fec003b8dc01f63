//! `/openapi.json`, and `/docs`: Swagger UI as one page that loads nothing from anywhere.

mod problems;
mod routes;

use std::{
    io::{Cursor, Read},
    sync::Arc,
};

use actix_web::{HttpRequest, HttpResponse, Responder, body::BoxBody, web::Data};
use base64::{Engine, engine::general_purpose::STANDARD};

pub use self::{problems::problems, routes::routes};
use super::{
    lead::Lead,
    openapi::{
        Document,
        operation::{Answer, Draft},
    },
    packed::{self, Packed},
    problem::{Problem, documented::Success},
};
use crate::crypto;

const HTML: &str = "text/html; charset=utf-8";

/// The page and the policy that lets it run its own script and no other.
#[derive(Clone)]
pub struct DocsPage {
    html: Arc<Packed>,
    policy: String,
}

/// The page could not be put together from the bundled files.
#[derive(Debug, thiserror::Error)]
pub enum DocsError {
    #[error("the bundled Swagger UI could not be read: {0}")]
    Archive(#[from] zip::result::ZipError),
    #[error("the bundled Swagger UI has no {0}")]
    Missing(String),
    #[error("the bundled Swagger UI could not be unpacked: {0}")]
    Io(#[from] std::io::Error),
}

/// What the page does besides what Swagger UI does.
const START: &str = include_str!("docs/page.js");
const STYLE: &str = include_str!("docs/page.css");

/// What stands above Swagger UI.
const ABOVE: &str = "<header class=\"own\">\
<p><label>Filter <input id=\"filter\" type=\"search\" placeholder=\"method, path or words\" autocomplete=\"off\"></label></p>\
<details open><summary>Routes of this gateway</summary>\
<table><thead><tr><th>methods</th><th>path</th><th>format</th></tr></thead><tbody id=\"routes\"></tbody></table>\
<p id=\"note\" role=\"status\">Reading the routes.</p></details>\
<p><a href=\"/docs/problems\">What each code of a refusal means</a> · <a href=\"/openapi.json\">This page for programs</a></p>\
</header>";

impl DocsPage {
    /// Unpacks the bundle; called once, at start.
    pub fn build() -> Result<Self, DocsError> {
        let mut archive = zip::ZipArchive::new(Cursor::new(utoipa_swagger_ui_vendored::SWAGGER_UI_VENDORED))?;
        let style = unpack(&mut archive, "swagger-ui.css")?;
        let library = unpack(&mut archive, "swagger-ui-bundle.js")?;
        // A script element ends at the first such text, wherever it stands (HTML §13.2.5.4); in JavaScript the
        // backslash changes nothing.
        let script = format!("{library}\n;\n{START}").replace("</script", "<\\/script").replace("<!--", "<\\!--");
        let digest = STANDARD.encode(crypto::sha256(&[script.as_bytes()]));
        let html = format!(
            "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>Tollgate API</title>\
             <style>{style}\n{STYLE}</style></head><body>{ABOVE}<div id=\"ui\"></div><script>{script}</script></body></html>"
        );
        let policy = format!(
            "default-src 'none'; connect-src 'self'; img-src 'self' data:; style-src 'unsafe-inline'; \
             script-src 'sha256-{digest}'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
        );
        Ok(Self { html: Arc::new(Packed::new(HTML, html.into())), policy })
    }
}

fn unpack(archive: &mut zip::ZipArchive<Cursor<&[u8]>>, name: &str) -> Result<String, DocsError> {
    for index in 0..archive.len() {
        let mut file = archive.by_index(index)?;
        if file.name()?.rsplit('/').next() == Some(name) {
            let mut text = String::new();
            file.read_to_string(&mut text)?;
            return Ok(text);
        }
    }
    Err(DocsError::Missing(name.to_owned()))
}

/// The page as it is answered.
pub struct PageAnswer(DocsPage);

impl Responder for PageAnswer {
    type Body = BoxBody;

    fn respond_to(self, request: &HttpRequest) -> HttpResponse {
        let fields = [("content-security-policy", self.0.policy.as_str()), ("referrer-policy", "no-referrer")];
        self.0.html.answer(request, &fields)
    }
}

impl Answer for PageAnswer {
    fn describe(draft: &mut Draft<'_>) {
        draft.answers_untyped(Success::Ok, "text/html");
        draft.answers_nothing(Success::NotModified);
    }
}

/// The document as it is answered.
pub struct DocumentAnswer(Arc<Packed>);

impl Responder for DocumentAnswer {
    type Body = BoxBody;

    fn respond_to(self, request: &HttpRequest) -> HttpResponse {
        self.0.answer(request, &[])
    }
}

impl Answer for DocumentAnswer {
    fn describe(draft: &mut Draft<'_>) {
        draft.answers_untyped(Success::Ok, "application/json");
        draft.answers_nothing(Success::NotModified);
    }
}

/// The way from a URL that has a slash at its end to the page without it.
type WithoutSlash = Lead<true>;

/// `GET /docs/`.
pub async fn lead() -> Result<WithoutSlash, Problem> {
    Ok(Lead("/docs"))
}

/// `GET /docs/problems/`.
pub async fn lead_to_problems() -> Result<WithoutSlash, Problem> {
    Ok(Lead("/docs/problems"))
}

/// `GET /docs`.
pub async fn page(page: Data<DocsPage>) -> Result<PageAnswer, Problem> {
    packed::ready(Arc::clone(&page.html)).await?;
    Ok(PageAnswer(page.as_ref().clone()))
}

/// `GET /openapi.json`.
pub async fn document(document: Data<Document>) -> Result<DocumentAnswer, Problem> {
    Ok(DocumentAnswer(packed::ready(document.packed()).await?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_holds_all_it_needs_and_ends_its_script_once() {
        let page = DocsPage::build().unwrap();
        let html = std::str::from_utf8(page.html.bytes()).unwrap();
        assert_eq!(html.matches("</script").count(), 1);
        assert!(html.contains("SwaggerUIBundle"));
        // What is said where its own requests are refused.
        assert!(html.contains("answer.status === 401") && html.contains("set docs.public = true"));
        for id in ["filter", "routes", "note", "ui"] {
            assert_eq!(html.matches(&format!(" id=\"{id}\"")).count(), 1, "{id}");
        }
        assert!(!html.contains("<script src") && !html.contains("<link"));
    }
}
