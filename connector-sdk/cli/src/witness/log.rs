//! One log as a witness sees it: what it cosigned last, and what may follow.

use std::fmt;

use saphan_schemas::digest::Sha256Hash;
use saphan_schemas::log::{
    AddCheckpoint, Checkpoint, CheckpointError, CosignerKey, NoteError, NoteSignature, SignedCheckpoint, SignedNote,
    VerifierKey, empty_root, verify_consistency,
};

/// A log that the witness knows, with what it cosigned last.
#[derive(Debug)]
pub struct WitnessedLog {
    /// All of one name, the log's origin; one suffices.
    keys: (VerifierKey, Vec<VerifierKey>),
    size: u64,
    root: Sha256Hash,
    /// The note that was cosigned last, with the cosignature; empty before the first.
    record: String,
    halted: bool,
}

/// Why a checkpoint is not cosigned.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The request cannot be read.
    #[error("the request is malformed: {reason}")]
    Malformed {
        /// What is wrong with it.
        reason: String,
    },
    /// The witness knows no log of this origin.
    #[error("this witness does not know the log")]
    UnknownLog,
    /// No key that the witness knows has signed, or a line says falsely that one has.
    #[error("no key of the log that this witness knows has signed the checkpoint, or a signature by one is false")]
    NotSigned,
    /// The old size is above that of the checkpoint.
    #[error("the old size is above that of the checkpoint")]
    OldAboveSize,
    /// The old size is not that of the last checkpoint.
    #[error("the last checkpoint that was cosigned has size {size}")]
    OtherSize {
        /// The size of the last checkpoint that was cosigned.
        size: u64,
    },
    /// A checkpoint of this size, with another root, was cosigned.
    #[error("another checkpoint of size {size} was cosigned: the log has two histories")]
    OtherRoot {
        /// The size of both.
        size: u64,
    },
    /// The proof does not show that the checkpoint extends the last one.
    #[error("the consistency proof does not show that the checkpoint extends the last one that was cosigned")]
    Inconsistent,
    /// The record could not be written.
    #[error("the witness cannot write its record; try again later")]
    Unsaved,
    /// What is on disk is not known for certain.
    #[error("the witness must be restarted before it cosigns for this log again")]
    Halted,
}

/// Two checkpoints of one size, with different roots, both signed by the log: proof that it has two histories.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// The log.
    pub origin: String,
    /// The size of both.
    pub size: u64,
    /// The note that was cosigned.
    pub cosigned: String,
    /// The note that contradicts it.
    pub other: String,
}

impl Refusal {
    pub(super) fn malformed(reason: impl fmt::Display) -> Self {
        Self::Malformed { reason: reason.to_string() }
    }
}

impl WitnessedLog {
    /// A log of which nothing was cosigned.
    pub(super) fn new(key: VerifierKey, more: Vec<VerifierKey>) -> Self {
        Self { keys: (key, more), size: 0, root: empty_root(), record: String::new(), halted: false }
    }

    /// Goes on from a record; `None` unless the log signed it and the witness cosigned it.
    pub(super) fn resumed(mut self, record: String, witness: &CosignerKey) -> Option<Self> {
        let signed = self.verify(&record).ok()?;
        record.parse::<SignedNote>().ok()?.verify_cosignature(witness).ok()?;
        self.advance(signed.checkpoint(), record);
        Some(self)
    }

    /// The name of its keys.
    #[must_use]
    pub fn origin(&self) -> &str {
        self.keys.0.name()
    }

    /// The number of entries in what was cosigned last.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    fn keys(&self) -> impl Iterator<Item = &VerifierKey> {
        std::iter::once(&self.keys.0).chain(&self.keys.1)
    }

    /// Verifies that the log signed this note, with one key at least and with none falsely.
    pub(super) fn verify(&self, note: &str) -> Result<SignedCheckpoint, Refusal> {
        let mut signed = Err(Refusal::NotSigned);
        for key in self.keys() {
            match SignedCheckpoint::parse_and_verify(note, key) {
                Ok(checkpoint) => signed = Ok(checkpoint),
                Err(CheckpointError::Note(NoteError::NotSignedBy { .. })) => {}
                Err(_) => return Err(Refusal::NotSigned),
            }
        }
        signed
    }

    /// Whether the log contradicts itself by this checkpoint.
    pub(super) fn conflict(&self, signed: &SignedCheckpoint) -> Option<Conflict> {
        let (checkpoint, origin) = (signed.checkpoint(), self.origin().to_owned());
        // Before the first record there is nothing that the log signed.
        let contradicts = checkpoint.size == self.size && checkpoint.root != self.root && !self.record.is_empty();
        let other = signed.text().to_owned();
        contradicts.then(|| Conflict { origin, size: self.size, cosigned: self.record.clone(), other })
    }

    /// Whether the checkpoint, which the log signed, may be cosigned now. In the order of the specification.
    pub(super) fn judge(&self, request: &AddCheckpoint, checkpoint: &Checkpoint) -> Result<(), Refusal> {
        if self.halted {
            return Err(Refusal::Halted);
        }
        if request.old > checkpoint.size {
            return Err(Refusal::OldAboveSize);
        }
        if request.old != self.size {
            return Err(Refusal::OtherSize { size: self.size });
        }
        if checkpoint.size == self.size && checkpoint.root != self.root {
            return Err(Refusal::OtherRoot { size: self.size });
        }
        verify_consistency(self.size, self.root, checkpoint.size, checkpoint.root, &request.proof)
            .map_err(|_| Refusal::Inconsistent)
    }

    /// Whether this, which may be cosigned, is more than what was.
    pub(super) const fn grows_by(&self, checkpoint: &Checkpoint) -> bool {
        checkpoint.size > self.size
    }

    /// The note to be kept: what the log signed, without the signatures of strangers, and the cosignature.
    pub(super) fn record(&self, mut note: SignedNote, line: NoteSignature) -> Result<String, Refusal> {
        note.retain(|signature| self.keys().any(|key| signature.is_by(key)));
        note.add_line(line).map_err(Refusal::malformed)?;
        Ok(note.to_string())
    }

    /// The record is on disk.
    pub(super) fn advance(&mut self, checkpoint: &Checkpoint, record: String) {
        (self.size, self.root, self.record) = (checkpoint.size, checkpoint.root, record);
    }

    /// Nothing is cosigned any more by this process.
    pub(super) const fn halt(&mut self) {
        self.halted = true;
    }
}
