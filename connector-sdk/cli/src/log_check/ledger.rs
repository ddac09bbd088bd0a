//! The fold over all leaves in the order of the log: the tree, and what the log says about who may do what.

mod rights;

use std::borrow::Cow;

use saphan_schemas::acknowledgement::{Acknowledged, AcknowledgementClaims, Outcome, UnverifiedAcknowledgement};
use saphan_schemas::digest::Sha256Hash;
use saphan_schemas::envelope::UnverifiedEnvelope;
use saphan_schemas::ids::{HubId, MessageId, SystemId};
use saphan_schemas::keys::PublicKey;
use saphan_schemas::leaf::{SchemaVersion, ShardEvent};
use saphan_schemas::log::{
    Checkpoint, LogRebuilder, RebuiltTile, SignedCheckpoint, TILE_WIDTH, VerifierKey, decode_bundle,
};
use saphan_schemas::registry::{RegistryState, UnverifiedRegistryEntry};
use saphan_schemas::succession::{AbandonedLog, After, Before, NotNext, Opening};

use super::entries::{ReadBundle, ReadLeaf, read_leaf};
use super::error::{LeafFault, LogCheckError};
use super::history::{Relations, Settled, StatementId, StatementRow};
use super::moment::{Moment, RegistryAt, Waiting};
use super::place::{Place, REST_EVERY};
use super::report::{LeafCounts, LogReport};

/// What is known after the leaves so far.
pub(super) struct Ledger {
    origin: String,
    size: u64,
    tree: LogRebuilder,
    /// The number of entries of the logs before. Entries are known by their places, which go on over all logs.
    first: u64,
    /// The logs so far, the one that is checked among them: the origin, and the place of the first entry.
    logs: Vec<(String, u64)>,
    /// The last checkpoint of the log before, of an abandoned one that of what is left.
    previous: Option<SignedCheckpoint>,
    /// Whether it goes over leaves that were judged before.
    is_resuming: bool,
    shard: Option<Shard>,
    counts: LeafCounts,
    signatures: u64,
    /// The time of the last leaf, in milliseconds since 1970.
    ts: u64,
    /// The logs among them that were abandoned.
    abandoned: Vec<AbandonedLog>,
    waiting: Option<Waiting>,
}

struct Shard {
    /// The registry after the leaves so far. It grows with the registry, not with the log.
    registry: RegistryState,
    next: Option<String>,
}

/// A log of which everything holds.
pub(super) struct Checked {
    pub(super) report: LogReport,
    /// The registry at the moment that was asked for, if that is in the log.
    pub(super) registry: Option<RegistryAt>,
}

/// What is left to check of a bundle; this needs no order.
pub(super) struct Judgement {
    /// Entries in the bundle.
    pub(super) entries: u64,
    /// The place of the log's first entry.
    pub(super) first: u64,
    /// Every file that these entries filled, as it must be; the bundle itself among them.
    pub(super) files: Vec<RebuiltTile>,
    /// The signatures of its leaves, up to the first that must not be there.
    pub(super) signatures: Vec<SignatureCheck>,
    /// Why that one must not.
    pub(super) fault: Option<LogCheckError>,
    /// What is still to be held against earlier entries, in order.
    pub(super) relations: Relations,
    /// Where a later check may go on, if this is such a place and the bundle holds.
    pub(super) place: Option<Place>,
}

/// A signature and the key that must have made it.
pub(super) struct SignatureCheck {
    pub(super) index: u64,
    pub(super) key: PublicKey,
    pub(super) statement: Statement,
}

/// Who signed what.
pub(super) enum Statement {
    Envelope(Box<UnverifiedEnvelope>),
    Acknowledgement(Box<UnverifiedAcknowledgement>),
}

/// Where the hub's logs begin.
pub(super) struct Counting(Vec<u64>);

impl Counting {
    /// The index of a place in its log.
    pub(super) fn index(&self, place: u64) -> u64 {
        place - self.0.iter().rev().find(|first| **first <= place).copied().unwrap_or_default()
    }
}

impl Shard {
    fn keys_of_log(&self, origin: &str) -> Vec<VerifierKey> {
        self.registry.keys_of_log(origin).cloned().collect()
    }
}

