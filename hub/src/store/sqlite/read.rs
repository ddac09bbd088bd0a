//! Reading.

use saphan_schemas::acknowledgement::Acknowledged;
use saphan_schemas::digest::Sha256Hash;
use saphan_schemas::ids::{MessageId, SystemId};
use saphan_schemas::log::CompactRange;
use sqlx::sqlite::SqlitePool;
use sqlx::{AssertSqlSafe, SqliteConnection};

use super::failed;
use super::rows::{MESSAGE, UNREADABLE, column, hash, index, message, outcome, parsed, signed, tile_place};
use crate::shards::Shard;
use crate::store::{Head, Known, LoggedEntry, MessageRecord, StoreCounts, StoreError};

pub(super) async fn head(pool: &SqlitePool) -> Result<Option<Head>, StoreError> {
    let row = sqlx::query("SELECT range, checkpoint, size FROM head").fetch_optional(pool).await;
    let Some(row) = row.map_err(failed("read the head"))? else { return Ok(None) };
    let range = CompactRange::from_bytes(&column::<Vec<u8>>(&row, 0)?);
    let range = range.map_err(|_| StoreError::Corrupt { what: "the head" })?;
    let first = index(&row, 2)?.checked_sub(range.size()).ok_or(StoreError::Corrupt { what: "the head" })?;
    Ok(Some(Head { first, range, checkpoint: column(&row, 1)? }))
}

pub(super) async fn shards(pool: &SqlitePool) -> Result<Vec<Shard>, StoreError> {
    let rows = sqlx::query("SELECT number, first, origin FROM shard ORDER BY number").fetch_all(pool).await;
    let shard = |row| Ok(Shard { number: column(row, 0)?, first: index(row, 1)?, origin: column(row, 2)? });
    rows.map_err(failed("read the list of logs"))?.iter().map(shard).collect()
}

pub(super) async fn known(
    from: &mut SqliteConnection,
    keys: &[(&SystemId, MessageId)],
) -> Result<Vec<Known>, StoreError> {
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    let keys = serde_json::to_string(keys).map_err(|_| UNREADABLE)?;
    let rows = sqlx::query(
        "SELECT message.sender, message.jti, message.content, message.idx FROM json_each(?1) AS key \
         CROSS JOIN message ON message.jti = key.value ->> 1 AND message.sender = key.value ->> 0",
    )
    .bind(keys)
    .fetch_all(from)
    .await
    .map_err(failed("looked for duplicates"))?;
    let known =
        |row| Ok(Known { sender: parsed(row, 0)?, id: parsed(row, 1)?, content: hash(row, 2)?, index: index(row, 3)? });
    rows.iter().map(known).collect()
}

pub(super) async fn messages(pool: &SqlitePool, id: MessageId) -> Result<Vec<MessageRecord>, StoreError> {
    let statement = format!("SELECT {MESSAGE} WHERE message.jti = ?1 ORDER BY message.idx");
    // Nothing of a caller is in the text: it is constants.
    let rows = sqlx::query(AssertSqlSafe(statement)).bind(id.to_string()).fetch_all(pool).await;
    rows.map_err(failed("read messages"))?.iter().map(message).collect()
}

/// No row for each message: in the usual case all are the receiver's and none is settled, and this finds nothing.
pub(super) async fn not_addressed(
    pool: &SqlitePool,
    recipient: &SystemId,
    indices: &[u64],
) -> Result<Option<u64>, StoreError> {
    // By its position: SQLite does not hold every place that a caller can name.
    let position: Option<i64> = sqlx::query_scalar(
        "SELECT place.key FROM json_each(?1) AS place WHERE NOT EXISTS \
         (SELECT 1 FROM message WHERE message.idx = place.value AND message.recipient = ?2) LIMIT 1",
    )
    .bind(serde_json::to_string(indices).map_err(|_| UNREADABLE)?)
    .bind(recipient.as_str())
    .fetch_optional(pool)
    .await
    .map_err(failed("read messages"))?;
    let place = |position: i64| usize::try_from(position).ok().and_then(|position| indices.get(position)).copied();
    position.map(|position| place(position).ok_or(UNREADABLE)).transpose()
}

