//! [`TimestampIndex`] on SQLite. A size is stored as the place behind the last entry, which grows over all logs.

use futures_util::future::{BoxFuture, FutureExt as _};
use saphan_schemas::log::Stamped;
use sqlx::sqlite::{SqlitePool, SqliteRow};

use super::rows::{index, signed};
use super::{SqliteStore, failed};
use crate::shards::Shard;
use crate::store::{StoreError, TimestampIndex};

impl TimestampIndex for SqliteStore {
    fn keep_timestamp<'a>(
        &'a self,
        shard: &'a Shard,
        stamped: Stamped,
        token: &'a [u8],
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        async move {
            let mut writer = self.writer.lock().await;
            let end = shard.first.saturating_add(stamped.size);
            let kept = sqlx::query(KEEP).bind(signed(end)).bind(signed(stamped.time)).bind(token);
            let kept = kept.bind(signed(shard.first));
            let kept = kept.execute(writer.durable().await?).await;
            writer.finish(kept.map(|_| ()).map_err(failed("kept a timestamp")))
        }
        .boxed()
    }

    fn timestamps<'a>(
        &'a self,
        shard: &'a Shard,
        first: u64,
        count: u32,
    ) -> BoxFuture<'a, Result<Vec<Stamped>, StoreError>> {
        list(&self.readers, shard, first, count).boxed()
    }

    fn newest_timestamp<'a>(&'a self, shard: &'a Shard) -> BoxFuture<'a, Result<Option<(u64, Stamped)>, StoreError>> {
        newest(&self.readers, shard).boxed()
    }

    fn timestamp<'a>(&'a self, shard: &'a Shard, size: u64) -> BoxFuture<'a, Result<Option<Vec<u8>>, StoreError>> {
        async move {
            let token =
                sqlx::query_scalar(TOKEN).bind(signed(shard.first)).bind(signed(shard.first.saturating_add(size)));
            token.fetch_optional(&self.readers).await.map_err(failed("read a timestamp"))
        }
        .boxed()
    }
}

async fn list(pool: &SqlitePool, shard: &Shard, first: u64, count: u32) -> Result<Vec<Stamped>, StoreError> {
    let rows = sqlx::query(LIST)
        .bind(signed(shard.first))
        .bind(i64::from(count))
        .bind(signed(first))
        .fetch_all(pool)
        .await
        .map_err(failed("read timestamps"))?;
    rows.iter().map(|row| stamped(shard, row)).collect()
}

async fn newest(pool: &SqlitePool, shard: &Shard) -> Result<Option<(u64, Stamped)>, StoreError> {
    let row = sqlx::query(NEWEST).bind(signed(shard.first)).fetch_optional(pool).await;
    let row = row.map_err(failed("read timestamps"))?;
    row.map(|row| Ok((index(&row, 2)?, stamped(shard, &row)?))).transpose()
}

fn stamped(shard: &Shard, row: &SqliteRow) -> Result<Stamped, StoreError> {
    Ok(Stamped { size: index(row, 0)?.saturating_sub(shard.first), time: index(row, 1)? })
}

/// The log that begins at ?4 ends where the next one begins. Its end may be stamped after the next has begun.
const KEEP: &str = "INSERT INTO timestamp (number, size, time, token) \
    SELECT (SELECT count(*) FROM timestamp), ?1, ?2, ?3 WHERE NOT EXISTS (SELECT 1 FROM timestamp WHERE size >= ?1 \
    AND size <= coalesce((SELECT min(first) FROM shard WHERE first > ?4), 9223372036854775807))";
/// Likewise, from ?1.
const LIST: &str = "SELECT size, time FROM timestamp WHERE size > ?1 \
    AND size <= coalesce((SELECT min(first) FROM shard WHERE first > ?1), 9223372036854775807) ORDER BY size LIMIT ?2 OFFSET ?3";
const NEWEST: &str = "SELECT max(size), time, count(*) FROM timestamp WHERE size > ?1 \
    AND size <= coalesce((SELECT min(first) FROM shard WHERE first > ?1), 9223372036854775807) HAVING count(*) > 0";
const TOKEN: &str = "SELECT token FROM timestamp WHERE size = ?2 AND size > ?1 \
    AND size <= coalesce((SELECT min(first) FROM shard WHERE first > ?1), 9223372036854775807)";
