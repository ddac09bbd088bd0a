//! Re-deriving every tile, every bundle and the root of a log from its entries alone.

use super::TILE_WIDTH;
use super::bundle::{BundleError, append_entry};
use super::hash::{leaf_hash, tree_root};
use super::range::CompactRange;
use super::tile::{TileContent, TilePath, encode_hashes};
use crate::digest::Sha256Hash;

/// Takes the entries of a log in order and derives what a static copy of it must hold.
///
/// Memory does not grow with the log: one bundle, and at most 256 hashes a level.
#[derive(Debug, Default)]
pub struct LogRebuilder {
    size: u64,
    bundle: Vec<u8>,
    /// The hashes since the last full tile, for each level; never 256.
    levels: Vec<Vec<Sha256Hash>>,
}

/// A tile or bundle as it must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RebuiltTile {
    /// Where a log serves it.
    pub path: TilePath,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// A published tile or bundle is not what the entries of the log give.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{path} differs from what the entries give, from byte {at} on ({found} bytes, not {expected})")]
pub struct TileMismatch {
    /// The tile.
    pub path: TilePath,
    /// The first byte that differs or is missing.
    pub at: usize,
    /// The bytes it must have.
    pub expected: usize,
    /// The bytes it has.
    pub found: usize,
}

/// A size and hashes are not where a log could be rebuilt from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a log of {size} entries is not rebuilt from these hashes: no bundle may be begun, and each level has its count"
)]
pub struct NotAPlace {
    /// The number of entries.
    pub size: u64,
}

impl LogRebuilder {
    /// Before the first entry.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// After `size` entries, a multiple of 256, with the [`Self::levels`] that they left.
    ///
    /// # Errors
    /// [`NotAPlace`] if the levels do not fit the size, or it is within a bundle.
    pub fn resume(size: u64, levels: Vec<Vec<Sha256Hash>>) -> Result<Self, NotAPlace> {
        let counts = (0u32..8).map(|level| size >> (8 * level)).take_while(|count| *count > 0);
        let counts = counts.map(|count| (count % u64::from(TILE_WIDTH)) as usize);
        if size.is_multiple_of(TILE_WIDTH.into()) && counts.eq(levels.iter().map(Vec::len)) {
            return Ok(Self { size, bundle: Vec::new(), levels });
        }
        Err(NotAPlace { size })
    }

    /// The hashes since the last full tile, level by level: with the size, all that is needed to go on between bundles.
    #[must_use]
    pub fn levels(&self) -> &[Vec<Sha256Hash>] {
        &self.levels
    }

    /// Takes the next entry; gives the bundle and the tiles that it filled, mostly none.
    ///
    /// # Errors
    /// [`BundleError::EntryTooLong`] for an entry above 65535 bytes, which no log can hold.
    pub fn push_entry(&mut self, entry: &[u8]) -> Result<Vec<RebuiltTile>, BundleError> {
        append_entry(&mut self.bundle, entry)?;
        self.size += 1;
        let mut filled = Vec::new();
        if self.size.is_multiple_of(TILE_WIDTH.into()) {
            let bytes = std::mem::take(&mut self.bundle);
            filled.push(self.full_tile(TileContent::Entries, 0, bytes));
        }
        let mut hash = leaf_hash(entry);
        for level in 0u8.. {
            if self.levels.len() == usize::from(level) {
                self.levels.push(Vec::with_capacity(TILE_WIDTH.into()));
            }
            let hashes = &mut self.levels[usize::from(level)];
            hashes.push(hash);
            if hashes.len() < usize::from(TILE_WIDTH) {
                break;
            }
            hash = tree_root(hashes);
            let bytes = encode_hashes(hashes);
            hashes.clear();
            filled.push(self.full_tile(TileContent::Hashes { level }, level, bytes));
        }
        Ok(filled)
    }

    /// The number of entries so far.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// The root of the tree of the entries so far.
    #[must_use]
    pub fn root(&self) -> Sha256Hash {
        self.range().root()
    }

