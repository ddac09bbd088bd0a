//! [`Store`] on SQLite: the embedded default.
//!
//! One connection writes, a pool reads. Writers take turns by a lock, so that SQLite's own polling for its lock never starts;
//! and they share a connection, because what one writes makes another forget all pages that it has read. For the same reason
//! it also reads what the ledger looks up for every commit; and the ledger must not stand in line with requests.

mod bodies;
mod cases;
mod commit;
mod cosigned;
mod data_keys;
mod delivery;
mod documents;
mod insert;
mod queries;
mod read;
mod recover;
mod rows;
mod schemas;
mod timestamps;
mod writer;

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use futures_util::future::{BoxFuture, FutureExt as _};
use saphan_schemas::acknowledgement::Acknowledged;
use saphan_schemas::catalogue::SchemaText;
use saphan_schemas::digest::Sha256Hash;
use saphan_schemas::ids::{MessageId, SystemId};
use sqlx::pool::PoolConnection;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions};
use sqlx::{ConnectOptions as _, Connection as _, Sqlite, SqliteConnection};
use tokio::sync::{Mutex, MutexGuard};

pub use self::recover::{Copies, RecoverError, Recovered};
use self::writer::Writer;
use super::cases::CaseStore;
use super::{
    Asker, Batch, Deliveries, Due, Head, Known, LeaseChange, LeaseRequest, Limit, LoggedEntry, MessageRecord, Pending,
    Settlement, Store, StoreCounts, StoreError,
};
use crate::sealing::StorageKeys;
use crate::shards::Shard;

/// The store in one SQLite file.
#[derive(Debug)]
pub struct SqliteStore {
    writer: Mutex<Writer>,
    readers: SqlitePool,
    keys: RwLock<Arc<StorageKeys>>,
}

/// A connection to look things up on.
enum Reading<'a> {
    Ledger(MutexGuard<'a, Writer>),
    Request(PoolConnection<Sqlite>),
}

impl Reading<'_> {
    fn connection(&mut self) -> &mut SqliteConnection {
        match self {
            Self::Ledger(writer) => writer.reading(),
            Self::Request(reader) => reader,
        }
    }
}

impl SqliteStore {
    /// Opens the file, and creates it when there is none.
    ///
    /// # Errors
    /// [`StoreError`] when the file cannot be opened, is of a newer version, or SQLite itself is too old to be safe.
    pub async fn open(path: &Path) -> Result<Self, StoreError> {
        private(path).map_err(|source| StoreError::Failed { action: "opened its file", source: source.into() })?;
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .busy_timeout(BUSY)
            // Of a new file. A message takes several kilobytes: in pages of 4 much would stay empty, and each is a write of its own.
            .page_size(16384)
            .pragma("cache_size", "-16384")
            // Every 32 MB; SQLite's default is 4 MB. The pages of what is delivered are soon written again: the rarer the checkpoints, the
            // fewer pages they copy.
            .pragma("wal_autocheckpoint", "2000")
            .pragma("journal_size_limit", "67108864")
            // Zeros in the place of what is removed, where that writes no page more: keys among it.
            .pragma("secure_delete", "fast")
            .statement_cache_capacity(insert::STATEMENTS)
            .disable_statement_logging();
        let mut writer = Writer::open(options.clone()).await?;
        check_sqlite(writer.reading()).await?;
        let migrated = migrate(writer.durable().await?).await;
        writer.finish(migrated)?;
        let readers = SqlitePoolOptions::new()
            .max_connections(READERS)
            .connect_with(options.read_only(true))
            .await
            .map_err(failed("opened its file"))?;
        Ok(Self { writer: Mutex::new(writer), readers, keys: RwLock::default() })
    }

    /// Closes all connections; the write-ahead log is folded into the file.
    ///
    /// # Errors
    /// [`StoreError`] when SQLite cannot.
    pub async fn close(self) -> Result<(), StoreError> {
        self.readers.close().await;
        self.writer.into_inner().close().await
    }

    /// What bodies are sealed with.
    fn keys(&self) -> Arc<StorageKeys> {
        Arc::clone(&self.keys.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The connection on which this asker looks things up.
    async fn reading(&self, asker: Asker) -> Result<Reading<'_>, StoreError> {
        match asker {
            Asker::Ledger => {
                let mut writer = self.writer.lock().await;
                writer.ready().await?;
                Ok(Reading::Ledger(writer))
            }
            Asker::Request => {
                let reader = self.readers.acquire().await;
                reader.map(Reading::Request).map_err(failed("waited for a connection"))
            }
        }
    }
}

impl Store for SqliteStore {
    fn seal_with(&self, keys: Arc<StorageKeys>) {
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = keys;
    }

