//! The audit log, for administrators: one record a request, newest first.

pub mod checkpoints;
mod columns;

use std::{ops::RangeInclusive, str::FromStr};

use actix_web::web::{Data, Json};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{
    csv::Tabular,
    extract::{Caller, PathId, QueryOf},
    input::Moment,
    named::{Mentions, NameOf, named, named_one},
    office::AuditLog,
    page::{self, Page, PageSize},
    problem::Problem,
};
use crate::{
    domain::{
        audit::{
            self, Asked, Attempt, Decision, Outcome, Refused, Stage,
            act::{Act, Author},
            body::KeptBody,
        },
        hex,
        ids::{ApiKeyId, EntryId, InvalidId, RequestId, TeamId, UserId},
        limit::{Per, UnknownSubject},
        principal::{Credential, CredentialKind, Role},
        refusal::Refusal,
    },
    http::failure::unavailable,
    store::{
        Store, StoreError,
        audit::{AuditEntryRow, AuditFilter, AuditRecordRow},
    },
};

/// What is on record of one request. A field that is null is not known, or does not apply.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct AuditRecord {
    /// The replica that wrote it.
    chain: String,
    /// The place of its first entry in the chain.
    seq: u64,
    id: String,
    time: String,
    request_id: String,
    trace_id: Option<String>,
    user_id: Option<String>,
    /// The name that the user had at the time.
    username: Option<String>,
    /// The name that the user has now, or had last; null where the record was erased.
    #[serde(default)]
    user_name: NameOf,
    /// The team that the user was in.
    team_id: Option<String>,
    #[serde(default)]
    team_name: NameOf,
    role: Option<Role>,
    credential: Option<Credential>,
    /// The name of the API key, where the credential is one.
    #[serde(default)]
    key_name: NameOf,
    session_id: Option<String>,
    peer: Option<String>,
    /// The client's address, where trusted proxies name another than the peer's.
    client: Option<String>,
    /// The subject of the certificate that the client showed, as RFC 4514 writes it.
    client_certificate: Option<String>,
    forwarded_for: Option<String>,
    method: Option<String>,
    /// As it came, without the query.
    path: Option<String>,
    route: Option<String>,
    decision: Option<Decision>,
    reason: Option<String>,
    /// Of a refusal by limits or budgets: those that had no room, what was left of each, and what the call needed.
    refused: Option<Refused>,
    /// Of a request that was wrong: where, as the answer pointed to it.
    fields: Option<Vec<String>>,
    status: Option<u16>,
    upstream: Option<String>,
    upstream_status: Option<u16>,
    /// What was tried, in order, on a route with several targets; `upstream` is the last.
    attempts: Option<Vec<Attempt>>,
    #[serde(flatten)]
    asked: Asked,
    request_bytes: Option<u64>,
    response_bytes: Option<u64>,
    duration_us: Option<u64>,
    /// As it was asked for.
    model: Option<String>,
    /// As the upstream that served knows it.
    served_model: Option<String>,
    input_tokens: Option<u64>,
    output_tokens: Option<u64>,
    cost_usd: Option<String>,
    outcome: Option<Outcome>,
    /// What an administrator changed: `{before, after}`.
    change: Option<Value>,
    /// The user that the change, or the path, is about.
    about: Option<String>,
    #[serde(default)]
    about_name: NameOf,
    /// What was done to the log itself, or by a command or a file; then there was no request.
    #[schemars(with = "Option<Act>")]
    act: Option<Value>,
    /// Who did that at the gateway's machine, and why; null where the gateway did it by its configuration.
    by: Option<Author>,
    /// What is kept of the bodies of a call to a route, as far as they passed: see `audit.bodies` of the configuration.
    request_body: Option<KeptBody>,
    response_body: Option<KeptBody>,
    /// Whether names, addresses and bodies of this record were erased.
    erased: bool,
    prev_hash: String,
    hash: String,
}

/// A record, and what is hashed of it.
#[derive(Debug, Serialize, JsonSchema)]
pub struct AuditProof {
    #[serde(flatten)]
    record: AuditRecord,
    /// The one or two entries that the record is made of.
    entries: Vec<AuditEntry>,
}

/// An entry as it was written: `hash` is the SHA-256 of the 32 bytes of `prev_hash` and the bytes of `line`.
#[derive(Debug, Serialize, JsonSchema)]
pub struct AuditEntry {
    line: String,
    /// A line whose SHA-256 is `personal_sha256` in `line`; null where there is none, or where it was erased.
    personal: Option<String>,
    /// Likewise, with `change_sha256`.
    change: Option<String>,
    prev_hash: String,
    hash: String,
}

