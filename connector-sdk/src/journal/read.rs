//! Reading the journal: after a restart, for a retry, and to answer questions.

use saphan_schemas::ids::MessageId;
use sqlx::SqliteConnection;

use super::rows::{StoredOutgoing, ToAcknowledge, read_code, read_place, read_salt};
use super::{Journal, JournalError};
use crate::hub_api::Answer;
use crate::message::Parts;

/// What the outbox knows of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum OutgoingState {
    /// No receipt yet.
    Waiting,
    /// Accepted by the hub.
    Accepted { envelope: String, answer: Answer },
    /// Refused by the hub; the problem document as JSON.
    Refused { problem: String },
}

/// The messages of the inbox that are not settled.
pub(crate) struct Unsettled {
    /// Not handled.
    pub(crate) pending: Vec<i64>,
    /// Handled, perhaps not acknowledged.
    pub(crate) handled: Vec<ToAcknowledge>,
}

impl Journal {
    /// Up to `limit` waiting messages from number `from` on, in order.
    pub(crate) async fn waiting(&self, from: i64, limit: i64) -> Result<Vec<StoredOutgoing>, JournalError> {
        type Row = (i64, String, String, Vec<u8>, Vec<u8>);
        let rows: Vec<Row> = sqlx::query_as(
            "SELECT o.seq, o.jti, o.envelope, c.salt, c.body FROM outbox_content c JOIN outbox o ON o.seq = c.seq \
             WHERE c.seq >= ? AND o.state = 0 ORDER BY c.seq LIMIT ?",
        )
        .bind(from)
        .bind(limit)
        .fetch_all(&mut *self.reader.lock().await)
        .await?;
        let stored = rows.into_iter().map(|(seq, id, envelope, salt, body)| {
            let id = id.parse().map_err(|_| JournalError::Damaged { column: "jti" })?;
            Ok(StoredOutgoing { seq, id, envelope, salt: read_salt(&salt)?, body })
        });
        stored.collect()
    }

    /// What the outbox knows of a message; `None` when nothing, or no longer.
    pub(crate) async fn outgoing(&self, id: MessageId) -> Result<Option<OutgoingState>, JournalError> {
        type Row = (String, i64, Option<String>, Option<String>, Option<String>);
        let row: Option<Row> = sqlx::query_as(
            "SELECT o.envelope, o.state, o.problem, r.receipt, r.proof FROM outbox o \
             LEFT JOIN outbox_receipt r ON r.seq = o.seq WHERE o.jti = ?",
        )
        .bind(id.to_string())
        .fetch_optional(&mut *self.reader.lock().await)
        .await?;
        row.map(|row| match row {
            (_, 0, ..) => Ok(OutgoingState::Waiting),
            (envelope, 1, _, Some(receipt), Some(proof)) => {
                Ok(OutgoingState::Accepted { envelope, answer: Answer { receipt, proof } })
            }
            (_, 2, Some(problem), ..) => Ok(OutgoingState::Refused { problem }),
            _ => Err(JournalError::Damaged { column: "state" }),
        })
        .transpose()
    }

    /// What a restarted connector has to go on with.
    pub(crate) async fn unsettled(&self) -> Result<Unsettled, JournalError> {
        // Contents are there exactly as long as a message is not settled.
        let rows: Vec<(i64, String, i64, Option<String>)> = sqlx::query_as(
            "SELECT i.id, c.receipt, i.state, i.code FROM inbox_content c JOIN inbox i ON i.id = c.id \
             WHERE i.state < 2 ORDER BY i.id",
        )
        .fetch_all(&mut *self.reader.lock().await)
        .await?;
        let mut unsettled = Unsettled { pending: Vec::new(), handled: Vec::new() };
        for (id, receipt, state, code) in rows {
            if state == 0 {
                unsettled.pending.push(id);
            } else {
                let (place, code) = (read_place(&receipt)?, read_code(code)?);
                unsettled.handled.push(ToAcknowledge { id, place, code });
            }
        }
        Ok(unsettled)
    }

    /// The parts of a message in the inbox.
    pub(crate) async fn parts(&self, id: i64) -> Result<Parts, JournalError> {
        let (envelope, salt, body, receipt, proof): (String, Vec<u8>, Vec<u8>, String, String) =
            sqlx::query_as("SELECT envelope, salt, body, receipt, proof FROM inbox_content WHERE id = ?")
                .bind(id)
                .fetch_one(&mut *self.reader.lock().await)
                .await?;
        Ok(Parts { envelope, salt: read_salt(&salt)?, body, receipt, proof })
    }

    /// How many messages wait in the outbox, and how many are not settled in the inbox.
    pub(crate) async fn left(&self) -> Result<(u64, u64), JournalError> {
        let (outbox, inbox): (i64, i64) = sqlx::query_as(
            "SELECT (SELECT count(*) FROM outbox_content c JOIN outbox o ON o.seq = c.seq WHERE o.state = 0), \
             (SELECT count(*) FROM inbox_content)",
        )
        .fetch_one(&mut *self.reader.lock().await)
        .await?;
        Ok((outbox.cast_unsigned(), inbox.cast_unsigned()))
    }
}

/// The numbers of the newest rows.
pub(super) async fn last_numbers(connection: &mut SqliteConnection) -> Result<(i64, i64), JournalError> {
    let text = "SELECT coalesce((SELECT max(seq) FROM outbox), 0), coalesce((SELECT max(id) FROM inbox), 0)";
    Ok(sqlx::query_as(text).fetch_one(connection).await?)
}
