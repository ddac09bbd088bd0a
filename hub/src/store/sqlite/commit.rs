//! The one transaction that everything rests on.

use saphan_schemas::acknowledgement::Outcome;
use sqlx::{Connection as _, SqliteConnection};

use super::bodies::{erase, overwrite_removed};
use super::insert::insert;
use super::queries::{self, SealedQuery};
use super::rows::{UNREADABLE, signed, tile_place, transport};
use super::{documents, failed};
use crate::sealing::SealedOnce;
use crate::store::{Batch, Effect, NewAcknowledgement, NewMessage, StoreError};

/// `sealed`: the bodies of the batch's messages, in their order; `queries`: those of the batch.
pub(super) async fn commit(
    connection: &mut SqliteConnection,
    batch: &Batch,
    sealed: &[SealedOnce],
    queries: &[SealedQuery<'_>],
) -> Result<(), StoreError> {
    let erases = batch.entries.iter().any(|entry| matches!(entry.effect, Effect::Erasure { .. }));
    if erases {
        overwrite_removed(connection, true).await?;
    }
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await.map_err(failed("began a commit"))?;
    write(&mut transaction, batch, sealed).await?;
    queries::keep(&mut transaction, queries).await?;
    transaction.commit().await.map_err(failed("committed"))?;
    // After a commit that failed there is another connection.
    if erases { overwrite_removed(connection, false).await } else { Ok(()) }
}

async fn write(to: &mut SqliteConnection, batch: &Batch, sealed: &[SealedOnce]) -> Result<(), StoreError> {
    check_head(to, batch.first).await?;
    let entries: Vec<_> = (batch.first..).zip(&batch.entries).collect();
    let messages: Vec<(u64, &NewMessage)> = entries
        .iter()
        .filter_map(|(index, entry)| match &entry.effect {
            Effect::Message(message) => Some((*index, &**message)),
            _ => None,
        })
        .collect();
    insert(to, "INSERT OR FAIL INTO entry (idx, kind, hash, leaf) ", &entries, |row, (index, entry)| {
        row.push_bind(signed(*index)).push_bind(kind(&entry.effect));
        row.push_bind(&entry.hash.as_bytes()[..]).push_bind(&*entry.leaf);
    })
    .await?;
    insert(to, INSERT_MESSAGE, &messages, |row, (index, message)| {
        row.push_bind(signed(*index)).push_bind(message.claims.jti.to_string());
        row.push_bind(message.claims.iss.as_str()).push_bind(message.claims.aud.as_str());
        row.push_bind(&message.content.as_bytes()[..]);
    })
    .await?;
    let bodies: Vec<_> =
        messages.iter().zip(sealed).map(|((index, message), sealed)| (*index, *message, sealed)).collect();
    insert(to, "INSERT OR FAIL INTO parts (idx, receipt, salt, body) ", &bodies, |row, (index, message, sealed)| {
        row.push_bind(signed(*index)).push_bind(&*message.receipt);
        row.push_bind(&[][..] as &[u8]).push_bind(&*sealed.content);
    })
    .await?;
    insert(to, INSERT_BODY_KEY, &bodies, |row, (index, message, sealed)| {
        row.push_bind(signed(*index)).push_bind(sealed.key.storage_key.to_string());
        row.push_bind(&sealed.key.sealed.nonce[..]).push_bind(&*sealed.key.sealed.ciphertext);
        row.push_bind(message.until.map(signed));
    })
    .await?;
    insert(to, INSERT_OUTBOX, &messages, |row, (index, message)| {
        row.push_bind(signed(*index)).push_bind(transport(message.transport));
        row.push_bind(message.claims.aud.as_str()).push_bind(&*message.proof);
        row.push_bind(message.claims.not_after.map(|seconds| signed(seconds.saturating_mul(1000))));
    })
    .await?;
    let cited = |(index, message): &(u64, &'_ NewMessage)| {
        let index = *index;
        message.documents.iter().map(move |commit| (index, *commit)).collect::<Vec<_>>()
    };
    let citations: Vec<_> = messages.iter().flat_map(cited).collect();
    documents::cite(to, &citations).await?;
    insert(to, "INSERT OR FAIL INTO tile_hash (level, idx, hash) ", &batch.tile_hashes, |row, tile| {
        row.push_bind(i64::from(tile.level)).push_bind(signed(tile_place(batch.shard, tile.index)));
        row.push_bind(&tile.hash.as_bytes()[..]);
    })
    .await?;
    for (index, entry) in &entries {
        match &entry.effect {
            Effect::Acknowledgement(acknowledgement) => settle(to, *index, acknowledgement).await?,
            Effect::Erasure { index: message } => erase(to, *index, *message).await?,
            Effect::Opened { origin, .. } => open_shard(to, batch.shard, *index, origin).await?,
            Effect::None | Effect::Message(_) | Effect::Query(_) | Effect::Registry => {}
        }
    }
    write_head(to, batch).await
}

async fn open_shard(to: &mut SqliteConnection, number: u32, first: u64, origin: &str) -> Result<(), StoreError> {
    sqlx::query("INSERT OR FAIL INTO shard (number, first, origin) VALUES (?1, ?2, ?3)")
        .bind(number)
        .bind(signed(first))
        .bind(origin)
        .execute(to)
        .await
        .map_err(failed("began a log"))?;
    Ok(())
}

async fn check_head(to: &mut SqliteConnection, expected: u64) -> Result<(), StoreError> {
    let size: Option<i64> =
        sqlx::query_scalar("SELECT size FROM head").fetch_optional(to).await.map_err(failed("read the head"))?;
    let size = u64::try_from(size.unwrap_or(0)).unwrap_or(0);
    if size == expected { Ok(()) } else { Err(StoreError::HeadMoved { size }) }
}

async fn write_head(to: &mut SqliteConnection, batch: &Batch) -> Result<(), StoreError> {
    let size = signed(batch.head.end());
    sqlx::query(
        "INSERT OR FAIL INTO head (id, size, range, checkpoint) VALUES (1, ?1, ?2, ?3) \
         ON CONFLICT (id) DO UPDATE SET size = ?1, range = ?2, checkpoint = ?3",
    )
    .bind(size)
    .bind(batch.head.range.to_bytes())
    .bind(&batch.head.checkpoint)
    .execute(&mut *to)
    .await
    .map_err(failed("wrote the head"))?;
    sqlx::query("INSERT OR FAIL INTO checkpoint (size, note) VALUES (?1, ?2)")
        .bind(size)
        .bind(&batch.head.checkpoint)
        .execute(to)
        .await
        .map_err(failed("wrote the checkpoint"))?;
    Ok(())
}

async fn settle(to: &mut SqliteConnection, index: u64, new: &NewAcknowledgement) -> Result<(), StoreError> {
    sqlx::query("INSERT OR FAIL INTO acknowledgement (jti, receiver, content, idx) VALUES (?1, ?2, ?3, ?4)")
        .bind(new.id.to_string())
        .bind(new.receiver.as_str())
        .bind(&new.content.as_bytes()[..])
        .bind(signed(index))
        .execute(&mut *to)
        .await
        .map_err(failed("wrote an acknowledgement"))?;
    let (mut processed, mut rejected) = (Vec::new(), Vec::new());
    for (index, outcome, code) in &new.outcomes {
        match outcome {
            Outcome::Processed => processed.push(index),
            Outcome::Rejected => rejected.push((index, code.as_ref().map(|code| code.as_str()))),
        }
    }
    let all: Vec<u64> = new.outcomes.iter().map(|(index, ..)| *index).collect();
    // The recipient is checked again: nothing but a system's own inbox can ever be settled by it.
    for (statement, outcomes) in [
        (PROCESSED, (!processed.is_empty()).then(|| serde_json::to_string(&processed))),
        (REJECTED, (!rejected.is_empty()).then(|| serde_json::to_string(&rejected))),
        (SETTLED, Some(serde_json::to_string(&all))),
    ] {
        let Some(outcomes) = outcomes else { continue };
        sqlx::query(statement)
            .bind(outcomes.map_err(|_| UNREADABLE)?)
            .bind(new.receiver.as_str())
            .bind(signed(index))
            .execute(&mut *to)
            .await
            .map_err(failed("wrote outcomes"))?;
    }
    Ok(())
}

const fn kind(effect: &Effect) -> i64 {
    match effect {
        Effect::None | Effect::Opened { vouches: false, .. } | Effect::Erasure { .. } | Effect::Query(_) => 0,
        Effect::Message(_) => 1,
        Effect::Acknowledgement(_) => 2,
        Effect::Registry | Effect::Opened { vouches: true, .. } => 3,
    }
}

const INSERT_MESSAGE: &str = "INSERT OR FAIL INTO message (idx, jti, sender, recipient, content) ";
const INSERT_BODY_KEY: &str = "INSERT OR FAIL INTO body_key (idx, storage_key, nonce, ciphertext, until) ";
const INSERT_OUTBOX: &str = "INSERT OR FAIL INTO outbox (idx, transport, recipient, proof, not_after) ";
const PROCESSED: &str = "UPDATE OR FAIL message SET state = 2, acknowledgement = ?3 \
     WHERE idx IN (SELECT value FROM json_each(?1)) AND recipient = ?2 AND acknowledgement IS NULL";
const REJECTED: &str = "UPDATE OR FAIL message SET state = 3, code = outcome.value ->> 1, acknowledgement = ?3 \
     FROM json_each(?1) AS outcome \
     WHERE message.idx = outcome.value ->> 0 AND message.recipient = ?2 AND message.acknowledgement IS NULL";
const SETTLED: &str = "DELETE FROM outbox \
     WHERE idx IN (SELECT value FROM json_each(?1)) AND recipient = ?2 AND ?3 IS NOT NULL";
