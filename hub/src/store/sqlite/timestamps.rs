//! [`TimestampIndex`] on SQLite.

use futures_util::future::{BoxFuture, FutureExt as _};
use saphan_schemas::log::Stamped;
use sqlx::sqlite::{SqlitePool, SqliteRow};

use super::rows::{index, signed};
use super::{SqliteStore, failed};
use crate::store::{StoreError, TimestampIndex};

impl TimestampIndex for SqliteStore {
    fn keep_timestamp<'a>(&'a self, stamped: Stamped, token: &'a [u8]) -> BoxFuture<'a, Result<(), StoreError>> {
        async move {
            let mut writer = self.writer.lock().await;
            let kept = sqlx::query(KEEP).bind(signed(stamped.size)).bind(signed(stamped.time)).bind(token);
            let kept = kept.execute(writer.durable().await?).await;
            writer.finish(kept.map(|_| ()).map_err(failed("kept a timestamp")))
        }
        .boxed()
    }

    fn timestamps(&self, first: u64, count: u32) -> BoxFuture<'_, Result<Vec<Stamped>, StoreError>> {
        list(&self.readers, first, count).boxed()
    }

    fn newest_timestamp(&self) -> BoxFuture<'_, Result<Option<(u64, Stamped)>, StoreError>> {
        newest(&self.readers).boxed()
    }

    fn timestamp(&self, size: u64) -> BoxFuture<'_, Result<Option<Vec<u8>>, StoreError>> {
        async move {
            let token = sqlx::query_scalar("SELECT token FROM timestamp WHERE size = ?1").bind(signed(size));
            token.fetch_optional(&self.readers).await.map_err(failed("read a timestamp"))
        }
        .boxed()
    }
}

async fn list(pool: &SqlitePool, first: u64, count: u32) -> Result<Vec<Stamped>, StoreError> {
    let rows = sqlx::query("SELECT size, time FROM timestamp WHERE number >= ?1 AND number < ?2 ORDER BY number")
        .bind(signed(first))
        .bind(signed(first.saturating_add(count.into())))
        .fetch_all(pool)
        .await
        .map_err(failed("read timestamps"))?;
    rows.iter().map(stamped).collect()
}

async fn newest(pool: &SqlitePool) -> Result<Option<(u64, Stamped)>, StoreError> {
    let row = sqlx::query("SELECT size, time, number FROM timestamp ORDER BY number DESC LIMIT 1");
    let row = row.fetch_optional(pool).await.map_err(failed("read timestamps"))?;
    row.map(|row| Ok((index(&row, 2)? + 1, stamped(&row)?))).transpose()
}

fn stamped(row: &SqliteRow) -> Result<Stamped, StoreError> {
    Ok(Stamped { size: index(row, 0)?, time: index(row, 1)? })
}

const KEEP: &str = "INSERT INTO timestamp (number, size, time, token) SELECT count(*), ?1, ?2, ?3 FROM timestamp \
    HAVING ?1 > coalesce(max(size), 0)";
