//! Users, for administrators.

pub mod by_name;

use actix_web::{
    HttpRequest,
    web::{Data, Json},
};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{
    administered::{self, Exposed},
    conditional::{At, Conditions, Tagged},
    created::CreatedAt,
    extract::{Caller, DraftBody, PathId, QueryOf},
    failure::{busy, unavailable},
    idempotency,
    input::Draft,
    named::{Mentions, NameOf, named, named_one},
    no_content::NoContent,
    office::Administration,
    page::{FilterQuery, Page},
    password::Password,
    patch::Patch,
    problem::Problem,
    put::Nameable,
};
use crate::{
    domain::{
        allowed::{Allowed, every_name},
        ids::{TeamId, UserId},
        password,
        principal::{Role, UserStatus, Username},
        refusal::{Fault, Refusal},
    },
    store::users::{NewUser, UserChange, UserRefused, UserRow},
};

/// A user, without the password.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct User {
    id: UserId,
    username: String,
    role: Role,
    team_id: Option<TeamId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    team_name: NameOf,
    /// The models that the user may call.
    models: Vec<String>,
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
            team_name: None,
            models: row.models.names(),
            status: row.status,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}

impl From<&NewUser> for User {
    fn from(new: &NewUser) -> Self {
        Self {
            id: new.id,
            username: new.username.to_string(),
            role: new.role,
            team_id: new.team_id,
            team_name: None,
            models: new.models.names(),
            status: new.status,
            created_at: new.created_at,
            updated_at: new.created_at,
        }
    }
}

impl Mentions for User {
    fn mentions(&mut self, each: &mut dyn FnMut(Option<String>, &mut NameOf)) {
        each(self.team_id.map(|id| id.to_string()), &mut self.team_name);
    }
}

/// A user to be. Without a password the user cannot log in.
#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UserCreate {
    #[schemars(with = "Username")]
    username: String,
    /// 15 characters or more, and none that everybody tries first.
    #[schemars(length(min = 15, max = 256))]
    password: Option<Password>,
    role: Role,
    team_id: Option<TeamId>,
    /// `["*"]`, or names of models as requests have them; `gpt-*` is each that begins so. The lists of the user, the team
    /// and the API key all must have a model.
    #[serde(default = "every_name")]
    #[schemars(length(min = 1, max = 1_000))]
    models: Vec<String>,
    #[serde(default = "active")]
    status: UserStatus,
}

impl Nameable for UserCreate {
    const NAME: &'static str = "username";

    fn own_faults(&self, _: Timestamp) -> Vec<Fault> {
        faults(Some(&self.username), (self.password.as_ref(), None), Some(&self.models))
    }
}

const fn active() -> UserStatus {
    UserStatus::Active
}

/// The fields to change; the others stay.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct UserPatch {
    #[schemars(with = "Patch<Username>")]
    username: Patch<String>,
    password: Patch<Password>,
    role: Patch<Role>,
    status: Patch<UserStatus>,
    /// Null takes the user out of the team.
    team_id: Patch<Option<TeamId>>,
    models: Patch<Vec<String>>,
}

/// A page of users.
#[derive(Serialize, JsonSchema)]
pub struct UserPage {
    #[serde(flatten)]
    page: Page<User>,
}

/// `GET /admin/users`.
pub async fn list(
    administration: Data<Administration>,
    _: Caller,
    QueryOf(query): QueryOf<FilterQuery>,
) -> Result<Json<UserPage>, Problem> {
    let (limit, after) = (query.limit(), query.after()?);
    let rows =
        administration.store.users_page(query.filter(), after, limit.saturating_add(1)).await.map_err(unavailable)?;
    let users = named(&administration.store, rows.iter().map(User::from).collect()).await?;
    Ok(Json(UserPage { page: Page::of(users, limit, |user: &User| user.id.to_string()) }))
}

/// `POST /admin/users`.
pub async fn create(
    administration: Data<Administration>,
    request: HttpRequest,
    Caller(admin): Caller,
    DraftBody(draft): DraftBody<UserCreate>,
) -> Result<CreatedAt<User>, Problem> {
    let own = |body: &UserCreate| faults(Some(&body.username), (body.password.as_ref(), None), Some(&body.models));
    let body = draft.checked(own).map_err(Refusal::InvalidRequest)?;
    let username = username(&body.username)?;
    let password_hash = hash(&administration, body.password.as_ref()).await?;
    let (id, created_at) = (UserId(administration.clock.new_id()), administration.clock.now());
    let models = models(&body.models)?;
    let UserCreate { role, status, team_id, .. } = body;
    let user = NewUser { id, username, password_hash, role, status, team_id, models, created_at };
    let view = named_one(&administration.store, User::from(&user)).await?;
    let (location, team_name) = (format!("/admin/users/{id}"), view.team_name.clone());
    let once = idempotency::remember(&administration, &request, admin.account.id, &body, (&location, &view))?;
    let made = administered::create::<UserRow>(&request, &administration.users, user, once).await?;
    Ok(CreatedAt::of(made, location, |row| User { team_name, ..User::from(row) })?)
}

