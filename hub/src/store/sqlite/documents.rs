//! [`DocumentIndex`] on SQLite.

use futures_util::future::{BoxFuture, FutureExt as _};
use saphan_schemas::digest::Sha256Hash;
use saphan_schemas::ids::SystemId;
use sqlx::sqlite::SqliteRow;
use sqlx::{Connection as _, Sqlite, SqliteConnection, Transaction};

use super::data_keys::{self, sealed, wrapped_key};
use super::insert::insert;
use super::rows::{UNREADABLE, column, hash, index, parsed, signed};
use super::{SqliteStore, failed};
use crate::store::{
    Begun, DocumentId, DocumentIndex, DocumentRecord, DocumentState, NewDocument, NewPart, Part, Quota, StoreError,
    Unfinished,
};

impl DocumentIndex for SqliteStore {
    fn upload<'a>(
        &'a self,
        commit: Sha256Hash,
        uploader: &'a SystemId,
    ) -> BoxFuture<'a, Result<Option<DocumentRecord>, StoreError>> {
        async move {
            let row = sqlx::query(UPLOAD)
                .bind(commit.as_bytes().to_vec())
                .bind(uploader.as_str())
                .fetch_optional(&self.readers)
                .await
                .map_err(failed("looked for an upload"))?;
            row.as_ref().map(record).transpose()
        }
        .boxed()
    }

    fn begin_upload<'a>(&'a self, new: &'a NewDocument, most: Quota) -> BoxFuture<'a, Result<Begun, StoreError>> {
        async move {
            let mut writer = self.writer.lock().await;
            let done = begin(writer.durable().await?, new, most).await;
            writer.finish(done)
        }
        .boxed()
    }

    fn add_part<'a>(&'a self, part: &'a NewPart) -> BoxFuture<'a, Result<bool, StoreError>> {
        async move {
            let mut writer = self.writer.lock().await;
            let done = add_part(writer.durable().await?, part).await;
            writer.finish(done)
        }
        .boxed()
    }

    fn parts(&self, document: DocumentId) -> BoxFuture<'_, Result<Vec<Part>, StoreError>> {
        async move {
            let rows = sqlx::query(
                "SELECT number, position, len, prefix FROM document_part WHERE document = ?1 ORDER BY number",
            )
            .bind(document.as_bytes().to_vec())
            .fetch_all(&self.readers)
            .await
            .map_err(failed("read the parts of a document"))?;
            rows.iter().map(part).collect()
        }
        .boxed()
    }

    fn complete_upload(&self, document: DocumentId) -> BoxFuture<'_, Result<bool, StoreError>> {
        async move {
            let mut writer = self.writer.lock().await;
            let done = sqlx::query("UPDATE OR FAIL document SET state = 2 WHERE id = ?1 AND state = 1")
                .bind(document.as_bytes().to_vec())
                .execute(writer.durable().await?)
                .await;
            writer.finish(done.map(|done| done.rows_affected() == 1).map_err(failed("completed a document")))
        }
        .boxed()
    }

    fn refuse_upload(&self, document: DocumentId) -> BoxFuture<'_, Result<(), StoreError>> {
        async move {
            let mut writer = self.writer.lock().await;
            let done = refuse(writer.durable().await?, document).await;
            writer.finish(done)
        }
        .boxed()
    }

    fn left_over(&self, limit: u32) -> BoxFuture<'_, Result<Vec<DocumentId>, StoreError>> {
        async move {
            let rows = sqlx::query("SELECT id FROM document WHERE state = 3 AND state <> 2 LIMIT ?1").bind(limit);
            let rows = rows.fetch_all(&self.readers).await.map_err(failed("looked for refused documents"))?;
            rows.iter().map(|row| id(row, 0)).collect()
        }
        .boxed()
    }

    fn forget_document(&self, document: DocumentId) -> BoxFuture<'_, Result<(), StoreError>> {
        async move {
            let mut writer = self.writer.lock().await;
            let done = forget(writer.durable().await?, document).await;
            writer.finish(done)
        }
        .boxed()
    }

    fn unfinished(&self, which: Unfinished, limit: u32) -> BoxFuture<'_, Result<Vec<DocumentRecord>, StoreError>> {
        async move {
            let (states, before) = match which {
                Unfinished::Received => (1, i64::MAX),
                Unfinished::Abandoned(before) => (0, signed(before)),
            };
            let rows = sqlx::query(UNFINISHED)
                .bind(states)
                .bind(before)
                .bind(limit)
                .fetch_all(&self.readers)
                .await
                .map_err(failed("looked for unfinished uploads"))?;
            rows.iter().map(record).collect()
        }
        .boxed()
    }

    fn touch(&self, document: DocumentId, now: u64) -> BoxFuture<'_, Result<bool, StoreError>> {
        async move {
            let mut writer = self.writer.lock().await;
            let done = sqlx::query("UPDATE OR FAIL document SET touched = ?2 WHERE id = ?1 AND state = 2")
                .bind(document.as_bytes().to_vec())
                .bind(signed(now))
                .execute(writer.durable().await?)
                .await;
            let done = done.map(|done| done.rows_affected() == 1);
            writer.finish(done.map_err(failed("noted that a document was uploaded again")))
        }
        .boxed()
    }

    fn remove_uncited(&self, before: u64, limit: u32) -> BoxFuture<'_, Result<u64, StoreError>> {
        async move {
            let mut writer = self.writer.lock().await;
            let done = remove_uncited(writer.durable().await?, before, limit).await;
            writer.finish(done)
        }
        .boxed()
    }

    fn readable<'a>(
        &'a self,
        commit: Sha256Hash,
        reader: &'a SystemId,
    ) -> BoxFuture<'a, Result<Option<DocumentRecord>, StoreError>> {
        async move {
            let row = sqlx::query(READABLE)
                .bind(commit.as_bytes().to_vec())
                .bind(reader.as_str())
                .fetch_optional(&self.readers)
                .await
                .map_err(failed("looked for a document"))?;
            row.as_ref().map(record).transpose()
        }
        .boxed()
    }
}

