//! C2SP tlog-proof: an inclusion proof in one text, verifiable offline.

use std::fmt;
use std::str::FromStr;

use super::checkpoint::{Checkpoint, CheckpointError, SignedCheckpoint, parse_decimal, parse_hash};
use super::note::VerifierKey;
use super::policy::{Policy, PolicyRefusal, Witnessed};
use super::proof::{VerifyError, verify_inclusion};
use crate::b64;
use crate::digest::Sha256Hash;

/// The proof that an entry is in a log, with the checkpoint it is proved against.
///
/// Its [`Display`](fmt::Display) is the text of the format, which is the only text it is read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlogProof {
    extra: Option<Vec<u8>>,
    index: u64,
    hashes: Vec<Sha256Hash>,
    checkpoint: String,
}

/// A proof cannot be read, or proves nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TlogProofError {
    /// The first line is another one.
    #[error("not a proof of the form c2sp.org/tlog-proof@v1")]
    WrongForm,
    /// The line with extra data is malformed.
    #[error("the extra line of the proof is not base64")]
    BadExtra,
    /// The line with the index is missing or malformed.
    #[error("the proof has no line 'index <decimal>' where it must")]
    BadIndex,
    /// A line of the inclusion proof is malformed, or there are too many.
    #[error("line {line} of the inclusion proof is not the base64 of a hash, or one too many")]
    BadHash {
        /// The line, counted from 1 after that of the index.
        line: usize,
    },
    /// The checkpoint does not follow.
    #[error("the proof ends before its checkpoint: it was cut")]
    NoCheckpoint,
    /// The checkpoint is not signed by the log, or is malformed.
    #[error("the checkpoint of the proof is not to be trusted")]
    Checkpoint(#[source] CheckpointError),
    /// The checkpoint is not good by the policy.
    #[error("the checkpoint of the proof is not good by the policy")]
    Policy(#[source] PolicyRefusal),
    /// The entry is not where the proof says, or not in this log.
    #[error("the entry is not in the log by this proof")]
    Inclusion(#[source] VerifyError),
}

impl TlogProof {
    /// The proof for entry `index`: `hashes` from the leaf's sibling up, and the signed checkpoint as the log issued it.
    ///
    /// `extra` is bytes that help to reconstruct the entry.
    #[must_use]
    pub const fn new(extra: Option<Vec<u8>>, index: u64, hashes: Vec<Sha256Hash>, checkpoint: String) -> Self {
        Self { extra, index, hashes, checkpoint }
    }

    /// Verifies the checkpoint's signature and that the leaf is in the log; gives the checkpoint.
    ///
    /// # Errors
    /// [`TlogProofError::Checkpoint`] and [`TlogProofError::Inclusion`].
    pub fn verify(&self, leaf_hash: Sha256Hash, key: &VerifierKey) -> Result<Checkpoint, TlogProofError> {
        let signed = SignedCheckpoint::parse_and_verify(&self.checkpoint, key).map_err(TlogProofError::Checkpoint)?;
        self.verify_against(leaf_hash, signed.checkpoint())?;
        Ok(signed.into_checkpoint())
    }

    /// Verifies that the leaf is in a log that a policy knows, and that the policy's quorum of witnesses cosigned the
    /// checkpoint: whoever else holds a proof that is good by the policy holds one of the same log. Gives the checkpoint, and
    /// who cosigned it.
    ///
    /// # Errors
    /// [`TlogProofError::Policy`] and [`TlogProofError::Inclusion`].
    pub fn verify_by<'a>(
        &self,
        leaf_hash: Sha256Hash,
        policy: &'a Policy,
    ) -> Result<(Checkpoint, Witnessed<'a>), TlogProofError> {
        let (signed, witnessed) = policy.verify(&self.checkpoint).map_err(TlogProofError::Policy)?;
        self.verify_against(leaf_hash, signed.checkpoint())?;
        Ok((signed.into_checkpoint(), witnessed))
    }

    /// Verifies that the leaf is in the log by a checkpoint that is verified already.
    ///
    /// For callers that keep verified checkpoints by [`Self::checkpoint_text`], since many proofs share one.
    ///
    /// # Errors
    /// [`TlogProofError::Inclusion`].
    pub fn verify_against(&self, leaf_hash: Sha256Hash, verified: &Checkpoint) -> Result<(), TlogProofError> {
        verify_inclusion(leaf_hash, self.index, verified.size, &self.hashes, verified.root)
            .map_err(TlogProofError::Inclusion)
    }

    /// Bytes that help to reconstruct the entry. Not authenticated: trust them only through the leaf hash.
    #[must_use]
    pub fn extra(&self) -> Option<&[u8]> {
        self.extra.as_deref()
    }

    /// The index of the entry in the log.
    #[must_use]
    pub const fn index(&self) -> u64 {
        self.index
    }

    /// The inclusion proof, from the leaf's sibling up.
    #[must_use]
    pub fn hashes(&self) -> &[Sha256Hash] {
        &self.hashes
    }

    /// The signed checkpoint as text, for [`SignedCheckpoint::parse_and_verify`].
    #[must_use]
    pub fn checkpoint_text(&self) -> &str {
        &self.checkpoint
    }
}

impl FromStr for TlogProof {
    type Err = TlogProofError;

    fn from_str(text: &str) -> Result<Self, TlogProofError> {
        let rest = text.strip_prefix(HEADER).ok_or(TlogProofError::WrongForm)?;
        let (extra, rest) = match rest.strip_prefix(EXTRA) {
            Some(rest) => {
                let (extra, rest) = rest.split_once('\n').ok_or(TlogProofError::BadExtra)?;
                (Some(b64::decode_std(extra).map_err(|_| TlogProofError::BadExtra)?), rest)
            }
            None => (None, rest),
        };
        let (index, rest) =
            rest.strip_prefix(INDEX).and_then(|rest| rest.split_once('\n')).ok_or(TlogProofError::BadIndex)?;
        let index = parse_decimal(index).ok_or(TlogProofError::BadIndex)?;
        let (hashes, checkpoint) = parse_hashes(rest)?;
        if checkpoint.is_empty() {
            return Err(TlogProofError::NoCheckpoint);
        }
        Ok(Self { extra, index, hashes, checkpoint: checkpoint.to_owned() })
    }
}

impl fmt::Display for TlogProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HEADER)?;
        if let Some(extra) = &self.extra {
            writeln!(f, "{EXTRA}{}", b64::show_std(extra))?;
        }
        writeln!(f, "{INDEX}{}", self.index)?;
        for hash in &self.hashes {
            writeln!(f, "{}", b64::show_std(hash.as_bytes()))?;
        }
        write!(f, "\n{}", self.checkpoint)
    }
}

