//! The links of the chain, each checked by itself.

use saphan_schemas::digest::Sha256Hash;
use saphan_schemas::envelope::{Envelope, UnverifiedEnvelope};
use saphan_schemas::keys::PublishedKey;
use saphan_schemas::log::{Checkpoint, Policy, SignedCheckpoint, TlogProof};
use saphan_schemas::message::{self, MadeLeaf, MessageFile};
use saphan_schemas::receipt::{Receipt, UnverifiedReceipt};
use serde::Serialize;

use super::MessageFacts;
use super::trusted::TrustedKeys;
use crate::quorum;

/// A link of the chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    /// The sender's signature.
    Envelope,
    /// The commitment to the body.
    Body,
    /// The hub's signature, and that the receipt is this message's.
    Receipt,
    /// The log entry that envelope and proof make up.
    Leaf,
    /// The signature over the tree head.
    Checkpoint,
    /// That the entry is in the tree.
    Proof,
    /// That enough witnesses cosigned a tree with the entry.
    Witnesses,
    /// The same once more as connectors verify it.
    Whole,
}

/// The answer of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// It holds.
    Ok,
    /// It does not hold.
    Failed,
    /// The body is not there: erased, as the law may demand, or kept elsewhere. The rest stands without it.
    Absent,
}

/// One check and what it means.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// The link.
    pub part: Part,
    /// Whether it holds.
    pub verdict: Verdict,
    /// What that means, in words.
    pub says: String,
}

impl Part {
    /// Its name in the report.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Envelope => "envelope",
            Self::Body => "body",
            Self::Receipt => "receipt",
            Self::Leaf => "leaf",
            Self::Checkpoint => "checkpoint",
            Self::Proof => "proof",
            Self::Witnesses => "witnesses",
            Self::Whole => "whole",
        }
    }
}

impl Verdict {
    /// Its word in the report.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Failed => "failed",
            Self::Absent => "absent",
        }
    }
}

/// What a check found, or why it does not hold.
type Found<T> = Result<(T, String), String>;

/// Runs every check; one that needs a part that cannot be read fails too, and says so.
pub(super) fn run(
    file: &MessageFile,
    keys: &TrustedKeys,
    policy: Option<&Policy>,
) -> (Option<MessageFacts>, Vec<Check>) {
    let read = UnverifiedEnvelope::parse(&file.envelope).ok();
    let receipt = UnverifiedReceipt::parse(&file.receipt);
    let facts = read.as_ref().map(|envelope| facts(envelope, receipt.as_ref().ok()));
    let accepted_at = receipt.as_ref().ok().map(|receipt| receipt.claims().iat);

    let mut checks = Vec::new();
    let envelope = note(&mut checks, Part::Envelope, check_envelope(&file.envelope, accepted_at, keys));
    checks.push(check_body(file, envelope.as_ref()));
    let receipt = receipt.map_err(|error| format!("it is not a receipt: {error}"));
    let receipt = receipt.and_then(|receipt| check_receipt(receipt, envelope.as_ref(), keys));
    let receipt = note(&mut checks, Part::Receipt, receipt);
    let proof: Result<TlogProof, String> = file.proof.parse().map_err(|error| format!("it cannot be read: {error}"));
    let leaf = proof.as_ref().map_err(|_| UNREADABLE_PROOF.to_owned());
    let leaf = leaf.and_then(|proof| check_leaf(proof, &file.envelope, receipt.as_ref()));
    let leaf = note(&mut checks, Part::Leaf, leaf);
    let checkpoint = proof.as_ref().map_err(|_| UNREADABLE_PROOF.to_owned());
    let checkpoint = checkpoint.and_then(|proof| check_checkpoint(proof, receipt.as_ref(), keys));
    let checkpoint = note(&mut checks, Part::Checkpoint, checkpoint);
    let proof = proof.and_then(|proof| check_proof(&proof, leaf, checkpoint.as_ref(), receipt.as_ref()));
    note(&mut checks, Part::Proof, proof);
    if let Some(policy) = policy {
        note(&mut checks, Part::Witnesses, check_witnesses(file, leaf, receipt.as_ref(), keys, policy));
    }
    (facts, checks)
}

