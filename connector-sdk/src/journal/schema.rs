//! The journal's tables, and how its file is opened.

use std::path::Path;
use std::time::Duration;

use saphan_schemas::ids::SystemId;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions as _, Connection as _, SqliteConnection};

use super::JournalError;

pub(super) async fn connect(path: &Path) -> Result<SqliteConnection, JournalError> {
    let options = options(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        // FULL: a commit that was reported survives a power cut.
        .synchronous(SqliteSynchronous::Full)
        // Of a new file. A message takes several kilobytes: in pages of 4 much would stay empty, and each is a write of its own.
        .page_size(16384)
        // Every 32 MB; SQLite's default is 4 MB. Most of what is written is dropped soon after, and its pages written again: the rarer the
        // checkpoints, the fewer pages they copy.
        .pragma("wal_autocheckpoint", "2000")
        .pragma("journal_size_limit", "67108864")
        .pragma("cache_size", "-8000");
    Ok(options.connect().await?)
}

pub(super) async fn connect_to_read(path: &Path) -> Result<SqliteConnection, JournalError> {
    Ok(options(path).read_only(true).connect().await?)
}

fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new().filename(path).busy_timeout(Duration::from_secs(10)).disable_statement_logging()
}

/// Makes the tables of a new file. Gives the owner when the file belongs to another system.
pub(super) async fn prepare(
    connection: &mut SqliteConnection,
    system: &SystemId,
) -> Result<Option<SystemId>, JournalError> {
    check_library(connection).await?;
    let found: i64 = sqlx::query_scalar("PRAGMA user_version").fetch_one(&mut *connection).await?;
    match found {
        1..=FORMAT => {
            for (format, change) in CHANGES {
                if found < format {
                    sqlx::raw_sql(change).execute(&mut *connection).await?;
                }
            }
            let owner: String = sqlx::query_scalar("SELECT system FROM owner").fetch_one(connection).await?;
            let owner = owner.parse().map_err(|_| JournalError::Damaged { column: "system" })?;
            Ok((owner != *system).then_some(owner))
        }
        0 => {
            let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
            sqlx::raw_sql(TABLES).execute(&mut *transaction).await?;
            sqlx::query("INSERT INTO owner VALUES (?)").bind(system.as_str()).execute(&mut *transaction).await?;
            transaction.commit().await?;
            Ok(None)
        }
        _ => Err(JournalError::TooNew { found, known: FORMAT }),
    }
}

async fn check_library(connection: &mut SqliteConnection) -> Result<(), JournalError> {
    let version: String = sqlx::query_scalar("SELECT sqlite_version()").fetch_one(connection).await?;
    if is_safe(&version) { Ok(()) } else { Err(JournalError::UnsafeSqlite { version }) }
}

fn is_safe(version: &str) -> bool {
    let numbers: Vec<u32> = version.split('.').filter_map(|part| part.parse().ok()).collect();
    numbers.as_slice() >= SAFE_SQLITE
}

/// Earlier versions can damage a database in WAL mode when two connections checkpoint at once.
const SAFE_SQLITE: &[u32] = &[3, 51, 3];

const FORMAT: i64 = 3;

/// What leads to each format from the one before.
const CHANGES: [(i64, &str); 2] = [
    (2, "BEGIN IMMEDIATE; ALTER TABLE outbox ADD COLUMN salt BLOB; PRAGMA user_version = 2; COMMIT;"),
    (
        3,
        "BEGIN IMMEDIATE; ALTER TABLE inbox ADD COLUMN log TEXT; CREATE INDEX inbox_unsettled ON inbox (id) WHERE state < 2; \
         PRAGMA user_version = 3; COMMIT;",
    ),
];

/// State and content are apart, so that contents can be dropped when they are no longer needed while the small rows that
/// stop duplicates stay. States: outbox 0 waiting, 1 accepted, 2 refused; inbox 0 pending, 1 handled, 2 acknowledged; `code`
/// is that of a rejection. What was handled before it was stored never had a content; `log` is that of its receipt until it is acknowledged. The salt beside an envelope opens its commitment when its id comes again, chosen by the caller.
const TABLES: &str = "
CREATE TABLE owner (system TEXT NOT NULL) STRICT;

CREATE TABLE outbox (
    seq INTEGER PRIMARY KEY, jti TEXT NOT NULL UNIQUE, at INTEGER NOT NULL, state INTEGER NOT NULL DEFAULT 0,
    envelope TEXT NOT NULL, problem TEXT, salt BLOB
) STRICT;
CREATE TABLE outbox_content (seq INTEGER PRIMARY KEY, salt BLOB NOT NULL, body BLOB NOT NULL) STRICT;
CREATE TABLE outbox_receipt (
    seq INTEGER PRIMARY KEY, idx INTEGER NOT NULL, receipt TEXT NOT NULL, proof TEXT NOT NULL
) STRICT;

CREATE TABLE inbox (
    id INTEGER PRIMARY KEY, iss TEXT NOT NULL, jti TEXT NOT NULL, idx INTEGER NOT NULL, at INTEGER NOT NULL,
    state INTEGER NOT NULL DEFAULT 0, code TEXT, log TEXT, UNIQUE (iss, jti)
) STRICT;
CREATE TABLE inbox_content (
    id INTEGER PRIMARY KEY, envelope TEXT NOT NULL, salt BLOB NOT NULL, body BLOB NOT NULL, receipt TEXT NOT NULL,
    proof TEXT NOT NULL
) STRICT;
CREATE INDEX inbox_unsettled ON inbox (id) WHERE state < 2;

PRAGMA user_version = 3;
";

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_journal_of_the_first_format_is_brought_to_the_newest() {
        let folder = tempfile::tempdir().unwrap();
        let system: SystemId = "th.dlt/licensing".parse().unwrap();
        let mut connection = connect(&folder.path().join("journal.sqlite")).await.unwrap();
        prepare(&mut connection, &system).await.unwrap();
        let first = "ALTER TABLE outbox DROP COLUMN salt; DROP INDEX inbox_unsettled; ALTER TABLE inbox DROP COLUMN log; \
             PRAGMA user_version = 1; \
             INSERT INTO outbox (seq, jti, at, envelope) VALUES (1, 'a', 0, 'e')";
        sqlx::raw_sql(first).execute(&mut connection).await.unwrap();
        for _ in 0..2 {
            assert_eq!(prepare(&mut connection, &system).await.unwrap(), None);
            let row: (String, Option<Vec<u8>>) =
                sqlx::query_as("SELECT envelope, salt FROM outbox").fetch_one(&mut connection).await.unwrap();
            assert_eq!(row, ("e".into(), None));
            let plan: Vec<(i64, i64, i64, String)> =
                sqlx::query_as("EXPLAIN QUERY PLAN SELECT id FROM inbox WHERE state < 2 ORDER BY id")
                    .fetch_all(&mut connection)
                    .await
                    .unwrap();
            assert!(plan.iter().all(|(.., step)| step.contains("inbox_unsettled")), "{plan:?}");
        }
    }

    #[test]
    fn versions_with_the_wal_reset_bug_are_not_safe() {
        for (version, safe) in [("3.51.2", false), ("3.51.3", true), ("3.52.0", true), ("4.0", true), ("3.7.0", false)]
        {
            assert_eq!(is_safe(version), safe, "{version}");
        }
    }
}
