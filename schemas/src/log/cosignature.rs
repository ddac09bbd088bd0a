//! C2SP tlog-cosignature with Ed25519 (`cosignature/v1`, signature type 0x04): what a witness says about a checkpoint.
//!
//! It says that, as of a time, this was the largest tree of the log that the witness had seen, and consistent with all it had
//! seen before. The signature in the line is 8 bytes of time, big-endian, and 64 bytes of Ed25519 over
//! `cosignature/v1\ntime <seconds since 1970>\n` and the text of the checkpoint.

use std::fmt;

use ring::signature::Ed25519KeyPair;

use super::checkpoint::SignedCheckpoint;
use super::note::{CosignerKey, KeyError, NoteError, NoteSignature, SignedNote, pair_from_pkcs8};

/// The signing key of a witness: Ed25519 under a name. Its `Debug` shows the public key only.
///
/// The key must be the witness's alone: what is signed does not hold the name.
pub struct Cosigner {
    key: CosignerKey,
    pair: Ed25519KeyPair,
}

impl Cosigner {
    /// The key of this name from PKCS#8 in DER, as [`NoteSigner::generate_pkcs8`](super::NoteSigner::generate_pkcs8) makes it.
    ///
    /// # Errors
    /// [`KeyError::BadName`] and [`KeyError::BadPrivateKey`].
    pub fn from_pkcs8(name: &str, pkcs8: &[u8]) -> Result<Self, KeyError> {
        let (pair, public) = pair_from_pkcs8(pkcs8)?;
        Ok(Self { key: CosignerKey::new(name, public)?, pair })
    }

    /// The key that verifies what this one signs.
    #[must_use]
    pub const fn key(&self) -> &CosignerKey {
        &self.key
    }

    /// Signs a checkpoint as of `time`, in seconds since 1970 (the greatest that the format has, if it is beyond that).
    ///
    /// Only whoever keeps what it signed last may call this: a witness that signs two histories is worth nothing.
    #[must_use]
    pub fn cosign(&self, checkpoint: &SignedCheckpoint, time: u64) -> NoteSignature {
        let time = time.min(LATEST);
        let signature = self.pair.sign(&signed_bytes(time, &checkpoint.checkpoint().to_note_text()));
        NoteSignature::by(&self.key, [&time.to_be_bytes(), signature.as_ref()].concat())
    }
}

impl fmt::Debug for Cosigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cosigner").field("key", &self.key).finish_non_exhaustive()
    }
}

impl SignedNote {
    /// Verifies that the witness cosigned the note, and gives when, in seconds since 1970; the last time, if it did so more
    /// than once. Signatures by other keys are ignored.
    ///
    /// # Errors
    /// [`NoteError::NotSignedBy`] and [`NoteError::BadSignature`].
    pub fn verify_cosignature(&self, key: &CosignerKey) -> Result<u64, NoteError> {
        self.verify_each(key, |timestamped| {
            let (time, signature) = timestamped.split_first_chunk()?;
            let time = u64::from_be_bytes(*time);
            (time <= LATEST && key.made(signature, &signed_bytes(time, self.text()))).then_some(time)
        })
    }
}

fn signed_bytes(time: u64, text: &str) -> Vec<u8> {
    format!("cosignature/v1\ntime {time}\n{text}").into_bytes()
}

