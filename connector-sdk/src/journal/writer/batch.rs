//! The statements of one transaction: a handful for any number of requests.

use std::collections::{HashMap, HashSet};
use std::vec;

use saphan_schemas::ids::{Code, MessageId};
use serde_json::json;
use sqlx::SqliteConnection;

use super::super::JournalError;
use super::super::insert::{Insert, Values};
use super::super::rows::{Enqueued, Filed, InboxState, ReceivedRow, Settled, ToAcknowledge, read_code};
use super::{Numbers, Request};
use crate::hub_api::Answer;
use crate::outgoing::SignedMessage;

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
    /// The numbers of the replies of all outcomes; `None` for one that was there already.
    pub(super) replies: vec::IntoIter<Option<i64>>,
}

struct NewOutgoing<'a> {
    seq: i64,
    message: &'a SignedMessage,
}

struct NewReceipt<'a> {
    seq: i64,
    index: u64,
    answer: &'a Answer,
}

struct NewIncoming<'a> {
    id: i64,
    row: &'a ReceivedRow,
}

impl Statements {
    pub(super) fn new() -> Self {
        Self {
            outbox: Insert::new("INSERT INTO outbox (seq, jti, at, envelope)", 4, ""),
            outbox_content: Insert::new("INSERT INTO outbox_content (seq, salt, body)", 3, ""),
            outbox_receipt: Insert::new("INSERT INTO outbox_receipt (seq, idx, receipt, proof)", 4, ""),
            inbox: Insert::new("INSERT INTO inbox (id, iss, jti, idx, at)", 5, "ON CONFLICT DO NOTHING"),
            inbox_content: Insert::new(
                "INSERT INTO inbox_content (id, envelope, salt, body, receipt, proof)",
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
        refused(connection, batch).await?;
        let filed = self.receive(connection, batch, numbers, now).await?;
        settle(connection, batch).await?;
        acknowledged(connection, batch).await?;
        Ok(Answers { enqueued: enqueued.into_iter(), filed: filed.into_iter(), replies: replies.into_iter() })
    }

    async fn enqueue(
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
                if let Some(standing) = known.get(&id) {
                    return (*standing, None);
                }
                if message.own_id {
                    known.insert(id, Enqueued::Waiting);
                }
                let seq = numbers.next_outbox();
                rows.push(NewOutgoing { seq, message });
                (Enqueued::Waiting, Some(seq))
            });
            match request {
                Request::Settle { .. } => replies.extend(standing.map(|(_, seq)| seq)),
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

    async fn accepted(&self, connection: &mut SqliteConnection, batch: &[Request]) -> Result<(), JournalError> {
        let rows: Vec<NewReceipt<'_>> = batch
            .iter()
            .filter_map(|request| match request {
                Request::Accepted { seq, index, answer, .. } => Some(NewReceipt { seq: *seq, index: *index, answer }),
                _ => None,
            })
            .collect();
        if rows.is_empty() {
            return Ok(());
        }
        let bind = |row: &NewReceipt<'_>, values: &mut Values| {
            values.add(row.seq);
            values.add(stored(row.index));
            values.add(row.answer.receipt.as_str());
            values.add(row.answer.proof.as_str());
        };
        self.outbox_receipt.run(connection, &rows, bind).await?;
        let numbers = json!(rows.iter().map(|row| row.seq).collect::<Vec<_>>()).to_string();
        for text in [
            "UPDATE outbox SET state = 1 WHERE seq IN (SELECT value FROM json_each(?))",
            "DELETE FROM outbox_content WHERE seq IN (SELECT value FROM json_each(?))",
        ] {
            sqlx::query(text).bind(&numbers).execute(&mut *connection).await?;
        }
        Ok(())
    }

    async fn receive(
        &self,
        connection: &mut SqliteConnection,
        batch: &[Request],
        numbers: &mut Numbers,
        now: i64,
    ) -> Result<Vec<Vec<Filed>>, JournalError> {
        let requests = || {
            batch.iter().filter_map(|request| match request {
                Request::Receive { rows, .. } => Some(rows),
                _ => None,
            })
        };
        let rows: Vec<NewIncoming<'_>> =
            requests().flat_map(|rows| rows.iter()).map(|row| NewIncoming { id: numbers.next_inbox(), row }).collect();
        let inserted = self.insert_incoming(connection, &rows, now).await?;
        let known =
            if inserted == rows.len() as u64 { HashMap::new() } else { known_incoming(connection, &rows).await? };
        let new: Vec<&NewIncoming<'_>> = rows.iter().filter(|row| !known.contains_key(&row.id)).collect();
        self.insert_incoming_content(connection, &new).await?;
        let mut filed = rows.iter().map(|row| known.get(&row.id).cloned().unwrap_or(Filed::New { id: row.id }));
        Ok(requests().map(|rows| filed.by_ref().take(rows.len()).collect()).collect())
    }

    async fn insert_incoming(
        &self,
        connection: &mut SqliteConnection,
        rows: &[NewIncoming<'_>],
        now: i64,
    ) -> Result<u64, JournalError> {
        let bind = |new: &NewIncoming<'_>, values: &mut Values| {
            values.add(new.id);
            values.add(new.row.received.claims.iss.as_str());
            values.add(new.row.received.claims.jti.to_string());
            values.add(stored(new.row.received.receipt.index));
            values.add(now);
        };
        Ok(self.inbox.run(connection, rows, bind).await?)
    }

    async fn insert_incoming_content(
        &self,
        connection: &mut SqliteConnection,
        rows: &[&NewIncoming<'_>],
    ) -> Result<(), JournalError> {
        let bind = |new: &&NewIncoming<'_>, values: &mut Values| {
            let parts = &new.row.received.parts;
            values.add(new.id);
            values.add(parts.envelope.as_str());
            values.add(parts.salt.as_bytes().as_slice());
            values.add(parts.body.as_slice());
            values.add(parts.receipt.as_str());
            values.add(parts.proof.as_str());
        };
        self.inbox_content.run(connection, rows, bind).await?;
        Ok(())
    }
}

/// The messages that a request brings into the outbox.
fn outgoing(request: &Request) -> impl Iterator<Item = &SignedMessage> {
    let (one, many): (_, &[Settled]) = match request {
        Request::Enqueue { message, .. } => (Some(&**message), &[]),
        Request::Settle { rows, .. } => (None, rows),
        _ => (None, &[]),
    };
    one.into_iter().chain(many.iter().flat_map(|row| &row.replies).map(|message| &**message))
}

/// Which of the ids that callers chose themselves are in the outbox already. Ids minted here cannot be.
async fn known_outgoing(
    connection: &mut SqliteConnection,
    batch: &[Request],
) -> Result<HashMap<MessageId, Enqueued>, JournalError> {
    let messages = batch.iter().flat_map(outgoing).filter(|message| message.own_id);
    let chosen: Vec<MessageId> = messages.map(|message| message.envelope.claims().jti).collect();
    if chosen.is_empty() {
        return Ok(HashMap::new());
    }
    let found: Vec<(String, i64)> =
        sqlx::query_as("SELECT jti, state FROM outbox WHERE jti IN (SELECT value FROM json_each(?))")
            .bind(json!(chosen).to_string())
            .fetch_all(connection)
            .await?;
    let states = found.into_iter().map(|(id, state)| {
        let id = id.parse().map_err(|_| JournalError::Damaged { column: "jti" })?;
        Ok((id, if state == 0 { Enqueued::Waiting } else { Enqueued::Settled }))
    });
    states.collect()
}

/// The rows that were not inserted because their message is there under another number.
async fn known_incoming(
    connection: &mut SqliteConnection,
    rows: &[NewIncoming<'_>],
) -> Result<HashMap<i64, Filed>, JournalError> {
    let wanted: Vec<_> =
        rows.iter().map(|new| json!([new.id, new.row.received.claims.iss, new.row.received.claims.jti])).collect();
    let found: Vec<(i64, i64, i64, i64, Option<String>)> = sqlx::query_as(
        "SELECT j.value ->> 0, i.id, i.idx, i.state, i.code FROM json_each(?) j \
         JOIN inbox i ON i.iss = j.value ->> 1 AND i.jti = j.value ->> 2 WHERE i.id <> j.value ->> 0",
    )
    .bind(json!(wanted).to_string())
    .fetch_all(connection)
    .await?;
    let states = found.into_iter().map(|(wanted, id, index, state, code)| {
        let state = match state {
            0 => InboxState::Pending,
            1 => InboxState::Handled,
            _ => InboxState::Acknowledged(ToAcknowledge { id, index: index.cast_unsigned(), code: read_code(code)? }),
        };
        Ok((wanted, Filed::Known(state)))
    });
    states.collect()
}

async fn refused(connection: &mut SqliteConnection, batch: &[Request]) -> Result<(), JournalError> {
    for request in batch {
        if let Request::Refused { seq, problem, .. } = request {
            let query = sqlx::query("UPDATE outbox SET state = 2, problem = ? WHERE seq = ?");
            query.bind(problem).bind(seq).execute(&mut *connection).await?;
        }
    }
    Ok(())
}

async fn settle(connection: &mut SqliteConnection, batch: &[Request]) -> Result<(), JournalError> {
    let settled = batch.iter().filter_map(|request| match request {
        Request::Settle { rows, .. } => Some(rows),
        _ => None,
    });
    let (rejected, processed): (Vec<&Settled>, Vec<&Settled>) =
        settled.flat_map(|rows| rows.iter()).partition(|row| row.acknowledge.code.is_some());
    if !processed.is_empty() {
        let ids: Vec<i64> = processed.iter().map(|row| row.acknowledge.id).collect();
        let text = "UPDATE inbox SET state = 1 WHERE state = 0 AND id IN (SELECT value FROM json_each(?))";
        sqlx::query(text).bind(json!(ids).to_string()).execute(&mut *connection).await?;
    }
    for row in rejected {
        let code = row.acknowledge.code.as_ref().map(Code::as_str);
        let query = sqlx::query("UPDATE inbox SET state = 1, code = ? WHERE state = 0 AND id = ?");
        query.bind(code).bind(row.acknowledge.id).execute(&mut *connection).await?;
    }
    Ok(())
}

async fn acknowledged(connection: &mut SqliteConnection, batch: &[Request]) -> Result<(), JournalError> {
    let ids: HashSet<i64> = batch
        .iter()
        .filter_map(|request| match request {
            Request::Acknowledged { ids, .. } => Some(ids),
            _ => None,
        })
        .flatten()
        .copied()
        .collect();
    if ids.is_empty() {
        return Ok(());
    }
    let ids = json!(ids).to_string();
    for text in [
        "UPDATE inbox SET state = 2 WHERE id IN (SELECT value FROM json_each(?))",
        "DELETE FROM inbox_content WHERE id IN (SELECT value FROM json_each(?))",
    ] {
        sqlx::query(text).bind(&ids).execute(&mut *connection).await?;
    }
    Ok(())
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
