//! The test hub's state: registry, admission and log.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

use saphan_schemas::acknowledgement::{AcknowledgementClaims, UnverifiedAcknowledgement};
use saphan_schemas::b64;
use saphan_schemas::catalogue::{Catalogue, SchemaViolation};
use saphan_schemas::commitment::Salt;
use saphan_schemas::digest::Sha256Hash;
use saphan_schemas::envelope::{Envelope, EnvelopeClaims, UnverifiedEnvelope};
use saphan_schemas::ids::{HubId, MessageId, SystemId};
use saphan_schemas::json;
use saphan_schemas::jws::{JwsError, Signed};
use saphan_schemas::keys::{KeyError, PublicKey, PublishedKey, SigningKey};
use saphan_schemas::leaf::{SchemaVersion, message_leaf, message_prefix};
use saphan_schemas::log::{BatchAppend, Checkpoint, CompactRange, NoteSigner, TlogProof, leaf_hash};
use saphan_schemas::problem::{ProblemCode, ProblemDocument, ProblemPlace};
use saphan_schemas::receipt::ReceiptClaims;
use saphan_schemas::registry::{Change, Entry, EntryId, HubKey, RegistryClaims};
use saphan_schemas::trust::{Trust, TrustEntry};

use super::documents::Documents;
use super::inboxes::Inboxes;
use super::{AcceptedMessage, Part, TestHubError};
use crate::clock;
use crate::hub_api::{Answer, DocumentBytes, DocumentPiece, DocumentState, Leased, Submission};

pub(super) struct Exchange {
    hub: HubId,
    operator: SigningKey,
    receipts: SigningKey,
    log: NoteSigner,
    /// The operator's entries about keys of the hub that came later.
    trust_entries: Vec<TrustEntry>,
    catalogue: Catalogue,
    range: CompactRange,
    keys: BTreeMap<SystemId, (SigningKeyText, PublicKey)>,
    messages: BTreeMap<u64, Logged>,
    by_id: HashMap<(SystemId, MessageId), u64>,
    acknowledgements: Vec<AcknowledgementClaims>,
    pub(super) inboxes: Inboxes,
    documents: Documents,
    pub(super) faults: Faults,
}

/// Private keys cannot be copied; their text can.
type SigningKeyText = String;

struct Logged {
    envelope: Envelope,
    submission: Submission,
    answer: Answer,
}

/// What goes wrong, as the test wants it.
#[derive(Default)]
pub(super) struct Faults {
    pub(super) outage: bool,
    /// Requests that got no answer.
    pub(super) unanswered: usize,
    pub(super) lost_responses: usize,
    pub(super) lost_keys: usize,
    pub(super) duplicates: usize,
    pub(super) held: bool,
    pub(super) corrupted: Option<Part>,
    pub(super) corrupted_answer: Option<Part>,
}

impl Exchange {
    pub(super) fn new() -> Result<Self, TestHubError> {
        let hub: HubId = "hub.test".parse()?;
        Ok(Self {
            hub,
            operator: SigningKey::generate()?.0,
            receipts: SigningKey::generate()?.0,
            log: log_key()?,
            trust_entries: Vec::new(),
            catalogue: Catalogue::embedded()?,
            range: CompactRange::new(),
            keys: BTreeMap::new(),
            messages: BTreeMap::new(),
            by_id: HashMap::new(),
            acknowledgements: Vec::new(),
            inboxes: Inboxes::default(),
            documents: Documents::default(),
            faults: Faults::default(),
        })
    }

    pub(super) fn register(&mut self, system: &SystemId) -> Result<SigningKey, KeyError> {
        if let Some((pem, _)) = self.keys.get(system) {
            return SigningKey::from_pem(pem);
        }
        let (key, pem) = SigningKey::generate()?;
        self.keys.insert(system.clone(), (pem.to_string(), *key.public()));
        Ok(key)
    }

    pub(super) fn trust(&self) -> Trust {
        Trust {
            hub: self.hub.clone(),
            operators: vec![*self.operator.public()],
            former_operators: Vec::new(),
            receipts: vec![*self.receipts.public()],
            log: self.log.verifier_key().clone(),
            more_logs: Vec::new(),
            logs: Vec::new(),
            ended: Vec::new(),
        }
    }

    /// New keys for receipts and log, registered by the operator, in place of the old ones.
    pub(super) fn rotate_keys(&mut self) -> Result<(), TestHubError> {
        (self.receipts, self.log) = (SigningKey::generate()?.0, log_key()?);
        let receipts = HubKey::Receipts { jwk: *self.receipts.public() };
        for key in [receipts, HubKey::Log { vkey: self.log.verifier_key().clone() }] {
            self.vouch(Change::Added(Entry::HubKey(key)))?;
        }
        Ok(())
    }

