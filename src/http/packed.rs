//! Documents that every client is given alike: as they are, or compressed by gzip for those that take it (RFC 9110 §12.5.3),
//! with an `ETag` for each form.

use std::{io::Write, ops::Deref, sync::OnceLock};

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{
        ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, Encoding, HeaderMap, IF_NONE_MATCH,
        Preference, Quality, QualityItem, VARY,
    },
    rt::task::spawn_blocking,
    web::Bytes,
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use flate2::{Compression, write::GzEncoder};

use super::problem;
use crate::{crypto, domain::refusal::Refusal, pipeline::fields::members};

/// A document that is compressed once, when it is first asked for.
pub struct Packed {
    media: &'static str,
    bytes: Bytes,
    forms: OnceLock<Forms>,
}

/// What a document is answered as.
struct Forms {
    plain: Form,
    /// Nothing where compressing failed.
    gzip: Option<Form>,
}

/// Bytes, and the name that they have by their hash (RFC 9110 §8.8.3).
struct Form {
    bytes: Bytes,
    tag: String,
}

impl Form {
    fn of(bytes: Bytes) -> Self {
        let tag = format!("\"{}\"", URL_SAFE_NO_PAD.encode(crypto::sha256(&[&bytes])));
        Self { bytes, tag }
    }
}

impl Packed {
    /// A document of this media type.
    pub const fn new(media: &'static str, bytes: Bytes) -> Self {
        Self { media, bytes, forms: OnceLock::new() }
    }

    /// As it is.
    pub const fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    fn forms(&self) -> &Forms {
        self.forms.get_or_init(|| Forms {
            plain: Form::of(self.bytes.clone()),
            gzip: gzip(&self.bytes).map(|packed| Form::of(packed.into())),
        })
    }

    /// The form that the request asks for, with these header fields besides; 304 where the client has it. A client asks each time
    /// and learns from the tag that nothing changed: an upgrade is never seen half.
    pub fn answer(&self, request: &HttpRequest, fields: &[(&'static str, &str)]) -> HttpResponse {
        let forms = self.forms();
        let packed = forms.gzip.as_ref().filter(|_| takes_gzip(request.headers()));
        let form = packed.unwrap_or(&forms.plain);
        let is_known = members(request.headers(), IF_NONE_MATCH)
            .map(|known| known.strip_prefix(b"W/").unwrap_or(known))
            .any(|known| known == form.tag.as_bytes() || known == b"*");
        let mut response = if is_known { problem::not_modified() } else { problem::ok() };
        response
            .insert_header((ETAG, form.tag.as_str()))
            .insert_header((CACHE_CONTROL, "no-cache"))
            .insert_header((VARY, "Accept-Encoding"));
        for field in fields {
            response.insert_header(*field);
        }
        if is_known {
            return response.finish();
        }
        if packed.is_some() {
            response.insert_header((CONTENT_ENCODING, "gzip"));
        }
        response.insert_header((CONTENT_TYPE, self.media)).body(form.bytes.clone())
    }

    /// How long it is on the wire for those who take gzip.
    #[cfg(test)]
    pub(super) fn packed_len(&self) -> usize {
        self.forms().gzip.as_ref().map_or(self.bytes.len(), |form| form.bytes.len())
    }
}

/// A document whose forms are at hand: whoever asks first has them made, on a thread that serves no calls.
///
/// # Errors
/// `Internal`.
pub async fn ready<P>(document: P) -> Result<P, Refusal>
where
    P: Deref<Target = Packed> + Clone + Send + 'static,
{
    if document.forms.get().is_none() {
        let unmade = document.clone();
        let make = move || {
            unmade.forms();
        };
        spawn_blocking(make).await.map_err(|_| Refusal::Internal)?;
    }
    Ok(document)
}

fn gzip(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).and_then(|()| encoder.finish()).ok()
}

/// Whether a client takes gzip, and likes it no less than no coding (RFC 9110 §12.5.3). A coding that is not named is one with
/// the weight of `*`, and `x-gzip` is another name of this one (§8.4.1.3). Who takes neither gets what there is (§12.1).
fn takes_gzip(headers: &HeaderMap) -> bool {
    let asked = members(headers, ACCEPT_ENCODING).filter_map(|member| std::str::from_utf8(member).ok()?.parse().ok());
    let asked: Vec<QualityItem<Preference<Encoding>>> = asked.collect();
    let weight = |coding: &Preference<Encoding>| asked.iter().find(|one| one.item == *coding).map(|one| one.quality);
    let gzip = weight(&Preference::Specific(Encoding::gzip()))
        .or_else(|| weight(&Preference::Specific(Encoding::Unknown("x-gzip".into()))))
        .or_else(|| weight(&Preference::Any))
        .unwrap_or(Quality::ZERO);
    let plain = weight(&Preference::Specific(Encoding::identity())).unwrap_or(Quality::ZERO);
    gzip > Quality::ZERO && gzip >= plain
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    const TEXT: &str = "text/plain";

    fn document() -> Packed {
        Packed::new(TEXT, Bytes::from(vec![b'a'; 10_000]))
    }

    #[test]
    fn the_form_is_the_one_that_is_asked_for() {
        for (asked, is_packed) in [
            (None, false),
            (Some(""), false),
            (Some("gzip"), true),
            (Some("br, GZIP;q=0.5"), true),
            (Some("x-gzip"), true),
            (Some("*"), true),
            (Some("br, *;q=0.1"), true),
            (Some("identity;q=0, *"), true),
            (Some("gzip;q=0.5, identity;q=0.5"), true),
            (Some("gzip;q=0.5, identity"), false),
            (Some("gzip;q=0, *"), false),
            (Some("gzip;q=0.000"), false),
            (Some("*;q=0"), false),
            (Some("identity;q=0"), false),
            (Some("br"), false),
            (Some("gzip;q=much"), false),
        ] {
            let mut request = TestRequest::default();
            if let Some(asked) = asked {
                request = request.insert_header((ACCEPT_ENCODING, asked));
            }
            let answer = document().answer(&request.to_http_request(), &[]);
            assert_eq!(answer.headers().contains_key(CONTENT_ENCODING), is_packed, "{asked:?}");
            assert_eq!(answer.headers().get(VARY).unwrap(), "Accept-Encoding", "{asked:?}");
        }
    }

    #[test]
    fn each_form_has_a_tag_by_which_it_is_known() {
        let document = document();
        let ask = |coding: &str, known: &str| {
            let request = TestRequest::default().insert_header((ACCEPT_ENCODING, coding));
            document.answer(&request.insert_header((IF_NONE_MATCH, known)).to_http_request(), &[("x-more", "1")])
        };
        let tag = |coding: &str| ask(coding, "\"other\"").headers().get(ETAG).unwrap().to_str().unwrap().to_owned();
        let (plain, packed) = (tag("identity"), tag("gzip"));
        assert_ne!(plain, packed);
        for known in [packed.clone(), format!("\"other\", W/{packed}"), "*".into()] {
            let answer = ask("gzip", &known);
            assert_eq!(answer.status().as_u16(), 304, "{known}");
            assert_eq!(answer.headers().get(ETAG).unwrap(), &*packed);
            assert!(answer.headers().contains_key("x-more") && !answer.headers().contains_key(CONTENT_ENCODING));
        }
        assert_eq!(ask("gzip", &plain).status().as_u16(), 200, "the other form is another one");
    }
}
