//! A small log with every kind of leaf and of registry entry in it, made without a hub, and all keys that signed in it.

mod next;
mod registry;

use std::sync::Arc;

use saphan_schemas::acknowledgement::{Acknowledged, AcknowledgementClaims, Outcome};
use saphan_schemas::b64;
use saphan_schemas::commitment::{BodyCommitment, Salt};
use saphan_schemas::digest::Sha256Hash;
use saphan_schemas::envelope::{DocumentReference, EnvelopeClaims, UnverifiedEnvelope};
use saphan_schemas::ids::{Code, HubId, MessageId};
use saphan_schemas::jws::Claims;
use saphan_schemas::keys::SigningKey;
use saphan_schemas::leaf::{Leaf, SchemaVersion, ShardEvent, message_prefix};
use saphan_schemas::log::{Checkpoint, NoteSigner, TlogProof, leaf_hash, node_hash};
use saphan_schemas::message::MessageFile;
use saphan_schemas::receipt::ReceiptClaims;
use serde_json::{Value, json};

pub(super) use self::next::{NextLog, checkpoint};
use crate::broken_copies::real_log::{Files, RealLog, sign};

/// What was signed in a leaf, and with which key.
pub(super) struct Said {
    pub(super) typ: &'static str,
    pub(super) key: Key,
}

pub(super) type Key = Arc<SigningKey>;

pub(super) struct SmallLog {
    pub(super) hub: HubId,
    pub(super) signer: NoteSigner,
    operator: Key,
    pub(super) receipts: Key,
    pub(super) sender: Key,
    receiver: Key,
    /// Each with what is signed in it, if it is.
    pub(super) leaves: Vec<(Leaf, Option<Said>)>,
    /// The place of its message.
    pub(super) message: usize,
    salt: Salt,
}

impl SmallLog {
    pub(super) fn new() -> Self {
        let signer = note_signer("main");
        let hub: HubId = HUB.parse().unwrap();
        let [operator, receipts, sender, receiver] = [(); 4].map(|()| new_key());
        let event = ShardEvent::Opened {
            origin: signer.name().to_owned(),
            hub: hub.clone(),
            operator: Box::new(*operator.public()),
            receipts: Box::new(*receipts.public()),
            log: Box::new(signer.verifier_key().clone()),
            previous: None,
            abandoned: None,
        };
        let leaves = vec![(Leaf::Shard { ts: TS, event }, None)];
        let salt = Salt::from_bytes([7; 32]);
        let mut log = Self { hub, signer, operator, receipts, sender, receiver, leaves, message: 0, salt };
        log.register();
        log.agree();
        log.join();
        log.end();
        log.exchange();
        log
    }

    /// A message with everything that it can have, and what comes of it; a refusal, a query, and the log's end.
    fn exchange(&mut self) {
        self.message = self.leaves.len();
        let (jti, id) = (MessageId::new(), "some.type@1".parse().unwrap());
        let document = DocumentReference {
            commit: Sha256Hash::of(b"document"),
            len: 5,
            media_type: "application/pdf".into(),
            evidence_type: Some("th.a.evidence".parse().unwrap()),
        };
        let claims = EnvelopeClaims {
            iss: SENDER.parse().unwrap(),
            aud: RECEIVER.parse().unwrap(),
            hub: self.hub.clone(),
            jti,
            iat: TS / 1000,
            not_after: Some(TS / 1000 + 60),
            message_type: "some.type".parse().unwrap(),
            schema: SCHEMA.parse().unwrap(),
            service: Some("th.a.service".parse().unwrap()),
            case: Some(jti.to_string().parse().unwrap()),
            reply_to: Some(MessageId::new()),
            purpose: Some("purpose".parse().unwrap()),
            legal_basis: Some(LAW.parse().unwrap()),
            consent: Some(MessageId::new()),
            body: BodyCommitment::new(&self.salt, BODY),
            documents: vec![document],
        };
        let schema = SchemaVersion { id, sha256: Sha256Hash::of(TEXT.as_bytes()) };
        let envelope = sign(claims, &*self.sender);
        let said = said::<EnvelopeClaims>(&self.sender);
        self.leaves.push((Leaf::Message { ts: TS, schema, envelope }, Some(said)));
        self.acknowledge();
        let (code, nonce): (Code, _) = ("agreement-missing".parse().unwrap(), "0123456789abcdef".repeat(2));
        let (index, basis) = (self.message as u64, "pdpa-s33".parse().unwrap());
        let (auditor, commit) = (RECEIVER.parse().unwrap(), Sha256Hash::of(b"query"));
        let next = format!("{HUB}/log/next");
        for leaf in [
            Leaf::Refusal { ts: TS, code, env: Sha256Hash::of(b"envelope"), nonce },
            Leaf::Erasure { ts: TS, index, basis, log: Some(self.signer.name().to_owned()) },
            Leaf::Query { ts: TS, auditor, commit },
            Leaf::Shard { ts: TS, event: ShardEvent::Closed { next } },
        ] {
            self.leaves.push((leaf, None));
        }
    }