    /// The operator revokes the keys of receipts and log; they go on signing, as whoever stole them would.
    pub(super) fn revoke_keys(&mut self) -> Result<(), TestHubError> {
        let receipts = HubKey::Receipts { jwk: *self.receipts.public() };
        for key in [receipts, HubKey::Log { vkey: self.log.verifier_key().clone() }] {
            self.vouch(Change::Revoked(EntryId::HubKey(key.id())))?;
        }
        Ok(())
    }

    /// An entry of the operator about keys of the hub, at this place of the log.
    fn vouch(&mut self, change: Change) -> Result<(), TestHubError> {
        let claims = RegistryClaims {
            iss: self.hub.to_string(),
            aud: self.hub.clone(),
            iat: clock::unix_seconds(),
            jti: MessageId::new(),
            change,
            invitation: None,
        };
        let entry = Signed::sign(claims, &self.operator)?.as_str().to_owned();
        self.trust_entries.push(TrustEntry { index: self.range.size(), log: None, entry });
        Ok(())
    }

    pub(super) fn trust_entries(&self) -> Vec<TrustEntry> {
        self.trust_entries.clone()
    }

    pub(super) fn accepted(&self) -> Vec<AcceptedMessage> {
        let of = |(index, logged): (&u64, &Logged)| AcceptedMessage {
            index: *index,
            envelope: logged.envelope.claims().clone(),
            body: logged.submission.body.clone(),
        };
        self.messages.iter().map(of).collect()
    }

    pub(super) fn acknowledgements(&self) -> &[AcknowledgementClaims] {
        &self.acknowledgements
    }

    pub(super) fn system_keys(&self, system: &SystemId) -> Result<Vec<PublishedKey>, Box<ProblemDocument>> {
        let (_, key) = self.keys.get(system).ok_or_else(|| problem(ProblemCode::NotFound))?;
        Ok(vec![PublishedKey::unlimited(*key)])
    }

    /// Admits a message as the real hub does, and logs it.
    pub(super) fn submit(&mut self, submission: &Submission) -> Result<Answer, Box<ProblemDocument>> {
        let envelope = self.check_envelope(&submission.envelope)?;
        let claims = envelope.claims();
        let known = self.by_id.get(&(claims.iss.clone(), claims.jti)).and_then(|index| self.messages.get(index));
        if let Some(first) = known {
            return if first.envelope.content_hash() == envelope.content_hash() {
                Ok(first.answer.clone())
            } else {
                Err(problem(ProblemCode::DuplicateId))
            };
        }
        if !self.keys.contains_key(&claims.aud) {
            return Err(problem(ProblemCode::RecipientUnknown));
        }
        let schema = self.check_body(&envelope, submission)?;
        if let Some(unread) = claims.documents.iter().find(|cited| !self.may_read(&claims.iss, cited.commit)) {
            let mut missing = problem(ProblemCode::DocumentMissing);
            missing.detail = Some(unread.commit.to_string());
            return Err(missing);
        }
        let answer = self.append(&envelope, &schema)?;
        let index = self.range.size() - 1;
        self.inboxes.add(&claims.aud, index);
        self.by_id.insert((claims.iss.clone(), claims.jti), index);
        self.messages.insert(index, Logged { envelope, submission: submission.clone(), answer: answer.clone() });
        Ok(answer)
    }

    /// What a system may know of a document.
    pub(super) fn document(&self, system: &SystemId, commit: Sha256Hash) -> Option<DocumentState> {
        match self.documents.complete(commit).filter(|_| self.may_read(system, commit)) {
            Some(state) => Some(state),
            None => self.documents.upload(system, commit),
        }
    }

    pub(super) fn put_document(
        &mut self,
        system: &SystemId,
        piece: DocumentPiece<'_>,
    ) -> Result<DocumentState, Box<ProblemDocument>> {
        self.documents.put(system, piece).map_err(problem)
    }

    pub(super) fn get_document(
        &mut self,
        system: &SystemId,
        commit: Sha256Hash,
        range: Range<u64>,
    ) -> Result<DocumentBytes, Box<ProblemDocument>> {
        let readable = self.documents.read(commit, range).filter(|_| self.may_read(system, commit));
        let mut bytes = readable.ok_or_else(|| problem(ProblemCode::NotFound))?;
        if self.faults.corrupted.take_if(|part| *part == Part::Document).is_some()
            && let Some(first) = bytes.bytes.first_mut()
        {
            *first ^= 1;
        }
        Ok(bytes)
    }