fn note<T>(checks: &mut Vec<Check>, part: Part, found: Found<T>) -> Option<T> {
    let (value, verdict, says) = match found {
        Ok((value, says)) => (Some(value), Verdict::Ok, says),
        Err(says) => (None, Verdict::Failed, says),
    };
    checks.push(Check { part, verdict, says });
    value
}

fn check_envelope(text: &str, accepted_at: Option<u64>, keys: &TrustedKeys) -> Found<Envelope> {
    let envelope = UnverifiedEnvelope::parse(text).map_err(|error| format!("it is not an envelope: {error}"))?;
    let (sender, kid) = (envelope.claims().iss.clone(), envelope.kid());
    if !keys.knows(&sender) {
        return Err(format!("the keys of its sender {sender} were not given"));
    }
    let key = keys.published(&sender, kid);
    let key = key.ok_or_else(|| format!("it names the key {kid}, which is not a key of {sender}"))?;
    valid_at(key, accepted_at).map_err(|reason| format!("{sender}'s key {kid} {reason}"))?;
    let envelope = envelope.verify(&key.key);
    let envelope = envelope.map_err(|_| format!("it was changed, or {sender} did not sign it"))?;
    if envelope.claims().hub != *keys.hub() {
        return Err(format!("it is meant for the hub {}, not for {}", envelope.claims().hub, keys.hub()));
    }
    Ok((envelope, format!("{sender} signed this envelope with its key {kid}")))
}

fn check_body(file: &MessageFile, envelope: Option<&Envelope>) -> Check {
    let (verdict, says) = match (file.opened(), envelope) {
        (Err(_), _) => (Verdict::Failed, "salt or body is not base64, or one of the two is missing".to_owned()),
        (Ok(None), _) => (
            Verdict::Absent,
            "the body is not in the file; that the message was sent and accepted stands without it".to_owned(),
        ),
        (Ok(Some(_)), None) => (Verdict::Failed, NO_ENVELOPE.to_owned()),
        (Ok(Some((salt, body))), Some(envelope)) => match envelope.claims().body.open(&salt, &body) {
            Ok(()) => (Verdict::Ok, format!("these {} bytes are the ones that the sender committed to", body.len())),
            Err(mismatch) => (Verdict::Failed, mismatch.to_string()),
        },
    };
    Check { part: Part::Body, verdict, says }
}

fn check_receipt(receipt: UnverifiedReceipt, envelope: Option<&Envelope>, keys: &TrustedKeys) -> Found<Receipt> {
    let hub = keys.hub();
    if receipt.claims().iss != *hub {
        return Err(format!("it is a receipt of the hub {}, not of {hub}", receipt.claims().iss));
    }
    let kid = receipt.kid();
    let key = keys.receipt_key(kid).ok_or_else(|| format!("it names the key {kid}, which is not a key of {hub}"))?;
    valid_at(key, Some(receipt.claims().iat)).map_err(|reason| format!("{hub}'s key {kid} {reason}"))?;
    let receipt = receipt.verify(&key.key).map_err(|_| format!("it was changed, or {hub} did not sign it"))?;
    let envelope = envelope.ok_or_else(|| NO_ENVELOPE.to_owned())?;
    let (claims, sent) = (receipt.claims(), envelope.claims());
    let same = [
        ("jti", claims.jti == sent.jti),
        ("env", claims.env == envelope.hash()),
        ("schema", claims.schema == sent.schema),
    ];
    belongs(&same, "message")?;
    let says = format!("{hub} accepted this envelope as entry {} of its log", claims.index);
    Ok((receipt, says))
}

fn check_leaf(proof: &TlogProof, envelope: &str, receipt: Option<&Receipt>) -> Found<Sha256Hash> {
    if proof.extra().is_none() {
        return Err("the proof has no extra line, so the log entry cannot be made up".to_owned());
    }
    let MadeLeaf { hash, len, .. } = message::leaf_of(proof, envelope)
        .map_err(|_| "the proof's extra line and the envelope do not make up a log entry")?;
    if receipt.is_some_and(|receipt| receipt.claims().leaf != hash) {
        return Err("the log entry is not the one that the receipt names".to_owned());
    }
    Ok((hash, format!("extra line and envelope make up the {len} bytes of the log entry")))
}

