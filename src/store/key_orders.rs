//! API keys that are made with all that belongs to them: the user, if there is none yet, a budget and limits. All of it in one
//! transaction, or nothing.
//!
//! The `Registrar` writes them. The rules are those of each kind ([`administered`](super::administered)); they are asked
//! before the first row is written.

use super::{
    Store, StoreError,
    administered::{Administered, Created},
    api_keys::{ApiKeyRow, KeyRefused, NewApiKey, is_beyond},
    budgets::{BudgetRow, NewBudget},
    connection::Connection,
    idempotency::{self, Idempotency, Known},
    limits::{LimitRow, NewLimit},
    revisions,
    users::{NewUser, UserRefused, UserRow},
};
use crate::domain::{budget, limit};

/// An API key to be, and what belongs to it.
#[derive(Clone)]
pub struct KeyOrder {
    /// The user of the key, where there is none of the name yet.
    pub user: Option<NewUser>,
    pub key: NewApiKey,
    /// With the key as its subject.
    pub budget: Option<NewBudget>,
    /// With the key as their subject.
    pub limits: Vec<NewLimit>,
}

/// What was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MadeKey {
    /// Where the user was made too.
    pub user: Option<UserRow>,
    pub key: ApiKeyRow,
    pub budget: Option<BudgetRow>,
    pub limits: Vec<LimitRow>,
}

/// Why nothing was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OrderRefused {
    User(UserRefused),
    Key(KeyRefused),
    Budget(budget::Misfit),
    /// The limit at this index.
    Limit(usize, limit::Misfit),
}

impl Store {
    /// Makes a key with all that belongs to it and, with it, keeps the answer under the key of the request.
    ///
    /// # Errors
    /// `Conflict` if an id is taken.
    pub async fn create_key_order(
        &self,
        order: KeyOrder,
        request: Option<Idempotency>,
    ) -> Result<Created<MadeKey, OrderRefused>, StoreError> {
        self.transaction("api_keys", async move |connection: &mut Connection| create(connection, &order, request).await)
            .await
    }
}

/// The revisions are taken in one order by all, so that no two transactions wait for each other.
async fn create(
    connection: &mut Connection,
    order: &KeyOrder,
    request: Option<Idempotency>,
) -> Result<Created<MadeKey, OrderRefused>, StoreError> {
    let identity = revisions::next(connection, revisions::IDENTITY).await?;
    match idempotency::look_up(connection, request.as_ref()).await? {
        Known::Fresh => {}
        Known::Answered(answer) => return Ok(Created::Replayed(answer)),
        Known::Reused => return Ok(Created::KeyReused),
    }
    let of_limits = revisions::next(connection, revisions::LIMITS).await?;
    let of_budgets = revisions::next(connection, revisions::BUDGETS).await?;
    if let Some(refused) = refusal(connection, order).await? {
        return Ok(Created::Refused(refused));
    }
    idempotency::keep(connection, request.as_ref()).await?;
    if let Some(user) = &order.user {
        UserRow::insert(connection, user, identity).await?;
    }
    ApiKeyRow::insert(connection, &order.key, identity).await?;
    if let Some(budget) = &order.budget {
        BudgetRow::insert(connection, budget, of_budgets).await?;
    }
    for limit in &order.limits {
        LimitRow::insert(connection, limit, of_limits).await?;
    }
    read(connection, order).await.map(Created::New)
}

/// Why the order cannot be carried out. That the user and the key do not exist yet is no reason: they are about to.
async fn refusal(connection: &mut Connection, order: &KeyOrder) -> Result<Option<OrderRefused>, StoreError> {
    let of_user = match &order.user {
        Some(user) => UserRow::refuse_new(connection, user).await?.map(OrderRefused::User),
        None => None,
    };
    let of_key = match &order.user {
        Some(user) => is_beyond(order.key.role, user.role).then_some(KeyRefused::RoleBeyond),
        None => ApiKeyRow::refuse_new(connection, &order.key).await?,
    };
    if let Some(refused) = of_user.or(of_key.map(OrderRefused::Key)) {
        return Ok(Some(refused));
    }
    if let Some(budget) = &order.budget
        && let Some(misfit) = BudgetRow::refuse_new(connection, budget).await?
        && misfit != budget::Misfit::NoSuchSubject
    {
        return Ok(Some(OrderRefused::Budget(misfit)));
    }
    for (index, limit) in order.limits.iter().enumerate() {
        if let Some(misfit) = LimitRow::refuse_new(connection, limit).await?
            && misfit != limit::Misfit::NoSuchSubject
        {
            return Ok(Some(OrderRefused::Limit(index, misfit)));
        }
    }
    Ok(None)
}

async fn read(connection: &mut Connection, order: &KeyOrder) -> Result<MadeKey, StoreError> {
    let user = match &order.user {
        Some(user) => Some(there::<UserRow>(connection, user.id).await?),
        None => None,
    };
    let key = there::<ApiKeyRow>(connection, ApiKeyRow::id_of(&order.key)).await?;
    let budget = match &order.budget {
        Some(budget) => Some(there::<BudgetRow>(connection, budget.budget.id).await?),
        None => None,
    };
    let mut limits = vec![];
    for limit in &order.limits {
        limits.push(there::<LimitRow>(connection, limit.policy.id).await?);
    }
    Ok(MadeKey { user, key, budget, limits })
}

async fn there<N: Administered>(connection: &mut Connection, id: N::Id) -> Result<N, StoreError> {
    N::living(connection, id).await?.ok_or_else(|| StoreError::Other("a new row is not there".into()))
}
