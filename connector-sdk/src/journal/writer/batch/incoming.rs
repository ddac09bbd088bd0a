//! The inbox's statements.

use std::collections::{HashMap, HashSet};

use saphan_schemas::ids::Code;
use serde_json::json;
use sqlx::SqliteConnection;

use super::{Numbers, Request, Statements, stored};
use crate::journal::JournalError;
use crate::journal::insert::Values;
use crate::journal::read::known_incoming;
use crate::journal::rows::{Filed, InboxState, ReceivedRow, Settled};

struct NewIncoming<'a> {
    id: i64,
    row: &'a ReceivedRow,
}

impl Statements {
    pub(super) async fn receive(
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
        let mut known =
            if inserted == rows.len() as u64 { HashMap::new() } else { known_already(connection, &rows).await? };
        let is_needed = |new: &&NewIncoming<'_>| new.row.ended.is_none() && !known.contains_key(&new.id);
        let needed: Vec<&NewIncoming<'_>> = rows.iter().filter(is_needed).collect();
        self.insert_incoming_content(connection, &needed).await?;
        let mut filed = rows.iter().map(|row| known.remove(&row.id).map_or(Filed::New { id: row.id }, Filed::Known));
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
            values.add(i64::from(new.row.ended.is_some()));
            values.add(new.row.ended.as_ref().and_then(|ended| ended.code.as_ref()).map(Code::as_str));
            // Of what has a content, its receipt names the log.
            values.add(new.row.ended.as_ref().map(|_| new.row.received.receipt.log.as_str()));
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

pub(super) async fn settle(connection: &mut SqliteConnection, batch: &[Request]) -> Result<(), JournalError> {
    let settled = batch.iter().filter_map(|request| match request {
        Request::Settle { rows, .. } => Some(rows),
        _ => None,
    });
    let (rejected, processed): (Vec<&Settled>, Vec<&Settled>) =
        settled.flat_map(|rows| rows.iter()).partition(|row| row.acknowledge.code.is_some());
    if !processed.is_empty() {
        let ids: Vec<i64> = processed.iter().map(|row| row.acknowledge.id).collect();
        let text = "UPDATE OR FAIL inbox SET state = 1 WHERE state = 0 AND id IN (SELECT value FROM json_each(?))";
        sqlx::query(text).bind(json!(ids).to_string()).execute(&mut *connection).await?;
    }
    for row in rejected {
        let code = row.acknowledge.code.as_ref().map(Code::as_str);
        let query = sqlx::query("UPDATE OR FAIL inbox SET state = 1, code = ? WHERE state = 0 AND id = ?");
        query.bind(code).bind(row.acknowledge.id).execute(&mut *connection).await?;
    }
    Ok(())
}

pub(super) async fn acknowledged(connection: &mut SqliteConnection, batch: &[Request]) -> Result<(), JournalError> {
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
        "UPDATE OR FAIL inbox SET state = 2, log = NULL WHERE id IN (SELECT value FROM json_each(?))",
        "DELETE FROM inbox_content WHERE id IN (SELECT value FROM json_each(?))",
    ] {
        sqlx::query(text).bind(&ids).execute(&mut *connection).await?;
    }
    Ok(())
}

/// The rows that were not inserted because their message is there under another number.
async fn known_already(
    connection: &mut SqliteConnection,
    rows: &[NewIncoming<'_>],
) -> Result<HashMap<i64, InboxState>, JournalError> {
    let claims = rows.iter().map(|new| &new.row.received.claims);
    let messages: Vec<_> = claims.map(|claims| (&claims.iss, claims.jti)).collect();
    let known = known_incoming(connection, &messages).await?;
    let elsewhere = known.into_iter().filter(|known| rows[known.at].id != known.id);
    Ok(elsewhere.map(|known| (rows[known.at].id, known.state)).collect())
}