    /// The compact range of the entries so far.
    #[must_use]
    pub fn range(&self) -> CompactRange {
        let roots = self.levels.iter().rev().flat_map(|hashes| subtree_roots(hashes)).collect();
        CompactRange::from_derived(self.size, roots)
    }

    /// The partial tiles and bundle that a log of exactly the entries so far ends in.
    #[must_use]
    pub fn partial_tiles(&self) -> Vec<RebuiltTile> {
        let entries = (!self.bundle.is_empty()).then(|| (TileContent::Entries, 0, self.bundle.clone()));
        let hashes = (0u8..).zip(&self.levels).filter(|(_, hashes)| !hashes.is_empty());
        let hashes = hashes.map(|(level, hashes)| (TileContent::Hashes { level }, level, encode_hashes(hashes)));
        let tiles = entries.into_iter().chain(hashes);
        tiles.map(|(content, level, bytes)| self.partial_tile(content, level, bytes)).collect()
    }

    fn full_tile(&self, content: TileContent, level: u8, bytes: Vec<u8>) -> RebuiltTile {
        let index = (self.size >> (8 * u32::from(level))) / u64::from(TILE_WIDTH) - 1;
        RebuiltTile { path: TilePath::from_derived(content, index, TILE_WIDTH), bytes }
    }

    fn partial_tile(&self, content: TileContent, level: u8, bytes: Vec<u8>) -> RebuiltTile {
        let count = self.size >> (8 * u32::from(level));
        let (index, width) = (count / u64::from(TILE_WIDTH), (count % u64::from(TILE_WIDTH)) as u16);
        RebuiltTile { path: TilePath::from_derived(content, index, width), bytes }
    }
}

impl RebuiltTile {
    /// Compares with the bytes that were published under the same path.
    ///
    /// # Errors
    /// [`TileMismatch`]: the log serves something else than its entries give.
    pub fn compare(&self, published: &[u8]) -> Result<(), TileMismatch> {
        if self.bytes == published {
            return Ok(());
        }
        let at = self.bytes.iter().zip(published).take_while(|(derived, published)| derived == published).count();
        Err(TileMismatch { path: self.path, at, expected: self.bytes.len(), found: published.len() })
    }
}

