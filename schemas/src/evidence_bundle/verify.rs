//! From a bundle and the log's key to what is proven.

mod links;

use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::fault::{BundleFault, EntryFault};
use super::parts::{Part, Parts};
use super::proven::{Acknowledgement, Body, Proven, ProvenLog, ProvenMessage};
use super::{BundledEntry, BundledMessage, EvidenceBundle, timestamps};
use crate::acknowledgement::UnverifiedAcknowledgement;
use crate::digest::Sha256Hash;
use crate::envelope::{Envelope, EnvelopeClaims, UnverifiedEnvelope};
use crate::ids::{Code, MessageId, SystemId};
use crate::keys::{KeyId, PublicKey};
use crate::leaf::{Leaf, SchemaVersion, ShardEvent};
use crate::log::{Checkpoint, VerifierKey, leaf_hash, verify_inclusion};
use crate::receipt::UnverifiedReceipt;
use crate::registry::{MessageFacts, RegistryState, Role, UnverifiedRegistryEntry};
use crate::succession::AbandonedLog;
use links::opening;

impl EvidenceBundle {
    /// Verifies everything in the bundle, for somebody who trusts a key of one of its logs.
    ///
    /// What it does not show: that nothing between the entries, such as a revocation, was left out of the bundle; that needs the
    /// log. That the hub showed everybody the same log; that needs witnesses.
    ///
    /// # Errors
    /// The first thing that does not hold.
    pub fn verify(&self, vkey: &VerifierKey) -> Result<Proven, BundleFault> {
        let parts = Parts::read(self, vkey)?;
        if self.messages.is_empty() {
            return Err(BundleFault::Empty);
        }
        for part in parts.all() {
            if let Some(pair) = part.entries.windows(2).find(|pair| pair[0].index >= pair[1].index) {
                return Err(BundleFault::Order { index: pair[1].index });
            }
        }
        let places = places(self, &parts)?;
        let mut fold = Fold::open(self, &parts, &places)?;
        for (number, part) in parts.all().enumerate() {
            if number > 0 {
                fold.follow(number)?;
            }
            for entry in part.entries.iter().skip(1) {
                fold.take(part, entry).map_err(|fault| in_entry(&parts, part, entry.index, fault))?;
            }
            fold.end(part, vkey)?;
        }
        let proven = fold.finish(&places)?;
        Ok(Proven { stamped: timestamps::verify(&parts, &places)?, ..proven })
    }
}

/// The places of the messages, each behind the one before it.
fn places(bundle: &EvidenceBundle, parts: &Parts<'_>) -> Result<Vec<u64>, BundleFault> {
    let mut places: Vec<u64> = Vec::with_capacity(bundle.messages.len());
    for message in &bundle.messages {
        let (log, index) = (message.log.clone(), message.index);
        let place = parts.place_of_message(message).ok_or(BundleFault::Missing { log, index })?;
        if places.last().is_some_and(|before| *before >= place) {
            return Err(BundleFault::Order { index });
        }
        places.push(place);
    }
    Ok(places)
}

fn in_entry(parts: &Parts<'_>, part: &Part<'_>, index: u64, fault: EntryFault) -> BundleFault {
    BundleFault::Entry { log: parts.named(part), index, fault }
}

struct Fold<'a> {
    bundle: &'a EvidenceBundle,
    parts: &'a Parts<'a>,
    /// How many of the logs are open, or were.
    opened: usize,
    /// The log that the last one was closed for.
    next: Option<String>,
    registry: RegistryState,
    /// The logs that were abandoned.
    abandoned: Vec<AbandonedLog>,
    /// The messages of the bundle by their places.
    messages: BTreeMap<u64, &'a BundledMessage>,
    /// The hashes of the schema texts.
    texts: Vec<Sha256Hash>,
    /// The places of the entries so far.
    taken: BTreeSet<u64>,
    /// What tells statements apart.
    statements: HashSet<(&'static str, SystemId, MessageId)>,
    proven: BTreeMap<u64, ProvenMessage>,
    /// What does not hold of the body or the receipt of a message: told when all entries hold.
    unlike: BTreeMap<u64, EntryFault>,
    /// The last log with something about a message.
    last_log: usize,
    /// The time of the last entry, in milliseconds since 1970.
    ts: u64,
}

impl<'a> Fold<'a> {
    /// The entry that opens the hub's first log names its keys.
    fn open(bundle: &'a EvidenceBundle, parts: &'a Parts<'a>, places: &[u64]) -> Result<Self, BundleFault> {
        let (ts, opening) = opening(parts, 0)?;
        Ok(Self {
            bundle,
            parts,
            opened: 1,
            next: None,
            registry: RegistryState::new(opening.root),
            abandoned: Vec::new(),
            messages: places.iter().copied().zip(&bundle.messages).collect(),
            texts: bundle.schemas.iter().map(|text| Sha256Hash::of(text.as_bytes())).collect(),
            taken: BTreeSet::from([0]),
            statements: HashSet::new(),
            proven: BTreeMap::new(),
            unlike: BTreeMap::new(),
            last_log: 0,
            ts,
        })
    }