    fn shards(&self) -> BoxFuture<'_, Result<Vec<Shard>, StoreError>> {
        read::shards(&self.readers).boxed()
    }

    fn head(&self) -> BoxFuture<'_, Result<Option<Head>, StoreError>> {
        read::head(&self.readers).boxed()
    }

    fn commit<'a>(&'a self, batch: &'a Batch) -> BoxFuture<'a, Result<(), StoreError>> {
        async move {
            let sealed = bodies::seal_all(&self.keys(), batch)?;
            let queries = queries::seal_all(&self.keys(), batch)?;
            let mut writer = self.writer.lock().await;
            let done = commit::commit(writer.durable().await?, batch, &sealed, &queries).await;
            writer.finish(done)
        }
        .boxed()
    }

    fn probe(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        async move {
            let mut writer = self.writer.lock().await;
            // Written even if it is the same, which SQLite spares itself for rows.
            let done = sqlx::raw_sql(PROBE).execute(writer.durable().await?).await;
            writer.finish(done.map(|_| ()).map_err(failed("wrote to its file")))
        }
        .boxed()
    }

    fn known<'a>(
        &'a self,
        asker: Asker,
        keys: &'a [(&'a SystemId, MessageId)],
    ) -> BoxFuture<'a, Result<Vec<Known>, StoreError>> {
        async move { read::known(self.reading(asker).await?.connection(), keys).await }.boxed()
    }

    fn messages(&self, id: MessageId) -> BoxFuture<'_, Result<Vec<MessageRecord>, StoreError>> {
        read::messages(&self.readers, id).boxed()
    }

    fn not_addressed<'a>(
        &'a self,
        recipient: &'a SystemId,
        indices: &'a [u64],
    ) -> BoxFuture<'a, Result<Option<u64>, StoreError>> {
        read::not_addressed(&self.readers, recipient, indices).boxed()
    }

    fn outcomes<'a>(
        &'a self,
        asker: Asker,
        indices: &'a [u64],
    ) -> BoxFuture<'a, Result<Vec<Acknowledged>, StoreError>> {
        async move { read::outcomes(self.reading(asker).await?.connection(), indices).await }.boxed()
    }

    fn receipt(&self, index: u64) -> BoxFuture<'_, Result<Option<String>, StoreError>> {
        read::receipt(&self.readers, index).boxed()
    }

    fn acknowledgement<'a>(
        &'a self,
        asker: Asker,
        receiver: &'a SystemId,
        id: MessageId,
    ) -> BoxFuture<'a, Result<Option<(Sha256Hash, u64)>, StoreError>> {
        async move { read::acknowledgement(self.reading(asker).await?.connection(), receiver, id).await }.boxed()
    }

    fn entries(&self, first: u64, count: u32) -> BoxFuture<'_, Result<Vec<Vec<u8>>, StoreError>> {
        read::entries(&self.readers, first, count).boxed()
    }

    fn hashes<'a>(
        &'a self,
        shard: &'a Shard,
        level: u8,
        first: u64,
        count: u32,
    ) -> BoxFuture<'a, Result<Vec<Sha256Hash>, StoreError>> {
        read::hashes(&self.readers, shard, level, first, count).boxed()
    }

    fn checkpoint(&self, end: u64) -> BoxFuture<'_, Result<Option<String>, StoreError>> {
        read::checkpoint(&self.readers, end).boxed()
    }

    fn registry_entries(&self, first: u64) -> BoxFuture<'_, Result<Vec<LoggedEntry>, StoreError>> {
        read::registry_entries(&self.readers, first).boxed()
    }

    fn keep_schemas<'a>(&'a self, texts: &'a [SchemaText]) -> BoxFuture<'a, Result<(), StoreError>> {
        async move {
            let mut writer = self.writer.lock().await;
            let done = schemas::keep(writer.durable().await?, texts).await;
            writer.finish(done)
        }
        .boxed()
    }

    fn schema_texts<'a>(&'a self, hashes: &'a [Sha256Hash]) -> BoxFuture<'a, Result<Vec<SchemaText>, StoreError>> {
        schemas::texts(&self.readers, hashes).boxed()
    }

    fn due(&self, which: Deliveries, now: u64, limit: Limit) -> BoxFuture<'_, Result<Due, StoreError>> {
        async move {
            let (messages, more) = delivery::due(&self.readers, which, now, limit).await?;
            let (messages, unreadable) = rows::open_all(messages, &self.keys())?;
            Ok(Due { messages, unreadable, more })
        }
        .boxed()
    }

    fn settle<'a>(&'a self, settlements: &'a [Settlement]) -> BoxFuture<'a, Result<(), StoreError>> {
        async move {
            let mut writer = self.writer.lock().await;
            let done = delivery::settle(writer.relaxed().await?, settlements).await;
            writer.finish(done)
        }
        .boxed()
    }

    fn lease<'a>(&'a self, request: LeaseRequest<'a>) -> BoxFuture<'a, Result<Vec<Pending>, StoreError>> {
        async move {
            let mut writer = self.writer.lock().await;
            let done = delivery::lease(writer.relaxed().await?, request).await;
            let leased = writer.finish(done)?;
            drop(writer);
            rows::open_all(leased, &self.keys()).map(|(leased, _)| leased)
        }
        .boxed()
    }

    fn move_lease<'a>(&'a self, change: LeaseChange<'a>) -> BoxFuture<'a, Result<u64, StoreError>> {
        async move {
            let mut writer = self.writer.lock().await;
            let done = delivery::move_lease(writer.relaxed().await?, change).await;
            writer.finish(done)
        }
        .boxed()
    }

    fn expire(&self, now: u64) -> BoxFuture<'_, Result<u64, StoreError>> {
        async move {
            let mut writer = self.writer.lock().await;
            let done = delivery::expire(writer.durable().await?, now).await;
            writer.finish(done)
        }
        .boxed()
    }

    fn cases(&self) -> &dyn CaseStore {
        self
    }

    fn counts(&self) -> BoxFuture<'_, Result<StoreCounts, StoreError>> {
        read::counts(&self.readers).boxed()
    }
}

