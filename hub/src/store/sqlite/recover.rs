//! The head and the hashes of the log, made again from its entries; and entries, from where the log is published.
//!
//! Nothing is believed: the entries must give the root that a checkpoint of the hub signs, and else nothing is written.

use futures_util::future::BoxFuture;
use saphan_schemas::digest::Sha256Hash;
use saphan_schemas::leaf::Leaf;
use saphan_schemas::log::{
    Checkpoint, LogRebuilder, RebuiltTile, SignedCheckpoint, TileContent, VerifierKey, leaf_hash, tile,
};
use sqlx::sqlite::SqlitePool;
use sqlx::{Connection as _, SqliteConnection};

use super::insert::{insert, upsert};
use super::rows::{column, hash, index, signed, tile_place};
use super::{SqliteStore, failed};
use crate::shards::Shard;
use crate::store::StoreError;

/// Where entries are that the store has lost.
pub trait Copies: Send + Sync {
    /// The entries from `first` on, at most 256 of them within one bundle, as far as they are there.
    fn entries(&self, first: u64, count: u16) -> BoxFuture<'_, Vec<Vec<u8>>>;
}

/// What was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recovered {
    /// The checkpoint that everything was held against.
    pub checkpoint: Checkpoint,
    /// The places of entries that were missing or damaged, and come from a copy.
    pub entries: Vec<u64>,
    /// How many entries had a wrong hash or kind beside them.
    pub labels: usize,
    /// How many hashes of tiles were missing or wrong.
    pub tile_hashes: usize,
    /// Whether the head was missing or wrong.
    pub head: bool,
}

/// Why nothing was recovered, and nothing written.
#[derive(Debug, thiserror::Error)]
pub enum RecoverError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// No checkpoint.
    #[error(
        "no checkpoint that a key of the hub has signed is left: neither in the store nor where the log is published"
    )]
    NoCheckpoint,
    /// Entries are missing.
    #[error("entry {0} is missing or damaged, and no copy of it was found; say with --from where the log is published")]
    Missing(u64),
    /// More entries than the newest checkpoint says.
    #[error(
        "there are entries beyond the {0} of the newest checkpoint, which a commit never leaves: the store was changed"
    )]
    Beyond(u64),
    /// A message of which only the entry is left.
    #[error(
        "entry {0} is a message of which the store has lost everything else: it would be neither delivered nor known again. Bring a copy of the store back"
    )]
    Unknown(u64),
    /// The entries are not those of the checkpoint.
    #[error(
        "the entries do not give the root of the checkpoint of {0} entries: one was changed; say with --from where the log is published"
    )]
    WrongRoot(u64),
}

/// An entry as it must stand in the store.
struct Row {
    index: u64,
    kind: i64,
    hash: Sha256Hash,
    leaf: Vec<u8>,
}

/// The log as it must be.
struct Rebuilt {
    rebuilder: LogRebuilder,
    rows: Vec<Row>,
    entries: Vec<u64>,
    tiles: Vec<RebuiltTile>,
}

impl SqliteStore {
    /// Makes head, hashes and kinds of a log again, and entries from `copies` where the store has none or damaged ones. `keys` are those
    /// of the log, `published` the checkpoint beside the copies; `closed` is how many entries it has if it is not the newest. No hub may run on the store.
    ///
    /// # Errors
    /// [`RecoverError`]; then the store is as it was.
    pub async fn recover(
        &self,
        shard: &Shard,
        closed: Option<u64>,
        keys: &[VerifierKey],
        published: Option<&str>,
        copies: Option<&dyn Copies>,
    ) -> Result<Recovered, RecoverError> {
        let entries = match closed {
            Some(size) => size,
            None => last(&self.readers).await?.map_or(0, |last| (last + 1).saturating_sub(shard.first)),
        };
        let stored = stored_checkpoints(&self.readers, shard.first.saturating_add(entries)).await?;
        // What the store never had is not brought into it: of a message it must know more than the log says.
        let published =
            published.and_then(|note| verified(note, keys)).filter(|seen| seen.checkpoint().size <= entries);
        // Of the same size that of the store counts: the last one.
        let verified = published.into_iter().chain(stored.iter().filter_map(|note| verified(note, keys)));
        let newest = verified.max_by_key(|signed| signed.checkpoint().size).ok_or(RecoverError::NoCheckpoint)?;
        let (size, root) = (newest.checkpoint().size, newest.checkpoint().root);
        if entries > size {
            return Err(RecoverError::Beyond(size));
        }
        if closed.is_some_and(|closed| size < closed) {
            return Err(RecoverError::NoCheckpoint);
        }
        let mut rebuilt = self.rebuild(shard, size, copies, Trust::Store).await?;
        if rebuilt.rebuilder.root() != root && copies.is_some() {
            rebuilt = self.rebuild(shard, size, copies, Trust::Copies).await?;
        }
        if rebuilt.rebuilder.root() != root {
            return Err(RecoverError::WrongRoot(size));
        }
        let mut writer = self.writer.lock().await;
        let mut transaction =
            writer.durable().await?.begin_with("BEGIN IMMEDIATE").await.map_err(failed("began a recovery"))?;
        let recovered = write(&mut transaction, (shard, closed.is_none()), &newest, rebuilt).await?;
        if let Some(message) = first_unknown(&mut transaction).await? {
            return Err(RecoverError::Unknown(message));
        }
        transaction.commit().await.map_err(failed("committed a recovery"))?;
        Ok(recovered)
    }

