//! Tests against other implementations of the same formats: `tlog_tiles` and `signed_note`.

use std::cell::RefCell;
use std::convert::Infallible;

use proptest::prelude::*;
use signed_note::{Note, StandardVerifier, VerifierList};
use tlog_tiles::{Hash, HashReader, RecordProof, TreeProof};

use super::batch::BatchAppend;
use super::checkpoint::{Checkpoint, SignedCheckpoint};
use super::naive;
use super::note::{NoteSigner, SignedNote};
use super::proof::{HashRun, consistency_proof, inclusion_proof, verify_consistency, verify_inclusion};
use super::range::CompactRange;
use super::rebuild::LogRebuilder;
use super::tile::{TileContent, TilePath};
use crate::digest::Sha256Hash;

/// A log kept by the other implementation.
#[derive(Default)]
struct Oracle(RefCell<Vec<Hash>>);

impl Oracle {
    fn of(size: u64) -> Self {
        let log = Self::default();
        for index in 0..size {
            let hashes = tlog_tiles::stored_hashes(index, &naive::entry(index), &log).unwrap();
            log.0.borrow_mut().extend(hashes);
        }
        log
    }

    fn tile(&self, path: &TilePath) -> Option<Vec<u8>> {
        let TileContent::Hashes { level } = path.content() else { return None };
        let tile = tlog_tiles::Tile::new(8, level, path.index(), path.width().into(), false);
        Some(tile.read_data(self).unwrap())
    }
}

impl HashReader for Oracle {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<Hash>, tlog_tiles::Error> {
        Ok(indexes.iter().map(|index| self.0.borrow()[*index as usize]).collect())
    }
}

fn theirs(hash: &Sha256Hash) -> Hash {
    Hash(*hash.as_bytes())
}

fn ours(hashes: Vec<Hash>) -> Vec<Sha256Hash> {
    hashes.into_iter().map(|hash| Sha256Hash::from_bytes(hash.0)).collect()
}

fn reader(leaves: &[Sha256Hash]) -> impl Fn(HashRun) -> Result<Vec<Sha256Hash>, Infallible> {
    let levels: Vec<_> = (0..3).map(|level| naive::level(level, leaves)).collect();
    move |run| {
        let start = run.start as usize;
        Ok(levels[usize::from(run.level)][start..start + usize::from(run.count)].to_vec())
    }
}

