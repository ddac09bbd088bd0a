//! [`BodyIndex`] on SQLite, and how bodies are stored: sealed, each with a key of its own.

use futures_util::future::{BoxFuture, FutureExt as _};
use saphan_schemas::commitment::Salt;
use saphan_schemas::ids::MessageId;
use sqlx::sqlite::SqliteRow;
use sqlx::{AssertSqlSafe, Row as _, SqliteConnection};

use super::data_keys::wrapped_key;
use super::rows::{UNREADABLE, array, column, index, place, signed};
use super::{SqliteStore, documents, failed};
use crate::sealing::{Binding, SealError, SealedOnce, StorageKeys, WrappedKey};
use crate::store::{Asker, Batch, BodyIndex, BodyRecord, Effect, StoreError};

impl BodyIndex for SqliteStore {
    fn bodies<'a>(&'a self, indices: &'a [u64]) -> BoxFuture<'a, Result<Vec<BodyRecord>, StoreError>> {
        async move {
            let rows = sqlx::query(
                "SELECT message.idx, entry.leaf, erasure.place, outbox.idx IS NOT NULL, \
                 (SELECT group_concat(case_id, ' ') FROM case_reuse WHERE case_reuse.idx = message.idx) \
                 FROM message JOIN entry USING (idx) LEFT JOIN erasure USING (idx) LEFT JOIN outbox USING (idx) \
                 WHERE message.idx IN (SELECT value FROM json_each(?1)) ORDER BY message.idx",
            )
            .bind(places(indices)?)
            .fetch_all(&self.readers)
            .await
            .map_err(failed("read what is known of bodies"))?;
            rows.iter().map(record).collect()
        }
        .boxed()
    }

    fn erasures<'a>(&'a self, asker: Asker, indices: &'a [u64]) -> BoxFuture<'a, Result<Vec<(u64, u64)>, StoreError>> {
        async move {
            if indices.is_empty() {
                return Ok(Vec::new());
            }
            let rows = sqlx::query(
                "SELECT idx, place FROM erasure WHERE idx IN (SELECT value FROM json_each(?1)) ORDER BY idx",
            )
            .bind(places(indices)?)
            .fetch_all(self.reading(asker).await?.connection())
            .await
            .map_err(failed("looked for erasures"))?;
            rows.iter().map(|row| Ok((index(row, 0)?, index(row, 1)?))).collect()
        }
        .boxed()
    }

    fn bodies_due(&self, now: u64, limit: u32) -> BoxFuture<'_, Result<Vec<u64>, StoreError>> {
        async move {
            let rows = sqlx::query("SELECT idx FROM body_key WHERE until <= ?1 ORDER BY until LIMIT ?2")
                .bind(signed(now))
                .bind(limit)
                .fetch_all(&self.readers)
                .await
                .map_err(failed("looked for bodies to erase"))?;
            rows.iter().map(|row| index(row, 0)).collect()
        }
        .boxed()
    }

    fn keep_bodies<'a>(&'a self, indices: &'a [u64], until: u64) -> BoxFuture<'a, Result<(), StoreError>> {
        async move {
            let places = places(indices)?;
            let mut writer = self.writer.lock().await;
            let done = sqlx::query("UPDATE body_key SET until = ?2 WHERE idx IN (SELECT value FROM json_each(?1))")
                .bind(places)
                .bind(signed(until))
                .execute(writer.durable().await?)
                .await;
            writer.finish(done.map(|_| ()).map_err(failed("kept bodies")))
        }
        .boxed()
    }

    fn wipe(&self) -> BoxFuture<'_, Result<bool, StoreError>> {
        async move {
            let mut writer = self.writer.lock().await;
            let done = wipe(writer.durable().await?).await;
            writer.finish(done.map_err(failed("folded its write-ahead log in")))
        }
        .boxed()
    }
}

/// What was overwritten is in the write-ahead log as it was before, until that is folded in and cut off.
async fn wipe(to: &mut SqliteConnection) -> Result<bool, sqlx::Error> {
    // Nobody is to wait long for a backup that reads.
    sqlx::raw_sql("PRAGMA busy_timeout = 250").execute(&mut *to).await?;
    let row = sqlx::raw_sql("PRAGMA wal_checkpoint(TRUNCATE)").fetch_one(&mut *to).await?;
    let timeout = format!("PRAGMA busy_timeout = {}", super::BUSY.as_millis());
    sqlx::raw_sql(AssertSqlSafe(timeout)).execute(to).await?;
    Ok(row.try_get::<i64, _>(0)? == 0)
}

fn record(row: &SqliteRow) -> Result<BodyRecord, StoreError> {
    let cases: Option<&str> = column(row, 4)?;
    let cases = cases.into_iter().flat_map(|ids| ids.split(' '));
    Ok(BodyRecord {
        index: index(row, 0)?,
        leaf: column(row, 1)?,
        erased: place(row, 2)?,
        undelivered: column(row, 3)?,
        reused_by: cases.map(|id| id.parse().map_err(|_| UNREADABLE)).collect::<Result<_, _>>()?,
    })
}

/// Salt and body as they are stored.
pub(super) struct StoredBody {
    salt: Vec<u8>,
    body: Vec<u8>,
    key: Option<WrappedKey>,
}

