//! How many timestamps of the log were checked.

use super::{AuditState, StateError};
use crate::log_check::history::integer;

impl AuditState {
    /// How many of the log's timestamps held, counted from the first.
    pub(in crate::log_audit) async fn timestamps_held(&mut self) -> Result<u64, StateError> {
        let held: Option<i64> =
            sqlx::query_scalar("SELECT held FROM timestamps").fetch_optional(self.history.connection()).await?;
        Ok(held.map_or(0, i64::unsigned_abs))
    }

    /// So many hold.
    pub(in crate::log_audit) async fn keep_timestamps_held(&mut self, held: u64) -> Result<(), StateError> {
        let keep =
            sqlx::query("INSERT INTO timestamps (id, held) VALUES (1, ?1) ON CONFLICT (id) DO UPDATE SET held = ?1");
        keep.bind(integer(held)).execute(self.history.connection()).await?;
        Ok(())
    }
}
