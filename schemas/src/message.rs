//! A whole service message with its receipt and proof, and how a stranger verifies it.

use serde::{Deserialize, Serialize};

use crate::b64::{self, NotBase64};
use crate::commitment::Salt;
use crate::digest::Sha256Hash;
use crate::envelope::{Envelope, UnverifiedEnvelope};
use crate::ids::{SchemaId, SystemId};
use crate::json::form;
use crate::jws::JwsError;
use crate::keys::{KeyId, PublicKey};
use crate::leaf::{Leaf, MESSAGE_SUFFIX, message_leaf};
use crate::log::{Checkpoint, CheckpointError, NoteError, TlogProof, TlogProofError, leaf_hash_of};
use crate::receipt::{Receipt, UnverifiedReceipt};
use crate::trust::Trust;

/// What cannot be shown about a message, named by the part that does not hold.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// The envelope is not one.
    #[error("envelope: {0}")]
    Envelope(#[source] JwsError),
    /// The sender's key is not known for this sender.
    #[error("envelope: the key it names is not a key of its sender")]
    SenderKeyUnknown,
    /// The envelope was changed, or signed by someone else.
    #[error("envelope: the signature does not hold")]
    EnvelopeSignature,
    /// Meant for another hub.
    #[error("envelope: it is meant for another hub")]
    HubMismatch,
    /// Body or salt were changed.
    #[error("body: body and salt do not match the commitment in the envelope")]
    Body,
    /// The receipt is not one.
    #[error("receipt: {0}")]
    Receipt(#[source] JwsError),
    /// The receipt's key is not trusted.
    #[error("receipt: the key it names is not a trusted key of the hub")]
    ReceiptKeyUnknown,
    /// The receipt's key was revoked before that place of the log.
    #[error("receipt: its key was revoked before its place in the log")]
    ReceiptKeyRevoked,
    /// The receipt was changed, or signed by someone else.
    #[error("receipt: the signature does not hold")]
    ReceiptSignature,
    /// The receipt speaks of something else.
    #[error("receipt: its `{member}` does not belong to this message and proof")]
    ReceiptMismatch {
        /// The claim that differs.
        member: &'static str,
    },
    /// The proof is not one, or does not lead to the root.
    #[error("proof: {0}")]
    Proof(#[from] TlogProofError),
    /// The proof lacks the leaf's beginning, or has another one.
    #[error("leaf: the proof's extra line does not complete the envelope to a message leaf")]
    Leaf,
    /// The checkpoint is not one of the trusted log.
    #[error("checkpoint: {0}")]
    Checkpoint(#[from] CheckpointError),
    /// The checkpoint is signed with a key that was revoked before the log had this size.
    #[error("checkpoint: its key was revoked before the log had this size")]
    CheckpointKeyRevoked,
}

impl VerifyError {
    /// Whether it is a key of the hub that is not trusted, and may be one that came later: [`Trust::follow`].
    #[must_use]
    pub const fn is_of_an_unknown_hub_key(&self) -> bool {
        matches!(
            self,
            Self::ReceiptKeyUnknown
                | Self::CheckpointKeyRevoked
                | Self::Checkpoint(
                    CheckpointError::Note(NoteError::NotSignedBy { .. }) | CheckpointError::WrongOrigin { .. }
                )
        )
    }
}

/// The parts of a message as they were received.
#[derive(Debug, Clone, Copy)]
pub struct Parts<'a> {
    /// The envelope's text.
    pub envelope: &'a str,
    /// Salt and exact body; `None` after erasure.
    pub body: Option<(&'a Salt, &'a [u8])>,
    /// The receipt's text.
    pub receipt: &'a str,
    /// The proof's text.
    pub proof: &'a str,
}

/// A message of which everything holds that its parts can show.
#[derive(Debug, Clone)]
pub struct Verified {
    /// The sender's statement.
    pub envelope: Envelope,
    /// The hub's statement. Its signature was checked if the caller asked for it.
    pub receipt: UnverifiedReceipt,
    /// The signed tree head that the proof leads to.
    pub checkpoint: Checkpoint,
}

/// Reads an envelope and checks its signature against its sender's key.
///
/// # Errors
/// [`VerifyError`] of the envelope.
pub fn verify_envelope(
    text: &str,
    sender_key: impl FnOnce(&SystemId, KeyId) -> Option<PublicKey>,
) -> Result<Envelope, VerifyError> {
    let envelope = UnverifiedEnvelope::parse(text).map_err(VerifyError::Envelope)?;
    let key = sender_key(&envelope.claims().iss, envelope.kid()).ok_or(VerifyError::SenderKeyUnknown)?;
    envelope.verify(&key).map_err(|_| VerifyError::EnvelopeSignature)
}

/// Verifies all of a message: sender's signature, commitment, receipt with its signature, proof and checkpoint.
///
/// # Errors
/// The first part that does not hold.
pub fn verify(
    parts: &Parts<'_>,
    trust: &Trust,
    sender_key: impl FnOnce(&SystemId, KeyId) -> Option<PublicKey>,
) -> Result<(Verified, Receipt), VerifyError> {
    let verified = verify_delivered(parts, trust, sender_key, |text| trust.verify_checkpoint(text))?;
    let key =
        trust.receipt_key(verified.receipt.kid(), &verified.receipt.claims().log, verified.receipt.claims().index)?;
    let receipt = verified.receipt.clone().verify(key).map_err(|_| VerifyError::ReceiptSignature)?;
    Ok((verified, receipt))
}

/// Verifies what a receiver needs before it acts: as [`verify`], but the receipt's own signature is left out, since proof
/// and checkpoint show the same and more, and checkpoints are verified by `checkpoint`, which may remember them.
///
/// # Errors
/// The first part that does not hold.
pub fn verify_delivered(
    parts: &Parts<'_>,
    trust: &Trust,
    sender_key: impl FnOnce(&SystemId, KeyId) -> Option<PublicKey>,
    checkpoint: impl FnOnce(&str) -> Result<Checkpoint, VerifyError>,
) -> Result<Verified, VerifyError> {
    let envelope = verify_envelope(parts.envelope, sender_key)?;
    if envelope.claims().hub != trust.hub {
        return Err(VerifyError::HubMismatch);
    }
    if let Some((salt, body)) = parts.body {
        envelope.claims().body.open(salt, body).map_err(|_| VerifyError::Body)?;
    }
    let (receipt, checkpoint) = verify_place(&envelope, parts.receipt, parts.proof, trust, checkpoint)?;
    Ok(Verified { envelope, receipt, checkpoint })
}

/// Verifies the hub's answer to a sender, for an envelope that the sender made itself. As in [`verify_delivered`], proof and
/// checkpoint show what the receipt's own signature would; that the receipt names a trusted key is checked.
///
/// # Errors
/// The first part that does not hold.
pub fn verify_acceptance(
    envelope: &Envelope,
    receipt: &str,
    proof: &str,
    trust: &Trust,
    checkpoint: impl FnOnce(&str) -> Result<Checkpoint, VerifyError>,
) -> Result<UnverifiedReceipt, VerifyError> {
    let (receipt, _) = verify_place(envelope, receipt, proof, trust, checkpoint)?;
    trust.receipt_key(receipt.kid(), &receipt.claims().log, receipt.claims().index)?;
    Ok(receipt)
}

/// That the receipt speaks of this envelope and of the place that the proof shows.
fn verify_place(
    envelope: &Envelope,
    receipt: &str,
    proof: &str,
    trust: &Trust,
    checkpoint: impl FnOnce(&str) -> Result<Checkpoint, VerifyError>,
) -> Result<(UnverifiedReceipt, Checkpoint), VerifyError> {
    let receipt = UnverifiedReceipt::parse(receipt).map_err(VerifyError::Receipt)?;
    let proof: TlogProof = proof.parse()?;
    let leaf = leaf_of(&proof, envelope.as_str())?;
    let checkpoint = checkpoint(proof.checkpoint_text())?;
    let claims = receipt.claims();
    let same = [
        ("iss", claims.iss == trust.hub),
        ("iat", claims.iat == leaf.ts / 1000),
        ("jti", claims.jti == envelope.claims().jti),
        ("env", claims.env == envelope.hash()),
        ("schema", claims.schema == envelope.claims().schema && claims.schema == leaf.schema),
        ("leaf", claims.leaf == leaf.hash),
        ("index", claims.index == proof.index()),
        ("log", claims.log == checkpoint.origin),
        ("size", claims.size == checkpoint.size),
        ("root", claims.root == checkpoint.root),
    ];
    if let Some((member, _)) = same.iter().find(|(_, same)| !same) {
        return Err(VerifyError::ReceiptMismatch { member });
    }
    proof.verify_against(leaf.hash, &checkpoint)?;
    Ok((receipt, checkpoint))
}

/// The leaf of an accepted message, made of what its receiver holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MadeLeaf {
    /// Its hash.
    pub hash: Sha256Hash,
    /// How many bytes it has.
    pub len: usize,
    /// When the hub logged it, in milliseconds since 1970.
    pub ts: u64,
    /// The schema of the body.
    pub schema: SchemaId,
}

/// The leaf that the proof's extra line and the envelope's text make up. The joined bytes must read as a message leaf of this very
/// envelope, so that no clever prefix can make them mean something else.
///
/// They do if the prefix alone, ended as the leaf ends, is that of an empty envelope: then the string that it stops in is the envelope,
/// for that comes last, and a compact JWS has no character that means anything else in a string.
///
/// # Errors
/// [`VerifyError::Leaf`].
pub fn leaf_of(proof: &TlogProof, envelope: &str) -> Result<MadeLeaf, VerifyError> {
    let prefix = proof.extra().ok_or(VerifyError::Leaf)?;
    let empty = message_leaf(prefix, "");
    match Leaf::parse(&empty) {
        Ok(Leaf::Message { ts, schema, envelope: nothing }) if nothing.is_empty() && is_jws_alphabet(envelope) => {
            let hash = leaf_hash_of([prefix, envelope.as_bytes(), MESSAGE_SUFFIX]);
            Ok(MadeLeaf { hash, len: empty.len() + envelope.len(), ts, schema: schema.id })
        }
        _ => Err(VerifyError::Leaf),
    }
}

fn is_jws_alphabet(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
}

/// A message in one file, `*.saphan.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MessageFile {
    /// The sender's compact JWS.
    pub envelope: String,
    /// URL-safe base64; absent after erasure.
    #[serde(default, deserialize_with = "form::there", skip_serializing_if = "Option::is_none")]
    salt: Option<String>,
    /// Standard base64 of the exact bytes; absent after erasure.
    #[serde(default, deserialize_with = "form::there", skip_serializing_if = "Option::is_none")]
    body: Option<String>,
    /// The hub's compact JWS.
    pub receipt: String,
    /// The `tlog-proof@v1` text.
    pub proof: String,
    /// The same for a checkpoint that witnesses cosigned, as the hub answers it once there is one.
    #[serde(default, deserialize_with = "form::there", skip_serializing_if = "Option::is_none")]
    pub cosigned_proof: Option<String>,
}

