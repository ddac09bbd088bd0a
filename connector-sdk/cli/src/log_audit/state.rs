//! What is kept between two audits of one log, in a folder.
//!
//! `audit.db` is an SQLite file: its transactions are what makes a process that is killed leave either what was there before
//! or what should come after. Two audits never use it at once.
//!
//! | table | holds |
//! |---|---|
//! | `log` | the key that the folder is bound to; the log's name is in it |
//! | `checkpoint` | the trusted checkpoint as it was signed, `trusted` 1, or 2 while everything is audited again; and those that the log showed since and that are not audited yet |
//! | `place` | `trusted`: between the last two bundles before the trusted checkpoint; `ahead`: how far an unfinished audit came; `start`: before the first entry of a later log |
//! | `registry` | the entries that the registry follows from, verbatim; they are folded again |
//! | `timestamps` | how many of the log's timestamps hold |
//! | `under_way` | the key that was given for an audit that goes from log to log and has not arrived yet, and whether it is known to be the hub's |
//! | `statement`, `settled` | which entries are messages, to whom, and what became of them |
//!
//! `evidence/` holds pairs of signed checkpoints that exclude each other.

mod error;
mod evidence;
mod keys;
mod lost;
mod timestamps;
mod under_way;

use std::path::{Path, PathBuf};

use saphan_schemas::log::{SignedCheckpoint, VerifierKey};

use crate::log_check::LogReport;
use crate::log_check::history::{AHEAD, History, integer};
use crate::log_check::place::Place;

pub use error::StateError;

/// The state folder of one log, while it is in use.
pub struct AuditState {
    folder: PathBuf,
    /// The key that the caller gave.
    given: VerifierKey,
    /// The key of the log that the audit is in.
    vkey: VerifierKey,
    /// The key that the folder is bound to, if the log has registered another one since.
    former: Vec<VerifierKey>,
    /// Whether nothing that is trusted says that the given key is the hub's.
    given_is_unproven: bool,
    history: History,
    stamps: timestamps::Stamps,
}

/// A checkpoint that the log showed.
pub(super) struct Known {
    pub(super) signed: SignedCheckpoint,
    /// Whether everything up to it was audited.
    pub(super) trusted: bool,
}

/// Where an audit begins.
pub(super) struct Start {
    pub(super) place: Place,
    /// The entries before it that the registry follows from.
    pub(super) registry: Vec<(u64, Vec<u8>)>,
    /// Whether it lies behind the trusted checkpoint, so that nothing signed stands for it yet.
    pub(super) is_ahead: bool,
}

impl AuditState {
    /// Opens the folder of the log with this key; makes it if it is not there. The key may be one that the log has registered
    /// since the folder was bound, in the part that is trusted: the next audit that holds binds it anew. It may be one of a later log
    /// of the hub, if the audit with that key was stopped before it came to that.
    ///
    /// # Errors
    /// [`StateError`].
    pub async fn open(folder: &Path, vkey: &VerifierKey) -> Result<Self, StateError> {
        std::fs::create_dir_all(folder).map_err(|source| StateError::Folder { path: folder.to_owned(), source })?;
        let mut history = History::kept(&folder.join(FILE)).await?;
        let check: String = sqlx::query_scalar("PRAGMA quick_check(1)").fetch_one(history.connection()).await?;
        if check != "ok" {
            return Err(StateError::Damaged { what: "audit.db" });
        }
        sqlx::raw_sql(TABLES).execute(history.connection()).await?;
        let bound = sqlx::query_as("SELECT format, vkey FROM log");
        let mut bound: Option<(i64, String)> = bound.fetch_optional(history.connection()).await?;
        let (given, vkey) = (vkey.clone(), vkey.clone());
        let stamps = Default::default();
        let mut state = Self {
            folder: folder.to_owned(),
            given,
            vkey,
            former: Vec::new(),
            given_is_unproven: false,
            history,
            stamps,
        };
        if let Some((found @ FORMAT_WITH_HASHED_IDS, _)) = &mut bound
            && state.change_format().await?
        {
            *found = FORMAT;
        }
        match bound {
            Some((found, _)) if found != FORMAT => Err(StateError::OtherFormat { found }),
            Some((_, found)) if found != state.vkey.to_string() => {
                state.bound_to(found).await?;
                Ok(state)
            }
            _ => Ok(state),
        }
    }

