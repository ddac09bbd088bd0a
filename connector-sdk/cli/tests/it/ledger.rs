//! A log made with the contract's own parts, for the program to check.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::LazyLock;

use saphan_schemas::acknowledgement::{Acknowledged, AcknowledgementClaims, Outcome};
use saphan_schemas::catalogue::Catalogue;
use saphan_schemas::commitment::{BodyCommitment, Salt};
use saphan_schemas::digest::Sha256Hash;
use saphan_schemas::envelope::{Envelope, EnvelopeClaims};
use saphan_schemas::ids::{HubId, MessageId, SchemaId, SystemId};
use saphan_schemas::jws::Signed;
use saphan_schemas::keys::{JwkSet, PublicKey, PublishedKey, SigningKey};
use saphan_schemas::leaf::{Abandoned, Leaf, SchemaVersion, ShardEvent, message_leaf, message_prefix};
use saphan_schemas::log::{
    BatchAppend, Checkpoint, CompactRange, LogRebuilder, NoteSigner, TlogProof, VerifierKey, leaf_hash,
};
use saphan_schemas::message::MessageFile;
use saphan_schemas::receipt::ReceiptClaims;
use saphan_schemas::registry::{
    Agreement, AgreementSignature, Change, Entry, HubKey, Member, RegistryClaims, Role, Schema, System, SystemKey,
    TransportKind, just_a_system,
};
use saphan_schemas::trust::{TrustBundle, TrustEntry};

pub(crate) const HUB: &str = "hub.local";
pub(crate) const ORIGIN: &str = "hub.local/log/2026h2";
pub(crate) const SENDER: &str = "th.dga/portal";
pub(crate) const RECEIVER: &str = "th.dlt/licensing";
pub(crate) const AGREEMENT: &str = "licence-renewal.information";
pub(crate) const SCHEMA: &str = "information.supplied@1";
/// 2026-11-24T18:00:00Z.
pub(crate) const NOW: u64 = 1_795_543_200;

/// A hub's keys and its log. Index 0 opens it; then come ten registry entries: a schema, the two systems with their
/// members and keys, and an agreement with its signatures.
pub(crate) struct Ledger {
    pub(crate) origin: String,
    operator: SigningKey,
    receipts: SigningKey,
    signer: NoteSigner,
    second_signer: Option<NoteSigner>,
    systems: BTreeMap<SystemId, SigningKey>,
    /// Of all systems; the private keys of some are elsewhere.
    public: BTreeMap<SystemId, PublicKey>,
    pub(crate) leaves: Vec<Vec<u8>>,
    pub(crate) messages: BTreeMap<u64, Sent>,
    /// The operator's entries about keys of the hub that came later.
    pub(crate) trust_entries: Vec<TrustEntry>,
}

/// An accepted message.
#[derive(Clone)]
pub(crate) struct Sent {
    pub(crate) envelope: Envelope,
    pub(crate) salt: Salt,
    pub(crate) body: Vec<u8>,
}

impl Ledger {
    pub(crate) fn new() -> Self {
        let mut ledger = Self {
            origin: ORIGIN.into(),
            operator: new_key(),
            receipts: new_key(),
            signer: new_signer(),
            second_signer: None,
            systems: BTreeMap::new(),
            public: BTreeMap::new(),
            leaves: Vec::new(),
            messages: BTreeMap::new(),
            trust_entries: Vec::new(),
        };
        ledger.push(&Leaf::Shard {
            ts: NOW * 1000,
            event: ShardEvent::Opened {
                origin: ORIGIN.into(),
                hub: hub(),
                operator: Box::new(*ledger.operator.public()),
                receipts: Box::new(*ledger.receipts.public()),
                log: Box::new(ledger.signer.verifier_key().clone()),
                previous: None,
                abandoned: None,
            },
        });
        let SchemaVersion { id, sha256 } = schema();
        ledger.change(Change::Added(Entry::Schema(Schema::first(id, sha256))));
        for system in [SENDER, RECEIVER] {
            let id: SystemId = system.parse().unwrap();
            let name = id.member().to_string();
            let member = Member { id: id.member(), name_th: name.clone(), name_en: name };
            ledger.change(Change::Added(Entry::Member(member)));
            let system_entry = System { id, transport: TransportKind::Pull, roles: just_a_system() };
            ledger.change(Change::Added(Entry::System(system_entry)));
            ledger.register(system, new_key());
        }
        ledger.agree();
        ledger
    }