/// Which records to list.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AuditQuery {
    /// A time or a day; requests that began then or later.
    #[schemars(with = "Option<Moment>")]
    from: Option<String>,
    /// A time or a day; requests that began before.
    #[schemars(with = "Option<Moment>")]
    to: Option<String>,
    /// A user's name, or id. A name is also that of who was deleted, here and below.
    user: Option<String>,
    #[schemars(with = "Option<UserId>")]
    user_id: Option<String>,
    /// The name that the caller had at the time.
    username: Option<String>,
    /// A team's name, or id: callers who are in it now.
    team: Option<String>,
    /// Callers who are in this team now.
    #[schemars(with = "Option<TeamId>")]
    team_id: Option<String>,
    /// An API key's name, `user/key`, or id.
    key: Option<String>,
    #[schemars(with = "Option<ApiKeyId>")]
    key_id: Option<String>,
    /// The name of a route, or the template of one of the gateway's own URLs.
    route: Option<String>,
    /// The model that was asked for.
    model: Option<String>,
    /// The upstream that was asked, on a route with several targets last.
    upstream: Option<String>,
    /// A reason, or the code that it begins with: `quota-exceeded` finds `quota-exceeded: per-minute`.
    reason: Option<String>,
    /// A status such as `429`, or a class of them such as `4xx`.
    #[schemars(regex(pattern = r"^[1-5]([0-9]{2}|xx)$"))]
    status: Option<String>,
    #[schemars(with = "Option<Decision>")]
    decision: Option<String>,
    #[schemars(with = "Option<RequestId>")]
    request_id: Option<String>,
    #[serde(default)]
    limit: PageSize,
    /// `next_cursor` of the page before.
    #[schemars(with = "Option<EntryId>")]
    cursor: Option<String>,
}

impl AuditQuery {
    /// The last record of the page before.
    ///
    /// # Errors
    /// The cursor is no id.
    pub fn before(&self) -> Result<Option<EntryId>, Refusal> {
        page::parameter("cursor", self.cursor.as_deref())
    }
}

/// A page of records.
#[derive(Serialize, JsonSchema)]
pub struct AuditPage {
    #[serde(flatten)]
    page: Page<AuditRecord>,
}

/// `GET /admin/audit`: one record a request, the newest first.
pub async fn list(
    audit_log: Data<AuditLog>,
    _: Caller,
    QueryOf(query): QueryOf<AuditQuery>,
) -> Result<Tabular<AuditPage>, Problem> {
    let limit = query.limit.0;
    let before = query.before()?;
    let filter = filter(&audit_log.store, &query).await?;
    let rows = rows(&audit_log, &filter, before, limit.saturating_add(1)).await.map_err(unavailable)?;
    let records = rows.iter().map(|row| record(&audit_log, row)).collect::<Result<_, _>>()?;
    let records = named(&audit_log.store, records).await?;
    Ok(Tabular(AuditPage { page: Page::of(records, limit, |record: &AuditRecord| record.id.clone()) }))
}

/// A page of records. What the sums of traffic know is looked for by them, as soon as all of the log is counted.
async fn rows(
    audit_log: &AuditLog,
    filter: &AuditFilter,
    before: Option<EntryId>,
    limit: u32,
) -> Result<Vec<AuditRecordRow>, StoreError> {
    let AuditLog { traffic, clock, .. } = audit_log;
    let counted = clock.now();
    let store = audit_log.settled().await;
    if filter.is_counted() && traffic.is_complete().await {
        return store.audit_page_of_counted(filter, before, limit, counted).await;
    }
    store.audit_page(filter, before, limit).await
}

impl Mentions for AuditRecord {
    fn mentions(&mut self, each: &mut dyn FnMut(Option<String>, &mut NameOf)) {
        // Who was erased stays so.
        let of_person = |id: &Option<String>| id.clone().filter(|_| !self.erased);
        let (user, about) = (of_person(&self.user_id), of_person(&self.about));
        let key = self.credential.as_ref().filter(|credential| credential.kind == CredentialKind::ApiKey);
        let key = key.map(|credential| credential.id.clone());
        each(user, &mut self.user_name);
        each(self.team_id.clone(), &mut self.team_name);
        each(key, &mut self.key_name);
        each(about, &mut self.about_name);
    }
}

/// `GET /admin/audit/{id}`, by the id of the record or of its request, which callers know.
pub async fn show(
    audit_log: Data<AuditLog>,
    _: Caller,
    PathId(id): PathId<EntryId>,
) -> Result<Json<AuditProof>, Problem> {
    let store = audit_log.settled().await;
    let mut row = store.audit_record(id).await.map_err(unavailable)?;
    if row.is_none() {
        let of_request = AuditFilter { request_id: Some(RequestId(id.0)), ..AuditFilter::default() };
        row = store.audit_page(&of_request, None, 1).await.map_err(unavailable)?.pop();
    }
    let row = row.ok_or(Refusal::NotFound)?;
    let record = named_one(&audit_log.store, record(&audit_log, &row)?).await?;
    let entries = [Some(row.opening), row.outcome].into_iter().flatten().map(AuditEntry::from).collect();
    Ok(Json(AuditProof { record, entries }))
}

impl From<AuditEntryRow> for AuditEntry {
    fn from(row: AuditEntryRow) -> Self {
        Self {
            line: row.entry,
            personal: row.personal,
            change: row.change,
            prev_hash: hex::encode(&row.prev_hash),
            hash: hex::encode(&row.hash),
        }
    }
}

