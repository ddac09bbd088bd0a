//! Reading the journal: after a restart, for a retry, and to answer questions.

use saphan_schemas::ids::{MessageId, SystemId};
use serde_json::json;
use sqlx::SqliteConnection;

use super::rows::{InboxState, LogPlace, StoredOutgoing, ToAcknowledge, read_code, read_place, read_salt};
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
        type Row = (i64, i64, Option<String>, Option<String>, i64, Option<String>);
        let rows: Vec<Row> = sqlx::query_as(
            "SELECT i.id, i.idx, i.log, c.receipt, i.state, i.code FROM inbox i LEFT JOIN inbox_content c ON c.id = i.id \
             WHERE i.state < 2 ORDER BY i.id",
        )
        .fetch_all(&mut *self.reader.lock().await)
        .await?;
        let mut unsettled = Unsettled { pending: Vec::new(), handled: Vec::new() };
        for (id, index, log, receipt, state, code) in rows {
            if state == 0 {
                unsettled.pending.push(id);
                continue;
            }
            let place = match (log, receipt) {
                (Some(log), _) => LogPlace { log: log.into(), index: index.cast_unsigned() },
                (None, Some(receipt)) => read_place(&receipt)?,
                (None, None) => return Err(JournalError::Damaged { column: "log" }),
            };
            unsettled.handled.push(ToAcknowledge { id, place, code: read_code(code)? });
        }
        Ok(unsettled)
    }

    /// What the inbox knows of messages, each by its sender and its id; `None` for those that are new.
    pub(crate) async fn known(
        &self,
        messages: &[(&SystemId, MessageId)],
    ) -> Result<Vec<Option<InboxState>>, JournalError> {
        let known = known_incoming(&mut *self.reader.lock().await, messages).await?;
        let mut states = vec![None; messages.len()];
        for Known { at, state, .. } in known {
            states[at] = Some(state);
        }
        Ok(states)
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
             (SELECT count(*) FROM inbox WHERE state < 2)",
        )
        .fetch_one(&mut *self.reader.lock().await)
        .await?;
        Ok((outbox.cast_unsigned(), inbox.cast_unsigned()))
    }
}

/// A message of the inbox, and its place among those that were asked for.
pub(super) struct Known {
    pub(super) at: usize,
    pub(super) id: i64,
    pub(super) state: InboxState,
}

/// Those of the messages that are in the inbox.
pub(super) async fn known_incoming(
    connection: &mut SqliteConnection,
    messages: &[(&SystemId, MessageId)],
) -> Result<Vec<Known>, JournalError> {
    let found: Vec<(i64, i64, i64, Option<String>)> = sqlx::query_as(
        "SELECT j.key, i.id, i.state, i.code FROM json_each(?) j \
         JOIN inbox i ON i.iss = j.value ->> 0 AND i.jti = j.value ->> 1",
    )
    .bind(json!(messages).to_string())
    .fetch_all(connection)
    .await?;
    let known = found.into_iter().map(|(at, id, state, code)| {
        let state = match state {
            0 => InboxState::Pending,
            1 => InboxState::Handled,
            _ => InboxState::Acknowledged { id, code: read_code(code)? },
        };
        let at = usize::try_from(at).map_err(|_| JournalError::Damaged { column: "id" })?;
        Ok(Known { at, id, state })
    });
    known.collect()
}

/// The numbers of the newest rows.
pub(super) async fn last_numbers(connection: &mut SqliteConnection) -> Result<(i64, i64), JournalError> {
    let text = "SELECT coalesce((SELECT max(seq) FROM outbox), 0), coalesce((SELECT max(id) FROM inbox), 0)";
    Ok(sqlx::query_as(text).fetch_one(connection).await?)
}
