//! The key of an audit that goes from log to log, until it has arrived.

use super::{AuditState, StateError};

impl AuditState {
    /// Notes the given key before an audit goes from log to log, so that the same one may go on if it is stopped on the way: what is
    /// trusted by then may register that key not yet, or not any more.
    pub(in crate::log_audit) async fn set_out(&mut self) -> Result<(), StateError> {
        let note = sqlx::query("INSERT OR REPLACE INTO under_way (id, vkey, is_proven) VALUES (1, ?, ?)");
        let note = note.bind(self.given.to_string()).bind(!self.given_is_unproven);
        note.execute(self.history.connection()).await?;
        Ok(())
    }

    /// The audit holds up to what is shown.
    pub(in crate::log_audit) async fn arrive(&mut self) -> Result<(), StateError> {
        Ok(self.history.execute("DELETE FROM under_way").await?)
    }

    /// Whether an audit with the given key has set out and not arrived; and then, whether that key was known to be the hub's.
    pub(super) async fn set_out_with_given(&mut self) -> Result<Option<bool>, StateError> {
        let proven = sqlx::query_scalar("SELECT is_proven FROM under_way WHERE vkey = ?").bind(self.given.to_string());
        Ok(proven.fetch_optional(self.history.connection()).await?)
    }
}
