//! [`KeyIndex`] on SQLite.

use futures_util::future::{BoxFuture, FutureExt as _};
use sqlx::sqlite::SqliteRow;
use sqlx::{Connection as _, SqliteConnection};

use super::rows::{UNREADABLE, column, index, parsed, signed};
use super::{SqliteStore, failed};
use crate::sealing::{Binding, Sealed, StorageKeyId, WrappedKey};
use crate::store::{KeyIndex, StoreError, StoredKey};

impl KeyIndex for SqliteStore {
    fn wrapped_otherwise(&self, newest: StorageKeyId, limit: u32) -> BoxFuture<'_, Result<Vec<StoredKey>, StoreError>> {
        async move {
            // Both sides of the name, so that the index serves.
            let rows = sqlx::query(
                "SELECT id, binding, storage_key, nonce, ciphertext FROM data_key WHERE storage_key < ?1 \
                 UNION ALL \
                 SELECT id, binding, storage_key, nonce, ciphertext FROM data_key WHERE storage_key > ?1 LIMIT ?2",
            )
            .bind(newest.to_string())
            .bind(limit)
            .fetch_all(&self.readers)
            .await
            .map_err(failed("read wrapped keys"))?;
            rows.iter().map(stored_key).collect()
        }
        .boxed()
    }

    fn wrap_again<'a>(&'a self, keys: &'a [StoredKey]) -> BoxFuture<'a, Result<(), StoreError>> {
        async move {
            let mut writer = self.writer.lock().await;
            let done = wrap_again(writer.durable().await?, keys).await;
            writer.finish(done)
        }
        .boxed()
    }

    fn storage_keys(&self) -> BoxFuture<'_, Result<Vec<StorageKeyId>, StoreError>> {
        async move {
            let rows = sqlx::query("SELECT DISTINCT storage_key FROM data_key").fetch_all(&self.readers).await;
            rows.map_err(failed("read the names of storage keys"))?.iter().map(|row| parsed(row, 0)).collect()
        }
        .boxed()
    }
}

async fn wrap_again(to: &mut SqliteConnection, keys: &[StoredKey]) -> Result<(), StoreError> {
    let mut transaction = to.begin_with("BEGIN IMMEDIATE").await.map_err(failed("began to wrap keys again"))?;
    for key in keys {
        sqlx::query("UPDATE OR FAIL data_key SET storage_key = ?2, nonce = ?3, ciphertext = ?4 WHERE id = ?1")
            .bind(signed(key.id))
            .bind(key.wrapped.storage_key.to_string())
            .bind(&key.wrapped.sealed.nonce[..])
            .bind(&*key.wrapped.sealed.ciphertext)
            .execute(&mut *transaction)
            .await
            .map_err(failed("wrapped a key again"))?;
    }
    transaction.commit().await.map_err(failed("wrapped keys again"))
}

/// Stores a key; returns its number.
pub(super) async fn insert(to: &mut SqliteConnection, binding: &Binding, key: &WrappedKey) -> Result<i64, StoreError> {
    let inserted =
        sqlx::query("INSERT OR FAIL INTO data_key (storage_key, binding, nonce, ciphertext) VALUES (?1, ?2, ?3, ?4)")
            .bind(key.storage_key.to_string())
            .bind(binding.as_bytes())
            .bind(&key.sealed.nonce[..])
            .bind(&*key.sealed.ciphertext)
            .execute(to)
            .await
            .map_err(failed("stored a key"))?;
    Ok(inserted.last_insert_rowid())
}

/// Destroys a key: overwritten first, because SQLite leaves in place what is removed.
pub(super) async fn destroy(to: &mut SqliteConnection, id: i64) -> Result<(), StoreError> {
    for statement in [
        "UPDATE OR FAIL data_key SET ciphertext = zeroblob(length(ciphertext)) WHERE id = ?1",
        "DELETE FROM data_key WHERE id = ?1",
    ] {
        sqlx::query(statement).bind(id).execute(&mut *to).await.map_err(failed("destroyed a key"))?;
    }
    Ok(())
}

/// Of columns storage key, nonce and ciphertext, from `at` on.
pub(super) fn wrapped_key(row: &SqliteRow, at: usize) -> Result<WrappedKey, StoreError> {
    Ok(WrappedKey { storage_key: parsed(row, at)?, sealed: sealed(row, at + 1)? })
}

/// Of columns nonce and ciphertext, from `at` on.
pub(super) fn sealed(row: &SqliteRow, at: usize) -> Result<Sealed, StoreError> {
    let nonce = column::<Vec<u8>>(row, at)?.try_into().map_err(|_| UNREADABLE)?;
    Ok(Sealed { nonce, ciphertext: column(row, at + 1)? })
}

fn stored_key(row: &SqliteRow) -> Result<StoredKey, StoreError> {
    Ok(StoredKey { id: index(row, 0)?, binding: Binding::from_bytes(column(row, 1)?), wrapped: wrapped_key(row, 2)? })
}