    /// Who uploaded a document, and the parties of a message that cites it.
    fn may_read(&self, system: &SystemId, commit: Sha256Hash) -> bool {
        let cites = |claims: &EnvelopeClaims| {
            (claims.iss == *system || claims.aud == *system)
                && claims.documents.iter().any(|cited| cited.commit == commit)
        };
        self.documents.is_of(system, commit) || self.messages.values().any(|logged| cites(logged.envelope.claims()))
    }

    /// Takes a batch of acknowledgements.
    pub(super) fn acknowledge(&mut self, system: &SystemId, text: &str) -> Result<(), Box<ProblemDocument>> {
        let malformed = || problem(ProblemCode::AcknowledgementMalformed);
        let batch = UnverifiedAcknowledgement::parse(text).map_err(|_| malformed())?;
        let (_, key) = self.keys.get(system).ok_or_else(|| problem(ProblemCode::KeyUnknown))?;
        let batch = batch.verify(key).map_err(|_| problem(ProblemCode::SignatureInvalid))?;
        let claims = batch.claims();
        if claims.iss != *system || claims.aud != self.hub {
            return Err(malformed());
        }
        if claims.log.as_deref() != Some(self.log.name()) {
            return Err(problem(ProblemCode::AcknowledgementUnknownMessage));
        }
        let to_system = |index| self.messages.get(index).is_some_and(|logged| logged.envelope.claims().aud == *system);
        if !claims.messages.iter().all(|message| to_system(&message.index)) {
            return Err(problem(ProblemCode::AcknowledgementUnknownMessage));
        }
        claims.messages.iter().for_each(|message| self.inboxes.settle(message.index));
        if !self.acknowledgements.iter().any(|known| known.jti == claims.jti) {
            self.acknowledgements.push(claims.clone());
        }
        Ok(())
    }

    pub(super) fn deliver_all_again(&mut self) {
        for (index, logged) in &self.messages {
            self.inboxes.add_again(&logged.envelope.claims().aud, *index);
        }
    }

    pub(super) fn expire_all(&mut self) {
        self.inboxes.expire_all();
    }

    /// Messages for a system, with their lease.
    pub(super) fn lease(&mut self, system: &SystemId, max: usize) -> Option<(String, Vec<Leased>)> {
        if self.faults.held {
            return None;
        }
        let (id, indices) = self.inboxes.lease(system, max, &mut self.faults.duplicates)?;
        let messages: Vec<Leased> = indices.iter().filter_map(|index| self.leased(*index)).collect();
        Some((id, self.corrupt(messages)))
    }

    /// Loses an answer, if the test wants that.
    pub(super) fn loses_response(&mut self) -> bool {
        let lost = self.faults.lost_responses > 0;
        self.faults.lost_responses = self.faults.lost_responses.saturating_sub(1);
        self.faults.unanswered += usize::from(lost);
        lost
    }

    pub(super) fn corrupt_answer(&mut self, mut answer: Answer) -> Answer {
        match self.faults.corrupted_answer.take() {
            Some(Part::Receipt) => change_size(&mut answer.receipt),
            Some(Part::Proof) => change_index(&mut answer.proof),
            _ => {}
        }
        answer
    }

    fn leased(&self, index: u64) -> Option<Leased> {
        let logged = self.messages.get(&index)?;
        Some(Leased { index, submission: logged.submission.clone(), answer: logged.answer.clone() })
    }

    fn corrupt(&mut self, mut messages: Vec<Leased>) -> Vec<Leased> {
        if let Some(first) = messages.first_mut()
            && let Some(part) = self.faults.corrupted.take_if(|part| *part != Part::Document)
        {
            match part {
                Part::Body => first.submission.body.push(b' '),
                Part::Salt => change_last(&mut first.submission.salt),
                Part::Envelope => change_last(&mut first.submission.envelope),
                Part::Receipt => change_size(&mut first.answer.receipt),
                Part::Proof => change_index(&mut first.answer.proof),
                // Not a part of a message.
                Part::Document => {}
            }
        }
        messages
    }

    fn check_envelope(&self, text: &str) -> Result<Envelope, Box<ProblemDocument>> {
        let envelope = UnverifiedEnvelope::parse(text).map_err(|error| {
            problem(match error {
                JwsError::TooLong { .. } => ProblemCode::EnvelopeTooLarge,
                JwsError::Algorithm => ProblemCode::AlgorithmNotAllowed,
                _ => ProblemCode::EnvelopeMalformed,
            })
        })?;
        if envelope.claims().hub != self.hub {
            return Err(problem(ProblemCode::HubMismatch));
        }
        let (_, key) = self.keys.get(&envelope.claims().iss).ok_or_else(|| problem(ProblemCode::KeyUnknown))?;
        if envelope.kid() != key.id() {
            return Err(problem(ProblemCode::KeyUnknown));
        }
        envelope.verify(key).map_err(|_| problem(ProblemCode::SignatureInvalid))
    }

