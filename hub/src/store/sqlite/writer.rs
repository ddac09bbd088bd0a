//! The connection that writes, in two grades of durability.

use sqlx::sqlite::{SqliteConnectOptions, SqliteSynchronous};
use sqlx::{ConnectOptions as _, Connection as _, SqliteConnection};

use super::failed;
use crate::store::StoreError;

#[derive(Debug)]
pub(super) struct Writer {
    connection: SqliteConnection,
    /// What `synchronous` is set to; `None` after a change that may have failed.
    grade: Option<Grade>,
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
        let connection = options.synchronous(SqliteSynchronous::Full).connect().await;
        Ok(Self { connection: connection.map_err(failed("opened its file"))?, grade: Some(Grade::Durable) })
    }

    /// For what must survive a power cut.
    pub(super) async fn durable(&mut self) -> Result<&mut SqliteConnection, StoreError> {
        self.at(Grade::Durable).await
    }

    /// For what may be repeated: deliveries and leases.
    pub(super) async fn relaxed(&mut self) -> Result<&mut SqliteConnection, StoreError> {
        self.at(Grade::Relaxed).await
    }

    /// For reading: its pages are those that were just written.
    pub(super) const fn reading(&mut self) -> &mut SqliteConnection {
        &mut self.connection
    }

    pub(super) async fn close(self) -> Result<(), StoreError> {
        self.connection.close().await.map_err(failed("closed its file"))
    }

    async fn at(&mut self, grade: Grade) -> Result<&mut SqliteConnection, StoreError> {
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
        for _ in 0..3 {
            assert_eq!(synchronous(writer.durable().await.unwrap()).await, 2, "FULL");
            assert_eq!(synchronous(writer.relaxed().await.unwrap()).await, 1, "NORMAL");
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
}
