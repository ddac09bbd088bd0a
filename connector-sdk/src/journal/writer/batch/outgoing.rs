//! The outbox's statements.

use std::collections::HashMap;

use saphan_schemas::commitment::Salt;
use saphan_schemas::envelope::{EnvelopeClaims, UnverifiedEnvelope};
use saphan_schemas::ids::MessageId;
use serde_json::json;
use sqlx::SqliteConnection;

use super::{Numbers, Request, Statements, stored};
use crate::journal::JournalError;
use crate::journal::insert::Values;
use crate::journal::rows::{Enqueued, read_salt};
use crate::outbox::Accepted;
use crate::outgoing::SignedMessage;

struct NewOutgoing<'a> {
    seq: i64,
    message: &'a SignedMessage,
}

impl Statements {
    pub(super) async fn enqueue(
        &self,
        connection: &mut SqliteConnection,
        batch: &[Request],
        numbers: &mut Numbers,
        now: i64,
    ) -> Result<(Vec<(Enqueued, Option<i64>)>, Vec<Option<i64>>), JournalError> {
        let mut known = known_outgoing(connection, batch).await?;
        let (mut enqueued, mut replies, mut rows) = (Vec::new(), Vec::new(), Vec::new());
        for request in batch {
            let standing = outgoing(request).map(|message| {
                let id = message.envelope.claims().jti;
                if let Some(first) = known.get(&id) {
                    return (first.standing(message), None);
                }
                if message.own_id {
                    known.insert(id, Known::waiting(message));
                }
                let seq = numbers.next_outbox();
                rows.push(NewOutgoing { seq, message });
                (Enqueued::Waiting, Some(seq))
            });
            match request {
                Request::Settle { .. } | Request::Receive { .. } => replies.extend(standing.map(|(standing, seq)| {
                    if standing == Enqueued::OtherMessage {
                        tracing::error!("a handler's reply has the id of another message and is not sent");
                    }
                    seq
                })),
                _ => enqueued.extend(standing),
            }
        }
        self.insert_outgoing(connection, &rows, now).await?;
        Ok((enqueued, replies))
    }

    async fn insert_outgoing(
        &self,
        connection: &mut SqliteConnection,
        rows: &[NewOutgoing<'_>],
        now: i64,
    ) -> Result<(), JournalError> {
        let bind = |row: &NewOutgoing<'_>, values: &mut Values| {
            values.add(row.seq);
            values.add(row.message.envelope.claims().jti.to_string());
            values.add(now);
            values.add(row.message.envelope.as_str());
            values.add(row.message.salt.as_bytes().as_slice());
        };
        self.outbox.run(connection, rows, bind).await?;
        let bind = |row: &NewOutgoing<'_>, values: &mut Values| {
            values.add(row.seq);
            values.add(row.message.salt.as_bytes().as_slice());
            values.add(row.message.body.as_slice());
        };
        self.outbox_content.run(connection, rows, bind).await?;
        Ok(())
    }

    pub(super) async fn accepted(
        &self,
        connection: &mut SqliteConnection,
        batch: &[Request],
    ) -> Result<(), JournalError> {
        let rows: Vec<&(i64, Accepted)> = batch
            .iter()
            .filter_map(|request| match request {
                Request::Accepted { rows, .. } => Some(rows),
                _ => None,
            })
            .flatten()
            .collect();
        if rows.is_empty() {
            return Ok(());
        }
        let bind = |(seq, accepted): &&(i64, Accepted), values: &mut Values| {
            values.add(*seq);
            values.add(stored(accepted.index()));
            values.add(accepted.receipt_text());
            values.add(accepted.proof_text());
        };
        self.outbox_receipt.run(connection, &rows, bind).await?;
        let numbers = json!(rows.iter().map(|(seq, _)| seq).collect::<Vec<_>>()).to_string();
        for text in [
            "UPDATE OR FAIL outbox SET state = 1 WHERE seq IN (SELECT value FROM json_each(?))",
            "DELETE FROM outbox_content WHERE seq IN (SELECT value FROM json_each(?))",
        ] {
            sqlx::query(text).bind(&numbers).execute(&mut *connection).await?;
        }
        Ok(())
    }
}

pub(super) async fn refused(connection: &mut SqliteConnection, batch: &[Request]) -> Result<(), JournalError> {
    for request in batch {
        if let Request::Refused { seq, problem, .. } = request {
            let query = sqlx::query("UPDATE OR FAIL outbox SET state = 2, problem = ? WHERE seq = ?");
            query.bind(problem).bind(seq).execute(&mut *connection).await?;
        }
    }
    Ok(())
}

/// The messages that a request brings into the outbox.
fn outgoing(request: &Request) -> impl Iterator<Item = &SignedMessage> {
    let one = match request {
        Request::Enqueue { message, .. } => Some(message),
        _ => None,
    };
    one.into_iter().chain(request.replies()).map(|message| &**message)
}

/// The message that used an id first.
struct Known {
    standing: Enqueued,
    claims: EnvelopeClaims,
    /// Opens its commitment; `None` when it was settled under an earlier version, which did not keep it.
    salt: Option<Salt>,
}

impl Known {
    fn waiting(message: &SignedMessage) -> Self {
        let (claims, salt) = (message.envelope.claims().clone(), Some(message.salt.clone()));
        Self { standing: Enqueued::Waiting, claims, salt }
    }

    /// Where a message with the same id stands.
    fn standing(&self, message: &SignedMessage) -> Enqueued {
        if self.is(message) { self.standing } else { Enqueued::OtherMessage }
    }

    /// Whether it is the same message, signed again perhaps: later, and under another salt.
    fn is(&self, message: &SignedMessage) -> bool {
        let first = &self.claims;
        let (iat, not_after, body) = (first.iat, first.not_after, first.body.clone());
        EnvelopeClaims { iat, not_after, body, ..message.envelope.claims().clone() } == *first
            && first.body.len() == message.body.len() as u64
            && self.salt.as_ref().is_none_or(|salt| first.body.open(salt, &message.body).is_ok())
    }
}

/// Which of the ids that callers chose themselves are in the outbox already. Ids minted here cannot be.
async fn known_outgoing(
    connection: &mut SqliteConnection,
    batch: &[Request],
) -> Result<HashMap<MessageId, Known>, JournalError> {
    let messages = batch.iter().flat_map(outgoing).filter(|message| message.own_id);
    let chosen: Vec<MessageId> = messages.map(|message| message.envelope.claims().jti).collect();
    if chosen.is_empty() {
        return Ok(HashMap::new());
    }
    let found: Vec<(String, i64, Option<Vec<u8>>)> = sqlx::query_as(
        "SELECT o.envelope, o.state, coalesce(o.salt, c.salt) FROM outbox o LEFT JOIN outbox_content c ON c.seq = o.seq \
         WHERE o.jti IN (SELECT value FROM json_each(?))",
    )
    .bind(json!(chosen).to_string())
    .fetch_all(connection)
    .await?;
    let known = found.into_iter().map(|(envelope, state, salt)| {
        let envelope =
            UnverifiedEnvelope::parse(&envelope).map_err(|_| JournalError::Damaged { column: "envelope" })?;
        let standing = if state == 0 { Enqueued::Waiting } else { Enqueued::Settled };
        let claims = envelope.claims().clone();
        Ok((claims.jti, Known { standing, claims, salt: salt.as_deref().map(read_salt).transpose()? }))
    });
    known.collect()
}