    /// The place after the last entry that is trusted, over all of the hub's logs.
    async fn trusted_end(&mut self) -> Result<u64, StateError> {
        let place = self.place(TRUSTED).await?.unwrap_or_default();
        Ok(place.first + self.trusted_size().await?.unwrap_or(place.size))
    }

    /// The size of the trusted checkpoint, unless everything is audited again.
    pub(super) async fn trusted_size(&mut self) -> Result<Option<u64>, StateError> {
        let size = sqlx::query_scalar("SELECT size FROM checkpoint WHERE trusted = 1");
        let size: Option<i64> = size.fetch_optional(self.history.connection()).await?;
        Ok(size.map(i64::unsigned_abs))
    }

    /// The key that the folder is bound to.
    #[must_use]
    pub const fn vkey(&self) -> &VerifierKey {
        &self.vkey
    }

    /// Forgets what was audited, so that the next audit begins with the first entry. What the log showed is not forgotten.
    ///
    /// # Errors
    /// [`StateError`].
    pub async fn start_over(&mut self) -> Result<(), StateError> {
        if self.place(TRUSTED).await?.is_some_and(|place| place.first > 0) {
            return Err(StateError::LaterLog);
        }
        self.history.execute("BEGIN IMMEDIATE; DELETE FROM place; DELETE FROM timestamps").await?;
        self.history.execute(AUDITED_AGAIN).await?;
        self.history.forget_from(0).await?;
        Ok(self.history.execute("COMMIT").await?)
    }

    /// From the format before: everything is audited again, from the first entry; what the log showed stays. Not in a later log of
    /// the hub, whose first entries cannot be audited without those before.
    async fn change_format(&mut self) -> Result<bool, StateError> {
        if self.place(TRUSTED).await?.is_some_and(|place| place.first > 0) {
            return Ok(false);
        }
        self.history
            .execute("BEGIN IMMEDIATE; DELETE FROM place; DELETE FROM timestamps; DELETE FROM registry")
            .await?;
        self.history.execute(AUDITED_AGAIN).await?;
        self.history.make_anew().await?;
        let format = sqlx::query("UPDATE log SET format = ?").bind(FORMAT);
        format.execute(self.history.connection()).await?;
        self.history.execute("COMMIT").await?;
        Ok(true)
    }

    pub(super) const fn history(&mut self) -> &mut History {
        &mut self.history
    }

    /// What the log showed, the fewest entries first.
    pub(super) async fn known(&mut self) -> Result<Vec<Known>, StateError> {
        let rows = sqlx::query_as("SELECT text, trusted FROM checkpoint ORDER BY size");
        let rows: Vec<(String, bool)> = rows.fetch_all(self.history.connection()).await?;
        let keys: Vec<_> = self.former.iter().chain(self.given_of_log()).cloned().collect();
        let (mut known, mut standing) = (Vec::with_capacity(rows.len()), None);
        for (text, trusted) in rows {
            let mut signed = SignedCheckpoint::parse_and_verify_any(&text, &self.vkey, &keys).ok();
            if signed.is_none() {
                // The folder is bound to one key of the log, and another one signed this.
                let standing = match &mut standing {
                    Some(standing) => standing,
                    None => standing.insert(self.trusted_keys().await?),
                };
                signed = SignedCheckpoint::parse_and_verify_any(&text, &self.vkey, standing).ok();
            }
            known.push(Known { signed: signed.ok_or(StateError::Damaged { what: "a signed checkpoint" })?, trusted });
        }
        Ok(known)
    }

