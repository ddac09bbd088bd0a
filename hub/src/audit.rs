//! The read side for auditors: a search over the log, one message's way, a case, the health of the exchange.
//!
//! It follows from the log, in a file of its own ([`index`]) that [`follower`] keeps up: whoever deletes it loses nothing.
//! Whoever asks something is an entry of the log first: [`ask`] gives an [`Asked`] once that is durable, and nothing but an
//! [`Asked`] answers.

mod cases;
mod export;
mod filter;
pub mod follower;
mod health;
pub mod index;
mod queries;
mod row;
mod search;
mod timeline;

pub use export::Export;
pub use filter::{CaseQuery, HealthQuery, MOST_ROWS, QueriesQuery, RowLimit, Search, TimelineQuery};
pub use row::{
    CaseView, Health, MessageFile, Moment, Page, PastQueries, PastQuery, Place, PlacedRow, Slot, Step, Timeline, Within,
};
pub use saphan_schemas::audit::{Fate, Filter, Row};

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use saphan_schemas::commitment::Salt;
use saphan_schemas::ids::SystemId;
use saphan_schemas::registry::Role;
use tokio::sync::{Notify, watch};
use tokio::time::timeout;

use crate::app::App;
use crate::ledger::{Draft, EvidenceError, Judgement, LedgerError, QueryDraft};
use crate::limits::{Exhausted, Lane, Lanes, Payer};
use crate::store::StoreError;
use index::{Index, IndexError};

/// The room: where the index is, how far, and who waits for it.
#[derive(Debug)]
pub struct Audit {
    path: PathBuf,
    index: RwLock<Option<Index>>,
    indexed: watch::Sender<u64>,
    /// Somebody wants the index to reach this size.
    wanted: AtomicU64,
    call: Notify,
    damaged: AtomicBool,
    caught_up_within: Duration,
    /// Answers that take a while.
    lanes: Lanes,
    /// Searches: a slow one takes a reader of the index for all that time.
    searches: Lanes,
}

/// Why an auditor is not answered.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// The system may not audit.
    #[error("the system has not the role auditor")]
    NotAuditor,
    /// The query is longer than what is kept.
    #[error("the query is longer than {MOST_QUERY_BYTES} bytes")]
    TooLong,
    /// Nothing is there.
    #[error("nothing is there")]
    NotFound,
    /// The system asks for too much at once.
    #[error(transparent)]
    Exhausted(#[from] Exhausted),
    /// The query could not be logged, so it is not answered.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The index failed.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What shows that a message was accepted cannot be given.
    #[error(transparent)]
    Evidence(#[from] EvidenceError),
    /// Others are searching, and go on for longer than this one waits.
    #[error("too many searches at once")]
    Busy,
    /// A thread ended abnormally.
    #[error("a thread ended abnormally")]
    Lost,
}

/// A query that is in the log, and may be answered.
pub struct Asked<'a> {
    app: &'a Arc<App>,
    auditor: SystemId,
    place: u64,
}

/// Logs that `auditor` asks `text`; durable on return. `text` is what the entry commits to: the call, and all that decides the answer.
///
/// # Errors
/// [`AuditError`]; then nothing may be answered.
pub async fn ask<'a>(app: &'a Arc<App>, auditor: &SystemId, text: &str) -> Result<Asked<'a>, AuditError> {
    if text.len() > MOST_QUERY_BYTES {
        return Err(AuditError::TooLong);
    }
    let payer = Payer::System(auditor.clone());
    app.limits.messages.take(&payer, app.clock.now_ms())?;
    let mut rounds = 0;
    loop {
        let draft = judge(app, auditor, text)?;
        let place = match app.ledger.append_for(&payer, Draft::Query(Box::new(draft))).await {
            Ok(appended) => appended.index(),
            // Others change the registry as they please; whether the system may audit is looked at again.
            Err(LedgerError::Outdated(back)) if rounds < ROUNDS => {
                rounds += 1;
                let reached = timeout(FOLDED_WITHIN, app.registry.reached(back.registry)).await;
                reached.map_err(|_| LedgerError::Busy)?;
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        return Ok(Asked { app, auditor: auditor.clone(), place });
    }
}

fn judge(app: &App, auditor: &SystemId, text: &str) -> Result<QueryDraft, AuditError> {
    let registry = app.registry.state();
    if !registry.system(auditor).is_some_and(|system| system.roles.contains(&Role::Auditor)) {
        return Err(AuditError::NotAuditor);
    }
    let salt = Salt::generate().map_err(|_| LedgerError::Unavailable)?;
    let judgement = Judgement::new(registry.next(), None);
    Ok(QueryDraft { judgement, auditor: auditor.clone(), salt, text: text.to_owned() })
}

impl Asked<'_> {
    /// The place of its entry.
    #[must_use]
    pub const fn place(&self) -> u64 {
        self.place
    }

    /// The index of its entry, in the newest log.
    pub(crate) fn index_of_query(&self) -> u64 {
        self.app.shards.located(self.place).index
    }

    /// The index, once it holds all that was logged before the query; earlier if that takes too long. And how far it is.
    async fn index(&self) -> Result<(Index, u64), AuditError> {
        let audit = &self.app.audit;
        audit.reach(self.place).await;
        let index = audit.index().ok_or(IndexError::Absent)?;
        let indexed = index.size().await.map_err(|error| audit.noted(error))?;
        Ok((index, indexed))
    }

    /// Tells the follower of damage.
    fn noted(&self, error: IndexError) -> AuditError {
        self.app.audit.noted(error).into()
    }
}

