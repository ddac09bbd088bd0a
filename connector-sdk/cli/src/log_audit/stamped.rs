//! The timestamps of a log that is followed.

use std::time::Duration;

use saphan_timestamps::Authorities;

use super::finding::Finding;
use super::state::AuditState;
use super::{Audit, AuditFailure, verdict_or_failure};
use crate::log_check::LogSource;
use crate::timestamps::{TimestampFinding, follow};

/// Which timestamps beside a log are believed.
#[derive(Debug)]
pub struct TimestampCheck {
    /// Whose.
    pub trusted: Authorities,
    /// How long an entry may wait for one before that is told as a gap.
    pub patience: Duration,
}

impl Audit {
    /// Checks the timestamps of one log that were not checked before, if the log holds and [`AuditState::check_timestamps`] asks for
    /// it. A fault among them is the verdict then; that the entries hold stays known.
    pub(super) async fn with_timestamps(
        mut self,
        source: &dyn LogSource,
        state: &mut AuditState,
    ) -> Result<Self, AuditFailure> {
        let Some(check) = state.timestamp_check() else { return Ok(self) };
        let (Some(shown), Ok(_)) = (&self.shown, &self.verdict) else { return Ok(self) };
        let held = state.timestamps_held().await?;
        match follow(source, shown, held, &check).await {
            Ok(report) => {
                state.keep_timestamps_held(report.held).await?;
                self.timestamps = Some(report);
            }
            Err(TimestampFinding::Token { size, fault }) => self.verdict = Err(Finding::Timestamp { size, fault }),
            Err(TimestampFinding::Missing { held, listed }) => {
                self.verdict = Err(Finding::MissingTimestamps { held, listed });
            }
            Err(TimestampFinding::Log(error)) => self.verdict = Err(Finding::Log(verdict_or_failure(error)?)),
        }
        Ok(self)
    }
}
