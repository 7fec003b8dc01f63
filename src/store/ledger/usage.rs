//! What calls took and cost, added up from the entries.

use diesel::{
    QueryableByName,
    sql_types::{BigInt, Nullable, Text},
};
use diesel_async::RunQueryDsl;
use jiff::Timestamp;

use crate::{
    domain::{
        ids::UserId,
        limit::Per,
        money::Money,
        usage::{Dimension, Totals},
    },
    store::{
        Store, StoreError,
        connection::{Connection, on_backend},
        values::{micros, read_count},
    },
};

/// Which entries to add up, and by what.
#[derive(Debug, Clone, Default)]
pub struct UsageFilter {
    pub from: Timestamp,
    pub to: Timestamp,
    /// Whose usage may be seen; `None`: everybody's.
    pub user: Option<UserId>,
    pub narrowed: Narrowed,
    pub group_by: Vec<Dimension>,
}

/// Which calls are meant, by their ids and names; `None` stands for all.
#[derive(Debug, Clone, Default)]
pub struct Narrowed {
    pub users: Option<Vec<String>>,
    pub teams: Option<Vec<String>>,
    pub keys: Option<Vec<String>>,
    /// The model that was asked for.
    pub model: Option<String>,
    pub route: Option<String>,
}

/// The same as people say it: users, teams and API keys by names or ids.
#[derive(Debug, Clone, Copy, Default)]
pub struct Named<'t> {
    pub user: Option<&'t str>,
    pub team: Option<&'t str>,
    pub key: Option<&'t str>,
    pub model: Option<&'t str>,
    pub route: Option<&'t str>,
}

/// A name that no user, team or API key has or had.
#[derive(Debug, Clone, Copy)]
pub struct Nobody<'t> {
    pub per: Per,
    /// How the kind is called where it is asked for.
    pub parameter: &'static str,
    pub name: &'t str,
}

impl Narrowed {
    /// The ids of one kind as the statement takes them. An id has no character that `LIKE` gives a meaning to.
    fn bound(ids: Option<Vec<String>>) -> Option<String> {
        ids.map(|ids| ids.join(","))
    }
}

/// One sum. A dimension that was not asked for is `None`, and so is one that a call has not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageRow {
    /// In the order of `group_by`; a day is its number since 1970-01-01, and so is an hour.
    pub group: Vec<Option<String>>,
    pub totals: Totals,
}

#[derive(QueryableByName)]
struct Record {
    #[diesel(sql_type = Nullable<Text>)]
    user_id: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    team_id: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    key_id: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    model: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    served_model: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    route: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    upstream: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    hour: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    day: Option<String>,
    #[diesel(sql_type = BigInt)]
    requests: i64,
    #[diesel(sql_type = BigInt)]
    input_tokens: i64,
    #[diesel(sql_type = BigInt)]
    output_tokens: i64,
    #[diesel(sql_type = BigInt)]
    cached_tokens: i64,
    /// The cost in micro-USD, and what is left of it in pico-USD: the sum of many amounts is more than a column holds.
    #[diesel(sql_type = BigInt)]
    cost_micro: i64,
    #[diesel(sql_type = BigInt)]
    cost_rest: i64,
}

impl Store {
    /// Which calls are meant, and the first of the names that nobody has, by which no call is found.
    pub async fn narrowed<'t>(&self, named: Named<'t>) -> Result<(Narrowed, Option<Nobody<'t>>), StoreError> {
        let Named { user, team, key, model, route } = named;
        let mut nobody = None;
        let mut found = [const { None }; 3];
        let asked = [(Per::User, "user", user), (Per::Team, "team", team), (Per::Key, "key", key)];
        for (ids, (per, parameter, name)) in found.iter_mut().zip(asked) {
            let Some(name) = name else { continue };
            let of_name = self.ids_of(per, name).await?;
            if of_name.is_empty() {
                nobody = nobody.or(Some(Nobody { per, parameter, name }));
            }
            *ids = Some(of_name);
        }
        let [users, teams, keys] = found;
        let (model, route) = (model.map(str::to_owned), route.map(str::to_owned));
        Ok((Narrowed { users, teams, keys, model, route }, nobody))
    }

    /// At most `limit` sums, in the order of their groups. Without a dimension it is one, of everything.
    pub async fn usage(&self, filter: UsageFilter, limit: u32) -> Result<Vec<UsageRow>, StoreError> {
        self.read("ledger_entries", async move |connection: &mut Connection| {
            let sql = sql(&filter.group_by);
            let (from, to) = (micros(filter.from), micros(filter.to));
            let Narrowed { users, teams, keys, model, route } = filter.narrowed;
            let query = diesel::sql_query(sql)
                .bind::<BigInt, _>(from)
                .bind::<BigInt, _>(to)
                .bind::<Nullable<Text>, _>(filter.user.map(|id| id.to_string()))
                .bind::<Nullable<Text>, _>(Narrowed::bound(users))
                .bind::<Nullable<Text>, _>(Narrowed::bound(teams))
                .bind::<Nullable<Text>, _>(Narrowed::bound(keys))
                .bind::<Nullable<Text>, _>(model)
                .bind::<Nullable<Text>, _>(route)
                .bind::<BigInt, _>(i64::from(limit));
            let records: Vec<Record> = on_backend!(connection, |conn| query.load(conn).await)?;
            records.into_iter().map(|record| record.row(&filter.group_by)).collect()
        })
        .await
    }
}