    fn take(&mut self, part: &Part<'_>, entry: &BundledEntry) -> Result<(), EntryFault> {
        let leaf = read(entry, &part.checkpoint)?;
        if leaf.ts() < self.ts {
            return Err(EntryFault::Misplaced);
        }
        self.ts = leaf.ts();
        let place = part.first + entry.index;
        match leaf {
            Leaf::Registry { ts, entry: signed } => {
                self.registry.take(UnverifiedRegistryEntry::parse(&signed)?, place, ts / 1000)?;
            }
            Leaf::Message { ts, schema, envelope } => {
                let proven = self.message(part, entry, ts, schema, &envelope)?;
                self.proven.insert(place, proven);
                self.last_log = self.opened - 1;
            }
            Leaf::Acknowledgement { ts, acknowledgement } => {
                self.acknowledgement(part, entry.index, ts, &acknowledgement)?;
            }
            Leaf::Erasure { index: erased, basis, log, .. } => {
                self.erasure(part, entry.index, (log, erased), basis)?;
            }
            Leaf::Shard { event: ShardEvent::Closed { next }, .. }
                if self.opened <= self.parts.last() && place + 1 == part.end() =>
            {
                self.next = Some(next);
            }
            Leaf::Refusal { .. } | Leaf::Query { .. } | Leaf::Shard { .. } => return Err(EntryFault::Misplaced),
        }
        self.taken.insert(place);
        Ok(())
    }

