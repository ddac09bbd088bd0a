//! The fold over all leaves in the order of the log: the tree, and what the log says about who may do what.

mod rights;

use saphan_schemas::acknowledgement::{Outcome, UnverifiedAcknowledgement};
use saphan_schemas::envelope::UnverifiedEnvelope;
use saphan_schemas::ids::HubId;
use saphan_schemas::keys::PublicKey;
use saphan_schemas::leaf::{SchemaVersion, ShardEvent};
use saphan_schemas::log::{Checkpoint, LogRebuilder, RebuiltTile, decode_bundle};
use saphan_schemas::registry::{RegistryState, Root, UnverifiedRegistryEntry};

use super::entries::{ReadBundle, ReadLeaf};
use super::error::{LeafFault, LogCheckError};
use super::moment::{Moment, RegistryAt, Waiting};
use super::report::{LeafCounts, LogReport};

/// What is known after the leaves so far.
pub(super) struct Ledger {
    origin: String,
    size: u64,
    tree: LogRebuilder,
    shard: Option<Shard>,
    messages: Places,
    counts: LeafCounts,
    signatures: u64,
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

/// Some places of the log, a bit for each: 1 MB for 8 million entries.
#[derive(Default)]
struct Places(Vec<u64>);

impl Places {
    /// Places come in order, so this grows by a word at most once in 64 times.
    fn insert(&mut self, place: u64) {
        let (word, bit) = Self::of(place);
        if self.0.len() <= word {
            self.0.resize(word + 1, 0);
        }
        if let Some(bits) = self.0.get_mut(word) {
            *bits |= bit;
        }
    }

    fn contains(&self, place: u64) -> bool {
        let (word, bit) = Self::of(place);
        self.0.get(word).is_some_and(|bits| bits & bit != 0)
    }

    fn of(place: u64) -> (usize, u64) {
        (usize::try_from(place / 64).unwrap_or(usize::MAX), 1 << (place % 64))
    }
}

/// What is left to check of a bundle; this needs no order.
pub(super) struct Judgement {
    /// Entries in the bundle.
    pub(super) entries: u64,
    /// Every file that these entries filled, as it must be; the bundle itself among them.
    pub(super) files: Vec<RebuiltTile>,
    /// The signatures, or the first leaf that must not be there.
    pub(super) signatures: Result<Vec<SignatureCheck>, LogCheckError>,
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

impl Ledger {
    /// Before the first leaf of the log that `checkpoint` describes.
    pub(super) fn new(checkpoint: &Checkpoint, moment: Option<Moment>) -> Self {
        Self {
            origin: checkpoint.origin.clone(),
            size: checkpoint.size,
            tree: LogRebuilder::new(),
            shard: None,
            messages: Places::default(),
            counts: LeafCounts::default(),
            signatures: 0,
            waiting: moment.map(Waiting::new),
        }
    }

    /// Takes the next bundle.
    pub(super) fn take(&mut self, bundle: ReadBundle) -> Result<Judgement, LogCheckError> {
        let first = self.tree.size();
        let files = self.grow(&bundle)?;
        let entries = bundle.leaves.len() as u64;
        let mut signatures = Ok(Vec::new());
        for (index, leaf) in (first..).zip(bundle.leaves) {
            match (leaf.and_then(|leaf| self.judge(index, leaf)), &mut signatures) {
                (Ok(Some((key, statement))), Ok(list)) => list.push(SignatureCheck { index, key, statement }),
                (Ok(_), _) => {}
                (Err(fault), _) => {
                    signatures = Err(LogCheckError::Leaf { index, fault });
                    break;
                }
            }
        }
        self.signatures += signatures.as_ref().map_or(0, |list| list.len() as u64);
        Ok(Judgement { entries, files, signatures })
    }