/// Makes the file for this user alone, before SQLite makes it for everyone; its companions get the same mode.
fn private(path: &Path) -> std::io::Result<()> {
    OpenOptions::new().create(true).append(true).mode(0o600).open(path).map(|_| ())
}

fn failed(action: &'static str) -> impl Fn(sqlx::Error) -> StoreError {
    move |source| StoreError::Failed { action, source: Box::new(source) }
}

/// SQLite 3.7.0 to 3.51.2 can lose committed data when the write-ahead log is reset.
async fn check_sqlite(connection: &mut SqliteConnection) -> Result<(), StoreError> {
    let version: String = sqlx::query_scalar("SELECT sqlite_version()")
        .fetch_one(connection)
        .await
        .map_err(failed("asked for SQLite's version"))?;
    let mut numbers = version.split('.').map(|part| part.parse::<u32>().unwrap_or(0));
    let found = [numbers.next().unwrap_or(0), numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)];
    if found < OLDEST_SQLITE { Err(StoreError::Corrupt { what: "SQLite older than 3.51.3" }) } else { Ok(()) }
}

async fn migrate(connection: &mut SqliteConnection) -> Result<(), StoreError> {
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await.map_err(failed("began a migration"))?;
    let version: i64 = sqlx::query_scalar("PRAGMA user_version")
        .fetch_one(&mut *transaction)
        .await
        .map_err(failed("read its version"))?;
    let done = usize::try_from(version).ok().filter(|done| *done <= MIGRATIONS.len());
    let done = done.ok_or(StoreError::Corrupt { what: "a store of a newer version of the hub" })?;
    for script in &MIGRATIONS[done..] {
        sqlx::raw_sql(*script).execute(&mut *transaction).await.map_err(failed("created its tables"))?;
    }
    transaction.commit().await.map_err(failed("created its tables"))
}

/// Marks the file as ours: the bytes of `Saph`.
const PROBE: &str = "PRAGMA application_id = 0x53617068";
/// The version of a store is how many of these it has seen; each stamps it.
const MIGRATIONS: [&str; 11] = [
    include_str!("sqlite/schema.sql"),
    include_str!("sqlite/2-schema-texts.sql"),
    include_str!("sqlite/3-documents.sql"),
    include_str!("sqlite/4-cases.sql"),
    include_str!("sqlite/5-bodies.sql"),
    include_str!("sqlite/6-sharing.sql"),
    include_str!("sqlite/7-cited-documents.sql"),
    include_str!("sqlite/8-shards.sql"),
    include_str!("sqlite/9-timestamps.sql"),
    include_str!("sqlite/10-queries.sql"),
    include_str!("sqlite/11-cosigned.sql"),
];
const READERS: u32 = 4;
/// How long a connection waits for another's lock.
const BUSY: Duration = Duration::from_secs(10);
const OLDEST_SQLITE: [u32; 3] = [3, 51, 3];
