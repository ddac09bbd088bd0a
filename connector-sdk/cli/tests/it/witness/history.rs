//! Histories of a log that a witness is shown.

use saphan_schemas::digest::Sha256Hash;
use saphan_schemas::log::{
    AddCheckpoint, Checkpoint, CompactRange, NoteSigner, consistency_proof, empty_root, leaf_hash,
};

/// One history of a log, of at most 256 entries.
pub(super) struct History {
    leaves: Vec<Sha256Hash>,
    /// At each size, from 0 on.
    roots: Vec<Sha256Hash>,
}

pub(super) fn log(origin: &str) -> NoteSigner {
    NoteSigner::from_pkcs8(origin, &NoteSigner::generate_pkcs8().unwrap()).unwrap()
}

impl History {
    /// `size` entries, of which the first `common` are those of every history and the others those of `branch`.
    pub(super) fn new(branch: &str, common: usize, size: usize) -> Self {
        let entry = |at| if at < common { format!("{at}") } else { format!("{branch} {at}") };
        let leaves: Vec<_> = (0..size).map(|at| leaf_hash(entry(at).as_bytes())).collect();
        let (mut range, mut roots) = (CompactRange::new(), vec![empty_root()]);
        for leaf in &leaves {
            range.push(*leaf);
            roots.push(range.root());
        }
        Self { leaves, roots }
    }

    pub(super) fn root(&self, size: u64) -> Sha256Hash {
        self.roots[usize::try_from(size).unwrap()]
    }

    pub(super) fn checkpoint(&self, size: u64, log: &NoteSigner) -> String {
        Checkpoint::new(log.name().into(), size, self.root(size)).sign(log).unwrap()
    }

    /// The body of a request, by the rules if `old` is at most `size`.
    pub(super) fn request(&self, old: u64, size: u64, log: &NoteSigner) -> String {
        let read = |run: saphan_schemas::log::HashRun| {
            assert_eq!(run.level, 0);
            let start = usize::try_from(run.start).unwrap();
            Ok::<_, ()>(self.leaves[start..start + usize::from(run.count)].to_vec())
        };
        let proof = if old > size { Vec::new() } else { consistency_proof(old, size, read).unwrap() };
        AddCheckpoint { old, proof, checkpoint: self.checkpoint(size, log) }.to_string()
    }
}
