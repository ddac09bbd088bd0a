//! A key of a system with its life: from when to when it may sign.

use super::SystemKey;
use crate::problem::ProblemCode;

/// A key, also after its end: old messages stay verifiable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRecord {
    /// The key and its system.
    pub key: SystemKey,
    /// When it was revoked, in seconds since 1970.
    pub revoked: Option<u64>,
}

/// Why a key may not sign at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyNotUsable {
    /// It was revoked.
    #[error("was revoked")]
    Revoked,
    /// Before its `not_before`.
    #[error("is not valid yet")]
    NotYet,
    /// At or after its `not_after`.
    #[error("has expired")]
    Expired,
}

impl KeyRecord {
    /// Whether the key may sign at `now` (seconds since 1970).
    ///
    /// # Errors
    /// Why not.
    pub fn usable_at(&self, now: u64) -> Result<(), KeyNotUsable> {
        if self.revoked.is_some() {
            Err(KeyNotUsable::Revoked)
        } else if self.key.not_before.is_some_and(|start| now < start) {
            Err(KeyNotUsable::NotYet)
        } else if self.key.not_after.is_some_and(|end| now >= end) {
            Err(KeyNotUsable::Expired)
        } else {
            Ok(())
        }
    }

    /// When it stopped being usable, if it did before `now`; both in seconds since 1970.
    #[must_use]
    pub fn ended(&self, now: u64) -> Option<u64> {
        [self.revoked, self.key.not_after.filter(|end| now >= *end)].into_iter().flatten().min()
    }
}

impl From<KeyNotUsable> for ProblemCode {
    fn from(reason: KeyNotUsable) -> Self {
        match reason {
            KeyNotUsable::Revoked => Self::KeyRevoked,
            KeyNotUsable::NotYet | KeyNotUsable::Expired => Self::KeyNotValid,
        }
    }
}
