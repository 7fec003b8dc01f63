//! The user here for whom the provider vouches: made at the first sign-in, and at each with the role and the team that the
//! mapping gives.
//!
//! A user is known by the issuer and the subject alone. A local user of the same name is another one, whom nobody gets by
//! signing in at the provider.

use actix_web::HttpRequest;

use super::SignIn;
use crate::{
    actors::registrar::Provision,
    config::login::Login,
    credentials::jwt::outside::SignedIn,
    domain::{
        display_name::DisplayName,
        ids::TeamId,
        principal::{OutsideIdentity, Role, UserStatus},
        refusal::Refusal,
        sign_in::SignInFault,
    },
    http::{administered, conditional::Conditions},
    pipeline::audit::Note,
    store::users::{UserChange, UserRow},
};

/// The user, as the mapping has them now.
pub(super) async fn of(
    sign_in: &SignIn,
    login: &Login,
    request: &HttpRequest,
    signed_in: SignedIn,
) -> Result<UserRow, SignInFault> {
    let SignedIn { identity, role, team, username } = signed_in;
    let Some(role) = role.or(login.default_role) else {
        end_sessions(sign_in, request, &identity).await?;
        return Err(SignInFault::NoRole);
    };
    let provision = Provision { identity, name: username, role, team: team.clone() };
    let user = sign_in.users.provision(provision).await.map_err(|_| SignInFault::Unavailable)?;
    let user = user.map_err(|error| unavailable(&error))?;
    note(request, &user);
    if user.deleted_at.is_some() {
        return Err(SignInFault::UserDeleted);
    }
    if user.status != UserStatus::Active {
        return Err(SignInFault::UserDisabled);
    }
    // Without a mapping of teams the team is the administrators'.
    let team_id = if login.team_claim.is_empty() { user.team_id } else { team_of(sign_in, team.as_deref()).await? };
    follow(sign_in, request, user, (role, team_id)).await
}

/// Gives the user the role and the team of the mapping, if they have others. A new role ends the sessions under the old one.
async fn follow(
    sign_in: &SignIn,
    request: &HttpRequest,
    user: UserRow,
    (role, team_id): (Role, Option<TeamId>),
) -> Result<UserRow, SignInFault> {
    if (user.role, user.team_id) == (role, team_id) {
        return Ok(user);
    }
    let change = UserChange { role: Some(role), team_id: Some(team_id), by_issuer: true, ..UserChange::default() };
    let changed =
        administered::change::<UserRow>(request, &sign_in.users, user.id, change, &Conditions::default()).await;
    changed.map_err(|refusal| match refusal {
        // Nothing else of a role and a team conflicts.
        Refusal::Conflict(_) => SignInFault::LastAdmin,
        _ => SignInFault::Unavailable,
    })
}

/// A user to whom the provider gives no role any more has no session either.
async fn end_sessions(sign_in: &SignIn, request: &HttpRequest, identity: &OutsideIdentity) -> Result<(), SignInFault> {
    let known = sign_in.store.user_of(identity).await.map_err(|error| unavailable(&error))?;
    let Some(user) = known.filter(|user| user.deleted_at.is_none()) else { return Ok(()) };
    note(request, &user);
    let ended = sign_in.users.end_sessions(user.id).await.map_err(|_| SignInFault::Unavailable)?;
    ended.map(drop).map_err(|error| unavailable(&error))
}

async fn team_of(sign_in: &SignIn, name: Option<&str>) -> Result<Option<TeamId>, SignInFault> {
    let Some(name) = name else { return Ok(None) };
    // A name that no team can have is that of none.
    let Ok(name) = DisplayName::new(name) else { return Ok(None) };
    let team = sign_in.store.team_by_name(&name).await.map_err(|error| unavailable(&error))?;
    Ok(team.map(|team| team.id))
}

/// The call itself has no credential, so the user is noted for its record.
fn note(request: &HttpRequest, user: &UserRow) {
    Note::add(request, |note| note.user = Some((user.id, user.username.clone())));
}

fn unavailable(error: &impl std::fmt::Display) -> SignInFault {
    tracing::error!(%error, "the store failed");
    SignInFault::Unavailable
}
