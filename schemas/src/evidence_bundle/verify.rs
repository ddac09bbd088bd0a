//! From a bundle and the log's key to what is proven.

use std::collections::BTreeMap;

use super::fault::{BundleFault, EntryFault};
use super::proven::{Acknowledgement, Body, Proven, ProvenMessage};
use super::{BundledEntry, BundledMessage, EvidenceBundle, timestamps};
use crate::acknowledgement::UnverifiedAcknowledgement;
use crate::digest::Sha256Hash;
use crate::envelope::{Envelope, EnvelopeClaims, UnverifiedEnvelope};
use crate::ids::{Code, SystemId};
use crate::keys::{KeyId, PublicKey};
use crate::leaf::{Leaf, SchemaVersion, ShardEvent, split_message};
use crate::log::{Checkpoint, SignedCheckpoint, VerifierKey, leaf_hash, verify_inclusion};
use crate::receipt::UnverifiedReceipt;
use crate::registry::{MessageFacts, RegistryState, Role, Root, UnverifiedRegistryEntry};

impl EvidenceBundle {
    /// Verifies everything in the bundle, for somebody who trusts a key of the log.
    ///
    /// What it does not show: that nothing between the entries, such as a revocation, was left out of the bundle; that needs the
    /// log. That the hub showed everybody the same log; that needs witnesses.
    ///
    /// # Errors
    /// The first thing that does not hold.
    pub fn verify(&self, vkey: &VerifierKey) -> Result<Proven, BundleFault> {
        let checkpoint = SignedCheckpoint::parse_and_verify(&self.checkpoint, vkey)?.into_checkpoint();
        if self.messages.is_empty() {
            return Err(BundleFault::Empty);
        }
        if let Some(pair) = self.entries.windows(2).find(|pair| pair[0].index >= pair[1].index) {
            return Err(BundleFault::Order { index: pair[1].index });
        }
        let mut fold = Fold::open(self, &checkpoint)?;
        for entry in self.entries.iter().skip(1) {
            fold.take(entry).map_err(|fault| BundleFault::Entry { index: entry.index, fault })?;
        }
        let proven = fold.finish(vkey)?;
        let stamped = timestamps::verify(self, &checkpoint);
        let stamped = stamped.map_err(|(size, fault)| BundleFault::Timestamp { size, fault })?;
        Ok(Proven { stamped, ..proven })
    }
}

struct Fold<'a> {
    bundle: &'a EvidenceBundle,
    checkpoint: &'a Checkpoint,
    registry: RegistryState,
    /// The hashes of the schema texts.
    texts: Vec<Sha256Hash>,
    proven: BTreeMap<u64, ProvenMessage>,
    /// The time of the last entry, in milliseconds since 1970.
    ts: u64,
}

impl<'a> Fold<'a> {
    /// The entry that opens the log names its keys. Not that of a later log: its registry goes on from those before it, of which a
    /// bundle holds nothing.
    fn open(bundle: &'a EvidenceBundle, checkpoint: &'a Checkpoint) -> Result<Self, BundleFault> {
        let first = bundle.entries.first().filter(|entry| entry.index == 0).ok_or(BundleFault::NotOpened)?;
        let in_first = |fault| BundleFault::Entry { index: 0, fault };
        let leaf = read(first, checkpoint).map_err(in_first)?;
        let Leaf::Shard { ts, event: ShardEvent::Opened { origin, hub, operator, receipts, log, previous: None } } =
            leaf
        else {
            return Err(BundleFault::NotOpened);
        };
        if origin != checkpoint.origin {
            return Err(BundleFault::NotOpened);
        }
        let registry = RegistryState::new(Root { hub, operator: *operator, receipts: *receipts, log: *log });
        let texts = bundle.schemas.iter().map(|text| Sha256Hash::of(text.as_bytes())).collect();
        Ok(Self { bundle, checkpoint, registry, texts, proven: BTreeMap::new(), ts })
    }

