//! The log in the store of a hub that has stopped.
//!
//! The rows are those that the hub would have: of each message its entry, record and receipt, of each erasure what it leaves. In
//! the hub's own store what was erased leaves gaps, which there are none of here.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use saphan_schemas::digest::Sha256Hash;
use saphan_schemas::ids::SystemId;
use saphan_schemas::jws::Signed;
use saphan_schemas::log::{BatchAppend, Checkpoint, CompactRange, TileHash};
use saphan_schemas::receipt::ReceiptClaims;
use sqlx::query_builder::{QueryBuilder, Separated};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _, Sqlite, SqliteConnection};
use tokio::sync::mpsc;

use super::block::{Made, What};
use super::{BLOCKS_AT_ONCE, Begun, Pattern, Writers, now_ms, on_all_cores};

/// A commit of the hub.
struct Batch {
    first: u64,
    entries: Vec<Made>,
    /// Of the messages, in their order.
    receipts: Vec<String>,
    tile_hashes: Vec<TileHash>,
    range: CompactRange,
    checkpoint: String,
}

/// Appends blocks to the store at `path` until the log has so many entries, or up to 128 more; gives how many. The hub must have
/// stopped. What is written is on disk when the hub has opened and closed the store once.
///
/// # Errors
/// When the store cannot be written, or is not what the hub began.
pub async fn grow_store(path: &Path, begun: &Begun, entries: u64) -> anyhow::Result<u64> {
    let mut store = open(path).await?;
    let range: Vec<u8> = sqlx::query_scalar("SELECT range FROM head").fetch_one(&mut store).await?;
    let (mut range, mut ts) = (CompactRange::from_bytes(&range)?, begun.last_ts()?);
    anyhow::ensure!(range.size() == begun.leaves.len() as u64, "the store has grown since");
    let (pass, mut made) = mpsc::channel::<Vec<Batch>>(2);
    let writers = Arc::clone(&begun.writers);
    let making = tokio::task::spawn_blocking(move || {
        while range.size() < entries {
            let missing = (entries - range.size()).div_ceil(Pattern::Erased.entries());
            let blocks = usize::try_from(missing)?.min(BLOCKS_AT_ONCE);
            ts = now_ms()?.max(ts);
            let batches = writers.batches(&mut range, blocks, ts)?;
            // Nobody takes them any more: why, the other side says.
            if pass.blocking_send(batches).is_err() {
                break;
            }
        }
        anyhow::Ok(range.size())
    });
    while let Some(batches) = made.recv().await {
        let mut transaction = store.begin().await?;
        write(&mut transaction, &begun.writers, &batches).await?;
        transaction.commit().await?;
    }
    let size = making.await??;
    sqlx::raw_sql("PRAGMA journal_mode = WAL").execute(&mut store).await?;
    store.close().await?;
    Ok(size)
}

/// For this process alone, and without a journal: if it is stopped half-way the store is lost, which can be made again.
async fn open(path: &Path) -> anyhow::Result<SqliteConnection> {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .pragma("locking_mode", "EXCLUSIVE")
        .pragma("journal_mode", "OFF")
        .pragma("synchronous", "OFF")
        .pragma("cache_size", "-65536");
    Ok(options.connect().await?)
}

impl Writers {
    fn batches(&self, range: &mut CompactRange, blocks: usize, ts: u64) -> anyhow::Result<Vec<Batch>> {
        let mut made = Vec::with_capacity(blocks);
        for entries in self.blocks(Pattern::Erased, range.size(), blocks, ts)? {
            let tree = BatchAppend::new(range, entries.iter().map(|made| made.hash).collect());
            *range = tree.range();
            made.push((tree, entries));
        }
        on_all_cores(made, |(tree, entries)| self.batch(&tree, entries, ts))
    }

    fn batch(&self, tree: &BatchAppend, entries: Vec<Made>, ts: u64) -> anyhow::Result<Batch> {
        let first = tree.first_index();
        let mut receipts = Vec::new();
        for (index, Made { hash, what, .. }) in (first..).zip(&entries) {
            let What::Message(envelope) = what else { continue };
            let claims = ReceiptClaims {
                iss: self.hub.clone(),
                iat: ts / 1000,
                jti: envelope.claims().jti,
                log: self.origin.clone(),
                index,
                leaf: *hash,
                env: envelope.hash(),
                size: tree.size(),
                root: tree.root(),
                schema: self.schema.id.clone(),
            };
            receipts.push(Signed::sign(claims, &*self.receipts)?.as_str().to_owned());
        }
        let checkpoint = Checkpoint::new(self.origin.clone(), tree.size(), tree.root()).sign(&self.log)?;
        let (tile_hashes, range) = (tree.completed_tile_hashes().collect(), tree.range());
        Ok(Batch { first, entries, receipts, tile_hashes, range, checkpoint })
    }
}

/// A message of a batch: its place, itself, its receipt, and the places of its acknowledgement and its erasure.
struct Message<'a> {
    index: u64,
    id: String,
    content: Sha256Hash,
    receipt: &'a str,
    acknowledgement: u64,
    erasure: u64,
}

