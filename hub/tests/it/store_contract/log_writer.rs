//! Makes batches as the ledger does, with content that only the store looks at.

use std::sync::Arc;

use saphan_hub::shards::Shard;
use saphan_hub::store::{
    Batch, Deliveries, Effect, Head, LeaseChange, LeaseRequest, Limit, NewEntry, NewMessage, Store,
};
use saphan_schemas::commitment::{BodyCommitment, Salt};
use saphan_schemas::digest::Sha256Hash;
use saphan_schemas::envelope::EnvelopeClaims;
use saphan_schemas::ids::{MessageId, SystemId};
use saphan_schemas::log::{BatchAppend, Checkpoint, CompactRange, NoteSigner, leaf_hash};
use saphan_schemas::registry::TransportKind;
use serde_json::json;

pub(super) struct LogWriter {
    range: CompactRange,
    signer: NoteSigner,
}

/// The log that all of these are of.
pub(super) fn first_log() -> Shard {
    Shard { number: 0, first: 0, origin: ORIGIN.to_owned() }
}

impl LogWriter {
    pub(super) fn new() -> Self {
        let signer = NoteSigner::from_pkcs8(ORIGIN, &NoteSigner::generate_pkcs8().unwrap()).unwrap();
        Self { range: CompactRange::new(), signer }
    }

    /// A batch on the present end of the log, which it moves.
    pub(super) fn batch(&mut self, entries: Vec<NewEntry>) -> Batch {
        let batch = self.batch_apart(entries);
        self.range = batch.head.range.clone();
        batch
    }

    /// A batch on the present end of the log, which stays.
    pub(super) fn batch_apart(&self, entries: Vec<NewEntry>) -> Batch {
        let tree = BatchAppend::new(&self.range, entries.iter().map(|entry| entry.hash).collect());
        let checkpoint = Checkpoint::new(ORIGIN.into(), tree.size(), tree.root()).sign(&self.signer).unwrap();
        let head = Head { first: 0, range: tree.range(), checkpoint };
        Batch {
            shard: 0,
            first: tree.first_index(),
            entries,
            tile_hashes: tree.completed_tile_hashes().collect(),
            head,
        }
    }

    /// Commits entries; returns the place of the first.
    pub(super) async fn commit(&mut self, store: &dyn Store, entries: Vec<NewEntry>) -> u64 {
        let batch = self.batch(entries);
        store.commit(&batch).await.unwrap();
        batch.first
    }

    /// A message to a system that pulls.
    pub(super) fn message(body: &str) -> NewEntry {
        Self::message_with(body, |_| ())
    }

    /// A message to a system behind the broker.
    pub(super) fn broker_message(body: &str) -> NewEntry {
        Self::message_with(body, |message| {
            message.transport = TransportKind::Amqp;
            claims_of(message).aud = archive();
        })
    }

    pub(super) fn message_with(body: &str, change: impl FnOnce(&mut NewMessage)) -> NewEntry {
        let salt = Salt::from_bytes([7; 32]);
        let claims = json!({
            "iss": "th.dga/portal",
            "aud": office(),
            "hub": "hub.local",
            "jti": MessageId::new(),
            "iat": 0,
            "type": "a.b",
            "schema": "a.b@1",
            "body": BodyCommitment::new(&salt, body.as_bytes()),
        });
        let mut message = NewMessage {
            claims: Arc::new(serde_json::from_value(claims).unwrap()),
            transport: TransportKind::Pull,
            content: Sha256Hash::of(body.as_bytes()),
            salt,
            body: body.into(),
            until: None,
            receipt: format!("receipt of {body}"),
            proof: format!("proof of {body}"),
            documents: Vec::new(),
        };
        change(&mut message);
        Self::entry(format!("leaf of {} {body}", message.claims.jti), Effect::Message(Box::new(message)))
    }

    pub(super) fn entry(leaf: String, effect: Effect) -> NewEntry {
        let leaf = leaf.into_bytes();
        NewEntry { hash: leaf_hash(&leaf), leaf, effect }
    }
}

/// The message of an entry that has one.
pub(super) fn message_of(entry: &NewEntry) -> &NewMessage {
    let Effect::Message(message) = &entry.effect else { panic!("not a message") };
    message
}

/// What a message says, to change it.
pub(super) fn claims_of(message: &mut NewMessage) -> &mut EnvelopeClaims {
    Arc::make_mut(&mut message.claims)
}

pub(super) fn office() -> SystemId {
    "th.dlt/licensing".parse().unwrap()
}

pub(super) fn archive() -> SystemId {
    "th.dopa/archive".parse().unwrap()
}

/// A lease of the office from `now` to `until`, up to `rows` messages.
pub(super) async fn lease(store: &dyn Store, lease: &str, (now, until): (u64, u64), rows: u32) -> Vec<(u64, u32)> {
    let limit = Limit { rows, bytes: u64::MAX };
    let request = LeaseRequest { recipient: &office(), lease, now, until, limit };
    let pending = store.lease(request).await.unwrap();
    pending.into_iter().map(|pending| (pending.index, pending.attempts)).collect()
}

/// Moves the office's lease; returns how many rows it still had.
pub(super) async fn extend(store: &dyn Store, lease: &str, (now, until): (u64, u64)) -> u64 {
    let change = LeaseChange { recipient: &office(), lease, now, until, only: None, ends: false };
    store.move_lease(change).await.unwrap()
}

/// The places that are due for the broker.
pub(super) async fn due(store: &dyn Store, now: u64) -> Vec<u64> {
    let limit = Limit { rows: 100, bytes: u64::MAX };
    store.due(Deliveries::All, now, limit).await.unwrap().messages.into_iter().map(|pending| pending.index).collect()
}

pub(super) const ORIGIN: &str = "hub.local/log/main";