    /// That the whole log was taken and leads to the signed root.
    pub(super) fn finish(self, checkpoint: &Checkpoint, text: &str) -> Result<Checked, LogCheckError> {
        let derived = self.tree.root();
        if derived != checkpoint.root {
            return Err(LogCheckError::Root { size: self.size, derived, signed: checkpoint.root });
        }
        let Some(shard) = self.shard else {
            return Err(LogCheckError::Leaf { index: 0, fault: LeafFault::NotOpened });
        };
        let registry = self.waiting.and_then(|waiting| waiting.end(&shard.registry));
        let report = LogReport {
            origin: self.origin,
            hub: shard.registry.hub().clone(),
            size: self.size,
            root: derived,
            leaves: self.counts,
            signatures: self.signatures,
            closed_for: shard.next,
            checkpoint: text.to_owned(),
        };
        Ok(Checked { report, registry })
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
    fn judge(&mut self, index: u64, leaf: ReadLeaf) -> Result<Option<(PublicKey, Statement)>, LeafFault> {
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
                self.messages.insert(index);
                self.message(ts, &schema, envelope).map(Some)
            }
            ReadLeaf::Acknowledgement { ts, batch } => self.acknowledgement(index, ts, batch).map(Some),
            ReadLeaf::Registry { ts, entry } => self.registry(index, ts, *entry).map(|()| None),
            ReadLeaf::Erasure { index: erased, .. } => {
                self.counts.erasures += 1;
                if erased >= index {
                    Err(LeafFault::NotBefore { index: erased })
                } else if self.messages.contains(erased) {
                    Ok(None)
                } else {
                    Err(LeafFault::NoMessage { index: erased })
                }
            }
            ReadLeaf::Refusal { .. } | ReadLeaf::Shard { .. } => {
                self.counts.refusals += 1;
                Ok(None)
            }
        }
    }

    fn shard_event(&mut self, index: u64, event: ShardEvent) -> Result<(), LeafFault> {
        self.counts.shards += 1;
        match (event, &mut self.shard) {
            (ShardEvent::Opened { origin, hub, operator, receipts, log, .. }, None)
                if index == 0 && origin == self.origin =>
            {
                let registry = RegistryState::new(Root { hub, operator: *operator, receipts: *receipts, log: *log });
                self.shard = Some(Shard { registry, next: None });
                Ok(())
            }
            (ShardEvent::Closed { next }, Some(shard)) if shard.next.is_none() => {
                shard.next = Some(next);
                Ok(())
            }
            (_, None) => Err(LeafFault::NotOpened),
            (_, Some(_)) => Err(LeafFault::Misplaced),
        }
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
        if schema.id != claims.schema {
            return Err(LeafFault::SchemaId);
        }
        let registry = &self.shard.as_ref().ok_or(LeafFault::NotOpened)?.registry;
        rights::check_schema(registry, schema)?;
        let key = rights::valid_key(registry, envelope.kid(), &claims.iss, ts)?;
        rights::check_agreement(registry, claims, ts)?;
        Ok((key, Statement::Envelope(envelope)))
    }

    fn acknowledgement(
        &mut self,
        index: u64,
        ts: u64,
        batch: Box<UnverifiedAcknowledgement>,
    ) -> Result<(PublicKey, Statement), LeafFault> {
        self.counts.acknowledgements += 1;
        let claims = batch.claims();
        self.must_be_our_hub(&claims.aud)?;
        for message in &claims.messages {
            if message.index >= index {
                return Err(LeafFault::NotBefore { index: message.index });
            }
            match message.outcome {
                Outcome::Processed => self.counts.processed += 1,
                Outcome::Rejected => self.counts.rejected += 1,
            }
        }
        let registry = &self.shard.as_ref().ok_or(LeafFault::NotOpened)?.registry;
        let key = rights::valid_key(registry, batch.kid(), &claims.iss, ts)?;
        Ok((key, Statement::Acknowledgement(batch)))
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
        let holds = match self.statement {
            Statement::Envelope(envelope) => envelope.verify(&self.key).is_ok(),
            Statement::Acknowledgement(batch) => batch.verify(&self.key).is_ok(),
        };
        if holds { Ok(()) } else { Err(LogCheckError::Leaf { index: self.index, fault: LeafFault::Signature }) }
    }
}