async fn begin(to: &mut SqliteConnection, new: &NewDocument, most: Quota) -> Result<Begun, StoreError> {
    let mut transaction = to.begin_with("BEGIN IMMEDIATE").await.map_err(failed("began an upload"))?;
    let before = sqlx::query("SELECT id, state FROM document WHERE commitment = ?1 AND uploader = ?2 AND state < 3")
        .bind(&new.commit.as_bytes()[..])
        .bind(new.uploader.as_str())
        .fetch_optional(&mut *transaction)
        .await
        .map_err(failed("looked for an upload"))?;
    if let Some(before) = before {
        if column::<i64>(&before, 1)? == 2 {
            return give_up(transaction, Begun::Complete).await;
        }
        destroy(&mut transaction, id(&before, 0)?).await?;
    }
    let unfinished: i64 =
        sqlx::query_scalar("SELECT count(*) FROM document WHERE state IN (0, 1) AND state <> 2 AND uploader = ?1")
            .bind(new.uploader.as_str())
            .fetch_one(&mut *transaction)
            .await
            .map_err(failed("counted uploads"))?;
    if unfinished >= i64::from(most.unfinished) {
        return give_up(transaction, Begun::TooMany).await;
    }
    let uncited: i64 = sqlx::query_scalar(
        "SELECT coalesce(sum(len), 0) FROM document WHERE uploader = ?1 AND cited = 0 AND state < 3",
    )
    .bind(new.uploader.as_str())
    .fetch_one(&mut *transaction)
    .await
    .map_err(failed("counted what no message cites"))?;
    if uncited.saturating_add(signed(new.len)) > signed(most.uncited_bytes) {
        return give_up(transaction, Begun::TooMuch).await;
    }
    let key = data_keys::insert(&mut transaction, &new.binding, &new.key).await?;
    sqlx::query(
        "INSERT OR FAIL INTO document (id, commitment, uploader, len, media_type, chunk, salt_nonce, salt, data_key, created, touched, cited) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?10, EXISTS (SELECT 1 FROM document_citation WHERE commitment = ?2))",
    )
    .bind(&new.id.as_bytes()[..])
    .bind(&new.commit.as_bytes()[..])
    .bind(new.uploader.as_str())
    .bind(signed(new.len))
    .bind(&new.media_type)
    .bind(new.chunk)
    .bind(&new.salt.nonce[..])
    .bind(&*new.salt.ciphertext)
    .bind(key)
    .bind(signed(new.now))
    .execute(&mut *transaction)
    .await
    .map_err(failed("stored an upload"))?;
    transaction.commit().await.map_err(failed("began an upload"))?;
    Ok(Begun::Yes)
}

