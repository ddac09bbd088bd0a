//! The right edge of a growing tree.

use super::hash::{empty_root, join_right_edge, node_hash};
use crate::digest::Sha256Hash;

/// The roots of the complete subtrees that a tree of `size` leaves falls into, the largest (leftmost) first.
///
/// One root for each set bit of the size: at most 62 hashes, and all that is needed to append to the tree.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CompactRange {
    size: u64,
    roots: Vec<Sha256Hash>,
}

/// Parts or bytes are not a compact range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RangeError {
    /// The number of roots does not fit the size.
    #[error("a tree of {size} leaves has {expected} subtree roots, not {found}")]
    WrongRootCount {
        /// The stated number of leaves.
        size: u64,
        /// Roots that a tree of this size has.
        expected: u32,
        /// Roots given.
        found: usize,
    },
    /// The size is beyond what a log can reach.
    #[error("a tree of {size} leaves is larger than the limit of 2^62")]
    TooLarge {
        /// The stated number of leaves.
        size: u64,
    },
    /// The bytes are not a size followed by whole hashes.
    #[error("a compact range is 8 bytes of size and 32 bytes a root; {length} bytes are not")]
    WrongLength {
        /// Bytes given.
        length: usize,
    },
}

impl CompactRange {
    /// The range of the empty tree.
    #[must_use]
    pub const fn new() -> Self {
        Self { size: 0, roots: Vec::new() }
    }

    /// A range from its size and subtree roots, the largest subtree first.
    ///
    /// # Errors
    /// [`RangeError`] if the roots do not fit the size, or the size is above 2^62.
    pub fn from_parts(size: u64, roots: Vec<Sha256Hash>) -> Result<Self, RangeError> {
        if size > MAX_SIZE {
            return Err(RangeError::TooLarge { size });
        }
        let expected = size.count_ones();
        if roots.len() != expected as usize {
            return Err(RangeError::WrongRootCount { size, expected, found: roots.len() });
        }
        Ok(Self { size, roots })
    }

    /// For callers that derived the roots from the size.
    pub(super) const fn from_derived(size: u64, roots: Vec<Sha256Hash>) -> Self {
        Self { size, roots }
    }

    /// Reads what [`Self::to_bytes`] wrote.
    ///
    /// # Errors
    /// [`RangeError`] for any other bytes.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, RangeError> {
        let wrong_length = RangeError::WrongLength { length: bytes.len() };
        let (size, roots) = bytes.split_first_chunk::<8>().ok_or(wrong_length)?;
        let (roots, []) = roots.as_chunks::<32>() else {
            return Err(wrong_length);
        };
        Self::from_parts(u64::from_be_bytes(*size), roots.iter().copied().map(Sha256Hash::from_bytes).collect())
    }

    /// The size as 8 bytes, big-endian, and the roots, the largest subtree first.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(8 + 32 * self.roots.len());
        bytes.extend(self.size.to_be_bytes());
        for root in &self.roots {
            bytes.extend(root.as_bytes());
        }
        bytes
    }

    /// Appends a leaf by its hash.
    pub fn push(&mut self, leaf: Sha256Hash) {
        let mut node = leaf;
        for _ in 0..self.size.trailing_ones() {
            if let Some(left) = self.roots.pop() {
                node = node_hash(&left, &node);
            }
        }
        self.roots.push(node);
        self.size += 1;
    }

    /// The number of leaves.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// The root of the tree.
    #[must_use]
    pub fn root(&self) -> Sha256Hash {
        join_right_edge(self.roots.iter().copied()).unwrap_or_else(empty_root)
    }

    /// The subtree roots, the largest subtree first.
    #[must_use]
    pub fn roots(&self) -> &[Sha256Hash] {
        &self.roots
    }
}

/// Far beyond any log, and small enough that sizes and indices never overflow.
const MAX_SIZE: u64 = 1 << 62;

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

    #[test]
    fn pushing_leaves_gives_the_root_of_every_size() {
        let leaves = naive::leaf_hashes(0, 300);
        let mut range = CompactRange::new();
        assert_eq!(range.root(), empty_root());
        for (size, leaf) in (1..).zip(&leaves) {
            range.push(*leaf);
            assert_eq!(range.size(), size as u64);
            assert_eq!(range.root(), naive::root(&leaves[..size]), "{size} leaves");
        }
    }

    #[test]
    fn an_impossible_size_is_refused() {
        let size = (1 << 62) + 1;
        assert_eq!(CompactRange::from_parts(size, vec![empty_root(); 2]), Err(RangeError::TooLarge { size }));
    }

    proptest! {
        #[test]
        fn bytes_round_trip(size in 0u64..2000) {
            let range = range_of(&naive::leaf_hashes(0, size));
            prop_assert_eq!(CompactRange::from_bytes(&range.to_bytes()), Ok(range));
        }

        #[test]
        fn cut_or_lengthened_bytes_are_refused(size in 0u64..500, cut in 1usize..64, more in 1usize..64) {
            let bytes = range_of(&naive::leaf_hashes(0, size)).to_bytes();
            prop_assert!(CompactRange::from_bytes(&bytes[..bytes.len().saturating_sub(cut)]).is_err());
            prop_assert!(CompactRange::from_bytes(&[bytes, vec![0; more]].concat()).is_err());
        }

        #[test]
        fn a_changed_byte_is_refused_or_changes_the_range(size in 1u64..500, at: prop::sample::Index, flip in 1u8..) {
            let range = range_of(&naive::leaf_hashes(0, size));
            let mut bytes = range.to_bytes();
            let at = at.index(bytes.len());
            bytes[at] ^= flip;
            if let Ok(other) = CompactRange::from_bytes(&bytes) {
                prop_assert_ne!(&other, &range);
                prop_assert_eq!(other.to_bytes(), bytes);
            }
        }
    }
}
