//! The timestamps of a log that is followed.

use std::time::Duration;

use saphan_timestamps::Authorities;

use super::finding::Finding;
use super::state::AuditState;
use super::{Audit, AuditFailure, verdict_or_failure};
use crate::log_check::LogSource;
use crate::timestamps::{TimestampFinding, follow};

impl Audit {
    /// Checks the timestamps that were not checked before, if the log holds. A fault among them is the verdict then; that the
    /// entries hold stays known.
    ///
    /// # Errors
    /// [`AuditFailure`].
    pub async fn with_timestamps(
        mut self,
        source: &dyn LogSource,
        state: &mut AuditState,
        trusted: &Authorities,
        patience: Duration,
    ) -> Result<Self, AuditFailure> {
        let (Some(shown), Ok(_)) = (&self.shown, &self.verdict) else { return Ok(self) };
        let held = state.timestamps_held().await?;
        match follow(source, shown, held, trusted, patience).await {
            Ok(report) => {
                state.keep_timestamps_held(report.held).await?;
                self.timestamps = Some(report);
            }
            Err(TimestampFinding::Token { size, fault }) => self.verdict = Err(Finding::Timestamp { size, fault }),
            Err(TimestampFinding::Log(error)) => self.verdict = Err(Finding::Log(verdict_or_failure(error)?)),
        }
        Ok(self)
    }
}