async fn add_part(to: &mut SqliteConnection, new: &NewPart) -> Result<bool, StoreError> {
    let mut transaction = to.begin_with("BEGIN IMMEDIATE").await.map_err(failed("began a part"))?;
    let document = new.document.as_bytes();
    let end = signed(new.part.position.saturating_add(new.part.len));
    let goes_on = sqlx::query(
        "UPDATE OR FAIL document SET received = ?3, touched = ?4, state = iif(len = ?3, 1, 0) \
         WHERE id = ?1 AND state = 0 AND received = ?2 AND len >= ?3",
    )
    .bind(&document[..])
    .bind(signed(new.part.position))
    .bind(end)
    .bind(signed(new.now))
    .execute(&mut *transaction)
    .await
    .map_err(failed("noted a part"))?;
    if goes_on.rows_affected() != 1 {
        return give_up(transaction, false).await;
    }
    sqlx::query(
        "INSERT OR FAIL INTO document_part (document, number, position, len, prefix) VALUES (?1, ?2, ?3, ?4, ?5)",
    )
    .bind(&document[..])
    .bind(new.part.number)
    .bind(signed(new.part.position))
    .bind(signed(new.part.len))
    .bind(&new.part.prefix[..])
    .execute(&mut *transaction)
    .await
    .map_err(failed("stored a part"))?;
    transaction.commit().await.map_err(failed("stored a part"))?;
    Ok(true)
}

async fn give_up<T>(transaction: Transaction<'_, Sqlite>, answer: T) -> Result<T, StoreError> {
    transaction.rollback().await.map_err(failed("gave a change up")).map(|()| answer)
}

async fn refuse(to: &mut SqliteConnection, document: DocumentId) -> Result<(), StoreError> {
    let mut transaction = to.begin_with("BEGIN IMMEDIATE").await.map_err(failed("began to refuse a document"))?;
    destroy(&mut transaction, document).await?;
    transaction.commit().await.map_err(failed("refused a document"))
}

/// Destroys the key of a document that is not complete.
async fn destroy(to: &mut SqliteConnection, document: DocumentId) -> Result<(), StoreError> {
    let key: Option<Option<i64>> =
        sqlx::query_scalar("SELECT data_key FROM document WHERE id = ?1 AND state IN (0, 1)")
            .bind(&document.as_bytes()[..])
            .fetch_optional(&mut *to)
            .await
            .map_err(failed("looked for a document"))?;
    let Some(key) = key else { return Ok(()) };
    leave_over(to, document, key).await
}

/// Notes which messages cite which documents.
pub(super) async fn cite(to: &mut SqliteConnection, citations: &[(u64, Sha256Hash)]) -> Result<(), StoreError> {
    // A message may cite a document twice.
    insert(to, "INSERT OR IGNORE INTO document_citation (idx, commitment) ", citations, |row, (index, commit)| {
        row.push_bind(signed(*index)).push_bind(&commit.as_bytes()[..]);
    })
    .await?;
    for (_, commit) in citations {
        sqlx::query("UPDATE OR FAIL document SET cited = 1 WHERE commitment = ?1 AND cited = 0 AND state < 3")
            .bind(&commit.as_bytes()[..])
            .execute(&mut *to)
            .await
            .map_err(failed("noted that a document is cited"))?;
    }
    Ok(())
}

/// The commitments of the documents that a message cites.
pub(super) async fn cited(to: &mut SqliteConnection, message: u64) -> Result<Vec<Sha256Hash>, StoreError> {
    let rows = sqlx::query("SELECT commitment FROM document_citation WHERE idx = ?1")
        .bind(signed(message))
        .fetch_all(to)
        .await
        .map_err(failed("looked for the documents of a message"))?;
    rows.iter().map(|row| hash(row, 0)).collect()
}

/// Destroys the keys of documents that no message has cited and that were uploaded before `before`.
async fn remove_uncited(to: &mut SqliteConnection, before: u64, limit: u32) -> Result<u64, StoreError> {
    let mut transaction = to.begin_with("BEGIN IMMEDIATE").await.map_err(failed("began to remove documents"))?;
    let rows = sqlx::query(
        "SELECT id, data_key FROM document WHERE cited = 0 AND state < 3 AND state > 0 AND touched < ?1 LIMIT ?2",
    )
    .bind(signed(before))
    .bind(limit)
    .fetch_all(&mut *transaction)
    .await
    .map_err(failed("looked for documents that nothing cites"))?;
    for row in &rows {
        leave_over(&mut transaction, id(row, 0)?, column(row, 1)?).await?;
    }
    transaction.commit().await.map_err(failed("removed documents"))?;
    Ok(rows.len() as u64)
}

/// Destroys the keys of complete documents of these commitments that no message cites. Their objects are left over.
pub(super) async fn destroy_uncited(to: &mut SqliteConnection, commitments: &[Sha256Hash]) -> Result<(), StoreError> {
    for commitment in commitments {
        let uncited = sqlx::query(UNCITED).bind(&commitment.as_bytes()[..]).fetch_all(&mut *to).await;
        for row in uncited.map_err(failed("looked for documents that nothing cites"))? {
            leave_over(to, id(&row, 0)?, column(&row, 1)?).await?;
        }
        // Uploads that were begun while it was cited.
        sqlx::query(CITED_NO_MORE)
            .bind(&commitment.as_bytes()[..])
            .execute(&mut *to)
            .await
            .map_err(failed("noted that a document is cited no more"))?;
    }
    Ok(())
}

