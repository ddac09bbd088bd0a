//! Receipt and proof of a message that was accepted before, computed again from the log.

use saphan_schemas::jws::JwsError;
use saphan_schemas::leaf::split_message;
use saphan_schemas::log::{ProofPlan, TlogProof};
use saphan_schemas::receipt::UnverifiedReceipt;

use crate::store::{Store, StoreError};

/// What shows that a message was accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evidence {
    /// The envelope, as logged.
    pub envelope: String,
    /// The hub's receipt, as first given.
    pub receipt: String,
    /// The proof for the checkpoint that the receipt names.
    pub proof: String,
}

/// Why the evidence cannot be given.
#[derive(Debug, thiserror::Error)]
pub enum EvidenceError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The stored receipt cannot be read.
    #[error("the stored receipt cannot be read")]
    Receipt(#[from] JwsError),
}

/// The evidence of the message at this place.
///
/// # Errors
/// [`EvidenceError`].
pub async fn evidence(store: &dyn Store, index: u64) -> Result<Evidence, EvidenceError> {
    let receipt = store.receipt(index).await?.ok_or(MISSING)?;
    let size = UnverifiedReceipt::parse(&receipt)?.claims().size;
    let leaf = store.entries(index, 1).await?.pop().ok_or(MISSING)?;
    let (prefix, envelope) = split_message(&leaf).ok_or(MISSING)?;
    let checkpoint = store.checkpoint(size).await?.ok_or(MISSING)?;
    let plan = ProofPlan::inclusion(index, size).map_err(|_| MISSING)?;
    let mut runs = Vec::with_capacity(plan.runs().len());
    for run in plan.runs() {
        runs.push(store.hashes(run.level, run.start, u32::from(run.count)).await?);
    }
    let hashes = plan.build(&runs).map_err(|_| MISSING)?;
    let proof = TlogProof::new(Some(prefix.to_vec()), index, hashes, checkpoint).to_string();
    Ok(Evidence { envelope: envelope.to_owned(), receipt, proof })
}

const MISSING: StoreError = StoreError::Corrupt { what: "a part of a message's evidence" };
