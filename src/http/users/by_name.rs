//! Users by their names.

use actix_web::{HttpRequest, web::Data};

use super::{User, UserCreate, UserPatch, edit, faults, hash, models, shown, username as read_name};
use crate::{
    domain::{allowed::Allowed, ids::UserId, principal::Username, refusal::Refusal},
    http::{
        administered::{self, Wanted},
        by_name::PathUsername,
        conditional::{At, Tagged},
        extract::{Caller, DraftBody},
        failure::{busy, unavailable},
        named::named_one,
        no_content::NoContent,
        office::Administration,
        password::Password,
        problem::Problem,
        put::{Put, PutOf},
    },
    pipeline::audit::Note,
    store::users::{NewUser, UserChange, UserRow},
};

/// `GET /admin/users/by-name/{username}`.
pub async fn show(
    administration: Data<Administration>,
    request: HttpRequest,
    _: Caller,
    PathUsername(name): PathUsername,
) -> Result<Tagged<User>, Problem> {
    let row = found(&administration, &request, &name).await?;
    Ok(shown(&administration, &row).await?)
}

/// `PUT /admin/users/by-name/{username}`.
pub async fn put(
    administration: Data<Administration>,
    request: HttpRequest,
    _: Caller,
    At(PathUsername(name), conditions): At<PathUsername>,
    DraftBody(draft): DraftBody<PutOf<UserCreate>>,
) -> Result<Put<User>, Problem> {
    let own = |body: &PutOf<UserCreate>| {
        body.faults(&name, |user| faults(Some(&user.username), (user.password.as_ref(), None), Some(&user.models)))
    };
    let body = draft.checked(own).map_err(Refusal::InvalidRequest)?;
    let body = body.named(&name).map_err(Refusal::InvalidRequest)?;
    let (username, models) = (read_name(&body.username)?, models(&body.models)?);
    let wanted = WantedUser { administration: &administration, request: &request, username, models, body };
    let placed = administered::put(&request, &administration.users, &conditions, &wanted).await?;
    let view = named_one(&administration.store, User::from(placed.row())).await?;
    Ok(Put::of(&placed, format!("/admin/users/{}", placed.row().id), view))
}

/// `PATCH /admin/users/by-name/{username}`.
pub async fn change(
    administration: Data<Administration>,
    request: HttpRequest,
    _: Caller,
    At(PathUsername(name), conditions): At<PathUsername>,
    DraftBody(draft): DraftBody<UserPatch>,
) -> Result<Tagged<User>, Problem> {
    let present = found(&administration, &request, &name).await?;
    Ok(edit(&administration, &request, &present, &conditions, draft).await?)
}

/// `DELETE /admin/users/by-name/{username}`.
pub async fn delete(
    administration: Data<Administration>,
    request: HttpRequest,
    _: Caller,
    At(PathUsername(name), conditions): At<PathUsername>,
) -> Result<NoContent, Problem> {
    let present = found(&administration, &request, &name).await?;
    Ok(administered::delete_present(&request, &administration.users, (present.id, &present), &conditions).await?)
}

/// The user of this name, whom the request is about.
pub(in crate::http) async fn found(
    administration: &Administration,
    request: &HttpRequest,
    name: &str,
) -> Result<UserRow, Refusal> {
    let missing = || Refusal::NoSuchName { noun: "user", name: name.to_owned(), hint: None };
    // A name that no user can have is that of none.
    let wanted: Username = name.parse().map_err(|_| missing())?;
    let row = administration.store.user_by_username(&wanted).await.map_err(unavailable)?.ok_or_else(missing)?;
    Note::add(request, |note| note.about = Some(row.id));
    Ok(row)
}

/// What a user is to be.
struct WantedUser<'a> {
    administration: &'a Administration,
    request: &'a HttpRequest,
    username: Username,
    models: Allowed,
    body: UserCreate,
}

impl WantedUser<'_> {
    /// The hash of the wanted password, unless it is the present one.
    async fn new_hash(&self, password: &Password) -> Result<Option<String>, Refusal> {
        let Administration { store, passwords, .. } = self.administration;
        let present = store.password_of(&self.username).await.map_err(unavailable)?.and_then(|(_, hash)| hash);
        if present.is_some() {
            let turn = passwords.turn().await.map_err(busy)?;
            if passwords.verify(turn, password.0.clone(), present, |_| {}).await.map_err(busy)? {
                return Ok(None);
            }
        }
        hash(self.administration, Some(password)).await
    }
}

impl Wanted<UserRow> for WantedUser<'_> {
    async fn present(&self) -> Result<Option<UserRow>, Refusal> {
        let present = self.administration.store.user_by_username(&self.username).await.map_err(unavailable)?;
        if let Some(row) = &present {
            Note::add(self.request, |note| note.about = Some(row.id));
        }
        Ok(present)
    }

    fn id_of(&self, present: &UserRow) -> UserId {
        present.id
    }

    async fn made(&self) -> Result<NewUser, Refusal> {
        let Self { administration, username, models, body, .. } = self;
        Ok(NewUser {
            id: UserId(administration.clock.new_id()),
            username: username.clone(),
            password_hash: hash(administration, body.password.as_ref()).await?,
            role: body.role,
            status: body.status,
            team_id: body.team_id,
            models: models.clone(),
            created_at: administration.clock.now(),
        })
    }

    /// Without a password in the body the present one stays: nobody can be shown it to send it again.
    async fn change(&self, present: &UserRow) -> Result<UserChange, Refusal> {
        let password_hash = match &self.body.password {
            Some(password) => self.new_hash(password).await?,
            None => None,
        };
        Ok(UserChange {
            username: None,
            password_hash,
            role: Some(self.body.role),
            status: Some(self.body.status),
            team_id: Some(self.body.team_id),
            models: Some(self.models.clone()),
            only_at: Some(present.revision),
            ..UserChange::default()
        })
    }
}