pub(super) async fn outcomes(from: &mut SqliteConnection, indices: &[u64]) -> Result<Vec<Acknowledged>, StoreError> {
    let rows = sqlx::query(
        "SELECT idx, state, code FROM message \
         WHERE idx IN (SELECT value FROM json_each(?1)) AND acknowledgement IS NOT NULL ORDER BY idx",
    )
    .bind(serde_json::to_string(indices).map_err(|_| UNREADABLE)?)
    .fetch_all(from)
    .await
    .map_err(failed("read outcomes"))?;
    rows.iter().map(outcome).collect()
}

pub(super) async fn receipt(pool: &SqlitePool, index: u64) -> Result<Option<String>, StoreError> {
    sqlx::query_scalar("SELECT receipt FROM parts WHERE idx = ?1")
        .bind(signed(index))
        .fetch_optional(pool)
        .await
        .map_err(failed("read a receipt"))
}

pub(super) async fn acknowledgement(
    from: &mut SqliteConnection,
    receiver: &SystemId,
    id: MessageId,
) -> Result<Option<(Sha256Hash, u64)>, StoreError> {
    let row = sqlx::query("SELECT content, idx FROM acknowledgement WHERE jti = ?1 AND receiver = ?2")
        .bind(id.to_string())
        .bind(receiver.as_str())
        .fetch_optional(from)
        .await
        .map_err(failed("read an acknowledgement"))?;
    row.map(|row| Ok((hash(&row, 0)?, index(&row, 1)?))).transpose()
}

pub(super) async fn entries(pool: &SqlitePool, first: u64, count: u32) -> Result<Vec<Vec<u8>>, StoreError> {
    sqlx::query_scalar("SELECT leaf FROM entry WHERE idx >= ?1 AND idx < ?2 ORDER BY idx")
        .bind(signed(first))
        .bind(signed(first.saturating_add(u64::from(count))))
        .fetch_all(pool)
        .await
        .map_err(failed("read entries"))
}

pub(super) async fn hashes(
    pool: &SqlitePool,
    shard: &Shard,
    level: u8,
    first: u64,
    count: u32,
) -> Result<Vec<Sha256Hash>, StoreError> {
    let first = if level == 0 { first.saturating_add(shard.first) } else { tile_place(shard.number, first) };
    let query = if level == 0 {
        sqlx::query("SELECT hash FROM entry WHERE idx >= ?1 AND idx < ?2 ORDER BY idx")
    } else {
        sqlx::query("SELECT hash FROM tile_hash WHERE level = ?3 AND idx >= ?1 AND idx < ?2 ORDER BY idx")
    };
    let query = query.bind(signed(first)).bind(signed(first.saturating_add(u64::from(count))));
    let query = if level == 0 { query } else { query.bind(i64::from(level)) };
    let rows = query.fetch_all(pool).await.map_err(failed("read hashes"))?;
    rows.iter().map(|row| hash(row, 0)).collect()
}

pub(super) async fn checkpoint(pool: &SqlitePool, end: u64) -> Result<Option<String>, StoreError> {
    sqlx::query_scalar("SELECT note FROM checkpoint WHERE size = ?1")
        .bind(signed(end))
        .fetch_optional(pool)
        .await
        .map_err(failed("read a checkpoint"))
}

pub(super) async fn registry_entries(pool: &SqlitePool, first: u64) -> Result<Vec<LoggedEntry>, StoreError> {
    let rows = sqlx::query("SELECT idx, leaf FROM entry WHERE kind = 3 AND idx >= ?1 ORDER BY idx")
        .bind(signed(first))
        .fetch_all(pool)
        .await
        .map_err(failed("read the registry"))?;
    rows.iter().map(|row| Ok(LoggedEntry { index: index(row, 0)?, leaf: column(row, 1)? })).collect()
}

pub(super) async fn counts(pool: &SqlitePool) -> Result<StoreCounts, StoreError> {
    let count = |transport: i64| async move {
        let count: i64 = sqlx::query_scalar("SELECT count(*) FROM outbox WHERE transport = ?1 AND published = 0")
            .bind(transport)
            .fetch_one(pool)
            .await
            .map_err(failed("counted"))?;
        u64::try_from(count).map_err(|_| UNREADABLE)
    };
    Ok(StoreCounts { outbox_pull: count(0).await?, outbox_amqp: count(1).await? })
}