/// `GET /admin/users/{id}`.
pub async fn show(
    administration: Data<Administration>,
    _: Caller,
    PathId(id): PathId<UserId>,
) -> Result<Tagged<User>, Problem> {
    let row = found(&administration, id).await?;
    Ok(shown(&administration, &row).await?)
}

/// `PATCH /admin/users/{id}`.
pub async fn change(
    administration: Data<Administration>,
    request: HttpRequest,
    _: Caller,
    At(PathId(id), conditions): At<PathId<UserId>>,
    DraftBody(draft): DraftBody<UserPatch>,
) -> Result<Tagged<User>, Problem> {
    let present = found(&administration, id).await?;
    Ok(edit(&administration, &request, &present, &conditions, draft).await?)
}

/// `DELETE /admin/users/{id}`.
pub async fn delete(
    administration: Data<Administration>,
    request: HttpRequest,
    _: Caller,
    At(PathId(id), conditions): At<PathId<UserId>>,
) -> Result<NoContent, Problem> {
    let present = found(&administration, id).await?;
    Ok(administered::delete_present(&request, &administration.users, (id, &present), &conditions).await?)
}

async fn found(administration: &Administration, id: UserId) -> Result<UserRow, Refusal> {
    administration.store.user(id).await.map_err(unavailable)?.ok_or(Refusal::NotFound)
}

async fn shown(administration: &Administration, row: &UserRow) -> Result<Tagged<User>, Refusal> {
    Ok(Tagged::new(row.tag(), named_one(&administration.store, User::from(row)).await?))
}

async fn edit(
    administration: &Administration,
    request: &HttpRequest,
    present: &UserRow,
    conditions: &Conditions,
    draft: Draft<UserPatch>,
) -> Result<Tagged<User>, Refusal> {
    let own = |body: &UserPatch| {
        let (name, names) = (body.username.as_given(), body.models.as_given());
        let password = (body.password.as_given(), Some(&present.username));
        faults(name.map(String::as_str), password, names.map(Vec::as_slice))
    };
    let UserPatch { username: name, password, role, status, team_id, models: names } =
        draft.checked(own).map_err(Refusal::InvalidRequest)?;
    let username = name.given().as_deref().map(username).transpose()?;
    let models = names.given().as_deref().map(models).transpose()?;
    let only_at = administered::only_at(present, conditions)?;
    let password = password.given();
    let password_hash = hash(administration, password.as_ref()).await?;
    let (role, status, team_id) = (role.given(), status.given(), team_id.given());
    let change =
        UserChange { username, password_hash, role, status, team_id, models, only_at, ..UserChange::default() };
    let row = administered::change::<UserRow>(request, &administration.users, present.id, change, conditions).await?;
    shown(administration, &row).await
}

impl Exposed for UserRow {
    const NOUN: &'static str = "user";

    fn record(&self) -> Value {
        json!(User::from(self))
    }

    fn record_besides(change: &UserChange) -> Map<String, Value> {
        Map::from_iter([("password_changed".to_owned(), change.password_hash.is_some().into())])
    }

    fn about(&self) -> Option<UserId> {
        Some(self.id)
    }

    fn refusal(refused: UserRefused) -> Refusal {
        match refused {
            UserRefused::LastAdmin => {
                Refusal::Conflict("This is the last active admin. Make another one first.".into())
            }
            UserRefused::UsernameTaken => Refusal::Conflict("There is a user with this name.".into()),
            UserRefused::NoSuchTeam => Refusal::invalid("/team_id", "there is no team with this id"),
        }
    }
}

pub(super) fn models(names: &[String]) -> Result<Allowed, Refusal> {
    Allowed::read("/models", names).map_err(Refusal::InvalidRequest)
}

/// All that is wrong with what is given. A password is held against the name that its user will have, or has.
fn faults(
    name: Option<&str>,
    (password, present): (Option<&Password>, Option<&Username>),
    names: Option<&[String]>,
) -> Vec<Fault> {
    let mut refused = vec![];
    let name = name.and_then(|name| username(name).map_err(|of_name| refused.push(of_name)).ok());
    if let Some((password, name)) = password.zip(name.as_ref().or(present)) {
        refused.extend(check_password(password, name).err());
    }
    refused.extend(names.and_then(|names| models(names).err()));
    refused.into_iter().flat_map(Refusal::into_faults).collect()
}

fn username(text: &str) -> Result<Username, Refusal> {
    Username::new(text).map_err(|error| Refusal::InvalidRequest(vec![Fault::new("/username", format!("{error}"))]))
}

fn check_password(password: &Password, username: &Username) -> Result<(), Refusal> {
    password::check(&password.0, username.as_str()).map_err(|error| Refusal::invalid("/password", error.to_string()))
}

async fn hash(administration: &Administration, password: Option<&Password>) -> Result<Option<String>, Refusal> {
    match password {
        None => Ok(None),
        Some(password) => administration.passwords.hash(password.0.clone()).await.map(Some).map_err(busy),
    }
}
