//! Rows, written by the hundred, and what only the rows of before can tell.

use std::borrow::Cow;

use saphan_schemas::ids::SystemId;
use serde::Serialize;
use sqlx::query_builder::{QueryBuilder, Separated};
use sqlx::{Sqlite, SqliteConnection};

use super::{StatementRow, integer};
use crate::log_check::error::LeafFault;

/// What was taken and is not written yet.
#[derive(Debug, Default)]
pub(super) struct Unwritten {
    pub(super) statements: Vec<StatementRow>,
    /// The entry of an acknowledgement, the message before it, and the outcome: the first of that message.
    pub(super) settled: Vec<(u64, u64, Cow<'static, str>)>,
    /// Acknowledgements of messages that only the rows of before know.
    pub(super) old: Vec<OldRow>,
    /// The entry, and a message that only the rows of before know, whose body it says was erased.
    pub(super) erased: Vec<(u64, u64)>,
    pub(super) registry: Vec<(u64, Vec<u8>)>,
    /// The first entry that does not hold, as far as is known.
    fault: Option<(u64, LeafFault)>,
}

/// The entry of an acknowledgement, the message before it, who signed it, and the outcome with its code.
#[derive(Debug, Serialize)]
pub(super) struct OldRow(pub(super) u64, pub(super) u64, pub(super) SystemId, pub(super) Cow<'static, str>);

impl Unwritten {
    /// The entry does not hold.
    pub(super) fn found(&mut self, entry: u64, fault: LeafFault) {
        // Of one entry what was found first stays.
        if self.fault.as_ref().is_none_or(|(first, _)| entry < *first) {
            self.fault = Some((entry, fault));
        }
    }

    /// Whether it should be written before more is taken.
    pub(super) const fn is_much(&self) -> bool {
        self.fault.is_some() || self.statements.len() >= MUCH || self.settled.len() >= MUCH || self.old.len() >= MUCH
    }

    /// Writes everything, unless something does not hold: then gives the first such entry.
    pub(super) async fn write(mut self, to: &mut SqliteConnection) -> Result<Option<(u64, LeafFault)>, sqlx::Error> {
        self.add_statements(to).await?;
        let settled = std::mem::take(&mut self.settled);
        insert(to, ADD_SETTLED, &settled, |row, (entry, message, outcome)| {
            row.push_bind(integer(*message)).push_bind(integer(*entry)).push_bind(&**outcome);
        })
        .await?;
        self.add_old(to).await?;
        if !self.erased.is_empty()
            && let Some((entry, message)) = first(to, NO_MESSAGE, &self.erased).await?
        {
            self.found(entry, LeafFault::ErasesNoMessage { index: message });
        }
        for (entry, leaf) in &self.registry {
            let add = sqlx::query("INSERT INTO registry (entry, leaf) VALUES (?, ?)");
            add.bind(integer(*entry)).bind(leaf).execute(&mut *to).await?;
        }
        Ok(self.fault)
    }

    async fn add_statements(&mut self, to: &mut SqliteConnection) -> Result<(), sqlx::Error> {
        let statements = std::mem::take(&mut self.statements);
        let added = insert(to, ADD_STATEMENTS, &statements, |row, statement| {
            row.push_bind(integer(statement.entry)).push_bind(&statement.id[..]);
            row.push_bind(statement.receiver.as_ref().map(SystemId::as_str));
        })
        .await?;
        if added == statements.len() as u64 {
            return Ok(());
        }
        // Those that were there before were not added. In the order of the log.
        for StatementRow { entry, id, .. } in &statements {
            let before = sqlx::query_scalar("SELECT entry FROM statement WHERE id = ?").bind(&id[..]);
            let before: i64 = before.fetch_one(&mut *to).await?;
            if before != integer(*entry) {
                // Whatever else the same entry says does not matter then.
                self.fault.take_if(|(first, _)| first == entry);
                self.found(*entry, LeafFault::Duplicate { first: before.unsigned_abs() });
                return Ok(());
            }
        }
        Ok(())
    }

    async fn add_old(&mut self, to: &mut SqliteConnection) -> Result<(), sqlx::Error> {
        let rows = std::mem::take(&mut self.old);
        if rows.is_empty() {
            return Ok(());
        }
        if let Some((entry, message)) = first(to, NO_MESSAGE, &rows).await? {
            self.found(entry, LeafFault::AcknowledgesNoMessage { index: message });
        }
        if let Some((entry, message)) = first(to, NOT_TO_THEM, &rows).await? {
            self.found(entry, LeafFault::NotTheReceiver { index: message });
        }
        sqlx::query(ADD_OLD).bind(json(&rows)).execute(&mut *to).await?;
        if let Some((entry, message)) = first(to, CONTRADICTED, &rows).await? {
            self.found(entry, LeafFault::OtherOutcome { index: message });
        }
        Ok(())
    }
}

/// Inserts rows in chunks of few sizes, so that SQLite keeps their statements; gives how many were inserted.
async fn insert<'a, T>(
    to: &mut SqliteConnection,
    into: &'static str,
    mut rows: &'a [T],
    bind: impl Fn(&mut Separated<'_, Sqlite, &'static str>, &'a T),
) -> Result<u64, sqlx::Error> {
    let mut inserted = 0;
    while !rows.is_empty() {
        let size = CHUNKS.into_iter().find(|size| *size <= rows.len()).unwrap_or(1);
        let (chunk, rest) = rows.split_at(size);
        let mut builder = QueryBuilder::<Sqlite>::new(into);
        builder.push_values(chunk, |mut row, item| bind(&mut row, item));
        inserted += builder.build().execute(&mut *to).await?.rows_affected();
        rows = rest;
    }
    Ok(inserted)
}

/// The first pair of places that a statement finds among these rows.
async fn first(
    from: &mut SqliteConnection,
    statement: &'static str,
    rows: &impl Serialize,
) -> Result<Option<(u64, u64)>, sqlx::Error> {
    let found: Option<(i64, i64)> = sqlx::query_as(statement).bind(json(rows)).fetch_optional(from).await?;
    Ok(found.map(|(index, other)| (index.unsigned_abs(), other.unsigned_abs())))
}

fn json(rows: &impl Serialize) -> String {
    // Numbers and names always serialize.
    serde_json::to_string(rows).unwrap_or_default()
}

/// Rows that are held before they are written.
const MUCH: usize = 4096;
const CHUNKS: [usize; 6] = [1024, 256, 64, 16, 4, 1];

// `OR IGNORE`: nothing can fail half-way, so SQLite keeps no copy of the pages that a statement of many rows changes.
const ADD_STATEMENTS: &str = "INSERT OR IGNORE INTO statement (entry, id, receiver) ";
const ADD_SETTLED: &str = "INSERT OR IGNORE INTO settled (message, entry, outcome) ";
const NO_MESSAGE: &str = "SELECT row.value->>0, row.value->>1 FROM json_each(?1) AS row \
    LEFT JOIN statement ON statement.entry = row.value->>1 WHERE statement.receiver IS NULL ORDER BY 1 LIMIT 1";
const NOT_TO_THEM: &str = "SELECT row.value->>0, row.value->>1 FROM json_each(?1) AS row \
    JOIN statement ON statement.entry = row.value->>1 WHERE statement.receiver <> row.value->>2 ORDER BY 1 LIMIT 1";
const ADD_OLD: &str = "INSERT OR IGNORE INTO settled (message, entry, outcome) \
    SELECT value->>1, value->>0, value->>3 FROM json_each(?1)";
const CONTRADICTED: &str = "SELECT row.value->>0, row.value->>1 FROM json_each(?1) AS row \
    JOIN settled ON settled.message = row.value->>1 WHERE settled.outcome <> row.value->>3 ORDER BY 1 LIMIT 1";
