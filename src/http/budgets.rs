//! Budgets: for administrators, and for `readonly` to look at.

pub mod by_name;

use std::collections::BTreeMap;

use actix_web::{
    HttpRequest,
    web::{Data, Json},
};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Number, Value, json};
use uuid::Uuid;

use super::{
    administered::{self, Exposed},
    conditional::{At, Conditions, Tagged},
    created::CreatedAt,
    extract::{Caller, DraftBody, PathId, QueryOf},
    failure::unavailable,
    idempotency,
    input::Draft,
    named::{Mentions, NameOf, SubjectNames, named, named_one},
    no_content::NoContent,
    office::{Accounting, Administration},
    page::{FilterQuery, Page},
    patch::Patch,
    problem::Problem,
    put::Nameable,
    subject::{self, Written},
};
use crate::{
    domain::{
        budget::{Budget as InForce, Misfit, Period, Scope, Spec},
        ids::BudgetId,
        ledger::{Balance, Balances},
        limit::{Mode, SubjectText},
        money::Money,
        name::Name,
        refusal::{Fault, Refusal},
    },
    store::budgets::{BudgetChange, BudgetRow, NewBudget},
};

/// A budget, and what is left of it.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Budget {
    id: BudgetId,
    #[serde(flatten)]
    spec: Spec,
    #[serde(flatten)]
    names: SubjectNames,
    #[serde(flatten)]
    standing: Standing,
    #[schemars(with = "String")]
    created_at: Timestamp,
    #[schemars(with = "String")]
    updated_at: Timestamp,
}

/// How a budget stands in its present period.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Standing {
    /// By all subjects of the budget.
    spent_usd: Money,
    /// Set aside for calls that are under way.
    held_usd: Money,
    /// What is left; where each one of a kind has as much, to the one who has least.
    remaining_usd: Money,
    /// Null for a budget that lasts for ever.
    #[schemars(with = "Option<String>")]
    resets_at: Option<Timestamp>,
}

/// A budget to be.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct BudgetCreate(Spec);

impl Nameable for BudgetCreate {
    fn own_faults(&self, _: Timestamp) -> Vec<Fault> {
        self.0.budget(BudgetId(Uuid::nil())).err().unwrap_or_default()
    }
}

/// The fields to change; the others stay. What spending is counted by (`scope`, `subject`, `period`) cannot change.
#[derive(Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct BudgetPatch {
    #[schemars(with = "Patch<Name>")]
    name: Patch<String>,
    scope: Patch<Scope>,
    #[schemars(with = "Patch<Option<SubjectText>>")]
    subject: Patch<Option<String>>,
    models: Patch<Vec<String>>,
    #[schemars(with = "Patch<Money>")]
    limit_usd: Patch<String>,
    period: Patch<Period>,
    mode: Patch<Mode>,
    #[schemars(with = "Vec<f64>")]
    alert_at: Patch<Vec<Number>>,
}

/// A page of budgets.
#[derive(Serialize, JsonSchema)]
pub struct BudgetPage {
    #[serde(flatten)]
    page: Page<Budget>,
}

impl BudgetCreate {
    /// What was written.
    pub(super) const fn spec(&self) -> &Spec {
        &self.0
    }

    /// Whose it is, as it was written in a budget at `at`.
    pub(super) fn subject(&mut self, at: &str) -> Written<'_> {
        Written { at: at.to_owned(), per: self.0.scope.per(), subject: &mut self.0.subject }
    }
}

impl Standing {
    /// How a budget stands whose balances these are.
    pub fn of(budget: &InForce, balances: &[Balance], now: Timestamp) -> Self {
        let sum = |part: fn(&Balance) -> Money| balances.iter().map(part).fold(Money::ZERO, Money::saturating_plus);
        let remaining = balances.iter().map(|balance| balance.remaining(budget.limit)).min();
        Self {
            spent_usd: sum(|balance| balance.spent),
            held_usd: sum(|balance| balance.held),
            remaining_usd: remaining.unwrap_or(budget.limit),
            resets_at: budget.period.window(now).until,
        }
    }
}

