//! Receipt and proof of a message that was accepted before, computed again from the log.

use saphan_schemas::digest::Sha256Hash;
use saphan_schemas::jws::JwsError;
use saphan_schemas::leaf::split_message;
use saphan_schemas::log::{ProofPlan, TlogProof};
use saphan_schemas::receipt::UnverifiedReceipt;

use crate::shards::{Shard, Shards};
use crate::store::{Store, StoreError};
use crate::witnesses::Cosigned;

/// What shows that a message was accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evidence {
    /// The envelope, as logged.
    pub envelope: String,
    /// The hub's receipt, as first given.
    pub receipt: String,
    /// The proof for the checkpoint that the receipt names.
    pub proof: String,
    /// The proof for the cosigned checkpoint, if it covers the message.
    pub cosigned_proof: Option<String>,
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

/// The evidence of the message at this place; also for the newest checkpoint of its log that witnesses cosigned, if there is one.
///
/// # Errors
/// [`EvidenceError`].
pub async fn evidence(
    store: &dyn Store,
    shards: &Shards,
    place: u64,
    cosigned: Option<&Cosigned>,
) -> Result<Evidence, EvidenceError> {
    let (shard, index) = (shards.at(place), shards.located(place).index);
    let receipt = store.receipt(place).await?.ok_or(MISSING)?;
    let size = UnverifiedReceipt::parse(&receipt)?.claims().size;
    let leaf = store.entries(place, 1).await?.pop().ok_or(MISSING)?;
    let (prefix, envelope) = split_message(&leaf).ok_or(MISSING)?;
    let checkpoint = store.checkpoint(shard.first + size).await?.ok_or(MISSING)?;
    let cosigned = cosigned.filter(|cosigned| cosigned.size > index);
    let cosigned_proof = match cosigned {
        Some(Cosigned { size, text }) => Some(inclusion(store, shard, prefix, index, *size, text.clone()).await?),
        None => None,
    };
    let proof = inclusion(store, shard, prefix, index, size, checkpoint).await?;
    Ok(Evidence { envelope: envelope.to_owned(), receipt, proof, cosigned_proof })
}

async fn inclusion(
    store: &dyn Store,
    shard: &Shard,
    prefix: &[u8],
    index: u64,
    size: u64,
    checkpoint: String,
) -> Result<String, StoreError> {
    let plan = ProofPlan::inclusion(index, size).map_err(|_| MISSING)?;
    let hashes = hashes_of(store, shard, &plan).await?;
    Ok(TlogProof::new(Some(prefix.to_vec()), index, hashes, checkpoint).to_string())
}

/// The hashes of a proof for a log, from those that the store has.
///
/// # Errors
/// [`StoreError`]; also when the store has too few.
pub async fn hashes_of(store: &dyn Store, shard: &Shard, plan: &ProofPlan) -> Result<Vec<Sha256Hash>, StoreError> {
    let mut runs = Vec::with_capacity(plan.runs().len());
    for run in plan.runs() {
        runs.push(store.hashes(shard, run.level, run.start, u32::from(run.count)).await?);
    }
    plan.build(&runs).map_err(|_| StoreError::Corrupt { what: "the hashes of a proof" })
}

const MISSING: StoreError = StoreError::Corrupt { what: "a part of a message's evidence" };