    /// Keeps a checkpoint that the log shows, before anything of it is audited: the log must stand by it from now on. The first
    /// one binds the folder to the key that signed it.
    pub(super) async fn note_shown(&mut self, signed: &SignedCheckpoint) -> Result<(), StateError> {
        let bind = sqlx::query(BIND).bind(FORMAT).bind(self.vkey.to_string());
        bind.execute(self.history.connection()).await?;
        let note = sqlx::query(NOTE_SHOWN).bind(integer(signed.checkpoint().size)).bind(signed.text()).bind(MOST_SHOWN);
        note.execute(self.history.connection()).await?;
        Ok(())
    }

    /// The log that this checkpoint is of has grown from all that was shown earlier: who stands by it, stands by those.
    pub(super) async fn stands_for_earlier(&mut self, signed: &SignedCheckpoint) -> Result<(), StateError> {
        let size = integer(signed.checkpoint().size);
        let note = sqlx::query("INSERT OR IGNORE INTO checkpoint (size, text, trusted) VALUES (?, ?, 0)");
        note.bind(size).bind(signed.text()).execute(self.history.connection()).await?;
        let forget = sqlx::query("DELETE FROM checkpoint WHERE NOT trusted AND size < ?");
        forget.bind(size).execute(self.history.connection()).await?;
        Ok(())
    }

    /// Begins an audit where the last one ended or was stopped.
    pub(super) async fn begin(&mut self) -> Result<Start, StateError> {
        let ahead = self.place(AHEAD).await?;
        let is_ahead = ahead.is_some();
        let place = match ahead {
            Some(place) => place,
            None => self.place(TRUSTED).await?.unwrap_or_default(),
        };
        self.history.begin(&place).await?;
        let messages = sqlx::query_scalar("SELECT count(receiver) FROM statement");
        let messages: i64 = messages.fetch_one(self.history.connection()).await?;
        if messages != integer(place.counts.messages) {
            self.history.give_up().await;
            return Err(StateError::Damaged { what: "the list of messages" });
        }
        let registry = self.registry(place.end()).await?;
        Ok(Start { place, registry, is_ahead })
    }

    /// Ends an audit that came to its checkpoint, which is the trusted one from now on. What the log showed beyond it stays.
    pub(super) async fn trust(&mut self, signed: &SignedCheckpoint) -> Result<(), StateError> {
        if let Some(place) = self.place(AHEAD).await? {
            self.history.write_place(TRUSTED, &place).await?;
            self.history.execute("DELETE FROM place WHERE name = 'ahead'").await?;
        }
        let size = integer(signed.checkpoint().size);
        let forget = sqlx::query("DELETE FROM checkpoint WHERE size <= ?").bind(size);
        forget.execute(self.history.connection()).await?;
        let trust = sqlx::query("INSERT INTO checkpoint (size, text, trusted) VALUES (?, ?, 1)");
        trust.bind(size).bind(signed.text()).execute(self.history.connection()).await?;
        let bind = sqlx::query(BIND_ANEW).bind(self.vkey.to_string()).bind(size);
        bind.execute(self.history.connection()).await?;
        let is_unproven = self.given_is_unproven && !self.registers_given().await?;
        self.history.execute("COMMIT").await?;
        self.given_is_unproven = is_unproven;
        Ok(())
    }

    /// Goes on in the next log, whose key this is, after the trusted checkpoint of a log that is closed and of which everything is
    /// audited.
    pub(super) async fn move_on(
        &mut self,
        vkey: &VerifierKey,
        closed: &SignedCheckpoint,
        report: &LogReport,
    ) -> Result<(), StateError> {
        let before = self.place(TRUSTED).await?.unwrap_or_default();
        let place = Place {
            first: before.first + closed.checkpoint().size,
            previous: Some(closed.text().to_owned()),
            size: 0,
            levels: Vec::new(),
            counts: report.leaves,
            signatures: report.signatures,
            ts: report.ts,
        };
        self.history
            .execute("BEGIN IMMEDIATE; DELETE FROM checkpoint; DELETE FROM place; DELETE FROM timestamps")
            .await?;
        self.history.write_place(TRUSTED, &place).await?;
        self.history.write_place(START, &place).await?;
        let bind = sqlx::query("UPDATE log SET vkey = ?").bind(vkey.to_string());
        bind.execute(self.history.connection()).await?;
        self.history.execute("COMMIT").await?;
        (self.vkey, self.former) = (vkey.clone(), Vec::new());
        self.given_is_unproven = self.given_is_unproven && self.given != self.vkey;
        Ok(())
    }

