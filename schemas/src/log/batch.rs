//! Appending a batch, with the inclusion proof of every new entry, without reading older data.

use super::hash::{empty_root, node_hash};
use super::range::CompactRange;
use crate::digest::Sha256Hash;

/// The tree after a batch was appended.
///
/// Built from the [`CompactRange`] before the batch and the batch's leaf hashes: about one hash a leaf;
/// a proof afterwards hashes nothing.
#[derive(Debug, Clone)]
pub struct BatchAppend {
    first: u64,
    size: u64,
    root: Sha256Hash,
    levels: Vec<Level>,
}

/// A hash of a tile level that became complete: the root of the 256^`level` leaves from `index` * 256^`level` on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TileHash {
    /// The tile level, 1 or more; level 0 is the leaf hashes themselves.
    pub level: u8,
    /// The position of the hash within its level.
    pub index: u64,
    /// The hash.
    pub hash: Sha256Hash,
}

/// The complete subtrees of one height that new leaves touch, and the old one that pairs with the first of them.
#[derive(Debug, Clone)]
struct Level {
    first: u64,
    nodes: Vec<Sha256Hash>,
    /// The root of the leaves right of the last complete subtree, if there are any.
    edge: Option<Sha256Hash>,
}

impl BatchAppend {
    /// Appends `leaves` (leaf hashes, in order) to the tree that `before` describes.
    #[must_use]
    pub fn new(before: &CompactRange, leaves: Vec<Sha256Hash>) -> Self {
        let size = before.size() + leaves.len() as u64;
        let mut levels = complete_subtrees(before, leaves, size);
        let root = fill_edges(&mut levels, size).unwrap_or_else(empty_root);
        Self { first: before.size(), size, root, levels }
    }

    /// The index of the batch's first entry: the size before.
    #[must_use]
    pub const fn first_index(&self) -> u64 {
        self.first
    }

    /// The number of leaves after the batch.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// The root after the batch.
    #[must_use]
    pub const fn root(&self) -> Sha256Hash {
        self.root
    }

    /// The range to append the next batch to.
    #[must_use]
    pub fn range(&self) -> CompactRange {
        let set = self.levels.iter().enumerate().map(|(height, level)| (self.size >> height, level));
        let mut roots: Vec<_> =
            set.filter(|(count, _)| count & 1 == 1).filter_map(|(count, level)| level.node(count - 1)).collect();
        roots.reverse();
        CompactRange::from_derived(self.size, roots)
    }

    /// The inclusion proof (RFC 6962 section 2.1.1) of a new entry in the tree after the batch.
    ///
    /// `None` if the entry is not of this batch.
    #[must_use]
    pub fn inclusion_proof(&self, index: u64) -> Option<Vec<Sha256Hash>> {
        if !(self.first..self.size).contains(&index) {
            return None;
        }
        let levels = self.levels.iter().enumerate();
        Some(levels.filter_map(|(height, level)| level.sibling(index >> height, self.size >> height)).collect())
    }

    /// The hashes of tile levels 1 and above that became complete, level by level, in order.
    pub fn completed_tile_hashes(&self) -> impl Iterator<Item = TileHash> {
        (1u8..).zip(self.levels.iter().skip(8).step_by(8)).flat_map(move |(level, subtrees)| {
            let new = self.first >> (8 * u32::from(level));
            let indexed = (subtrees.first..).zip(&subtrees.nodes).skip_while(move |(index, _)| *index < new);
            indexed.map(move |(index, hash)| TileHash { level, index, hash: *hash })
        })
    }
}

impl Level {
    fn node(&self, index: u64) -> Option<Sha256Hash> {
        let at = usize::try_from(index.checked_sub(self.first)?).ok()?;
        self.nodes.get(at).copied()
    }

    /// The sibling of the node at `position`, where `complete` subtrees of this height are complete.
    fn sibling(&self, position: u64, complete: u64) -> Option<Sha256Hash> {
        let sibling = position ^ 1;
        if sibling == complete { self.edge } else { self.node(sibling) }
    }
}