async fn filter(store: &Store, query: &AuditQuery) -> Result<AuditFilter, Refusal> {
    let AuditQuery { user, user_id, team, team_id, key, key_id, .. } = query;
    let (from, to) = page::span(query.from.as_deref(), query.to.as_deref())?;
    Ok(AuditFilter {
        from,
        to,
        user_id: meant(store, Per::User, ("user", user.as_deref()), ("user_id", user_id.as_deref())).await?,
        username: query.username.clone(),
        team_id: meant(store, Per::Team, ("team", team.as_deref()), ("team_id", team_id.as_deref())).await?,
        key_id: meant(store, Per::Key, ("key", key.as_deref()), ("key_id", key_id.as_deref())).await?,
        route: query.route.clone(),
        model: query.model.clone(),
        upstream: query.upstream.clone(),
        reason: query.reason.clone(),
        status: query.status.as_deref().map(statuses).transpose()?,
        decision: page::parameter("decision", query.decision.as_deref())?,
        request_id: page::parameter("request_id", query.request_id.as_deref())?,
    })
}

/// The id of the one that a parameter names, or that stands in the parameter for ids. Of several that have or had a name it is
/// the one that there is now.
async fn meant<T: FromStr<Err = InvalidId>>(
    store: &Store,
    per: Per,
    (name, text): (&str, Option<&str>),
    (by_id, id): (&str, Option<&str>),
) -> Result<Option<T>, Refusal> {
    let id = page::parameter(by_id, id)?;
    let Some(text) = text else { return Ok(id) };
    let refused = |detail: String| Refusal::invalid(format!("?{name}"), detail);
    if id.is_some() {
        return Err(refused(format!("cannot stand beside {by_id}, which says the same: send one of the two")));
    }
    let found = match store.subject_id(per, text).await.map_err(unavailable)? {
        Err(UnknownSubject::Nobody(_)) => {
            let mut ever = store.ids_of(per, text).await.map_err(unavailable)?;
            let last = ever.pop().ok_or(UnknownSubject::Nobody(per));
            if ever.is_empty() { last } else { Err(UnknownSubject::Several(per)) }
        }
        living => living,
    };
    let found = found.map_err(|unknown| refused(unknown.to_string()))?;
    found.parse().map(Some).map_err(|invalid: InvalidId| refused(invalid.to_string()))
}

/// The statuses that are meant: one, in three digits and nothing else, or those of a class.
fn statuses(text: &str) -> Result<RangeInclusive<u16>, Refusal> {
    let number = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok()).flatten();
    let statuses = match text.strip_suffix("xx") {
        Some(class) => {
            number(class).map(|class: u16| class.saturating_mul(100)).map(|low| low..=low.saturating_add(99))
        }
        None => number(text).filter(|_| text.len() == 3).map(|status| status..=status),
    };
    let is_meant = |range: &RangeInclusive<u16>| (100..=999).contains(range.start());
    let refused = || Refusal::invalid("?status", "must be a status from 100 to 999, or a class of them such as 4xx");
    statuses.filter(is_meant).ok_or_else(refused)
}

/// Lays the outcome over the opening entry. The place in the chain is the opening's.
fn record(audit_log: &AuditLog, row: &AuditRecordRow) -> Result<AuditRecord, Refusal> {
    let mut fields = read(&row.opening)?;
    if is_orphaned(audit_log, &fields) {
        fields.insert("outcome".into(), json!(Outcome::Unknown));
    }
    if let Some(outcome) = &row.outcome {
        let mut later = read(outcome)?;
        for place in ["chain", "seq", "id", "time", "request_id"] {
            later.remove(place);
        }
        // Erased is what has lost a part in either entry.
        let is_erased = [&fields, &later].iter().any(|fields| fields.get("erased") == Some(&json!(true)));
        later.insert("erased".into(), is_erased.into());
        fields.extend(later);
    }
    let by = fields.get("act").and_then(audit::act::author).cloned();
    fields.insert("by".into(), by.unwrap_or_default());
    fields.insert("prev_hash".into(), hex::encode(&row.opening.prev_hash).into());
    fields.insert("hash".into(), hex::encode(&row.opening.hash).into());
    serde_json::from_value(Value::Object(fields)).map_err(unreadable)
}

/// A decision of this replica from before it was started: if its outcome is not on record, it never will be. A record
/// without an outcome is otherwise of a call that is under way.
fn is_orphaned(audit_log: &AuditLog, opening: &Map<String, Value>) -> bool {
    let text = |field: &str| opening.get(field).and_then(Value::as_str);
    let began = text("time").and_then(|time| time.parse::<Timestamp>().ok());
    text("stage") == Some(Stage::Decision.as_str())
        && text("chain") == Some(&*audit_log.chain)
        && began.is_some_and(|began| began < audit_log.started_at)
}

fn read(row: &AuditEntryRow) -> Result<Map<String, Value>, Refusal> {
    audit::fields(&row.entry, row.personal.as_deref(), row.change.as_deref()).map_err(unreadable)
}

fn unreadable(error: serde_json::Error) -> Refusal {
    tracing::error!(%error, "an audit entry could not be read");
    Refusal::Internal
}
