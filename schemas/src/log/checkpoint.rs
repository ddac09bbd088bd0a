//! C2SP tlog-checkpoint: the signed tree head.

use std::fmt::Write as _;
use std::str::FromStr;

use super::note::{NoteError, NoteSigner, SignedNote, VerifierKey};
use crate::b64;
use crate::digest::Sha256Hash;
use crate::json::form::COUNTS;

/// The state of a log at one size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// The identity of the log, a URL without scheme, e.g. `hub.example/log/2026h2`.
    pub origin: String,
    /// The number of entries.
    pub size: u64,
    /// The root of the tree of these entries.
    pub root: Sha256Hash,
    /// Extension lines; Saphan writes none, and nothing depends on them.
    pub extensions: Vec<String>,
}

/// A checkpoint whose signature by the log's key was verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedCheckpoint {
    checkpoint: Checkpoint,
    text: String,
}

/// A checkpoint cannot be read, trusted or signed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    /// The note around it is wrong.
    #[error(transparent)]
    Note(NoteError),
    /// Fewer than three lines, or no newline at the end.
    #[error("a checkpoint is three or more lines, each ended by a newline")]
    TooShort,
    /// The first line is no origin.
    #[error("the origin of the log is empty or contains control characters")]
    BadOrigin,
    /// The second line is no size.
    #[error("the size of the log is not a decimal number without leading zeroes")]
    BadSize,
    /// The third line is no root.
    #[error("the root of the log is not the base64 of 32 bytes")]
    BadRoot,
    /// An extension line is empty or cannot be a line.
    #[error("an extension line is empty or contains control characters")]
    BadExtension,
    /// The key is that of another log.
    #[error("the checkpoint is of the log {found}, the key of {expected}")]
    WrongOrigin {
        /// The name of the key.
        expected: String,
        /// The origin in the checkpoint.
        found: String,
    },
}

impl Checkpoint {
    /// A checkpoint without extension lines.
    #[must_use]
    pub const fn new(origin: String, size: u64, root: Sha256Hash) -> Self {
        Self { origin, size, root, extensions: Vec::new() }
    }

    /// The text that is signed: a line each for origin, size, root in base64, and every extension.
    #[must_use]
    pub fn to_note_text(&self) -> String {
        let root = b64::encode_std(self.root.as_bytes());
        let mut text = format!("{}\n{}\n{root}\n", self.origin, self.size);
        for extension in &self.extensions {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{extension}");
        }
        text
    }

    /// Signs the checkpoint; the result is what a log serves at `checkpoint`.
    ///
    /// # Errors
    /// [`CheckpointError`] if the key's name is not the origin, or an extension cannot be written.
    pub fn sign(&self, signer: &NoteSigner) -> Result<String, CheckpointError> {
        self.sign_with(signer, [])
    }

    /// Signs the checkpoint with several keys of one name, so that whoever trusts one of them can verify it.
    ///
    /// # Errors
    /// As [`Self::sign`]; also for more than 16 keys.
    pub fn sign_with<'a>(
        &self,
        signer: &NoteSigner,
        more: impl IntoIterator<Item = &'a NoteSigner>,
    ) -> Result<String, CheckpointError> {
        self.check_origin(signer.verifier_key())?;
        if !self.extensions.iter().all(|line| is_line(line)) {
            return Err(CheckpointError::BadExtension);
        }
        let mut note = SignedNote::sign(self.to_note_text(), signer).map_err(CheckpointError::Note)?;
        for signer in more {
            self.check_origin(signer.verifier_key())?;
            note.add_signature(signer).map_err(CheckpointError::Note)?;
        }
        Ok(note.to_string())
    }

    fn check_origin(&self, key: &VerifierKey) -> Result<(), CheckpointError> {
        if self.origin == key.name() {
            return Ok(());
        }
        Err(CheckpointError::WrongOrigin { expected: key.name().to_owned(), found: self.origin.clone() })
    }
}

/// Reads the text of the note, without signatures.
impl FromStr for Checkpoint {
    type Err = CheckpointError;

    fn from_str(text: &str) -> Result<Self, CheckpointError> {
        let mut lines = text.strip_suffix('\n').ok_or(CheckpointError::TooShort)?.split('\n');
        let (Some(origin), Some(size), Some(root)) = (lines.next(), lines.next(), lines.next()) else {
            return Err(CheckpointError::TooShort);
        };
        if !is_line(origin) {
            return Err(CheckpointError::BadOrigin);
        }
        let size = parse_decimal(size).ok_or(CheckpointError::BadSize)?;
        let root = parse_hash(root).ok_or(CheckpointError::BadRoot)?;
        let extension = |line: &str| is_line(line).then(|| line.to_owned()).ok_or(CheckpointError::BadExtension);
        let extensions = lines.map(extension).collect::<Result<_, _>>()?;
        Ok(Self { origin: origin.to_owned(), size, root, extensions })
    }
}

impl SignedCheckpoint {
    /// Reads a checkpoint as a log serves it, and verifies that the log's key signed it.
    ///
    /// Signatures by other keys, such as witnesses, are ignored.
    ///
    /// # Errors
    /// [`CheckpointError`]; nothing of the checkpoint may be used then.
    pub fn parse_and_verify(text: &str, key: &VerifierKey) -> Result<Self, CheckpointError> {
        Self::parse_and_verify_any(text, key, &[])
    }

    /// The same with several keys of the log, of which one must have signed.
    ///
    /// # Errors
    /// [`CheckpointError`]: that of the first key.
    pub fn parse_and_verify_any(text: &str, key: &VerifierKey, more: &[VerifierKey]) -> Result<Self, CheckpointError> {
        let note: SignedNote = text.parse().map_err(CheckpointError::Note)?;
        let checkpoint: Checkpoint = note.text().parse()?;
        let verify = |key: &VerifierKey| {
            checkpoint.check_origin(key)?;
            note.verify(key).map_err(CheckpointError::Note)
        };
        verify(key).or_else(|first| more.iter().find_map(|key| verify(key).ok()).ok_or(first))?;
        Ok(Self { checkpoint, text: text.to_owned() })
    }