    fn acknowledge(&mut self) {
        let (index, code) = (self.message as u64, Some("not-ours".parse().unwrap()));
        let claims = AcknowledgementClaims {
            iss: RECEIVER.parse().unwrap(),
            aud: self.hub.clone(),
            jti: MessageId::new(),
            iat: TS / 1000,
            log: Some(self.signer.name().to_owned()),
            messages: vec![Acknowledged { index, outcome: Outcome::Rejected, code }],
        };
        let (acknowledgement, said) = (sign(claims, &*self.receiver), said::<AcknowledgementClaims>(&self.receiver));
        self.leaves.push((Leaf::Acknowledgement { ts: TS, acknowledgement }, Some(said)));
    }

    pub(super) fn bytes(&self) -> Vec<Vec<u8>> {
        self.leaves.iter().map(|(leaf, _)| leaf.to_bytes()).collect()
    }

    pub(super) fn signed(&self, leaves: &[Vec<u8>]) -> Files {
        RealLog::signed_by(&[&self.signer], leaves)
    }

    /// What the receiver keeps of the message, and what its receipt says.
    pub(super) fn kept(&self) -> (MessageFile, Value) {
        let leaves = self.bytes();
        let Leaf::Message { schema, envelope, .. } = &self.leaves[self.message].0 else { panic!("a message") };
        let checkpoint = checkpoint(&self.signed(&leaves));
        let tree: Checkpoint = format!("{}\n", checkpoint.split_once("\n\n").unwrap().0).parse().unwrap();
        let hashes: Vec<Sha256Hash> = leaves.iter().map(|leaf| leaf_hash(leaf)).collect();
        let (_, path) = root_and_path(&hashes, self.message);
        let extra = message_prefix(TS, schema).into_bytes();
        let proof = TlogProof::new(Some(extra), self.message as u64, path, checkpoint).to_string();
        let sent = UnverifiedEnvelope::parse(envelope).unwrap();
        let claims = ReceiptClaims {
            iss: self.hub.clone(),
            iat: TS / 1000,
            jti: sent.claims().jti,
            log: tree.origin,
            index: self.message as u64,
            leaf: hashes[self.message],
            env: Sha256Hash::of(envelope.as_bytes()),
            size: tree.size,
            root: tree.root,
            schema: schema.id.clone(),
        };
        let said = serde_json::to_value(&claims).unwrap();
        let receipt = sign(claims, &*self.receipts);
        (MessageFile::new(envelope.clone(), &self.salt, BODY, receipt, proof), said)
    }
}

/// RFC 6962 section 2.1.1: the root over these leaf hashes, and the path from one of them to it.
fn root_and_path(hashes: &[Sha256Hash], at: usize) -> (Sha256Hash, Vec<Sha256Hash>) {
    if let [only] = hashes {
        return (*only, Vec::new());
    }
    let (left, right) = hashes.split_at(hashes.len().next_power_of_two() / 2);
    let ((left, of_left), (right, of_right)) =
        (root_and_path(left, at), root_and_path(right, at.wrapping_sub(left.len())));
    let (mut path, beside) =
        if at < hashes.len().next_power_of_two() / 2 { (of_left, right) } else { (of_right, left) };
    path.push(beside);
    (node_hash(&left, &right), path)
}

/// A statement of these bytes.
pub(super) fn resigned(header: &str, payload: &str, key: &SigningKey) -> String {
    let said = format!("{}.{}", b64::encode_url(header), b64::encode_url(payload));
    let signature = b64::encode_url(key.sign(said.as_bytes()).unwrap());
    format!("{said}.{signature}")
}

pub(super) fn header(typ: &str, key: &SigningKey) -> Value {
    json!({ "alg": "ES256", "cty": "json", "kid": key.id(), "typ": typ })
}

fn said<C: Claims>(key: &Key) -> Said {
    Said { typ: C::TYP, key: Arc::clone(key) }
}

fn new_key() -> Key {
    Arc::new(SigningKey::generate().unwrap().0)
}

fn note_signer(shard: &str) -> NoteSigner {
    NoteSigner::from_pkcs8(&format!("{HUB}/log/{shard}"), &NoteSigner::generate_pkcs8().unwrap()).unwrap()
}

pub(super) const SENDER: &str = "th.a/portal";
const RECEIVER: &str = "th.b/office";
const THIRD: &str = "th.c/desk";
const HUB: &str = "hub.example";
const SCHEMA: &str = "some.type@1";
/// The schema's text.
pub(super) const TEXT: &str = r#"{"type":"object"}"#;
const LAW: &str = "Act BE 2562 s.13";
const BODY: &[u8] = b"{}";
/// In 2025, in milliseconds since 1970: timestamps of today are later.
const TS: u64 = 1_750_000_000_000;
