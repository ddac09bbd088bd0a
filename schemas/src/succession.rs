//! How a log of a hub follows from the one before it: what must hold of its first leaf, for whoever judges whole logs or parts of them.

use serde::Serialize;

use crate::leaf::{Abandoned, NotVouched, ShardEvent};
use crate::log::{Checkpoint, SignedCheckpoint, VerifierKey};
use crate::registry::{RegistryState, RejectedEntry, Root};

/// What the first leaf of a log says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opening {
    /// The log's origin.
    pub origin: String,
    /// The keys that it begins with.
    pub root: Root,
    /// The last checkpoint of the log before, if there was one; of an abandoned one the last that the hub knows of.
    pub previous: Option<String>,
    /// What is left of the log before, if it was not closed.
    pub abandoned: Option<Box<Abandoned>>,
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
    #[error("the log before it does not end with an entry that names this one, or does and is said to be abandoned")]
    NotClosed,
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
    #[error("the log before it has another last checkpoint than the one that it begins with")]
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
    /// What opens a log, if the event does.
    #[must_use]
    pub fn of(event: ShardEvent) -> Option<Self> {
        match event {
            ShardEvent::Opened { origin, hub, operator, receipts, log, previous, abandoned } => {
                let root = Root { hub, operator: *operator, receipts: *receipts, log: *log };
                Some(Self { origin, root, previous, abandoned })
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
        // One that is closed has its next log; one that is abandoned has no end.
        if before.next != self.abandoned.is_none().then_some(&*self.origin) {
            return Err(NotNext::NotClosed);
        }
        if let Some(entry) = self.abandoned.as_ref().map_or(Ok(None), |abandoned| abandoned.vouching(&self.origin))? {
            registry.take(entry, place, at)?;
        }
        if !self.has_keys_of(registry) {
            return Err(NotNext::OtherRoot);
        }
        let previous = self.previous.as_deref().ok_or(NotNext::PreviousNotSigned)?;
        let log = previous.lines().next().unwrap_or_default();
        let keys: Vec<VerifierKey> =
            registry.keys_of_log(before.last.map_or(log, |last| &last.origin)).cloned().collect();
        let ended = signed(self.abandoned.as_ref().map_or(previous, |abandoned| &abandoned.kept), &keys)?;
        if before.last.is_some_and(|last| (ended.size, ended.root) != (last.size, last.root)) {
            return Err(NotNext::OtherPrevious);
        }
        if self.abandoned.is_none() {
            return Ok(None);
        }
        let (kept, last) = (ended.size, signed(previous, &keys)?.size);
        if last <= kept {
            return Err(NotNext::NothingLost { kept, last });
        }
        Ok(Some(AbandonedLog { log: ended.origin, next: self.origin.clone(), kept, last }))
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
