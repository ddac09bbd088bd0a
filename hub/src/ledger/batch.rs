//! From drafts to a batch: leaves, hashes, one checkpoint, receipts and proofs. Nothing here reads or writes.

use std::sync::Arc;

use ring::rand::{SecureRandom as _, SystemRandom};
use saphan_schemas::commitment::Committing;
use saphan_schemas::digest::Sha256Hash;
use saphan_schemas::jws::{SignError, Signed};
use saphan_schemas::leaf::{Leaf, MAX_LEAF_BYTES, ShardEvent, message_leaf, message_prefix};
use saphan_schemas::log::{BatchAppend, Checkpoint, CheckpointError, CompactRange, TlogProof, leaf_hash};
use saphan_schemas::receipt::ReceiptClaims;

use super::{AcknowledgementDraft, Appended, Draft, ErasureDraft, LedgerError, LedgerKeys, MessageDraft, QueryDraft};
use crate::shards::{Shard, Shards};
use crate::store::{Batch, Effect, Head, NewAcknowledgement, NewEntry, NewMessage, NewQuery};

/// A draft with its leaf.
pub(super) struct Written {
    leaf: Vec<u8>,
    /// The leaf before the envelope, for messages.
    prefix: Vec<u8>,
    draft: Draft,
}

/// Why a batch cannot be signed.
#[derive(Debug, thiserror::Error)]
pub(super) enum BatchError {
    #[error("the checkpoint cannot be signed")]
    Checkpoint(#[from] CheckpointError),
    #[error("there is no key for checkpoints")]
    NoLogKey,
    #[error("an entry of the batch has no place in its tree")]
    Proof,
    #[error("a receipt cannot be signed")]
    Receipt(#[from] SignError),
    #[error("the thread that signs ended abnormally")]
    Thread,
}

/// Writes the leaf of a draft at the time `now` (ms).
pub(super) fn write_leaf(draft: Draft, shards: &Shards, now: u64) -> Result<Written, LedgerError> {
    let (prefix, leaf) = match &draft {
        Draft::Message(message) => {
            let prefix = message_prefix(now, &message.schema).into_bytes();
            let leaf = message_leaf(&prefix, message.envelope.as_str());
            (prefix, leaf)
        }
        Draft::Refusal(refusal) => {
            let code = refusal.code.to_code().map_err(|_| LedgerError::Unavailable)?;
            let leaf = Leaf::Refusal { ts: now, code, env: refusal.envelope, nonce: nonce()? };
            (Vec::new(), leaf.to_bytes())
        }
        Draft::Acknowledgement(draft) => {
            let acknowledgement = draft.acknowledgement.as_str().to_owned();
            (Vec::new(), Leaf::Acknowledgement { ts: now, acknowledgement }.to_bytes())
        }
        Draft::Registry(draft) => {
            (Vec::new(), Leaf::Registry { ts: now, entry: draft.entry.as_str().to_owned() }.to_bytes())
        }
        Draft::Erasure(draft) => {
            let erased = shards.located(draft.index);
            let log = (erased.log != shards.present().origin).then(|| erased.log.to_owned());
            let leaf = Leaf::Erasure { ts: now, index: erased.index, basis: draft.basis.clone(), log };
            (Vec::new(), leaf.to_bytes())
        }
        Draft::Query(query) => {
            let commit = query_commitment(query);
            (Vec::new(), Leaf::Query { ts: now, auditor: query.auditor.clone(), commit }.to_bytes())
        }
        Draft::Shard(event) => (Vec::new(), Leaf::Shard { ts: now, event: (**event).clone() }.to_bytes()),
    };
    if leaf.len() > MAX_LEAF_BYTES {
        return Err(LedgerError::TooLarge);
    }
    Ok(Written { leaf, prefix, draft })
}

/// Appends the leaves to the tree and signs what follows: the batch to commit, and the answer for each draft.
pub(super) fn build(
    before: &CompactRange,
    shard: &Shard,
    written: Vec<Written>,
    keys: &LedgerKeys,
    now: u64,
) -> Result<(Batch, Vec<Appended>), BatchError> {
    let hashes: Vec<_> = written.iter().map(|entry| leaf_hash(&entry.leaf)).collect();
    let tree = BatchAppend::new(before, hashes.clone());
    let (log, more) = keys.logs.split_first().ok_or(BatchError::NoLogKey)?;
    let checkpoint = Checkpoint::new(keys.origin.clone(), tree.size(), tree.root());
    let checkpoint = checkpoint.sign_with(log, more.iter().map(Arc::as_ref))?;
    let mut entries = Vec::with_capacity(written.len());
    let mut answers = Vec::with_capacity(written.len());
    for ((index, written), hash) in (tree.first_index()..).zip(written).zip(hashes) {
        let Written { leaf, prefix, draft } = written;
        let place = shard.first + index;
        let (effect, answer) = match draft {
            Draft::Message(message) => {
                let receipt = sign_receipt(&message, index, hash, &tree, keys, now)?;
                let path = tree.inclusion_proof(index).ok_or(BatchError::Proof)?;
                let proof = TlogProof::new(Some(prefix), index, path, checkpoint.clone()).to_string();
                let answer = Appended::Message { index: place, receipt: receipt.clone(), proof: proof.clone() };
                (Effect::Message(Box::new(new_message(*message, now, receipt, proof))), answer)
            }
            Draft::Acknowledgement(draft) => {
                (Effect::Acknowledgement(new_acknowledgement(&draft)), Appended::Entry { index: place })
            }
            Draft::Registry(_) => (Effect::Registry, Appended::Entry { index: place }),
            Draft::Erasure(ErasureDraft { index: erased, .. }) => {
                (Effect::Erasure { index: erased }, Appended::Entry { index: place })
            }
            Draft::Query(query) => {
                let commit = query_commitment(&query);
                let QueryDraft { salt, text, .. } = *query;
                (Effect::Query(Box::new(NewQuery { commit, salt, text })), Appended::Entry { index: place })
            }
            Draft::Shard(event) => (effect_of(*event), Appended::Entry { index: place }),
            Draft::Refusal(_) => (Effect::None, Appended::Entry { index: place }),
        };
        entries.push(NewEntry { leaf, hash, effect });
        answers.push(answer);
    }
    let head = Head { first: shard.first, range: tree.range(), checkpoint };
    let tile_hashes = tree.completed_tile_hashes().collect();
    let first = shard.first + tree.first_index();
    Ok((Batch { shard: shard.number, first, entries, tile_hashes, head }, answers))
}

fn sign_receipt(
    message: &MessageDraft,
    index: u64,
    leaf: Sha256Hash,
    tree: &BatchAppend,
    keys: &LedgerKeys,
    now: u64,
) -> Result<String, SignError> {
    let claims = ReceiptClaims {
        iss: keys.hub.clone(),
        iat: now / 1000,
        jti: message.envelope.claims().jti,
        log: keys.origin.clone(),
        index,
        leaf,
        env: message.envelope.hash(),
        size: tree.size(),
        root: tree.root(),
        schema: message.schema.id.clone(),
    };
    Ok(Signed::sign(claims, &*keys.receipts)?.as_str().to_owned())
}

fn new_message(message: MessageDraft, now: u64, receipt: String, proof: String) -> NewMessage {
    NewMessage {
        claims: message.envelope.shared_claims(),
        transport: message.transport,
        content: message.envelope.content_hash(),
        documents: message.documents,
        until: message.kept_days.map(|days| now.saturating_add(u64::from(days.get()) * DAY_MS)),
        salt: message.salt,
        body: message.body,
        receipt,
        proof,
    }
}

fn new_acknowledgement(draft: &AcknowledgementDraft) -> NewAcknowledgement {
    let claims = draft.acknowledgement.claims();
    NewAcknowledgement {
        receiver: claims.iss.clone(),
        id: claims.jti,
        content: draft.acknowledgement.content_hash(),
        outcomes: draft.places().map(|one| (one.index, one.outcome, one.code)).collect(),
    }
}

fn effect_of(event: ShardEvent) -> Effect {
    match event {
        ShardEvent::Opened { origin, abandoned, .. } => {
            Effect::Opened { origin, vouches: abandoned.is_some_and(|abandoned| abandoned.key.is_some()) }
        }
        ShardEvent::Closed { .. } => Effect::None,
    }
}

fn query_commitment(query: &QueryDraft) -> Sha256Hash {
    let mut committing = Committing::new(&query.salt);
    committing.update(query.text.as_bytes());
    committing.finish().0
}

fn nonce() -> Result<String, LedgerError> {
    let mut bytes = [0; 16];
    SystemRandom::new().fill(&mut bytes).map_err(|_| LedgerError::Unavailable)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

const DAY_MS: u64 = 24 * 3_600_000;
