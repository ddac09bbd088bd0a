//! Which stored hashes a proof needs, and the proof made from them.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::digest::Sha256Hash;
use crate::log::hash::{empty_root, join_right_edge, tree_root};

/// Consecutive hashes of one tile level, all within one tile.
///
/// Hash `i` of level 0 is the hash of leaf `i`; of a level above, the root of the full tile `i` below it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HashRun {
    /// The tile level.
    pub level: u8,
    /// The position of the first hash within its level.
    pub start: u64,
    /// How many hashes, 1 to 256.
    pub count: u16,
}

/// A proof that can be made once its runs of stored hashes are read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProofPlan {
    /// For each hash of the proof the complete subtrees it is made of, the largest first.
    parts: Vec<Vec<Subtree>>,
    /// Sorted by level and start.
    runs: Vec<HashRun>,
}

/// A proof does not exist, or stored hashes are missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// The tree has no such entry.
    #[error("entry {index} is not in a tree of {size} entries")]
    OutsideTree {
        /// The entry asked for.
        index: u64,
        /// The number of entries in the tree.
        size: u64,
    },
    /// A log only grows.
    #[error("a tree of {old} entries is not a beginning of a tree of {new} entries")]
    Shrunk {
        /// The size of the older tree.
        old: u64,
        /// The size of the newer tree.
        new: u64,
    },
    /// A read gave fewer or more hashes than asked for.
    #[error("{wanted} hashes of level {level} from {start} on were needed, {found} were read: the store is damaged")]
    WrongCount {
        /// The tile level.
        level: u8,
        /// The position of the first hash within its level.
        start: u64,
        /// Hashes asked for.
        wanted: u16,
        /// Hashes given.
        found: usize,
    },
}

/// The complete subtree over the leaves from `index` * 2^`height` on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Subtree {
    height: u32,
    index: u64,
}

impl ProofPlan {
    /// Plans the inclusion proof of entry `index` in the tree of the first `size` entries.
    ///
    /// # Errors
    /// [`PlanError::OutsideTree`].
    pub fn inclusion(index: u64, size: u64) -> Result<Self, PlanError> {
        if index >= size {
            return Err(PlanError::OutsideTree { index, size });
        }
        Ok(Self::over(inclusion_ranges(index, size)))
    }

    /// Plans the consistency proof between the trees of the first `old` and the first `new` entries.
    ///
    /// # Errors
    /// [`PlanError::Shrunk`].
    pub fn consistency(old: u64, new: u64) -> Result<Self, PlanError> {
        if old > new {
            return Err(PlanError::Shrunk { old, new });
        }
        Ok(Self::over(if old == 0 { Vec::new() } else { consistency_ranges(old, new) }))
    }

    /// The stored hashes that are needed. They exist in every tree that the plan was made for.
    #[must_use]
    pub fn runs(&self) -> &[HashRun] {
        &self.runs
    }

    /// Makes the proof from what was read: for each of [`Self::runs`], in their order, its hashes.
    ///
    /// # Errors
    /// [`PlanError::WrongCount`] for the first run whose hashes are not all there.
    pub fn build(&self, hashes: &[Vec<Sha256Hash>]) -> Result<Vec<Sha256Hash>, PlanError> {
        for (at, run) in self.runs.iter().enumerate() {
            let found = hashes.get(at).map_or(0, Vec::len);
            if found != usize::from(run.count) {
                return Err(PlanError::WrongCount { level: run.level, start: run.start, wanted: run.count, found });
            }
        }
        let joined = |part: &Vec<Subtree>| join_right_edge(part.iter().map(|subtree| self.root(*subtree, hashes)));
        Ok(self.parts.iter().map(|part| joined(part).unwrap_or_else(empty_root)).collect())
    }

    fn over(ranges: Vec<Range<u64>>) -> Self {
        let parts: Vec<_> = ranges.into_iter().map(complete_subtrees).collect();
        let mut needed: BTreeMap<(u8, u64), Range<u64>> = BTreeMap::new();
        for subtree in parts.iter().flatten() {
            let hashes = subtree.hashes();
            let run = needed.entry(subtree.tile()).or_insert(hashes.clone());
            *run = run.start.min(hashes.start)..run.end.max(hashes.end);
        }
        let as_run = |((level, _), hashes): ((u8, u64), Range<u64>)| HashRun {
            level,
            start: hashes.start,
            count: (hashes.end - hashes.start) as u16,
        };
        Self { parts, runs: needed.into_iter().map(as_run).collect() }
    }

    fn root(&self, subtree: Subtree, hashes: &[Vec<Sha256Hash>]) -> Sha256Hash {
        let wanted = subtree.hashes();
        let at = self.runs.partition_point(|run| (run.level, run.start) <= (subtree.tile().0, wanted.start)) - 1;
        let skipped = (wanted.start - self.runs[at].start) as usize;
        tree_root(&hashes[at][skipped..][..(wanted.end - wanted.start) as usize])
    }
}

impl Subtree {
    /// The hashes of the tile level below or at its root that it spans.
    fn hashes(self) -> Range<u64> {
        let within = self.height % 8;
        self.index << within..(self.index + 1) << within
    }

    /// The level and index of the tile that these hashes stand in.
    fn tile(self) -> (u8, u64) {
        ((self.height / 8) as u8, self.hashes().start / 256)
    }
}

