//! RFC 6962 section 2.1 hashing with SHA-256.

use std::iter;

use crate::digest::Sha256Hash;

/// The hash of a leaf: `SHA-256(0x00 || leaf)`.
#[must_use]
pub fn leaf_hash(leaf: &[u8]) -> Sha256Hash {
    leaf_hash_of([leaf])
}

/// The hash of the leaf that `parts` are, one after the other.
#[must_use]
pub fn leaf_hash_of<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> Sha256Hash {
    Sha256Hash::of_parts(iter::once([0x00].as_slice()).chain(parts))
}

/// The hash of an inner node: `SHA-256(0x01 || left || right)`.
#[must_use]
pub fn node_hash(left: &Sha256Hash, right: &Sha256Hash) -> Sha256Hash {
    let mut node = [0x01; 65];
    node[1..33].copy_from_slice(left.as_bytes());
    node[33..].copy_from_slice(right.as_bytes());
    Sha256Hash::of(&node)
}

/// The root of a tree without leaves: SHA-256 of nothing.
#[must_use]
pub fn empty_root() -> Sha256Hash {
    Sha256Hash::of(&[])
}

/// The Merkle tree hash over `hashes`, each the root of a complete subtree of one height.
///
/// With leaf hashes this is the root of the tree. It hashes in place, without allocating.
#[must_use]
pub fn tree_root(hashes: &[Sha256Hash]) -> Sha256Hash {
    match hashes {
        [] => empty_root(),
        [only] => *only,
        _ => {
            let (left, right) = hashes.split_at(hashes.len().div_ceil(2).next_power_of_two());
            node_hash(&tree_root(left), &tree_root(right))
        }
    }
}

/// Joins the roots of subtrees that stand side by side, the largest first, into one root.
pub(crate) fn join_right_edge(roots: impl DoubleEndedIterator<Item = Sha256Hash>) -> Option<Sha256Hash> {
    roots.rev().reduce(|right, left| node_hash(&left, &right))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::naive;

    #[test]
    fn an_empty_tree_has_the_root_of_rfc_6962() {
        let expected = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(naive::hex(&empty_root()), expected);
        assert_eq!(naive::hex(&tree_root(&[])), expected);
    }

    #[test]
    fn trees_of_one_to_eight_leaves_have_the_published_roots() {
        let leaves: Vec<_> = naive::CT_LEAVES.iter().map(|leaf| leaf_hash(leaf)).collect();
        for (size, expected) in (1..).zip(naive::CT_ROOTS) {
            assert_eq!(naive::hex(&tree_root(&leaves[..size])), expected, "{size} leaves");
        }
    }

    #[test]
    fn a_tree_of_any_size_has_the_root_of_the_recursive_definition() {
        let leaves = naive::leaf_hashes(0, 600);
        for size in (0..70).chain([127, 128, 129, 255, 256, 257, 511, 512, 600]) {
            assert_eq!(tree_root(&leaves[..size]), naive::root(&leaves[..size]), "{size} leaves");
        }
    }
}