impl Ledger {
    /// Before the first leaf of a hub's first log.
    pub(super) fn new(moment: Option<Moment>) -> Self {
        Self {
            origin: String::new(),
            size: 0,
            tree: LogRebuilder::new(),
            first: 0,
            logs: Vec::new(),
            previous: None,
            is_resuming: false,
            shard: None,
            counts: LeafCounts::default(),
            signatures: 0,
            ts: 0,
            abandoned: Vec::new(),
            waiting: moment.map(Waiting::new),
        }
    }

    /// Before the first leaf of the log that `checkpoint` describes.
    pub(super) fn begin(&mut self, checkpoint: &Checkpoint) {
        self.first += self.tree.size();
        (self.origin, self.size) = (checkpoint.origin.clone(), checkpoint.size);
        self.tree = LogRebuilder::new();
    }

    /// After the last leaf of a log that is closed.
    pub(super) fn close(&mut self, signed: &SignedCheckpoint) -> Result<(), LogCheckError> {
        self.must_have_root(signed)?;
        self.previous = Some(signed.clone());
        Ok(())
    }

    /// At a place of the log that `checkpoint` describes, from the leaves before it that the registry follows from. `None` if these
    /// do not belong together.
    pub(super) fn resume(checkpoint: &Checkpoint, place: Place, registry: &[(u64, Vec<u8>)]) -> Option<Self> {
        let mut ledger = Self::fold(registry)?;
        let Place { first, previous, size, levels, counts, signatures, ts } = place;
        let folded = (ledger.counts.registry, ledger.counts.shards);
        if let Some(previous) = previous {
            let origin = previous.lines().next()?;
            let keys = ledger.shard.as_ref()?.keys_of_log(origin);
            let (key, more) = keys.split_first()?;
            ledger.previous = Some(SignedCheckpoint::parse_and_verify_any(&previous, key, more).ok()?);
        }
        ledger.is_resuming = false;
        ledger.first = first;
        (ledger.origin, ledger.size) = (checkpoint.origin.clone(), checkpoint.size);
        ledger.tree = LogRebuilder::resume(size, levels).ok()?;
        ledger.counts = counts;
        (ledger.signatures, ledger.ts) = (signatures, ts);
        (folded == (counts.registry, counts.shards)).then_some(ledger)
    }

    /// The keys of a log that stand after these leaves, and one more entry of the registry if that holds.
    pub(super) fn keys_of_log(registry: &[(u64, Vec<u8>)], origin: &str, more: Option<&str>) -> Vec<VerifierKey> {
        let Some(Self { shard: Some(mut shard), ts, .. }) = Self::fold(registry) else { return Vec::new() };
        if let Some(entry) = more.and_then(|entry| UnverifiedRegistryEntry::parse(entry).ok()) {
            let next = shard.registry.next();
            // One that does not hold is told where it stands.
            drop(shard.registry.take(entry, next, ts / 1000));
        }
        shard.keys_of_log(origin)
    }

    fn fold(registry: &[(u64, Vec<u8>)]) -> Option<Self> {
        let mut ledger = Self::new(None);
        ledger.is_resuming = true;
        for (place, leaf) in registry {
            let leaf = read_leaf(leaf).ok()?;
            if let ReadLeaf::Shard { event, .. } = &leaf
                && let ShardEvent::Opened { origin, .. } = &**event
            {
                (ledger.first, ledger.origin) = (*place, origin.clone());
            }
            ledger.judge(*place, leaf, &mut Relations::default()).ok()?;
        }
        Some(ledger)
    }

    /// Takes the next bundle.
    pub(super) fn take(&mut self, bundle: ReadBundle) -> Result<Judgement, LogCheckError> {
        let first = self.first + self.tree.size();
        let files = self.grow(&bundle)?;
        let entries = bundle.leaves.len() as u64;
        let (mut signatures, mut fault) = (Vec::new(), None);
        let mut relations = Relations { registry: bundle.kept(first), ..Relations::default() };
        for (place, leaf) in (first..).zip(bundle.leaves) {
            let index = place - self.first;
            match leaf.and_then(|leaf| self.judge(place, leaf, &mut relations)) {
                Ok(Some((key, statement))) => signatures.push(SignatureCheck { index, key, statement }),
                Ok(None) => {}
                Err(found) => {
                    relations.end_before(place);
                    let found = found.counted(|place| self.counting().index(place));
                    fault = Some(LogCheckError::Leaf { index, fault: found });
                    break;
                }
            }
        }
        self.signatures += signatures.len() as u64;
        let place = if fault.is_none() { self.place() } else { None };
        Ok(Judgement { entries, first: self.first, files, signatures, fault, relations, place })
    }

