//! Users, for administrators.

use actix_web::{
    HttpRequest,
    web::{Data, Json},
};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{
    Office,
    created::CreatedAt,
    extract::{Caller, JsonBody, PathId, QueryOf, given},
    idempotency,
    no_content::NoContent,
    page::{Page, PageQuery},
    password::Password,
    problem::Problem,
};
use crate::{
    actors::registrar::{Change, Create},
    domain::{
        ids::{TeamId, UserId},
        password,
        principal::{Role, UserStatus, Username},
        refusal::{Fault, Refusal},
    },
    http::failure::{busy, no_answer, unavailable},
    pipeline::audit::Note,
    store::users::{Changed, Created, NewUser, UserChange, UserRow},
};

/// A user, without the password.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct User {
    id: UserId,
    username: String,
    role: Role,
    team_id: Option<TeamId>,
    status: UserStatus,
    #[schemars(with = "String")]
    created_at: Timestamp,
    #[schemars(with = "String")]
    updated_at: Timestamp,
}

impl From<&UserRow> for User {
    fn from(row: &UserRow) -> Self {
        Self {
            id: row.id,
            username: row.username.to_string(),
            role: row.role,
            team_id: row.team_id,
            status: row.status,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}

/// A user to be. Without a password the user cannot log in.
#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UserCreate {
    /// 1 to 64 characters of `A-Z a-z 0-9 . _ @ -`.
    username: String,
    /// 15 characters or more, and none that everybody tries first.
    password: Option<Password>,
    role: Role,
    team_id: Option<TeamId>,
    #[serde(default = "active")]
    status: UserStatus,
}

const fn active() -> UserStatus {
    UserStatus::Active
}

/// The fields to change; the others stay.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UserPatch {
    #[serde(default, deserialize_with = "given")]
    #[schemars(with = "String")]
    username: Option<String>,
    #[serde(default, deserialize_with = "given")]
    #[schemars(with = "Password")]
    password: Option<Password>,
    #[serde(default, deserialize_with = "given")]
    #[schemars(with = "Role")]
    role: Option<Role>,
    #[serde(default, deserialize_with = "given")]
    #[schemars(with = "UserStatus")]
    status: Option<UserStatus>,
    /// Null takes the user out of the team.
    #[serde(default, deserialize_with = "given")]
    #[schemars(with = "Option<TeamId>")]
    team_id: Option<Option<TeamId>>,
}

/// A page of users.
#[derive(Serialize, JsonSchema)]
pub struct UserPage {
    #[serde(flatten)]
    page: Page<User>,
}

pub async fn list(
    office: Data<Office>,
    _: Caller,
    QueryOf(query): QueryOf<PageQuery>,
) -> Result<Json<UserPage>, Problem> {
    let (limit, after) = (query.limit()?, query.after()?);
    let rows = office.store.users_page(after, limit.saturating_add(1)).await.map_err(unavailable)?;
    let users = rows.iter().map(User::from).collect();
    Ok(Json(UserPage { page: Page::of(users, limit, |user: &User| user.id.to_string()) }))
}

pub async fn create(
    office: Data<Office>,
    request: HttpRequest,
    Caller(admin): Caller,
    JsonBody(body): JsonBody<UserCreate>,
) -> Result<CreatedAt<User>, Problem> {
    let username = username(&body.username)?;
    body.password.as_ref().map(|password| check_password(password, &username)).transpose()?;
    let idempotency_key = idempotency::key(request.headers())?;
    let password_hash = hash(&office, body.password.as_ref()).await?;
    let now = office.clock.now();
    let id = UserId(office.clock.new_id());
    let UserCreate { role, status, team_id, .. } = body;
    let user = NewUser { id, username, password_hash, role, status, team_id, created_at: now };
    let view = view_of(&user);
    let location = format!("/admin/users/{id}");
    let idempotency = idempotency_key
        .map(|key| idempotency::remember(&office.fingerprints, key, admin.account.id, &body, &location, &view, now))
        .transpose()?;
    match office.users.create(Create { user, idempotency }).await.map_err(no_answer)?.map_err(unavailable)? {
        Created::New(row) => {
            let view = User::from(&row);
            note(&request, view.id, json!({ "before": null, "after": view }));
            Ok(CreatedAt::new(location, &view)?)
        }
        Created::Replayed { location, body, .. } => Ok(CreatedAt::again(location, body)),
        Created::UsernameTaken => Err(name_taken().into()),
        Created::NoSuchTeam => Err(no_such_team().into()),
        Created::KeyReused => Err(idempotency::reused().into()),
    }
}

