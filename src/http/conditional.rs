//! Conditional requests (RFC 9110 §13): the `ETag` of what administrators made, and what a change asks of it.
//!
//! A tag names the version of what was set, so that nobody overwrites what another has changed meanwhile. What an answer shows
//! besides (what is spent of a budget, how an upstream does, names of others) is no part of it: so a GET is always answered in
//! full, and the tag serves to make a change.

use std::future::{Ready, ready};

use actix_web::{
    FromRequest, HttpRequest, HttpResponse, Responder,
    body::BoxBody,
    dev::Payload,
    http::header::{EntityTag, HeaderName, HeaderValue, IF_MATCH, IF_NONE_MATCH},
};
use apistos_models::paths::Parameter;
use schemars::JsonSchema;
use serde::Serialize;

use super::{
    extract::header_text,
    openapi::operation::{Answer, Argument, Draft},
    problem::{
        self, Problem,
        documented::{RefusalKind, Success},
    },
};
use crate::domain::refusal::Refusal;

/// The tag of a version.
pub(super) fn tag_of(version: i64) -> EntityTag {
    EntityTag::new_strong(version.to_string())
}

/// What a change asks of what is there; by default nothing.
#[derive(Default)]
pub struct Conditions {
    wanted: Option<Tags>,
    unwanted: Option<Tags>,
}

/// What `If-Match` or `If-None-Match` names.
#[derive(Debug, PartialEq)]
enum Tags {
    Any,
    Listed(Vec<EntityTag>),
}

impl Tags {
    /// `*` stands alone (RFC 9110 §13.1), and a comma within quotes is part of a tag (§8.8.3). A list may have empty members and
    /// may be empty (§5.6.1.2): then it names no version.
    fn parse(text: &str) -> Option<Self> {
        if text.trim_ascii() == "*" {
            return Some(Self::Any);
        }
        let mut is_quoted = false;
        let members = text.split(|character: char| {
            is_quoted ^= character == '"';
            character == ',' && !is_quoted
        });
        let members = members.map(str::trim_ascii).filter(|member| !member.is_empty());
        members.map(str::parse).collect::<Result<Vec<EntityTag>, _>>().ok().map(Self::Listed)
    }

    fn have(&self, is_same: impl Fn(&EntityTag) -> bool) -> bool {
        match self {
            Self::Any => true,
            Self::Listed(tags) => tags.iter().any(is_same),
        }
    }
}

impl Conditions {
    /// Whether what is there, and has this tag, is as the request asks.
    ///
    /// # Errors
    /// `PreconditionFailed`.
    pub(super) fn check(&self, present: Option<&EntityTag>) -> Result<(), Refusal> {
        let is_wanted = self
            .wanted
            .as_ref()
            .is_none_or(|tags| present.is_some_and(|present| tags.have(|tag| tag.strong_eq(present))));
        let is_unwanted = self
            .unwanted
            .as_ref()
            .is_some_and(|tags| present.is_some_and(|present| tags.have(|tag| tag.weak_eq(present))));
        let why = match present {
            Some(present) if !is_wanted => {
                format!("If-Match does not name {present}, which is the present version. Look again.")
            }
            None if !is_wanted => "If-Match asks for something that is there, and it is not. Leave it out.".into(),
            Some(present) if is_unwanted => {
                format!("It is there, at version {present}, and If-None-Match forbids that.")
            }
            _ => return Ok(()),
        };
        Err(Refusal::PreconditionFailed(why))
    }

    /// The same of what has no version: an answer to GET, or nothing.
    ///
    /// # Errors
    /// `PreconditionFailed`.
    pub(super) fn check_without_version(&self, is_there: bool) -> Result<(), Refusal> {
        let is_wanted = match &self.wanted {
            Some(Tags::Listed(_)) => false,
            Some(Tags::Any) => is_there,
            None => true,
        };
        let why = if !is_wanted {
            "What this changes has no version (no ETag), so that If-Match can ask for none. Leave it out."
        } else if is_there && matches!(self.unwanted, Some(Tags::Any)) {
            "There is something at this address, and If-None-Match forbids that. Leave it out."
        } else {
            return Ok(());
        };
        Err(Refusal::PreconditionFailed(why.into()))
    }

    /// Whether the version of what is there matters, so that a change that came between is refused with 412.
    pub(super) const fn names_version(&self) -> bool {
        self.wanted.is_some()
    }
}

impl FromRequest for Conditions {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let wanted = read(request, &IF_MATCH);
        let unwanted = read(request, &IF_NONE_MATCH);
        ready(wanted.and_then(|wanted| Ok(Self { wanted, unwanted: unwanted? })))
    }
}

/// A header, if it is there: its lines are one list (RFC 9110 §5.3).
fn read(request: &HttpRequest, name: &HeaderName) -> Result<Option<Tags>, Problem> {
    if !request.headers().contains_key(name) {
        return Ok(None);
    }
    let lines: Result<Vec<&str>, _> = request.headers().get_all(name).map(HeaderValue::to_str).collect();
    let tags = lines.ok().and_then(|lines| Tags::parse(&lines.join(",")));
    let detail = "must be * alone, or versions in quotes as ETag has them, such as \"17\"";
    tags.map(Some).ok_or_else(|| Problem(Refusal::invalid(format!("header:{name}"), detail)))
}

