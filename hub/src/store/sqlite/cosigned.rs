//! [`CosignedIndex`] on SQLite.

use futures_util::future::{BoxFuture, FutureExt as _};
use sqlx::sqlite::SqlitePool;

use super::rows::signed;
use super::{SqliteStore, failed};
use crate::shards::Shard;
use crate::store::{CosignedIndex, KeptCosigned, StoreError};
use crate::witnesses::Cosigned;

impl CosignedIndex for SqliteStore {
    fn keep_cosigned<'a>(
        &'a self,
        shard: &'a Shard,
        cosigned: &'a KeptCosigned,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        async move {
            let KeptCosigned { cosigned: Cosigned { size, text }, by_all } = cosigned;
            let mut writer = self.writer.lock().await;
            let kept = sqlx::query(KEEP).bind(shard.number).bind(signed(*size)).bind(text).bind(by_all);
            let kept = kept.execute(writer.durable().await?).await;
            writer.finish(kept.map(|_| ()).map_err(failed("kept a cosigned checkpoint")))
        }
        .boxed()
    }

    fn kept_cosigned<'a>(&'a self, shard: &'a Shard) -> BoxFuture<'a, Result<Option<KeptCosigned>, StoreError>> {
        read(&self.readers, shard).boxed()
    }
}

async fn read(pool: &SqlitePool, shard: &Shard) -> Result<Option<KeptCosigned>, StoreError> {
    let row = sqlx::query_as("SELECT size, text, by_all FROM cosigned WHERE shard = ?").bind(shard.number);
    let row: Option<(i64, String, bool)> =
        row.fetch_optional(pool).await.map_err(failed("read a cosigned checkpoint"))?;
    Ok(row.map(|(size, text, by_all)| KeptCosigned { cosigned: Cosigned { size: size.unsigned_abs(), text }, by_all }))
}

const KEEP: &str = "INSERT INTO cosigned (shard, size, text, by_all) VALUES (?1, ?2, ?3, ?4) \
    ON CONFLICT (shard) DO UPDATE SET size = ?2, text = ?3, by_all = ?4 WHERE size <= ?2";
