//! A log that is shown, and whether it is what the logs before it and the given key say.

use saphan_schemas::digest::Sha256Hash;
use saphan_schemas::log::{Checkpoint, ProofPlan, SignedCheckpoint, VerifierKey, verify_inclusion};
use saphan_schemas::succession::NotNext;

use super::state::AuditState;
use super::{AuditFailure, verdict_or_failure};
use crate::log_check::chain::{self, Link, checkpoint_of};
use crate::log_check::hashes::Hashes;
use crate::log_check::{self, LogCheckError, LogSource};

/// A log with its checkpoint, whoever signed that.
pub(super) struct Shown<'a> {
    source: &'a dyn LogSource,
    text: &'a str,
    checkpoint: Checkpoint,
}

impl<'a> Shown<'a> {
    /// What a log shows now; `None` if that is no checkpoint.
    pub(super) fn new(source: &'a dyn LogSource, text: &'a str) -> Option<Self> {
        Some(Self { source, text, checkpoint: checkpoint_of(text)? })
    }

    /// An earlier log, as the next one names it.
    pub(super) fn earlier(link: &'a Link) -> Self {
        Self { source: &*link.source, text: link.signed.text(), checkpoint: link.signed.checkpoint().clone() }
    }

    pub(super) const fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    pub(super) fn origin(&self) -> &str {
        &self.checkpoint.origin
    }

    pub(super) fn is_signed_by(&self, key: &VerifierKey) -> bool {
        SignedCheckpoint::parse_and_verify(self.text, key).is_ok()
    }

    /// That `given` signed this log or one before it, and that the entry which names the log before is in each tree, from that one
    /// down to the first: what a first audit then finds in the first log is what `given` stands for.
    pub(super) async fn must_lead_to(&self, links: &[Link], given: &VerifierKey) -> Result<(), LogCheckError> {
        let at = links.iter().position(|link| link.signed.checkpoint().origin == given.name()).unwrap_or(links.len());
        let (mut source, text) = match links.get(at) {
            Some(link) => (&*link.source, link.signed.text()),
            None => (self.source, self.text),
        };
        let mut signed = SignedCheckpoint::parse_and_verify(text, given)?;
        for link in links[..at].iter().rev() {
            must_begin_with(source, &signed, link.named_in(), given).await?;
            (source, signed) = (&*link.source, link.signed.clone());
        }
        Ok(())
    }

    /// That this is the hub's log after one that it abandoned, all that is left of which is trusted. What the hub has lost it says
    /// itself: in the first entry of the tree that a key of this log signed.
    pub(super) async fn must_come_after(
        &self,
        link: &Link,
        state: &mut AuditState,
    ) -> Result<Result<(), LogCheckError>, AuditFailure> {
        let (signed, key) = match self.signed(link, state).await? {
            Ok(signed) => signed,
            Err(error) => return Ok(Err(error)),
        };
        match must_begin_with(self.source, &signed, link.named_in(), &key).await {
            Ok(()) => Ok(Ok(())),
            Err(error) => Ok(Err(verdict_or_failure(error)?)),
        }
    }

    /// With the key that signed it: one that stands after what is left of the log before, or that the operator vouches for; or one that
    /// this log registers itself, from these on.
    async fn signed(
        &self,
        link: &Link,
        state: &mut AuditState,
    ) -> Result<Result<(SignedCheckpoint, VerifierKey), LogCheckError>, AuditFailure> {
        let kept = link.signed.checkpoint().size;
        let keys = state.keys_after(kept, self.origin(), link.vouching.as_deref()).await?;
        if keys.is_empty() {
            return Ok(Err(LogCheckError::not_next(NotNext::OtherRoot)));
        }
        let error = match signed_by(self.text, &keys) {
            Err(error) => error,
            signed => return Ok(signed),
        };
        // These may have ended since.
        let keys = match chain::registry_leaves(self.source, &self.checkpoint).await {
            Ok(entries) => state.keys_of_next(kept, self.origin(), entries).await?,
            Err(unreadable) => {
                verdict_or_failure(unreadable)?;
                Vec::new()
            }
        };
        Ok(signed_by(self.text, &keys).map_err(|_| error))
    }
}

/// The checkpoint with the one of these keys that signed it.
pub(super) fn signed_by(text: &str, keys: &[VerifierKey]) -> Result<(SignedCheckpoint, VerifierKey), LogCheckError> {
    let mut fault = LogCheckError::not_next(NotNext::PreviousNotSigned);
    for key in keys {
        match SignedCheckpoint::parse_and_verify(text, key) {
            Ok(signed) => return Ok((signed, key.clone())),
            Err(error) => fault = error.into(),
        }
    }
    Err(fault)
}

/// That the first entry of the tree that is signed has this hash, as the log's tiles prove. Where it has not, the check of all
/// entries, with a key that signed the log, tells what was changed.
async fn must_begin_with(
    source: &dyn LogSource,
    signed: &SignedCheckpoint,
    first: Sha256Hash,
    key: &VerifierKey,
) -> Result<(), LogCheckError> {
    if begins_with(source, signed.checkpoint(), first).await? {
        return Ok(());
    }
    log_check::check(source, key, &()).await?;
    Err(LogCheckError::Stopped)
}

async fn begins_with(source: &dyn LogSource, log: &Checkpoint, first: Sha256Hash) -> Result<bool, LogCheckError> {
    let Ok(plan) = ProofPlan::inclusion(0, log.size) else { return Ok(false) };
    let proof = Hashes::new(source, log.size).prove(&plan).await?;
    Ok(verify_inclusion(first, 0, log.size, &proof, log.root).is_ok())
}
