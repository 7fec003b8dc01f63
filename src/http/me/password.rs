//! Changing one's own password.

use actix_web::{HttpRequest, web::Data};
use apistos::{ApiComponent, actix::NoContent, api_operation};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use crate::{
    actors::registrar::Change,
    domain::{password, principal::Principal, refusal::Refusal},
    http::{
        Office,
        extract::{Caller, JsonBody},
        failure::{busy, no_answer, unavailable},
        password::Password,
        problem::Problem,
    },
    pipeline::audit::Note,
    store::users::{Changed, UserChange},
};

/// The password as it is and as it shall be.
#[derive(Deserialize, JsonSchema, ApiComponent)]
#[serde(deny_unknown_fields)]
pub struct PasswordChange {
    current_password: Password,
    /// 15 characters or more.
    new_password: Password,
}

#[api_operation(
    tag = "Me",
    summary = "Change one's own password",
    description = "Ends all of one's sessions, this one too: log in again. API keys stay.",
    error_code = 400,
    error_code = 401,
    error_code = 409,
    error_code = 413,
    error_code = 415,
    error_code = 429,
    error_code = 503
)]
pub async fn change(
    office: Data<Office>,
    request: HttpRequest,
    Caller(caller): Caller,
    JsonBody(body): JsonBody<PasswordChange>,
) -> Result<NoContent, Problem> {
    password::check(&body.new_password.0).map_err(|error| Refusal::invalid("/new_password", error.to_string()))?;
    // A throttle of guesses, like the one at login, belongs here: the caller's token may be stolen.
    if !is_current(&office, &caller, body.current_password).await? {
        return Err(Refusal::invalid("/current_password", "is not the current password").into());
    }
    let hash = office.passwords.hash(body.new_password.0).await.map_err(busy)?;
    let change = UserChange { password_hash: Some(hash), ..UserChange::default() };
    let change = Change { id: caller.account.id, change };
    match office.users.change(change).await.map_err(no_answer)?.map_err(unavailable)? {
        Changed::Done { .. } => {
            Note::add(&request, |note| note.change = Some(json!({ "password_changed": true })));
            Ok(NoContent)
        }
        Changed::NotFound => Err(Refusal::NotFound.into()),
        // Neither the role nor the name was to change.
        Changed::LastAdmin | Changed::UsernameTaken => Err(Refusal::Internal.into()),
    }
}

async fn is_current(office: &Office, caller: &Principal, given: Password) -> Result<bool, Refusal> {
    let known = office.store.password_of(&caller.account.username).await.map_err(unavailable)?;
    // The name may be another user's by now.
    let hash = known.filter(|(user, _)| user.id == caller.account.id).and_then(|(_, hash)| hash);
    let hash =
        hash.ok_or_else(|| Refusal::Conflict("You have no password here, so there is none to change.".into()))?;
    office.passwords.verify(given.0, Some(hash)).await.map_err(busy)
}
