//! What does not hold, or why a log could not be checked.

use std::path::PathBuf;

use saphan_schemas::digest::Sha256Hash;
use saphan_schemas::ids::SystemId;
use saphan_schemas::jws::JwsError;
use saphan_schemas::keys::KeyId;
use saphan_schemas::leaf::LeafError;
use saphan_schemas::log::{BundleError, CheckpointError, NotAPage, TileMismatch, TilePath};
use saphan_schemas::registry::{AgreementGap, RejectedEntry};
use saphan_schemas::succession::NotNext;

use super::arrangement::Arrangement;
use super::ledger::Counting;
use super::source::SourceError;

/// The first thing of a log that does not hold, or why it could not be checked.
#[derive(Debug, thiserror::Error)]
pub enum LogCheckError {
    /// A file that a log of this size must have is missing, or larger than it can be.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: String,
        /// What is wrong with it.
        source: SourceError,
    },
    /// A file could not be had; nothing is known about the log.
    #[error("{path} could not be fetched: {source}")]
    Fetch {
        /// The file.
        path: String,
        /// Why.
        source: SourceError,
    },
    /// A file that must be text is not.
    #[error("{path} is not text")]
    NotText {
        /// The file.
        path: String,
    },
    /// The checkpoint is malformed, of another log, or not signed by the log's key.
    #[error("checkpoint: {0}")]
    Checkpoint(#[from] CheckpointError),
    /// A bundle is malformed.
    #[error("{path}: {source}")]
    Bundle {
        /// The bundle.
        path: TilePath,
        /// What is wrong with it.
        source: BundleError,
    },
    /// A leaf hash is not that of its entry: the bundle or the tile was changed.
    #[error("entry {index} in {bundle} does not have the hash in {}: {}", mismatch.path, arrangement.words())]
    EntryHash {
        /// The entry.
        index: u64,
        /// The bundle it is in.
        bundle: TilePath,
        /// Where the tile differs.
        mismatch: TileMismatch,
        /// What was done to the bundle.
        arrangement: Arrangement,
    },
    /// A tile is not what the entries give.
    #[error("{0}")]
    Tile(TileMismatch),
    /// The entries lead to another root than the signed one.
    #[error("checkpoint: the {size} entries lead to the root {derived}, and {signed} is signed")]
    Root {
        /// The number of entries.
        size: u64,
        /// The root that they give.
        derived: Sha256Hash,
        /// The root that is signed.
        signed: Sha256Hash,
    },
    /// Tiles of entries that were checked earlier lead to another root than the signed one.
    #[error("{path}: the tiles of the first {size} entries do not lead to the signed root: one of them was changed")]
    OldTiles {
        /// The last of the tiles.
        path: TilePath,
        /// How many entries were checked earlier.
        size: u64,
    },
    /// The list of timestamps is malformed.
    #[error("{path}: {source}")]
    Timestamps {
        /// The page.
        path: String,
        /// What is wrong with it.
        source: NotAPage,
    },
    /// An entry is in the log that must not be.
    #[error("entry {index}: {fault}")]
    Leaf {
        /// The entry.
        index: u64,
        /// What is wrong with it.
        fault: LeafFault,
    },
    /// The copy could not be written.
    #[error("cannot write {}: {source}", path.display())]
    Export {
        /// The file.
        path: PathBuf,
        /// The operating system's answer.
        source: std::io::Error,
    },
    /// An earlier log of the hub does not hold.
    #[error("the earlier log {log}: {source}")]
    Earlier {
        /// Its origin.
        log: String,
        /// What does not hold.
        source: Box<Self>,
    },
    /// A closed log shows another history than the one that the next log began after.
    #[error(
        "the closed log {log} shows {shown} entries, and the next log began after {size} of them with another root or another number"
    )]
    ClosedLogDiffers {
        /// Its origin.
        log: String,
        /// How many it shows.
        shown: u64,
        /// How many it had.
        size: u64,
    },
    /// What is shown, and signed by nobody who is known so far, is more than is looked at.
    #[error("{what} are shown, which is more than is looked at before a known key has signed them")]
    TooMuch {
        /// What.
        what: &'static str,
    },
    /// What is known of the entries so far could not be kept or looked up.
    #[error("what entries say about others cannot be kept: {0}")]
    History(#[source] sqlx::Error),
    /// The check was stopped from outside.
    #[error("the check was stopped")]
    Stopped,
}