    /// Where a later check may go on: now and then, and between the last two bundles.
    fn place(&self) -> Option<Place> {
        let size = self.tree.size();
        let is_last = size == self.size - self.size % u64::from(TILE_WIDTH);
        (is_last || size.is_multiple_of(REST_EVERY)).then(|| Place {
            first: self.first,
            previous: self.previous.as_ref().map(|signed| signed.text().to_owned()),
            size,
            levels: self.tree.levels().to_vec(),
            counts: self.counts,
            signatures: self.signatures,
            ts: self.ts,
        })
    }

    /// How many entries were taken.
    pub(super) const fn taken(&self) -> u64 {
        self.tree.size()
    }

    /// That the whole log was taken and leads to the signed root.
    pub(super) fn finish(self, signed: &SignedCheckpoint) -> Result<Checked, LogCheckError> {
        let derived = self.must_have_root(signed)?;
        let Some(shard) = self.shard else {
            return Err(LogCheckError::Leaf { index: 0, fault: LeafFault::NotOpened });
        };
        let registry = self.waiting.and_then(|waiting| waiting.end(&shard.registry));
        let earlier = self.logs.iter().map(|(log, _)| log.clone()).filter(|log| *log != self.origin).collect();
        let report = LogReport {
            origin: self.origin,
            hub: shard.registry.hub().clone(),
            size: self.size,
            root: derived,
            leaves: self.counts,
            signatures: self.signatures,
            closed_for: shard.next,
            checkpoint: signed.text().to_owned(),
            earlier,
            abandoned: self.abandoned,
            first: self.first,
            ts: self.ts,
        };
        Ok(Checked { report, registry })
    }

    fn must_have_root(&self, signed: &SignedCheckpoint) -> Result<Sha256Hash, LogCheckError> {
        let (derived, signed) = (self.tree.root(), signed.checkpoint().root);
        if derived == signed { Ok(derived) } else { Err(LogCheckError::Root { size: self.size, derived, signed }) }
    }

    /// How places become indices.
    pub(super) fn counting(&self) -> Counting {
        Counting(self.logs.iter().map(|(_, first)| *first).chain([self.first]).collect())
    }

    /// The place of an entry of one of the hub's logs so far. Without a log it is of the first, as long as that is this one.
    fn place_of(&self, log: Option<&str>, index: u64) -> Option<u64> {
        let Some(log) = log else { return (self.logs.len() == 1).then_some(index) };
        let at = self.logs.iter().position(|(origin, _)| origin == log)?;
        let place = self.logs[at].1.checked_add(index)?;
        self.logs.get(at + 1).is_none_or(|(_, end)| place < *end).then_some(place)
    }

    /// Adds the entries to the tree; gives every file they complete, after the last bundle the partial ones too.
    fn grow(&mut self, bundle: &ReadBundle) -> Result<Vec<RebuiltTile>, LogCheckError> {
        let fault = |source| LogCheckError::Bundle { path: bundle.path, source };
        let mut files = Vec::new();
        for entry in decode_bundle(&bundle.bytes, bundle.path.width()).map_err(fault)? {
            files.extend(self.tree.push_entry(entry).map_err(fault)?);
        }
        if self.tree.size() == self.size {
            files.extend(self.tree.partial_tiles());
        }
        Ok(files)
    }