/// The columns of a [`StoredBody`], of `parts` and `body_key`.
macro_rules! body_columns {
    () => {
        "parts.salt, parts.body, body_key.storage_key, body_key.nonce, body_key.ciphertext"
    };
}
pub(super) use body_columns;

/// The length of a body of `parts`, as it was before it was sealed.
macro_rules! body_length {
    () => {
        "length(parts.body) - iif(length(parts.salt) = 0, 48, 0)"
    };
}
pub(super) use body_length;

impl StoredBody {
    /// Of columns salt, body, and storage key, nonce and ciphertext of the key, from `at` on.
    pub(super) fn read(row: &SqliteRow, at: usize) -> Result<Self, StoreError> {
        let key = match column::<Option<&str>>(row, at + 2)? {
            Some(_) => Some(wrapped_key(row, at + 2)?),
            None => None,
        };
        let salt: Option<Vec<u8>> = column(row, at)?;
        let body: Option<Vec<u8>> = column(row, at + 1)?;
        Ok(Self { salt: salt.unwrap_or_default(), body: body.unwrap_or_default(), key })
    }

    /// Salt and body; `None` if they were erased, or never were.
    pub(super) fn open(self, keys: &StorageKeys, binding: &Binding) -> Result<Option<(Salt, Vec<u8>)>, StoreError> {
        let Self { salt, body, key } = self;
        match key {
            Some(key) => {
                let mut body = SealedOnce { key, content: body }.open(keys, binding)?;
                let salt = *body.first_chunk::<SALT_BYTES>().ok_or(UNREADABLE)?;
                body.drain(..SALT_BYTES);
                Ok(Some((Salt::from_bytes(salt), body)))
            }
            None if salt.is_empty() && body.is_empty() => Ok(None),
            None => Ok(Some((Salt::from_bytes(array(salt)?), body))),
        }
    }
}

impl StoredBody {
    /// The body of the message at this place; `None` if it was erased, or does not open. One that was damaged must not hold up
    /// all others; a storage key that is not here is another matter.
    pub(super) fn open_or_tell(self, keys: &StorageKeys, index: u64) -> Result<Option<(Salt, Vec<u8>)>, StoreError> {
        match self.open(keys, &body_binding(index)) {
            Err(error) if error.is_damage() => {
                tracing::error!(
                    index,
                    "the body of this message is damaged in the store; a backup of the data folder may have it"
                );
                Ok(None)
            }
            opened => opened,
        }
    }
}

/// What the body of the message at this place is sealed for.
pub(super) fn body_binding(index: u64) -> Binding {
    Binding::new("message-body-1", &[&index.to_be_bytes()])
}

/// What a letter is sealed for.
pub(super) fn letter_binding(id: MessageId) -> Binding {
    Binding::new("letter-body-1", &[id.to_string().as_bytes()])
}

pub(super) fn seal(keys: &StorageKeys, binding: &Binding, salt: &Salt, body: &[u8]) -> Result<SealedOnce, SealError> {
    SealedOnce::seal(keys, binding, &[salt.as_bytes(), body])
}

/// The bodies of a batch's messages, in their order.
pub(super) fn seal_all(keys: &StorageKeys, batch: &Batch) -> Result<Vec<SealedOnce>, StoreError> {
    let mut sealed = Vec::with_capacity(batch.entries.len());
    for (index, entry) in (batch.first..).zip(&batch.entries) {
        if let Effect::Message(message) = &entry.effect {
            sealed.push(seal(keys, &body_binding(index), &message.salt, &message.body)?);
        }
    }
    Ok(sealed)
}

/// Erases a body: its key, what it was sealed to, and what rests on it. With `secure_delete` on.
pub(super) async fn erase(to: &mut SqliteConnection, place: u64, message: u64) -> Result<(), StoreError> {
    let cited = documents::cited(to, message).await?;
    for statement in [
        "UPDATE OR FAIL body_key SET ciphertext = zeroblob(length(ciphertext)) WHERE idx = ?1",
        "DELETE FROM body_key WHERE idx = ?1",
        "UPDATE OR FAIL parts SET salt = x'', body = x'' WHERE idx = ?1",
        "DELETE FROM outbox WHERE idx = ?1",
        "DELETE FROM case_evidence WHERE idx = ?1",
        "DELETE FROM document_citation WHERE idx = ?1",
    ] {
        sqlx::query(statement).bind(signed(message)).execute(&mut *to).await.map_err(failed("erased a body"))?;
    }
    documents::destroy_uncited(to, &cited).await?;
    sqlx::query("INSERT OR FAIL INTO erasure (idx, place) VALUES (?1, ?2)")
        .bind(signed(message))
        .bind(signed(place))
        .execute(to)
        .await
        .map_err(failed("noted an erasure"))?;
    Ok(())
}

/// Has what is removed overwritten with zeros: within the pages that are written anyway, or wherever it was.
pub(super) async fn overwrite_removed(to: &mut SqliteConnection, everywhere: bool) -> Result<(), StoreError> {
    let text = if everywhere { "PRAGMA secure_delete = ON" } else { "PRAGMA secure_delete = FAST" };
    sqlx::raw_sql(text).execute(&mut *to).await.map(|_| ()).map_err(failed("changed what it overwrites"))
}

fn places(indices: &[u64]) -> Result<String, StoreError> {
    serde_json::to_string(indices).map_err(|_| UNREADABLE)
}

const SALT_BYTES: usize = 32;
