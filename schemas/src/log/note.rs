//! C2SP signed-note with Ed25519 signatures (type 0x01).

mod key;

use std::fmt;
use std::str::FromStr;

pub use key::{CosignerKey, KeyError, NoteSigner, VerifierKey, Vkey};

pub(super) use key::pair_from_pkcs8;

use crate::b64;

/// A note with its signatures, of which none is verified yet.
///
/// A note is text that ends in a newline, a blank line, and one or more lines
/// `— <key name> base64(<4 bytes of key id> || <signature>)`. Its [`Display`](fmt::Display) is the note itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedNote {
    text: String,
    signatures: Vec<NoteSignature>,
}

/// One signature line, by a known or an unknown key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoteSignature {
    name: String,
    key_id: [u8; 4],
    signature: Vec<u8>,
}

/// A text is not a signed note, or not signed by the expected key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// The note is larger than any that we accept.
    #[error("a note of {length} bytes is above the limit of 256 KiB")]
    TooLarge {
        /// Bytes in the note.
        length: usize,
    },
    /// A control character other than newline.
    #[error("a note must not contain control characters other than newline")]
    ControlCharacter,
    /// The text does not end in a newline.
    #[error("the text of a note must end in a newline")]
    UnfinishedText,
    /// No blank line, or no signature after it.
    #[error("the note is not signed: no signature lines after the last blank line")]
    Unsigned,
    /// More signatures than we accept.
    #[error("the note has {count} signatures, above the limit of 16")]
    TooManySignatures {
        /// Signature lines in the note.
        count: usize,
    },
    /// A signature line of another form.
    #[error("signature line {line} is not of the form '— name base64'")]
    BadSignatureLine {
        /// The line, counted from 1 after the blank line.
        line: usize,
    },
    /// No signature by the trusted key.
    #[error("the note is not signed by the trusted key {name}+{key_id:08x}")]
    NotSignedBy {
        /// The name of the trusted key.
        name: String,
        /// Its key id.
        key_id: u32,
    },
    /// A signature by the trusted key does not fit the text: the note was changed.
    #[error("the signature by {name} does not fit the note: the text or the signature was changed")]
    BadSignature {
        /// The name of the trusted key.
        name: String,
    },
}

impl SignedNote {
    /// Signs a text.
    ///
    /// # Errors
    /// [`NoteError`] if the text does not end in a newline, is too large or has control characters.
    pub fn sign(text: String, signer: &NoteSigner) -> Result<Self, NoteError> {
        check_characters(&text)?;
        if !text.ends_with('\n') {
            return Err(NoteError::UnfinishedText);
        }
        let signatures = vec![signer.signature(&text)];
        Ok(Self { text, signatures })
    }

    /// Adds another signature over the same text.
    ///
    /// # Errors
    /// [`NoteError::TooManySignatures`] if there are 16 already.
    pub fn add_signature(&mut self, signer: &NoteSigner) -> Result<(), NoteError> {
        self.add_line(signer.signature(&self.text))
    }

    /// Adds a signature line that somebody else made, such as a witness. It is not verified.
    ///
    /// # Errors
    /// [`NoteError::TooManySignatures`] if there are 16 already.
    pub fn add_line(&mut self, line: NoteSignature) -> Result<(), NoteError> {
        if self.signatures.len() == MAX_SIGNATURES {
            return Err(NoteError::TooManySignatures { count: MAX_SIGNATURES + 1 });
        }
        self.signatures.push(line);
        Ok(())
    }

    /// Keeps only those signature lines for which `keep` says so.
    pub fn retain(&mut self, keep: impl FnMut(&NoteSignature) -> bool) {
        self.signatures.retain(keep);
    }

    /// Verifies that the trusted key signed the note; signatures by other keys are ignored.
    ///
    /// # Errors
    /// [`NoteError::NotSignedBy`] and [`NoteError::BadSignature`].
    pub fn verify(&self, key: &VerifierKey) -> Result<(), NoteError> {
        self.verify_each(key, |signature| key.made(signature, self.text.as_bytes()).then_some(()))
    }

    /// Gives what `accept` makes of the signatures by this key, the greatest of several; it makes nothing of a false one.
    pub(super) fn verify_each<const TYPE: u8, T: Ord>(
        &self,
        key: &Vkey<TYPE>,
        accept: impl Fn(&[u8]) -> Option<T>,
    ) -> Result<T, NoteError> {
        let mut accepted = None;
        for line in self.signatures.iter().filter(|line| line.is_by(key)) {
            let bad = || NoteError::BadSignature { name: key.name().to_owned() };
            accepted = accepted.max(Some(accept(&line.signature).ok_or_else(bad)?));
        }
        let key_id = u32::from_be_bytes(*key.key_id());
        accepted.ok_or_else(|| NoteError::NotSignedBy { name: key.name().to_owned(), key_id })
    }

