//! How many timestamps of the log were checked, and which are to be.

use std::sync::Arc;

use super::{AuditState, StateError};
use crate::log_audit::stamped::TimestampCheck;
use crate::log_check::history::integer;
use crate::timestamps::{EarlierTimestamps, TimestampReport};

/// What this process checks of timestamps.
#[derive(Default)]
pub(super) struct Stamps {
    check: Option<Arc<TimestampCheck>>,
    /// What those of logs showed that were closed since the last audit, and that nobody was told yet.
    earlier: Vec<EarlierTimestamps>,
}

impl AuditState {
    /// From now on audits check the timestamps beside each log too.
    pub fn check_timestamps(&mut self, check: TimestampCheck) {
        self.stamps.check = Some(Arc::new(check));
    }

    pub(in crate::log_audit) fn timestamp_check(&self) -> Option<Arc<TimestampCheck>> {
        self.stamps.check.clone()
    }

    /// Notes what the timestamps of a closed log show, which the audit leaves behind.
    pub(in crate::log_audit) fn note_earlier_timestamps(&mut self, log: &str, report: Option<TimestampReport>) {
        self.stamps.earlier.extend(report.map(|report| EarlierTimestamps { log: log.to_owned(), report }));
    }

    /// Those that were noted since.
    pub(in crate::log_audit) fn take_earlier_timestamps(&mut self) -> Vec<EarlierTimestamps> {
        std::mem::take(&mut self.stamps.earlier)
    }

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