    async fn rebuild(
        &self,
        shard: &Shard,
        size: u64,
        copies: Option<&dyn Copies>,
        trust: Trust,
    ) -> Result<Rebuilt, RecoverError> {
        let mut rebuilt =
            Rebuilt { rebuilder: LogRebuilder::new(), rows: Vec::new(), entries: Vec::new(), tiles: Vec::new() };
        let mut first = 0;
        while first < size {
            let count = (size - first).min(AT_ONCE);
            let stored = stored(&self.readers, shard.first + first, count).await?;
            let is_good = |entry: &Stored| entry.hash == Some(leaf_hash(&entry.leaf));
            let all_good = stored.len() as u64 == count && stored.iter().all(is_good);
            let copied = match copies {
                Some(copies) if trust == Trust::Copies || !all_good => copies.entries(first, count as u16).await,
                _ => Vec::new(),
            };
            let mut stored = stored.into_iter().peekable();
            for (at, index) in (first..first + count).enumerate() {
                let place = shard.first + index;
                let found = stored.next_if(|entry| entry.index == place);
                rebuilt.take(place, found, copied.get(at), trust)?;
            }
            first += count;
        }
        rebuilt.tiles.extend(rebuilt.rebuilder.partial_tiles());
        Ok(rebuilt)
    }
}

/// Whose entry counts when store and copies differ, and the store's own hash does not say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trust {
    Store,
    Copies,
}

impl Rebuilt {
    fn take(
        &mut self,
        index: u64,
        found: Option<Stored>,
        copy: Option<&Vec<u8>>,
        trust: Trust,
    ) -> Result<(), RecoverError> {
        let is_good = found.as_ref().is_some_and(|found| found.hash == Some(leaf_hash(&found.leaf)));
        let from_copy = copy.filter(|_| trust == Trust::Copies || !is_good);
        let leaf = from_copy.or(found.as_ref().map(|found| &found.leaf)).ok_or(RecoverError::Missing(index))?.clone();
        let (kind, hash) = (kind(&leaf), leaf_hash(&leaf));
        let tiles = self.rebuilder.push_entry(&leaf).map_err(|_| RecoverError::Missing(index))?;
        self.tiles.extend(tiles.into_iter().filter(|tile| tile.path.content() != TileContent::Entries));
        if found.as_ref().is_none_or(|found| found.leaf != leaf) {
            self.entries.push(index);
        }
        if found.is_none_or(|found| found.leaf != leaf || found.hash != Some(hash) || found.kind != kind) {
            self.rows.push(Row { index, kind, hash, leaf });
        }
        Ok(())
    }
}

struct Stored {
    index: u64,
    kind: i64,
    hash: Option<Sha256Hash>,
    leaf: Vec<u8>,
}

async fn stored(pool: &SqlitePool, first: u64, count: u64) -> Result<Vec<Stored>, StoreError> {
    let rows = sqlx::query("SELECT idx, kind, hash, leaf FROM entry WHERE idx >= ?1 AND idx < ?2 ORDER BY idx")
        .bind(signed(first))
        .bind(signed(first + count))
        .fetch_all(pool)
        .await
        .map_err(failed("read entries"))?;
    let entry = |row| {
        Ok(Stored { index: index(row, 0)?, kind: column(row, 1)?, hash: hash(row, 2).ok(), leaf: column(row, 3)? })
    };
    rows.iter().map(entry).collect()
}

async fn last(pool: &SqlitePool) -> Result<Option<u64>, StoreError> {
    let last: Option<i64> =
        sqlx::query_scalar("SELECT max(idx) FROM entry").fetch_one(pool).await.map_err(failed("read entries"))?;
    Ok(last.and_then(|last| u64::try_from(last).ok()))
}

/// The newest checkpoints of the store up to this place and of its end, damaged ones too.
async fn stored_checkpoints(pool: &SqlitePool, end: u64) -> Result<Vec<String>, StoreError> {
    let newest = "SELECT checkpoint FROM head UNION ALL \
        SELECT * FROM (SELECT note FROM checkpoint ORDER BY size DESC LIMIT 16) UNION ALL \
        SELECT * FROM (SELECT note FROM checkpoint WHERE size <= ?1 ORDER BY size DESC LIMIT 16)";
    sqlx::query_scalar(newest).bind(signed(end)).fetch_all(pool).await.map_err(failed("read checkpoints"))
}

fn verified(note: &str, keys: &[VerifierKey]) -> Option<SignedCheckpoint> {
    let (key, more) = keys.split_first()?;
    SignedCheckpoint::parse_and_verify_any(note, key, more).ok()
}

/// As a commit writes it.
fn kind(leaf: &[u8]) -> i64 {
    match Leaf::parse(leaf) {
        Ok(Leaf::Message { .. }) => 1,
        Ok(Leaf::Acknowledgement { .. }) => 2,
        Ok(leaf) if leaf.registry_entry().is_some() => 3,
        _ => 0,
    }
}