/// Destroys the key of a document; what is stored of it is left over.
async fn leave_over(to: &mut SqliteConnection, document: DocumentId, key: Option<i64>) -> Result<(), StoreError> {
    if let Some(key) = key {
        data_keys::destroy(to, key).await?;
    }
    sqlx::query("UPDATE OR FAIL document SET state = 3, data_key = NULL WHERE id = ?1")
        .bind(&document.as_bytes()[..])
        .execute(to)
        .await
        .map_err(failed("destroyed a document"))?;
    Ok(())
}

async fn forget(to: &mut SqliteConnection, document: DocumentId) -> Result<(), StoreError> {
    let mut transaction = to.begin_with("BEGIN IMMEDIATE").await.map_err(failed("began to forget a document"))?;
    for statement in [
        "DELETE FROM document_part WHERE document = (SELECT id FROM document WHERE id = ?1 AND state = 3)",
        "DELETE FROM document WHERE id = ?1 AND state = 3",
    ] {
        sqlx::query(statement)
            .bind(&document.as_bytes()[..])
            .execute(&mut *transaction)
            .await
            .map_err(failed("forgot a document"))?;
    }
    transaction.commit().await.map_err(failed("forgot a document"))
}

fn record(row: &SqliteRow) -> Result<DocumentRecord, StoreError> {
    Ok(DocumentRecord {
        id: id(row, 0)?,
        commit: hash(row, 1)?,
        uploader: parsed(row, 2)?,
        len: index(row, 3)?,
        media_type: column(row, 4)?,
        chunk: column(row, 5)?,
        salt: sealed(row, 6)?,
        state: match column::<i64>(row, 8)? {
            0 => DocumentState::Uploading,
            1 => DocumentState::Received,
            2 => DocumentState::Complete,
            _ => return Err(UNREADABLE),
        },
        received: index(row, 9)?,
        key: wrapped_key(row, 10)?,
        uncited_since: (!column::<bool>(row, 13)?).then(|| index(row, 14)).transpose()?,
    })
}

fn part(row: &SqliteRow) -> Result<Part, StoreError> {
    Ok(Part {
        number: column(row, 0)?,
        position: index(row, 1)?,
        len: index(row, 2)?,
        prefix: column::<Vec<u8>>(row, 3)?.try_into().map_err(|_| UNREADABLE)?,
    })
}

fn id(row: &SqliteRow, at: usize) -> Result<DocumentId, StoreError> {
    column::<Vec<u8>>(row, at)?.try_into().map(DocumentId::from_bytes).map_err(|_| UNREADABLE)
}

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT document.id, document.commitment, document.uploader, document.len, document.media_type, \
             document.chunk, document.salt_nonce, document.salt, document.state, document.received, \
             data_key.storage_key, data_key.nonce, data_key.ciphertext, document.cited, document.touched \
             FROM document JOIN data_key ON data_key.id = document.data_key ",
            $rest
        )
    };
}

const UPLOAD: &str = select!("WHERE commitment = ?1 AND uploader = ?2 AND state < 3");
// SQLite takes a partial index only where the statement repeats its condition.
const UNFINISHED: &str = select!("WHERE state = ?1 AND state <> 2 AND touched < ?2 ORDER BY touched LIMIT ?3");
const UNCITED: &str = "SELECT id, data_key FROM document WHERE commitment = ?1 AND state = 2 AND state < 3 \
     AND NOT EXISTS (SELECT 1 FROM document_citation WHERE document_citation.commitment = ?1)";
const CITED_NO_MORE: &str = "UPDATE OR FAIL document SET cited = 0 WHERE commitment = ?1 AND state < 2 AND state < 3 \
     AND NOT EXISTS (SELECT 1 FROM document_citation WHERE document_citation.commitment = ?1)";
/// A system's own first, which tells it what itself has stated.
const READABLE: &str = select!(
    "WHERE commitment = ?1 AND state = 2 AND state < 3 AND (uploader = ?2 OR EXISTS ( \
     SELECT 1 FROM document_citation JOIN message USING (idx) WHERE document_citation.commitment = ?1 \
     AND (message.sender = ?2 OR message.recipient = ?2))) ORDER BY uploader <> ?2, created LIMIT 1"
);
