//! The public keys of access tokens (RFC 7517), for whoever verifies them elsewhere.

use actix_web::web::{Data, Json};
use schemars::JsonSchema;
use serde::Serialize;

use super::{Office, problem::Problem};
use crate::credentials::jwt::Jwk;

/// A JWK set. It holds public keys only.
#[derive(Serialize, JsonSchema)]
pub struct JwkSet {
    keys: Vec<Jwk>,
}

pub async fn jwks(office: Data<Office>) -> Result<Json<JwkSet>, Problem> {
    Ok(Json(JwkSet { keys: office.verifier.read().jwks(office.clock.now().as_second()) }))
}