/// What [`Tags::parse`] reads, as ECMA-262 has it.
const TAGS: &str = r#"^(\*|((W/)?"[!#-~]*")?([ \t]*,([ \t]*(W/)?"[!#-~]*")?)*)$"#;

impl Argument for Conditions {
    fn describe(draft: &mut Draft<'_>) {
        let field =
            |name: &str, text: &str| Parameter { description: Some(text.into()), ..header_text(name, Some(TAGS)) };
        draft.parameter(field(
            "If-Match",
            "Only if it is at this version, as `ETag` names it; `*`: only if it is there.",
        ));
        draft.parameter(field(
            "If-None-Match",
            "Only if it is at none of these versions; `*`: only if it is not there.",
        ));
        draft.refuses(&[RefusalKind::PreconditionFailed]);
    }
}

/// What a change is made to: where it is, and what the request asks of it.
pub struct At<P>(pub P, pub Conditions);

impl<P: FromRequest<Error = Problem, Future = Ready<Result<P, Problem>>>> FromRequest for At<P> {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let place = P::from_request(request, payload).into_inner();
        let conditions = Conditions::from_request(request, payload).into_inner();
        ready(place.and_then(|place| Ok(Self(place, conditions?))))
    }
}

impl<P: Argument> Argument for At<P> {
    fn describe(draft: &mut Draft<'_>) {
        P::describe(draft);
        Conditions::describe(draft);
    }
}

/// An object, and the tag of its version where administrators can change it.
pub struct Tagged<T> {
    pub(super) tag: Option<EntityTag>,
    pub(super) object: T,
}

impl<T> Tagged<T> {
    /// What administrators made, at this version.
    pub(super) const fn new(tag: EntityTag, object: T) -> Self {
        Self { tag: Some(tag), object }
    }
}

impl<T: Serialize> Responder for Tagged<T> {
    type Body = BoxBody;

    fn respond_to(self, _: &HttpRequest) -> HttpResponse {
        let mut response = problem::ok();
        if let Some(tag) = self.tag {
            response.insert_header(actix_web::http::header::ETag(tag));
        }
        response.json(self.object)
    }
}

impl<T: JsonSchema> Answer for Tagged<T> {
    fn describe(draft: &mut Draft<'_>) {
        draft.answers::<T>(Success::Ok);
        draft.has_header(Success::Ok, "ETag", VERSION);
    }
}

/// What the document says of `ETag`.
pub(super) const VERSION: &str =
    "The version of what was set, for `If-Match`. What is counted or measured is no part of it.";

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn of(name: &str, text: &str) -> Option<Conditions> {
        let request = TestRequest::default().insert_header((name, text)).to_http_request();
        Conditions::from_request(&request, &mut Payload::None).into_inner().ok()
    }

    #[test]
    fn a_change_is_made_to_the_version_that_it_names_and_to_no_other() {
        for (name, text, to_17, to_nothing) in [
            ("if-match", "\"17\"", true, false),
            ("if-match", "\"16\", \"17\"", true, false),
            ("if-match", "\"16\"", false, false),
            ("if-match", "W/\"17\"", false, false),
            ("if-match", "*", true, false),
            ("if-none-match", "*", false, true),
            ("if-none-match", "W/\"17\"", false, true),
            ("if-none-match", "\"16\"", true, true),
            ("if-match", "\"a,b\", \"17\"", true, false),
            ("if-match", "\"16,17\",\"18\"", false, false),
            ("if-match", ",\"17\" ,", true, false),
            ("if-none-match", "\"a,\", W/\"17\"", false, true),
            ("if-match", "", false, false),
            ("if-match", " , ,", false, false),
            ("if-none-match", "", true, true),
            ("if-none-match", ",", true, true),
            ("x-other", "*", true, true),
        ] {
            let conditions = of(name, text).unwrap();
            assert_eq!(conditions.check(Some(&tag_of(17))).is_ok(), to_17, "{name}: {text}");
            assert_eq!(conditions.check(None).is_ok(), to_nothing, "{name}: {text}");
        }
    }

    #[test]
    fn what_has_no_version_is_at_none_that_a_change_may_ask_for() {
        for (name, text, to_something, to_nothing) in [
            ("if-match", "\"17\"", false, false),
            ("if-match", "W/\"17\", \"18\"", false, false),
            ("if-match", "*", true, false),
            ("if-none-match", "*", false, true),
            ("if-none-match", "\"17\"", true, true),
            ("x-other", "*", true, true),
        ] {
            let conditions = of(name, text).unwrap();
            assert_eq!(conditions.check_without_version(true).is_ok(), to_something, "{name}: {text}");
            assert_eq!(conditions.check_without_version(false).is_ok(), to_nothing, "{name}: {text}");
        }
    }

    #[test]
    fn a_version_without_its_quotes_is_refused() {
        for text in
            ["17", "\"17", "W/17", "*, \"17\"", "\"17\", *", "*, *", "*,", "\"17\" \"18\"", "\"a\"b\"", "w/\"17\""]
        {
            assert!(of("if-match", text).is_none() && of("if-none-match", text).is_none(), "{text:?}");
        }
    }
}
