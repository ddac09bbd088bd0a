//! How bodies end: when their time has come, or when the operator says so.
//!
//! What is erased is a message's body with its salt: their key is destroyed, and an `erasure` leaf says so. Envelope, receipt,
//! acknowledgement and the log stay. [`upkeep`] erases what was kept long enough.

pub mod upkeep;

use std::fmt;

use futures_util::future::join_all;
use saphan_schemas::envelope::UnverifiedEnvelope;
use saphan_schemas::ids::{CaseId, Code, MessageId};
use saphan_schemas::leaf::split_message;

use crate::app::App;
use crate::cases::Case;
use crate::ledger::{Appended, Draft, ErasureDraft, LedgerError};
use crate::store::cases::ConsentRecord;
use crate::store::{Asker, BodyRecord, StoreError};

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

/// What was erased by hand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Erasure {
    /// The bodies that are gone.
    pub erased: Vec<Erased>,
    /// The places of complete cases that hold copies of them, and stand.
    pub copies: Vec<u64>,
}

/// Why a body is still needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// Its recipient has not acknowledged it.
    Undelivered,
    /// It belongs to this case, which has not ended, or is used in it as evidence, or the case rests on this consent.
    OpenCase(CaseId),
    /// It is a consent that can be cited still: its text goes with what is handed over.
    ConsentInForce,
}

impl fmt::Display for Need {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Undelivered => f.write_str("its recipient has not acknowledged it"),
            Self::OpenCase(id) => write!(f, "the case {id} has not ended"),
            Self::ConsentInForce => f.write_str("the consent is in force until its time is over or it is taken back"),
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
    /// Whether its envelope can be read: if not, nobody knows what else needs it, and only who names it may end it.
    is_readable: bool,
    /// The cases that it belongs to, is used in, or allows as their consent.
    cases: Vec<CaseId>,
}

/// Erases the bodies of the messages at these places, over all logs, for this legal basis. One that was erased before stays as it is.
///
/// # Errors
/// [`EraseError`].
pub async fn erase(app: &App, indices: &[u64], basis: &Code) -> Result<Erasure, EraseError> {
    let candidates = candidates(app, indices).await?;
    if let Some(index) = indices.iter().copied().find(|index| candidates.iter().all(|one| one.index != *index)) {
        return Err(EraseError::NoMessage { index });
    }
    let needed = |one: &Candidate| one.need.filter(|_| one.erased.is_none()).map(|need| (one.index, need));
    if let Some((index, need)) = candidates.iter().find_map(needed) {
        return Err(EraseError::Needed { index, need });
    }
    let copies = copies(app, &candidates).await?;
    let erased = erase_all(app, candidates, basis).await?;
    if erased.iter().any(|one| !one.before) {
        wipe(app).await;
    }
    Ok(Erasure { erased, copies })
}

/// As [`erase`], of the messages at these indices of one log; errors name them so.
///
/// # Errors
/// [`EraseError`].
pub async fn erase_in(app: &App, log: &str, indices: &[u64], basis: &Code) -> Result<Erasure, EraseError> {
    let mut places = Vec::with_capacity(indices.len());
    for index in indices.iter().copied() {
        places.push(app.shards.place(log, index).ok_or(EraseError::NoMessage { index })?);
    }
    erase(app, &places, basis).await.map_err(|error| match error {
        EraseError::NoMessage { index } => EraseError::NoMessage { index: app.shards.located(index).index },
        EraseError::Needed { index, need } => EraseError::Needed { index: app.shards.located(index).index, need },
        other => other,
    })
}

/// The places of complete cases that hold copies of these, and are not among them or erased.
async fn copies(app: &App, candidates: &[Candidate]) -> Result<Vec<u64>, StoreError> {
    let mut ids: Vec<CaseId> = candidates.iter().flat_map(|one| one.cases.iter().copied()).collect();
    ids.sort_unstable();
    ids.dedup();
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let is_candidate = |place: &u64| candidates.iter().any(|one| one.index == *place);
    let cases = app.store.cases().cases(&ids).await?;
    let handovers = cases.iter().flat_map(|case| &case.handovers);
    let holding = handovers.filter(|one| one.parts.iter().any(is_candidate) && !is_candidate(&one.index));
    let mut copies: Vec<u64> = holding.map(|one| one.index).collect();
    let erased = app.store.erasures(Asker::Request, &copies).await?;
    copies.retain(|place| erased.iter().all(|(message, _)| message != place));
    copies.sort_unstable();
    Ok(copies)
}

