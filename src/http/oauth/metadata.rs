//! What an OAuth client must know of this authorization server (RFC 8414).

use actix_web::{
    HttpRequest,
    web::{Data, Json},
};
use schemars::JsonSchema;
use serde::Serialize;

use super::{CLIENT_CREDENTIALS, REFRESH_TOKEN};
use crate::{
    domain::refusal::Refusal,
    http::{office::SignIn, problem::Problem},
    pipeline::{Gate, peers::Front},
};

/// RFC 8414 §2.
#[derive(Serialize, JsonSchema)]
pub struct Metadata {
    /// The `iss` of access tokens.
    issuer: String,
    token_endpoint: String,
    revocation_endpoint: String,
    jwks_uri: String,
    grant_types_supported: [&'static str; 2],
    token_endpoint_auth_methods_supported: [&'static str; 2],
    revocation_endpoint_auth_methods_supported: [&'static str; 1],
    /// There is no authorization endpoint.
    response_types_supported: [&'static str; 0],
}

/// `GET /.well-known/oauth-authorization-server`.
pub async fn metadata(
    sign_in: Data<SignIn>,
    gate: Data<Gate>,
    request: HttpRequest,
) -> Result<Json<Metadata>, Problem> {
    let base = base(&sign_in.issuer_name, &gate, &request)?;
    Ok(Json(Metadata {
        issuer: sign_in.issuer_name.to_string(),
        token_endpoint: format!("{base}/oauth/token"),
        revocation_endpoint: format!("{base}/oauth/revoke"),
        jwks_uri: format!("{base}/.well-known/jwks.json"),
        grant_types_supported: [CLIENT_CREDENTIALS, REFRESH_TOKEN],
        token_endpoint_auth_methods_supported: ["client_secret_basic", "client_secret_post"],
        revocation_endpoint_auth_methods_supported: ["none"],
        response_types_supported: [],
    }))
}

fn base(issuer: &str, gate: &Gate, request: &HttpRequest) -> Result<String, Refusal> {
    if issuer.starts_with("https://") || issuer.starts_with("http://") {
        return Ok(issuer.trim_end_matches('/').to_owned());
    }
    let Front { scheme, host } = gate.peers.front_of(request);
    let host = host.ok_or(Refusal::InvalidHost("there is no Host"))?;
    Ok(format!("{scheme}://{host}"))
}
