//! A request whose answer may be kept, as its upstream would see it.

use std::{sync::Arc, time::Duration};

use actix_web::HttpRequest;
use http::HeaderMap;

use super::{
    super::outgoing::{identity, translate},
    Content,
};
use crate::{
    cache::{
        collapse::LONGEST_WAIT,
        key::{Parts, RequestKey},
    },
    domain::{
        caching::{Caching, Sharing, Wishes, conditional},
        failover::Aim,
        principal::{CredentialKind, Principal},
        route::Route,
    },
    pipeline::{body::ClientBody, visit::Visit},
    upstream::headers::keep_forwarded,
};

/// What kind of request it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Get,
    Head,
    /// To a model.
    Post,
}

/// What of a request decides what may be served to it.
#[derive(Clone)]
pub(super) struct Wanted {
    pub route: Arc<str>,
    pub kind: Kind,
    pub place: RequestKey,
    /// As the upstream gets them; what the gateway makes for each call is not among them.
    pub headers: HeaderMap,
    pub wishes: Wishes,
    pub caching: Caching,
    /// How long it waits for equal calls: as long as an upstream may be silent before its answer, within a bound.
    pub waits: Duration,
}

/// `None` where nothing is kept for such a request: a change, a GET with a body, one with conditions that are for its
/// upstream alone, a stream, or a WebSocket.
pub(super) fn of(
    visit: &Visit<'_>,
    request: &HttpRequest,
    content: Content<'_>,
    (route, caching): (&Route, Caching),
    principal: &Principal,
) -> Option<Wanted> {
    if content.is_websocket {
        return None;
    }
    let call = &visit.call;
    let (kind, body) = match (call.method.as_str(), content.body) {
        ("GET", ClientBody::Empty) => (Kind::Get, None),
        ("HEAD", ClientBody::Empty) => (Kind::Head, None),
        ("POST", ClientBody::Whole(body)) if caching.posts && content.asked.is_some_and(|asked| !asked.is_stream()) => {
            (Kind::Post, Some(body))
        }
        _ => return None,
    };
    let mut headers = translate(request.headers());
    let routing = visit.gate.routing.read();
    // What only one of several upstreams is not sent tells answers apart all the same.
    let secret = if let [aim] = content.aims { routing.target(&aim.upstream)?.secret.as_ref() } else { None };
    keep_forwarded(&mut headers, secret);
    let silences = content.aims.iter().filter_map(|aim| Some(routing.target(&aim.upstream)?.timeout));
    let waits = silences.max().map_or(LONGEST_WAIT, |longest| longest.min(LONGEST_WAIT));
    if conditional::is_for_upstream(&headers) {
        return None;
    }
    let purges = visit.gate.purges.read();
    let name = |aim: &Aim| format!("{} {}", aim.upstream, aim.model.as_deref().unwrap_or_default());
    let upstreams = content.aims.iter().map(name).collect::<Vec<String>>().join(" ");
    let place = RequestKey::of(&Parts {
        route: &route.name,
        upstream: &upstreams,
        purges: purges.of(&route.name),
        sharing: &sharing(route, caching.per, principal),
        scheme: call.front.scheme,
        host: call.front.host.as_deref().unwrap_or_default(),
        path: &call.path,
        query: call.query.as_deref(),
        headers: &headers,
        body: body.map(AsRef::as_ref),
    });
    let (route, wishes) = (Arc::clone(&route.name), Wishes::of(&headers));
    Some(Wanted { route, kind, place, headers, wishes, caching, waits })
}

/// Who may share the answers to this caller: where the upstream is told who calls, only callers of whom it is told the same. So nobody
/// is served what was answered to a role, a team or a key that the caller does not have any more.
fn sharing(route: &Route, per: Sharing, principal: &Principal) -> String {
    let shared = shared_by(per, principal);
    if route.identity { format!("{shared} {:?}", identity(principal)) } else { shared }
}

fn shared_by(per: Sharing, principal: &Principal) -> String {
    let user = || format!("user:{}", principal.account.id);
    let credential = &principal.credential;
    match per {
        Sharing::Global => "all".into(),
        Sharing::Team => principal.account.team.map_or_else(user, |team| format!("team:{team}")),
        Sharing::Key if credential.kind == CredentialKind::ApiKey => format!("key:{}", credential.id),
        Sharing::Key | Sharing::User => user(),
    }
}