/// The lines up to the first empty one, and what follows it.
fn parse_hashes(text: &str) -> Result<(Vec<Sha256Hash>, &str), TlogProofError> {
    let mut hashes = Vec::new();
    let mut rest = text;
    loop {
        let (line, after) = rest.split_once('\n').ok_or(TlogProofError::NoCheckpoint)?;
        if line.is_empty() {
            return Ok((hashes, after));
        }
        let bad = TlogProofError::BadHash { line: hashes.len() + 1 };
        if hashes.len() == MAX_HASHES {
            return Err(bad);
        }
        hashes.push(parse_hash(line).ok_or(bad)?);
        rest = after;
    }
}

const HEADER: &str = "c2sp.org/tlog-proof@v1\n";
const EXTRA: &str = "extra ";
const INDEX: &str = "index ";
// The height of a tree whose size is a u64.
const MAX_HASHES: usize = 64;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::log::cosignature::Cosigner;
    use crate::log::naive;
    use crate::log::note::{NoteSigner, SignedNote};

    fn signer() -> NoteSigner {
        NoteSigner::from_pkcs8("hub.local/log/2026h2", &NoteSigner::generate_pkcs8().unwrap()).unwrap()
    }

    fn proof(index: usize, size: u64, signer: &NoteSigner) -> (Sha256Hash, TlogProof) {
        let leaves = naive::leaf_hashes(0, size);
        let checkpoint = Checkpoint::new(signer.name().into(), size, naive::root(&leaves)).sign(signer).unwrap();
        let hashes = naive::inclusion(index, &leaves);
        (leaves[index], TlogProof { extra: None, index: index as u64, hashes, checkpoint })
    }

    #[test]
    fn a_proof_has_the_lines_of_the_specification() {
        let hash = Sha256Hash::from_bytes([0; 32]);
        let proof = TlogProof { extra: Some(b"ab".into()), index: 7, hashes: vec![hash], checkpoint: "c\n".into() };
        let zeroes = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
        assert_eq!(proof.to_string(), format!("c2sp.org/tlog-proof@v1\nextra YWI=\nindex 7\n{zeroes}\n\nc\n"));
    }

    #[test]
    fn malformed_proofs_are_refused_with_the_reason() {
        let zeroes = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n";
        for (text, expected) in [
            ("index 0\n\nc\n".into(), TlogProofError::WrongForm),
            ("c2sp.org/tlog-proof@v2\nindex 0\n\nc\n".into(), TlogProofError::WrongForm),
            (format!("{HEADER}extra YWI\nindex 0\n\nc\n"), TlogProofError::BadExtra),
            (format!("{HEADER}extra YWI="), TlogProofError::BadExtra),
            (format!("{HEADER}extra YWI=\nextra YWI=\nindex 0\n\nc\n"), TlogProofError::BadIndex),
            (format!("{HEADER}index 00\n\nc\n"), TlogProofError::BadIndex),
            (format!("{HEADER}index -1\n\nc\n"), TlogProofError::BadIndex),
            (format!("{HEADER}index\n\nc\n"), TlogProofError::BadIndex),
            (format!("{HEADER}\nindex 0\n\nc\n"), TlogProofError::BadIndex),
            (format!("{HEADER}index 0\n{zeroes}AAAA\n\nc\n"), TlogProofError::BadHash { line: 2 }),
            (format!("{HEADER}index 0\n{}\nc\n", zeroes.repeat(65)), TlogProofError::BadHash { line: 65 }),
            (format!("{HEADER}index 0\n{zeroes}"), TlogProofError::NoCheckpoint),
            (format!("{HEADER}index 0\n\n"), TlogProofError::NoCheckpoint),
        ] {
            assert_eq!(text.parse::<TlogProof>(), Err(expected), "{text}");
        }
    }

    #[test]
    fn a_proof_for_another_log_or_another_entry_is_refused() {
        let signer = signer();
        let (leaf, proof) = proof(3, 9, &signer);
        assert_eq!(proof.verify(leaf, signer.verifier_key()).map(|checkpoint| checkpoint.size), Ok(9));
        let (other_leaf, other_log) = (naive::leaf_hashes(4, 1)[0], self::signer());
        let refused = proof.verify(other_leaf, signer.verifier_key());
        assert_eq!(refused, Err(TlogProofError::Inclusion(VerifyError::WrongRoot)));
        let refused = proof.verify(leaf, other_log.verifier_key());
        assert!(matches!(refused, Err(TlogProofError::Checkpoint(_))), "{refused:?}");
    }

    #[test]
    fn by_a_policy_a_proof_needs_the_cosignatures_of_its_quorum() {
        let signer = signer();
        let witness = Cosigner::from_pkcs8("w.example", &NoteSigner::generate_pkcs8().unwrap()).unwrap();
        let policy = format!("log {}\nwitness w {}\nquorum w\n", signer.verifier_key(), witness.key());
        let policy = Policy::parse(policy.as_bytes()).unwrap();
        let (leaf, proof) = proof(3, 9, &signer);
        let refused = proof.verify_by(leaf, &policy);
        assert!(matches!(refused, Err(TlogProofError::Policy(PolicyRefusal::NoQuorum { .. }))), "{refused:?}");
        let mut note: SignedNote = proof.checkpoint.parse().unwrap();
        let signed = SignedCheckpoint::parse_and_verify(&proof.checkpoint, signer.verifier_key()).unwrap();
        note.add_line(witness.cosign(&signed, 5)).unwrap();
        let cosigned = TlogProof { checkpoint: note.to_string(), ..proof };
        let (checkpoint, witnessed) = cosigned.verify_by(leaf, &policy).unwrap();
        assert_eq!((checkpoint.size, witnessed.by.len(), witnessed.by[0].1), (9, 1, 5));
        let refused = cosigned.verify_by(naive::leaf_hashes(4, 1)[0], &policy);
        assert_eq!(refused, Err(TlogProofError::Inclusion(VerifyError::WrongRoot)));
    }

    proptest! {
        #[test]
        fn a_proof_round_trips_and_verifies(
            size in 1u64..200,
            index: prop::sample::Index,
            extra in prop::option::of(prop::collection::vec(any::<u8>(), 0..50)),
        ) {
            let signer = signer();
            let (leaf, proof) = proof(index.index(size as usize), size, &signer);
            let proof = TlogProof { extra, ..proof };
            let parsed: TlogProof = proof.to_string().parse().unwrap();
            prop_assert_eq!(&parsed, &proof);
            let verified = parsed.verify(leaf, signer.verifier_key()).unwrap();
            prop_assert_eq!(parsed.verify_against(leaf, &verified), Ok(()));
        }

        #[test]
        fn a_proof_with_one_changed_byte_is_refused(size in 1u64..200, index: prop::sample::Index, at: usize, flip in 1u8..) {
            let signer = signer();
            let (leaf, proof) = proof(index.index(size as usize), size, &signer);
            if let Some(changed) = naive::mutate(&proof.to_string(), at, flip) {
                let verified = changed.parse().and_then(|proof: TlogProof| proof.verify(leaf, signer.verifier_key()));
                prop_assert!(verified.is_err(), "{}", changed);
            }
        }

        #[test]
        fn any_text_that_parses_is_written_back_as_it_was(
            text in "c2sp.org/tlog-proof@v1\n(extra [A-Z]{0,4}\n)?index [0-9]{1,3}\n([A-Z]{42}[AEI]=\n){0,2}\n(c\n){0,2}",
        ) {
            if let Ok(proof) = text.parse::<TlogProof>() {
                prop_assert_eq!(proof.to_string(), text);
            }
        }
    }
}
