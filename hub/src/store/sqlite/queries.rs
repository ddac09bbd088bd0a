//! [`QueryIndex`] on SQLite: the texts of queries, sealed, each with a key of its own.

use futures_util::future::{BoxFuture, FutureExt as _};
use saphan_schemas::commitment::Salt;
use saphan_schemas::digest::Sha256Hash;
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;

use super::bodies::seal;
use super::data_keys::wrapped_key;
use super::rows::{UNREADABLE, column, hash, index, signed};
use super::{SqliteStore, failed};
use crate::sealing::{Binding, SealedOnce, StorageKeys};
use crate::store::{Batch, Effect, KeptQuery, QueryIndex, StoreError};

impl QueryIndex for SqliteStore {
    fn queries<'a>(&'a self, indices: &'a [u64]) -> BoxFuture<'a, Result<Vec<KeptQuery>, StoreError>> {
        async move {
            let rows = sqlx::query(
                "SELECT idx, commitment, content, storage_key, nonce, ciphertext FROM query \
                 WHERE idx IN (SELECT value FROM json_each(?1)) ORDER BY idx",
            )
            .bind(serde_json::to_string(indices).map_err(|_| UNREADABLE)?)
            .fetch_all(&self.readers)
            .await
            .map_err(failed("read queries"))?;
            let keys = self.keys();
            rows.iter().filter_map(|row| open(row, &keys).transpose()).collect()
        }
        .boxed()
    }
}

/// A query of a batch, with its place.
pub(super) struct SealedQuery<'a> {
    index: u64,
    commit: &'a Sha256Hash,
    sealed: SealedOnce,
}

/// The queries of a batch.
pub(super) fn seal_all<'a>(keys: &StorageKeys, batch: &'a Batch) -> Result<Vec<SealedQuery<'a>>, StoreError> {
    let mut all = Vec::new();
    for (index, entry) in (batch.first..).zip(&batch.entries) {
        if let Effect::Query(query) = &entry.effect {
            let sealed = seal(keys, &query_binding(query.commit), &query.salt, query.text.as_bytes())?;
            all.push(SealedQuery { index, commit: &query.commit, sealed });
        }
    }
    Ok(all)
}

pub(super) async fn keep(to: &mut SqliteConnection, queries: &[SealedQuery<'_>]) -> Result<(), StoreError> {
    for SealedQuery { index, commit, sealed } in queries {
        sqlx::query(
            "INSERT OR FAIL INTO query (idx, storage_key, nonce, ciphertext, commitment, content) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )
        .bind(signed(*index))
        .bind(sealed.key.storage_key.to_string())
        .bind(&sealed.key.sealed.nonce[..])
        .bind(&*sealed.key.sealed.ciphertext)
        .bind(&commit.as_bytes()[..])
        .bind(&*sealed.content)
        .execute(&mut *to)
        .await
        .map_err(failed("kept a query"))?;
    }
    Ok(())
}

/// What the text of a query is sealed for.
pub(super) fn query_binding(commit: Sha256Hash) -> Binding {
    Binding::new("audit-query-1", &[commit.as_bytes()])
}

/// `None` for one that is damaged: it must not hide the others.
fn open(row: &SqliteRow, keys: &StorageKeys) -> Result<Option<KeptQuery>, StoreError> {
    let index = index(row, 0)?;
    let sealed = SealedOnce { key: wrapped_key(row, 3)?, content: column(row, 2)? };
    let opened = match sealed.open(keys, &query_binding(hash(row, 1)?)).map_err(StoreError::from) {
        Err(error) if error.is_damage() => {
            tracing::error!(index, "the text of this auditor's query is damaged in the store");
            return Ok(None);
        }
        opened => opened?,
    };
    let (salt, text) = opened.split_first_chunk::<32>().ok_or(UNREADABLE)?;
    let text = String::from_utf8(text.to_vec()).map_err(|_| UNREADABLE)?;
    Ok(Some(KeptQuery { index, salt: Salt::from_bytes(*salt), text }))
}
