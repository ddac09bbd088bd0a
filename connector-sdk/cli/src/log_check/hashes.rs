//! Proofs made from the tiles that a log serves.

use std::collections::HashMap;

use saphan_schemas::digest::Sha256Hash;
use saphan_schemas::log::tile::decode_hashes;
use saphan_schemas::log::{CompactRange, HashRun, ProofPlan, TILE_WIDTH, TileContent, TilePath};

use super::error::LogCheckError;
use super::source::{LogSource, fetch_tile};

/// The hash tiles of a log of one size. Each is fetched once.
pub(crate) struct Hashes<'a> {
    source: &'a dyn LogSource,
    size: u64,
    tiles: HashMap<TilePath, Vec<Sha256Hash>>,
}

impl<'a> Hashes<'a> {
    /// Those of the first `size` entries.
    pub(crate) fn new(source: &'a dyn LogSource, size: u64) -> Self {
        Self { source, size, tiles: HashMap::new() }
    }

    /// The proof, as the tiles have it: it shows something only where it leads to a signed root.
    ///
    /// # Errors
    /// [`LogCheckError`] if tiles cannot be had.
    pub(crate) async fn prove(&mut self, plan: &ProofPlan) -> Result<Vec<Sha256Hash>, LogCheckError> {
        let mut hashes = Vec::with_capacity(plan.runs().len());
        for run in plan.runs() {
            hashes.push(self.run(*run).await?);
        }
        // Each run was read in its length.
        plan.build(&hashes).map_err(|_| LogCheckError::Stopped)
    }

    /// The root of the first `size` entries, of which there are fewer than all, as the tiles have it.
    ///
    /// # Errors
    /// As [`Self::prove`]; also if the tiles cannot be those of a log.
    pub(crate) async fn root_at(&mut self, size: u64) -> Result<Sha256Hash, LogCheckError> {
        let (last, width) = (size.saturating_sub(1), u64::from(TILE_WIDTH));
        let top = TilePath::new(TileContent::Hashes { level: 0 }, last / width, TILE_WIDTH);
        let top = top.map_err(|_| LogCheckError::Stopped)?;
        // The path to entry `size` in a tree of one entry more is the right edge of the tree before it.
        let plan = ProofPlan::inclusion(size, size + 1).map_err(|_| LogCheckError::OldTiles { path: top, size })?;
        let mut edge = self.prove(&plan).await?;
        edge.reverse();
        let range = CompactRange::from_parts(size, edge);
        range.map(|range| range.root()).map_err(|_| LogCheckError::OldTiles { path: top, size })
    }

    /// The hash of a leaf.
    ///
    /// # Errors
    /// As [`Self::prove`].
    pub(crate) async fn leaf(&mut self, index: u64) -> Result<Sha256Hash, LogCheckError> {
        let run = self.run(HashRun { level: 0, start: index, count: 1 }).await?;
        run.first().copied().ok_or(LogCheckError::Stopped)
    }

    async fn run(&mut self, run: HashRun) -> Result<Vec<Sha256Hash>, LogCheckError> {
        let (index, width) = (run.start / u64::from(TILE_WIDTH), u64::from(TILE_WIDTH));
        let there = (self.size >> (8 * u32::from(run.level))) - index * width;
        let there = u16::try_from(there.min(width)).unwrap_or(TILE_WIDTH);
        let path = TilePath::new(TileContent::Hashes { level: run.level }, index, there);
        let path = path.map_err(|_| LogCheckError::Stopped)?;
        let start = usize::try_from(run.start - index * width).unwrap_or_default();
        let hashes = self.tile(path).await?.get(start..start + usize::from(run.count));
        hashes.map(<[_]>::to_vec).ok_or(LogCheckError::OldTiles { path, size: self.size })
    }

    async fn tile(&mut self, path: TilePath) -> Result<&[Sha256Hash], LogCheckError> {
        if !self.tiles.contains_key(&path) {
            let bytes = fetch_tile(self.source, path).await?;
            let hashes = decode_hashes(&bytes, path.width());
            let hashes = hashes.map_err(|_| LogCheckError::OldTiles { path, size: self.size })?;
            self.tiles.insert(path, hashes);
        }
        Ok(self.tiles.get(&path).map_or(&[], Vec::as_slice))
    }
}
