//! Sessions that are live: one's own, and those of any user for administrators.

use actix_web::{
    HttpRequest,
    web::{Data, Json},
};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;

use super::{
    extract::{Caller, PathId, QueryOf},
    named::{Mentions, NameOf, named},
    no_content::NoContent,
    office::SignIn,
    page::{Page, PageQuery},
    problem::Problem,
};
use crate::{
    domain::{
        ids::{ApiKeyId, SessionId, UserId},
        principal::Principal,
        refusal::Refusal,
    },
    http::failure::{no_answer, unavailable},
    pipeline::audit::Note,
    store::sessions::SessionRow,
};

/// A session that is live.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Session {
    id: SessionId,
    #[schemars(with = "String")]
    created_at: Timestamp,
    /// The last exchange of its refresh token, or the login.
    #[schemars(with = "String")]
    refreshed_at: Timestamp,
    #[schemars(with = "String")]
    expires_at: Timestamp,
    /// Whether this call came with a token of this session.
    current: bool,
    /// The API key that was exchanged for it; null where somebody logged in.
    api_key_id: Option<ApiKeyId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_name: NameOf,
}

/// A page of sessions.
#[derive(Serialize, JsonSchema)]
pub struct SessionPage {
    #[serde(flatten)]
    page: Page<Session>,
}

impl Session {
    fn of(row: &SessionRow, caller: &Principal) -> Self {
        Self {
            id: row.id,
            created_at: row.created_at,
            refreshed_at: row.rotated_at,
            expires_at: row.expires_at,
            current: caller.session == Some(row.id),
            api_key_id: row.api_key_id,
            key_name: None,
        }
    }
}

impl Mentions for Session {
    fn mentions(&mut self, each: &mut dyn FnMut(Option<String>, &mut NameOf)) {
        each(self.api_key_id.map(|id| id.to_string()), &mut self.key_name);
    }
}

/// `GET /me/sessions`.
pub async fn list_own(
    sign_in: Data<SignIn>,
    Caller(caller): Caller,
    QueryOf(query): QueryOf<PageQuery>,
) -> Result<Json<SessionPage>, Problem> {
    list(&sign_in, caller.account.id, &caller, &query).await
}

/// `DELETE /me/sessions/{id}`.
pub async fn end_own(
    sign_in: Data<SignIn>,
    Caller(caller): Caller,
    PathId(id): PathId<SessionId>,
) -> Result<NoContent, Problem> {
    let session = sign_in.store.session(id).await.map_err(unavailable)?;
    // Somebody else's is as good as none.
    let own = session.filter(|session| session.user_id == caller.account.id).ok_or(Refusal::NotFound)?;
    sign_in.issuer.revoke(own.id).await.map_err(no_answer)?.map_err(unavailable)?;
    Ok(NoContent)
}

/// `GET /admin/users/{id}/sessions`.
pub async fn list_of_user(
    sign_in: Data<SignIn>,
    Caller(admin): Caller,
    PathId(user): PathId<UserId>,
    QueryOf(query): QueryOf<PageQuery>,
) -> Result<Json<SessionPage>, Problem> {
    sign_in.store.user(user).await.map_err(unavailable)?.ok_or(Refusal::NotFound)?;
    list(&sign_in, user, &admin, &query).await
}

/// `DELETE /admin/users/{id}/sessions`.
pub async fn end_all_of_user(
    sign_in: Data<SignIn>,
    request: HttpRequest,
    _: Caller,
    PathId(user): PathId<UserId>,
) -> Result<NoContent, Problem> {
    let ended = sign_in.users.end_sessions(user).await.map_err(no_answer)?.map_err(unavailable)?;
    let ended = ended.ok_or(Refusal::NotFound)?;
    let change = json!({ "before": { "live_sessions": ended }, "after": { "live_sessions": 0 } });
    Note::add(&request, |note| note.change = Some(change));
    Ok(NoContent)
}

async fn list(
    sign_in: &SignIn,
    user: UserId,
    caller: &Principal,
    query: &PageQuery,
) -> Result<Json<SessionPage>, Problem> {
    let (after, limit, now) = (query.after()?, query.limit(), sign_in.clock.store_now());
    let rows = sign_in.store.sessions_page(user, now, after, limit.saturating_add(1)).await.map_err(unavailable)?;
    let sessions = rows.iter().map(|row| Session::of(row, caller)).collect();
    let sessions = named(&sign_in.store, sessions).await?;
    Ok(Json(SessionPage { page: Page::of(sessions, limit, |session: &Session| session.id.to_string()) }))
}