    /// Whether the leaf may stand here; gives the signature that is still to be checked.
    fn judge(
        &mut self,
        index: u64,
        leaf: ReadLeaf,
        relations: &mut Relations,
    ) -> Result<Option<(PublicKey, Statement)>, LeafFault> {
        if leaf.ts() < self.ts {
            return Err(LeafFault::TimeRunsBack);
        }
        self.ts = leaf.ts();
        if let Some(waiting) = &mut self.waiting {
            waiting.before(index, leaf.ts(), self.shard.as_ref().map(|shard| &shard.registry));
        }
        if let ReadLeaf::Shard { event, .. } = leaf {
            self.shard_event(index, *event)?;
            return Ok(None);
        }
        let shard = self.shard.as_ref().ok_or(LeafFault::NotOpened)?;
        if shard.next.is_some() {
            return Err(LeafFault::Misplaced);
        }
        match leaf {
            ReadLeaf::Message { ts, schema, envelope } => {
                let claims = envelope.claims();
                let id = statement_id("message", &claims.iss, claims.jti);
                relations.statements.push(StatementRow { entry: index, id, receiver: Some(claims.aud.clone()) });
                self.message(ts, &schema, envelope).map(Some)
            }
            ReadLeaf::Acknowledgement { ts, batch } => {
                let claims = batch.claims();
                let id = statement_id("acknowledgement", &claims.iss, claims.jti);
                relations.statements.push(StatementRow { entry: index, id, receiver: None });
                let signer = claims.iss.clone();
                let (key, batch) = self.acknowledgement(ts, batch)?;
                match self.outcomes(index, batch.claims()) {
                    Ok(outcomes) => relations.settled.push(Settled { entry: index, signer, outcomes }),
                    // Who signed it, and that it was not there before, comes first.
                    Err(fault) => relations.false_places.push((index, fault)),
                }
                Ok(Some((key, Statement::Acknowledgement(batch))))
            }
            ReadLeaf::Registry { ts, entry } => self.registry(index, ts, *entry).map(|()| None),
            ReadLeaf::Erasure { index: erased, log, .. } => {
                self.counts.erasures += 1;
                let place = self.place_of(log.as_deref().or(Some(&*self.origin)), erased);
                let erased = place.ok_or(LeafFault::ErasesInNoLog { log })?;
                relations.erased.push((index, erased));
                if erased < index { Ok(None) } else { Err(LeafFault::ErasesNoMessage { index: erased }) }
            }
            ReadLeaf::Query { auditor, .. } => {
                self.counts.queries += 1;
                rights::check_auditor(&shard.registry, &auditor).map(|()| None)
            }
            ReadLeaf::Refusal { .. } | ReadLeaf::Shard { .. } => {
                self.counts.refusals += 1;
                Ok(None)
            }
        }
    }

    fn shard_event(&mut self, index: u64, event: ShardEvent) -> Result<(), LeafFault> {
        self.counts.shards += 1;
        let is_first = index == self.first;
        if is_first
            && matches!(&event, ShardEvent::Opened { origin, .. } if *origin == self.origin)
            && !event.names_fit()
        {
            return Err(LeafFault::OtherNames);
        }
        match (event, &mut self.shard) {
            (ShardEvent::Closed { next }, Some(shard)) if shard.next.is_none() => shard.next = Some(next),
            (event @ ShardEvent::Opened { .. }, _) if is_first => return self.opened(index, event),
            (_, None) => return Err(LeafFault::NotOpened),
            (_, Some(_)) => return Err(LeafFault::Misplaced),
        }
        Ok(())
    }

    /// The first leaf of the log that is checked.
    fn opened(&mut self, index: u64, event: ShardEvent) -> Result<(), LeafFault> {
        let opening = Opening::of(event).filter(|opening| opening.origin == self.origin);
        match (opening, &mut self.shard) {
            (Some(Opening { root, after: After::Nothing, .. }), None) => {
                self.shard = Some(Shard { registry: RegistryState::new(root), next: None });
            }
            (Some(opening), Some(shard)) if opening.after != After::Nothing => {
                // What is resumed was held against the log before when it was judged.
                let last = match (&self.previous, self.is_resuming) {
                    (_, true) => None,
                    (Some(last), false) => Some(last.checkpoint()),
                    (None, false) => return Err(NotNext::NotClosed.into()),
                };
                let before = Before { next: shard.next.as_deref(), last };
                self.abandoned.extend(opening.follow(before, &mut shard.registry, index, self.ts / 1000)?);
                self.signatures += u64::from(opening.vouching().is_ok_and(|entry| entry.is_some()));
                shard.next = None;
            }
            (_, None) => return Err(LeafFault::NotOpened),
            (_, Some(_)) => return Err(LeafFault::Misplaced),
        }
        self.logs.push((self.origin.clone(), index));
        Ok(())
    }

