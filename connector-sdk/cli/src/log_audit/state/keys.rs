//! Whose signature counts.

use saphan_schemas::log::{SignedCheckpoint, VerifierKey};

use super::{AuditState, START, StateError, TRUSTED};
use crate::log_audit::finding::Finding;
use crate::log_check::{self, LogCheckError};

impl AuditState {
    /// The folder is bound to another key than the given one.
    pub(super) async fn bound_to(&mut self, found: String) -> Result<(), StateError> {
        let Ok(key) = found.parse::<VerifierKey>() else {
            return Err(StateError::Damaged { what: "the log's key" });
        };
        let is_of_same_log = key.name() == self.given.name();
        let until = self.trusted_end().await?;
        let set_out = self.set_out_with_given().await?;
        let is_known = set_out == Some(true) || log_check::registers(&self.registry(until).await?, &self.given);
        if !is_known {
            // An audit that was stopped before its log is trusted has not come to where the given key is registered. It must sign
            // what is shown before anything is believed.
            let is_of_same_hub = log_check::are_of_one_hub(key.name(), self.given.name());
            let may_go_on = set_out.is_some() || self.trusts_nothing_of_log().await?;
            if !is_of_same_hub || !may_go_on {
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

    /// That the given key is registered, if this is its log and nothing said so before: that it signs is not enough.
    pub(in crate::log_audit) async fn must_register_given(&mut self) -> Result<Result<(), Finding>, StateError> {
        let is_settled = !self.given_is_unproven || self.given_of_log().is_none();
        if is_settled || self.registers_given().await? {
            return Ok(Ok(()));
        }
        Ok(Err(Finding::UnregisteredKey { key: Box::new(self.given.clone()) }))
    }

    /// Whether the entries so far register the given key.
    pub(super) async fn registers_given(&mut self) -> Result<bool, StateError> {
        Ok(log_check::registers(&self.registry(u64::MAX).await?, &self.given))
    }

    /// The keys of the log that the audit is in, as what is trusted registers them.
    pub(super) async fn trusted_keys(&mut self) -> Result<Vec<VerifierKey>, StateError> {
        // The last bundle is not part of the place.
        let until = self.trusted_end().await?;
        Ok(log_check::keys_of_log(&self.registry(until).await?, self.vkey.name(), None))
    }

    /// The keys of the hub's log of this name, newest first: those that the first `size` entries of the present log register, all of
    /// which are trusted, and an entry behind them (a compact JWS).
    pub(in crate::log_audit) async fn keys_after(
        &mut self,
        size: u64,
        origin: &str,
        more: Option<&str>,
    ) -> Result<Vec<VerifierKey>, StateError> {
        let until = self.first().await? + size;
        Ok(log_check::keys_of_log(&self.registry(until).await?, origin, more))
    }

    /// The keys that the next log has after these entries of it, each with its index there; of the present log the first `size` count.
    pub(in crate::log_audit) async fn keys_of_next(
        &mut self,
        size: u64,
        origin: &str,
        entries: Vec<(u64, Vec<u8>)>,
    ) -> Result<Vec<VerifierKey>, StateError> {
        let first = self.first().await? + size;
        let mut registry = self.registry(first).await?;
        registry.extend(entries.into_iter().map(|(index, entry)| (first + index, entry)));
        Ok(log_check::keys_of_log(&registry, origin, None))
    }

    /// The place of the first entry of the present log.
    async fn first(&mut self) -> Result<u64, StateError> {
        Ok(self.place(TRUSTED).await?.unwrap_or_default().first)
    }
}