fn check_checkpoint(proof: &TlogProof, receipt: Option<&Receipt>, keys: &TrustedKeys) -> Found<Checkpoint> {
    let signed = SignedCheckpoint::parse_and_verify_any(proof.checkpoint_text(), keys.log(), keys.more_logs());
    let checkpoint = signed.map_err(|error| error.to_string())?.into_checkpoint();
    if let Some(receipt) = receipt {
        let claims = receipt.claims();
        let same = [
            ("log", claims.log == checkpoint.origin),
            ("size", claims.size == checkpoint.size),
            ("root", claims.root == checkpoint.root),
        ];
        belongs(&same, "checkpoint")?;
    }
    let says = format!("{} signed its tree of {} entries", checkpoint.origin, checkpoint.size);
    Ok((checkpoint, says))
}

fn check_proof(
    proof: &TlogProof,
    leaf: Option<Sha256Hash>,
    checkpoint: Option<&Checkpoint>,
    receipt: Option<&Receipt>,
) -> Found<()> {
    let (Some(leaf), Some(checkpoint)) = (leaf, checkpoint) else {
        return Err("it needs a log entry and a checkpoint that hold".to_owned());
    };
    if receipt.is_some_and(|receipt| receipt.claims().index != proof.index()) {
        return Err("it is for another place in the log than the receipt's".to_owned());
    }
    proof.verify_against(leaf, checkpoint).map_err(|error| match std::error::Error::source(&error) {
        Some(reason) => format!("{error}: {reason}"),
        None => error.to_string(),
    })?;
    Ok(((), format!("the entry is number {} of these {}, counted from 0", proof.index(), checkpoint.size)))
}

/// That the same entry is in a tree that the quorum cosigned.
fn check_witnesses(
    file: &MessageFile,
    leaf: Option<Sha256Hash>,
    receipt: Option<&Receipt>,
    keys: &TrustedKeys,
    policy: &Policy,
) -> Found<()> {
    let text = file.cosigned_proof.as_ref().unwrap_or(&file.proof);
    let proof: TlogProof = text.parse().map_err(|error| format!("the cosigned proof cannot be read: {error}"))?;
    let (checkpoint, _) = check_checkpoint(&proof, None, keys)?;
    check_proof(&proof, leaf, Some(&checkpoint), receipt)?;
    let names = quorum::witnesses(policy, proof.checkpoint_text())
        .map_err(|reason| format!("the checkpoint of {} entries is {reason}", checkpoint.size))?;
    Ok(((), format!("a tree of {} entries with this one is cosigned by {}", checkpoint.size, names.join(", "))))
}

fn belongs(same: &[(&str, bool)], what: &str) -> Result<(), String> {
    match same.iter().find(|(_, same)| !same) {
        Some((member, _)) => Err(format!("the receipt's `{member}` is not that of this {what}")),
        None => Ok(()),
    }
}

/// Whether the key was valid when the hub accepted the message.
fn valid_at(key: &PublishedKey, time: Option<u64>) -> Result<(), &'static str> {
    let Some(time) = time else { return Ok(()) };
    if key.nbf.is_some_and(|begin| time < begin) {
        Err("was not valid yet when the message was accepted")
    } else if key.exp.is_some_and(|end| time >= end) {
        Err("was no longer valid when the message was accepted")
    } else if key.revoked.is_some_and(|end| time > end) {
        Err("was revoked before the message was accepted")
    } else {
        Ok(())
    }
}

fn facts(envelope: &UnverifiedEnvelope, receipt: Option<&UnverifiedReceipt>) -> MessageFacts {
    let claims = envelope.claims();
    MessageFacts {
        id: claims.jti.to_string(),
        sender: claims.iss.to_string(),
        recipient: claims.aud.to_string(),
        message_type: claims.message_type.to_string(),
        case: claims.case.map(|case| case.to_string()),
        service: claims.service.as_ref().map(ToString::to_string),
        signed_at: claims.iat,
        accepted_at: receipt.map(|receipt| receipt.claims().iat),
        index: receipt.map(|receipt| receipt.claims().index),
    }
}

const NO_ENVELOPE: &str = "it needs an envelope that holds";
const UNREADABLE_PROOF: &str = "the proof that it is part of cannot be read";
