//! A copy of the log as a stranger takes it, over HTTP, with everything checked that can be.

use std::collections::HashSet;

use saphan_schemas::digest::Sha256Hash;
use saphan_schemas::envelope::UnverifiedEnvelope;
use saphan_schemas::ids::{MessageId, SystemId};
use saphan_schemas::leaf::Leaf;
use saphan_schemas::log::{
    Checkpoint, LogRebuilder, SignedCheckpoint, TileContent, TlogProof, VerifierKey, decode_bundle, tiles_for_size,
};

use super::TestHub;

pub(crate) struct LogCopy {
    pub(crate) checkpoint: Checkpoint,
    pub(crate) leaves: Vec<Leaf>,
    /// How many tiles and bundles were compared.
    pub(crate) tiles: usize,
    /// The root at each size, from 0 on.
    roots: Vec<Sha256Hash>,
    key: VerifierKey,
}

impl LogCopy {
    /// Fetches the log; each tile, bundle and the root must be what its entries give.
    pub(crate) async fn fetch(hub: &TestHub) -> Self {
        Self::fetch_at(hub, "/v1/log").await
    }

    /// The same, of the log at this path.
    pub(crate) async fn fetch_at(hub: &TestHub, log: &str) -> Self {
        let key: VerifierKey = hub.get(&format!("{log}/vkey")).await.text().trim_end().parse().unwrap();
        let checkpoint = hub.get(&format!("{log}/checkpoint")).await;
        let checkpoint = SignedCheckpoint::parse_and_verify(checkpoint.text(), &key).unwrap().into_checkpoint();
        let mut entries: Vec<Vec<u8>> = Vec::new();
        for path in tiles_for_size(checkpoint.size).filter(|path| path.content() == TileContent::Entries) {
            let bundle = hub.get(&format!("{log}/{path}")).await;
            assert_eq!(bundle.status, 200, "{path}");
            entries.extend(decode_bundle(&bundle.body, path.width()).unwrap().iter().map(|entry| entry.to_vec()));
        }
        let mut rebuilder = LogRebuilder::new();
        let mut roots = vec![rebuilder.root()];
        let mut tiles = Vec::new();
        for entry in &entries {
            tiles.extend(rebuilder.push_entry(entry).unwrap());
            roots.push(rebuilder.root());
        }
        tiles.extend(rebuilder.partial_tiles());
        assert_eq!(tiles.len(), tiles_for_size(checkpoint.size).count());
        for tile in &tiles {
            let served = hub.get(&format!("{log}/{}", tile.path)).await;
            assert_eq!(served.status, 200, "{}", tile.path);
            tile.compare(&served.body).unwrap();
        }
        assert_eq!((checkpoint.size, checkpoint.root), (rebuilder.size(), rebuilder.root()));
        let leaves = entries.iter().map(|entry| Leaf::parse(entry).unwrap()).collect();
        Self { checkpoint, leaves, tiles: tiles.len(), roots, key }
    }

    pub(crate) fn size(&self) -> u64 {
        self.checkpoint.size
    }

    /// That a checkpoint given out earlier, in a proof, is of this very history.
    pub(crate) fn agrees_with(&self, proof: &str) {
        let proof: TlogProof = proof.parse().unwrap();
        let signed = SignedCheckpoint::parse_and_verify(proof.checkpoint_text(), &self.key).unwrap();
        let (size, root) = (signed.checkpoint().size, signed.checkpoint().root);
        assert_eq!(self.roots.get(usize::try_from(size).unwrap()), Some(&root), "two histories at size {size}");
    }

    /// The text of the checkpoint of this size.
    pub(crate) fn text_at(&self, size: u64) -> String {
        let root = self.roots[usize::try_from(size).unwrap()];
        Checkpoint::new(self.checkpoint.origin.clone(), size, root).to_note_text()
    }

    /// The accepted messages, in order.
    pub(crate) fn messages(&self) -> Vec<(SystemId, MessageId)> {
        let ids: Vec<_> = self.leaves.iter().filter_map(message_id).collect();
        let distinct: HashSet<_> = ids.iter().collect();
        assert_eq!(distinct.len(), ids.len(), "a message is in the log twice");
        ids
    }

    /// The texts of the registry entries, in order.
    pub(crate) fn registry_entries(&self) -> Vec<String> {
        let entry = |leaf: &Leaf| if let Leaf::Registry { entry, .. } = leaf { Some(entry.clone()) } else { None };
        self.leaves.iter().filter_map(entry).collect()
    }

    /// The codes of the refusals, in order.
    pub(crate) fn refusals(&self) -> Vec<&str> {
        self.leaves.iter().filter_map(refusal_code).collect()
    }
}

fn message_id(leaf: &Leaf) -> Option<(SystemId, MessageId)> {
    let Leaf::Message { envelope, .. } = leaf else { return None };
    let envelope = UnverifiedEnvelope::parse(envelope).unwrap();
    Some((envelope.claims().iss.clone(), envelope.claims().jti))
}

fn refusal_code(leaf: &Leaf) -> Option<&str> {
    if let Leaf::Refusal { code, .. } = leaf { Some(code.as_str()) } else { None }
}