    /// The signed text, with its final newline. Trust it only after [`Self::verify`].
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// All signature lines, by known and unknown keys.
    #[must_use]
    pub fn signatures(&self) -> &[NoteSignature] {
        &self.signatures
    }
}

impl FromStr for SignedNote {
    type Err = NoteError;

    fn from_str(note: &str) -> Result<Self, NoteError> {
        check_characters(note)?;
        let blank = note.rfind("\n\n").ok_or(NoteError::Unsigned)?;
        let (text, lines) = (&note[..=blank], &note[blank + 2..]);
        let lines = lines.strip_suffix('\n').ok_or(NoteError::Unsigned)?;
        let count = lines.split('\n').count();
        if count > MAX_SIGNATURES {
            return Err(NoteError::TooManySignatures { count });
        }
        let numbered = (1..).zip(lines.split('\n'));
        let parse = |(line, text)| NoteSignature::parse(text).ok_or(NoteError::BadSignatureLine { line });
        Ok(Self { text: text.to_owned(), signatures: numbered.map(parse).collect::<Result<_, _>>()? })
    }
}

impl fmt::Display for SignedNote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.text)?;
        self.signatures.iter().try_for_each(|signature| writeln!(f, "{signature}"))
    }
}

impl NoteSignature {
    /// The line of a key of this type.
    pub(super) fn by<const TYPE: u8>(key: &Vkey<TYPE>, signature: Vec<u8>) -> Self {
        Self { name: key.name().to_owned(), key_id: *key.key_id(), signature }
    }

    /// The name of the key that is said to have signed.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether the line says that it is by this key. Whether it is, only the signature shows.
    #[must_use]
    pub fn is_by<const TYPE: u8>(&self, key: &Vkey<TYPE>) -> bool {
        self.name == key.name() && self.key_id == *key.key_id()
    }

    /// The key id, which tells keys of one name apart.
    #[must_use]
    pub const fn key_id(&self) -> &[u8; 4] {
        &self.key_id
    }

    /// Reads a line without its newline; `None` if it is not of the form `— <name> <base64>`.
    #[must_use]
    pub fn parse(line: &str) -> Option<Self> {
        let (name, signature) = line.strip_prefix(SIGNATURE_PREFIX)?.split_once(' ')?;
        let bytes = b64::decode_std(signature).ok()?;
        let (key_id, signature) = bytes.split_first_chunk::<4>()?;
        let well_formed = key::is_key_name(name) && !signature.is_empty();
        well_formed.then(|| Self { name: name.to_owned(), key_id: *key_id, signature: signature.to_vec() })
    }
}

impl fmt::Display for NoteSignature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = [&self.key_id, self.signature.as_slice()].concat();
        write!(f, "{SIGNATURE_PREFIX}{} {}", self.name, b64::encode_std(bytes))
    }
}

fn check_characters(note: &str) -> Result<(), NoteError> {
    if note.len() > MAX_LENGTH {
        return Err(NoteError::TooLarge { length: note.len() });
    }
    if note.bytes().any(|byte| byte < b' ' && byte != b'\n') {
        return Err(NoteError::ControlCharacter);
    }
    Ok(())
}

