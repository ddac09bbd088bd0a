//! Inclusion and consistency proofs: planned, built from stored hashes, and verified.
//!
//! Building is split so that a caller with an asynchronous store can use it: a [`ProofPlan`] says which
//! [`HashRun`]s it needs, the caller reads them as it likes, [`ProofPlan::build`] makes the proof.
//! [`inclusion_proof`] and [`consistency_proof`] do all of it with a closure that reads.

mod plan;
mod verify;

pub use plan::{HashRun, PlanError, ProofPlan};
pub use verify::{VerifyError, verify_consistency, verify_inclusion};

use crate::digest::Sha256Hash;

/// A proof could not be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProofError<E> {
    /// The wanted proof does not exist, or the stored hashes are incomplete.
    #[error(transparent)]
    Plan(PlanError),
    /// Reading stored hashes failed.
    #[error("the stored hashes of the log could not be read")]
    Read(#[source] E),
}

/// The inclusion proof (RFC 6962 section 2.1.1) of entry `index` in the tree of the first `size` entries.
///
/// `read` is called once for each run that is needed: at most two a tile level.
///
/// # Errors
/// [`ProofError`] if the entry is outside the tree, or hashes could not be read or are missing.
pub fn inclusion_proof<E>(
    index: u64,
    size: u64,
    read: impl FnMut(HashRun) -> Result<Vec<Sha256Hash>, E>,
) -> Result<Vec<Sha256Hash>, ProofError<E>> {
    build(&ProofPlan::inclusion(index, size).map_err(ProofError::Plan)?, read)
}

/// The consistency proof (RFC 6962 section 2.1.2) between the trees of the first `old` and the first `new` entries.
///
/// `read` is called as for [`inclusion_proof`]. The proof is empty if `old` is 0 or equal to `new`.
///
/// # Errors
/// [`ProofError`] if `old` is larger than `new`, or hashes could not be read or are missing.
pub fn consistency_proof<E>(
    old: u64,
    new: u64,
    read: impl FnMut(HashRun) -> Result<Vec<Sha256Hash>, E>,
) -> Result<Vec<Sha256Hash>, ProofError<E>> {
    build(&ProofPlan::consistency(old, new).map_err(ProofError::Plan)?, read)
}

fn build<E>(
    plan: &ProofPlan,
    read: impl FnMut(HashRun) -> Result<Vec<Sha256Hash>, E>,
) -> Result<Vec<Sha256Hash>, ProofError<E>> {
    let hashes = plan.runs().iter().copied().map(read).collect::<Result<Vec<_>, E>>().map_err(ProofError::Read)?;
    plan.build(&hashes).map_err(ProofError::Plan)
}