    /// What was signed.
    #[must_use]
    pub const fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// Gives up the text with the signatures.
    #[must_use]
    pub fn into_checkpoint(self) -> Checkpoint {
        self.checkpoint
    }

    /// The whole note, with all its signatures.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }
}

/// ASCII digits without leading zeroes, the only form that this value is written in; below 2^63.
pub(super) fn parse_decimal(text: &str) -> Option<u64> {
    let canonical = text == "0" || !text.starts_with('0');
    let digits = canonical && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|number| digits && *number < COUNTS)
}

/// Standard base64 of 32 bytes.
pub(super) fn parse_hash(text: &str) -> Option<Sha256Hash> {
    b64::decode_std_array(text).ok().map(Sha256Hash::from_bytes)
}

fn is_line(text: &str) -> bool {
    !text.is_empty() && !text.bytes().any(|byte| byte < b' ')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::log::hash::empty_root;
    use crate::log::naive;

    fn signer() -> NoteSigner {
        NoteSigner::from_pkcs8("hub.local/log/2026h2", &NoteSigner::generate_pkcs8().unwrap()).unwrap()
    }

    /// The example of the specification.
    const EXAMPLE: &str = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n";

    #[test]
    fn the_example_of_the_specification_is_read() {
        let checkpoint: Checkpoint = EXAMPLE.parse().unwrap();
        assert_eq!((checkpoint.origin.as_str(), checkpoint.size), ("example.com/behind-the-sofa", 20_852_163));
        assert_eq!(checkpoint.to_note_text(), EXAMPLE);
    }

    #[test]
    fn malformed_texts_are_refused_with_the_reason() {
        let root = "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=";
        for (text, expected) in [
            (String::new(), CheckpointError::TooShort),
            ("o\n1\n".into(), CheckpointError::TooShort),
            (format!("o\n1\n{root}"), CheckpointError::TooShort),
            (format!("\n1\n{root}\n"), CheckpointError::BadOrigin),
            (format!("o\n01\n{root}\n"), CheckpointError::BadSize),
            (format!("o\n00\n{root}\n"), CheckpointError::BadSize),
            (format!("o\n+1\n{root}\n"), CheckpointError::BadSize),
            (format!("o\n\n{root}\n"), CheckpointError::BadSize),
            (format!("o\n9223372036854775808\n{root}\n"), CheckpointError::BadSize),
            (format!("o\n1\n{}\n", root.trim_end_matches('=')), CheckpointError::BadRoot),
            (format!("o\n1\n{}\n", root.replace("2I=", "2J=")), CheckpointError::BadRoot),
            ("o\n1\nAAAA\n".into(), CheckpointError::BadRoot),
            (format!("o\n1\n{root}\n\n"), CheckpointError::BadExtension),
        ] {
            assert_eq!(text.parse::<Checkpoint>(), Err(expected), "{text}");
        }
    }

    #[test]
    fn a_checkpoint_of_another_log_is_refused_on_both_sides() {
        let signer = signer();
        let foreign = Checkpoint::new("hub.local/log/2026h1".into(), 0, empty_root());
        assert!(matches!(foreign.sign(&signer), Err(CheckpointError::WrongOrigin { .. })));
        let note = SignedNote::sign(foreign.to_note_text(), &signer).unwrap().to_string();
        let refused = SignedCheckpoint::parse_and_verify(&note, signer.verifier_key());
        assert!(matches!(refused, Err(CheckpointError::WrongOrigin { .. })), "{refused:?}");
    }

    #[test]
    fn an_extension_that_would_change_the_form_is_not_signed() {
        let signer = signer();
        for extension in ["", "a\n\nb", "a\tb"] {
            let mut checkpoint = Checkpoint::new(signer.name().into(), 0, empty_root());
            checkpoint.extensions.push(extension.into());
            assert_eq!(checkpoint.sign(&signer), Err(CheckpointError::BadExtension));
        }
    }

    proptest! {
        #[test]
        fn a_signed_checkpoint_round_trips(size in 0..COUNTS, root: [u8; 32], extensions in prop::collection::vec("[!-~]{1,9}", 0..3)) {
            let (signer, root) = (signer(), Sha256Hash::from_bytes(root));
            let checkpoint = Checkpoint { origin: signer.name().into(), size, root, extensions };
            let text = checkpoint.sign(&signer).unwrap();
            let signed = SignedCheckpoint::parse_and_verify(&text, signer.verifier_key()).unwrap();
            prop_assert_eq!(signed.text(), text);
            prop_assert_eq!(signed.into_checkpoint(), checkpoint);
        }

        #[test]
        fn a_signed_checkpoint_with_one_changed_byte_is_refused(size in 0..COUNTS, at: usize, flip in 1u8..) {
            let signer = signer();
            let text = Checkpoint::new(signer.name().into(), size, empty_root()).sign(&signer).unwrap();
            if let Some(changed) = naive::mutate(&text, at, flip) {
                prop_assert!(SignedCheckpoint::parse_and_verify(&changed, signer.verifier_key()).is_err());
            }
        }

        #[test]
        fn a_changed_text_is_refused_or_reads_back_as_it_was(at: usize, flip in 1u8..) {
            if let Some(changed) = naive::mutate(EXAMPLE, at, flip)
                && let Ok(checkpoint) = changed.parse::<Checkpoint>()
            {
                prop_assert_eq!(checkpoint.to_note_text(), changed);
            }
        }
    }
}