/// The greatest time of the format, 2^63 - 1.
const LATEST: u64 = u64::MAX >> 1;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::log::checkpoint::Checkpoint;
    use crate::log::hash::empty_root;
    use crate::log::naive;
    use crate::log::note::NoteSigner;

    /// The example of the specification; its keys are not published.
    const EXAMPLE: &str = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n\
        — example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n\
        — witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==\n";
    const EXAMPLE_TIME: u64 = 1_679_315_147;

    /// The example's text and time, signed by the key of RFC 8032 section 7.1, test 1, with another implementation.
    const KNOWN_KEY: &str = "witness.example.com/w1+7e6f4aaa+BNdamAGCsQq31Uv+08lkBzoO4XLz2qYjJa8CGmj3B1Ea";
    const KNOWN_LINE: &str = "— witness.example.com/w1 fm9KqgAAAABkGFDL+TPmh4BYuAjsYRoqMJCWb/gWJaeRF/kmm5tlCr9sJ57DLErur7K0yDXc2ArN+TIuotuB/HbuL3AJsp3bv/aNCQ==";
    const KNOWN_SEED: &str = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60";

    fn log() -> NoteSigner {
        NoteSigner::from_pkcs8("hub.local/log/main", &NoteSigner::generate_pkcs8().unwrap()).unwrap()
    }

    fn witness(name: &str) -> Cosigner {
        Cosigner::from_pkcs8(name, &NoteSigner::generate_pkcs8().unwrap()).unwrap()
    }

    fn checkpoint(size: u64, log: &NoteSigner) -> SignedCheckpoint {
        let text = Checkpoint::new(log.name().into(), size, empty_root()).sign(log).unwrap();
        SignedCheckpoint::parse_and_verify(&text, log.verifier_key()).unwrap()
    }

    fn cosigned(checkpoint: &SignedCheckpoint, lines: impl IntoIterator<Item = NoteSignature>) -> SignedNote {
        let mut note: SignedNote = checkpoint.text().parse().unwrap();
        lines.into_iter().for_each(|line| note.add_line(line).unwrap());
        note.to_string().parse().unwrap()
    }

    /// RFC 8410 section 7: version 1 of PKCS#8 is this header and the seed.
    fn known_cosigner() -> Cosigner {
        let header = [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];
        let seed: Vec<u8> = (0..32).map(|at| u8::from_str_radix(&KNOWN_SEED[2 * at..][..2], 16).unwrap()).collect();
        Cosigner::from_pkcs8("witness.example.com/w1", &[&header[..], &seed].concat()).unwrap()
    }

    #[test]
    fn the_line_in_the_specifications_example_holds_the_time_in_its_text() {
        let note: SignedNote = EXAMPLE.parse().unwrap();
        let line = &note.signatures()[1];
        assert_eq!(line.name(), "witness.example.com/w1");
        let bytes = crate::b64::decode_std(line.to_string().rsplit(' ').next().unwrap()).unwrap();
        assert_eq!(bytes[4..12], EXAMPLE_TIME.to_be_bytes());
        assert_eq!(bytes.len(), 4 + 8 + 64);
        assert_eq!(note.to_string(), EXAMPLE);
    }

    #[test]
    fn a_cosignature_that_another_implementation_made_verifies_and_is_what_we_make() {
        let cosigner = known_cosigner();
        assert_eq!(cosigner.key().to_string(), KNOWN_KEY);
        let mut note: SignedNote = EXAMPLE.parse().unwrap();
        note.add_line(NoteSignature::parse(KNOWN_LINE).unwrap()).unwrap();
        assert_eq!(note.verify_cosignature(&KNOWN_KEY.parse().unwrap()), Ok(EXAMPLE_TIME));
        let signature = cosigner.pair.sign(&signed_bytes(EXAMPLE_TIME, note.text()));
        let line = NoteSignature::by(cosigner.key(), [&EXAMPLE_TIME.to_be_bytes(), signature.as_ref()].concat());
        assert_eq!(line.to_string(), KNOWN_LINE);
    }

    #[test]
    fn keys_of_one_name_and_of_the_same_bytes_differ_by_their_type() {
        let key = known_cosigner().key;
        let log = crate::log::VerifierKey::new(key.name(), *key.public_key()).unwrap();
        assert_ne!(log.key_id(), key.key_id());
        assert_eq!(log.to_string().parse::<CosignerKey>(), Err(KeyError::WrongType { expected: 0x04 }));
        assert_eq!(key.to_string().parse::<CosignerKey>(), Ok(key));
    }

    #[test]
    fn the_signature_of_a_log_is_no_cosignature_and_the_other_way_round() {
        let pkcs8 = NoteSigner::generate_pkcs8().unwrap();
        let log = NoteSigner::from_pkcs8("hub.local/log/main", &pkcs8).unwrap();
        let witness = Cosigner::from_pkcs8(log.name(), &pkcs8).unwrap();
        let checkpoint = checkpoint(7, &log);
        let note = cosigned(&checkpoint, [witness.cosign(&checkpoint, 5)]);
        assert_eq!((note.verify(log.verifier_key()), note.verify_cosignature(witness.key())), (Ok(()), Ok(5)));
        let without: SignedNote = checkpoint.text().parse().unwrap();
        assert!(matches!(without.verify_cosignature(witness.key()), Err(NoteError::NotSignedBy { .. })));
    }

    #[test]
    fn of_several_cosignatures_the_last_time_counts_and_one_false_one_spoils_the_note() {
        let (log, witness) = (log(), witness("w"));
        let (checkpoint, other) = (checkpoint(7, &log), checkpoint(8, &log));
        let note = cosigned(&checkpoint, [9, 3, 4].map(|time| witness.cosign(&checkpoint, time)));
        assert_eq!(note.verify_cosignature(witness.key()), Ok(9));
        let note = cosigned(&checkpoint, [witness.cosign(&checkpoint, 3), witness.cosign(&other, 4)]);
        assert_eq!(note.verify_cosignature(witness.key()), Err(NoteError::BadSignature { name: "w".into() }));
    }

    #[test]
    fn a_time_beyond_the_formats_greatest_is_not_made_and_not_accepted() {
        let (log, witness) = (log(), witness("w"));
        let checkpoint = checkpoint(7, &log);
        let note = cosigned(&checkpoint, [witness.cosign(&checkpoint, u64::MAX)]);
        assert_eq!(note.verify_cosignature(witness.key()), Ok(u64::MAX >> 1));
        let time = 1_u64 << 63;
        let signature = witness.pair.sign(&signed_bytes(time, note.text()));
        let line = NoteSignature::by(witness.key(), [&time.to_be_bytes(), signature.as_ref()].concat());
        assert!(cosigned(&checkpoint, [line]).verify_cosignature(witness.key()).is_err());
    }

    #[test]
    fn debug_shows_nothing_of_the_private_key() {
        let witness = known_cosigner();
        assert_eq!(format!("{witness:?}"), format!("Cosigner {{ key: Vkey({KNOWN_KEY}), .. }}"));
    }

    proptest! {
        #[test]
        fn what_is_cosigned_verifies_with_its_time_and_leaves_the_logs_signature_good(size in 0u64..1 << 63, time in 0u64..1 << 63) {
            let (log, witness) = (log(), witness("witness.example/w1"));
            let checkpoint = checkpoint(size, &log);
            let note = cosigned(&checkpoint, [witness.cosign(&checkpoint, time)]);
            prop_assert_eq!(note.verify_cosignature(witness.key()), Ok(time));
            let again = SignedCheckpoint::parse_and_verify(&note.to_string(), log.verifier_key()).unwrap();
            prop_assert_eq!(again.into_checkpoint(), checkpoint.into_checkpoint());
        }

        #[test]
        fn a_cosigned_checkpoint_with_one_changed_byte_is_refused_by_whoever_trusts_both(at: usize, flip in 1u8..) {
            let (log, witness) = (log(), witness("witness.example/w1"));
            let checkpoint = checkpoint(7, &log);
            let text = cosigned(&checkpoint, [witness.cosign(&checkpoint, 5)]).to_string();
            if let Some(changed) = naive::mutate(&text, at, flip) {
                let by_witness = changed.parse().and_then(|note: SignedNote| note.verify_cosignature(witness.key()));
                let by_log = SignedCheckpoint::parse_and_verify(&changed, log.verifier_key());
                prop_assert!(by_witness.is_err() || by_log.is_err(), "{}", changed);
            }
        }
    }
}
