//! From a log that the hub has closed to the next one.

use saphan_schemas::digest::Sha256Hash;
use saphan_schemas::log::{Checkpoint, ProofPlan, SignedCheckpoint, VerifierKey, verify_inclusion};
use saphan_schemas::succession::NotNext;

use super::finding::Finding;
use super::rewind::{Rewound, rewind};
use super::state::AuditState;
use super::{Audit, AuditFailure, audit_one, verdict_or_failure};
use crate::log_check::chain::{self, Link, checkpoint_of};
use crate::log_check::hashes::Hashes;
use crate::log_check::{self, LogCheckError, LogReport, LogSource, Progress};

/// How far an audit came that follows.
pub(super) enum Followed {
    /// The state is in the log that is shown.
    Here {
        /// The checkpoint that was trusted before, if it is of an earlier log.
        since: Option<Checkpoint>,
        /// The entries of earlier logs that were checked.
        entries: u64,
    },
    /// An earlier log does not hold, or what is shown is none of this hub.
    Ended(Box<Audit>),
}

/// Brings the state to the log that is shown, whoever signed that.
pub(super) async fn follow(
    source: &dyn LogSource,
    shown: Option<&str>,
    state: &mut AuditState,
    progress: &dyn Progress,
) -> Result<Followed, AuditFailure> {
    let here = Followed::Here { since: None, entries: 0 };
    // What is no checkpoint the audit itself tells.
    let Some((text, shown)) = shown.and_then(|text| Some((text, checkpoint_of(text)?))) else { return Ok(here) };
    let is_new = state.is_new().await?;
    let (is_first, is_unproven) = (state.trusts_nothing().await?, state.given_is_unproven());
    if shown.origin == state.vkey().name() && !is_new && !is_unproven {
        return Ok(here);
    }
    let until = (!is_new).then(|| state.vkey().name().to_owned());
    let ended = |since: Option<Checkpoint>, entries, error| {
        Followed::Ended(Box::new(Audit {
            since,
            shown: None,
            entries,
            verdict: Err(Finding::Log(error)),
            timestamps: None,
        }))
    };
    let trusted = |state: Vec<super::Known>| {
        state.into_iter().find(|known| known.trusted).map(|known| known.signed.into_checkpoint())
    };
    let since = trusted(state.known().await?);
    let links = match chain::earlier(source, &shown, until.as_deref()).await {
        Ok(links) => links,
        Err(error) => return Ok(ended(since, 0, verdict_or_failure(error)?)),
    };
    if is_unproven || (is_first && !links.is_empty()) {
        let newest = Shown { source, text };
        if let Err(error) = newest.must_lead_to(&links, state.given()).await {
            return Ok(ended(since, 0, verdict_or_failure(error)?));
        }
    }
    let Some(oldest) = links.first() else { return Ok(here) };
    if let Some(until) = &until
        && oldest.signed.checkpoint().origin != *until
    {
        // Not a log of the hub that was audited so far; its key does not sign it.
        return Ok(here);
    }
    if is_new {
        state.begin_with(oldest.key());
    }
    let mut entries = 0;
    let nexts = links.iter().skip(1).map(|link| link.signed.checkpoint().origin.clone()).chain([shown.origin.clone()]);
    for (link, next) in links.iter().zip(nexts) {
        let Link { source, signed, .. } = link;
        match rewind(state, link).await? {
            Rewound::Stands => {}
            Rewound::Excluded(finding) => {
                let (shown, verdict) = (Some(link.shown.clone()), Err(finding));
                return Ok(Followed::Ended(Box::new(Audit { since, shown, entries, verdict, timestamps: None })));
            }
            Rewound::Unproven(error) => return Ok(ended(since, entries, error)),
        }
        let audited = audit_one(&**source, state, progress, Ok(signed.clone())).await?;
        entries += audited.entries;
        let Ok(closed) = audited.verdict else {
            return Ok(Followed::Ended(Box::new(Audit { since, entries, ..audited })));
        };
        state.note_earlier_timestamps(&signed.checkpoint().origin, audited.timestamps);
        match move_on(state, link, closed, &next).await? {
            Ok(()) => {}
            Err(error) => return Ok(ended(since, entries, error)),
        }
    }
    Ok(Followed::Here { since, entries })
}

/// The log that is shown.
struct Shown<'a> {
    source: &'a dyn LogSource,
    text: &'a str,
}

impl Shown<'_> {
    /// That `given` signed this log or one before it, and that the entry which names the log before is in each tree, from that one
    /// down to the first: what a first audit then finds in the first log is what `given` stands for.
    async fn must_lead_to(&self, links: &[Link], given: &VerifierKey) -> Result<(), LogCheckError> {
        let at = links.iter().position(|link| link.signed.checkpoint().origin == given.name()).unwrap_or(links.len());
        let (mut source, text) = match links.get(at) {
            Some(link) => (&*link.source, link.signed.text()),
            None => (self.source, self.text),
        };
        let mut signed = SignedCheckpoint::parse_and_verify(text, given)?;
        for link in links[..at].iter().rev() {
            if !begins_with(source, signed.checkpoint(), link.named_in()).await? {
                // The check of all entries tells what was changed.
                log_check::check(source, given, &()).await?;
                return Err(LogCheckError::Stopped);
            }
            (source, signed) = (&*link.source, link.signed.clone());
        }
        Ok(())
    }
}

/// Whether the first entry of the tree that is signed has this hash, as the log's tiles prove.
async fn begins_with(source: &dyn LogSource, log: &Checkpoint, first: Sha256Hash) -> Result<bool, LogCheckError> {
    let Ok(plan) = ProofPlan::inclusion(0, log.size) else { return Ok(false) };
    let proof = Hashes::new(source, log.size).prove(&plan).await?;
    Ok(verify_inclusion(first, 0, log.size, &proof, log.root).is_ok())
}

async fn move_on(
    state: &mut AuditState,
    link: &Link,
    report: LogReport,
    next: &str,
) -> Result<Result<(), LogCheckError>, AuditFailure> {
    let not_in_next = |fault| Ok(Err(LogCheckError::not_next(fault)));
    if report.closed_for.as_deref() != link.lost.is_none().then_some(next) {
        return not_in_next(NotNext::NotClosed);
    }
    let keys = state.keys_of_log(next, link.vouching.as_deref()).await?;
    let Some(key) = keys.first() else { return not_in_next(NotNext::OtherRoot) };
    state.move_on(key, &link.signed, &report).await?;
    Ok(Ok(()))
}