/// PATH of RFC 6962 section 2.1.1 as ranges of leaves.
fn inclusion_ranges(index: u64, size: u64) -> Vec<Range<u64>> {
    let (mut tree, mut siblings) = (0..size, Vec::new());
    while tree.end - tree.start > 1 {
        let middle = middle(&tree);
        if index < middle {
            siblings.push(middle..tree.end);
            tree.end = middle;
        } else {
            siblings.push(tree.start..middle);
            tree.start = middle;
        }
    }
    siblings.reverse();
    siblings
}

/// SUBPROOF of RFC 6962 section 2.1.2 as ranges of leaves; `old` is at least 1.
fn consistency_ranges(old: u64, new: u64) -> Vec<Range<u64>> {
    let (mut tree, mut proof) = (0..new, Vec::new());
    while old < tree.end {
        let middle = middle(&tree);
        if old <= middle {
            proof.push(middle..tree.end);
            tree.end = middle;
        } else {
            proof.push(tree.start..middle);
            tree.start = middle;
        }
    }
    // The verifier knows the old tree's own root.
    if tree.start > 0 {
        proof.push(tree);
    }
    proof.reverse();
    proof
}

/// Where a tree of two or more leaves divides: after the largest power of two leaves that leaves some.
fn middle(tree: &Range<u64>) -> u64 {
    tree.start + (1 << (tree.end - tree.start - 1).ilog2())
}

fn complete_subtrees(range: Range<u64>) -> Vec<Subtree> {
    let mut start = range.start;
    let mut subtrees = Vec::new();
    while start < range.end {
        let height = (range.end - start).ilog2();
        subtrees.push(Subtree { height, index: start >> height });
        start += 1 << height;
    }
    subtrees
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use proptest::prelude::*;

    use super::*;
    use crate::log::proof::{ProofError, consistency_proof, inclusion_proof};
    use crate::log::{TILE_WIDTH, naive};

    fn levels(leaves: &[Sha256Hash]) -> Vec<Vec<Sha256Hash>> {
        (0..3).map(|level| naive::level(level, leaves)).collect()
    }

    fn reader(levels: &[Vec<Sha256Hash>]) -> impl Fn(HashRun) -> Result<Vec<Sha256Hash>, Infallible> {
        |run| {
            let start = run.start as usize;
            Ok(levels[usize::from(run.level)][start..start + usize::from(run.count)].to_vec())
        }
    }

    #[test]
    fn all_proofs_of_small_trees_are_like_the_recursive_definition() {
        let leaves = naive::leaf_hashes(0, 40);
        let levels = levels(&leaves);
        for size in 0..=leaves.len() {
            for index in 0..size {
                let proof = inclusion_proof(index as u64, size as u64, reader(&levels));
                assert_eq!(proof, Ok(naive::inclusion(index, &leaves[..size])), "{index} in {size}");
            }
            for old in 0..=size {
                let proof = consistency_proof(old as u64, size as u64, reader(&levels));
                assert_eq!(proof, Ok(naive::consistency(old, &leaves[..size])), "{old} to {size}");
            }
        }
    }

    #[test]
    fn proofs_that_do_not_exist_are_refused() {
        assert_eq!(ProofPlan::inclusion(3, 3), Err(PlanError::OutsideTree { index: 3, size: 3 }));
        assert_eq!(ProofPlan::consistency(4, 3), Err(PlanError::Shrunk { old: 4, new: 3 }));
    }

    #[test]
    fn a_store_that_lost_a_hash_is_told_of() {
        let levels = levels(&naive::leaf_hashes(0, 300));
        let lossy = |run| {
            let mut hashes = reader(&levels)(run)?;
            hashes.pop();
            Ok::<_, Infallible>(hashes)
        };
        let wrong = inclusion_proof(5, 300, lossy);
        assert!(matches!(wrong, Err(ProofError::Plan(PlanError::WrongCount { .. }))), "{wrong:?}");
    }

    #[test]
    fn a_failing_read_is_passed_on() {
        let read = |_| Err::<Vec<Sha256Hash>, _>("disk");
        assert_eq!(inclusion_proof(0, 2, read), Err(ProofError::Read("disk")));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn proofs_of_large_trees_are_like_the_recursive_definition(
            size in 1usize..140_000,
            index: prop::sample::Index,
            old: prop::sample::Index,
        ) {
            let leaves: Vec<_> = (0..size as u64).map(|i| Sha256Hash::of(&i.to_be_bytes())).collect();
            let levels = levels(&leaves);
            let (index, old) = (index.index(size), old.index(size));
            let proof = inclusion_proof(index as u64, size as u64, reader(&levels));
            prop_assert_eq!(proof, Ok(naive::inclusion(index, &leaves)));
            let proof = consistency_proof(old as u64, size as u64, reader(&levels));
            prop_assert_eq!(proof, Ok(naive::consistency(old, &leaves)));
        }
    }

    proptest! {
        #[test]
        fn a_plan_of_any_size_reads_existing_hashes_from_at_most_two_tiles_a_level(
            size in 1u64..,
            index: u64,
            old: u64,
        ) {
            let inclusion = ProofPlan::inclusion(index % size, size).unwrap();
            let consistency = ProofPlan::consistency(old % size, size).unwrap();
            for plan in [inclusion, consistency] {
                for level in 0..8 {
                    prop_assert!(plan.runs().iter().filter(|run| run.level == level).count() <= 2);
                }
                for run in plan.runs() {
                    let last = run.start + u64::from(run.count) - 1;
                    prop_assert!(run.count >= 1 && run.count <= TILE_WIDTH);
                    prop_assert_eq!(run.start / 256, last / 256);
                    prop_assert!(last < size >> (8 * u32::from(run.level)));
                }
            }
        }
    }
}
