//! Verification, as in RFC 9162 sections 2.1.3.2 and 2.1.4.2.

use crate::digest::Sha256Hash;
use crate::log::hash::{empty_root, node_hash};

/// A proof does not show what it should.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// The tree has no such entry.
    #[error("entry {index} is not in a tree of {size} entries")]
    OutsideTree {
        /// The entry's index.
        index: u64,
        /// The number of entries in the tree.
        size: u64,
    },
    /// A log only grows: it was rolled back or is another log.
    #[error("the log shrank from {old} to {new} entries")]
    Shrunk {
        /// The size of the older tree.
        old: u64,
        /// The size of the newer tree.
        new: u64,
    },
    /// The proof is too long or too short for these sizes.
    #[error("a proof of {found} hashes does not fit these tree sizes")]
    WrongLength {
        /// Hashes in the proof.
        found: usize,
    },
    /// The proof leads to another root: the entry, the proof or the root was changed.
    #[error("the proof leads to another root than the signed one")]
    WrongRoot,
    /// The proof starts from another old root: the log was rewritten.
    #[error("the proof starts from another old root than the known one")]
    WrongOldRoot,
}

/// Verifies that a leaf is entry `index` of the tree of `size` entries with this `root`.
///
/// # Errors
/// [`VerifyError`].
pub fn verify_inclusion(
    leaf_hash: Sha256Hash,
    index: u64,
    size: u64,
    proof: &[Sha256Hash],
    root: Sha256Hash,
) -> Result<(), VerifyError> {
    if index >= size {
        return Err(VerifyError::OutsideTree { index, size });
    }
    let mut climb = Climb { node: index, last: size - 1 };
    let mut hash = leaf_hash;
    for sibling in proof {
        hash = match climb.step(proof.len())? {
            Side::Left => node_hash(sibling, &hash),
            Side::Right => node_hash(&hash, sibling),
        };
    }
    climb.finish(proof.len())?;
    if hash == root { Ok(()) } else { Err(VerifyError::WrongRoot) }
}

/// Verifies that the tree of `old_size` entries with `old_root` is a beginning of the tree of `new_size` with `new_root`.
///
/// Every tree begins with the empty one, and with itself; then the proof has no hashes.
///
/// # Errors
/// [`VerifyError`].
pub fn verify_consistency(
    old_size: u64,
    old_root: Sha256Hash,
    new_size: u64,
    new_root: Sha256Hash,
    proof: &[Sha256Hash],
) -> Result<(), VerifyError> {
    if old_size > new_size {
        return Err(VerifyError::Shrunk { old: old_size, new: new_size });
    }
    if old_size == 0 || old_size == new_size {
        return verify_without_hashes(old_size, old_root, new_size, new_root, proof);
    }
    let wrong_length = VerifyError::WrongLength { found: proof.len() };
    let (start, rest) = if old_size.is_power_of_two() {
        (old_root, proof)
    } else {
        proof.split_first().map(|(first, rest)| (*first, rest)).ok_or(wrong_length)?
    };
    let mut climb = Climb { node: old_size - 1, last: new_size - 1 };
    climb.skip(climb.node.trailing_ones());
    let (mut old, mut new) = (start, start);
    for hash in rest {
        match climb.step(proof.len())? {
            Side::Left => {
                old = node_hash(hash, &old);
                new = node_hash(hash, &new);
            }
            Side::Right => new = node_hash(&new, hash),
        }
    }
    climb.finish(proof.len())?;
    match (old == old_root, new == new_root) {
        (false, _) => Err(VerifyError::WrongOldRoot),
        (true, false) => Err(VerifyError::WrongRoot),
        (true, true) => Ok(()),
    }
}

fn verify_without_hashes(
    old_size: u64,
    old_root: Sha256Hash,
    new_size: u64,
    new_root: Sha256Hash,
    proof: &[Sha256Hash],
) -> Result<(), VerifyError> {
    if !proof.is_empty() {
        return Err(VerifyError::WrongLength { found: proof.len() });
    }
    if old_size == 0 && old_root != empty_root() {
        return Err(VerifyError::WrongOldRoot);
    }
    if old_size == new_size && old_root != new_root {
        return Err(VerifyError::WrongRoot);
    }
    Ok(())
}

/// The way from a node up to the root: its position, and that of the last node, at one height.
struct Climb {
    node: u64,
    last: u64,
}

/// Where the next hash of the proof stands, seen from the node.
enum Side {
    Left,
    Right,
}

impl Climb {
    /// Goes up past one hash of the proof.
    fn step(&mut self, proof_length: usize) -> Result<Side, VerifyError> {
        if self.last == 0 {
            return Err(VerifyError::WrongLength { found: proof_length });
        }
        let on_the_left = self.node & 1 == 1 || self.node == self.last;
        if self.node == self.last {
            // A last node without right neighbour rises unchanged until it is a right child.
            self.skip(self.node.trailing_zeros());
        }
        self.skip(1);
        Ok(if on_the_left { Side::Left } else { Side::Right })
    }

    fn skip(&mut self, heights: u32) {
        self.node = self.node.checked_shr(heights).unwrap_or(0);
        self.last = self.last.checked_shr(heights).unwrap_or(0);
    }