/// The roots of the complete subtrees that fewer than 256 hashes fall into, the largest first.
fn subtree_roots(hashes: &[Sha256Hash]) -> Vec<Sha256Hash> {
    let mut rest = hashes;
    let mut roots = Vec::new();
    while let Some(height) = rest.len().checked_ilog2() {
        let (subtree, after) = rest.split_at(1 << height);
        roots.push(tree_root(subtree));
        rest = after;
    }
    roots
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::log::bundle::decode_bundle;
    use crate::log::hash::empty_root;
    use crate::log::naive;
    use crate::log::tile::{decode_hashes, tiles_for_size};

    fn rebuild(size: u64) -> (LogRebuilder, BTreeMap<TilePath, Vec<u8>>) {
        let mut log = LogRebuilder::new();
        let mut tiles = BTreeMap::new();
        for index in 0..size {
            for tile in log.push_entry(&naive::entry(index)).unwrap() {
                assert!(tiles.insert(tile.path, tile.bytes).is_none(), "{} was filled twice", tile.path);
            }
        }
        tiles.extend(log.partial_tiles().into_iter().map(|tile| (tile.path, tile.bytes)));
        (log, tiles)
    }

    fn hashes_like_naive(tiles: &BTreeMap<TilePath, Vec<u8>>, size: u64) {
        let leaves = naive::leaf_hashes(0, size);
        let levels: Vec<_> = (0..3).map(|level| naive::level(level, &leaves)).collect();
        for (path, bytes) in tiles {
            let (start, width) = (path.start() as usize, path.width());
            match path.content() {
                TileContent::Hashes { level } => {
                    let expected = &levels[usize::from(level)][start..start + usize::from(width)];
                    assert_eq!(decode_hashes(bytes, width).unwrap(), expected, "{path}");
                }
                TileContent::Entries => {
                    for (index, entry) in (path.start()..).zip(decode_bundle(bytes, width).unwrap()) {
                        assert_eq!(entry, naive::entry(index));
                    }
                }
            }
        }
    }

    #[test]
    fn a_log_of_any_size_is_rebuilt_with_all_its_tiles_and_its_root() {
        for size in [0, 1, 2, 255, 256, 257, 511, 512, 1000, 65_535, 65_536, 65_537, 66_000] {
            let (log, tiles) = rebuild(size);
            let mut expected: Vec<_> = tiles_for_size(size).collect();
            expected.sort();
            assert_eq!(tiles.keys().copied().collect::<Vec<_>>(), expected, "{size} entries");
            assert_eq!(log.root(), naive::root(&naive::leaf_hashes(0, size)), "{size} entries");
            hashes_like_naive(&tiles, size);
        }
    }

    #[test]
    fn the_root_can_be_asked_for_on_the_way() {
        let (mut log, mut range) = (LogRebuilder::new(), CompactRange::new());
        assert_eq!(log.root(), empty_root());
        for index in 0..700 {
            log.push_entry(&naive::entry(index)).unwrap();
            range.push(leaf_hash(&naive::entry(index)));
            assert_eq!((log.size(), log.range()), (range.size(), range.clone()));
        }
    }

    #[test]
    fn a_rebuilder_goes_on_between_bundles_as_if_it_had_never_stopped() {
        let (whole, _) = rebuild(66_000);
        for stop in [0, 256, 512, 65_536, 65_792] {
            let (before, _) = rebuild(stop);
            let mut resumed = LogRebuilder::resume(stop, before.levels().to_vec()).unwrap();
            (stop..66_000).for_each(|index| drop(resumed.push_entry(&naive::entry(index)).unwrap()));
            assert_eq!((resumed.root(), resumed.partial_tiles()), (whole.root(), whole.partial_tiles()), "{stop}");
        }
    }

    #[test]
    fn hashes_that_do_not_fit_the_size_are_no_place_to_go_on_from() {
        let (log, _) = rebuild(512);
        let levels = log.levels().to_vec();
        for size in [0, 256, 511, 768, 65_536] {
            assert_eq!(LogRebuilder::resume(size, levels.clone()).unwrap_err(), NotAPlace { size });
        }
        assert!(LogRebuilder::resume(512, levels[..1].to_vec()).is_err());
        let (within, _) = rebuild(300);
        assert!(LogRebuilder::resume(300, within.levels().to_vec()).is_err());
    }

    #[test]
    fn memory_does_not_grow_with_the_log() {
        let (log, _) = rebuild(66_000);
        assert!(log.levels.iter().all(|level| level.capacity() == 256) && log.levels.len() == 3);
        assert!(log.bundle.len() < 256 * 20);
    }

    #[test]
    fn a_published_tile_that_differs_is_told_with_the_place() {
        let (_, tiles) = rebuild(300);
        for (path, bytes) in tiles {
            let tile = RebuiltTile { path, bytes: bytes.clone() };
            assert_eq!(tile.compare(&bytes), Ok(()));
            let mut changed = bytes.clone();
            changed[5] ^= 1;
            let (expected, found) = (bytes.len(), bytes.len());
            assert_eq!(tile.compare(&changed), Err(TileMismatch { path, at: 5, expected, found }));
            let cut = expected - 1;
            assert_eq!(tile.compare(&bytes[..cut]), Err(TileMismatch { path, at: cut, expected, found: cut }));
        }
    }

    #[test]
    fn an_entry_that_no_bundle_can_hold_changes_nothing() {
        let mut log = LogRebuilder::new();
        log.push_entry(b"a").unwrap();
        let before = (log.size(), log.root(), log.partial_tiles());
        assert_eq!(log.push_entry(&[0; 65_536]), Err(BundleError::EntryTooLong { length: 65_536 }));
        assert_eq!((log.size(), log.root(), log.partial_tiles()), before);
    }
}
