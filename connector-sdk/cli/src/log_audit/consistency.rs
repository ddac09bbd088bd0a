//! Whether a log begins with what it was before, told from its own tiles.

use saphan_schemas::digest::Sha256Hash;
use saphan_schemas::log::tile::decode_hashes;
use saphan_schemas::log::{
    Checkpoint, CompactRange, HashRun, ProofPlan, TILE_WIDTH, TileContent, TilePath, empty_root, verify_consistency,
};

use crate::log_check::{LogCheckError, LogSource, fetch_tile};

/// What the tiles prove about an earlier checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Consistency {
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
pub(super) async fn ask(
    source: &dyn LogSource,
    before: &Checkpoint,
    now: &Checkpoint,
) -> Result<Consistency, LogCheckError> {
    let (old, new) = (before.size, now.size);
    if old == new || old == 0 {
        let expected = if old == 0 { empty_root() } else { now.root };
        return Ok(if before.root == expected { Consistency::Grown } else { Consistency::Forked(Vec::new()) });
    }
    let top = TilePath::new(TileContent::Hashes { level: 0 }, (old - 1) / u64::from(TILE_WIDTH), TILE_WIDTH);
    let unproven = || match top {
        Ok(path) => LogCheckError::OldTiles { path, size: old },
        Err(_) => LogCheckError::Stopped,
    };
    // The path to entry `old` in a tree of one entry more is the right edge of the tree before it.
    let mut edge = read(source, &ProofPlan::inclusion(old, old + 1).map_err(|_| unproven())?, new).await?;
    edge.reverse();
    let root = CompactRange::from_parts(old, edge).map_err(|_| unproven())?.root();
    let mut proof = read(source, &ProofPlan::consistency(old, new).map_err(|_| unproven())?, new).await?;
    verify_consistency(old, root, new, now.root, &proof).map_err(|_| unproven())?;
    if root == before.root {
        return Ok(Consistency::Grown);
    }
    proof.insert(0, root);
    Ok(Consistency::Forked(proof))
}

/// Reads what a plan needs from a log of `size` entries, and makes its proof.
async fn read(source: &dyn LogSource, plan: &ProofPlan, size: u64) -> Result<Vec<Sha256Hash>, LogCheckError> {
    let mut hashes = Vec::with_capacity(plan.runs().len());
    for run in plan.runs() {
        hashes.push(read_run(source, *run, size).await?);
    }
    // Each run was read in its length.
    plan.build(&hashes).map_err(|_| LogCheckError::Stopped)
}

async fn read_run(source: &dyn LogSource, run: HashRun, size: u64) -> Result<Vec<Sha256Hash>, LogCheckError> {
    let (index, width) = (run.start / u64::from(TILE_WIDTH), u64::from(TILE_WIDTH));
    let there = (size >> (8 * u32::from(run.level))) - index * width;
    let there = u16::try_from(there.min(width)).unwrap_or(TILE_WIDTH);
    let path = TilePath::new(TileContent::Hashes { level: run.level }, index, there);
    let path = path.map_err(|_| LogCheckError::Stopped)?;
    let bytes = fetch_tile(source, path).await?;
    let hashes = decode_hashes(&bytes, there).map_err(|_| LogCheckError::OldTiles { path, size })?;
    let start = usize::try_from(run.start - index * width).unwrap_or_default();
    let run = hashes.get(start..start + usize::from(run.count));
    run.map(<[_]>::to_vec).ok_or(LogCheckError::OldTiles { path, size })
}