fn told_log(log: Option<&str>) -> &str {
    log.unwrap_or("a log that it does not name")
}

impl LeafFault {
    /// With the indices of other entries as their logs count them. `index_of` gives that of a place.
    pub(super) fn counted(self, index_of: impl Fn(u64) -> u64) -> Self {
        match self {
            Self::Duplicate { first } => Self::Duplicate { first: index_of(first) },
            Self::NotBefore { index } => Self::NotBefore { index: index_of(index) },
            Self::AcknowledgesNoMessage { index } => Self::AcknowledgesNoMessage { index: index_of(index) },
            Self::NotTheReceiver { index } => Self::NotTheReceiver { index: index_of(index) },
            Self::OtherOutcome { index } => Self::OtherOutcome { index: index_of(index) },
            Self::ErasesNoMessage { index } => Self::ErasesNoMessage { index: index_of(index) },
            other => other,
        }
    }
}

impl LogCheckError {
    /// As said of an earlier log of the hub.
    pub(super) fn in_earlier(self, log: &str) -> Self {
        Self::Earlier { log: log.to_owned(), source: Box::new(self) }
    }

    /// With indices in the place of places.
    pub(super) fn counted(self, counting: &Counting) -> Self {
        match self {
            Self::Leaf { index, fault } => {
                let fault = fault.counted(|place| counting.index(place));
                Self::Leaf { index: counting.index(index), fault }
            }
            other => other,
        }
    }

    /// The first entry of a log, which does not follow from the one before.
    pub(crate) fn not_next(fault: NotNext) -> Self {
        Self::Leaf { index: 0, fault: fault.into() }
    }

    pub(crate) fn fetch(path: &str, source: SourceError) -> Self {
        let path = path.to_owned();
        match source {
            SourceError::NotFound | SourceError::TooLarge { .. } => Self::File { path, source },
            _ => Self::Fetch { path, source },
        }
    }

    /// Whether the log does not hold; otherwise it could not be checked, and nothing is known about it.
    #[must_use]
    pub fn is_verdict(&self) -> bool {
        if let Self::Earlier { source, .. } = self {
            return source.is_verdict();
        }
        !matches!(
            self,
            Self::Fetch { .. } | Self::Export { .. } | Self::TooMuch { .. } | Self::History(_) | Self::Stopped
        )
    }

    /// Whether more is shown than is looked at.
    #[must_use]
    pub fn is_too_much(&self) -> bool {
        match self {
            Self::Earlier { source, .. } => source.is_too_much(),
            error => matches!(error, Self::TooMuch { .. }),
        }
    }

    /// The file of the log that the error is about, if it is about one.
    #[must_use]
    pub fn path(&self) -> Option<String> {
        match self {
            Self::File { path, .. } | Self::Fetch { path, .. } | Self::Timestamps { path, .. } => Some(path.clone()),
            Self::NotText { path } => Some(path.clone()),
            Self::Checkpoint(_) | Self::Root { .. } => Some("checkpoint".to_owned()),
            Self::Bundle { path, .. } | Self::OldTiles { path, .. } => Some(path.to_string()),
            Self::EntryHash { mismatch, .. } | Self::Tile(mismatch) => Some(mismatch.path.to_string()),
            Self::Earlier { source, .. } => source.path(),
            Self::ClosedLogDiffers { .. } => Some("checkpoint".to_owned()),
            Self::Leaf { .. } | Self::Export { .. } | Self::TooMuch { .. } | Self::History(_) | Self::Stopped => None,
        }
    }

    /// The entry that the error is about, if it is about one.
    #[must_use]
    pub fn index(&self) -> Option<u64> {
        match self {
            Self::Earlier { source, .. } => source.index(),
            Self::EntryHash { index, .. } | Self::Leaf { index, .. } => Some(*index),
            _ => None,
        }
    }
}

