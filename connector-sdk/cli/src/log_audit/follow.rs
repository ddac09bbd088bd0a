//! From log to log: to the end of what an earlier one has, and on in the next.

use saphan_schemas::log::Checkpoint;
use saphan_schemas::succession::NotNext;

use super::finding::Finding;
use super::loss::Loss;
use super::shown::Shown;
use super::state::{AuditState, Known};
use super::{Audit, AuditFailure, audit_one, verdict_or_failure};
use crate::log_check::chain::{self, Link};
use crate::log_check::{LogCheckError, LogReport, LogSource, Progress};

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
    let Some(newest) = shown.and_then(|text| Shown::new(source, text)) else { return Ok(here) };
    let is_new = state.is_new().await?;
    if newest.origin() == state.vkey().name() && !is_new && !state.given_is_unproven() {
        return Ok(here);
    }
    let until = (!is_new).then(|| state.vkey().name().to_owned());
    let known = state.known().await?;
    let trusted = known.iter().find(|known| known.trusted);
    let since = trusted.map(|known| known.signed.checkpoint().clone());
    let links = match chain::earlier(source, newest.checkpoint(), until.as_deref()).await {
        Ok(links) => links,
        Err(error) => return Ok(ended(since, 0, verdict_or_failure(error)?)),
    };
    if must_be_led(state, &links, &known).await?
        && let Err(error) = newest.must_lead_to(&links, state.given()).await
    {
        return Ok(ended(since, 0, verdict_or_failure(error)?));
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
    state.set_out().await?;
    let mut entries = 0;
    let nexts = links.iter().skip(1).map(Shown::earlier).chain([newest]);
    for (link, next) in links.iter().zip(nexts) {
        let audited = match &link.lost {
            None => audit_one(&*link.source, state, progress, Ok(link.signed.clone())).await?,
            Some(last) => Loss { link, last, next: &next }.audit(state, progress).await?,
        };
        entries += audited.entries;
        let Ok(report) = audited.verdict else {
            return Ok(Followed::Ended(Box::new(Audit { since, entries, ..audited })));
        };
        state.note_earlier_timestamps(&link.signed.checkpoint().origin, audited.timestamps);
        if let Err(error) = move_on(state, link, report, &next).await? {
            return Ok(ended(since, entries, error));
        }
    }
    Ok(Followed::Here { since, entries })
}

fn ended(since: Option<Checkpoint>, entries: u64, error: LogCheckError) -> Followed {
    let verdict = Err(Finding::Log(error));
    Followed::Ended(Box::new(Audit { since, shown: None, entries, verdict, timestamps: None }))
}

/// Whether the given key must sign before anything is believed: nothing that is trusted knows it; or nothing is trusted at all, nor
/// known of how the oldest of these logs ends.
async fn must_be_led(state: &mut AuditState, links: &[Link], known: &[Known]) -> Result<bool, AuditFailure> {
    if state.given_is_unproven() {
        return Ok(true);
    }
    let Some(oldest) = links.first() else { return Ok(false) };
    let is_known = known.iter().any(|known| known.signed.checkpoint() == oldest.signed.checkpoint());
    Ok(!is_known && state.trusts_nothing().await?)
}

async fn move_on(
    state: &mut AuditState,
    link: &Link,
    report: LogReport,
    next: &Shown<'_>,
) -> Result<Result<(), LogCheckError>, AuditFailure> {
    let not_in_next = |fault| Ok(Err(LogCheckError::not_next(fault)));
    if report.closed_for.as_deref() != link.lost.is_none().then_some(next.origin()) {
        return not_in_next(NotNext::NotClosed);
    }
    let size = link.signed.checkpoint().size;
    let keys = state.keys_after(size, next.origin(), link.vouching.as_deref()).await?;
    let signed = keys.iter().find(|key| next.is_signed_by(key));
    let Some(key) = signed.or_else(|| keys.first()) else { return not_in_next(NotNext::OtherRoot) };
    state.move_on(key, &link.signed, &report).await?;
    Ok(Ok(()))
}
