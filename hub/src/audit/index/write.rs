//! The writing side: some entries of the log in one transaction.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::mem;

use saphan_schemas::digest::Sha256Hash;
use saphan_schemas::facts::EntryFacts;
use sqlx::query_builder::QueryBuilder;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _, Sqlite, SqliteConnection};

use super::round::{Round, Row, names_of, round};
use super::term::{self, Role, fate_number};
use super::{BLOCK, IndexError, failed, signed};
use crate::audit::Fate;

/// An entry of the log, as it is indexed.
#[derive(Debug)]
pub struct Entry {
    /// Its leaf hash.
    pub hash: Sha256Hash,
    /// What it says; `None` for one that cannot be read.
    pub facts: Option<EntryFacts>,
}

/// The connection that writes.
#[derive(Debug)]
pub(in crate::audit) struct Writer {
    options: SqliteConnectOptions,
    connection: SqliteConnection,
    /// Names that are in the file.
    names: HashMap<Box<str>, i64>,
    /// The time of the last entry; one that cannot be read has it too.
    at: u64,
    /// Whether the last write is not known to have ended well: then nobody knows where the connection stands.
    suspect: bool,
}

impl Writer {
    pub(super) fn new(options: SqliteConnectOptions, connection: SqliteConnection, at: u64) -> Self {
        Self { options, connection, names: HashMap::new(), at, suspect: false }
    }

    /// Takes the entries from `first` on in, all or none. The index must end there.
    ///
    /// # Errors
    /// [`IndexError`].
    pub(in crate::audit) async fn take(&mut self, first: u64, entries: Vec<Entry>) -> Result<(), IndexError> {
        let Some(last) = entries.last().map(|entry| entry.hash) else { return Ok(()) };
        if mem::replace(&mut self.suspect, true) {
            self.connection = self.options.connect().await.map_err(failed("opened its file again"))?;
            self.names.clear();
        }
        if self.names.len() > MOST_NAMES {
            self.names.clear();
        }
        let (names, mut at) = (&mut self.names, self.at);
        let mut transaction =
            self.connection.begin_with("BEGIN IMMEDIATE").await.map_err(failed("began to take entries in"))?;
        learn(&mut transaction, names, &entries).await?;
        let round = round(first, &entries, names, &mut at);
        let next = first + entries.len() as u64;
        write(&mut transaction, round).await?;
        let moved = sqlx::query("UPDATE cursor SET next = ?2, last = ?3 WHERE next = ?1")
            .bind(signed(first))
            .bind(signed(next))
            .bind(&last.as_bytes()[..])
            .execute(&mut *transaction)
            .await
            .map_err(failed("noted how far it is"))?;
        if moved.rows_affected() != 1 {
            return Err(IndexError::Unreadable { what: "it ends elsewhere than its writer thinks" });
        }
        transaction.commit().await.map_err(failed("took entries in"))?;
        (self.at, self.suspect) = (at, false);
        Ok(())
    }

    /// Closes the file.
    pub(in crate::audit) async fn close(self) {
        if let Err(error) = self.connection.close().await {
            tracing::warn!(%error, "the auditors' index did not close in order");
        }
    }
}

/// Gives every name of the entries a number.
async fn learn(
    to: &mut SqliteConnection,
    names: &mut HashMap<Box<str>, i64>,
    entries: &[Entry],
) -> Result<(), IndexError> {
    let mut new: BTreeSet<String> = BTreeSet::new();
    for facts in entries.iter().filter_map(|entry| entry.facts.as_ref()) {
        names_of(facts, |name| {
            if !names.contains_key(name) {
                new.insert(name.to_owned());
            }
        });
    }
    if new.is_empty() {
        return Ok(());
    }
    let texts = json(&new)?;
    sqlx::query("INSERT OR IGNORE INTO name (text) SELECT value FROM json_each(?1)")
        .bind(&texts)
        .execute(&mut *to)
        .await
        .map_err(failed("took names in"))?;
    let known: Vec<(i64, String)> =
        sqlx::query_as("SELECT id, text FROM name WHERE text IN (SELECT value FROM json_each(?1))")
            .bind(&texts)
            .fetch_all(to)
            .await
            .map_err(failed("read names"))?;
    names.extend(known.into_iter().map(|(id, text)| (text.into(), id)));
    Ok(())
}

async fn write(to: &mut SqliteConnection, mut round: Round) -> Result<(), IndexError> {
    insert(to, &round.rows).await?;
    let settled = settle(to, &mut round).await?;
    erase(to, &round.erased).await?;
    let terms: Vec<_> = round.terms.iter().collect();
    sqlx::query("INSERT OR IGNORE INTO block (term, block) SELECT value ->> 0, value ->> 1 FROM json_each(?1)")
        .bind(json(&terms)?)
        .execute(&mut *to)
        .await
        .map_err(failed("listed blocks"))?;
    unlist(to, &settled).await?;
    let tally: Vec<_> = round.tally.rows().collect();
    sqlx::query(
        "INSERT INTO tally (minute, what, which, count) \
         SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3 FROM json_each(?1) WHERE true \
         ON CONFLICT (minute, what, which) DO UPDATE SET count = count + excluded.count",
    )
    .bind(json(&tally)?)
    .execute(to)
    .await
    .map_err(failed("counted"))?;
    Ok(())
}

