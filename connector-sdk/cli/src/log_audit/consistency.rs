//! Whether a log begins with what it was before, told from its own tiles.

use saphan_schemas::digest::Sha256Hash;
use saphan_schemas::log::{Checkpoint, ProofPlan, TILE_WIDTH, TileContent, TilePath, empty_root, verify_consistency};

use crate::log_check::hashes::Hashes;
use crate::log_check::{LogCheckError, LogSource};

/// What the tiles prove about an earlier checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Consistency {
    /// The log has grown from it.
    Grown,
    /// The signed root of today is that of a tree whose first entries are others. Unless both are of one size: their root, and
    /// the consistency proof (RFC 6962 section 2.1.2) that they are the beginning of the tree of today.
    Forked(Vec<Sha256Hash>),
}

/// Derives the root at the earlier size and the proof between the two sizes from the tiles that the log serves now. Only where
/// these lead to the root that is signed now, they say anything.
///
/// # Errors
/// [`LogCheckError`] if tiles cannot be had, or lead to another root than the signed one.
pub(crate) async fn ask(
    source: &dyn LogSource,
    before: &Checkpoint,
    now: &Checkpoint,
) -> Result<Consistency, LogCheckError> {
    let old = before.size;
    if old == now.size || old == 0 {
        let expected = if old == 0 { empty_root() } else { now.root };
        return Ok(if before.root == expected { Consistency::Grown } else { Consistency::Forked(Vec::new()) });
    }
    let (root, mut proof) = earlier(source, old, now).await?;
    if root == before.root {
        return Ok(Consistency::Grown);
    }
    proof.insert(0, root);
    Ok(Consistency::Forked(proof))
}

/// The root of the first `size` entries, of which there is one at least, told by tiles that lead to the root of all.
///
/// # Errors
/// As [`ask`].
pub(crate) async fn root_at(source: &dyn LogSource, size: u64, now: &Checkpoint) -> Result<Sha256Hash, LogCheckError> {
    if size == now.size { Ok(now.root) } else { Ok(earlier(source, size, now).await?.0) }
}

/// The root of the first `old` entries, of which there are fewer than all, and the consistency proof from there.
async fn earlier(
    source: &dyn LogSource,
    old: u64,
    now: &Checkpoint,
) -> Result<(Sha256Hash, Vec<Sha256Hash>), LogCheckError> {
    let top = TilePath::new(TileContent::Hashes { level: 0 }, (old - 1) / u64::from(TILE_WIDTH), TILE_WIDTH);
    let unproven = || match top {
        Ok(path) => LogCheckError::OldTiles { path, size: old },
        Err(_) => LogCheckError::Stopped,
    };
    let mut hashes = Hashes::new(source, now.size);
    let root = hashes.root_at(old).await?;
    let proof = hashes.prove(&ProofPlan::consistency(old, now.size).map_err(|_| unproven())?).await?;
    verify_consistency(old, root, now.size, now.root, &proof).map_err(|_| unproven())?;
    Ok((root, proof))
}
