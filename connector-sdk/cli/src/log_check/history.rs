//! What entries say that later ones are judged by: which messages there are, to whom, and what became of them.
//!
//! This grows with the log, so it is in SQLite and not in memory: in a file that SQLite removes by itself for a check of a
//! whole log, in the state folder for an audit that goes on where the last one ended.

mod schema;

use std::path::Path;

use saphan_schemas::ids::SystemId;
use serde::Serialize;
use sqlx::SqliteConnection;

use super::error::{LeafFault, LogCheckError};
use super::place::Place;

/// What is known after the entries so far, but for the tree and the registry in memory.
pub(crate) struct History {
    connection: SqliteConnection,
    /// Whether anybody will ask again after this run.
    keeps: bool,
}

/// What the entries of one bundle say about others, and are told apart by.
#[derive(Debug, Default)]
pub(super) struct Relations {
    pub(super) statements: Vec<StatementRow>,
    pub(super) settled: Vec<SettledRow>,
    /// The entry, and the message whose body it says was erased; a message before it.
    pub(super) erased: Vec<(u64, u64)>,
    /// Leaves that the registry follows from, verbatim.
    pub(super) registry: Vec<(u64, Vec<u8>)>,
}

/// The entry of a message or of acknowledgements, what tells it from all others, and the receiver of a message.
#[derive(Debug, Serialize)]
pub(super) struct StatementRow(pub(super) u64, pub(super) String, pub(super) Option<SystemId>);

/// The entry of an acknowledgement, the message before it, who signed it, and the outcome with its code.
#[derive(Debug, Serialize)]
pub(super) struct SettledRow(pub(super) u64, pub(super) u64, pub(super) SystemId, pub(super) String);

impl History {
    /// For one check of a whole log: nothing of it stays.
    pub(super) async fn passing() -> Result<Self, LogCheckError> {
        let mut connection = schema::connect(Path::new("")).await.map_err(LogCheckError::History)?;
        schema::make(&mut connection).await.map_err(LogCheckError::History)?;
        let mut history = Self { connection, keeps: false };
        history.execute("BEGIN").await.map_err(LogCheckError::History)?;
        Ok(history)
    }

    /// In a file; its tables are made if it is new.
    pub(crate) async fn kept(path: &Path) -> Result<Self, sqlx::Error> {
        let mut connection = schema::connect(path).await?;
        schema::make(&mut connection).await?;
        Ok(Self { connection, keeps: true })
    }

    /// The database, for what else is kept beside.
    pub(crate) const fn connection(&mut self) -> &mut SqliteConnection {
        &mut self.connection
    }

    /// Takes what the next bundle says, in a transaction that [`Self::rest`] ends.
    pub(super) async fn take(&mut self, relations: &Relations) -> Result<(), LogCheckError> {
        let fault = match self.judge(relations).await.map_err(LogCheckError::History)? {
            Some((index, fault)) => Err(LogCheckError::Leaf { index, fault }),
            None => Ok(()),
        };
        if self.keeps {
            self.keep_registry(&relations.registry).await.map_err(LogCheckError::History)?;
        }
        fault
    }

    /// All up to here holds: whoever comes later may go on from this place.
    pub(super) async fn rest(&mut self, place: &Place) -> Result<(), LogCheckError> {
        if !self.keeps {
            return Ok(());
        }
        let rested = async {
            self.write_place(AHEAD, place).await?;
            self.execute("COMMIT").await?;
            self.execute("BEGIN IMMEDIATE").await
        };
        rested.await.map_err(LogCheckError::History)
    }

    /// Begins to add entries from a place on, in a transaction; forgets what was known of later ones.
    pub(crate) async fn begin(&mut self, place: &Place) -> Result<(), sqlx::Error> {
        self.execute("BEGIN IMMEDIATE").await?;
        self.forget_from(place.end()).await
    }

    /// Gives up what was added since [`Self::rest`].
    pub(crate) async fn give_up(&mut self) {
        // SQLite has rolled back by itself where this fails.
        let _ = self.execute("ROLLBACK").await;
    }

    pub(crate) async fn execute(&mut self, statement: &'static str) -> Result<(), sqlx::Error> {
        sqlx::raw_sql(statement).execute(&mut self.connection).await.map(|_| ())
    }

    pub(crate) async fn forget_from(&mut self, entry: u64) -> Result<(), sqlx::Error> {
        for table in [FORGET_STATEMENTS, FORGET_SETTLED, FORGET_REGISTRY] {
            sqlx::query(table).bind(integer(entry)).execute(&mut self.connection).await?;
        }
        Ok(())
    }

    pub(crate) async fn write_place(&mut self, name: &str, place: &Place) -> Result<(), sqlx::Error> {
        let (content, sum) = place.to_text();
        let write = sqlx::query("INSERT OR REPLACE INTO place (name, content, sum) VALUES (?, ?, ?)");
        write.bind(name).bind(content).bind(sum).execute(&mut self.connection).await.map(|_| ())
    }

