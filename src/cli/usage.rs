//! `tollgate usage`: who spent what, straight from the store, as a table, CSV or JSON.

use std::{path::Path, time::Duration};

use clap::Args;
use jiff::{Span, Timestamp, civil::Date};
use serde_json::{Map, Value};

use super::{Failure, load, print};
use crate::{
    app::{StartError, existing_store},
    domain::{
        calendar::{Month, Window},
        csv,
        limit::UnknownSubject,
        usage::Dimension,
    },
    store::{
        Store, StoreError,
        ledger::{Named, Narrowed, Nobody, UsageFilter, UsageRow},
    },
};

/// How long one statement may take.
const STATEMENT_TIMEOUT: Duration = Duration::from_mins(10);

/// The most sums.
const MAX_ROWS: u32 = 100_000;

const SUMS: [&str; 5] = ["requests", "input_tokens", "output_tokens", "cached_tokens", "cost_usd"];

#[derive(Args)]
pub(super) struct Usage {
    /// A day of UTC or a time: calls that were settled then or later.
    #[arg(long, value_parser = moment)]
    from: Option<Timestamp>,
    /// A day of UTC or a time: calls that were settled before.
    #[arg(long, value_parser = moment)]
    to: Option<Timestamp>,
    /// A month of UTC, such as 2026-11, instead of --from and --to.
    #[arg(long, conflicts_with_all = ["from", "to"])]
    month: Option<Month>,
    /// The name or the id of a user, also of one who was deleted: calls of that user.
    #[arg(long)]
    user: Option<String>,
    /// The name or the id of a team, also of one that was deleted: calls of who was in it at the time.
    #[arg(long)]
    team: Option<String>,
    /// The name of an API key, user/key, or its id: calls with that key.
    #[arg(long)]
    key: Option<String>,
    /// The model that was asked for.
    #[arg(long)]
    model: Option<String>,
    /// The name of a route.
    #[arg(long)]
    route: Option<String>,
    /// Some of user, team, key, model, `served_model`, route, upstream, hour, day, with commas; empty: one sum of all.
    #[arg(long, default_value = "user")]
    group_by: String,
    #[arg(long, conflicts_with = "csv")]
    json: bool,
    #[arg(long)]
    csv: bool,
}

impl Usage {
    pub(super) fn run(self, file: Option<&Path>) -> Result<(), Failure> {
        let group_by = Dimension::list(&self.group_by);
        let group_by = group_by.map_err(|error| Failure::Configuration(format!("--group-by: {error}")))?;
        if let (Some(from), Some(to)) = (self.from, self.to)
            && from > to
        {
            return Err(Failure::Configuration(format!("--from {from} is later than --to {to}")));
        }
        let store = existing_store(&load(file)?, STATEMENT_TIMEOUT)?;
        let heads: Vec<&str> = self.group_by.split(',').filter(|word| !word.is_empty()).chain(SUMS).collect();
        let (from, to) = self.time();
        let lines = actix::System::new().block_on(async {
            let narrowed = self.narrowed(&store).await?;
            let filter = UsageFilter { from, to, user: None, narrowed, group_by: group_by.clone() };
            let lines = lines(&store, filter, &group_by).await.map_err(StartError::from)?;
            Ok::<_, Failure>(lines)
        })?;
        print(&if self.json {
            json(&heads, &lines)
        } else if self.csv {
            as_csv(&heads, &lines)
        } else {
            table(&heads, &lines)
        });
        Ok(())
    }
}

impl Usage {
    /// From when to when.
    fn time(&self) -> (Timestamp, Timestamp) {
        let (from, to) = (self.from.unwrap_or(Timestamp::MIN), self.to.unwrap_or(Timestamp::MAX));
        self.month.map_or((from, to), |month| {
            let Window { since, until } = month.window();
            (since, until.unwrap_or(Timestamp::MAX))
        })
    }

    /// Which calls are meant.
    async fn narrowed(&self, store: &Store) -> Result<Narrowed, Failure> {
        let Self { user, team, key, model, route, .. } = self;
        let named = Named {
            user: user.as_deref(),
            team: team.as_deref(),
            key: key.as_deref(),
            model: model.as_deref(),
            route: route.as_deref(),
        };
        let (narrowed, nobody) = store.narrowed(named).await.map_err(StartError::from)?;
        let Some(Nobody { per, parameter, name }) = nobody else { return Ok(narrowed) };
        Err(Failure::Configuration(format!("--{parameter} {name}: {}", UnknownSubject::Nobody(per))))
    }
}

/// A day means its beginning.
pub(super) fn moment(text: &str) -> Result<Timestamp, String> {
    if let Ok(time) = text.parse() {
        return Ok(time);
    }
    let day = text.parse::<Date>().ok().and_then(|day| format!("{day}T00:00:00Z").parse().ok());
    day.ok_or_else(|| "a day such as 2026-11-24, or a time such as 2026-11-24T08:00:00Z".into())
}

