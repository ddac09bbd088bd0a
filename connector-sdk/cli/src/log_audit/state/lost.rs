//! What is given up of a log that the hub has lost in part.

use saphan_schemas::log::{SignedCheckpoint, VerifierKey};

use super::{AuditState, START, StateError, TRUSTED};
use crate::log_check::history::integer;
use crate::log_check::place::Place;

impl AuditState {
    /// Forgets what the present log showed beyond a size.
    pub(in crate::log_audit) async fn forget_shown_beyond(&mut self, size: u64) -> Result<(), StateError> {
        let forget = sqlx::query("DELETE FROM checkpoint WHERE size > ?").bind(integer(size));
        forget.execute(self.history.connection()).await?;
        Ok(())
    }

    /// Goes back to the first entry of the present log, of which more was trusted than is left. What is left, as this key signed it,
    /// the log must stand by.
    pub(in crate::log_audit) async fn go_back(
        &mut self,
        kept: &SignedCheckpoint,
        key: &VerifierKey,
    ) -> Result<(), StateError> {
        let start = match self.place(START).await? {
            Some(start) => start,
            None if self.place(TRUSTED).await?.is_none_or(|place| place.first == 0) => Place::default(),
            None => return Err(StateError::LaterLog),
        };
        // With what is lost, the timestamps of it may be gone too.
        self.history
            .execute("BEGIN IMMEDIATE; DELETE FROM timestamps; DELETE FROM place WHERE name IN ('ahead', 'trusted')")
            .await?;
        self.history.forget_from(start.end()).await?;
        // The beginning of the first log is no place: nothing is trusted there.
        if start != Place::default() {
            self.history.write_place(TRUSTED, &start).await?;
        }
        self.forget_shown_beyond(kept.checkpoint().size).await?;
        let note = sqlx::query("INSERT OR IGNORE INTO checkpoint (size, text, trusted) VALUES (?, ?, 0)");
        let note = note.bind(integer(kept.checkpoint().size)).bind(kept.text());
        note.execute(self.history.connection()).await?;
        let bind = sqlx::query("UPDATE log SET vkey = ?").bind(key.to_string());
        bind.execute(self.history.connection()).await?;
        self.history.execute("COMMIT").await?;
        if self.vkey != *key {
            self.former.push(std::mem::replace(&mut self.vkey, key.clone()));
        }
        Ok(())
    }
}