    /// Each fault by the place of the entry that has it.
    async fn judge(&mut self, relations: &Relations) -> Result<Option<(u64, LeafFault)>, sqlx::Error> {
        let Relations { statements, settled, erased, .. } = relations;
        if let Some((index, first)) = self.add_statements(statements).await? {
            return Ok(Some((index, LeafFault::Duplicate { first })));
        }
        if let Some(fault) = self.add_settled(settled).await? {
            return Ok(Some(fault));
        }
        let lost = if erased.is_empty() { None } else { self.first(NO_MESSAGE, erased).await? };
        Ok(lost.map(|(index, message)| (index, LeafFault::ErasesNoMessage { index: message })))
    }

    /// Gives the first one that was there before, and where.
    async fn add_statements(&mut self, statements: &[StatementRow]) -> Result<Option<(u64, u64)>, sqlx::Error> {
        if statements.is_empty() {
            return Ok(None);
        }
        let rows = json(&statements);
        let added = sqlx::query(ADD_STATEMENTS).bind(rows).execute(&mut self.connection).await?.rows_affected();
        if added == statements.len() as u64 { Ok(None) } else { self.first(DUPLICATE, &statements).await }
    }

    async fn add_settled(&mut self, settled: &[SettledRow]) -> Result<Option<(u64, LeafFault)>, sqlx::Error> {
        if settled.is_empty() {
            return Ok(None);
        }
        if let Some((index, message)) = self.first(NO_MESSAGE, &settled).await? {
            return Ok(Some((index, LeafFault::AcknowledgesNoMessage { index: message })));
        }
        if let Some((index, message)) = self.first(NOT_TO_THEM, &settled).await? {
            return Ok(Some((index, LeafFault::NotTheReceiver { index: message })));
        }
        sqlx::query(ADD_SETTLED).bind(json(&settled)).execute(&mut self.connection).await?;
        let contradicted = self.first(CONTRADICTED, &settled).await?;
        Ok(contradicted.map(|(index, message)| (index, LeafFault::OtherOutcome { index: message })))
    }

    async fn keep_registry(&mut self, leaves: &[(u64, Vec<u8>)]) -> Result<(), sqlx::Error> {
        for (entry, leaf) in leaves {
            let add = sqlx::query("INSERT INTO registry (entry, leaf) VALUES (?, ?)");
            add.bind(integer(*entry)).bind(leaf).execute(&mut self.connection).await?;
        }
        Ok(())
    }

    /// The first pair of places that a statement finds among these rows.
    async fn first(
        &mut self,
        statement: &'static str,
        rows: &impl Serialize,
    ) -> Result<Option<(u64, u64)>, sqlx::Error> {
        let found: Option<(i64, i64)> =
            sqlx::query_as(statement).bind(json(rows)).fetch_optional(&mut self.connection).await?;
        Ok(found.map(|(index, other)| (index.unsigned_abs(), other.unsigned_abs())))
    }
}

/// A place as SQLite has it. No log comes near the end of it.
pub(crate) fn integer(place: u64) -> i64 {
    i64::try_from(place).unwrap_or(i64::MAX)
}

fn json(rows: &impl Serialize) -> String {
    // Numbers and names always serialize.
    serde_json::to_string(rows).unwrap_or_default()
}

/// Where an audit may go on that has not come to its checkpoint yet.
pub(crate) const AHEAD: &str = "ahead";

// `OR IGNORE`: nothing can fail half-way, so SQLite keeps no copy of the pages that a statement of many rows changes.
const ADD_STATEMENTS: &str = "INSERT OR IGNORE INTO statement (entry, id, receiver) \
    SELECT value->>0, value->>1, value->>2 FROM json_each(?1)";
const DUPLICATE: &str = "SELECT row.value->>0, statement.entry FROM json_each(?1) AS row \
    JOIN statement ON statement.id = row.value->>1 AND statement.entry <> row.value->>0 ORDER BY 1 LIMIT 1";
const NO_MESSAGE: &str = "SELECT row.value->>0, row.value->>1 FROM json_each(?1) AS row \
    LEFT JOIN statement ON statement.entry = row.value->>1 WHERE statement.receiver IS NULL ORDER BY 1 LIMIT 1";
const NOT_TO_THEM: &str = "SELECT row.value->>0, row.value->>1 FROM json_each(?1) AS row \
    JOIN statement ON statement.entry = row.value->>1 WHERE statement.receiver <> row.value->>2 ORDER BY 1 LIMIT 1";
const ADD_SETTLED: &str = "INSERT OR IGNORE INTO settled (message, entry, outcome) \
    SELECT value->>1, value->>0, value->>3 FROM json_each(?1)";
const CONTRADICTED: &str = "SELECT row.value->>0, row.value->>1 FROM json_each(?1) AS row \
    JOIN settled ON settled.message = row.value->>1 WHERE settled.outcome <> row.value->>3 ORDER BY 1 LIMIT 1";
const FORGET_STATEMENTS: &str = "DELETE FROM statement WHERE entry >= ?";
const FORGET_SETTLED: &str = "DELETE FROM settled WHERE entry >= ?";
const FORGET_REGISTRY: &str = "DELETE FROM registry WHERE entry >= ?";