    fn check_body(&self, envelope: &Envelope, submission: &Submission) -> Result<SchemaVersion, Box<ProblemDocument>> {
        let salt: Salt = submission.salt.parse().map_err(|_| problem(ProblemCode::SaltMalformed))?;
        let opened = envelope.claims().body.open(&salt, &submission.body);
        opened.map_err(|_| problem(ProblemCode::CommitmentMismatch))?;
        let body = json::parse_value(&submission.body, BODY_DEPTH).map_err(|_| problem(ProblemCode::BodyNotJson))?;
        let id = &envelope.claims().schema;
        match self.catalogue.validate(id, &body) {
            Ok(()) => {}
            Err(SchemaViolation::UnknownSchema { .. }) => return Err(problem(ProblemCode::TypeUnknown)),
            Err(SchemaViolation::Invalid { errors }) => {
                let mut document = problem(ProblemCode::SchemaViolation);
                let place = |error: saphan_schemas::catalogue::Violation| ProblemPlace {
                    pointer: error.pointer,
                    detail: error.message,
                };
                document.errors = errors.into_iter().map(place).collect();
                return Err(document);
            }
        }
        let schema = self.catalogue.schema(id).ok_or_else(|| problem(ProblemCode::TypeUnknown))?;
        Ok(SchemaVersion { id: schema.id.clone(), sha256: schema.sha256 })
    }

    fn append(&mut self, envelope: &Envelope, schema: &SchemaVersion) -> Result<Answer, Box<ProblemDocument>> {
        let seconds = clock::unix_seconds();
        let prefix = message_prefix(seconds * 1000, schema);
        let leaf = leaf_hash(&message_leaf(prefix.as_bytes(), envelope.as_str()));
        let batch = BatchAppend::new(&self.range, vec![leaf]);
        let index = batch.first_index();
        let failed = || problem(ProblemCode::Internal);
        let hashes = batch.inclusion_proof(index).ok_or_else(failed)?;
        let checkpoint = Checkpoint::new(self.log.name().to_owned(), batch.size(), batch.root());
        let checkpoint = checkpoint.sign(&self.log).map_err(|_| failed())?;
        let receipt = ReceiptClaims {
            iss: self.hub.clone(),
            iat: seconds,
            jti: envelope.claims().jti,
            log: self.log.name().to_owned(),
            index,
            leaf,
            env: Sha256Hash::of(envelope.as_str().as_bytes()),
            size: batch.size(),
            root: batch.root(),
            schema: schema.id.clone(),
        };
        let receipt = Signed::sign(receipt, &self.receipts).map_err(|_| failed())?;
        let proof = TlogProof::new(Some(prefix.into_bytes()), index, hashes, checkpoint);
        self.range = batch.range();
        Ok(Answer { receipt: receipt.as_str().to_owned(), proof: proof.to_string() })
    }
}

fn log_key() -> Result<NoteSigner, TestHubError> {
    Ok(NoteSigner::from_pkcs8("hub.test/log/2026h2", &NoteSigner::generate_pkcs8()?)?)
}

pub(super) fn problem(code: ProblemCode) -> Box<ProblemDocument> {
    Box::new(code.document())
}

/// Changes the character before the last: the last one of a base64 text may have bits that must be zero.
fn change_last(text: &mut String) {
    let at = text.len().saturating_sub(2);
    let replacement = if text.get(at..=at) == Some("A") { "B" } else { "A" };
    text.replace_range(at..=at, replacement);
}

/// Changes the size of the log that a receipt speaks of, and leaves everything else, signature included.
fn change_size(receipt: &mut String) {
    let changed = receipt.split('.').nth(1).and_then(|payload| {
        let text = String::from_utf8(b64::decode_url(payload).ok()?).ok()?;
        let changed = text.replacen("\"size\":", "\"size\":1", 1);
        Some(receipt.replacen(payload, &b64::encode_url(changed), 1))
    });
    *receipt = changed.unwrap_or_default();
}

/// Changes the place in the log that a proof speaks of.
fn change_index(proof: &mut String) {
    *proof = proof.replacen("index ", "index 1", 1);
}

const BODY_DEPTH: usize = 64;