impl MessageFile {
    /// A file with its body.
    #[must_use]
    pub fn new(envelope: String, salt: &Salt, body: &[u8], receipt: String, proof: String) -> Self {
        let (salt, body) = (Some(salt.to_text()), Some(b64::encode_std(body)));
        Self { envelope, salt, body, receipt, proof, cosigned_proof: None }
    }

    /// Salt and body; `None` after erasure.
    ///
    /// # Errors
    /// [`NotBase64`], also when only one of the two is there.
    pub fn opened(&self) -> Result<Option<(Salt, Vec<u8>)>, NotBase64> {
        b64::opened(self.salt.as_deref(), self.body.as_deref())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::commitment::BodyCommitment;
    use crate::jws::Signed;
    use crate::keys::SigningKey;
    use crate::leaf::{SchemaVersion, message_prefix};
    use crate::log::leaf_hash;

    #[test]
    fn a_prefix_counts_only_if_it_makes_a_message_leaf_of_the_envelope() {
        let (key, _) = SigningKey::generate().unwrap();
        let claims = json!({
            "iss": "th.dga/citizen-portal",
            "aud": "th.dlt/licensing",
            "hub": "hub.local",
            "jti": "01a212ef-81a1-7204-92ec-3ef299a3d682",
            "iat": 5,
            "type": "a.b",
            "schema": "a.b@1",
            "body": BodyCommitment::new(&Salt::from_bytes([0; 32]), b"{}"),
        });
        let envelope: Envelope = Signed::sign(serde_json::from_value(claims).unwrap(), &key).unwrap();
        let proof = |prefix: &str| TlogProof::new(Some(prefix.into()), 0, Vec::new(), String::new());
        let of = |prefix: &str| leaf_of(&proof(prefix), envelope.as_str());
        let schema = SchemaVersion { id: "a.b@1".parse().unwrap(), sha256: Sha256Hash::of(b"x") };
        let good = message_prefix(7, &schema);

        let leaf = message_leaf(good.as_bytes(), envelope.as_str());
        let made = MadeLeaf { hash: leaf_hash(&leaf), len: leaf.len(), ts: 7, schema: schema.id };
        assert_eq!(of(&good).unwrap(), made);
        for text in [r#"a.b.c","envelope":"a.b.c"#, "a.b.c\\", "a.b.\u{e01}", "a.b.c "] {
            assert!(matches!(leaf_of(&proof(&good), text), Err(VerifyError::Leaf)), "{text}");
        }
        let members = good.strip_prefix(r#"{"t":"message","#).unwrap().strip_suffix(r#","envelope":""#).unwrap();
        for bad in [
            // Its last string is not the envelope.
            format!(r#"{{{members},"envelope":"","t":"message"#),
            format!(r#"{{"t":"message",{members},"envelope":"","t":"message"#),
            format!(r#"{{"t":"message","envelope":"",{members},"more":""#),
            // The envelope has begun, or has not.
            format!("{good}a"),
            format!("{good}\\"),
            format!("{good}\\u00"),
            good.strip_suffix('"').unwrap().to_owned(),
            String::new(),
        ] {
            assert!(matches!(of(&bad), Err(VerifyError::Leaf)), "{bad}");
        }
    }
}