    fn finish(&self, proof_length: usize) -> Result<(), VerifyError> {
        if self.last == 0 { Ok(()) } else { Err(VerifyError::WrongLength { found: proof_length }) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::log::naive;

    #[test]
    fn every_proof_of_a_small_tree_is_accepted() {
        let leaves = naive::leaf_hashes(0, 70);
        for size in 1..=leaves.len() {
            let (tree, root) = (&leaves[..size], naive::root(&leaves[..size]));
            for (index, leaf) in tree.iter().enumerate() {
                let proof = naive::inclusion(index, tree);
                assert_eq!(verify_inclusion(*leaf, index as u64, size as u64, &proof, root), Ok(()));
            }
            for old in 0..=size {
                let (old_root, proof) = (naive::root(&leaves[..old]), naive::consistency(old, tree));
                assert_eq!(verify_consistency(old as u64, old_root, size as u64, root, &proof), Ok(()));
            }
        }
    }

    #[test]
    fn an_inner_node_does_not_pass_for_a_leaf_nor_a_root_for_an_older_one() {
        let leaves = naive::leaf_hashes(0, 8);
        let (root, left) = (naive::root(&leaves), naive::root(&leaves[..4]));
        let (proof, short) = (naive::root(&leaves[4..]), Err(VerifyError::WrongLength { found: 1 }));
        assert_eq!(verify_inclusion(root, 0, 8, &[], root), Err(VerifyError::WrongLength { found: 0 }));
        assert_eq!(verify_inclusion(left, 0, 8, &[proof], root), short);
        assert_eq!(verify_consistency(4, root, 8, root, &[]), Err(VerifyError::WrongLength { found: 0 }));
        assert_eq!(verify_consistency(2, left, 8, root, &[proof]), short);
        assert_eq!(verify_consistency(4, left, 8, root, &[proof]), Ok(()));
        let long = verify_consistency(4, left, 8, root, &[proof, proof]);
        assert_eq!(long, Err(VerifyError::WrongLength { found: 2 }));
    }

    #[test]
    fn sizes_and_indices_at_the_end_of_their_range_do_no_harm() {
        let hash = empty_root();
        let proof = vec![hash; 70];
        for (index, size) in [(0, u64::MAX), (u64::MAX - 1, u64::MAX), (1 << 63, u64::MAX), (0, 1 << 63)] {
            assert!(verify_inclusion(hash, index, size, &proof, hash).is_err());
            assert!(verify_consistency(index, hash, size, hash, &proof).is_err());
            assert!(verify_consistency(index + 1, hash, size, hash, &proof).is_err());
        }
    }

    proptest! {
        #[test]
        fn an_inclusion_proof_with_anything_changed_is_refused(
            size in 1usize..300, index: prop::sample::Index, at: prop::sample::Index, flip in 1u8.., change in 0..7,
        ) {
            let leaves = naive::leaf_hashes(0, size as u64);
            let index = index.index(size);
            let (mut leaf, mut root) = (leaves[index], naive::root(&leaves));
            let (mut proof, mut position, mut total) = (naive::inclusion(index, &leaves), index as u64, size as u64);
            match change {
                0 => leaf = changed(leaf, at, flip),
                1 => root = changed(root, at, flip),
                2 if !proof.is_empty() => {
                    let hash = at.index(proof.len());
                    proof[hash] = changed(proof[hash], at, flip);
                }
                3 if !proof.is_empty() => { proof.remove(at.index(proof.len())); }
                4 => proof.insert(at.index(proof.len() + 1), leaf),
                // Two equal neighbours would make a wrong index harmless; these leaves all differ.
                5 => position = (position + 1 + at.index(size) as u64) % (total + 7),
                _ => total = index as u64,
            }
            prop_assert!(verify_inclusion(leaf, position, total, &proof, root).is_err());
        }

        #[test]
        fn a_consistency_proof_with_anything_changed_is_refused(
            new in 2usize..300, old: prop::sample::Index, at: prop::sample::Index, flip in 1u8.., change in 0..5,
        ) {
            let leaves = naive::leaf_hashes(0, new as u64);
            let old = 1 + old.index(new - 1);
            let (mut old_root, mut new_root) = (naive::root(&leaves[..old]), naive::root(&leaves));
            let mut proof = naive::consistency(old, &leaves);
            let hash = at.index(proof.len());
            match change {
                0 => old_root = changed(old_root, at, flip),
                1 => new_root = changed(new_root, at, flip),
                2 => proof[hash] = changed(proof[hash], at, flip),
                3 => { proof.remove(hash); }
                _ => proof.insert(hash, new_root),
            }
            prop_assert!(verify_consistency(old as u64, old_root, new as u64, new_root, &proof).is_err());
        }

        #[test]
        fn trees_that_differ_in_one_old_leaf_are_inconsistent(new in 2usize..200, old: prop::sample::Index, at: prop::sample::Index) {
            let leaves = naive::leaf_hashes(0, new as u64);
            let old = 1 + old.index(new - 1);
            let mut rewritten = leaves.clone();
            rewritten[at.index(old)] = empty_root();
            let proof = naive::consistency(old, &rewritten);
            let (old_root, new_root) = (naive::root(&leaves[..old]), naive::root(&rewritten));
            prop_assert!(verify_consistency(old as u64, old_root, new as u64, new_root, &proof).is_err());
        }
    }

    fn changed(hash: Sha256Hash, at: prop::sample::Index, flip: u8) -> Sha256Hash {
        let mut bytes = *hash.as_bytes();
        bytes[at.index(32)] ^= flip;
        Sha256Hash::from_bytes(bytes)
    }
}
