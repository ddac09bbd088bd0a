//! The connection that writes, in two grades of durability.

use std::mem;

use sqlx::sqlite::{SqliteConnectOptions, SqliteSynchronous};
use sqlx::{ConnectOptions as _, Connection as _, SqliteConnection};

use super::failed;
use crate::store::StoreError;

#[derive(Debug)]
pub(super) struct Writer {
    options: SqliteConnectOptions,
    connection: SqliteConnection,
    /// What `synchronous` is set to; `None` after a change that may have failed.
    grade: Option<Grade>,
    /// Whether the last write is not known to have ended well. SQLite rolls a transaction back by itself when, say, the disk is
    /// full, and the driver then no longer knows where its connection stands; a new one does.
    suspect: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Grade {
    /// `FULL`: what is committed survives a power cut.
    Durable,
    /// `NORMAL`: what is committed survives the end of the process; for what may be repeated.
    Relaxed,
}

impl Writer {
    pub(super) async fn open(options: SqliteConnectOptions) -> Result<Self, StoreError> {
        let options = options.synchronous(SqliteSynchronous::Full);
        let connection = options.connect().await.map_err(failed("opened its file"))?;
        Ok(Self { options, connection, grade: Some(Grade::Durable), suspect: false })
    }

    /// For what must survive a power cut. Followed by [`Self::finish`].
    pub(super) async fn durable(&mut self) -> Result<&mut SqliteConnection, StoreError> {
        self.at(Grade::Durable).await
    }

    /// For what may be repeated: deliveries and leases. Followed by [`Self::finish`].
    pub(super) async fn relaxed(&mut self) -> Result<&mut SqliteConnection, StoreError> {
        self.at(Grade::Relaxed).await
    }

    /// For reading, once it is [ready](Self::ready): its pages are those that were just written.
    pub(super) const fn reading(&mut self) -> &mut SqliteConnection {
        &mut self.connection
    }

    /// How the write ended. A write that is given up in its middle never gets here, and counts as one that failed.
    pub(super) fn finish<T>(&mut self, done: Result<T, StoreError>) -> Result<T, StoreError> {
        self.suspect = done.is_err();
        done
    }

    pub(super) async fn close(self) -> Result<(), StoreError> {
        self.connection.close().await.map_err(failed("closed its file"))
    }

    /// Replaces a connection of which nobody knows where it stands.
    pub(super) async fn ready(&mut self) -> Result<(), StoreError> {
        if self.suspect {
            let new = self.options.connect().await.map_err(failed("opened its file again"))?;
            let old = mem::replace(&mut self.connection, new);
            (self.grade, self.suspect) = (Some(Grade::Durable), false);
            if let Err(error) = old.close().await {
                tracing::warn!(%error, "a connection to the store did not close in order");
            }
        }
        Ok(())
    }

    async fn at(&mut self, grade: Grade) -> Result<&mut SqliteConnection, StoreError> {
        self.ready().await?;
        if self.grade != Some(grade) {
            self.grade = None;
            // As raw text: SQLite obeys when it compiles this, and a prepared statement is compiled once.
            let text = match grade {
                Grade::Durable => "PRAGMA synchronous = FULL",
                Grade::Relaxed => "PRAGMA synchronous = NORMAL",
            };
            let done = sqlx::raw_sql(text).execute(&mut self.connection).await;
            done.map_err(failed("changed its durability"))?;
            self.grade = Some(grade);
        }
        self.suspect = true;
        Ok(&mut self.connection)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn synchronous(connection: &mut SqliteConnection) -> i64 {
        sqlx::query_scalar("PRAGMA synchronous").fetch_one(connection).await.unwrap()
    }

    #[tokio::test]
    async fn every_write_has_the_durability_that_it_asks_for_whatever_came_before() {
        let folder = tempfile::tempdir().unwrap();
        let options = SqliteConnectOptions::new().filename(folder.path().join("store")).create_if_missing(true);
        let mut writer = Writer::open(options).await.unwrap();
        for ends_well in [true, false, true] {
            let end = || if ends_well { Ok(()) } else { Err(StoreError::HeadMoved { size: 0 }) };
            assert_eq!(synchronous(writer.durable().await.unwrap()).await, 2, "FULL");
            assert_eq!(writer.finish(end()).is_ok(), ends_well);
            assert_eq!(synchronous(writer.relaxed().await.unwrap()).await, 1, "NORMAL");
            assert_eq!(writer.finish(end()).is_ok(), ends_well);
            assert_eq!(synchronous(writer.relaxed().await.unwrap()).await, 1, "NORMAL");
        }
    }

    #[tokio::test]
    async fn a_transaction_that_was_given_up_does_not_hold_the_next_write_to_its_durability() {
        let folder = tempfile::tempdir().unwrap();
        let options = SqliteConnectOptions::new().filename(folder.path().join("store")).create_if_missing(true);
        let mut writer = Writer::open(options).await.unwrap();
        drop(writer.relaxed().await.unwrap().begin_with("BEGIN IMMEDIATE").await.unwrap());
        assert_eq!(synchronous(writer.durable().await.unwrap()).await, 2, "FULL");
    }

    #[tokio::test]
    async fn a_write_that_found_the_store_full_does_not_stop_those_that_come_when_there_is_room() {
        let folder = tempfile::tempdir().unwrap();
        let options = SqliteConnectOptions::new().filename(folder.path().join("store")).create_if_missing(true);
        let mut writer = Writer::open(options).await.unwrap();
        let fill = async |writer: &mut Writer, bytes: i64| -> Result<(), StoreError> {
            let to = writer.durable().await?;
            let done = async {
                let mut transaction = to.begin_with("BEGIN IMMEDIATE").await.map_err(failed("began"))?;
                let insert = sqlx::query("INSERT OR FAIL INTO t VALUES (zeroblob(?1))").bind(bytes);
                insert.execute(&mut *transaction).await.map_err(failed("inserted"))?;
                transaction.commit().await.map_err(failed("committed"))
            };
            let done = done.await;
            writer.finish(done)
        };
        let setup = writer.durable().await.unwrap();
        sqlx::raw_sql("CREATE TABLE t (x BLOB); PRAGMA max_page_count = 8").execute(setup).await.unwrap();
        writer.finish(Ok(())).unwrap();
        assert!(fill(&mut writer, 1 << 20).await.is_err(), "it is full: SQLITE_FULL, as on a full disk");
        for _ in 0..2 {
            fill(&mut writer, 1 << 20).await.unwrap();
        }
    }
}
