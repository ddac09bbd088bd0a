//! The index file: `search.sqlite` beside the store, written by the follower alone, read by requests.
//!
//! Rows are narrow and have next to no indexes of their own. Instead, each block of 256 entries is listed under the terms that
//! occur in it: a few dozen small rows a block, where an index of each column would be a thousand.

mod read;
mod round;
mod tally;
mod term;
#[cfg(test)]
mod tests;
mod write;

use std::path::{Path, PathBuf};
use std::time::Duration;

use saphan_schemas::digest::Sha256Hash;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions as _, Connection as _, SqliteConnection};

pub use write::Entry;
pub(super) use write::Writer;

/// Why the index did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    /// The file failed.
    #[error("the index failed while it {action}")]
    Failed {
        /// What it was doing.
        action: &'static str,
        /// The reason.
        #[source]
        source: sqlx::Error,
    },
    /// What was read is not what was written.
    #[error("the index holds something unreadable: {what}")]
    Unreadable {
        /// What could not be read.
        what: &'static str,
    },
    /// The file cannot be removed.
    #[error("the file of the index cannot be removed")]
    Stuck(#[from] std::io::Error),
    /// There is no index now: it is being made again, or its file cannot be opened.
    #[error("there is no index now")]
    Absent,
}

impl IndexError {
    /// Whether the file is damaged, so that it must be made again.
    #[must_use]
    pub fn is_damage(&self) -> bool {
        match self {
            Self::Unreadable { .. } => true,
            Self::Failed { source: sqlx::Error::Database(error), .. } => {
                // SQLITE_CORRUPT, SQLITE_NOTADB, and a table that is missing; extended codes have the code in their low byte.
                let code = error.code().and_then(|code| code.parse::<u32>().ok()).map(|code| code & 0xff);
                matches!(code, Some(11 | 26)) || error.message().starts_with("no such ")
            }
            Self::Failed { source, .. } => {
                matches!(source, sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_))
            }
            Self::Stuck(_) | Self::Absent => false,
        }
    }
}

/// Up to where the log is in the index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor {
    /// The first entry that is not.
    pub next: u64,
    /// The leaf hash of the one before it, if there is one.
    pub last: Option<Sha256Hash>,
}

/// The reading side.
#[derive(Debug, Clone)]
pub struct Index {
    readers: SqlitePool,
}

impl Index {
    /// Ends all reading. The last connection that closes folds the write-ahead log into the file.
    pub(super) async fn close(&self) {
        self.readers.close().await;
    }
}

/// Opens the file, and makes it when there is none, or one of another log or version. Returns both sides, and where the writing one
/// must go on.
pub(super) async fn open(path: &Path, origin: &str) -> Result<(Index, Writer, Cursor), IndexError> {
    match open_as_it_is(path, origin).await {
        Ok(opened) => return Ok(opened),
        Err(error) if error.is_damage() => {
            tracing::warn!(error = &error as &dyn std::error::Error, "the auditors' index is made again from the log");
        }
        Err(error) => return Err(error),
    }
    remove(path)?;
    open_as_it_is(path, origin).await
}

