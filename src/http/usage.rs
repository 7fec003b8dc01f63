//! Usage: what calls took and cost, up to the last one that was settled.

use actix_web::web::Data;
use jiff::{Span, Timestamp, civil::Date};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    csv::{Table, Tabular},
    extract::{Caller, QueryOf},
    failure::unavailable,
    grouping::SomeOf,
    input::Moment,
    named::{Mentions, NameOf, named},
    office::Accounting,
    page,
    problem::Problem,
};
use crate::{
    domain::{
        calendar::{Month, Window},
        ids::UserId,
        limit::UnknownSubject,
        money::Money,
        refusal::Refusal,
        usage::{Dimension, Totals},
    },
    store::{
        Store,
        ledger::{Named, Narrowed, Nobody, UsageFilter, UsageRow},
    },
};

/// The most groups of one answer.
const MAX_GROUPS: u32 = 10_000;

/// What to add up, and by what.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UsageQuery {
    /// A time or a day; calls that were settled then or later.
    #[schemars(with = "Option<Moment>")]
    from: Option<String>,
    /// A time or a day; calls that were settled before.
    #[schemars(with = "Option<Moment>")]
    to: Option<String>,
    /// A month of UTC such as `2026-11`, instead of `from` and `to`.
    #[schemars(regex(pattern = r"^[0-9]{4}-(0[1-9]|1[0-2])$"))]
    month: Option<String>,
    /// A user's name, or id: calls of that user. A name is also that of who was deleted, here and below.
    user: Option<String>,
    /// A team's name, or id: calls of who was in it at the time.
    team: Option<String>,
    /// An API key's name, `user/key`, or id: calls with that key.
    key: Option<String>,
    /// The model that was asked for.
    model: Option<String>,
    /// The name of a route.
    route: Option<String>,
    /// None: one sum of all.
    #[schemars(with = "Option<SomeOf<Dimension>>")]
    group_by: Option<String>,
}

/// Sums of usage.
#[derive(Serialize, JsonSchema)]
pub struct Usage {
    items: Vec<UsageItem>,
    /// What was grouped by.
    #[serde(skip)]
    group_by: Vec<Dimension>,
}

/// One sum. It has the fields that were grouped by; null where a call has no such thing.
#[derive(Default, Serialize, JsonSchema)]
pub struct UsageItem {
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<Option<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_name: NameOf,
    #[serde(skip_serializing_if = "Option::is_none")]
    team: Option<Option<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    team_name: NameOf,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<Option<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_name: NameOf,
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<Option<String>>,
    /// As the upstream that served knows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    served_model: Option<Option<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    route: Option<Option<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    upstream: Option<Option<String>>,
    /// The beginning of an hour of UTC: `2026-11-24T15:00:00Z`.
    #[serde(skip_serializing_if = "Option::is_none")]
    hour: Option<Option<String>>,
    /// A day of UTC: `2026-11-24`.
    #[serde(skip_serializing_if = "Option::is_none")]
    day: Option<Option<String>>,
    /// Calls that were paid.
    requests: u64,
    input_tokens: u64,
    output_tokens: u64,
    cached_tokens: u64,
    cost_usd: Money,
}

impl UsageItem {
    fn of(row: UsageRow, group_by: &[Dimension]) -> Self {
        let Totals { requests, input_tokens, output_tokens, cached_tokens, cost } = row.totals;
        let sums = Self { requests, input_tokens, output_tokens, cached_tokens, cost_usd: cost, ..Self::default() };
        group_by.iter().zip(row.group).fold(sums, |item, (dimension, value)| match dimension {
            Dimension::User => Self { user: Some(value), ..item },
            Dimension::Team => Self { team: Some(value), ..item },
            Dimension::Key => Self { key: Some(value), ..item },
            Dimension::Model => Self { model: Some(value), ..item },
            Dimension::ServedModel => Self { served_model: Some(value), ..item },
            Dimension::Route => Self { route: Some(value), ..item },
            Dimension::Upstream => Self { upstream: Some(value), ..item },
            Dimension::Hour => Self { hour: Some(value.and_then(|hour| begin(&hour))), ..item },
            Dimension::Day => Self { day: Some(value.and_then(|day| date(&day))), ..item },
        })
    }
}

impl Mentions for UsageItem {
    fn mentions(&mut self, each: &mut dyn FnMut(Option<String>, &mut NameOf)) {
        let places =
            [(&self.user, &mut self.user_name), (&self.team, &mut self.team_name), (&self.key, &mut self.key_name)];
        for (id, name) in places {
            if let Some(id) = id {
                each(id.clone(), name);
            }
        }
    }
}

