//! The first step: who is calling?
//!
//! Apart from what callers are checked against, so that the gate, which holds that, and the visit, which holds the gate, are
//! imported here and import nothing from here.

use actix_web::http::header::{HeaderMap, SEC_WEBSOCKET_PROTOCOL, UPGRADE};

use super::{
    Authenticated, NOT_ASKED, cookie, credential, credential_of_protocols, faulty, has_credential, known, outside,
    refusal_of,
};
use crate::{
    credentials::api_key::{self as key_text, ApiKey},
    domain::{
        access::Permission,
        refusal::{Refusal, TokenFault},
    },
    pipeline::{destination::route_at, urls::Managed, visit::Visit},
};

/// Finds out who is calling. Only the public URLs are served without a credential.
pub async fn authenticate(visit: &Visit<'_>, headers: &HeaderMap) -> Result<Authenticated, Refusal> {
    let Visit { gate, call, .. } = visit;
    let (identity, tokens, now) = (&gate.identity, &gate.tokens, call.time);
    if let Managed::Found(url) = (gate.find)(&call.method, &call.path) {
        let open = match url.permission {
            Permission::Public => true,
            Permission::Docs => identity.docs_public,
            // A route of the operator's may have `/` and `/favicon.ico` for itself.
            Permission::Console => identity.console && route_at(gate.find, &gate.routing.read(), call).is_none(),
            Permission::Provider => identity.provider,
            Permission::OwnOrCookie => !has_credential(headers) && cookie::refresh_token(headers).is_some(),
            Permission::Own | Permission::Admin | Permission::AdminOrReadonly => false,
        };
        if open {
            return Ok(Authenticated::Anybody);
        }
    }
    let token = match credential(headers) {
        Err(Refusal::MissingCredential) if opens_websocket(visit, headers) => credential_of_protocols(headers)?,
        credential => credential?,
    };
    if !identity.keys.staleness.is_within_bound() {
        return Err(NOT_ASKED);
    }
    if key_text::is_meant(token) {
        let key = ApiKey::read(token).ok_or(faulty(TokenFault::Malformed))?;
        return identity.keys.principal(&key, now).await.map(known);
    }
    let principal = match identity.verify(&tokens.own, token, now.as_second()) {
        Ok(verified) => identity.principal(&verified, now).await?,
        Err(refused) if identity.outside.may_know(refused) => {
            let verified = outside::verify(identity, &tokens.outside, token, refused, now).await?;
            outside::principal(identity, &verified).await?
        }
        Err(refused) => return Err(refusal_of(refused)),
    };
    Ok(known(principal))
}

/// Whether a call offers a WebSocket where one is served.
fn opens_websocket(Visit { gate, call, .. }: &Visit<'_>, headers: &HeaderMap) -> bool {
    let is_served = || route_at(gate.find, &gate.routing.read(), call).is_some_and(|route| route.websocket);
    headers.contains_key(UPGRADE) && headers.contains_key(SEC_WEBSOCKET_PROTOCOL) && is_served()
}