impl Budget {
    fn of(row: &BudgetRow, standing: Standing) -> Self {
        // An amount may be given with an exponent; none is shown with one.
        let spec = Spec { limit_usd: row.budget.limit.to_string(), ..row.spec.clone() };
        let names = SubjectNames::default();
        Self { id: row.id(), spec, names, standing, created_at: row.created_at, updated_at: row.updated_at }
    }
}

impl Mentions for Budget {
    fn mentions(&mut self, each: &mut dyn FnMut(Option<String>, &mut NameOf)) {
        self.names.mentions(self.spec.scope.per(), self.spec.subject.as_deref(), each);
    }
}

impl BudgetPatch {
    /// Whose it is to be, if that is given.
    fn subject(&mut self, present: Scope) -> Vec<Written<'_>> {
        let per = self.scope.clone().over(present).per();
        let written = |subject| Written { at: String::new(), per, subject };
        if let Patch::Value(subject) = &mut self.subject { vec![written(subject)] } else { vec![] }
    }

    fn applied_to(self, before: Spec) -> Spec {
        Spec {
            name: self.name.over(before.name),
            scope: self.scope.over(before.scope),
            subject: self.subject.over(before.subject),
            models: self.models.over(before.models),
            limit_usd: self.limit_usd.over(before.limit_usd),
            period: self.period.over(before.period),
            mode: self.mode.over(before.mode),
            alert_at: self.alert_at.over(before.alert_at),
        }
    }
}

/// `GET /admin/budgets`.
pub async fn list(
    accounting: Data<Accounting>,
    _: Caller,
    QueryOf(query): QueryOf<FilterQuery>,
) -> Result<Json<BudgetPage>, Problem> {
    let (limit, after) = (query.limit(), query.after()?);
    let rows =
        accounting.store.budgets_page(query.filter(), after, limit.saturating_add(1)).await.map_err(unavailable)?;
    let budgets = with_standings(&accounting, &rows).await?;
    Ok(Json(BudgetPage { page: Page::of(budgets, limit, |budget: &Budget| budget.id.to_string()) }))
}

/// `POST /admin/budgets`.
pub async fn create(
    administration: Data<Administration>,
    request: HttpRequest,
    Caller(admin): Caller,
    DraftBody(mut draft): DraftBody<BudgetCreate>,
) -> Result<CreatedAt<Budget>, Problem> {
    let (id, now) = (BudgetId(administration.clock.new_id()), administration.clock.now());
    subject::resolve(&administration.store, &mut draft, |body| vec![body.subject("")]).await?;
    let unsure = subject::unsure(&draft, "");
    let own = |body: &BudgetCreate| {
        let mut faults = body.0.budget(id).err().unwrap_or_default();
        faults.retain(|fault| !unsure.contains(&fault.pointer));
        faults
    };
    let body = draft.checked(own).map_err(Refusal::InvalidRequest)?;
    let budget = body.0.budget(id).map_err(Refusal::InvalidRequest)?;
    let new = NewBudget { spec: body.0.clone(), budget, created_at: now };
    let view = named_one(&administration.store, new_budget(&new, now)).await?;
    let standing = view.standing.clone();
    let names = view.names.clone();
    let location = format!("/admin/budgets/{id}");
    let once = idempotency::remember(&administration, &request, admin.account.id, &body, (&location, &view))?;
    let made = administered::create::<BudgetRow>(&request, &administration.budgets, new, once).await?;
    Ok(CreatedAt::of(made, location, |row| Budget { names, ..Budget::of(row, standing) })?)
}

/// `GET /admin/budgets/{id}`.
pub async fn show(
    accounting: Data<Accounting>,
    _: Caller,
    PathId(id): PathId<BudgetId>,
) -> Result<Tagged<Budget>, Problem> {
    let row = found(&accounting, id).await?;
    Ok(shown(&accounting, &row).await?)
}

/// `PATCH /admin/budgets/{id}`.
pub async fn change(
    administration: Data<Administration>,
    request: HttpRequest,
    _: Caller,
    At(PathId(id), conditions): At<PathId<BudgetId>>,
    DraftBody(draft): DraftBody<BudgetPatch>,
) -> Result<Tagged<Budget>, Problem> {
    let present = found(&administration.accounting, id).await?;
    Ok(edit(&administration, &request, present, &conditions, draft).await?)
}