    fn take(&mut self, entry: &BundledEntry) -> Result<(), EntryFault> {
        let leaf = read(entry, self.checkpoint)?;
        if leaf.ts() < self.ts {
            return Err(EntryFault::Misplaced);
        }
        self.ts = leaf.ts();
        match leaf {
            Leaf::Registry { ts, entry: signed } => {
                self.registry.take(UnverifiedRegistryEntry::parse(&signed)?, entry.index, ts / 1000)?;
            }
            Leaf::Message { ts, schema, envelope } => {
                let proven = self.message(entry, ts, schema, &envelope)?;
                self.proven.insert(entry.index, proven);
            }
            Leaf::Acknowledgement { ts, acknowledgement } => self.acknowledgement(entry.index, ts, &acknowledgement)?,
            Leaf::Erasure { index: erased, basis, log: None, .. } => self.erasure(entry.index, erased, basis)?,
            Leaf::Refusal { .. } | Leaf::Query { .. } | Leaf::Shard { .. } | Leaf::Erasure { .. } => {
                return Err(EntryFault::Misplaced);
            }
        }
        Ok(())
    }

    /// That its sender signed it, with a key that it could use, and that it was allowed, as the registry was at its place.
    fn message(
        &self,
        entry: &BundledEntry,
        ts: u64,
        schema: SchemaVersion,
        envelope: &str,
    ) -> Result<ProvenMessage, EntryFault> {
        // A proof's extra line and the envelope lead to this leaf only if it is written the one way.
        if split_message(entry.leaf.as_bytes()).map(|(_, logged)| logged) != Some(envelope) {
            return Err(EntryFault::Misplaced);
        }
        let unverified = UnverifiedEnvelope::parse(envelope)?;
        if unverified.claims().hub != *self.registry.hub() {
            return Err(EntryFault::OtherHub);
        }
        let kid = unverified.kid();
        let key = self.key(kid, &unverified.claims().iss, ts)?;
        let envelope = unverified.verify(&key).map_err(|_| EntryFault::Signature)?;
        let claims = envelope.claims();
        let registered = self.registry.schema(&schema.id).filter(|registered| registered.sha256 == schema.sha256);
        if schema.id != claims.schema || registered.is_none() {
            return Err(EntryFault::Schema);
        }
        if !self.registry.system(&claims.iss).is_some_and(|system| system.roles.contains(&Role::System)) {
            return Err(EntryFault::NotASystem { system: claims.iss.clone() });
        }
        let facts = MessageFacts { claims, now: ts / 1000 };
        let agreement = self.registry.allows(facts).map_err(EntryFault::NotAllowed)?.clone();
        let bundled = self.bundle.messages.iter().find(|message| message.index == entry.index);
        let body = self.body(bundled, claims)?;
        let receipt = bundled.and_then(|bundled| bundled.receipt.as_deref());
        if let Some(receipt) = receipt {
            self.receipt(receipt, entry, ts, &envelope, &schema)?;
        }
        Ok(ProvenMessage {
            index: entry.index,
            logged_at: ts,
            envelope: claims.clone(),
            key: kid,
            agreement,
            schema_text: self.texts.contains(&schema.sha256),
            schema,
            receipt: receipt.is_some(),
            body,
            acknowledgement: None,
        })
    }

    fn body(&self, bundled: Option<&BundledMessage>, claims: &EnvelopeClaims) -> Result<Body, EntryFault> {
        let opened = bundled.map(BundledMessage::opened).transpose().map_err(|_| EntryFault::Unreadable)?.flatten();
        let Some((salt, body)) = opened else { return Ok(Body::NotShown) };
        claims.body.open(&salt, &body).map_err(|_| EntryFault::Body)?;
        Ok(Body::Shown { bytes: body.len() as u64 })
    }

    fn receipt(
        &self,
        receipt: &str,
        entry: &BundledEntry,
        ts: u64,
        envelope: &Envelope,
        schema: &SchemaVersion,
    ) -> Result<(), EntryFault> {
        let receipt = UnverifiedReceipt::parse(receipt).map_err(EntryFault::ReceiptUnreadable)?;
        let claims = receipt.claims();
        let same = [
            ("iss", claims.iss == *self.registry.hub()),
            ("iat", claims.iat == ts / 1000),
            ("jti", claims.jti == envelope.claims().jti),
            ("env", claims.env == envelope.hash()),
            ("schema", claims.schema == schema.id),
            ("leaf", claims.leaf == leaf_hash(entry.leaf.as_bytes())),
            ("index", claims.index == entry.index),
            ("log", claims.log == self.checkpoint.origin),
            ("size", claims.size > entry.index),
        ];
        if let Some((member, _)) = same.iter().find(|(_, same)| !same) {
            return Err(EntryFault::Receipt { member });
        }
        let kid = receipt.kid();
        let key = self.registry.receipt_keys().standing().find(|key| key.id() == kid).copied();
        let key = key.ok_or(EntryFault::ReceiptSignature)?;
        receipt.verify(&key).map(|_| ()).map_err(|_| EntryFault::ReceiptSignature)
    }

