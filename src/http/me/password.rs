//! Changing one's own password.

use actix_web::{HttpRequest, web::Data};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use crate::{
    actors::administration::Administers,
    domain::{
        password::{self, WeakPassword},
        principal::Principal,
        refusal::Refusal,
    },
    http::{
        administered,
        extract::{Caller, JsonBody},
        failure::{busy, no_answer, unavailable},
        guarded_password,
        no_content::NoContent,
        office::SignIn,
        password::Password,
        problem::Problem,
    },
    pipeline::audit::Note,
    store::users::{UserChange, UserRow},
};

/// The password as it is and as it shall be.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PasswordChange {
    current_password: Password,
    /// 15 characters or more.
    #[schemars(length(min = 15, max = 256))]
    new_password: Password,
}

/// `POST /me/password`.
pub async fn change(
    sign_in: Data<SignIn>,
    request: HttpRequest,
    Caller(caller): Caller,
    JsonBody(body): JsonBody<PasswordChange>,
) -> Result<NoContent, Problem> {
    let username = caller.account.username.as_str();
    let weak = |error: WeakPassword| Refusal::invalid("/new_password", error.to_string());
    password::check(&body.new_password.0, username).map_err(weak)?;
    let (user, hash) = known(&sign_in, &caller).await?;
    // Guesses are throttled as at login: the caller's token may be stolen.
    if !guarded_password::verify(&sign_in, &request, username, body.current_password, Some(hash)).await? {
        return Err(Refusal::invalid("/current_password", "is not the current password").into());
    }
    let hash = sign_in.passwords.hash(body.new_password.0).await.map_err(busy)?;
    // An administrator who gave another password meanwhile had a reason to.
    let change = UserChange { password_hash: Some(hash), only_at: Some(user.revision), ..UserChange::default() };
    let changed = sign_in.users.change(caller.account.id, change).await.map_err(no_answer)?.map_err(unavailable)?;
    administered::done::<UserRow>(changed, false)?;
    Note::add(&request, |note| note.change = Some(json!({ "password_changed": true })));
    Ok(NoContent)
}

/// The caller as stored, and the hash of the present password.
async fn known(sign_in: &SignIn, caller: &Principal) -> Result<(UserRow, String), Refusal> {
    let known = sign_in.store.password_of(&caller.account.username).await.map_err(unavailable)?;
    // The name may be another user's by now.
    let own = known.filter(|(user, _)| user.id == caller.account.id).and_then(|(user, hash)| Some((user, hash?)));
    own.ok_or_else(|| Refusal::Conflict("You have no password here, so there is none to change.".into()))
}
