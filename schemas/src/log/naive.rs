//! For tests: the recursive definitions of RFC 6962 section 2.1, written as they stand there.

use super::hash::{empty_root, leaf_hash, node_hash};
use crate::digest::Sha256Hash;

/// The leaves that certificate transparency implementations test with.
pub(crate) const CT_LEAVES: [&[u8]; 8] = [
    &[],
    &[0x00],
    &[0x10],
    &[0x20, 0x21],
    &[0x30, 0x31],
    &[0x40, 0x41, 0x42, 0x43],
    &[0x50, 0x51, 0x52, 0x53, 0x54, 0x55, 0x56, 0x57],
    &[0x60, 0x61, 0x62, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68, 0x69, 0x6a, 0x6b, 0x6c, 0x6d, 0x6e, 0x6f],
];

/// The roots of the trees of the first one to eight of [`CT_LEAVES`].
pub(crate) const CT_ROOTS: [&str; 8] = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
];

pub(crate) fn hex(hash: &Sha256Hash) -> String {
    hash.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The bytes of entry `index` of the log that tests build.
pub(crate) fn entry(index: u64) -> Vec<u8> {
    format!("entry {index}").into_bytes()
}

/// The leaf hashes of `count` entries from `first` on.
pub(crate) fn leaf_hashes(first: u64, count: u64) -> Vec<Sha256Hash> {
    (first..first + count).map(|index| leaf_hash(&entry(index))).collect()
}

/// MTH.
pub(crate) fn root(leaves: &[Sha256Hash]) -> Sha256Hash {
    match leaves.len() {
        0 => empty_root(),
        1 => leaves[0],
        n => {
            let k = split(n);
            node_hash(&root(&leaves[..k]), &root(&leaves[k..]))
        }
    }
}

/// PATH.
pub(crate) fn inclusion(index: usize, leaves: &[Sha256Hash]) -> Vec<Sha256Hash> {
    if leaves.len() == 1 {
        return Vec::new();
    }
    let k = split(leaves.len());
    let (mut path, sibling) = if index < k {
        (inclusion(index, &leaves[..k]), root(&leaves[k..]))
    } else {
        (inclusion(index - k, &leaves[k..]), root(&leaves[..k]))
    };
    path.push(sibling);
    path
}

/// PROOF.
pub(crate) fn consistency(old: usize, leaves: &[Sha256Hash]) -> Vec<Sha256Hash> {
    fn subproof(m: usize, leaves: &[Sha256Hash], complete: bool) -> Vec<Sha256Hash> {
        if m == leaves.len() {
            return if complete { Vec::new() } else { vec![root(leaves)] };
        }
        let k = split(leaves.len());
        let (mut proof, other) = if m <= k {
            (subproof(m, &leaves[..k], complete), root(&leaves[k..]))
        } else {
            (subproof(m - k, &leaves[k..], false), root(&leaves[..k]))
        };
        proof.push(other);
        proof
    }
    if old == 0 { Vec::new() } else { subproof(old, leaves, true) }
}

/// The hashes of a tile level, as a store keeps them: level 0 is the leaves.
pub(crate) fn level(level: u8, leaves: &[Sha256Hash]) -> Vec<Sha256Hash> {
    let span = 256usize.pow(level.into());
    leaves.chunks_exact(span).map(root).collect()
}

/// A text with the byte at `at` (modulo its length) changed by `flip`; `None` if that is no text any more.
pub(crate) fn mutate(text: &str, at: usize, flip: u8) -> Option<String> {
    let mut bytes = text.as_bytes().to_vec();
    let at = at % bytes.len();
    bytes[at] ^= flip;
    String::from_utf8(bytes).ok()
}

fn split(n: usize) -> usize {
    let mut k = 1;
    while k * 2 < n {
        k *= 2;
    }
    k
}
