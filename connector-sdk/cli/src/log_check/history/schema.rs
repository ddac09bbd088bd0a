//! The tables, and how their file is opened.

use std::path::Path;
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteSynchronous};
use sqlx::{ConnectOptions as _, SqliteConnection};

/// Opens the file at `path`, for one process; an empty path is a file of SQLite's own, removed when it is closed.
pub(super) async fn connect(path: &Path) -> Result<SqliteConnection, sqlx::Error> {
    SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        // FULL: a place that was reached survives a power cut.
        .synchronous(SqliteSynchronous::Full)
        .pragma("locking_mode", "EXCLUSIVE")
        // In KiB. Rows go to the end; what is said of old entries reads pages from all over.
        .pragma("cache_size", "-16384")
        .busy_timeout(BUSY)
        .disable_statement_logging()
        .connect()
        .await
}

pub(super) async fn make(connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    sqlx::raw_sql(TABLES).execute(connection).await.map(|_| ())
}

/// How long another process may take to close the file.
const BUSY: Duration = Duration::from_secs(2);

const TABLES: &str = "\
CREATE TABLE IF NOT EXISTS statement (entry INTEGER PRIMARY KEY, id BLOB NOT NULL UNIQUE, receiver TEXT) STRICT;
CREATE TABLE IF NOT EXISTS settled (message INTEGER PRIMARY KEY, entry INTEGER NOT NULL, outcome TEXT NOT NULL) STRICT;
CREATE INDEX IF NOT EXISTS settled_entry ON settled (entry);
CREATE TABLE IF NOT EXISTS registry (entry INTEGER PRIMARY KEY, leaf BLOB NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS place (name TEXT PRIMARY KEY, content TEXT NOT NULL, sum TEXT NOT NULL) STRICT;";
