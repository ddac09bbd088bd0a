//! Following a log, as an auditor does who comes again: from the checkpoint that was trusted last, and no further back.
//!
//! The fold is that of [`crate::log_check`]. In reading order:
//!
//! - [`state`]: what is kept between two audits, in a folder;
//! - `consistency`: whether the log that is shown now begins with the one that was shown before;
//! - `follow`: from log to log; `loss`: over one that was abandoned; `shown`: whether a log is the hub's next;
//! - [`finding`]: what does not hold;
//! - `stamped`: the timestamps beside the log;
//! - [`monitor`]: when somebody must be told.

pub(crate) mod consistency;
pub mod finding;
mod follow;
mod loss;
pub mod monitor;
mod shown;
mod stamped;
pub mod state;

use saphan_schemas::log::{Checkpoint, SignedCheckpoint, TILE_WIDTH};

use crate::log_check::{self, LogCheckError, LogReport, LogSource, Progress};
use crate::timestamps::TimestampReport;
use consistency::Consistency;
pub(crate) use consistency::root_at;
use finding::Finding;
use follow::Followed;
pub use stamped::TimestampCheck;
use state::{AuditState, Known, Start, StateError};

/// What an audit found.
#[derive(Debug)]
pub struct Audit {
    /// The checkpoint that was trusted before.
    pub since: Option<Checkpoint>,
    /// The signed checkpoint that the log shows; `None` if what it shows is none.
    pub shown: Option<Checkpoint>,
    /// How many entries were checked that no earlier audit had trusted, or begun with; of an audit from the start, all.
    pub entries: u64,
    /// Whether the log holds up to that checkpoint, which is then the trusted one.
    pub verdict: Result<LogReport, Finding>,
    /// What the log's timestamps show, if they were checked and hold.
    pub timestamps: Option<TimestampReport>,
}