async fn insert(to: &mut SqliteConnection, rows: &[Row]) -> Result<(), IndexError> {
    for chunk in rows.chunks(CHUNK) {
        let mut builder = QueryBuilder::<Sqlite>::new(
            "INSERT INTO entry (idx, at, kind, jti, sender, recipient, message_type, service, case_id, outcome, code, \
             acknowledgement, acknowledged, erasure) ",
        );
        builder.push_values(chunk, |mut values, row| {
            values.push_bind(signed(row.index)).push_bind(signed(row.at)).push_bind(row.kind);
            values.push_bind(row.id.as_ref().map(|id| &id[..])).push_bind(row.sender).push_bind(row.recipient);
            values.push_bind(row.message_type).push_bind(row.service);
            values.push_bind(row.case.as_ref().map(|id| &id[..])).push_bind(row.outcome).push_bind(row.code);
            values.push_bind(row.acknowledgement.map(signed)).push_bind(row.acknowledged.map(signed));
            values.push_bind(row.erasure.map(signed));
        });
        // The last chunk of a round has a length of its own: its statement is not worth keeping.
        builder.build().persistent(chunk.len() == CHUNK).execute(&mut *to).await.map_err(failed("took entries in"))?;
    }
    Ok(())
}

/// Settles messages before this round. Returns those that were.
async fn settle(to: &mut SqliteConnection, round: &mut Round) -> Result<Vec<u64>, IndexError> {
    if round.said.is_empty() {
        return Ok(Vec::new());
    }
    let messages: Vec<u64> = round.said.iter().map(|said| said.message).collect();
    let open: Vec<(i64, i64)> =
        sqlx::query_as("SELECT idx, at FROM entry WHERE idx IN (SELECT value FROM json_each(?1)) AND outcome = 0")
            .bind(json(&messages)?)
            .fetch_all(&mut *to)
            .await
            .map_err(failed("read messages"))?;
    let mut open: HashMap<i64, i64> = open.into_iter().collect();
    let mut updates = Vec::new();
    for said in mem::take(&mut round.said) {
        // Taken out, so that a second acknowledgement of this round changes nothing.
        let Some(accepted) = open.remove(&signed(said.message)) else { continue };
        round.settled(&said, accepted.unsigned_abs());
        let block = said.message / BLOCK;
        round.terms.insert((term::fate(said.fate), block));
        round.terms.extend(said.code.map(|code| (term::named(Role::Code, code), block)));
        updates.push((said.message, fate_number(said.fate), said.code, said.acknowledgement, said.at));
    }
    sqlx::query(
        "UPDATE entry SET outcome = said.value ->> 1, code = said.value ->> 2, acknowledgement = said.value ->> 3, \
         acknowledged = said.value ->> 4 FROM json_each(?1) AS said WHERE entry.idx = said.value ->> 0",
    )
    .bind(json(&updates)?)
    .execute(to)
    .await
    .map_err(failed("settled messages"))?;
    Ok(updates.into_iter().map(|(message, ..)| message).collect())
}

async fn erase(to: &mut SqliteConnection, erased: &BTreeMap<u64, u64>) -> Result<(), IndexError> {
    if erased.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "UPDATE entry SET erasure = said.value ->> 1 FROM json_each(?1) AS said \
         WHERE entry.idx = said.value ->> 0 AND entry.erasure IS NULL",
    )
    .bind(json(&erased.iter().collect::<Vec<_>>())?)
    .execute(to)
    .await
    .map_err(failed("noted erasures"))?;
    Ok(())
}

/// Blocks in which nothing is unacknowledged any more are not searched for that.
async fn unlist(to: &mut SqliteConnection, settled: &[u64]) -> Result<(), IndexError> {
    let blocks: BTreeSet<u64> = settled.iter().map(|message| message / BLOCK).collect();
    if blocks.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "DELETE FROM block WHERE term = ?1 AND block IN (SELECT value FROM json_each(?2)) AND NOT EXISTS \
         (SELECT 1 FROM entry WHERE idx >= block.block * ?3 AND idx < (block.block + 1) * ?3 AND outcome = 0)",
    )
    .bind(term::fate(Fate::Unacknowledged))
    .bind(json(&blocks)?)
    .bind(signed(BLOCK))
    .execute(to)
    .await
    .map_err(failed("took blocks off a list"))?;
    Ok(())
}

fn json(value: &impl serde::Serialize) -> Result<String, IndexError> {
    // Numbers and texts always serialize.
    serde_json::to_string(value).map_err(|_| IndexError::Unreadable { what: "a number" })
}

/// Rows of a statement: 14 values each, of 32,766 that a statement may have.
const CHUNK: usize = 128;
/// Receivers choose the codes of what they reject: the names of a log have no end.
const MOST_NAMES: usize = 20_000;