fn complete_subtrees(before: &CompactRange, leaves: Vec<Sha256Hash>, size: u64) -> Vec<Level> {
    let mut old = before.roots().iter().rev();
    let mut new = leaves;
    let mut levels = Vec::new();
    for height in 0..u64::BITS - size.leading_zeros() {
        let start = before.size() >> height;
        if start & 1 == 1
            && let Some(left) = old.next()
        {
            new.insert(0, *left);
        }
        let (pairs, _) = new.as_chunks::<2>();
        let parents = pairs.iter().map(|[left, right]| node_hash(left, right)).collect();
        levels.push(Level { first: start & !1, nodes: new, edge: None });
        new = parents;
    }
    levels
}

/// Gives each level its right edge; what is left in the end is the root of the whole tree.
fn fill_edges(levels: &mut [Level], size: u64) -> Option<Sha256Hash> {
    let mut edge = None;
    for (height, level) in levels.iter_mut().enumerate() {
        level.edge = edge;
        let complete = size >> height;
        if complete & 1 == 1
            && let Some(last) = level.node(complete - 1)
        {
            edge = Some(edge.map_or(last, |right| node_hash(&last, &right)));
        }
    }
    edge
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::log::naive;

    fn range_of(leaves: &[Sha256Hash]) -> CompactRange {
        let mut range = CompactRange::new();
        leaves.iter().for_each(|leaf| range.push(*leaf));
        range
    }

    fn assert_like_naive(old: usize, new: usize, leaves: &[Sha256Hash]) {
        let batch = BatchAppend::new(&range_of(&leaves[..old]), leaves[old..new].to_vec());
        assert_eq!((batch.first_index(), batch.size()), (old as u64, new as u64));
        assert_eq!(batch.root(), naive::root(&leaves[..new]), "root after {old} to {new}");
        assert_eq!(batch.range(), range_of(&leaves[..new]), "range after {old} to {new}");
        for index in old..new {
            let expected = naive::inclusion(index, &leaves[..new]);
            assert_eq!(batch.inclusion_proof(index as u64), Some(expected), "proof of {index} in {new}");
        }
        assert_eq!(batch.inclusion_proof(new as u64), None);
        assert_eq!(old.checked_sub(1).and_then(|before| batch.inclusion_proof(before as u64)), None);
    }

    #[test]
    fn every_small_batch_on_every_small_tree_is_like_the_recursive_definition() {
        let leaves = naive::leaf_hashes(0, 36);
        for new in 0..=leaves.len() {
            for old in 0..=new {
                assert_like_naive(old, new, &leaves);
            }
        }
    }

    #[test]
    fn tile_hashes_are_told_once_each_and_in_order() {
        let leaves = naive::leaf_hashes(0, 66_000);
        let mut range = CompactRange::new();
        let mut told: [Vec<Sha256Hash>; 2] = [Vec::new(), Vec::new()];
        let mut at = 0;
        for step in [1, 254, 1, 1, 511, 256, 4096, 60_000, 415, 1, 463].iter().cycle() {
            let next = (at + step).min(leaves.len());
            let batch = BatchAppend::new(&range, leaves[at..next].to_vec());
            for TileHash { level, index, hash } in batch.completed_tile_hashes() {
                let level = &mut told[usize::from(level) - 1];
                assert_eq!(index, level.len() as u64);
                level.push(hash);
            }
            range = batch.range();
            at = next;
            if at == leaves.len() {
                break;
            }
        }
        assert_eq!(told[0], naive::level(1, &leaves));
        assert_eq!(told[1], naive::level(2, &leaves));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn a_batch_is_like_the_recursive_definition(old in 0usize..900, count in 0usize..40) {
            assert_like_naive(old, old + count, &naive::leaf_hashes(0, (old + count) as u64));
        }
    }
}