fn signer() -> NoteSigner {
    NoteSigner::from_pkcs8("hub.local/log/2026h2", &NoteSigner::generate_pkcs8().unwrap()).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn roots_and_proofs_are_those_of_another_implementation(
        size in 2u64..900, index: prop::sample::Index, old: prop::sample::Index,
    ) {
        let (oracle, leaves) = (Oracle::of(size), naive::leaf_hashes(0, size));
        let (index, old) = (index.index(size as usize), 1 + old.index(size as usize - 1));
        let (root, old_root) = (naive::root(&leaves), naive::root(&leaves[..old]));
        prop_assert_eq!(tlog_tiles::tree_hash(size, &oracle).unwrap(), theirs(&root));

        let proof = inclusion_proof(index as u64, size, reader(&leaves)).unwrap();
        prop_assert_eq!(&proof, &ours(tlog_tiles::prove_record(size, index as u64, &oracle).unwrap()));
        prop_assert_eq!(verify_inclusion(leaves[index], index as u64, size, &proof, root), Ok(()));
        let record: RecordProof = proof.iter().map(theirs).collect();
        prop_assert!(tlog_tiles::check_record(&record, size, theirs(&root), index as u64, theirs(&leaves[index])).is_ok());

        let proof = consistency_proof(old as u64, size, reader(&leaves)).unwrap();
        prop_assert_eq!(&proof, &ours(tlog_tiles::prove_tree(size, old as u64, &oracle).unwrap()));
        prop_assert_eq!(verify_consistency(old as u64, old_root, size, root, &proof), Ok(()));
        let tree: TreeProof = proof.iter().map(theirs).collect();
        prop_assert!(tlog_tiles::check_tree(&tree, size, theirs(&root), old as u64, theirs(&old_root)).is_ok());
    }

    #[test]
    fn proofs_of_a_batch_are_accepted_by_another_implementation(old in 0u64..600, count in 1u64..50) {
        let mut before = CompactRange::new();
        naive::leaf_hashes(0, old).into_iter().for_each(|leaf| before.push(leaf));
        let leaves = naive::leaf_hashes(old, count);
        let batch = BatchAppend::new(&before, leaves.clone());
        for (index, leaf) in (old..).zip(&leaves) {
            let proof: RecordProof = batch.inclusion_proof(index).unwrap().iter().map(theirs).collect();
            let checked = tlog_tiles::check_record(&proof, batch.size(), theirs(&batch.root()), index, theirs(leaf));
            prop_assert!(checked.is_ok());
        }
    }

    #[test]
    fn paths_are_those_of_another_implementation(level in 0u8..64, index in 0u64..1 << 56, shift in 0u32..56, width in 1u16..=256) {
        let (index, content) = (index >> shift, TileContent::Hashes { level });
        let path = TilePath::new(content, index, width).unwrap().to_string();
        let expected = tlog_tiles::Tile::new(8, level, index, width.into(), false).path();
        prop_assert_eq!(path, expected.replacen("tile/8/", "tile/", 1));
    }

    #[test]
    fn checkpoints_are_read_and_verified_by_another_implementation(size: u64, root: [u8; 32]) {
        let (signer, root) = (signer(), Sha256Hash::from_bytes(root));
        let text = Checkpoint::new(signer.name().into(), size, root).sign(&signer).unwrap();
        let note = Note::from_bytes(text.as_bytes()).unwrap();
        let verifier = StandardVerifier::new(&signer.verifier_key().to_string()).unwrap();
        let (verified, unverified) = note.verify(&VerifierList::new(vec![Box::new(verifier)])).unwrap();
        prop_assert_eq!((verified.len(), unverified.len()), (1, 0));
        let checkpoint = tlog_tiles::Checkpoint::from_bytes(note.text()).unwrap();
        prop_assert_eq!((checkpoint.origin(), checkpoint.size()), (signer.name(), size));
        prop_assert_eq!(*checkpoint.hash(), theirs(&root));
    }

    #[test]
    fn texts_that_we_read_as_notes_and_checkpoints_are_read_so_by_another_implementation(at: usize, flip in 1u8..) {
        let signer = signer();
        let text = Checkpoint::new(signer.name().into(), 7, Sha256Hash::of(b"")).sign(&signer).unwrap();
        let Some(changed) = naive::mutate(&text, at, flip) else { return Ok(()) };
        if let Ok(note) = changed.parse::<SignedNote>() {
            let other = Note::from_bytes(changed.as_bytes()).unwrap();
            prop_assert_eq!(other.text(), note.text().as_bytes());
            prop_assert_eq!(
                note.text().parse::<Checkpoint>().is_ok(),
                tlog_tiles::Checkpoint::from_bytes(note.text().as_bytes()).is_ok()
            );
        }
        prop_assert!(SignedCheckpoint::parse_and_verify(&changed, signer.verifier_key()).is_err());
    }
}

#[test]
fn rebuilt_tiles_are_those_of_another_implementation() {
    let size = 66_000;
    let (oracle, mut log) = (Oracle::of(size), LogRebuilder::new());
    let mut tiles = Vec::new();
    for index in 0..size {
        tiles.extend(log.push_entry(&naive::entry(index)).unwrap());
    }
    tiles.extend(log.partial_tiles());
    let compared = tiles.iter().filter_map(|tile| Some(tile.compare(&oracle.tile(&tile.path)?)));
    assert_eq!(compared.inspect(|same| assert_eq!(*same, Ok(()))).count(), 258 + 2 + 1);
    assert_eq!(theirs(&log.root()), tlog_tiles::tree_hash(size, &oracle).unwrap());
}
