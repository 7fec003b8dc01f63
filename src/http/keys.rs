//! The public keys of access tokens (RFC 7517), for verifiers elsewhere.

use actix_web::web::{Data, Json};
use schemars::JsonSchema;
use serde::Serialize;

use super::{office::SignIn, problem::Problem};
use crate::credentials::jwt::Jwk;

/// A JWK set. It holds public keys only.
#[derive(Serialize, JsonSchema)]
pub struct JwkSet {
    keys: Vec<Jwk>,
}

/// `GET /.well-known/jwks.json`.
pub async fn jwks(sign_in: Data<SignIn>) -> Result<Json<JwkSet>, Problem> {
    Ok(Json(JwkSet { keys: sign_in.verifier.read().jwks(sign_in.clock.now().as_second()) }))
}
