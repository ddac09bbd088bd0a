//! What entries say that later ones are judged by: which messages there are, to whom, and what became of them.
//!
//! This grows with the log, so it is in SQLite and not in memory: in a file that SQLite removes by itself for a check of a
//! whole log, in the state folder for an audit that goes on where the last one ended. The latest entries are in memory too:
//! most that is said of an entry is said soon. Rows are written some thousand at a time; so what only the rows can tell is found
//! late, and [`History::write_out`] comes before any other verdict.

mod recent;
mod rows;
mod schema;

use std::borrow::Cow;
use std::path::Path;

use saphan_schemas::ids::SystemId;
use sqlx::SqliteConnection;

use super::error::{LeafFault, LogCheckError};
use super::place::Place;
use recent::{Found, Recent};
use rows::{OldRow, Unwritten};

/// What is known after the entries so far, but for the tree and the registry in memory.
pub(crate) struct History {
    connection: SqliteConnection,
    /// Whether anybody will ask again after this run.
    keeps: bool,
    recent: Recent,
    unwritten: Unwritten,
}

/// What the entries of one bundle say about others, and are told apart by.
#[derive(Debug, Default)]
pub(super) struct Relations {
    pub(super) statements: Vec<StatementRow>,
    pub(super) settled: Vec<Settled>,
    /// Acknowledgements of what is no place before them.
    pub(super) false_places: Vec<(u64, LeafFault)>,
    /// The entry, and the message whose body it says was erased; a message before it.
    pub(super) erased: Vec<(u64, u64)>,
    /// Leaves that the registry follows from, verbatim.
    pub(super) registry: Vec<(u64, Vec<u8>)>,
}

/// The entry of a message or of acknowledgements, what tells it from all others, and the receiver of a message.
#[derive(Debug)]
pub(super) struct StatementRow {
    pub(super) entry: u64,
    pub(super) id: StatementId,
    pub(super) receiver: Option<SystemId>,
}

/// Its own id first. That is ordered by time, so rows of new ones go to the end of their index, however long the log is.
pub(super) type StatementId = [u8; 32];

/// The entry of acknowledgements, who signed them, and the messages before it with the outcome of each and its code.
#[derive(Debug)]
pub(super) struct Settled {
    pub(super) entry: u64,
    pub(super) signer: SystemId,
    pub(super) outcomes: Vec<(u64, Cow<'static, str>)>,
}

impl Relations {
    /// What entries before this one say.
    pub(super) fn end_before(&mut self, place: u64) {
        self.statements.retain(|statement| statement.entry < place);
        self.settled.retain(|settled| settled.entry < place);
        self.false_places.retain(|(entry, _)| *entry < place);
        self.erased.retain(|(entry, _)| *entry < place);
    }
}

impl History {
    /// For one check of a whole log: nothing of it stays.
    pub(super) async fn passing() -> Result<Self, LogCheckError> {
        let mut connection = schema::connect(Path::new("")).await.map_err(LogCheckError::History)?;
        schema::make(&mut connection).await.map_err(LogCheckError::History)?;
        let mut history = Self::on(connection, false);
        history.execute("BEGIN").await.map_err(LogCheckError::History)?;
        Ok(history)
    }

    /// In a file; its tables are made if it is new.
    pub(crate) async fn kept(path: &Path) -> Result<Self, sqlx::Error> {
        let mut connection = schema::connect(path).await?;
        schema::make(&mut connection).await?;
        Ok(Self::on(connection, true))
    }

    fn on(connection: SqliteConnection, keeps: bool) -> Self {
        Self { connection, keeps, recent: Recent::from(0), unwritten: Unwritten::default() }
    }

    /// The database, for what else is kept beside.
    pub(crate) const fn connection(&mut self) -> &mut SqliteConnection {
        &mut self.connection
    }

    /// Takes what the next bundle says, in a transaction that [`Self::rest`] ends. What does not hold may be of an earlier bundle.
    pub(super) async fn take(&mut self, relations: Relations) -> Result<(), LogCheckError> {
        let Relations { statements, settled, false_places, erased, registry } = relations;
        statements.iter().for_each(|statement| self.recent.add(statement));
        self.unwritten.statements.extend(statements);
        for Settled { entry, signer, outcomes } in settled {
            for (message, outcome) in outcomes {
                self.settle_one(entry, &signer, message, outcome);
            }
        }
        for (entry, fault) in false_places {
            self.unwritten.found(entry, fault);
        }
        for (entry, message) in erased {
            match self.recent.is_message(message) {
                Some(true) => {}
                Some(false) => self.unwritten.found(entry, LeafFault::ErasesNoMessage { index: message }),
                None => self.unwritten.erased.push((entry, message)),
            }
        }
        if self.keeps {
            self.unwritten.registry.extend(registry);
        }
        if self.unwritten.is_much() { self.write_out().await } else { Ok(()) }
    }

    fn settle_one(&mut self, entry: u64, signer: &SystemId, message: u64, outcome: Cow<'static, str>) {
        match self.recent.settle(message, signer, &outcome) {
            Found::New => self.unwritten.settled.push((entry, message, outcome)),
            Found::Same => {}
            Found::Not(fault) => self.unwritten.found(entry, fault),
            Found::Older => self.unwritten.old.push(OldRow(entry, message, signer.clone(), outcome)),
        }
    }

    /// Writes what was taken, and tells what only now does not hold of it.
    pub(super) async fn write_out(&mut self) -> Result<(), LogCheckError> {
        let unwritten = std::mem::take(&mut self.unwritten);
        let fault = unwritten.write(&mut self.connection).await.map_err(LogCheckError::History)?;
        fault.map_or(Ok(()), |(index, fault)| Err(LogCheckError::Leaf { index, fault }))
    }

    /// All up to here holds: whoever comes later may go on from this place.
    pub(super) async fn rest(&mut self, place: &Place) -> Result<(), LogCheckError> {
        self.write_out().await?;
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
        (self.recent, self.unwritten) = (Recent::from(place.end()), Unwritten::default());
        self.execute("BEGIN IMMEDIATE").await?;
        self.forget_from(place.end()).await
    }

    /// Gives up what was added since [`Self::rest`].
    pub(crate) async fn give_up(&mut self) {
        self.unwritten = Unwritten::default();
        // SQLite has rolled back by itself where this fails.
        let _ = self.execute("ROLLBACK").await;
    }

    /// Drops what an older format knew of the entries, and makes the tables of this one.
    pub(crate) async fn make_anew(&mut self) -> Result<(), sqlx::Error> {
        self.execute("DROP TABLE statement; DROP TABLE settled").await?;
        schema::make(&mut self.connection).await
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
}

/// A place as SQLite has it. No log comes near the end of it.
pub(crate) fn integer(place: u64) -> i64 {
    i64::try_from(place).unwrap_or(i64::MAX)
}

/// Where an audit may go on that has not come to its checkpoint yet.
pub(crate) const AHEAD: &str = "ahead";

const FORGET_STATEMENTS: &str = "DELETE FROM statement WHERE entry >= ?";
const FORGET_SETTLED: &str = "DELETE FROM settled WHERE entry >= ?";
const FORGET_REGISTRY: &str = "DELETE FROM registry WHERE entry >= ?";