async fn write(to: &mut SqliteConnection, writers: &Writers, batches: &[Batch]) -> anyhow::Result<()> {
    let entries: Vec<_> = batches.iter().flat_map(|batch| (batch.first..).zip(&batch.entries)).collect();
    insert(to, "INSERT INTO entry (idx, kind, hash, leaf) ", &entries, |row, (index, made)| {
        row.push_bind(*index as i64).push_bind(kind(&made.what));
        row.push_bind(&made.hash.as_bytes()[..]).push_bind(&*made.leaf);
    })
    .await?;
    let mut messages = Vec::new();
    for batch in batches {
        messages.extend(batch.messages()?);
    }
    let (sender, receiver) = (&writers.sender, &writers.receiver);
    insert(to, INSERT_MESSAGE, &messages, |row, message| {
        row.push_bind(message.index as i64).push_bind(&*message.id);
        row.push_bind(sender.as_str()).push_bind(receiver.as_str());
        row.push_bind(&message.content.as_bytes()[..]).push_bind(PROCESSED).push_bind(message.acknowledgement as i64);
    })
    .await?;
    insert(to, "INSERT INTO parts (idx, receipt, salt, body) ", &messages, |row, message| {
        row.push_bind(message.index as i64).push_bind(message.receipt);
        row.push_bind(&[][..] as &[u8]).push_bind(&[][..] as &[u8]);
    })
    .await?;
    insert(to, "INSERT INTO erasure (idx, place) ", &messages, |row, message| {
        row.push_bind(message.index as i64).push_bind(message.erasure as i64);
    })
    .await?;
    for (index, made) in &entries {
        if let What::Acknowledgement(batch) = &made.what {
            acknowledge(to, receiver, *index, batch).await?;
        }
    }
    let hashes: Vec<_> = batches.iter().flat_map(|batch| &batch.tile_hashes).collect();
    insert(to, "INSERT INTO tile_hash (level, idx, hash) ", &hashes, |row, tile| {
        row.push_bind(i64::from(tile.level)).push_bind(tile.index as i64).push_bind(&tile.hash.as_bytes()[..]);
    })
    .await?;
    insert(to, "INSERT INTO checkpoint (size, note) ", batches, |row, batch| {
        row.push_bind(batch.range.size() as i64).push_bind(&*batch.checkpoint);
    })
    .await?;
    let last = batches.last().context("at least one batch")?;
    sqlx::query("UPDATE head SET size = ?1, range = ?2, checkpoint = ?3")
        .bind(last.range.size() as i64)
        .bind(last.range.to_bytes())
        .bind(&last.checkpoint)
        .execute(to)
        .await?;
    Ok(())
}

impl Batch {
    fn messages(&self) -> anyhow::Result<Vec<Message<'_>>> {
        let places = (self.first..).zip(&self.entries);
        let is_acknowledgement = |made: &Made| matches!(made.what, What::Acknowledgement(_));
        let acknowledgement = places.clone().find(|(_, made)| is_acknowledgement(made));
        let acknowledgement = acknowledgement.context("a block acknowledges its messages")?.0;
        let envelopes = places.filter_map(|(index, made)| match &made.what {
            What::Message(envelope) => Some((index, envelope)),
            _ => None,
        });
        let messages = envelopes.zip(&self.receipts).map(|((index, envelope), receipt)| Message {
            index,
            id: envelope.claims().jti.to_string(),
            content: envelope.content_hash(),
            receipt,
            acknowledgement,
            erasure: acknowledgement + 1 + (index - self.first),
        });
        Ok(messages.collect())
    }
}

async fn acknowledge(
    to: &mut SqliteConnection,
    receiver: &SystemId,
    index: u64,
    batch: &saphan_schemas::acknowledgement::Acknowledgement,
) -> anyhow::Result<()> {
    sqlx::query("INSERT INTO acknowledgement (jti, receiver, content, idx) VALUES (?1, ?2, ?3, ?4)")
        .bind(batch.claims().jti.to_string())
        .bind(receiver.as_str())
        .bind(&batch.content_hash().as_bytes()[..])
        .bind(index as i64)
        .execute(to)
        .await?;
    Ok(())
}

/// Rows by the hundred in few statements.
async fn insert<'a, T>(
    to: &mut SqliteConnection,
    into: &'static str,
    rows: &'a [T],
    bind: impl Fn(&mut Separated<'_, Sqlite, &'static str>, &'a T),
) -> anyhow::Result<()> {
    for rows in rows.chunks(CHUNK) {
        let mut builder = QueryBuilder::<Sqlite>::new(into);
        builder.push_values(rows, |mut row, item| bind(&mut row, item));
        builder.build().persistent(rows.len() == CHUNK).execute(&mut *to).await?;
    }
    Ok(())
}

const fn kind(what: &What) -> i64 {
    match what {
        What::Message(_) => 1,
        What::Acknowledgement(_) => 2,
        What::Erasure => 0,
    }
}

const INSERT_MESSAGE: &str = "INSERT INTO message (idx, jti, sender, recipient, content, state, acknowledgement) ";
/// Of a message's state.
const PROCESSED: i64 = 2;
const CHUNK: usize = 256;
