//! Inserting many rows with few statements.
//!
//! The journal's statements say `OR FAIL`: when one fails, the transaction is rolled back anyway. Otherwise SQLite would keep a
//! copy of every page that a statement of many rows changes, to undo that statement alone.

use std::iter;
use std::sync::Arc;

use sqlx::sqlite::SqliteArguments;
use sqlx::{Arguments as _, Encode, Sqlite, SqliteConnection, Type};

/// An `INSERT` of many rows. The texts for a few batch sizes are made once, and so prepared once.
pub(super) struct Insert {
    texts: Vec<(usize, Arc<str>)>,
}

/// The values of rows, column after column.
#[derive(Default)]
pub(super) struct Values {
    arguments: SqliteArguments,
    failed: Option<sqlx::Error>,
}

impl Values {
    pub(super) fn add<'q>(&mut self, value: impl Encode<'q, Sqlite> + Type<Sqlite>) {
        if let Err(error) = self.arguments.add(value) {
            self.failed.get_or_insert(sqlx::Error::Encode(error));
        }
    }

    fn finish(self) -> Result<SqliteArguments, sqlx::Error> {
        self.failed.map_or(Ok(self.arguments), Err)
    }
}

impl Insert {
    /// `head` ends before `VALUES`; `tail` follows the rows.
    pub(super) fn new(head: &'static str, columns: usize, tail: &'static str) -> Self {
        Self { texts: SIZES.iter().map(|size| (*size, text(head, columns, tail, *size).into())).collect() }
    }

    /// Inserts `rows`, whose values `bind` adds in the order of the columns; tells how many rows were inserted.
    pub(super) async fn run<R: Sync>(
        &self,
        connection: &mut SqliteConnection,
        rows: &[R],
        bind: impl Fn(&R, &mut Values) + Send,
    ) -> Result<u64, sqlx::Error> {
        let (mut rest, mut inserted) = (rows, 0);
        for (size, text) in &self.texts {
            while let Some((chunk, after)) = rest.split_at_checked(*size) {
                let mut values = Values::default();
                chunk.iter().for_each(|row| bind(row, &mut values));
                let query = sqlx::query_with(sqlx::AssertSqlSafe(Arc::clone(text)), values.finish()?);
                inserted += query.execute(&mut *connection).await?.rows_affected();
                rest = after;
            }
        }
        Ok(inserted)
    }
}

fn text(head: &str, columns: usize, tail: &str, rows: usize) -> String {
    let row = format!("({})", iter::repeat_n("?", columns).collect::<Vec<_>>().join(","));
    format!("{head} VALUES {} {tail}", iter::repeat_n(row.as_str(), rows).collect::<Vec<_>>().join(","))
}

/// Largest first; any number of rows is a sum of few of these. Each statement is a trip to SQLite's thread.
const SIZES: [usize; 8] = [128, 64, 32, 16, 8, 4, 2, 1];
