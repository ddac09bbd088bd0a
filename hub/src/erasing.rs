//! How bodies end: when their time has come, or when the operator says so.
//!
//! What is erased is a message's body with its salt: their key is destroyed, and an `erasure` leaf says so. Envelope, receipt,
//! acknowledgement and the log stay. [`upkeep`] erases what was kept long enough.

pub mod upkeep;

use std::fmt;

use futures_util::future::join_all;
use saphan_schemas::digest::Sha256Hash;
use saphan_schemas::envelope::UnverifiedEnvelope;
use saphan_schemas::ids::{CaseId, Code};
use saphan_schemas::leaf::split_message;

use crate::app::App;
use crate::ledger::{Appended, Draft, ErasureDraft, LedgerError};
use crate::store::{BodyRecord, StoreError};

/// A body that is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Erased {
    /// The place of its message.
    pub message: u64,
    /// The place of the entry that says so.
    pub erasure: u64,
    /// Whether it was erased before.
    pub before: bool,
}

/// Why a body is still needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// Its recipient has not acknowledged it.
    Undelivered,
    /// It belongs to this case, which has not ended, or is used in it as evidence.
    OpenCase(CaseId),
}

impl fmt::Display for Need {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Undelivered => f.write_str("its recipient has not acknowledged it"),
            Self::OpenCase(id) => write!(f, "the case {id} has not ended"),
        }
    }
}

/// Why bodies were not erased.
#[derive(Debug, thiserror::Error)]
pub enum EraseError {
    /// A place holds no message. Nothing was erased.
    #[error("no message is at place {index} of the log; nothing was erased")]
    NoMessage {
        /// The place.
        index: u64,
    },
    /// A body is still needed. Nothing was erased.
    #[error("the message at place {index} is still needed: {need}; nothing was erased")]
    Needed {
        /// Its place.
        index: u64,
        /// By whom.
        need: Need,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The ledger did not take all of them; the same again erases the rest.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

/// A message with what decides about its body.
struct Candidate {
    index: u64,
    erased: Option<u64>,
    need: Option<Need>,
    documents: Vec<Sha256Hash>,
}

/// Erases the bodies of the messages at these places, for this legal basis. One that was erased before stays as it is.
///
/// # Errors
/// [`EraseError`].
pub async fn erase(app: &App, indices: &[u64], basis: &Code) -> Result<Vec<Erased>, EraseError> {
    let candidates = candidates(app, indices).await?;
    if let Some(index) = indices.iter().copied().find(|index| candidates.iter().all(|one| one.index != *index)) {
        return Err(EraseError::NoMessage { index });
    }
    let needed = |one: &Candidate| one.need.filter(|_| one.erased.is_none()).map(|need| (one.index, need));
    if let Some((index, need)) = candidates.iter().find_map(needed) {
        return Err(EraseError::Needed { index, need });
    }
    erase_all(app, candidates, basis).await
}

/// Those of these places that hold messages, in order of places.
async fn candidates(app: &App, indices: &[u64]) -> Result<Vec<Candidate>, StoreError> {
    let records = app.store.bodies(indices).await?;
    let read: Vec<_> = records.into_iter().map(|record| (statement(&record), record)).collect();
    let ids: Vec<_> =
        read.iter().flat_map(|((case, _), record)| case.iter().chain(&record.reused_by).copied()).collect();
    let open = open_cases(app, &ids).await?;
    let candidate = |((case, documents), record): ((Option<CaseId>, Vec<Sha256Hash>), BodyRecord)| {
        let BodyRecord { index, erased, undelivered, reused_by, .. } = record;
        let open_case = || case.into_iter().chain(reused_by).find(|id| open.contains(id)).map(Need::OpenCase);
        let need = if undelivered { Some(Need::Undelivered) } else { open_case() };
        Candidate { index, erased, need, documents }
    };
    Ok(read.into_iter().map(candidate).collect())
}

/// The case that a message names, and the documents that it cites.
fn statement(record: &BodyRecord) -> (Option<CaseId>, Vec<Sha256Hash>) {
    let envelope = split_message(&record.leaf).and_then(|(_, text)| UnverifiedEnvelope::parse(text).ok());
    let claims = envelope.as_ref().map(UnverifiedEnvelope::claims);
    let documents = claims.into_iter().flat_map(|claims| &claims.documents);
    (claims.and_then(|claims| claims.case), documents.map(|document| document.commit).collect())
}

/// Those of the cases that are known and have not ended.
async fn open_cases(app: &App, ids: &[CaseId]) -> Result<Vec<CaseId>, StoreError> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let cases = app.store.cases().cases(ids).await?;
    Ok(cases.iter().filter(|case| !case.has_ended()).map(|case| case.id).collect())
}

/// Erases what was looked at before. Nothing of it can be needed again: what is acknowledged is not delivered again, and a case
/// that has ended does not go on.
async fn erase_all(app: &App, candidates: Vec<Candidate>, basis: &Code) -> Result<Vec<Erased>, EraseError> {
    // At once, so that they are committed together.
    let appending = candidates.into_iter().map(|Candidate { index, documents, erased, .. }| async move {
        if let Some(erasure) = erased {
            return Ok(Erased { message: index, erasure, before: true });
        }
        let draft = ErasureDraft { index, basis: basis.clone(), documents };
        let appended = app.ledger.append(Draft::Erasure(draft)).await?;
        let before = matches!(appended, Appended::Duplicate { .. });
        Ok(Erased { message: index, erasure: appended.index(), before })
    });
    let erased: Vec<Result<Erased, LedgerError>> = join_all(appending).await;
    let new = erased.iter().flatten().filter(|one| !one.before).count() as u64;
    if new > 0 {
        app.metrics.erased.inc_by(new);
        app.store.wipe().await?;
    }
    Ok(erased.into_iter().collect::<Result<_, _>>()?)
}

/// Bodies of one request: one commit's worth.
pub const AT_ONCE: usize = 256;
