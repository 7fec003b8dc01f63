//! Limits and budgets by their names. Several may share one, each with another subject: the subject says which is meant.

use actix_web::HttpRequest;
use serde_json::Value;

use super::{Written, put_id, unsure};
use crate::{
    actors::administration::Administers,
    domain::{
        limit::Per,
        refusal::{Fault, Refusal},
    },
    http::{
        administered::{self, Exposed, Placed, Wanted},
        by_name::SubjectName,
        conditional::Conditions,
        failure::unavailable,
        input::Draft,
        office::Administration,
        put::{Nameable, PutOf},
    },
    store::{Store, StoreError},
};

/// A limit or a budget: a row of which several may share a name, each with another subject of one kind.
pub(in crate::http) trait Shared: Exposed {
    /// The body that makes one.
    type Body: Nameable;

    /// What refusals call one that has a subject.
    const OF_SUBJECT: &'static str;
    /// What refusals call the one that has none.
    const OF_ALL: &'static str;

    /// The row of this name and this subject, or without one.
    async fn find(store: &Store, name: &str, subject: Option<&str>) -> Result<Option<Self>, StoreError>;

    /// The kind of subject of all rows of this name; `None` if there are none.
    async fn kind(store: &Store, name: &str) -> Result<Option<Per>, StoreError>;

    /// Its id.
    fn id(&self) -> Self::Id;

    /// Whose it is to be by a body.
    fn subject(body: &mut Self::Body) -> Written<'_>;

    /// Its name and its subject by a body.
    fn place(body: &Self::Body) -> (&str, Option<&str>);

    /// The row that a body makes, or all that is wrong with it.
    fn made(administration: &Administration, body: &Self::Body) -> Result<Self::New, Vec<Fault>>;

    /// What makes this row what a body says, or all that is wrong with that.
    fn changed_to(&self, administration: &Administration, body: &Self::Body) -> Result<Self::Change, Vec<Fault>>;
}

/// The row that a request names.
///
/// # Errors
/// There is none, or the subject is the name of none or of several.
pub(in crate::http) async fn found<N: Shared>(
    store: &Store,
    SubjectName { name, of }: &SubjectName,
) -> Result<N, Refusal> {
    let subject = match &of.subject {
        Some(text) => Some(id_of::<N>(store, name, text).await?),
        None => None,
    };
    let row = N::find(store, name, subject.as_deref()).await.map_err(unavailable)?;
    if let Some(row) = row {
        return Ok(row);
    }
    let has_others = N::kind(store, name).await.map_err(unavailable)?.is_some();
    let (noun, hint) = match &subject {
        Some(_) => (N::OF_SUBJECT, None),
        None => (
            N::OF_ALL,
            has_others.then_some("One of this name has a subject: say whose with ?subject=, by name or id."),
        ),
    };
    Err(Refusal::NoSuchName { noun, name: name.clone(), hint })
}

/// The id of a subject among those of the rows of a name; the text as it is where there are no such rows.
async fn id_of<N: Shared>(store: &Store, name: &str, text: &str) -> Result<String, Refusal> {
    let Some(per) = N::kind(store, name).await.map_err(unavailable)? else { return Ok(text.to_owned()) };
    let id = store.subject_id(per, text).await.map_err(unavailable)?;
    id.map_err(|unknown| Refusal::invalid("?subject", unknown.to_string()))
}

/// Makes the row of a name and of the body's subject, or makes the one that is there what the body says.
///
/// # Errors
/// All that is wrong with the body; or as [`administered::put`].
pub(in crate::http) async fn put<N: Shared>(
    administration: &Administration,
    (request, conditions): (&HttpRequest, &Conditions),
    keeper: &impl Administers<N>,
    name: &str,
    mut draft: Draft<PutOf<N::Body>>,
) -> Result<Placed<N>, Refusal> {
    resolve::<N>(&administration.store, &mut draft, name).await?;
    let unsure = unsure(&draft, "");
    let own = |body: &PutOf<N::Body>| {
        let mut faults = body.faults(name, |body| N::made(administration, body).err().unwrap_or_default());
        faults.retain(|fault| !unsure.contains(&fault.pointer));
        faults
    };
    let body = draft.checked(own).map_err(Refusal::InvalidRequest)?;
    let body = body.named(name).map_err(Refusal::InvalidRequest)?;
    administered::put(request, keeper, conditions, &WantedRow::<N> { administration, body }).await
}

/// As [`super::resolve`], of a body that need not say its name.
async fn resolve<N: Shared>(store: &Store, draft: &mut Draft<PutOf<N::Body>>, name: &str) -> Result<(), Refusal> {
    let Some(put) = draft.value_mut() else { return Ok(()) };
    // Of a body that has another name this alone is told.
    let Ok(mut body) = put.named(name) else { return Ok(()) };
    let fault = put_id(store, N::subject(&mut body)).await?;
    if put.gives("subject") {
        put.set("subject", N::place(&body).1.map_or(Value::Null, Value::from));
    }
    draft.add(fault.into_iter().collect());
    Ok(())
}

/// What the row of a name and a subject is to be.
struct WantedRow<'a, N: Shared> {
    administration: &'a Administration,
    body: N::Body,
}

impl<N: Shared> Wanted<N> for WantedRow<'_, N> {
    async fn present(&self) -> Result<Option<N>, Refusal> {
        let (name, subject) = N::place(&self.body);
        N::find(&self.administration.store, name, subject).await.map_err(unavailable)
    }

    fn id_of(&self, present: &N) -> N::Id {
        present.id()
    }

    async fn made(&self) -> Result<N::New, Refusal> {
        N::made(self.administration, &self.body).map_err(Refusal::InvalidRequest)
    }

    async fn change(&self, present: &N) -> Result<N::Change, Refusal> {
        present.changed_to(self.administration, &self.body).map_err(Refusal::InvalidRequest)
    }
}