/// `GET /admin/usage`.
pub async fn all(
    accounting: Data<Accounting>,
    _: Caller,
    QueryOf(query): QueryOf<UsageQuery>,
) -> Result<Tabular<Usage>, Problem> {
    Ok(Tabular(usage(&accounting, &query, None).await?))
}

/// `GET /me/usage`.
pub async fn own(
    accounting: Data<Accounting>,
    Caller(principal): Caller,
    QueryOf(query): QueryOf<UsageQuery>,
) -> Result<Tabular<Usage>, Problem> {
    Ok(Tabular(usage(&accounting, &query, Some(principal.account.id)).await?))
}

async fn usage(accounting: &Accounting, query: &UsageQuery, user: Option<UserId>) -> Result<Usage, Refusal> {
    let group_by = Dimension::list(query.group_by.as_deref().unwrap_or_default());
    let group_by = group_by.map_err(|error| Refusal::invalid("?group_by", error.to_string()))?;
    let (from, to) = query.time()?;
    let narrowed = query.narrowed(&accounting.store, user.is_none()).await?;
    let filter = UsageFilter { from, to, user, narrowed, group_by: group_by.clone() };
    accounting.settled().await;
    let rows = accounting.store.usage(filter, MAX_GROUPS.saturating_add(1)).await.map_err(unavailable)?;
    if u32::try_from(rows.len()).is_ok_and(|groups| groups > MAX_GROUPS) {
        let reason = format!("this makes more than {MAX_GROUPS} sums; ask for a shorter time or group by less");
        return Err(Refusal::invalid("?group_by", reason));
    }
    let items = rows.into_iter().map(|row| UsageItem::of(row, &group_by)).collect();
    Ok(Usage { items: named(&accounting.store, items).await?, group_by })
}

impl UsageQuery {
    /// From when to when.
    fn time(&self) -> Result<(Timestamp, Timestamp), Refusal> {
        let month: Option<Month> = page::parameter("month", self.month.as_deref())?;
        let (from, to) = page::span(self.from.as_deref(), self.to.as_deref())?;
        let Some(month) = month else { return Ok((from.unwrap_or(Timestamp::MIN), to.unwrap_or(Timestamp::MAX))) };
        if from.is_some() || to.is_some() {
            let detail = "cannot stand beside from or to, which say the time as well: send month alone, or from and to";
            return Err(Refusal::invalid("?month", detail));
        }
        let Window { since, until } = month.window();
        Ok((since, until.unwrap_or(Timestamp::MAX)))
    }

    /// Which calls are meant. Who sees only their own usage is not told which names there are.
    async fn narrowed(&self, store: &Store, is_told: bool) -> Result<Narrowed, Refusal> {
        let Self { user, team, key, model, route, .. } = self;
        let named = Named {
            user: user.as_deref(),
            team: team.as_deref(),
            key: key.as_deref(),
            model: model.as_deref(),
            route: route.as_deref(),
        };
        let (narrowed, nobody) = store.narrowed(named).await.map_err(unavailable)?;
        let Some(Nobody { per, parameter, .. }) = nobody.filter(|_| is_told) else { return Ok(narrowed) };
        Err(Refusal::invalid(format!("?{parameter}"), UnknownSubject::Nobody(per).to_string()))
    }
}

impl Table for Usage {
    type Row = UsageItem;

    const COLUMNS: &'static [&'static str] = &[
        "user",
        "user_name",
        "team",
        "team_name",
        "key",
        "key_name",
        "model",
        "served_model",
        "route",
        "upstream",
        "hour",
        "day",
        "requests",
        "input_tokens",
        "output_tokens",
        "cached_tokens",
        "cost_usd",
    ];

    fn columns(&self) -> Vec<&'static str> {
        let is_asked = |column: &&'static str| {
            // A name stands beside the id that was grouped by; a sum is no dimension, and always there.
            let of = Dimension::list(column.strip_suffix("_name").unwrap_or(column)).unwrap_or_default();
            of.iter().all(|dimension| self.group_by.contains(dimension))
        };
        Self::COLUMNS.iter().copied().filter(is_asked).collect()
    }

    fn rows(&self) -> &[UsageItem] {
        &self.items
    }
}

/// The beginning of an hour that is counted from 1970-01-01.
fn begin(hour: &str) -> Option<String> {
    let seconds = hour.parse::<i64>().ok()?.checked_mul(3_600)?;
    Timestamp::from_second(seconds).ok().map(|time| time.to_string())
}

/// The date of a day that is counted from 1970-01-01.
fn date(day: &str) -> Option<String> {
    let since_1970 = day.parse::<i64>().ok()?;
    let days = Span::new().try_days(since_1970).ok()?;
    Date::constant(1970, 1, 1).checked_add(days).ok().map(|date| date.to_string())
}
