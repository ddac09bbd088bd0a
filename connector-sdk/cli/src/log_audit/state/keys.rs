//! Whose signature counts.

use saphan_schemas::log::{SignedCheckpoint, VerifierKey};

use super::{AuditState, START, StateError, TRUSTED};
use crate::log_check::{self, LogCheckError};

impl AuditState {
    /// The folder is bound to another key than the given one.
    pub(super) async fn bound_to(&mut self, found: String) -> Result<(), StateError> {
        let Ok(key) = found.parse::<VerifierKey>() else {
            return Err(StateError::Damaged { what: "the log's key" });
        };
        let is_of_same_log = key.name() == self.given.name();
        let until = self.trusted_end().await?;
        let is_known = log_check::registers(&self.registry(until).await?, &self.given);
        if !is_known {
            // An audit that was stopped before its log is trusted has not come to where the given key is registered. It must sign
            // what is shown before anything is believed.
            let is_of_same_hub = log_check::are_of_one_hub(key.name(), self.given.name());
            if !is_of_same_hub || !self.trusts_nothing_of_log().await? {
                return Err(StateError::OtherLog { found });
            }
        }
        self.given_is_unproven = !is_known;
        if is_of_same_log && is_known {
            self.former.push(key);
        } else {
            // Of another log of the hub, or yet to be registered: the audit goes on with the key that it was bound to.
            self.vkey = key;
        }
        Ok(())
    }

    /// Whether the given key must sign what is shown, or a log before it.
    pub(in crate::log_audit) const fn given_is_unproven(&self) -> bool {
        self.given_is_unproven
    }

    /// The given key, if it is of the log that the audit is in: its entries may register it.
    pub(in crate::log_audit) fn given_of_log(&self) -> Option<&VerifierKey> {
        Some(&self.given).filter(|given| given.name() == self.vkey.name())
    }

    /// The key that the caller gave.
    pub(in crate::log_audit) const fn given(&self) -> &VerifierKey {
        &self.given
    }

    /// Whether no audit ever came to a checkpoint.
    pub(in crate::log_audit) async fn trusts_nothing(&mut self) -> Result<bool, StateError> {
        Ok(self.place(TRUSTED).await?.is_none() && self.trusted_size().await?.is_none())
    }

    /// Whether no audit ever came to a checkpoint of the log that this one is in.
    async fn trusts_nothing_of_log(&mut self) -> Result<bool, StateError> {
        let begins_here = self.place(TRUSTED).await? == self.place(START).await?;
        Ok(begins_here && self.trusted_size().await?.is_none())
    }

    /// That this checkpoint is signed by a key of the log which the audit is in.
    pub(in crate::log_audit) fn must_have_signed(&self, signed: &SignedCheckpoint) -> Result<(), LogCheckError> {
        SignedCheckpoint::parse_and_verify_any(signed.text(), &self.vkey, &self.former)?;
        Ok(())
    }

    /// As [`Self::must_have_signed`], or by a key that the entries so far register for that log, which is the log's from then on.
    pub(in crate::log_audit) async fn must_register(
        &mut self,
        signed: &SignedCheckpoint,
    ) -> Result<Result<(), LogCheckError>, StateError> {
        let Err(unknown) = self.must_have_signed(signed) else { return Ok(Ok(())) };
        let keys = log_check::keys_of_log(&self.registry(u64::MAX).await?, &signed.checkpoint().origin, None);
        let by = keys.into_iter().find(|key| SignedCheckpoint::parse_and_verify(signed.text(), key).is_ok());
        let Some(key) = by else { return Ok(Err(unknown)) };
        self.former.push(std::mem::replace(&mut self.vkey, key));
        Ok(Ok(()))
    }

    /// As [`Self::must_have_signed`], or by a key that the trusted part registers for that log.
    pub(in crate::log_audit) async fn must_be_known(
        &mut self,
        signed: &SignedCheckpoint,
    ) -> Result<Result<(), LogCheckError>, StateError> {
        let Err(unknown) = self.must_have_signed(signed) else { return Ok(Ok(())) };
        let keys = self.keys_of_log(&signed.checkpoint().origin, None).await?;
        let is_known = keys.iter().any(|key| SignedCheckpoint::parse_and_verify(signed.text(), key).is_ok());
        Ok(if is_known { Ok(()) } else { Err(unknown) })
    }

    /// The keys of the hub's log of this name that the trusted part registers, or an entry behind it (a compact JWS), newest first.
    pub(in crate::log_audit) async fn keys_of_log(
        &mut self,
        origin: &str,
        more: Option<&str>,
    ) -> Result<Vec<VerifierKey>, StateError> {
        // The last bundle is not part of the place.
        let until = self.trusted_end().await?;
        Ok(log_check::keys_of_log(&self.registry(until).await?, origin, more))
    }
}