/// Those of these places that hold messages, in order of places.
async fn candidates(app: &App, indices: &[u64]) -> Result<Vec<Candidate>, StoreError> {
    let mut read = Vec::new();
    for record in app.store.bodies(indices).await? {
        read.push(read_record(app, record).await?);
    }
    let ids: Vec<_> = read.iter().flat_map(|one| &one.cases).copied().collect();
    let open = open_cases(app, &ids).await?;
    for candidate in &mut read {
        let open_case = || candidate.cases.iter().copied().find(|id| open.contains(id)).map(Need::OpenCase);
        candidate.need = candidate.need.or_else(open_case);
    }
    Ok(read)
}

/// A message, and the cases that need it if they are open: its own, those that use it again, those that rest on this consent.
async fn read_record(app: &App, record: BodyRecord) -> Result<Candidate, StoreError> {
    let BodyRecord { index, erased, undelivered, reused_by, leaf } = record;
    let envelope = split_message(&leaf).and_then(|(_, text)| UnverifiedEnvelope::parse(text).ok());
    let mut need = undelivered.then_some(Need::Undelivered);
    let mut cases = reused_by;
    let Some(claims) = envelope.as_ref().map(UnverifiedEnvelope::claims) else {
        return Ok(Candidate { index, erased, need, is_readable: false, cases });
    };
    cases.extend(claims.case);
    if let Some(consent) = consent_at(app, claims.jti, index).await? {
        let in_force = consent.revoked.is_none() && app.clock.now_ms() < consent.terms.valid_until;
        need = need.or(in_force.then_some(Need::ConsentInForce));
        cases.extend(app.store.cases().cases_with_consent(consent.id).await?);
    }
    Ok(Candidate { index, erased, need, is_readable: true, cases })
}

/// The consent that a person gave with this message.
async fn consent_at(app: &App, id: MessageId, index: u64) -> Result<Option<ConsentRecord>, StoreError> {
    Ok(app.store.cases().consent(id).await?.filter(|consent| consent.index == index))
}

/// Those of the cases that are known and have not ended.
async fn open_cases(app: &App, ids: &[CaseId]) -> Result<Vec<CaseId>, StoreError> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let cases = app.store.cases().cases(ids).await?;
    // A handover that is on its way holds copies that nobody could name yet.
    let is_open = |case: &&Case| !case.has_ended() || case.is_on_its_way();
    Ok(cases.iter().filter(is_open).map(|case| case.id).collect())
}

/// Erases what was looked at before. Nothing of it can be needed again: what is acknowledged is not delivered again, and a case
/// that has ended does not go on.
async fn erase_all(app: &App, candidates: Vec<Candidate>, basis: &Code) -> Result<Vec<Erased>, EraseError> {
    // At once, so that they are committed together.
    let appending = candidates.into_iter().map(|Candidate { index, erased, .. }| async move {
        if let Some(erasure) = erased {
            return Ok(Erased { message: index, erasure, before: true });
        }
        let draft = ErasureDraft { index, basis: basis.clone() };
        let appended = app.ledger.append(Draft::Erasure(draft)).await?;
        let before = matches!(appended, Appended::Duplicate { .. });
        Ok(Erased { message: index, erasure: appended.index(), before })
    });
    let erased: Vec<Result<Erased, LedgerError>> = join_all(appending).await;
    let new = erased.iter().flatten().filter(|one| !one.before).count() as u64;
    if new > 0 {
        app.metrics.erased.inc_by(new);
    }
    Ok(erased.into_iter().collect::<Result<_, _>>()?)
}

/// Wipes the store's files, unless somebody reads in them; [`upkeep`] does it again.
async fn wipe(app: &App) {
    match app.store.wipe().await {
        Ok(true) => {}
        Ok(false) => tracing::debug!("somebody reads in the store; it is wiped within the hour"),
        Err(error) => {
            tracing::warn!(error = &error as &dyn std::error::Error, "the store was not wiped; tried within the hour");
        }
    }
}

/// What is said to who names no log when the hub has several.
pub const WHICH_LOG: &str =
    "`log` is missing: the hub has several logs, and each counts from 0; name the origin that is in the receipts";
/// Bodies of one request: one commit's worth.
pub const AT_ONCE: usize = 256;
