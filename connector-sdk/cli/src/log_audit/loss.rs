//! Over a log that the hub has abandoned: what is left of it is audited, and what was shown or trusted beyond is given up.

use saphan_schemas::log::SignedCheckpoint;

use super::consistency::{self, Consistency};
use super::finding::Finding;
use super::shown::{Shown, signed_by};
use super::state::{AuditState, Known};
use super::{Audit, AuditFailure, audit_against, verdict_or_failure};
use crate::log_check::Progress;
use crate::log_check::chain::Link;

/// A log that was lost in part, as the next one says.
pub(super) struct Loss<'a> {
    /// It, up to what is left.
    pub(super) link: &'a Link,
    /// The last checkpoint of it that the hub knows of.
    pub(super) last: &'a SignedCheckpoint,
    /// What says so.
    pub(super) next: &'a Shown<'a>,
}

impl Loss<'_> {
    /// Audits what is left. Whoever serves the log can show an old checkpoint as what is left, and any log as the next: so nothing is
    /// given up before the entries that are left, all of them trusted by then, have told whose the next one is.
    ///
    /// An audit that is stopped in between finds what was trusted before; or all that is left of it trusted; or, if more was, nothing
    /// of this log, but the checkpoint of what is left.
    pub(super) async fn audit(&self, state: &mut AuditState, progress: &dyn Progress) -> Result<Audit, AuditFailure> {
        let more_was_trusted = state.trusted_size().await?.is_some_and(|size| size > self.kept());
        if more_was_trusted {
            return match self.give_up_beyond(state, true).await? {
                Ok(()) => self.audit_what_is_left(state, progress).await,
                Err(finding) => Ok(self.found(0, finding)),
            };
        }
        let audited = self.audit_what_is_left(state, progress).await?;
        if audited.verdict.is_err() {
            return Ok(audited);
        }
        match self.give_up_beyond(state, false).await? {
            Ok(()) => Ok(audited),
            Err(finding) => Ok(self.found(audited.entries, finding)),
        }
    }

    /// How many entries are left.
    const fn kept(&self) -> u64 {
        self.link.signed.checkpoint().size
    }

    fn found(&self, entries: u64, finding: Finding) -> Audit {
        let shown = Some(self.link.shown.checkpoint().clone());
        Audit { since: None, shown, entries, verdict: Err(finding), timestamps: None }
    }

    /// Of what the log showed only what is left can be held against it yet.
    async fn audit_what_is_left(&self, state: &mut AuditState, progress: &dyn Progress) -> Result<Audit, AuditFailure> {
        let mut known = state.known().await?;
        known.retain(|known| known.signed.checkpoint().size <= self.kept());
        audit_against(known, &*self.link.source, state, progress, Ok(self.link.signed.clone())).await
    }

    /// Gives up what was shown beyond what is left, if the hub says itself that it has lost that, and if nothing excludes it. It is kept
    /// with the evidence: nobody else may have it any more. All that is left is trusted; if more was, this goes back to the first entry.
    async fn give_up_beyond(
        &self,
        state: &mut AuditState,
        more_was_trusted: bool,
    ) -> Result<Result<(), Finding>, AuditFailure> {
        let kept = &self.link.signed;
        // Of what is lost nothing counts, and keys that were registered or revoked there neither.
        let keys = state.keys_after(self.kept(), &kept.checkpoint().origin, None).await?;
        let signed = signed_by(kept.text(), &keys).and_then(|kept| {
            signed_by(self.last.text(), &keys)?;
            signed_by(self.link.shown.text(), &keys)?;
            Ok(kept)
        });
        let (_, key) = match signed {
            Ok(signed) => signed,
            Err(error) => return Ok(Err(Finding::Log(error))),
        };
        let mut beyond = state.known().await?;
        beyond.retain(|known| known.signed.checkpoint().size > self.kept());
        // All of this the hub signed, whatever the next log is; that it knows of less it must have said itself.
        if let Err(finding) = self.must_be_one_history(&beyond, state).await? {
            return Ok(Err(finding));
        }
        if let Err(error) = self.next.must_come_after(self.link, state).await? {
            return Ok(Err(Finding::Log(error)));
        }
        let last = self.last.checkpoint().size;
        if let Some(known) = beyond.iter().rev().find(|known| known.signed.checkpoint().size > last) {
            return Ok(Err(Finding::rollback(state, &known.signed, self.last)?));
        }
        for known in &beyond {
            state.keep_abandoned(&known.signed, self.last)?;
        }
        if more_was_trusted {
            state.go_back(kept, &key).await?;
        } else if !beyond.is_empty() {
            state.forget_shown_beyond(self.kept()).await?;
        }
        Ok(Ok(()))
    }

    /// That the last checkpoint which the hub knows of, and what the log shows, are of the history that it showed before.
    async fn must_be_one_history(
        &self,
        beyond: &[Known],
        state: &AuditState,
    ) -> Result<Result<(), Finding>, AuditFailure> {
        let (last, shown) = (self.last.checkpoint(), &self.link.shown);
        for known in beyond.iter().rev() {
            let before = known.signed.checkpoint();
            if before.size == last.size && before.root != last.root {
                return Ok(Err(Finding::fork(state, &known.signed, self.last, &[])?));
            }
            // Of what lies between the two, the hub may have nothing to show.
            if before.size > shown.checkpoint().size {
                continue;
            }
            match consistency::ask(&*self.link.source, before, shown.checkpoint()).await {
                Ok(Consistency::Grown) => {}
                Ok(Consistency::Forked(proof)) => {
                    return Ok(Err(Finding::fork(state, &known.signed, shown, &proof)?));
                }
                Err(error) => return Ok(Err(Finding::Log(verdict_or_failure(error)?))),
            }
        }
        Ok(Ok(()))
    }
}
