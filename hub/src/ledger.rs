//! The log's one writer: sequencing, group commit, checkpoints, receipts.
//!
//! Callers hand in a [`Draft`]; the writer takes everything that waits, makes one batch, signs one checkpoint and commits
//! once. It answers after the commit, never before. There is no timer: a batch is what arrived while the last was written.

mod batch;
mod draft;
mod evidence;
mod files;
mod writer;

pub use draft::{
    AcknowledgementDraft, Appended, Draft, ErasureDraft, Judgement, MessageDraft, QueryDraft, RefusalDraft,
    RegistryDraft,
};
pub use evidence::{Evidence, EvidenceError, evidence, hashes_of};
pub use files::file;
pub use writer::Committed;

use std::fmt;
use std::sync::Arc;

use saphan_schemas::ids::HubId;
use saphan_schemas::keys::Signer;
use saphan_schemas::log::{CheckpointError, NoteSigner};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;

use crate::clock::Clock;
use crate::limits::{Exhausted, Payer, Share, Shares};
use crate::metrics::Metrics;
use crate::routing::Wakeups;
use crate::shards::Shards;
use crate::store::{Store, StoreError};

/// What the ledger signs with, and as whom.
#[derive(Debug)]
pub struct LedgerKeys {
    /// The hub.
    pub hub: HubId,
    /// The log's origin.
    pub origin: String,
    /// Signs receipts.
    pub receipts: Arc<dyn Signer>,
    /// Sign checkpoints, newest first; their name is the origin.
    pub logs: Vec<Arc<NoteSigner>>,
}

/// Why nothing was appended, as far as is known.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// As much waits as may wait.
    #[error("as many entries wait as may wait")]
    Busy,
    /// As much of one system waits as may wait of one.
    #[error(transparent)]
    Exhausted(#[from] Exhausted),
    /// The writer has stopped.
    #[error("the ledger has stopped")]
    Stopped,
    /// The store failed. The entry may have been written all the same; the same message again is answered rightly.
    #[error("the store failed; whether the entry was written is not known")]
    Unavailable,
    /// The message id was used before by the same sender with other content.
    #[error("the message id was used before with other content")]
    DuplicateId,
    /// An acknowledgement that contradicts what was acknowledged before of the message at this index of its log.
    #[error("message {index} was acknowledged before with another outcome")]
    Contradiction {
        /// The message's index.
        index: u64,
    },
    /// The registry changed since the draft was judged, or what the judgement rests on has ended: to be judged again.
    #[error("the registry changed since the entry was judged")]
    Outdated(Box<SentBack>),
    /// The entry is over 16 KiB.
    #[error("the entry is over 16 KiB")]
    TooLarge,
}

/// A draft that the writer did not take.
pub struct SentBack {
    /// As it was.
    pub draft: Draft,
    /// The first place of the log that the registry's state need not have folded in to judge it again.
    pub registry: u64,
}

impl fmt::Debug for SentBack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SentBack").field("registry", &self.registry).finish_non_exhaustive()
    }
}

/// Why the ledger cannot start.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The stored head was not signed by this hub's log key, or is of another log.
    #[error("the stored checkpoint is not of this log: {0}; start with the keys and the data that belong together")]
    ForeignHead(#[source] CheckpointError),
    /// The stored head contradicts itself.
    #[error("the stored head's range and checkpoint differ; restore the data folder as a whole")]
    BrokenHead,
}

/// A handle on the writer. Cheap to clone; the writer stops when the last handle is gone.
#[derive(Clone)]
pub struct Ledger {
    keys: watch::Sender<Arc<LedgerKeys>>,
    queue: mpsc::Sender<Waiting>,
    /// Of the queue.
    shares: Shares,
    committed: watch::Receiver<Committed>,
}

struct Waiting {
    draft: Draft,
    /// Held as long as it is in the queue.
    place: Option<Share>,
    reply: oneshot::Sender<Result<Appended, LedgerError>>,
}

impl Ledger {
    /// Reads the head of the present log, which may be still to begin, and starts the writer. At most `capacity` drafts wait. `wakeups` is told of each commit.
    ///
    /// # Errors
    /// [`OpenError`].
    pub async fn open(
        store: Arc<dyn Store>,
        shards: Arc<Shards>,
        keys: LedgerKeys,
        clock: Arc<dyn Clock>,
        capacity: usize,
        wakeups: Arc<Wakeups>,
        metrics: Arc<Metrics>,
    ) -> Result<(Self, JoinHandle<()>), OpenError> {
        let (queue, waiting) = mpsc::channel(capacity);
        let (keys, keys_seen) = watch::channel(Arc::new(keys));
        let writer = writer::Writer::open(store, shards, keys_seen, clock, waiting, wakeups, metrics).await?;
        let committed = writer.committed();
        let shares = Shares::new((capacity / 2).max(1), "entries that wait for the log");
        Ok((Self { keys, queue, shares, committed }, tokio::spawn(writer.run())))
    }

    /// Appends an entry of the hub's own or of its operator, or says at once that too many wait. Once it is queued it will be
    /// written, also if the caller goes away.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub async fn append(&self, draft: Draft) -> Result<Appended, LedgerError> {
        self.queued(draft, |_| Ok(None)).await
    }

    /// Appends an entry for somebody. One system alone does not fill the queue: it has half of it.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub async fn append_for(&self, payer: &Payer, draft: Draft) -> Result<Appended, LedgerError> {
        self.queued(draft, |shares| shares.take(payer, 1).map(Some)).await
    }

    async fn queued(
        &self,
        draft: Draft,
        place: impl FnOnce(&Shares) -> Result<Option<Share>, Exhausted>,
    ) -> Result<Appended, LedgerError> {
        let (reply, answer) = oneshot::channel();
        let free = self.queue.try_reserve().map_err(|error| match error {
            mpsc::error::TrySendError::Full(()) => LedgerError::Busy,
            mpsc::error::TrySendError::Closed(()) => LedgerError::Stopped,
        })?;
        free.send(Waiting { draft, place: place(&self.shares)?, reply });
        answer.await.map_err(|_| LedgerError::Unavailable)?
    }

    /// The keys in use, now and later.
    #[must_use]
    pub fn keys(&self) -> watch::Receiver<Arc<LedgerKeys>> {
        self.keys.subscribe()
    }

    /// Signs with these keys from the next batch on.
    pub fn sign_with(&self, keys: LedgerKeys) {
        self.keys.send_replace(Arc::new(keys));
    }

    /// What was committed last; changes with each commit.
    #[must_use]
    pub fn committed(&self) -> watch::Receiver<Committed> {
        self.committed.clone()
    }

    /// How many drafts may be queued before [`LedgerError::Busy`].
    #[must_use]
    pub fn room(&self) -> usize {
        self.queue.capacity()
    }
}
