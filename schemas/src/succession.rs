//! How a log of a hub follows from the one before it: what must hold of its first leaf, for whoever judges whole logs or parts of them.

use serde::Serialize;

use crate::leaf::{Abandoned, NotVouched, ShardEvent};
use crate::log::{Checkpoint, SignedCheckpoint, VerifierKey};
use crate::registry::{RegistryState, RejectedEntry, Root, UnverifiedRegistryEntry};

/// What the first leaf of a log says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opening {
    /// The log's origin.
    pub origin: String,
    /// The keys that it begins with.
    pub root: Root,
    /// What it goes on from.
    pub after: After,
}

/// What a log goes on from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum After {
    /// Nothing: it is the hub's first.
    Nothing,
    /// A log that is closed, whose last checkpoint this is.
    Closed(String),
    /// A log that was lost in part.
    Lost {
        /// The last checkpoint of it that the hub knows of.
        last: String,
        /// What is left.
        abandoned: Box<Abandoned>,
    },
}

/// The log before, as far as its entries show it.
#[derive(Debug, Clone, Copy)]
pub struct Before<'a> {
    /// The log that it is closed for.
    pub next: Option<&'a str>,
    /// The checkpoint of its entries; `None` where these were held against what is said of them before.
    pub last: Option<&'a Checkpoint>,
}

/// A log of which entries are lost: the hub goes on in the next without them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AbandonedLog {
    /// Its origin.
    pub log: String,
    /// The origin of the log after it, whose first entry says so.
    pub next: String,
    /// How many entries are left. Counts are over these.
    pub kept: u64,
    /// How many it had, by the largest checkpoint that the hub knows of.
    pub last: u64,
}

/// A log does not follow from the one before it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotNext {
    /// The one before is not closed for it; or it is closed, and said to be abandoned.
    #[error("the log before it does not end with an entry that names this one, or is closed and said to be abandoned")]
    NotClosed,
    /// It is one of those before.
    #[error("the hub had this log before: none begins twice")]
    Again,
    /// The operator does not vouch for its key.
    #[error("it does not show that the operator vouches for its key: {0}")]
    NotVouched(#[from] NotVouched),
    /// The entry that vouches for its key cannot stand in the registry.
    #[error("the operator's entry for its key cannot stand: {0}")]
    Rejected(#[from] RejectedEntry),
    /// It begins with keys that the hub does not have.
    #[error("it begins with keys that the registry does not have for this log at its place")]
    OtherRoot,
    /// What it names as a checkpoint of the log before was not signed by that log's key.
    #[error("the checkpoint of the log before that it begins with is not signed by a key of that log")]
    PreviousNotSigned,
    /// It begins after another history of the log before it.
    #[error("the entries of the log before have another checkpoint than the one that it begins with")]
    OtherPrevious,
    /// The last checkpoint of an abandoned log has no more entries than are left of it.
    #[error(
        "the log before is said to be abandoned, with all {kept} entries of the checkpoint of {last} that it begins with"
    )]
    NothingLost {
        /// How many are left.
        kept: u64,
        /// How many there were.
        last: u64,
    },
}

impl Opening {
    /// What opens a log, if the event does. Nothing is abandoned without a last checkpoint of it.
    #[must_use]
    pub fn of(event: ShardEvent) -> Option<Self> {
        match event {
            ShardEvent::Opened { origin, hub, operator, receipts, log, previous, abandoned } => {
                let root = Root { hub, operator: *operator, receipts: *receipts, log: *log };
                let after = match (previous, abandoned) {
                    (None, None) => After::Nothing,
                    (Some(last), None) => After::Closed(last),
                    (Some(last), Some(abandoned)) => After::Lost { last, abandoned },
                    (None, Some(_)) => return None,
                };
                Some(Self { origin, root, after })
            }
            ShardEvent::Closed { .. } => None,
        }
    }

    /// Goes on from the log before in the first leaf of a later one, at `place` and `at` (seconds since 1970). The registry is that of
    /// all entries before, and has the key that the leaf brings afterwards. If the log before was abandoned, says how much is lost.
    ///
    /// # Errors
    /// [`NotNext`], the first thing that does not hold. The registry is of no use then.
    pub fn follow(
        &self,
        before: Before<'_>,
        registry: &mut RegistryState,
        place: u64,
        at: u64,
    ) -> Result<Option<AbandonedLog>, NotNext> {
        let (next, ended) = match &self.after {
            After::Nothing => return Err(NotNext::NotClosed),
            After::Closed(last) => (Some(&*self.origin), last),
            // It has no end.
            After::Lost { abandoned, .. } => (None, &abandoned.kept),
        };
        if before.next != next {
            return Err(NotNext::NotClosed);
        }
        if let Some(entry) = self.vouching()? {
            registry.take(entry, place, at)?;
        }
        if !self.has_keys_of(registry) {
            return Err(NotNext::OtherRoot);
        }
        let log = before.last.map_or_else(|| ended.lines().next().unwrap_or_default(), |last| &last.origin);
        let keys: Vec<VerifierKey> = registry.keys_of_log(log).cloned().collect();
        let ended = signed(ended, &keys)?;
        if before.last.is_some_and(|last| (ended.size, ended.root) != (last.size, last.root)) {
            return Err(NotNext::OtherPrevious);
        }
        let After::Lost { last, .. } = &self.after else { return Ok(None) };
        let (kept, last) = (ended.size, signed(last, &keys)?.size);
        if last <= kept {
            return Err(NotNext::NothingLost { kept, last });
        }
        Ok(Some(AbandonedLog { log: ended.origin, next: self.origin.clone(), kept, last }))
    }

    /// The registry entry that it brings for a key of this log, if it does.
    ///
    /// # Errors
    /// [`NotVouched`].
    pub fn vouching(&self) -> Result<Option<UnverifiedRegistryEntry>, NotVouched> {
        match &self.after {
            After::Lost { abandoned, .. } => abandoned.vouching(&self.origin),
            After::Nothing | After::Closed(_) => Ok(None),
        }
    }

    /// Whether the hub has these keys, and they stand.
    fn has_keys_of(&self, registry: &RegistryState) -> bool {
        let Root { hub, operator, receipts, log } = &self.root;
        registry.hub() == hub
            && registry.operator_keys().standing().any(|key| key == operator)
            && registry.receipt_keys().standing().any(|key| key == receipts)
            && registry.keys_of_log(&self.origin).any(|key| key == log)
    }
}

/// A checkpoint that one of these keys signed.
fn signed(text: &str, keys: &[VerifierKey]) -> Result<Checkpoint, NotNext> {
    let (key, more) = keys.split_first().ok_or(NotNext::PreviousNotSigned)?;
    let signed = SignedCheckpoint::parse_and_verify_any(text, key, more).map_err(|_| NotNext::PreviousNotSigned)?;
    Ok(signed.into_checkpoint())
}