impl Record {
    fn row(self, group_by: &[Dimension]) -> Result<UsageRow, StoreError> {
        let count = |count| read_count("ledger_entries", count);
        let totals = Totals {
            requests: count(self.requests)?,
            input_tokens: count(self.input_tokens)?,
            output_tokens: count(self.output_tokens)?,
            cached_tokens: count(self.cached_tokens)?,
            cost: Money::from_pusd(self.cost_micro.saturating_mul(1_000_000).saturating_add(self.cost_rest)),
        };
        let value = |dimension: &Dimension| match dimension {
            Dimension::User => self.user_id.clone(),
            Dimension::Team => self.team_id.clone(),
            Dimension::Key => self.key_id.clone(),
            Dimension::Model => self.model.clone(),
            Dimension::ServedModel => self.served_model.clone(),
            Dimension::Route => self.route.clone(),
            Dimension::Upstream => self.upstream.clone(),
            Dimension::Hour => self.hour.clone(),
            Dimension::Day => self.day.clone(),
        };
        Ok(UsageRow { group: group_by.iter().map(value).collect(), totals })
    }
}

/// What an entry adds to the cost of its call.
const COST: &str = "(CASE WHEN kind = 'refund' THEN -amount_pusd ELSE amount_pusd END)";

/// Who and what is meant, in the order of what is bound.
const CONDITIONS: [&str; 6] = [
    "($3 IS NULL OR user_id = $3)",
    "($4 IS NULL OR $4 LIKE '%' || user_id || '%')",
    "($5 IS NULL OR $5 LIKE '%' || team_id || '%')",
    "($6 IS NULL OR $6 LIKE '%' || key_id || '%')",
    "($7 IS NULL OR model = $7)",
    "($8 IS NULL OR route = $8)",
];

/// The one statement; nothing in it comes from outside but what is bound.
fn sql(group_by: &[Dimension]) -> String {
    let all = [
        (Dimension::User, "user_id", "user_id"),
        (Dimension::Team, "team_id", "team_id"),
        (Dimension::Key, "key_id", "key_id"),
        (Dimension::Model, "model", "model"),
        (Dimension::ServedModel, "served_model", "served_model"),
        (Dimension::Route, "route", "route"),
        (Dimension::Upstream, "upstream", "upstream"),
        (Dimension::Hour, "hour", "CAST(time / 3600000000 AS TEXT)"),
        (Dimension::Day, "day", "CAST(time / 86400000000 AS TEXT)"),
    ];
    let column = |(dimension, name, expression): &(Dimension, &str, &str)| {
        let expression = if group_by.contains(dimension) { expression } else { "CAST(NULL AS TEXT)" };
        format!("{expression} AS {name}")
    };
    let columns: Vec<String> = all.iter().map(column).collect();
    let asked = all.iter().filter(|(dimension, ..)| group_by.contains(dimension));
    let groups: Vec<&str> = asked.map(|(.., expression)| *expression).collect();
    let grouped =
        if groups.is_empty() { String::new() } else { format!("GROUP BY {0} ORDER BY {0}", groups.join(", ")) };
    let sum = |expression: &str, name: &str| format!("CAST(COALESCE(SUM({expression}), 0) AS BIGINT) AS {name}");
    let sums = [
        sum("CASE WHEN kind = 'settle' THEN 1 ELSE 0 END", "requests"),
        sum("input_tokens", "input_tokens"),
        sum("output_tokens", "output_tokens"),
        sum("cached_tokens", "cached_tokens"),
        sum(&format!("{COST} / 1000000"), "cost_micro"),
        sum(&format!("{COST} % 1000000"), "cost_rest"),
    ];
    format!(
        "SELECT {}, {} FROM ledger_entries WHERE kind IN ('settle', 'forced', 'refund') AND time >= $1 AND time < $2 \
         AND {} {grouped} LIMIT $9",
        columns.join(", "),
        sums.join(", "),
        CONDITIONS.join(" AND ")
    )
}