    fn message(
        &mut self,
        ts: u64,
        schema: &SchemaVersion,
        envelope: Box<UnverifiedEnvelope>,
    ) -> Result<(PublicKey, Statement), LeafFault> {
        self.counts.messages += 1;
        let claims = envelope.claims();
        self.must_be_our_hub(&claims.hub)?;
        let registry = &self.shard.as_ref().ok_or(LeafFault::NotOpened)?.registry;
        let key = rights::valid_key(registry, envelope.kid(), &claims.iss, ts)?;
        if schema.id != claims.schema {
            return Err(LeafFault::SchemaId);
        }
        rights::check_schema(registry, schema)?;
        rights::check_agreement(registry, claims, ts)?;
        Ok((key, Statement::Envelope(envelope)))
    }

    fn acknowledgement(
        &mut self,
        ts: u64,
        batch: Box<UnverifiedAcknowledgement>,
    ) -> Result<(PublicKey, Box<UnverifiedAcknowledgement>), LeafFault> {
        self.counts.acknowledgements += 1;
        let claims = batch.claims();
        self.must_be_our_hub(&claims.aud)?;
        for message in &claims.messages {
            match message.outcome {
                Outcome::Processed => self.counts.processed += 1,
                Outcome::Rejected => self.counts.rejected += 1,
            }
        }
        let registry = &self.shard.as_ref().ok_or(LeafFault::NotOpened)?.registry;
        let key = rights::valid_key(registry, batch.kid(), &claims.iss, ts)?;
        Ok((key, batch))
    }

    /// The places of the acknowledged messages, which are before the acknowledgement's, and what became of each.
    fn outcomes(&self, index: u64, claims: &AcknowledgementClaims) -> Result<Vec<(u64, Cow<'static, str>)>, LeafFault> {
        let of_message = |message: &Acknowledged| {
            let place = self.place_of(claims.log.as_deref(), message.index);
            let place = place.ok_or_else(|| LeafFault::AcknowledgesInNoLog { log: claims.log.clone() })?;
            if place < index { Ok((place, outcome(message))) } else { Err(LeafFault::NotBefore { index: place }) }
        };
        claims.messages.iter().map(of_message).collect()
    }

    /// A registry entry changes what the next leaf is judged by, so its signature is checked at once.
    fn registry(&mut self, index: u64, ts: u64, entry: UnverifiedRegistryEntry) -> Result<(), LeafFault> {
        self.counts.registry += 1;
        let shard = self.shard.as_mut().ok_or(LeafFault::NotOpened)?;
        shard.registry.take(entry, index, ts / 1000)?;
        self.signatures += 1;
        Ok(())
    }

    fn must_be_our_hub(&self, hub: &HubId) -> Result<(), LeafFault> {
        match &self.shard {
            Some(shard) if shard.registry.hub() == hub => Ok(()),
            _ => Err(LeafFault::OtherHub),
        }
    }
}

impl SignatureCheck {
    /// Whether the key made the signature.
    pub(super) fn run(self) -> Result<(), LogCheckError> {
        let (holds, fault) = match self.statement {
            Statement::Envelope(envelope) => (envelope.verify(&self.key).is_ok(), LeafFault::Signature),
            Statement::Acknowledgement(batch) => (batch.verify(&self.key).is_ok(), LeafFault::AcknowledgementSignature),
        };
        if holds { Ok(()) } else { Err(LogCheckError::Leaf { index: self.index, fault }) }
    }
}

/// What is signed is told from all else by its id, its signer and its kind; half a hash of these two is enough for that.
fn statement_id(kind: &str, signer: &SystemId, id: MessageId) -> StatementId {
    let hash = Sha256Hash::of_parts([kind.as_bytes(), b" ", signer.as_str().as_bytes()]);
    let mut statement = [0; 32];
    statement[..16].copy_from_slice(&id.to_bytes());
    statement[16..].copy_from_slice(&hash.as_bytes()[..16]);
    statement
}

/// The outcome with its code.
fn outcome(message: &Acknowledged) -> Cow<'static, str> {
    let outcome = message.outcome.as_str();
    message.code.as_ref().map_or(Cow::Borrowed(outcome), |code| Cow::Owned(format!("{outcome} {code}")))
}
