//! An INSERT of one row for SQLite, whose text is written out where it is compiled.
//!
//! What diesel makes of `insert_into(table).values(record)` is the same statement, but it looks at every column several
//! times for each row, because a column might be left out.

use diesel::SqliteConnection;

/// Inserts one record into the table that [`row_insert!`] names for it.
pub(super) struct RowInsert<R>(pub R);

impl<R> diesel::RunQueryDsl<SqliteConnection> for RowInsert<R> {}

/// `row_insert!(Record, table, [column, …])`: the INSERT of a [`RowInsert`] of such records. The fields of a record are the
/// columns, all of them; `None` is NULL.
macro_rules! row_insert {
    ($record:ident $(<$life:lifetime>)?, $table:ident, [$first:ident $(, $column:ident)* $(,)?]) => {
        impl diesel::query_builder::QueryId for $crate::store::row_insert::RowInsert<$record $(<$life>)?> {
            type QueryId = fn($record $(<$life>)?);
        }

        impl diesel::query_builder::QueryFragment<diesel::sqlite::Sqlite>
            for $crate::store::row_insert::RowInsert<$record $(<$life>)?>
        {
            fn walk_ast<'b>(
                &'b self,
                mut out: diesel::query_builder::AstPass<'_, 'b, diesel::sqlite::Sqlite>,
            ) -> diesel::QueryResult<()> {
                let $record { $first $(, $column)* } = &self.0;
                out.push_sql(concat!(
                    "INSERT INTO `", stringify!($table), "` (`", stringify!($first), "`",
                    $(", `", stringify!($column), "`",)*
                    ") VALUES ("
                ));
                out.push_bind_param::<diesel::dsl::SqlTypeOf<$table::$first>, _>($first)?;
                $(
                    out.push_sql(", ");
                    out.push_bind_param::<diesel::dsl::SqlTypeOf<$table::$column>, _>($column)?;
                )*
                out.push_sql(")");
                Ok(())
            }
        }
    };
}
pub(super) use row_insert;

#[cfg(test)]
mod tests {
    use diesel::{Insertable, debug_query, sqlite::Sqlite};

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

    #[test]
    fn it_is_the_statement_that_diesel_makes() {
        let record =
            Record { request_id: "r".into(), amount_pusd: 7, route: "a", team_id: None, price_version: Some(3) };
        let diesels = diesel::insert_into(ledger_holds::table).values(record.clone());
        assert_eq!(
            debug_query::<Sqlite, _>(&RowInsert(record)).to_string(),
            debug_query::<Sqlite, _>(&diesels).to_string()
        );
    }
}