/// Removes the file and its companions.
pub(super) fn remove(path: &Path) -> Result<(), IndexError> {
    for suffix in ["", "-wal", "-shm", "-journal"] {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        match std::fs::remove_file(PathBuf::from(name)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
    }
    Ok(())
}

async fn open_as_it_is(path: &Path, origin: &str) -> Result<(Index, Writer, Cursor), IndexError> {
    private(path)?;
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        // A power cut may take the last rounds away: then they are followed again.
        .synchronous(SqliteSynchronous::Normal)
        .busy_timeout(BUSY)
        .pragma("cache_size", "-8192")
        .pragma("wal_autocheckpoint", "2000")
        .pragma("journal_size_limit", "33554432")
        .disable_statement_logging();
    let mut connection = options.connect().await.map_err(failed("opened its file"))?;
    let (cursor, at) = match begin(&mut connection, origin).await {
        Ok(begun) => begun,
        Err(error) => {
            // Left to itself it would close at some time, and take files of the same names with it.
            let _ = connection.close().await;
            return Err(error);
        }
    };
    let readers = SqlitePoolOptions::new()
        .max_connections(READERS)
        .acquire_timeout(BUSY)
        .connect_with(options.clone().read_only(true))
        .await
        .map_err(failed("opened its file"))?;
    Ok((Index { readers }, Writer::new(options, connection, at), cursor))
}

/// Makes the tables, if there are none, and reads where the writer must go on, and the time of the entry before that.
async fn begin(connection: &mut SqliteConnection, origin: &str) -> Result<(Cursor, u64), IndexError> {
    prepare(connection, origin).await?;
    Ok((cursor(connection).await?, last_time(connection).await?))
}

/// Makes the tables in an empty file.
async fn prepare(connection: &mut SqliteConnection, origin: &str) -> Result<(), IndexError> {
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await.map_err(failed("began to make its tables"))?;
    let version: i64 = sqlx::query_scalar("PRAGMA user_version")
        .fetch_one(&mut *transaction)
        .await
        .map_err(failed("read its version"))?;
    match version {
        0 => {
            sqlx::raw_sql(SCHEMA).execute(&mut *transaction).await.map_err(failed("made its tables"))?;
            sqlx::query("INSERT INTO cursor (id, origin, next, last) VALUES (1, ?1, 0, x'')")
                .bind(origin)
                .execute(&mut *transaction)
                .await
                .map_err(failed("made its tables"))?;
        }
        VERSION => {
            let of: String = sqlx::query_scalar("SELECT origin FROM cursor")
                .fetch_one(&mut *transaction)
                .await
                .map_err(failed("read which log it is of"))?;
            if of != origin {
                return Err(IndexError::Unreadable { what: "it is of another log" });
            }
        }
        _ => return Err(IndexError::Unreadable { what: "it is of another version" }),
    }
    transaction.commit().await.map_err(failed("made its tables"))
}

async fn cursor(connection: &mut SqliteConnection) -> Result<Cursor, IndexError> {
    let (next, last): (i64, Vec<u8>) = sqlx::query_as("SELECT next, last FROM cursor")
        .fetch_one(connection)
        .await
        .map_err(failed("read how far it is"))?;
    let next = u64::try_from(next).map_err(|_| IndexError::Unreadable { what: "how far it is" })?;
    let last = <[u8; 32]>::try_from(last).ok().map(Sha256Hash::from_bytes);
    if last.is_some() == (next > 0) {
        Ok(Cursor { next, last })
    } else {
        Err(IndexError::Unreadable { what: "how far it is" })
    }
}

/// The time of the last entry; 0 when there is none.
async fn last_time(connection: &mut SqliteConnection) -> Result<u64, IndexError> {
    let at: Option<i64> = sqlx::query_scalar("SELECT at FROM entry ORDER BY idx DESC LIMIT 1")
        .fetch_optional(connection)
        .await
        .map_err(failed("read the last time"))?;
    Ok(at.map_or(0, i64::unsigned_abs))
}

/// Makes the file for this user alone, before SQLite makes it for everyone.
fn private(path: &Path) -> Result<(), IndexError> {
    use std::os::unix::fs::OpenOptionsExt as _;
    std::fs::OpenOptions::new().create(true).append(true).mode(0o600).open(path)?;
    Ok(())
}

fn failed(action: &'static str) -> impl Fn(sqlx::Error) -> IndexError {
    move |source| IndexError::Failed { action, source }
}

/// SQLite's integers are signed; a log of 2^63 entries is out of anyone's reach.
fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Entries of a block.
const BLOCK: u64 = 256;
const SCHEMA: &str = include_str!("index/schema.sql");
/// What the schema stamps.
const VERSION: i64 = 1;
const READERS: u32 = 3;
/// How long a connection waits for another's lock, and a request for a connection.
const BUSY: Duration = Duration::from_secs(5);
