//! Whether witnesses stand for a log that was checked.

use saphan_schemas::log::{CheckpointError, Policy, SignedCheckpoint, VerifierKey};
use serde::Serialize;

use super::COSIGNED_PATH;
use super::error::LogCheckError;
use super::report::LogReport;
use super::source::{LogSource, SourceError};
use crate::log_audit::root_at;
use crate::quorum;

/// The part of a log that the quorum of a policy cosigned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Cosigned {
    /// Its entries.
    pub size: u64,
    /// The names of the witnesses in the policy.
    pub by: Vec<String>,
}

/// Witnesses do not stand for a log.
#[derive(Debug, thiserror::Error)]
pub enum NotCosigned {
    /// Too few cosigned, or not those that must.
    #[error("the checkpoint of {size} entries is {reason}")]
    TooFew {
        /// Its entries.
        size: u64,
        /// By whom it is cosigned.
        reason: String,
    },
    /// The cosigned checkpoint is not signed by the log.
    #[error("the cosigned checkpoint: {0}")]
    Checkpoint(#[from] CheckpointError),
    /// More entries were cosigned than the log shows.
    #[error("{cosigned} entries are cosigned, and the log shows {size}")]
    Rollback {
        /// What was cosigned.
        cosigned: u64,
        /// What is shown.
        size: u64,
    },
    /// Another history was cosigned.
    #[error("the cosigned checkpoint of {size} entries has another root than the log had with these")]
    Fork {
        /// The size.
        size: u64,
    },
    /// The log could not be read.
    #[error(transparent)]
    Log(#[from] LogCheckError),
}

impl NotCosigned {
    /// The name of what is wrong, for programs.
    #[must_use]
    pub fn class(&self) -> &'static str {
        match self {
            Self::TooFew { .. } => quorum::TOO_FEW,
            Self::Checkpoint(_) => "changed-checkpoint",
            Self::Rollback { .. } => "rollback",
            Self::Fork { .. } => "fork",
            Self::Log(error) => error.class().map_or("unknown", |class| class.name()),
        }
    }
}

/// The checkpoint that the quorum cosigned: the one that was checked or, where the log shows one for that, `checkpoint.cosigned`,
/// which the log must have grown from.
///
/// # Errors
/// [`NotCosigned`].
pub async fn cosigned(
    source: &dyn LogSource,
    vkey: &VerifierKey,
    report: &LogReport,
    policy: &Policy,
) -> Result<Cosigned, NotCosigned> {
    if let Ok(by) = quorum::witnesses(policy, &report.checkpoint) {
        return Ok(Cosigned { size: report.size, by });
    }
    let text = match source.fetch(COSIGNED_PATH).await {
        Ok(bytes) => String::from_utf8(bytes).map_err(|_| LogCheckError::NotText { path: COSIGNED_PATH.to_owned() })?,
        Err(SourceError::NotFound) => report.checkpoint.clone(),
        Err(error) => return Err(LogCheckError::fetch(COSIGNED_PATH, error).into()),
    };
    let signed = SignedCheckpoint::parse_and_verify(&text, vkey)?;
    let now = SignedCheckpoint::parse_and_verify(&report.checkpoint, vkey)?.into_checkpoint();
    let cosigned = signed.checkpoint();
    let size = cosigned.size;
    if size > now.size {
        return Err(NotCosigned::Rollback { cosigned: size, size: now.size });
    }
    if size > 0 && root_at(source, size, &now).await? != cosigned.root {
        return Err(NotCosigned::Fork { size });
    }
    let by = quorum::witnesses(policy, &text).map_err(|reason| NotCosigned::TooFew { size, reason })?;
    Ok(Cosigned { size, by })
}