/// The first message of the log of which the store has nothing else.
async fn first_unknown(connection: &mut SqliteConnection) -> Result<Option<u64>, StoreError> {
    let unknown = "SELECT min(idx) FROM entry WHERE kind = 1 AND idx NOT IN (SELECT idx FROM message)";
    let first: Option<i64> =
        sqlx::query_scalar(unknown).fetch_one(connection).await.map_err(failed("looked for messages"))?;
    Ok(first.and_then(|first| u64::try_from(first).ok()))
}

async fn write(
    to: &mut SqliteConnection,
    (shard, is_newest): (&Shard, bool),
    newest: &SignedCheckpoint,
    rebuilt: Rebuilt,
) -> Result<Recovered, StoreError> {
    let Rebuilt { rebuilder, rows, entries, tiles } = rebuilt;
    let again = " ON CONFLICT (idx) DO UPDATE SET kind = excluded.kind, hash = excluded.hash, leaf = excluded.leaf";
    upsert(to, "INSERT INTO entry (idx, kind, hash, leaf) ", again, &rows, |to, row| {
        to.push_bind(signed(row.index)).push_bind(row.kind);
        to.push_bind(&row.hash.as_bytes()[..]).push_bind(&*row.leaf);
    })
    .await?;
    let tile_hashes = write_tile_hashes(to, shard.number, &tiles).await?;
    let head = is_newest && write_head(to, shard.first, newest, &rebuilder).await?;
    let checkpoint = newest.checkpoint().clone();
    Ok(Recovered { checkpoint, labels: rows.len() - entries.len(), entries, tile_hashes, head })
}

/// Returns how many were missing or wrong.
async fn write_tile_hashes(to: &mut SqliteConnection, number: u32, tiles: &[RebuiltTile]) -> Result<usize, StoreError> {
    let mut hashes = Vec::new();
    for tile in tiles {
        let TileContent::Hashes { level: level @ 1.. } = tile.path.content() else { continue };
        let decoded = tile::decode_hashes(&tile.bytes, tile.path.width());
        let decoded = decoded.map_err(|_| StoreError::Corrupt { what: "a rebuilt tile" })?;
        hashes.extend((tile.path.start()..).zip(decoded).map(|(index, hash)| (level, tile_place(number, index), hash)));
    }
    let rows = sqlx::query("SELECT level, idx, hash FROM tile_hash WHERE idx >> 40 = ?1")
        .bind(number)
        .fetch_all(&mut *to)
        .await;
    let rows = rows.map_err(failed("read the hashes of tiles"))?;
    let row = |row| Ok((column::<i64>(row, 0)?, index(row, 1)?, hash(row, 2).ok()));
    let stored = rows.iter().map(row).collect::<Result<std::collections::HashSet<_>, StoreError>>()?;
    let is_good =
        |(level, index, hash): &&(u8, u64, Sha256Hash)| stored.contains(&(i64::from(*level), *index, Some(*hash)));
    let good = hashes.iter().filter(is_good).count();
    if good == hashes.len() && good == stored.len() {
        return Ok(0);
    }
    sqlx::query("DELETE FROM tile_hash WHERE idx >> 40 = ?1")
        .bind(number)
        .execute(&mut *to)
        .await
        .map_err(failed("removed hashes of tiles"))?;
    insert(to, "INSERT OR FAIL INTO tile_hash (level, idx, hash) ", &hashes, |row, (level, index, hash)| {
        row.push_bind(i64::from(*level)).push_bind(signed(*index)).push_bind(&hash.as_bytes()[..]);
    })
    .await?;
    Ok((hashes.len() - good).max(stored.len() - good))
}

/// Returns whether the head was missing or wrong.
async fn write_head(
    to: &mut SqliteConnection,
    first: u64,
    newest: &SignedCheckpoint,
    rebuilder: &LogRebuilder,
) -> Result<bool, StoreError> {
    let (size, range) = (signed(first + rebuilder.size()), rebuilder.range().to_bytes());
    let is_good: bool = sqlx::query_scalar(
        "SELECT EXISTS (SELECT 1 FROM head WHERE id = 1 AND size = ?1 AND range = ?2 AND checkpoint = ?3)",
    )
    .bind(size)
    .bind(&range)
    .bind(newest.text())
    .fetch_one(&mut *to)
    .await
    .map_err(failed("read the head"))?;
    let statements = [
        "INSERT OR REPLACE INTO head (id, size, range, checkpoint) VALUES (1, ?1, ?2, ?3)",
        "INSERT INTO checkpoint (size, note) VALUES (?1, ?3) ON CONFLICT (size) DO UPDATE SET note = ?3",
    ];
    for statement in statements {
        let query = sqlx::query(statement).bind(size).bind(&range).bind(newest.text());
        query.execute(&mut *to).await.map_err(failed("wrote the head"))?;
    }
    Ok(!is_good)
}

/// Entries that are held in memory: a bundle.
const AT_ONCE: u64 = 256;