/// Why an entry must not be in the log at its place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LeafFault {
    /// Not a leaf as hubs write it.
    #[error("it is not a leaf: {0}")]
    NotALeaf(LeafError),
    /// Earlier than the entry before it.
    #[error("its time is before that of the entry before it")]
    TimeRunsBack,
    /// Not an envelope.
    #[error("its envelope is not one: {0}")]
    Envelope(JwsError),
    /// Not a batch of acknowledgements.
    #[error("its acknowledgement is not one: {0}")]
    Acknowledgement(JwsError),
    /// Not a registry entry.
    #[error("its registry entry is not one: {0}")]
    Registry(JwsError),
    /// Meant for, or signed for, another hub.
    #[error("it is meant for another hub than the log's")]
    OtherHub,
    /// The log did not register the key before.
    #[error("it is signed with the key {kid}, which the log does not register for {system} before this place")]
    KeyUnknown {
        /// The key.
        kid: KeyId,
        /// The system that should have it.
        system: SystemId,
    },
    /// The key was revoked before.
    #[error("it is signed with the key {kid}, which the log revokes before this place")]
    KeyRevoked {
        /// The key.
        kid: KeyId,
    },
    /// The key was not valid at the time of the leaf.
    #[error("it is signed with the key {kid}, which is not valid at the entry's time")]
    KeyNotValid {
        /// The key.
        kid: KeyId,
    },
    /// An envelope that was changed, or signed by someone else.
    #[error("the signature does not hold")]
    Signature,
    /// An acknowledgement that was changed, or signed by someone else.
    #[error("the acknowledgement's signature does not hold")]
    AcknowledgementSignature,
    /// A message, or a batch of acknowledgements, that is in the log already.
    #[error("what it holds, by signer and id, is in entry {first} already")]
    Duplicate {
        /// The entry.
        first: u64,
    },
    /// The schema text is not the registered one.
    #[error("it names another text of its schema than the log registers before this place")]
    SchemaText,
    /// The schema is not the envelope's.
    #[error("it names another schema than its envelope")]
    SchemaId,
    /// A registry change that cannot be made, or not by its signer.
    #[error("the registry change cannot be made: {0}")]
    RegistryChange(#[from] RejectedEntry),
    /// Its sender may look, and send nothing.
    #[error("{system} has not the role of a system at this place, and may not send")]
    NotASystem {
        /// The sender.
        system: SystemId,
    },
    /// No agreement in force allowed the message at its place.
    #[error("no agreement allowed the message: {0}")]
    NotAllowed(AgreementGap),
    /// It acknowledges an entry that does not come before it.
    #[error("it acknowledges entry {index}, which does not come before it")]
    NotBefore {
        /// The entry.
        index: u64,
    },
    /// It acknowledges an entry that is none.
    #[error("it acknowledges entry {index}, which is no message")]
    AcknowledgesNoMessage {
        /// The entry.
        index: u64,
    },
    /// It acknowledges somebody else's message.
    #[error("it acknowledges the message in entry {index}, whose receiver is another system")]
    NotTheReceiver {
        /// The entry.
        index: u64,
    },
    /// It contradicts an acknowledgement before it.
    #[error("it acknowledges the message in entry {index} with another outcome than before")]
    OtherOutcome {
        /// The entry.
        index: u64,
    },
    /// It says that the body of an entry was erased that has none.
    #[error("it speaks of the erasure of entry {index}, which is no message before it")]
    ErasesNoMessage {
        /// The entry.
        index: u64,
    },
    /// It says that a system asked that may not audit.
    #[error("it is said to be a query of {system}, which has not the role of an auditor at this place")]
    NotAnAuditor {
        /// The system.
        system: SystemId,
    },
    /// It names a log that is none of the hub's so far, or none where there are several.
    #[error("it acknowledges messages of {}, which is none of this hub's logs before it", told_log(log.as_deref()))]
    AcknowledgesInNoLog {
        /// The log.
        log: Option<String>,
    },
    /// The same of an erasure.
    #[error("it speaks of an erasure in {}, which is none of this hub's logs before it", told_log(log.as_deref()))]
    ErasesInNoLog {
        /// The log.
        log: Option<String>,
    },
    /// A log does not follow from the one before it.
    #[error(transparent)]
    NotNext(#[from] NotNext),
    /// The names in the first leaf do not belong together.
    #[error("the names of hub, log and key in it do not fit together")]
    OtherNames,
    /// The first leaf must open this very log.
    #[error("the first leaf does not open this log, so its keys are not known")]
    NotOpened,
    /// Opened again, or something after the end.
    #[error("nothing of this kind may stand here: the log was opened before, or is closed")]
    Misplaced,
}