    /// That its sender signed it, with a key that it could use, and that it was allowed, as the registry was at its place.
    fn message(
        &mut self,
        part: &Part<'_>,
        entry: &BundledEntry,
        ts: u64,
        schema: SchemaVersion,
        envelope: &str,
    ) -> Result<ProvenMessage, EntryFault> {
        let unverified = UnverifiedEnvelope::parse(envelope)?;
        if unverified.claims().hub != *self.registry.hub() {
            return Err(EntryFault::OtherHub);
        }
        let kid = unverified.kid();
        let shared = unverified.shared_claims();
        let claims = &*shared;
        let key = self.key(kid, &claims.iss, ts)?;
        let registered = self.registry.schema(&schema.id).filter(|registered| registered.sha256 == schema.sha256);
        if schema.id != claims.schema || registered.is_none() {
            return Err(EntryFault::Schema);
        }
        if !self.registry.system(&claims.iss).is_some_and(|system| system.roles.contains(&Role::System)) {
            return Err(EntryFault::NotASystem { system: claims.iss.clone() });
        }
        let facts = MessageFacts { claims, now: ts / 1000 };
        let agreement = self.registry.allows(facts).map_err(EntryFault::NotAllowed)?.clone();
        let envelope = unverified.verify(&key).map_err(|_| EntryFault::Signature)?;
        self.must_be_new("message", &claims.iss, claims.jti)?;
        let place = part.first + entry.index;
        let bundled = self.messages.get(&place).copied();
        let receipt = bundled.and_then(|bundled| bundled.receipt.as_deref());
        let is_like = receipt.map_or(Ok(()), |receipt| self.receipt(receipt, part, entry, ts, &envelope, &schema));
        let body = self.body(bundled, claims).and_then(|body| is_like.map(|()| body)).unwrap_or_else(|fault| {
            self.unlike.insert(place, fault);
            Body::NotShown
        });
        Ok(ProvenMessage {
            log: part.checkpoint.origin.clone(),
            index: entry.index,
            place,
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
        part: &Part<'_>,
        entry: &BundledEntry,
        ts: u64,
        envelope: &Envelope,
        schema: &SchemaVersion,
    ) -> Result<(), EntryFault> {
        let receipt = UnverifiedReceipt::parse(receipt).map_err(EntryFault::ReceiptUnreadable)?;
        let (claims, checkpoint) = (receipt.claims(), &part.checkpoint);
        let same = [
            ("iss", claims.iss == *self.registry.hub()),
            ("iat", claims.iat == ts / 1000),
            ("jti", claims.jti == envelope.claims().jti),
            ("env", claims.env == envelope.hash()),
            ("schema", claims.schema == schema.id),
            ("leaf", claims.leaf == leaf_hash(entry.leaf.as_bytes())),
            ("index", claims.index == entry.index),
            ("log", claims.log == checkpoint.origin),
            ("size", claims.size > entry.index),
            // What root another tree had, the bundle does not show.
            ("root", claims.size != checkpoint.size || claims.root == checkpoint.root),
        ];
        if let Some((member, _)) = same.iter().find(|(_, same)| !same) {
            return Err(EntryFault::Receipt { member });
        }
        let kid = receipt.kid();
        let key = self.registry.receipt_keys().standing().find(|key| key.id() == kid).copied();
        let key = key.ok_or(EntryFault::ReceiptSignature)?;
        receipt.verify(&key).map(|_| ()).map_err(|_| EntryFault::ReceiptSignature)
    }

    fn acknowledgement(&mut self, part: &Part<'_>, index: u64, ts: u64, text: &str) -> Result<(), EntryFault> {
        let batch = UnverifiedAcknowledgement::parse(text)?;
        if batch.claims().aud != *self.registry.hub() {
            return Err(EntryFault::OtherHub);
        }
        let key = self.key(batch.kid(), &batch.claims().iss, ts)?;
        let batch = batch.verify(&key).map_err(|_| EntryFault::Signature)?;
        let claims = batch.claims();
        self.must_be_new("acknowledgement", &claims.iss, claims.jti)?;
        for said in &claims.messages {
            let no_log = EntryFault::AcknowledgesInNoLog { index: said.index };
            let place = self.parts.place_of(claims.log.as_deref(), said.index, self.opened).ok_or(no_log)?;
            // It may be about more messages than the bundle shows.
            if place < part.first + index && !self.taken.contains(&place) {
                continue;
            }
            let message = self.proven.get_mut(&place).filter(|message| message.envelope.aud == claims.iss);
            let message = message.ok_or(EntryFault::NotTheReceivers { index: said.index })?;
            let log = Some(&part.checkpoint.origin).filter(|log| **log != message.log).cloned();
            let now = Acknowledgement { log, index, outcome: said.outcome, code: said.code.clone() };
            let first = message.acknowledgement.get_or_insert(now);
            if (first.outcome, &first.code) != (said.outcome, &said.code) {
                return Err(EntryFault::OtherOutcome { index: said.index });
            }
            self.last_log = self.opened - 1;
        }
        Ok(())
    }

    fn erasure(
        &mut self,
        part: &Part<'_>,
        index: u64,
        (log, erased): (Option<String>, u64),
        basis: Code,
    ) -> Result<(), EntryFault> {
        let origin = &part.checkpoint.origin;
        let place = self.parts.place_of(Some(log.as_ref().unwrap_or(origin)), erased, self.opened);
        let message = place.and_then(|place| self.proven.get_mut(&place)).ok_or(EntryFault::Misplaced)?;
        if message.body == Body::NotShown {
            message.body = Body::Erased { log: log.is_some().then(|| origin.clone()), index, basis };
        }
        self.last_log = self.opened - 1;
        Ok(())
    }

    fn must_be_new(&mut self, kind: &'static str, signer: &SystemId, id: MessageId) -> Result<(), EntryFault> {
        if self.statements.insert((kind, signer.clone(), id)) { Ok(()) } else { Err(EntryFault::Repeated) }
    }

    /// The key `kid` of `system`, usable at `ts` (milliseconds since 1970).
    fn key(&self, kid: KeyId, system: &SystemId, ts: u64) -> Result<PublicKey, EntryFault> {
        let record = self.registry.key(kid).filter(|record| record.key.system == *system);
        let record = record.ok_or_else(|| EntryFault::KeyUnknown { kid, system: system.clone() })?;
        record.usable_at(ts / 1000).map_err(|reason| EntryFault::KeyNotUsable { kid, reason })?;
        Ok(record.key.jwk)
    }

    fn finish(mut self, places: &[u64]) -> Result<Proven, BundleFault> {
        let mut messages: Vec<ProvenMessage> = Vec::with_capacity(places.len());
        for (place, BundledMessage { log, index, .. }) in places.iter().zip(&self.bundle.messages) {
            let missing = || BundleFault::Missing { log: log.clone(), index: *index };
            let message = self.proven.remove(place).ok_or_else(missing)?;
            if let Some(fault) = self.unlike.remove(place) {
                let log = (self.parts.last() > 0).then_some(message.log);
                return Err(BundleFault::Entry { log, index: *index, fault });
            }
            messages.push(message);
        }
        let is_of_a_message = |text: &Sha256Hash| messages.iter().any(|message| message.schema.sha256 == *text);
        if let Some(stray) = self.texts.iter().position(|text| !is_of_a_message(text)) {
            return Err(BundleFault::Schema { number: stray + 1 });
        }
        let log = |part: &Part<'_>| {
            let Checkpoint { origin, size, root, .. } = &part.checkpoint;
            ProvenLog { origin: origin.clone(), size: *size, root: *root }
        };
        let ProvenLog { origin, size, root } = log(self.parts.newest());
        Ok(Proven {
            hub: self.registry.hub().clone(),
            origin,
            size,
            root,
            entries: self.parts.all().map(|part| part.entries.len()).sum(),
            earlier: self.parts.all().take(self.parts.last()).map(log).collect(),
            last_log: self.last_log,
            abandoned: self.abandoned,
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