impl Audit {
    /// The room of a hub whose index is this file. The file is opened by the follower. An auditor waits at most for `caught_up_within`
    /// until the index is at the end of the log; [`CAUGHT_UP_WITHIN`] suits people.
    #[must_use]
    pub fn new(path: PathBuf, caught_up_within: Duration) -> Self {
        Self {
            path,
            index: RwLock::new(None),
            indexed: watch::Sender::new(0),
            wanted: AtomicU64::new(0),
            call: Notify::new(),
            damaged: AtomicBool::new(false),
            caught_up_within,
            lanes: Lanes::new(LONG_ANSWERS, LONG_ANSWERS / 2),
            searches: Lanes::new(SEARCHES, SEARCHES / 2),
        }
    }

    /// The file of the index.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How many entries of the log are in the index; changes with each round.
    #[must_use]
    pub fn indexed(&self) -> watch::Receiver<u64> {
        self.indexed.subscribe()
    }

    /// A place for one search of this auditor, until it is dropped. There are few, and half of them are for one auditor.
    ///
    /// # Errors
    /// [`AuditError::Busy`] if there is none for some time.
    pub async fn place_to_search(&self, auditor: &SystemId) -> Result<Lane, AuditError> {
        self.searches.enter_within(auditor, PLACE_WITHIN).await.ok_or(AuditError::Busy)
    }

    fn index(&self) -> Option<Index> {
        self.index.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set_index(&self, index: Option<Index>) {
        self.damaged.store(false, Ordering::SeqCst);
        if index.is_none() {
            self.indexed.send_replace(0);
        }
        *self.index.write().unwrap_or_else(PoisonError::into_inner) = index;
    }

    /// Waits until the index has `size` entries, for some time.
    async fn reach(&self, size: u64) {
        let mut indexed = self.indexed.subscribe();
        if *indexed.borrow_and_update() >= size {
            return;
        }
        self.wanted.fetch_max(size, Ordering::SeqCst);
        self.call.notify_one();
        // Too late is no failure: the answer says how far the index is.
        let _ = timeout(self.caught_up_within, indexed.wait_for(|indexed| *indexed >= size)).await;
    }

    fn is_wanted(&self, next: u64) -> bool {
        self.wanted.load(Ordering::SeqCst) > next
    }

    async fn called(&self) {
        self.call.notified().await;
    }

    fn noted(&self, error: IndexError) -> IndexError {
        if error.is_damage() {
            self.damaged.store(true, Ordering::SeqCst);
            self.call.notify_one();
        }
        error
    }

    fn is_damaged(&self) -> bool {
        self.damaged.load(Ordering::SeqCst)
    }
}

/// What an auditor waits for at most, in a hub that serves.
pub const CAUGHT_UP_WITHIN: Duration = Duration::from_secs(3);
/// The longest text of a query, in bytes.
pub const MOST_QUERY_BYTES: usize = 8 * 1024;
/// Exports and other long answers at once; one system has half of them.
const LONG_ANSWERS: usize = 4;
/// Searches at once, fewer than the index has readers; one system has half of them.
const SEARCHES: usize = 2;
/// What a search waits for at most until it is its turn.
const PLACE_WITHIN: Duration = Duration::from_secs(2);
/// How often a query is judged again because the registry changed.
const ROUNDS: u32 = 5;
const FOLDED_WITHIN: Duration = Duration::from_secs(2);