const SIGNATURE_PREFIX: &str = "— ";
// Room for 16 post-quantum signatures of nearly 5 kB in base64, and a text.
const MAX_LENGTH: usize = 256 * 1024;
const MAX_SIGNATURES: usize = 16;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::log::naive;

    fn signer(name: &str) -> NoteSigner {
        NoteSigner::from_pkcs8(name, &NoteSigner::generate_pkcs8().unwrap()).unwrap()
    }

    /// The example in the documentation of the format's first implementation, Go's `sumdb/note`.
    const EXAMPLE: &str = "If you think cryptography is the answer to your problem,\n\
        then you don't know what your problem is.\n\n\
        — PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";
    const EXAMPLE_KEY: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";

    #[test]
    fn the_published_example_verifies() {
        let note: SignedNote = EXAMPLE.parse().unwrap();
        assert_eq!(note.verify(&EXAMPLE_KEY.parse().unwrap()), Ok(()));
        assert_eq!(note.to_string(), EXAMPLE);
    }

    #[test]
    fn a_signature_by_a_key_of_an_odd_name_is_ignored_and_one_by_a_key_that_can_have_no_such_name_is_refused() {
        let (trusted, other) = (signer("hub/log"), signer("witness"));
        let mut note = SignedNote::sign("text\n".into(), &trusted).unwrap();
        note.add_signature(&other).unwrap();
        let renamed = |name: &str| note.to_string().replace("witness", name).parse::<SignedNote>();
        assert_eq!(renamed("wit\u{7f}ness").unwrap().verify(trusted.verifier_key()), Ok(()));
        for name in ["", "wit ness", "wit+ness", "wit\u{2004}ness", "wit\tness"] {
            assert!(renamed(name).is_err(), "{name:?}");
        }
    }

    #[test]
    fn signatures_by_unknown_keys_are_ignored_even_if_they_share_the_name() {
        let (trusted, same_name, other) = (signer("hub/log"), signer("hub/log"), signer("witness"));
        let mut note = SignedNote::sign("text\n".into(), &same_name).unwrap();
        note.add_signature(&other).unwrap();
        let refused = note.verify(trusted.verifier_key());
        assert!(matches!(refused, Err(NoteError::NotSignedBy { .. })), "{refused:?}");
        note.add_signature(&trusted).unwrap();
        let note: SignedNote = note.to_string().parse().unwrap();
        assert_eq!(note.verify(trusted.verifier_key()), Ok(()));
        assert_eq!(note.signatures().len(), 3);
    }

    #[test]
    fn one_false_signature_by_a_trusted_key_spoils_the_note() {
        let trusted = signer("hub/log");
        let good = SignedNote::sign("text\n".into(), &trusted).unwrap().to_string();
        let other = SignedNote::sign("other\n".into(), &trusted).unwrap().to_string();
        let both: SignedNote = format!("{good}{}", other.strip_prefix("other\n\n").unwrap()).parse().unwrap();
        assert_eq!(both.verify(trusted.verifier_key()), Err(NoteError::BadSignature { name: "hub/log".into() }));
    }

    #[test]
    fn the_last_blank_line_ends_the_text() {
        let signer = signer("n");
        let text = "first\n\n— n AAAAAAA=\n\n\n";
        let note: SignedNote = SignedNote::sign(text.into(), &signer).unwrap().to_string().parse().unwrap();
        assert_eq!(note.text(), text);
        assert_eq!(note.verify(signer.verifier_key()), Ok(()));
    }

    #[test]
    fn what_is_not_a_note_is_refused() {
        let line = "— n AAAAAAA=\n";
        assert!(format!("t\n\n{line}").parse::<SignedNote>().is_ok());
        for (wrong, expected) in [
            (String::new(), NoteError::Unsigned),
            ("t\n\n".into(), NoteError::Unsigned),
            (format!("t\n{line}"), NoteError::Unsigned),
            (format!("t\n\n{}", line.trim_end()), NoteError::Unsigned),
            (format!("t\r\n\n{line}"), NoteError::ControlCharacter),
            (format!("t\t\n\n{line}"), NoteError::ControlCharacter),
            (format!("t\n\n{}", line.repeat(17)), NoteError::TooManySignatures { count: 17 }),
            (format!("{}\n\n{line}", "t".repeat(256 * 1024)), NoteError::TooLarge { length: 262_144 + 17 }),
            ("t\n\n- n AAAAAAA=\n".into(), NoteError::BadSignatureLine { line: 1 }),
            (format!("t\n\n{line}— n+ AAAAAAA=\n"), NoteError::BadSignatureLine { line: 2 }),
            ("t\n\n—  AAAAAAA=\n".into(), NoteError::BadSignatureLine { line: 1 }),
            ("t\n\n— n AAAAAAA\n".into(), NoteError::BadSignatureLine { line: 1 }),
            ("t\n\n— n AAAAAA==\n".into(), NoteError::BadSignatureLine { line: 1 }),
            ("t\n\n— n AAAAAAA= \n".into(), NoteError::BadSignatureLine { line: 1 }),
        ] {
            assert_eq!(wrong.parse::<SignedNote>(), Err(expected), "{wrong:.40}");
        }
        assert_eq!(SignedNote::sign("t".into(), &signer("n")), Err(NoteError::UnfinishedText));
        assert_eq!(SignedNote::sign("\0\n".into(), &signer("n")), Err(NoteError::ControlCharacter));
    }

    proptest! {
        #[test]
        fn a_signed_note_round_trips_and_verifies(text in "([^\\p{Cc}]{0,20}\n){1,5}", name in "[a-z]{1,9}[./]ก") {
            let signer = signer(&name);
            let note = SignedNote::sign(text, &signer).unwrap();
            let parsed: SignedNote = note.to_string().parse().unwrap();
            prop_assert_eq!(parsed.verify(signer.verifier_key()), Ok(()));
            prop_assert_eq!(parsed, note);
        }

        #[test]
        fn a_note_with_one_changed_byte_is_refused(at: usize, flip in 1u8..) {
            if let Some(changed) = naive::mutate(EXAMPLE, at, flip) {
                let verified = changed.parse().and_then(|note: SignedNote| note.verify(&EXAMPLE_KEY.parse().unwrap()));
                prop_assert!(verified.is_err());
            }
        }

        #[test]
        fn any_text_that_parses_is_written_back_as_it_was(note in "(t\n){1,2}\n?(— [a-z+ ]{0,3} ?[A-Z]{4,12}={0,2}\n){0,3}") {
            if let Ok(parsed) = note.parse::<SignedNote>() {
                prop_assert_eq!(parsed.to_string(), note);
            }
        }
    }
}