    fn acknowledgement(&mut self, index: u64, ts: u64, text: &str) -> Result<(), EntryFault> {
        let batch = UnverifiedAcknowledgement::parse(text)?;
        if batch.claims().aud != *self.registry.hub() {
            return Err(EntryFault::OtherHub);
        }
        let key = self.key(batch.kid(), &batch.claims().iss, ts)?;
        let batch = batch.verify(&key).map_err(|_| EntryFault::Signature)?;
        // About another log than the only one that the bundle is of: about none of its messages.
        let is_of_this = batch.claims().log.as_ref().is_none_or(|log| *log == self.checkpoint.origin);
        for said in batch.claims().messages.iter().filter(|_| is_of_this) {
            let Some(message) = self.proven.get_mut(&said.index) else { continue };
            if message.envelope.aud != batch.claims().iss {
                return Err(EntryFault::NotTheReceivers { index: said.index });
            }
            let first = Acknowledgement { index, outcome: said.outcome, code: said.code.clone() };
            message.acknowledgement.get_or_insert(first);
        }
        Ok(())
    }

    fn erasure(&mut self, index: u64, erased: u64, basis: Code) -> Result<(), EntryFault> {
        let message = self.proven.get_mut(&erased).ok_or(EntryFault::Misplaced)?;
        if message.body == Body::NotShown {
            message.body = Body::Erased { index, basis };
        }
        Ok(())
    }

    /// The key `kid` of `system`, usable at `ts` (milliseconds since 1970).
    fn key(&self, kid: KeyId, system: &SystemId, ts: u64) -> Result<PublicKey, EntryFault> {
        let record = self.registry.key(kid).filter(|record| record.key.system == *system);
        let record = record.ok_or_else(|| EntryFault::KeyUnknown { kid, system: system.clone() })?;
        record.usable_at(ts / 1000).map_err(|reason| EntryFault::KeyNotUsable { kid, reason })?;
        Ok(record.key.jwk)
    }

    fn finish(mut self, vkey: &VerifierKey) -> Result<Proven, BundleFault> {
        let mut messages: Vec<ProvenMessage> = Vec::with_capacity(self.bundle.messages.len());
        for bundled in &self.bundle.messages {
            let proven = self.proven.remove(&bundled.index).ok_or(BundleFault::Missing { index: bundled.index })?;
            messages.push(proven);
        }
        let is_of_a_message = |text: &Sha256Hash| messages.iter().any(|message| message.schema.sha256 == *text);
        if let Some(stray) = self.texts.iter().position(|text| !is_of_a_message(text)) {
            return Err(BundleFault::Schema { number: stray + 1 });
        }
        // A key of the log that was revoked is good for trees that end before that.
        let record = self.registry.log_keys().all().find(|record| record.key == *vkey);
        let end = record.and_then(|record| record.revoked);
        if end.is_some_and(|end| self.checkpoint.size > end.index) {
            return Err(BundleFault::CheckpointKeyRevoked);
        }
        Ok(Proven {
            hub: self.registry.hub().clone(),
            origin: self.checkpoint.origin.clone(),
            size: self.checkpoint.size,
            root: self.checkpoint.root,
            entries: self.bundle.entries.len(),
            messages,
            stamped: Vec::new(),
        })
    }
}

/// A leaf that is in the tree.
fn read(entry: &BundledEntry, checkpoint: &Checkpoint) -> Result<Leaf, EntryFault> {
    let hash = leaf_hash(entry.leaf.as_bytes());
    verify_inclusion(hash, entry.index, checkpoint.size, &entry.proof, checkpoint.root)?;
    Ok(Leaf::parse(entry.leaf.as_bytes())?)
}