    /// Begins in the log of this key, which is the hub's first.
    pub(super) fn begin_with(&mut self, vkey: &VerifierKey) {
        self.vkey = vkey.clone();
        self.given_is_unproven = self.given != self.vkey;
    }

    /// Whether nothing was ever audited, and no log has shown anything.
    pub(super) async fn is_new(&mut self) -> Result<bool, StateError> {
        let is_bound: bool =
            sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM log)").fetch_one(self.history.connection()).await?;
        if is_bound {
            return Ok(false);
        }
        Ok(self.place(TRUSTED).await?.is_none() && self.place(AHEAD).await?.is_none() && self.known().await?.is_empty())
    }

    /// Ends an audit that found something: the next one begins at the trusted place.
    pub(super) async fn forget_ahead(&mut self) -> Result<(), StateError> {
        self.history.give_up().await;
        Ok(self.history.execute("DELETE FROM place WHERE name = 'ahead'").await?)
    }

    /// Ends an audit that could not go on: the next one does, from where this one rested last.
    pub(super) async fn give_up(&mut self) {
        self.history.give_up().await;
    }

    /// The entries before a place that the registry follows from.
    async fn registry(&mut self, until: u64) -> Result<Vec<(u64, Vec<u8>)>, StateError> {
        let leaves =
            sqlx::query_as("SELECT entry, leaf FROM registry WHERE entry < ? ORDER BY entry").bind(integer(until));
        let leaves: Vec<(i64, Vec<u8>)> = leaves.fetch_all(self.history.connection()).await?;
        Ok(leaves.into_iter().map(|(entry, leaf)| (entry.unsigned_abs(), leaf)).collect())
    }

    async fn place(&mut self, name: &str) -> Result<Option<Place>, StateError> {
        let place = sqlx::query_as("SELECT content, sum FROM place WHERE name = ?").bind(name);
        let place: Option<(String, String)> = place.fetch_optional(self.history.connection()).await?;
        let read = |(content, sum): (String, String)| {
            Place::from_text(&content, &sum).ok_or(StateError::Damaged { what: "a place" })
        };
        place.map(read).transpose()
    }
}

const FILE: &str = "audit.db";
const TRUSTED: &str = "trusted";
const START: &str = "start";
const FORMAT: i64 = 2;
/// The one before told statements apart by hashes alone.
const FORMAT_WITH_HASHED_IDS: i64 = 1;
const BIND: &str = "INSERT INTO log (format, vkey) SELECT ?1, ?2 WHERE NOT EXISTS (SELECT 1 FROM log)";
/// What was shown beyond the trusted checkpoint is signed by the key that the folder is bound to.
const BIND_ANEW: &str = "UPDATE log SET vkey = ? WHERE NOT EXISTS (SELECT 1 FROM checkpoint WHERE size > ?)";
/// Each is one more proof at every audit; a log that does not hold for weeks shows thousands, and the first ones bind it.
const MOST_SHOWN: i64 = 64;
const AUDITED_AGAIN: &str = "UPDATE checkpoint SET trusted = 2 WHERE trusted";
const NOTE_SHOWN: &str = "INSERT OR IGNORE INTO checkpoint (size, text, trusted) \
    SELECT ?1, ?2, 0 WHERE (SELECT count(*) FROM checkpoint) < ?3";
const TABLES: &str = "\
CREATE TABLE IF NOT EXISTS log (format INTEGER NOT NULL, vkey TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS checkpoint (size INTEGER PRIMARY KEY, text TEXT NOT NULL, trusted INTEGER NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS timestamps (id INTEGER PRIMARY KEY, held INTEGER NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS under_way (id INTEGER PRIMARY KEY, vkey TEXT NOT NULL, is_proven INTEGER NOT NULL) STRICT;";
