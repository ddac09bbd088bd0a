//! The fold over all leaves in the order of the log: the tree, and what the log says about who may do what.

mod rights;

use saphan_schemas::acknowledgement::{Acknowledged, Outcome, UnverifiedAcknowledgement};
use saphan_schemas::b64;
use saphan_schemas::digest::Sha256Hash;
use saphan_schemas::envelope::UnverifiedEnvelope;
use saphan_schemas::ids::{HubId, MessageId, SystemId};
use saphan_schemas::keys::PublicKey;
use saphan_schemas::leaf::{SchemaVersion, ShardEvent};
use saphan_schemas::log::{
    Checkpoint, LogRebuilder, RebuiltTile, SignedCheckpoint, TILE_WIDTH, VerifierKey, decode_bundle,
};
use saphan_schemas::registry::{RegistryState, Root, UnverifiedRegistryEntry};

use super::entries::{ReadBundle, ReadLeaf, read_leaf};
use super::error::{LeafFault, LogCheckError};
use super::history::{Relations, SettledRow, StatementRow};
use super::moment::{Moment, RegistryAt, Waiting};
use super::place::{Place, REST_EVERY};
use super::report::{LeafCounts, LogReport};

/// What is known after the leaves so far.
pub(super) struct Ledger {
    origin: String,
    size: u64,
    tree: LogRebuilder,
    shard: Option<Shard>,
    counts: LeafCounts,
    signatures: u64,
    /// The time of the last leaf, in milliseconds since 1970.
    ts: u64,
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
    /// Every file that these entries filled, as it must be; the bundle itself among them.
    pub(super) files: Vec<RebuiltTile>,
    /// The signatures, or the first leaf that must not be there.
    pub(super) signatures: Result<Vec<SignatureCheck>, LogCheckError>,
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

impl Ledger {
    /// Before the first leaf of the log that `checkpoint` describes.
    pub(super) fn new(checkpoint: &Checkpoint, moment: Option<Moment>) -> Self {
        Self {
            origin: checkpoint.origin.clone(),
            size: checkpoint.size,
            tree: LogRebuilder::new(),
            shard: None,
            counts: LeafCounts::default(),
            signatures: 0,
            ts: 0,
            waiting: moment.map(Waiting::new),
        }
    }

    /// At a place of that log, from the leaves before it that the registry follows from. `None` if these do not belong together.
    pub(super) fn resume(checkpoint: &Checkpoint, place: Place, registry: &[(u64, Vec<u8>)]) -> Option<Self> {
        let mut ledger = Self::fold(checkpoint, registry)?;
        let Place { size, levels, counts, signatures, ts } = place;
        let folded = (ledger.counts.registry, ledger.counts.shards);
        ledger.tree = LogRebuilder::resume(size, levels).ok()?;
        ledger.counts = counts;
        (ledger.signatures, ledger.ts) = (signatures, ts);
        (folded == (counts.registry, counts.shards)).then_some(ledger)
    }

    /// Whether these leaves of the log that `checkpoint` names register a key for its checkpoints.
    pub(super) fn registers(checkpoint: &Checkpoint, registry: &[(u64, Vec<u8>)], key: &VerifierKey) -> bool {
        let shard = Self::fold(checkpoint, registry).and_then(|ledger| ledger.shard);
        shard.is_some_and(|shard| shard.registry.log_keys().standing().any(|standing| standing == key))
    }

    fn fold(checkpoint: &Checkpoint, registry: &[(u64, Vec<u8>)]) -> Option<Self> {
        let mut ledger = Self::new(checkpoint, None);
        for (index, leaf) in registry {
            let leaf = read_leaf(leaf).ok()?;
            ledger.judge(*index, leaf, &mut Relations::default()).ok()?;
        }
        Some(ledger)
    }

    /// Takes the next bundle.
    pub(super) fn take(&mut self, bundle: ReadBundle) -> Result<Judgement, LogCheckError> {
        let first = self.tree.size();
        let files = self.grow(&bundle)?;
        let entries = bundle.leaves.len() as u64;
        let mut signatures = Ok(Vec::new());
        let mut relations = Relations { registry: bundle.kept(first), ..Relations::default() };
        for (index, leaf) in (first..).zip(bundle.leaves) {
            match (leaf.and_then(|leaf| self.judge(index, leaf, &mut relations)), &mut signatures) {
                (Ok(Some((key, statement))), Ok(list)) => list.push(SignatureCheck { index, key, statement }),
                (Ok(_), _) => {}
                (Err(fault), _) => {
                    signatures = Err(LogCheckError::Leaf { index, fault });
                    break;
                }
            }
        }
        self.signatures += signatures.as_ref().map_or(0, |list| list.len() as u64);
        Ok(Judgement { entries, files, signatures, relations, place: self.place() })
    }

    /// Where a later check may go on: now and then, and between the last two bundles.
    fn place(&self) -> Option<Place> {
        let size = self.tree.size();
        let is_last = size == self.size - self.size % u64::from(TILE_WIDTH);
        (is_last || size.is_multiple_of(REST_EVERY)).then(|| Place {
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
        let checkpoint = signed.checkpoint();
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
            checkpoint: signed.text().to_owned(),
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
                relations.statements.push(StatementRow(index, id, Some(claims.aud.clone())));
                self.message(ts, &schema, envelope).map(Some)
            }
            ReadLeaf::Acknowledgement { ts, batch } => {
                let claims = batch.claims();
                let id = statement_id("acknowledgement", &claims.iss, claims.jti);
                relations.statements.push(StatementRow(index, id, None));
                let row = |message: &Acknowledged| settled_row(index, &claims.iss, message);
                relations.settled.extend(claims.messages.iter().map(row));
                self.acknowledgement(index, ts, batch).map(Some)
            }
            ReadLeaf::Registry { ts, entry } => self.registry(index, ts, *entry).map(|()| None),
            ReadLeaf::Erasure { index: erased, .. } => {
                self.counts.erasures += 1;
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
        let (holds, fault) = match self.statement {
            Statement::Envelope(envelope) => (envelope.verify(&self.key).is_ok(), LeafFault::Signature),
            Statement::Acknowledgement(batch) => (batch.verify(&self.key).is_ok(), LeafFault::AcknowledgementSignature),
        };
        if holds { Ok(()) } else { Err(LogCheckError::Leaf { index: self.index, fault }) }
    }
}

/// What is signed is told from all else by its signer and id; half a hash of these is enough for that.
fn statement_id(kind: &str, signer: &SystemId, id: MessageId) -> String {
    let hash = Sha256Hash::of(format!("{kind} {signer} {id}").as_bytes());
    b64::encode_url(&hash.as_bytes()[..16])
}

fn settled_row(index: u64, receiver: &SystemId, message: &Acknowledged) -> SettledRow {
    let outcome = message.outcome.as_str();
    let outcome = message.code.as_ref().map_or_else(|| outcome.to_owned(), |code| format!("{outcome} {code}"));
    SettledRow(index, message.index, receiver.clone(), outcome)
}