    /// The agreement that covers what the sender sends, signed by both.
    fn agree(&mut self) {
        let example = claims(&Salt::generate().unwrap(), b"{}");
        let agreement = Agreement {
            id: AGREEMENT.parse().unwrap(),
            sender: example.iss,
            receiver: example.aud,
            types: BTreeSet::from([example.message_type]),
            services: example.service.into_iter().collect(),
            purposes: example.purpose.into_iter().collect(),
            legal_basis: "Vehicle Act BE 2522 s.46".parse().unwrap(),
            consent: false,
            retention_days: None,
            not_before: None,
            not_after: None,
        };
        let entry = registry_entry(Change::Added(Entry::Agreement(agreement)), &self.operator);
        let terms = Sha256Hash::of(entry.as_bytes());
        self.push(&Leaf::Registry { ts: NOW * 1000, entry });
        for system in [SENDER, RECEIVER] {
            let signature = AgreementSignature { agreement: AGREEMENT.parse().unwrap(), terms };
            let entry = registry_entry_as(system, Change::Signed(signature), self.key(system));
            self.push(&Leaf::Registry { ts: NOW * 1000, entry });
        }
    }

    /// With `messages` messages, the first of them (at most 100) acknowledged in one batch.
    pub(crate) fn with_messages(messages: usize) -> Self {
        let mut ledger = Self::new();
        let sent: Vec<u64> = (0..messages).map(|number| ledger.send(&format!(r#"{{"number":{number}}}"#))).collect();
        ledger.acknowledge(&sent[..messages.min(100)]);
        ledger
    }

    pub(crate) fn size(&self) -> u64 {
        self.leaves.len() as u64
    }

    pub(crate) fn push(&mut self, leaf: &Leaf) -> u64 {
        self.leaves.push(leaf.to_bytes());
        self.size() - 1
    }

    pub(crate) fn register(&mut self, system: &str, key: SigningKey) {
        self.register_public(system, *key.public());
        self.systems.insert(system.parse().unwrap(), key);
    }

    /// Registers a key that signs elsewhere.
    pub(crate) fn register_public(&mut self, system: &str, jwk: PublicKey) {
        let system: SystemId = system.parse().unwrap();
        self.public.insert(system.clone(), jwk);
        self.change(Change::Added(Entry::Key(SystemKey { system, jwk, not_before: None, not_after: None })));
    }

    pub(crate) fn public_key(&self, system: &str) -> PublicKey {
        self.public[&system.parse::<SystemId>().unwrap()]
    }

    /// A change of the registry, signed by the operator.
    pub(crate) fn operators_entry(&self, change: Change) -> String {
        registry_entry(change, &self.operator)
    }

    pub(crate) fn change(&mut self, change: Change) -> u64 {
        let entry = self.operators_entry(change);
        self.push(&Leaf::Registry { ts: NOW * 1000, entry })
    }

    pub(crate) fn key(&self, system: &str) -> &SigningKey {
        &self.systems[&system.parse::<SystemId>().unwrap()]
    }

    /// The sender's message to the receiver.
    pub(crate) fn send(&mut self, body: &str) -> u64 {
        let salt = Salt::generate().unwrap();
        let claims = claims(&salt, body.as_bytes());
        let envelope = Signed::sign(claims, self.key(SENDER)).unwrap();
        self.accept(Sent { envelope, salt, body: body.into() })
    }

    /// Logs a message, whoever signed it.
    pub(crate) fn accept(&mut self, sent: Sent) -> u64 {
        self.leaves.push(message_leaf(prefix().as_bytes(), sent.envelope.as_str()));
        let index = self.size() - 1;
        self.messages.insert(index, sent);
        index
    }

    /// A system that may audit, and may not send.
    pub(crate) fn admit_auditor(&mut self, system: &str) {
        let id: SystemId = system.parse().unwrap();
        let (member, name) = (id.member(), id.member().to_string());
        self.change(Change::Added(Entry::Member(Member { id: member, name_th: name.clone(), name_en: name })));
        let roles = [Role::Auditor].into();
        self.change(Change::Added(Entry::System(System { id, transport: TransportKind::Pull, roles })));
    }

    pub(crate) fn acknowledge(&mut self, indices: &[u64]) -> u64 {
        let message = |index: &u64| Acknowledged { index: *index, outcome: Outcome::Processed, code: None };
        self.acknowledge_as(RECEIVER, indices.iter().map(message).collect())
    }

    pub(crate) fn acknowledge_as(&mut self, system: &str, messages: Vec<Acknowledged>) -> u64 {
        self.acknowledge_in(None, system, messages)
    }

    pub(crate) fn acknowledge_in(&mut self, log: Option<&str>, system: &str, messages: Vec<Acknowledged>) -> u64 {
        let (iss, jti, log) = (system.parse().unwrap(), MessageId::new(), log.map(ToOwned::to_owned));
        let claims = AcknowledgementClaims { iss, aud: hub(), jti, iat: NOW, log, messages };
        let batch = Signed::sign(claims, self.key(system)).unwrap();
        self.push(&Leaf::Acknowledgement { ts: NOW * 1000, acknowledgement: batch.as_str().to_owned() })
    }

    /// Receipt and proof of a message, at the present size.
    pub(crate) fn evidence(&self, index: u64) -> (String, String) {
        let tree = self.tree();
        let sent = &self.messages[&index];
        let claims = ReceiptClaims {
            iss: hub(),
            iat: NOW,
            jti: sent.envelope.claims().jti,
            log: self.origin.clone(),
            index,
            leaf: leaf_hash(&self.leaves[usize::try_from(index).unwrap()]),
            env: sent.envelope.hash(),
            size: tree.size(),
            root: tree.root(),
            schema: SCHEMA.parse().unwrap(),
        };
        let receipt = Signed::sign(claims, &self.receipts).unwrap();
        let hashes = tree.inclusion_proof(index).unwrap();
        let proof = TlogProof::new(Some(prefix().into_bytes()), index, hashes, self.checkpoint());
        (receipt.as_str().to_owned(), proof.to_string())
    }

    pub(crate) fn file(&self, index: u64) -> MessageFile {
        let (receipt, proof) = self.evidence(index);
        let sent = &self.messages[&index];
        MessageFile::new(sent.envelope.as_str().to_owned(), &sent.salt, &sent.body, receipt, proof)
    }

    pub(crate) fn checkpoint(&self) -> String {
        self.checkpoint_of(self.size(), self.tree().root())
    }

    pub(crate) fn checkpoint_of(&self, size: u64, root: Sha256Hash) -> String {
        Checkpoint::new(self.origin.clone(), size, root).sign_with(&self.signer, &self.second_signer).unwrap()
    }

    pub(crate) fn vkey(&self) -> &VerifierKey {
        self.signer.verifier_key()
    }

    pub(crate) fn hub_keys(&self) -> JwkSet {
        JwkSet { issuer: HUB.into(), keys: vec![PublishedKey::unlimited(*self.receipts.public())] }
    }

    pub(crate) fn trust(&self) -> TrustBundle {
        TrustBundle {
            hub: hub(),
            operator: Some(*self.operator.public()),
            more_operators: Vec::new(),
            former_operators: Vec::new(),
            receipts: vec![*self.receipts.public()],
            vkey: self.vkey().clone(),
            more_vkeys: Vec::new(),
            logs: Vec::new(),
            ended: Vec::new(),
            broker: Some("amqps://broker.test/saphan".into()),
            ca: None,
        }
    }

    /// Signs receipts with another key, which its operator registers.
    pub(crate) fn rotate_receipt_key(&mut self) {
        self.receipts = new_key();
        let change = Change::Added(Entry::HubKey(HubKey::Receipts { jwk: *self.receipts.public() }));
        let entry = registry_entry(change, &self.operator);
        self.trust_entries.push(TrustEntry { index: self.size(), log: None, entry: entry.clone() });
        self.push(&Leaf::Registry { ts: NOW * 1000, entry });
    }

    /// Registers a second key for checkpoints, and signs with both from then on; gives its verifier key.
    pub(crate) fn add_log_key(&mut self) -> VerifierKey {
        let next = NoteSigner::from_pkcs8(&self.origin, &NoteSigner::generate_pkcs8().unwrap()).unwrap();
        let vkey = next.verifier_key().clone();
        self.change(Change::Added(Entry::HubKey(HubKey::Log { vkey: vkey.clone() })));
        self.second_signer = Some(next);
        vkey
    }

    /// Signs checkpoints with the second key alone.
    pub(crate) fn use_second_log_key_only(&mut self) {
        self.signer = self.second_signer.take().unwrap();
    }

    /// Signs checkpoints with this key alone; gives the one before.
    pub(crate) fn sign_with(&mut self, signer: NoteSigner) -> NoteSigner {
        std::mem::replace(&mut self.signer, signer)
    }

    /// Registers a key for the hub's next log.
    pub(crate) fn prepare(&mut self, origin: &str) -> NoteSigner {
        let next = NoteSigner::from_pkcs8(origin, &NoteSigner::generate_pkcs8().unwrap()).unwrap();
        self.change(Change::Added(Entry::HubKey(HubKey::Log { vkey: next.verifier_key().clone() })));
        next
    }

    pub(crate) fn close(&mut self, origin: &str) {
        self.push(&Leaf::Shard { ts: NOW * 1000, event: ShardEvent::Closed { next: origin.into() } });
    }

    /// The hub's next log, which begins with this.
    pub(crate) fn into_next(self, signer: NoteSigner, previous: String) -> Self {
        self.into_next_after(signer, previous, None)
    }

    /// The same after a log that may be abandoned.
    pub(crate) fn into_next_after(self, signer: NoteSigner, previous: String, abandoned: Option<Abandoned>) -> Self {
        let origin = signer.name().to_owned();
        let opened = Leaf::Shard {
            ts: NOW * 1000,
            event: ShardEvent::Opened {
                origin: origin.clone(),
                hub: hub(),
                operator: Box::new(*self.operator.public()),
                receipts: Box::new(*self.receipts.public()),
                log: Box::new(signer.verifier_key().clone()),
                previous: Some(previous),
                abandoned: abandoned.map(Box::new),
            },
        };
        let (leaves, messages) = (vec![opened.to_bytes()], BTreeMap::new());
        Self { origin, signer, second_signer: None, leaves, messages, ..self }
    }

    pub(crate) fn system_keys(&self, system: &str) -> JwkSet {
        let keys = self.public.get(&system.parse::<SystemId>().unwrap());
        let keys = keys.into_iter().map(|key| PublishedKey::unlimited(*key)).collect();
        JwkSet { issuer: system.into(), keys }
    }

    /// The static copy of the log: path and bytes of every file.
    pub(crate) fn files(&self) -> BTreeMap<String, Vec<u8>> {
        let mut rebuilder = LogRebuilder::new();
        let mut tiles = Vec::new();
        for leaf in &self.leaves {
            tiles.extend(rebuilder.push_entry(leaf).unwrap());
        }
        tiles.extend(rebuilder.partial_tiles());
        let mut files: BTreeMap<_, _> = tiles.into_iter().map(|tile| (tile.path.to_string(), tile.bytes)).collect();
        files.insert("checkpoint".into(), self.checkpoint().into_bytes());
        files.insert("vkey".into(), format!("{}\n", self.vkey()).into_bytes());
        files
    }

    /// What a demo exports: messages, keys, log.
    pub(crate) fn export(&self, folder: &Path) {
        write_files(&folder.join("log"), &self.files());
        let mut files = BTreeMap::new();
        for index in self.messages.keys() {
            let file = self.file(*index);
            let name = format!("messages/{}.saphan.json", self.messages[index].envelope.claims().jti);
            files.insert(name, serde_json::to_vec(&file).unwrap());
        }
        files.insert("keys/hub.jwks.json".into(), serde_json::to_vec(&self.hub_keys()).unwrap());
        for system in self.systems.keys() {
            let name = format!("keys/{}__{}.jwks.json", system.member(), system.name());
            files.insert(name, serde_json::to_vec(&self.system_keys(system.as_str())).unwrap());
        }
        write_files(folder, &files);
    }

    fn tree(&self) -> BatchAppend {
        BatchAppend::new(&CompactRange::new(), self.leaves.iter().map(|leaf| leaf_hash(leaf)).collect())
    }
}

pub(crate) fn new_key() -> SigningKey {
    SigningKey::generate().unwrap().0
}

pub(crate) fn new_signer() -> NoteSigner {
    NoteSigner::from_pkcs8(ORIGIN, &NoteSigner::generate_pkcs8().unwrap()).unwrap()
}

pub(crate) fn hub() -> HubId {
    HUB.parse().unwrap()
}

/// The text that the program has.
pub(crate) fn schema() -> SchemaVersion {
    static TEXT: LazyLock<SchemaVersion> = LazyLock::new(|| {
        let id: SchemaId = SCHEMA.parse().unwrap();
        let catalogue = Catalogue::embedded().unwrap();
        let sha256 = catalogue.schemas().find(|text| text.id == id).unwrap().sha256;
        SchemaVersion { id, sha256 }
    });
    TEXT.clone()
}

pub(crate) fn prefix() -> String {
    message_prefix(NOW * 1000, &schema())
}

pub(crate) fn registry_entry(change: Change, operator: &SigningKey) -> String {
    registry_entry_as(HUB, change, operator)
}

pub(crate) fn registry_entry_as(issuer: &str, change: Change, key: &SigningKey) -> String {
    let claims =
        RegistryClaims { iss: issuer.into(), aud: hub(), iat: NOW, jti: MessageId::new(), change, invitation: None };
    Signed::sign(claims, key).unwrap().as_str().to_owned()
}

/// The claims of a message from [`SENDER`] to [`RECEIVER`].
pub(crate) fn claims(salt: &Salt, body: &[u8]) -> EnvelopeClaims {
    let schema: SchemaId = SCHEMA.parse().unwrap();
    EnvelopeClaims {
        iss: SENDER.parse().unwrap(),
        aud: RECEIVER.parse().unwrap(),
        hub: hub(),
        jti: MessageId::new(),
        iat: NOW,
        not_after: None,
        message_type: schema.name().parse().unwrap(),
        schema,
        service: Some("th.dlt.driving-licence-renewal".parse().unwrap()),
        case: Some(saphan_schemas::ids::CaseId::new()),
        reply_to: None,
        purpose: Some("licence-renewal".parse().unwrap()),
        legal_basis: None,
        consent: None,
        body: BodyCommitment::new(salt, body),
        documents: Vec::new(),
    }
}

pub(crate) fn write_files(folder: &Path, files: &BTreeMap<String, Vec<u8>>) {
    for (path, bytes) in files {
        let path = folder.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
}

/// The leaf of a query that a system is said to have made.
pub(crate) fn query(auditor: &str) -> Leaf {
    Leaf::Query { ts: NOW * 1000, auditor: auditor.parse().unwrap(), commit: Sha256Hash::of(b"a question") }
}