/// `DELETE /admin/budgets/{id}`.
pub async fn delete(
    administration: Data<Administration>,
    request: HttpRequest,
    _: Caller,
    At(PathId(id), conditions): At<PathId<BudgetId>>,
) -> Result<NoContent, Problem> {
    let present = found(&administration.accounting, id).await?;
    Ok(administered::delete_present(&request, &administration.budgets, (id, &present), &conditions).await?)
}

/// A budget to be, of which nothing is spent.
pub(super) fn new_budget(new: &NewBudget, now: Timestamp) -> Budget {
    let (names, spec) = (SubjectNames::default(), new.spec.clone());
    let standing = Standing::of(&new.budget, &[], now);
    Budget { id: new.budget.id, spec, names, standing, created_at: new.created_at, updated_at: new.created_at }
}

async fn found(accounting: &Accounting, id: BudgetId) -> Result<BudgetRow, Refusal> {
    accounting.store.budget(id).await.map_err(unavailable)?.ok_or(Refusal::NotFound)
}

async fn shown(accounting: &Accounting, row: &BudgetRow) -> Result<Tagged<Budget>, Refusal> {
    let mut views = with_standings(accounting, std::slice::from_ref(row)).await?;
    Ok(Tagged::new(row.tag(), views.pop().ok_or(Refusal::Internal)?))
}

async fn edit(
    administration: &Administration,
    request: &HttpRequest,
    present: BudgetRow,
    conditions: &Conditions,
    mut draft: Draft<BudgetPatch>,
) -> Result<Tagged<Budget>, Refusal> {
    subject::resolve(&administration.store, &mut draft, |body| body.subject(present.spec.scope)).await?;
    // What a subject must be depends on it.
    let is_unsure = draft.is_faulty("/scope");
    let (id, only_at) = (present.id(), present.revision);
    let own = |body: &BudgetPatch| match body.clone().applied_to(present.spec.clone()) {
        _ if is_unsure => vec![],
        spec => spec.budget(id).err().unwrap_or_default(),
    };
    let spec = draft.checked(own).map_err(Refusal::InvalidRequest)?.applied_to(present.spec.clone());
    let budget = spec.budget(id).map_err(Refusal::InvalidRequest)?;
    administered::only_at(&present, conditions)?;
    let change = BudgetChange { spec, budget, only_at };
    let row = administered::change::<BudgetRow>(request, &administration.budgets, id, change, conditions).await?;
    shown(&administration.accounting, &row).await
}

impl Exposed for BudgetRow {
    const NOUN: &'static str = "budget";

    fn record(&self) -> Value {
        json!(self.spec)
    }

    fn refusal(misfit: Misfit) -> Refusal {
        match misfit {
            Misfit::Taken => Refusal::Conflict("There is a budget with this name and this subject.".into()),
            misfit => Refusal::InvalidRequest(vec![misfit.fault()]),
        }
    }
}

async fn with_standings(accounting: &Accounting, rows: &[BudgetRow]) -> Result<Vec<Budget>, Refusal> {
    accounting.settled().await;
    let now = accounting.clock.now();
    let periods = rows.iter().map(|row| (row.id(), row.budget.period.window(now).since)).collect();
    let balances = by_budget(accounting.store.balances_of(periods).await.map_err(unavailable)?);
    let view = |row: &BudgetRow| {
        let balances = balances.get(&row.id()).map_or([].as_slice(), Vec::as_slice);
        Budget::of(row, Standing::of(&row.budget, balances, now))
    };
    named(&accounting.store, rows.iter().map(view).collect()).await
}

fn by_budget(balances: Balances) -> BTreeMap<BudgetId, Vec<Balance>> {
    let mut by_budget = BTreeMap::<_, Vec<Balance>>::new();
    for (account, balance) in balances {
        by_budget.entry(account.budget).or_default().push(balance);
    }
    by_budget
}
