//! INSERTs of rows for SQLite, whose text is written out where it is compiled.
//!
//! What diesel makes of `insert_into(table).values(record)` is the same statement, but it looks at every column several
//! times for each row, because a column might be left out.

use diesel::{
    QueryResult, SqliteConnection,
    query_builder::{AstPass, QueryFragment, QueryId},
    sqlite::Sqlite,
};

/// How many rows one statement inserts as long as there are so many. SQLite opens the table and its indexes once for each
/// statement. A fixed number, so that SQLite parses two texts for a connection: that of so many rows and that of one.
const ROWS: usize = 8;

/// A record that is a row of a table; see [`row_insert!`].
pub(super) trait Row {
    /// What tells its statements from those of all other records.
    type Id: 'static;

    /// Its statement up to the values, without the INSERT.
    const INTO: &'static str;

    /// Adds its values, without the parentheses.
    fn push_values<'b>(&'b self, out: AstPass<'_, 'b, Sqlite>) -> QueryResult<()>;
}

/// Inserts so many records.
struct RowInsert<R, const N: usize>([R; N]);

impl<R: Row, const N: usize> QueryId for RowInsert<R, N> {
    type QueryId = RowInsert<R::Id, N>;
}

impl<R: Row, const N: usize> QueryFragment<Sqlite> for RowInsert<R, N> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
        // A transaction that fails is rolled back as a whole. So nobody needs the copies of pages by which SQLite would undo the
        // first rows of a statement that fails at a later one.
        out.push_sql(if N > 1 { "INSERT OR FAIL " } else { "INSERT " });
        out.push_sql(R::INTO);
        let mut before = " (";
        for row in &self.0 {
            out.push_sql(before);
            row.push_values(out.reborrow())?;
            before = "), (";
        }
        out.push_sql(")");
        Ok(())
    }
}

impl<R, const N: usize> diesel::RunQueryDsl<SqliteConnection> for RowInsert<R, N> {}

/// Inserts records in their order, within a transaction if they are more than one.
pub(super) fn insert_each<R: Row>(
    conn: &mut SqliteConnection,
    records: impl IntoIterator<Item = R>,
) -> QueryResult<()> {
    let mut records = records.into_iter();
    loop {
        let some: Vec<R> = records.by_ref().take(ROWS).collect();
        match <[R; ROWS]>::try_from(some) {
            Ok(rows) => diesel::RunQueryDsl::execute(RowInsert(rows), conn).map(drop)?,
            Err(rest) => {
                let insert = |row| diesel::RunQueryDsl::execute(RowInsert([row]), conn).map(drop);
                return rest.into_iter().try_for_each(insert);
            }
        }
    }
}

/// `row_insert!(Record, table, [column, …])`: such records are rows of this table. The fields of a record are the columns, all
/// of them; `None` is NULL.
macro_rules! row_insert {
    ($record:ident $(<$life:lifetime>)?, $table:ident, [$first:ident $(, $column:ident)* $(,)?]) => {
        impl $crate::store::row_insert::Row for $record $(<$life>)? {
            type Id = fn($record $(<$life>)?);

            const INTO: &'static str = concat!(
                "INTO `", stringify!($table), "` (`", stringify!($first), "`",
                $(", `", stringify!($column), "`",)*
                ") VALUES"
            );

            fn push_values<'b>(
                &'b self,
                mut out: diesel::query_builder::AstPass<'_, 'b, diesel::sqlite::Sqlite>,
            ) -> diesel::QueryResult<()> {
                let $record { $first $(, $column)* } = self;
                out.push_bind_param::<diesel::dsl::SqlTypeOf<$table::$first>, _>($first)?;
                $(
                    out.push_sql(", ");
                    out.push_bind_param::<diesel::dsl::SqlTypeOf<$table::$column>, _>($column)?;
                )*
                Ok(())
            }
        }
    };
}
pub(super) use row_insert;

#[cfg(test)]
mod tests {
    use diesel::{
        Connection, Insertable, QueryDsl, RunQueryDsl, debug_query,
        result::{DatabaseErrorKind, Error},
    };

    use super::*;
    use crate::store::schema::ledger_holds;

    #[derive(Clone, Insertable)]
    #[diesel(table_name = ledger_holds, treat_none_as_default_value = false)]
    struct Record<'a> {
        request_id: String,
        amount_pusd: i64,
        route: &'a str,
        team_id: Option<String>,
        price_version: Option<i64>,
    }
    row_insert!(Record<'_>, ledger_holds, [request_id, amount_pusd, route, team_id, price_version]);

    fn record(number: i64) -> Record<'static> {
        let team_id = (number > 3).then(|| "team".to_owned());
        Record { request_id: format!("{number:02}"), amount_pusd: number, route: "a", team_id, price_version: None }
    }

    #[test]
    fn it_is_the_statement_that_diesel_makes() {
        for record in [record(1), record(7)] {
            let diesels = diesel::insert_into(ledger_holds::table).values(record.clone());
            assert_eq!(
                debug_query::<Sqlite, _>(&RowInsert([record])).to_string(),
                debug_query::<Sqlite, _>(&diesels).to_string()
            );
        }
    }

    #[test]
    fn a_row_that_conflicts_is_an_error_wherever_it_stands() {
        let mut conn = SqliteConnection::establish(":memory:").unwrap();
        let table = "CREATE TABLE ledger_holds (request_id TEXT PRIMARY KEY, amount_pusd BIGINT, route TEXT, \
             team_id TEXT, price_version BIGINT)";
        diesel::sql_query(table).execute(&mut conn).unwrap();
        insert_each(&mut conn, [record(5)]).unwrap();
        for count in [6, 8, 13] {
            let inserted = conn.transaction(|conn| insert_each(conn, (0..count).map(record)));
            let is_conflict = matches!(inserted, Err(Error::DatabaseError(DatabaseErrorKind::UniqueViolation, _)));
            assert!(is_conflict, "{count} rows: {inserted:?}");
            assert_eq!(ledger_holds::table.count().get_result::<i64>(&mut conn), Ok(1));
        }
    }

    #[test]
    fn any_number_of_rows_is_inserted_in_their_order() {
        let mut conn = SqliteConnection::establish(":memory:").unwrap();
        let table = "CREATE TABLE ledger_holds (request_id TEXT, amount_pusd BIGINT, route TEXT, team_id TEXT, \
             price_version BIGINT)";
        diesel::sql_query(table).execute(&mut conn).unwrap();
        for count in [0, 1, 7, 8, 9, 16, 19] {
            insert_each(&mut conn, (0..count).map(record)).unwrap();
            let rows = ledger_holds::table.order(ledger_holds::request_id);
            let rows = rows.select((ledger_holds::amount_pusd, ledger_holds::team_id, ledger_holds::price_version));
            let rows: Vec<(i64, Option<String>, Option<i64>)> = rows.load(&mut conn).unwrap();
            let expected = (0..count).map(record).map(|row| (row.amount_pusd, row.team_id, row.price_version));
            assert_eq!(rows, expected.collect::<Vec<_>>(), "{count} rows");
            diesel::delete(ledger_holds::table).execute(&mut conn).unwrap();
        }
    }
}
