//! [`KeyIndex`] on SQLite.

use futures_util::future::{BoxFuture, FutureExt as _};
use sqlx::sqlite::SqliteRow;
use sqlx::{Connection as _, SqliteConnection};

use super::bodies::{body_binding, letter_binding};
use super::queries::query_binding;
use super::rows::{UNREADABLE, column, hash, index, parsed, signed};
use super::{SqliteStore, failed};
use crate::sealing::{Binding, Sealed, StorageKeyId, WrappedKey};
use crate::store::{KeyIndex, KeyPlace, StoreError, StoredKey};

impl KeyIndex for SqliteStore {
    fn wrapped_otherwise(&self, newest: StorageKeyId, limit: u32) -> BoxFuture<'_, Result<Vec<StoredKey>, StoreError>> {
        async move {
            let rows = sqlx::query(WRAPPED_OTHERWISE)
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
            let rows = sqlx::query(STORAGE_KEYS).fetch_all(&self.readers).await;
            rows.map_err(failed("read the names of storage keys"))?.iter().map(|row| parsed(row, 0)).collect()
        }
        .boxed()
    }
}

async fn wrap_again(to: &mut SqliteConnection, keys: &[StoredKey]) -> Result<(), StoreError> {
    let mut transaction = to.begin_with("BEGIN IMMEDIATE").await.map_err(failed("began to wrap keys again"))?;
    for key in keys {
        let again = match key.place {
            KeyPlace::Document(id) => sqlx::query(DOCUMENT_AGAIN).bind(signed(id)),
            KeyPlace::Body(index) => sqlx::query(BODY_AGAIN).bind(signed(index)),
            KeyPlace::Letter(id) => sqlx::query(LETTER_AGAIN).bind(id.to_string()),
            KeyPlace::Query(index) => sqlx::query(QUERY_AGAIN).bind(signed(index)),
        };
        again
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
    let (place, binding) = match column::<i64>(row, 0)? {
        0 => (KeyPlace::Document(index(row, 1)?), Binding::from_bytes(column(row, 2)?)),
        1 => {
            let index = index(row, 1)?;
            (KeyPlace::Body(index), body_binding(index))
        }
        3 => (KeyPlace::Query(index(row, 1)?), query_binding(hash(row, 2)?)),
        _ => {
            let id = parsed(row, 1)?;
            (KeyPlace::Letter(id), letter_binding(id))
        }
    };
    Ok(StoredKey { place, binding, wrapped: wrapped_key(row, 3)? })
}

/// Both sides of the name of each, so that the indexes serve.
const WRAPPED_OTHERWISE: &str = "\
     SELECT 0, id, binding, storage_key, nonce, ciphertext FROM data_key WHERE storage_key < ?1 UNION ALL \
     SELECT 0, id, binding, storage_key, nonce, ciphertext FROM data_key WHERE storage_key > ?1 UNION ALL \
     SELECT 1, idx, NULL, storage_key, nonce, ciphertext FROM body_key WHERE storage_key < ?1 UNION ALL \
     SELECT 1, idx, NULL, storage_key, nonce, ciphertext FROM body_key WHERE storage_key > ?1 UNION ALL \
     SELECT 2, jti, NULL, storage_key, nonce, ciphertext FROM case_letter WHERE storage_key < ?1 UNION ALL \
     SELECT 2, jti, NULL, storage_key, nonce, ciphertext FROM case_letter WHERE storage_key > ?1 UNION ALL \
     SELECT 3, idx, commitment, storage_key, nonce, ciphertext FROM query WHERE storage_key <> ?1 LIMIT ?2";
/// From one name to the next, so that it takes as long as there are names, not keys.
const STORAGE_KEYS: &str = "\
     WITH RECURSIVE name (of) AS (SELECT min(storage_key) FROM body_key UNION ALL \
     SELECT (SELECT min(storage_key) FROM body_key WHERE storage_key > of) FROM name WHERE of IS NOT NULL) \
     SELECT of FROM name WHERE of IS NOT NULL UNION SELECT storage_key FROM data_key \
     UNION SELECT storage_key FROM case_letter WHERE storage_key IS NOT NULL UNION SELECT storage_key FROM query";
const DOCUMENT_AGAIN: &str = "UPDATE OR FAIL data_key SET storage_key = ?2, nonce = ?3, ciphertext = ?4 WHERE id = ?1";
const BODY_AGAIN: &str = "UPDATE OR FAIL body_key SET storage_key = ?2, nonce = ?3, ciphertext = ?4 WHERE idx = ?1";
const QUERY_AGAIN: &str = "UPDATE OR FAIL query SET storage_key = ?2, nonce = ?3, ciphertext = ?4 WHERE idx = ?1";
const LETTER_AGAIN: &str =
    "UPDATE OR FAIL case_letter SET storage_key = ?2, nonce = ?3, ciphertext = ?4 WHERE jti = ?1";
