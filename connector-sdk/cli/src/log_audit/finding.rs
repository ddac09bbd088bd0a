//! What does not hold about a log that is followed.

use std::path::PathBuf;

use saphan_schemas::digest::Sha256Hash;
use saphan_schemas::log::{Checkpoint, SignedCheckpoint, Stamped, VerifierKey};
use saphan_timestamps::TimestampFault;

use super::state::{AuditState, StateError};
use crate::log_check::{LogCheckError, TamperClass};

/// The first thing that does not hold.
#[derive(Debug, thiserror::Error)]
pub enum Finding {
    /// In the log as it is shown now.
    #[error(transparent)]
    Log(LogCheckError),
    /// Two signed checkpoints that exclude each other. Both are kept, and prove it to everybody.
    #[error(
        "a tree of {} entries with the root {} was signed, and one of {} entries with the root {}, which is not grown from it",
        before.size, before.root, shown.size, shown.root
    )]
    Fork {
        /// What was shown before.
        before: Checkpoint,
        /// What is shown now.
        shown: Checkpoint,
        /// The folder with both, as they were signed, and the proof.
        evidence: PathBuf,
    },
    /// A timestamp beside the log proves nothing. The log itself holds.
    #[error("the timestamp for {size} entries: {fault}")]
    Timestamp {
        /// The size that it is for.
        size: u64,
        /// Why.
        fault: TimestampFault,
    },
    /// The list of timestamps is shorter than it was. The log itself holds.
    #[error("{listed} timestamps are listed, and {held} were before")]
    MissingTimestamps {
        /// How many there were.
        held: u64,
        /// How many are left.
        listed: u64,
    },
    /// The key that the auditor was given signs, and is no key of the hub.
    #[error("the given key {key} signed, and no entry up to the end of its log registers it")]
    UnregisteredKey {
        /// The key.
        key: Box<VerifierKey>,
    },
    /// Fewer entries than before. Both checkpoints are kept.
    #[error("{} entries are shown, and {} were shown before", shown.size, before.size)]
    Rollback {
        /// What was shown before.
        before: Checkpoint,
        /// What is shown now.
        shown: Checkpoint,
        /// The folder with both, as they were signed.
        evidence: PathBuf,
    },
}

impl Finding {
    pub(super) fn fork(
        state: &AuditState,
        before: &SignedCheckpoint,
        shown: &SignedCheckpoint,
        proof: &[Sha256Hash],
    ) -> Result<Self, StateError> {
        let evidence = state.keep_evidence(TamperClass::Fork, before, shown, proof)?;
        Ok(Self::Fork { before: before.checkpoint().clone(), shown: shown.checkpoint().clone(), evidence })
    }

    pub(super) fn rollback(
        state: &AuditState,
        before: &SignedCheckpoint,
        shown: &SignedCheckpoint,
    ) -> Result<Self, StateError> {
        let evidence = state.keep_evidence(TamperClass::Rollback, before, shown, &[])?;
        Ok(Self::Rollback { before: before.checkpoint().clone(), shown: shown.checkpoint().clone(), evidence })
    }

    /// Its name.
    #[must_use]
    pub fn class(&self) -> TamperClass {
        match self {
            Self::Log(error) => error.class().unwrap_or(TamperClass::ChangedCheckpoint),
            Self::Fork { .. } => TamperClass::Fork,
            Self::Rollback { .. } => TamperClass::Rollback,
            Self::UnregisteredKey { .. } => TamperClass::UnknownKey,
            Self::Timestamp { fault, .. } => match fault {
                TimestampFault::Malformed { .. } => TamperClass::MalformedTimestamp,
                TimestampFault::OtherImprint => TamperClass::OtherTimestamp,
                TimestampFault::Signature { .. } => TamperClass::ChangedTimestamp,
                TimestampFault::NotForTimestamps => TamperClass::NotForTimestamps,
                TimestampFault::Expired { .. } => TamperClass::ExpiredTimestamp,
                TimestampFault::Untrusted { .. } => TamperClass::UntrustedTimestamp,
                TimestampFault::Early { .. } => TamperClass::EarlyTimestamp,
            },
            Self::MissingTimestamps { .. } => TamperClass::MissingTimestamps,
        }
    }

    /// The entry that it is about, if it is about one.
    #[must_use]
    pub fn entry(&self) -> Option<u64> {
        match self {
            Self::Log(error) => error.index(),
            _ => None,
        }
    }

    /// The file of the log that it is about.
    #[must_use]
    pub fn file(&self) -> Option<String> {
        match self {
            Self::Log(error) => error.path(),
            Self::Timestamp { size, .. } => Some(Stamped::token_path(*size)),
            Self::MissingTimestamps { listed, .. } => Some(Stamped::page_path(listed / Stamped::PER_PAGE)),
            _ => Some("checkpoint".to_owned()),
        }
    }

    /// The folder with the two signed checkpoints that show it.
    #[must_use]
    pub const fn evidence(&self) -> Option<&PathBuf> {
        match self {
            Self::Fork { evidence, .. } | Self::Rollback { evidence, .. } => Some(evidence),
            _ => None,
        }
    }
}
