//! Rows by the hundred in few statements: each is a trip to SQLite's thread, and costs more than the row.

use sqlx::query_builder::{QueryBuilder, Separated};
use sqlx::{Sqlite, SqliteConnection};

use super::failed;
use crate::store::StoreError;

/// Inserts rows in chunks of a few fixed sizes, so that SQLite prepares few statements and keeps them.
///
/// Statements say `OR FAIL` unless they say what to do about a row that is there: one that fails leaves what it has done so far, and
/// the transaction is rolled back anyway. Otherwise SQLite would keep a copy of every page that a statement of many rows changes, to
/// undo that one alone.
pub(super) async fn insert<'a, T>(
    to: &mut SqliteConnection,
    into: &'static str,
    rows: &'a [T],
    bind: impl Fn(&mut Row<'_>, &'a T),
) -> Result<(), StoreError> {
    upsert(to, into, "", rows, bind).await
}

/// The same, with what to do about a row that is there, which stands after the values.
pub(super) async fn upsert<'a, T>(
    to: &mut SqliteConnection,
    into: &'static str,
    otherwise: &'static str,
    mut rows: &'a [T],
    bind: impl Fn(&mut Row<'_>, &'a T),
) -> Result<(), StoreError> {
    while !rows.is_empty() {
        let size = CHUNKS.into_iter().find(|size| *size <= rows.len()).unwrap_or(1);
        let (chunk, rest) = rows.split_at(size);
        let mut builder = QueryBuilder::<Sqlite>::new(into);
        builder.push_values(chunk, |mut row, item| bind(&mut row, item));
        builder.push(otherwise);
        builder.build().execute(&mut *to).await.map_err(failed("inserted rows"))?;
        rows = rest;
    }
    Ok(())
}

/// The values of a row.
type Row<'a> = Separated<'a, Sqlite, &'static str>;

const CHUNKS: [usize; 9] = [256, 128, 64, 32, 16, 8, 4, 2, 1];
/// All statements that this may make, and some more: more than are kept would be prepared again and again.
pub(super) const STATEMENTS: usize = 512;
