//! The statements of one transaction: a handful for any number of requests.

mod incoming;
mod outgoing;

use std::vec;

use sqlx::SqliteConnection;

use super::{Numbers, Request};
use crate::journal::JournalError;
use crate::journal::insert::Insert;
use crate::journal::rows::{Enqueued, Filed};

pub(super) struct Statements {
    outbox: Insert,
    outbox_content: Insert,
    outbox_receipt: Insert,
    inbox: Insert,
    inbox_content: Insert,
}

/// What each request is told after the commit, in the order of the requests.
pub(super) struct Answers {
    /// Where the message stands, and its number if it is new.
    pub(super) enqueued: vec::IntoIter<(Enqueued, Option<i64>)>,
    pub(super) filed: vec::IntoIter<Vec<Filed>>,
    /// The numbers of the replies of all messages that ended; `None` for one that was there already.
    pub(super) replies: vec::IntoIter<Option<i64>>,
}

impl Statements {
    pub(super) fn new() -> Self {
        Self {
            outbox: Insert::new("INSERT OR FAIL INTO outbox (seq, jti, at, envelope, salt)", 5, ""),
            outbox_content: Insert::new("INSERT OR FAIL INTO outbox_content (seq, salt, body)", 3, ""),
            outbox_receipt: Insert::new("INSERT OR FAIL INTO outbox_receipt (seq, idx, receipt, proof)", 4, ""),
            inbox: Insert::new(
                "INSERT OR FAIL INTO inbox (id, iss, jti, idx, at, state, code, log)",
                8,
                "ON CONFLICT DO NOTHING",
            ),
            inbox_content: Insert::new(
                "INSERT OR FAIL INTO inbox_content (id, envelope, salt, body, receipt, proof)",
                6,
                "ON CONFLICT DO NOTHING",
            ),
        }
    }

    pub(super) async fn write(
        &self,
        connection: &mut SqliteConnection,
        batch: &[Request],
        numbers: &mut Numbers,
        now: i64,
    ) -> Result<Answers, JournalError> {
        let (enqueued, replies) = self.enqueue(connection, batch, numbers, now).await?;
        self.accepted(connection, batch).await?;
        outgoing::refused(connection, batch).await?;
        let filed = self.receive(connection, batch, numbers, now).await?;
        incoming::settle(connection, batch).await?;
        incoming::acknowledged(connection, batch).await?;
        Ok(Answers { enqueued: enqueued.into_iter(), filed: filed.into_iter(), replies: replies.into_iter() })
    }
}

/// Drops a bite of the oldest rows that were settled before `cutoff` (seconds since 1970).
pub(super) async fn purge(connection: &mut SqliteConnection, cutoff: i64) -> Result<(), JournalError> {
    for text in [
        "DELETE FROM outbox_receipt WHERE seq IN (SELECT seq FROM outbox WHERE seq IN \
         (SELECT seq FROM outbox ORDER BY seq LIMIT 1000) AND at < ? AND state <> 0)",
        "DELETE FROM outbox_content WHERE seq IN (SELECT seq FROM outbox WHERE seq IN \
         (SELECT seq FROM outbox ORDER BY seq LIMIT 1000) AND at < ? AND state <> 0)",
        "DELETE FROM outbox WHERE seq IN (SELECT seq FROM outbox ORDER BY seq LIMIT 1000) AND at < ? AND state <> 0",
        "DELETE FROM inbox WHERE id IN (SELECT id FROM inbox ORDER BY id LIMIT 1000) AND at < ? AND state = 2",
    ] {
        sqlx::query(text).bind(cutoff).execute(&mut *connection).await?;
    }
    Ok(())
}

/// SQLite's integers are signed; the bits are kept.
const fn stored(index: u64) -> i64 {
    index.cast_signed()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::schema;

    #[tokio::test]
    async fn purging_drops_what_was_settled_before_the_cutoff_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let mut connection = schema::connect(&folder.path().join("journal.sqlite")).await.unwrap();
        schema::prepare(&mut connection, &"th.dlt/licensing".parse().unwrap()).await.unwrap();
        for (number, at, state) in [(1, 10, 1), (2, 10, 0), (3, 10, 2), (4, 30, 1)] {
            let text = "INSERT INTO outbox (seq, jti, at, state, envelope) VALUES (?1, ?1, ?2, ?3, '')";
            sqlx::query(text).bind(number).bind(at).bind(state).execute(&mut connection).await.unwrap();
            let text = "INSERT INTO inbox (id, iss, jti, idx, at, state) VALUES (?1, '', ?1, 0, ?2, ?3)";
            sqlx::query(text).bind(number).bind(at).bind(state).execute(&mut connection).await.unwrap();
            for text in
                ["INSERT INTO outbox_content VALUES (?, x'', x'')", "INSERT INTO outbox_receipt VALUES (?, 0, '', '')"]
            {
                sqlx::query(text).bind(number).execute(&mut connection).await.unwrap();
            }
        }
        purge(&mut connection, 20).await.unwrap();
        for (text, left) in [
            ("SELECT seq FROM outbox ORDER BY 1", vec![2, 4]),
            ("SELECT seq FROM outbox_content ORDER BY 1", vec![2, 4]),
            ("SELECT seq FROM outbox_receipt ORDER BY 1", vec![2, 4]),
            ("SELECT id FROM inbox ORDER BY 1", vec![1, 2, 4]),
        ] {
            let found: Vec<i64> = sqlx::query_scalar(text).fetch_all(&mut connection).await.unwrap();
            assert_eq!(found, left, "{text}");
        }
    }
}