/// Why nothing was found out.
#[derive(Debug, thiserror::Error)]
pub enum AuditFailure {
    /// The log could not be had.
    #[error(transparent)]
    Log(LogCheckError),
    /// The state folder cannot be used.
    #[error(transparent)]
    State(#[from] StateError),
}

/// Audits what the log got since the last audit in this state folder, or all of it. Where the hub has closed the log since and shows
/// a later one, it follows: each log to its end, and on in the next with the key that the one before registers for it.
///
/// # Errors
/// [`AuditFailure`]: nothing new is known about the log, and the trusted checkpoint is what it was.
pub async fn audit(
    source: &dyn LogSource,
    state: &mut AuditState,
    progress: &dyn Progress,
) -> Result<Audit, AuditFailure> {
    // What an audit before it left open, because it could not write.
    state.give_up().await;
    let shown = log_check::checkpoint_text(source).await;
    let text = shown.as_deref().ok();
    let followed = match follow::follow(source, text, state, progress).await? {
        Followed::Here { since, entries } => (since, entries),
        Followed::Ended(audit) => return Ok(*audit),
    };
    // A key that came later in this log its entries have yet to register.
    let given: Vec<_> = state.given_of_log().into_iter().cloned().collect();
    let shown = shown.and_then(|text| Ok(SignedCheckpoint::parse_and_verify_any(&text, state.vkey(), &given)?));
    let mut audit = audit_one(source, state, progress, shown).await?;
    audit.since = audit.since.or(followed.0);
    audit.entries += followed.1;
    if let Some(timestamps) = &mut audit.timestamps {
        timestamps.earlier = state.take_earlier_timestamps();
    }
    if audit.verdict.is_ok() {
        state.arrive().await?;
    }
    Ok(audit)
}

/// Audits the log that the state is in, up to this checkpoint.
async fn audit_one(
    source: &dyn LogSource,
    state: &mut AuditState,
    progress: &dyn Progress,
    signed: Result<SignedCheckpoint, LogCheckError>,
) -> Result<Audit, AuditFailure> {
    let known = state.known().await?;
    audit_against(known, source, state, progress, signed).await
}

/// As [`audit_one`], held only against this of what the log showed.
async fn audit_against(
    known: Vec<Known>,
    source: &dyn LogSource,
    state: &mut AuditState,
    progress: &dyn Progress,
    signed: Result<SignedCheckpoint, LogCheckError>,
) -> Result<Audit, AuditFailure> {
    let since = known.iter().find(|known| known.trusted).map(|known| known.signed.checkpoint().clone());
    let signed = match signed {
        Ok(signed) => signed,
        Err(error) => {
            let verdict = Err(Finding::Log(verdict_or_failure(error)?));
            return Ok(Audit { since, shown: None, entries: 0, verdict, timestamps: None });
        }
    };
    let trusted = since.as_ref().map_or(0, |since| since.size);
    let (entries, verdict) = match against_known(source, state, &known, &signed).await? {
        Standing::Excluded(finding) => (0, Err(finding)),
        Standing::Grown => go_on(source, state, progress, &signed, trusted, None).await?,
        Standing::Unproven(error) => go_on(source, state, progress, &signed, trusted, Some(error)).await?,
    };
    let audit = Audit { since, shown: Some(signed.into_checkpoint()), entries, verdict, timestamps: None };
    audit.with_timestamps(source, state).await
}

/// What is shown now, held against everything that was shown before.
enum Standing {
    /// Grown from all of it.
    Grown,
    /// Not to be had together with it.
    Excluded(Finding),
    /// The tiles that would tell are wrong. That is the verdict, unless the new entries give a better one.
    Unproven(LogCheckError),
}

async fn against_known(
    source: &dyn LogSource,
    state: &mut AuditState,
    known: &[Known],
    shown: &SignedCheckpoint,
) -> Result<Standing, AuditFailure> {
    let now = shown.checkpoint();
    // Nobody is accused by a key that may be anybody's. A closed log's last one the entries have yet to name.
    let unknown = state.must_have_signed(shown).err();
    let is_excluded = |known: &Known| {
        let before = known.signed.checkpoint();
        now.size < before.size || now.size == before.size && now.root != before.root
    };
    let unknown = match unknown {
        Some(error) if known.iter().any(is_excluded) => return Ok(Standing::Excluded(Finding::Log(error))),
        unknown => unknown,
    };
    for known in known.iter().rev() {
        let before = known.signed.checkpoint();
        if now.size < before.size {
            return Ok(Standing::Excluded(Finding::rollback(state, &known.signed, shown)?));
        }
        if now.size == before.size && now.root != before.root {
            return Ok(Standing::Excluded(Finding::fork(state, &known.signed, shown, &[])?));
        }
    }
    if unknown.is_none() {
        state.note_shown(shown).await?;
    }
    let mut standing = Standing::Grown;
    for known in known {
        match consistency::ask(source, known.signed.checkpoint(), now).await {
            Ok(Consistency::Grown) => {}
            Ok(Consistency::Forked(proof)) => {
                if let Some(error) = unknown {
                    return Ok(Standing::Excluded(Finding::Log(error)));
                }
                return Ok(Standing::Excluded(Finding::fork(state, &known.signed, shown, &proof)?));
            }
            Err(error) => standing = Standing::Unproven(verdict_or_failure(error)?),
        }
    }
    if unknown.is_none() && matches!(standing, Standing::Grown) {
        state.stands_for_earlier(shown).await?;
    }
    Ok(standing)
}

/// The fold over the new entries: how many they were, and whether they hold. What began at a place of an unfinished audit and
/// does not hold is looked at again from the trusted place, for only that one ever was under a signed root.
async fn go_on(
    source: &dyn LogSource,
    state: &mut AuditState,
    progress: &dyn Progress,
    signed: &SignedCheckpoint,
    trusted: u64,
    unproven: Option<LogCheckError>,
) -> Result<(u64, Result<LogReport, Finding>), AuditFailure> {
    loop {
        let Start { place, registry, is_ahead } = state.begin().await?;
        // Those between the trusted place and the trusted checkpoint are looked at again, and are not new.
        let begun = if place.size + u64::from(TILE_WIDTH) > trusted { trusted.max(place.size) } else { place.size };
        let entries = signed.checkpoint().size.saturating_sub(begun);
        let held = log_check::go_on(source, signed, progress, (place, &registry), state.history()).await;
        let held = held.ok_or(StateError::Damaged { what: "a place and the registry entries before it" })?;
        match held {
            Ok(report) => {
                let held = match unproven {
                    Some(error) => Err(Finding::Log(error)),
                    None => must_be_signed(state, signed).await?,
                };
                match held {
                    Ok(()) => state.trust(signed).await?,
                    Err(_) => state.forget_ahead().await?,
                }
                return Ok((entries, held.map(|()| report)));
            }
            Err(error) if error.is_verdict() => {
                state.forget_ahead().await?;
                if !is_ahead {
                    return Ok((entries, Err(Finding::Log(error))));
                }
            }
            Err(error) => {
                state.give_up().await;
                return Err(failure(error));
            }
        }
    }
}

/// By a key that the log registers; and the given key is one of these, if that was not known before.
async fn must_be_signed(state: &mut AuditState, signed: &SignedCheckpoint) -> Result<Result<(), Finding>, StateError> {
    match state.must_register(signed).await? {
        Ok(()) => state.must_register_given().await,
        Err(error) => Ok(Err(Finding::Log(error))),
    }
}

fn verdict_or_failure(error: LogCheckError) -> Result<LogCheckError, AuditFailure> {
    if error.is_verdict() { Ok(error) } else { Err(failure(error)) }
}

fn failure(error: LogCheckError) -> AuditFailure {
    match error {
        LogCheckError::History(source) => AuditFailure::State(source.into()),
        error => AuditFailure::Log(error),
    }
}