async fn lines(store: &Store, filter: UsageFilter, group_by: &[Dimension]) -> Result<Vec<Vec<String>>, StoreError> {
    let rows = store.usage(filter, MAX_ROWS).await?;
    let is_id = |dimension: &Dimension| matches!(dimension, Dimension::User | Dimension::Team | Dimension::Key);
    let values = rows.iter().flat_map(|row| group_by.iter().zip(&row.group));
    let ids = values.filter(|(dimension, _)| is_id(dimension)).filter_map(|(_, value)| value.clone()).collect();
    let names = store.names(ids).await?;
    // Who was erased has no name any more.
    let told = |dimension: &Dimension, value: String| match dimension {
        Dimension::Day => date(&value).unwrap_or(value),
        Dimension::Hour => hour(&value).unwrap_or(value),
        dimension if is_id(dimension) => names.of(&value).map_or(value.clone(), str::to_owned),
        _ => value,
    };
    let line = |UsageRow { group, totals }: UsageRow| {
        let group = group_by.iter().zip(group);
        let values = group.map(|(dimension, value)| value.map_or_else(|| "-".into(), |value| told(dimension, value)));
        let counts = [totals.requests, totals.input_tokens, totals.output_tokens, totals.cached_tokens];
        values.chain(counts.map(|count| count.to_string())).chain([totals.cost.to_string()]).collect()
    };
    Ok(rows.into_iter().map(line).collect())
}

/// The date of a day that is counted from 1970-01-01.
fn date(day: &str) -> Option<String> {
    let days = Span::new().try_days(day.parse::<i64>().ok()?).ok()?;
    Date::constant(1970, 1, 1).checked_add(days).ok().map(|date| date.to_string())
}

/// The beginning of an hour that is counted from 1970-01-01.
fn hour(hour: &str) -> Option<String> {
    let second = hour.parse::<i64>().ok()?.checked_mul(3_600)?;
    Timestamp::from_second(second).ok().map(|begin| begin.to_string())
}

fn json(heads: &[&str], lines: &[Vec<String>]) -> String {
    let value = |head: &str, text: &String| match text.parse::<u64>() {
        Ok(count) if SUMS.contains(&head) && head != "cost_usd" => Value::from(count),
        _ if text == "-" => Value::Null,
        _ => Value::from(text.clone()),
    };
    let item = |line: &Vec<String>| -> Map<String, Value> {
        heads.iter().zip(line).map(|(head, text)| ((*head).to_owned(), value(head, text))).collect()
    };
    let items: Vec<_> = lines.iter().map(item).map(Value::Object).collect();
    format!("{:#}\n", serde_json::json!({ "items": items }))
}

/// What is not there is empty. Names may look like formulas; sums are numbers.
fn as_csv(heads: &[&str], lines: &[Vec<String>]) -> String {
    let cell = |(head, text): (&&str, &String)| match text.as_str() {
        "-" => String::new(),
        sum if SUMS.contains(head) => sum.to_owned(),
        name => csv::guarded(name),
    };
    let head = csv::line(heads.iter().map(|head| (*head).to_owned()));
    lines.iter().fold(head, |text, line| text + &csv::line(heads.iter().zip(line).map(cell)))
}

/// Names to the left, numbers to the right.
fn table(heads: &[&str], lines: &[Vec<String>]) -> String {
    let width = |column: usize| {
        let cells = lines.iter().filter_map(|line| line.get(column)).map(|cell| cell.chars().count());
        cells.chain(heads.get(column).map(|head| head.len())).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..heads.len()).map(width).collect();
    let first_sum = heads.len().saturating_sub(SUMS.len());
    let row = |cells: Vec<&str>| {
        let cell = |(column, (text, &width)): (usize, (&str, &usize))| {
            if column < first_sum { format!("{text:<width$}") } else { format!("{text:>width$}") }
        };
        let cells: Vec<String> = cells.into_iter().zip(&widths).enumerate().map(cell).collect();
        cells.join("  ").trim_end().to_owned() + "\n"
    };
    let head = row(heads.to_vec());
    lines.iter().fold(head, |text, line| text + &row(line.iter().map(String::as_str).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_has_names_to_the_left_and_numbers_to_the_right() {
        let lines = [["ann", "1", "10", "5", "0", "0.25"], ["bo, the second", "12", "9", "5", "0", "1"]];
        let lines = lines.map(|line| line.map(str::to_owned).to_vec());
        let heads: Vec<&str> = ["user"].into_iter().chain(SUMS).collect();
        let text = table(&heads, &lines);
        let second = text.lines().nth(1).unwrap();
        assert!(second.starts_with("ann             ") && second.ends_with("      0.25"), "{text}");
        assert!(as_csv(&heads, &lines).ends_with("\"bo, the second\",12,9,5,0,1\r\n"));
        assert!(json(&heads, &lines).contains("\"requests\": 12"));
    }

    #[test]
    fn a_name_in_csv_is_no_formula() {
        let lines = [["=1+2", "1", "0", "0", "0", "-0.5"], ["-", "1", "0", "0", "0", "1"]];
        let lines = lines.map(|line| line.map(str::to_owned).to_vec());
        let heads: Vec<&str> = ["team"].into_iter().chain(SUMS).collect();
        let text = as_csv(&heads, &lines);
        assert!(text.ends_with("\r\n'=1+2,1,0,0,0,-0.5\r\n,1,0,0,0,1\r\n"), "{text}");
    }

    #[test]
    fn a_day_is_its_beginning() {
        assert_eq!(moment("2026-11-24").unwrap().to_string(), "2026-11-24T00:00:00Z");
        assert_eq!(moment("2026-11-24T08:00:00Z").unwrap().to_string(), "2026-11-24T08:00:00Z");
        assert!(moment("yesterday").is_err());
    }
}