pub async fn show(office: Data<Office>, _: Caller, PathId(id): PathId<UserId>) -> Result<Json<User>, Problem> {
    let row = office.store.user(id).await.map_err(unavailable)?.ok_or(Refusal::NotFound)?;
    Ok(Json(User::from(&row)))
}

pub async fn change(
    office: Data<Office>,
    request: HttpRequest,
    _: Caller,
    PathId(id): PathId<UserId>,
    JsonBody(body): JsonBody<UserPatch>,
) -> Result<Json<User>, Problem> {
    let username = body.username.as_deref().map(username).transpose()?;
    if let Some(password) = &body.password {
        let present = office.store.user(id).await.map_err(unavailable)?.ok_or(Refusal::NotFound)?;
        check_password(password, username.as_ref().unwrap_or(&present.username))?;
    }
    let password_hash = hash(&office, body.password.as_ref()).await?;
    let UserPatch { role, status, team_id, .. } = body;
    let change = UserChange { username, password_hash, role, status, team_id, only_at: None };
    let password_changed = change.password_hash.is_some();
    let changed = office.users.change(Change { id, change }).await.map_err(no_answer)?.map_err(unavailable)?;
    let (before, after) = done(changed)?;
    let view = User::from(&after);
    let change = json!({ "before": User::from(&before), "after": view, "password_changed": password_changed });
    note(&request, id, change);
    Ok(Json(view))
}

pub async fn delete(
    office: Data<Office>,
    request: HttpRequest,
    _: Caller,
    PathId(id): PathId<UserId>,
) -> Result<NoContent, Problem> {
    let changed = office.users.delete(id).await.map_err(no_answer)?.map_err(unavailable)?;
    let (before, _) = done(changed)?;
    note(&request, id, json!({ "before": User::from(&before), "after": null }));
    Ok(NoContent)
}

pub(super) fn done(changed: Changed) -> Result<(UserRow, UserRow), Refusal> {
    match changed {
        Changed::Done { before, after } => Ok((before, after)),
        Changed::NotFound => Err(Refusal::NotFound),
        Changed::LastAdmin => Err(Refusal::Conflict("This is the last active admin. Make another one first.".into())),
        Changed::UsernameTaken => Err(name_taken()),
        Changed::NoSuchTeam => Err(no_such_team()),
        Changed::Stale => Err(Refusal::Conflict("The user was changed meanwhile. Look again.".into())),
    }
}

fn name_taken() -> Refusal {
    Refusal::Conflict("There is a user with this name.".into())
}

fn note(request: &HttpRequest, about: UserId, change: serde_json::Value) {
    Note::add(request, |note| (note.change, note.about) = (Some(change), Some(about)));
}

fn view_of(user: &NewUser) -> User {
    User {
        id: user.id,
        username: user.username.to_string(),
        role: user.role,
        team_id: user.team_id,
        status: user.status,
        created_at: user.created_at,
        updated_at: user.created_at,
    }
}

fn username(text: &str) -> Result<Username, Refusal> {
    text.parse().map_err(|error| Refusal::InvalidRequest(vec![Fault::new("/username", format!("{error}"))]))
}

fn check_password(password: &Password, username: &Username) -> Result<(), Refusal> {
    password::check(&password.0, username.as_str()).map_err(|error| Refusal::invalid("/password", error.to_string()))
}

fn no_such_team() -> Refusal {
    Refusal::invalid("/team_id", "there is no team with this id")
}

async fn hash(office: &Office, password: Option<&Password>) -> Result<Option<String>, Refusal> {
    match password {
        None => Ok(None),
        Some(password) => office.passwords.hash(password.0.clone()).await.map(Some).map_err(busy),
    }
}
