//! The Merkle log: hashing, proofs, tiles, checkpoints, and how a copy is checked.
//!
//! Hashing is RFC 6962 with SHA-256; the files are C2SP `tlog-tiles`, `tlog-checkpoint`, `signed-note`,
//! `tlog-cosignature`, `tlog-witness`, `tlog-policy` and `tlog-proof`. Nothing here reads or writes: callers bring bytes and hashes. In reading order:
//!
//! - [`hash`], [`range`], [`batch`]: hashes, the right edge of a growing tree, appending a batch with its proofs;
//! - [`proof`]: inclusion and consistency proofs, made from stored hashes and verified;
//! - [`note`], [`checkpoint`]: signed notes, and the signed tree head;
//! - [`cosignature`], [`add_checkpoint`], [`policy`]: witnesses: what they sign, how they are asked, which of them suffice;
//! - [`tile`], [`bundle`]: the static files of a log;
//! - [`tlog_proof`]: the proof that goes with a receipt;
//! - [`stamped`]: timestamps on checkpoints, by somebody else than the hub;
//! - [`rebuild`]: re-deriving every tile and the root from the entries.

pub mod add_checkpoint;
pub mod batch;
pub mod bundle;
pub mod checkpoint;
pub mod cosignature;
pub mod hash;
pub mod note;
pub mod policy;
pub mod proof;
pub mod range;
pub mod rebuild;
pub mod stamped;
pub mod tile;
pub mod tlog_proof;

#[cfg(test)]
mod naive;
#[cfg(test)]
mod oracle;

pub use add_checkpoint::{AddCheckpoint, AddCheckpointError};
pub use batch::{BatchAppend, TileHash};
pub use bundle::{BundleError, decode_bundle, encode_bundle};
pub use checkpoint::{Checkpoint, CheckpointError, SignedCheckpoint};
pub use cosignature::Cosigner;
pub use hash::{empty_root, leaf_hash, leaf_hash_of, node_hash};
pub use note::{CosignerKey, KeyError, NoteError, NoteSignature, NoteSigner, SignedNote, VerifierKey};
pub use policy::{Policy, PolicyError};
pub use proof::{
    HashRun, PlanError, ProofError, ProofPlan, VerifyError, consistency_proof, inclusion_proof, verify_consistency,
    verify_inclusion,
};
pub use range::{CompactRange, RangeError};
pub use rebuild::{LogRebuilder, NotAPlace, RebuiltTile, TileMismatch};
pub use stamped::{NotAPage, Stamped};
pub use tile::{TileContent, TileError, TilePath, partial_tiles, tiles_completed, tiles_for_size};
pub use tlog_proof::{TlogProof, TlogProofError};

/// Hashes in a full tile, and entries in a full bundle (C2SP tlog-tiles).
pub const TILE_WIDTH: u16 = 256;
